// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title The part of ERC-8004's validation registry that a validator needs
/// @notice The draft "Trustless Agents" as of January 2026, in which tags are strings.
interface IValidationRegistry {
    /// @notice Answers a request; only the validator that it names. May be called repeatedly.
    /// @param requestHash The request.
    /// @param response 0 (failed) to 100 (passed).
    /// @param responseURI URI of the evidence; may be empty.
    /// @param responseHash Commitment to the evidence.
    /// @param tag Kind of answer.
    function validationResponse(
        bytes32 requestHash,
        uint8 response,
        string calldata responseURI,
        bytes32 responseHash,
        string calldata tag
    ) external;

    /// @notice A request and its latest answer.
    /// @param requestHash The request.
    /// @return validatorAddress The validator that it names.
    /// @return agentId The requesting agent's id in the identity registry.
    /// @return response The latest answer; 0 before the first.
    /// @return responseHash Commitment to its evidence.
    /// @return tag Kind of answer.
    /// @return lastUpdate Unix time in seconds of the answer, or of the request if unanswered.
    function getValidationStatus(bytes32 requestHash)
        external
        view
        returns (
            address validatorAddress,
            uint256 agentId,
            uint8 response,
            bytes32 responseHash,
            string memory tag,
            uint256 lastUpdate
        );

    /// @notice The identity registry, whose ERC-721 tokens are the agents.
    /// @return registry Address of the identity registry.
    function getIdentityRegistry() external view returns (address registry);
}

/// @title The part of ERC-8004's identity registry that a validator needs
/// @notice Agents are ERC-721 tokens.
interface IIdentityRegistry {
    /// @notice The owner of an agent; reverts if it does not exist.
    /// @param tokenId The agent.
    /// @return owner Its owner.
    function ownerOf(uint256 tokenId) external view returns (address owner);
}
