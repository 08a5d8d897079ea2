// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title Agents: ownership, names and payout addresses
/// @notice The part of the agent registry about agents, without their versions.
interface IAgents {
    /// @notice An agent was created.
    /// @param agentId The agent.
    /// @param owner The agent's owner.
    /// @param name The agent's name.
    /// @param metadata Where to find the agent and how to use it.
    event AgentCreated(bytes32 indexed agentId, address indexed owner, bytes32 name, string metadata);
    /// @notice An agent's metadata was changed.
    /// @param agentId The agent.
    /// @param metadata Where to find the agent and how to use it.
    event MetadataChanged(bytes32 indexed agentId, string metadata);
    /// @notice An agent was offered to a new owner, or the offer was withdrawn.
    /// @param agentId The agent.
    /// @param from The owner.
    /// @param to The account that may accept it; zero for nobody.
    event AgentOffered(bytes32 indexed agentId, address indexed from, address indexed to);
    /// @notice An agent has a new owner.
    /// @param agentId The agent.
    /// @param from The previous owner.
    /// @param to The new owner.
    event AgentTransferred(bytes32 indexed agentId, address indexed from, address indexed to);
    /// @notice The payout address of an agent owner's fees was changed.
    /// @param agentId The agent.
    /// @param payout The address; zero for the owner's own.
    event PayoutChanged(bytes32 indexed agentId, address payout);

    /// @notice No agent has this id.
    /// @param agentId The id requested.
    error UnknownAgent(bytes32 agentId);
    /// @notice Only the agent's owner may do this; for a version, the owner who proposed it.
    /// @param agentId The agent.
    /// @param caller The caller.
    error NotAgentOwner(bytes32 agentId, address caller);
    /// @notice The agent was not offered to this account.
    /// @param agentId The agent.
    /// @param offeredTo The account that may accept it; zero if none.
    error NotOffered(bytes32 agentId, address offeredTo);
    /// @notice Metadata has at most 1,024 bytes.
    /// @param length Bytes given.
    error MetadataTooLong(uint256 length);

    /// @notice Creates an agent owned by the caller.
    /// @param name The agent's name: any 32 bytes, immutable.
    /// @param metadata Free text by the owner on where to find the agent and how to use it: a URI or JSON, at most
    /// 1,024 bytes.
    /// @return agentId Id of the new agent.
    function createAgent(bytes32 name, string calldata metadata) external returns (bytes32 agentId);

    /// @notice Changes an agent's metadata; only its owner.
    /// @param agentId The agent.
    /// @param metadata At most 1,024 bytes.
    function setMetadata(bytes32 agentId, string calldata metadata) external;

    /// @notice Sets the payout address of an agent owner's fees; only its owner.
    /// @param agentId The agent.
    /// @param payout The address; zero for the owner's own.
    function setPayout(bytes32 agentId, address payout) external;

    /// @notice Offers an agent to a new owner; only its owner. Open versions can be certified only if the new owner
    /// adopts them (`IAgentRegistry.adopt`); fees not yet withdrawn go to the new owner.
    /// @param agentId The agent.
    /// @param to The account that may accept it; zero withdraws an offer.
    function offerAgent(bytes32 agentId, address to) external;

    /// @notice Accepts an agent that was offered to the caller; fees then go to the new owner's own address.
    /// @param agentId The agent.
    function acceptAgent(bytes32 agentId) external;

    /// @notice The id of `owner`'s agent number `nonce`, counted from 0.
    /// @param owner The agent's first owner.
    /// @param nonce Number of the owner's agent, counted from 0.
    /// @return agentId The id, even if the agent does not exist yet.
    function agentIdOf(address owner, uint256 nonce) external view returns (bytes32 agentId);

    /// @notice Number of agents that `owner` created.
    /// @param owner The owner.
    /// @return count Number of agents: the next one's nonce.
    function agentCount(address owner) external view returns (uint256 count);

    /// @notice The agent's owner; reverts if unknown.
    /// @param agentId The agent.
    /// @return owner The agent's owner.
    function agentOwner(bytes32 agentId) external view returns (address owner);

    /// @notice The account that may accept an agent; reverts if unknown.
    /// @param agentId The agent.
    /// @return account The account; zero if it is not offered.
    function offeredTo(bytes32 agentId) external view returns (address account);

    /// @notice The payout address of an agent owner's fees; reverts if unknown.
    /// @param agentId The agent.
    /// @return account The payout address that was set, else the owner.
    function payoutOf(bytes32 agentId) external view returns (address account);

    /// @notice The agent's name.
    /// @param agentId The agent.
    /// @return name The 32 bytes given at creation; reverts if the agent is unknown.
    function agentName(bytes32 agentId) external view returns (bytes32 name);

    /// @notice The agent's metadata.
    /// @param agentId The agent.
    /// @return metadata The owner's text; reverts if the agent is unknown.
    function agentMetadata(bytes32 agentId) external view returns (string memory metadata);

    /// @notice Number of versions; they are counted from 1.
    /// @param agentId The agent.
    /// @return count Number of versions proposed, certified or not; reverts if the agent is unknown.
    function versionCount(bytes32 agentId) external view returns (uint32 count);

    /// @notice The certified version with the highest number; reverts if the agent is unknown.
    /// @param agentId The agent.
    /// @return version The version, counted from 1; 0 if none is certified.
    function latestCertified(bytes32 agentId) external view returns (uint32 version);
}
