// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IAgents} from "./interfaces/IAgents.sol";
import {Statements} from "./libraries/Statements.sol";

/// @title Agents: ownership, names and payout addresses
/// @notice See {IAgents}.
abstract contract Agents is IAgents {
    uint256 private constant METADATA_MOST = 1024;

    struct Agent {
        // one slot
        address owner;
        uint32 versions;
        uint32 latestCertified;
        bytes32 name;
        string metadata;
        // written only when used
        address offeredTo;
        address payout;
    }

    mapping(address owner => uint256) private _agentCount;
    mapping(bytes32 agentId => Agent) private _agents;

    /// @inheritdoc IAgents
    function createAgent(bytes32 name, string calldata metadata) external returns (bytes32 agentId) {
        agentId = Statements.agentIdOf(msg.sender, _agentCount[msg.sender]++);
        Agent storage agent = _agents[agentId];
        agent.owner = msg.sender;
        agent.name = name;
        _setMetadata(agent, metadata);
        emit AgentCreated(agentId, msg.sender, name, metadata);
    }

    /// @inheritdoc IAgents
    function setMetadata(bytes32 agentId, string calldata metadata) external {
        _setMetadata(_ownAgent(agentId), metadata);
        emit MetadataChanged(agentId, metadata);
    }

    /// @inheritdoc IAgents
    // Zero is allowed: it means the owner's own address.
    // slither-disable-next-line missing-zero-check
    function setPayout(bytes32 agentId, address payout) external {
        _ownAgent(agentId).payout = payout;
        emit PayoutChanged(agentId, payout);
    }

    /// @inheritdoc IAgents
    // Zero withdraws an offer.
    // slither-disable-next-line missing-zero-check
    function offerAgent(bytes32 agentId, address to) external {
        _ownAgent(agentId).offeredTo = to;
        emit AgentOffered(agentId, msg.sender, to);
    }

    /// @inheritdoc IAgents
    function acceptAgent(bytes32 agentId) external {
        Agent storage agent = _knownAgent(agentId);
        if (agent.offeredTo != msg.sender) revert NotOffered(agentId, agent.offeredTo);
        emit AgentTransferred(agentId, agent.owner, msg.sender);
        agent.owner = msg.sender;
        agent.offeredTo = address(0);
        agent.payout = address(0);
    }

    /// @inheritdoc IAgents
    function agentIdOf(address owner, uint256 nonce) external view returns (bytes32 agentId) {
        return Statements.agentIdOf(owner, nonce);
    }

    /// @inheritdoc IAgents
    function agentCount(address owner) external view returns (uint256 count) {
        return _agentCount[owner];
    }

    /// @inheritdoc IAgents
    function offeredTo(bytes32 agentId) external view returns (address account) {
        return _knownAgent(agentId).offeredTo;
    }

    /// @inheritdoc IAgents
    function payoutOf(bytes32 agentId) external view returns (address account) {
        Agent storage agent = _knownAgent(agentId);
        return agent.payout == address(0) ? agent.owner : agent.payout;
    }

    /// @inheritdoc IAgents
    function agentName(bytes32 agentId) external view returns (bytes32 name) {
        return _knownAgent(agentId).name;
    }

    /// @inheritdoc IAgents
    function agentMetadata(bytes32 agentId) external view returns (string memory metadata) {
        return _knownAgent(agentId).metadata;
    }

    /// @inheritdoc IAgents
    function versionCount(bytes32 agentId) external view returns (uint32 count) {
        return _knownAgent(agentId).versions;
    }

    /// @inheritdoc IAgents
    function latestCertified(bytes32 agentId) external view returns (uint32 version) {
        return _knownAgent(agentId).latestCertified;
    }

    /// @inheritdoc IAgents
    function agentOwner(bytes32 agentId) public view returns (address owner) {
        return _knownAgent(agentId).owner;
    }

    /// @dev Increments the version count of an agent; only the agent's owner.
    /// @param agentId The agent.
    /// @return version Number of the new version, counted from 1.
    function _nextVersion(bytes32 agentId) internal returns (uint32 version) {
        return ++_ownAgent(agentId).versions;
    }

    /// @dev Records that a version was certified.
    /// @param agentId The agent.
    /// @param version The version.
    function _noteCertified(bytes32 agentId, uint32 version) internal {
        Agent storage agent = _agents[agentId];
        if (version > agent.latestCertified) agent.latestCertified = version;
    }

    function _setMetadata(Agent storage agent, string calldata metadata) private {
        uint256 length = bytes(metadata).length;
        if (length > METADATA_MOST) revert MetadataTooLong(length);
        agent.metadata = metadata;
    }

    function _ownAgent(bytes32 agentId) private view returns (Agent storage agent) {
        agent = _knownAgent(agentId);
        if (agent.owner != msg.sender) revert NotAgentOwner(agentId, msg.sender);
    }

    function _knownAgent(bytes32 agentId) private view returns (Agent storage agent) {
        agent = _agents[agentId];
        if (agent.owner == address(0)) revert UnknownAgent(agentId);
    }
}
