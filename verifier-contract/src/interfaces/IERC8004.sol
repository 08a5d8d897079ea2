// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title ERC-8004's validation registry, as far as a validator needs it
/// @notice The draft "Trustless Agents" in its form of January 2026, in which tags are strings.
interface IValidationRegistry {
    /// @notice Answers a request; only the validator that it names. May be called again.
    /// @param requestHash The request.
    /// @param response 0 (failed) to 100 (passed).
    /// @param responseURI Where evidence is; may be empty.
    /// @param responseHash Commitment to the evidence.
    /// @param tag What kind of answer it is.
    function validationResponse(
        bytes32 requestHash,
        uint8 response,
        string calldata responseURI,
        bytes32 responseHash,
        string calldata tag
    ) external;

    /// @notice A request with its last answer.
    /// @param requestHash The request.
    /// @return validatorAddress Whom it names.
    /// @return agentId The agent that asked, an id of the identity registry.
    /// @return response The last answer, 0 before the first.
    /// @return responseHash Commitment to its evidence.
    /// @return tag What kind of answer it was.
    /// @return lastUpdate Second of Unix time of the answer, or of the request.
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

    /// @notice The registry in which agents are tokens of ERC-721.
    /// @return registry Address of the identity registry.
    function getIdentityRegistry() external view returns (address registry);
}

/// @title ERC-8004's identity registry, as far as a validator needs it
/// @notice Agents are tokens of ERC-721.
interface IIdentityRegistry {
    /// @notice Who owns an agent; reverts if there is none.
    /// @param tokenId The agent.
    /// @return owner Its owner.
    function ownerOf(uint256 tokenId) external view returns (address owner);
}
