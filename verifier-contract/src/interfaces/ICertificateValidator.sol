// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title Certificate validator: answers ERC-8004's validation requests with Tribute certificates
/// @notice An agent of ERC-8004's identity registry asks for validation of one version of a Tribute agent: it calls the
/// registry's `validationRequest` with this contract as the validator and `requestHashOf` as the hash. Anybody then
/// calls `answer`. The answer is what the agent registry says at that moment; anybody can update it at any time. A
/// contract that needs the current state calls `ITribute.isCertified` instead.
///
/// The answer is 100 if the version is certified, none of its circuits was stopped, and identity and agent have the same
/// owner; else it is 0.
interface ICertificateValidator {
    /// @notice A request was answered.
    /// @param identity The agent in the identity registry.
    /// @param agentId The Tribute agent.
    /// @param version The version, counted from 1.
    /// @param response 100 or 0.
    event Answered(uint256 indexed identity, bytes32 indexed agentId, uint32 indexed version, uint8 response);

    /// @notice There is no such request, or another identity made it.
    /// @param requestHash Hash of the expected request.
    error NotRequested(bytes32 requestHash);

    /// @notice Answers a request, or updates its answer; anybody may call.
    /// @param identity The agent in the identity registry.
    /// @param agentId The Tribute agent.
    /// @param version The version, counted from 1.
    /// @param nonce Any number; choose another one if somebody else has used the hash.
    /// @return response 100 or 0.
    function answer(uint256 identity, bytes32 agentId, uint32 version, uint256 nonce) external returns (uint8 response);

    /// @notice The response that `answer` would give now.
    /// @param identity The agent in the identity registry; reverts if there is none.
    /// @param agentId The Tribute agent; reverts if unknown.
    /// @param version The version, counted from 1.
    /// @return response 100 or 0.
    function responseOf(uint256 identity, bytes32 agentId, uint32 version) external view returns (uint8 response);

    /// @notice The hash of a request about a version.
    /// @param identity The agent in the identity registry.
    /// @param agentId The Tribute agent.
    /// @param version The version, counted from 1.
    /// @param nonce Any number; choose another one if somebody else has used the hash.
    /// @return requestHash keccak256 of a tag, the chain, this contract, and the arguments.
    function requestHashOf(uint256 identity, bytes32 agentId, uint32 version, uint256 nonce)
        external
        view
        returns (bytes32 requestHash);

    /// @notice The evidence that an answer commits to.
    /// @param agentId The Tribute agent.
    /// @param version The version, counted from 1; reverts if unknown.
    /// @return evidence keccak256 of `abi.encode(IAgentRegistry.getVersion(agentId, version))`.
    function evidenceOf(bytes32 agentId, uint32 version) external view returns (bytes32 evidence);

    /// @notice The registry that receives the answers.
    /// @return Address of the validation registry.
    function validationRegistry() external view returns (address);

    /// @notice The agent registry.
    /// @return Address of the agent registry.
    function agentRegistry() external view returns (address);
}
