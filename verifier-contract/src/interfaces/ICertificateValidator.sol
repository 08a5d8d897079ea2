// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title Certificate validator: answers ERC-8004's validation requests with Tribute certificates
/// @notice An agent of ERC-8004's identity registry asks for validation of one version of a Tribute agent: it calls the
/// registry's `validationRequest` with this contract as the validator and `requestHashOf` as the hash. Anybody then calls
/// `answer`. Nothing is judged here: the answer is what the agent registry says at that moment, and can be brought up to
/// date by anybody at any time. A contract that needs the present state asks `ITribute.isCertified` instead.
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

    /// @notice Nobody asked this, or the identity that asked is another one.
    /// @param requestHash The request that there would have to be.
    error NotRequested(bytes32 requestHash);

    /// @notice Answers a request, or answers it again; anybody.
    /// @param identity The agent in the identity registry.
    /// @param agentId The Tribute agent.
    /// @param version The version, counted from 1.
    /// @param nonce Any number; another one, if somebody else took the hash first.
    /// @return response 100 or 0.
    function answer(uint256 identity, bytes32 agentId, uint32 version, uint256 nonce) external returns (uint8 response);

    /// @notice What `answer` would say now.
    /// @param identity The agent in the identity registry; reverts if there is none.
    /// @param agentId The Tribute agent; reverts if unknown.
    /// @param version The version, counted from 1.
    /// @return response 100 or 0.
    function responseOf(uint256 identity, bytes32 agentId, uint32 version) external view returns (uint8 response);

    /// @notice The hash under which a version is asked about.
    /// @param identity The agent in the identity registry.
    /// @param agentId The Tribute agent.
    /// @param version The version, counted from 1.
    /// @param nonce Any number; another one, if somebody else took the hash first.
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

    /// @notice Where answers go.
    /// @return Address of the validation registry.
    function validationRegistry() external view returns (address);

    /// @notice Where versions are certified.
    /// @return Address of the agent registry.
    function agentRegistry() external view returns (address);
}
