// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IAgentRegistry} from "./interfaces/IAgentRegistry.sol";
import {ICertificateValidator} from "./interfaces/ICertificateValidator.sol";
import {IIdentityRegistry, IValidationRegistry} from "./interfaces/IERC8004.sol";

/// @title Certificate validator
/// @notice See {ICertificateValidator}. It holds no funds and has no owner.
contract CertificateValidator is ICertificateValidator {
    string private constant TAG = "tribute.certificate";
    uint8 private constant PASSED = 100;

    IValidationRegistry private immutable REGISTRY;
    IIdentityRegistry private immutable IDENTITIES;
    IAgentRegistry private immutable AGENTS;

    /// @param registry The validation registry whose requests are answered.
    /// @param agents The agent registry.
    constructor(IValidationRegistry registry, IAgentRegistry agents) {
        REGISTRY = registry;
        IDENTITIES = IIdentityRegistry(registry.getIdentityRegistry());
        AGENTS = agents;
    }

    /// @inheritdoc ICertificateValidator
    function answer(uint256 identity, bytes32 agentId, uint32 version, uint256 nonce)
        external
        returns (uint8 response)
    {
        bytes32 requestHash = requestHashOf(identity, agentId, version, nonce);
        // The hash commits to the identity, but anybody may make a request under it, so the registry is asked whose
        // request it is.
        // slither-disable-next-line unused-return
        (address validator, uint256 asker,,,,) = REGISTRY.getValidationStatus(requestHash);
        if (validator != address(this) || asker != identity) revert NotRequested(requestHash);
        response = responseOf(identity, agentId, version);
        emit Answered(identity, agentId, version, response);
        REGISTRY.validationResponse(requestHash, response, "", evidenceOf(agentId, version), TAG);
    }

    /// @inheritdoc ICertificateValidator
    function validationRegistry() external view returns (address) {
        return address(REGISTRY);
    }

    /// @inheritdoc ICertificateValidator
    function agentRegistry() external view returns (address) {
        return address(AGENTS);
    }

    /// @inheritdoc ICertificateValidator
    function responseOf(uint256 identity, bytes32 agentId, uint32 version) public view returns (uint8 response) {
        bool certified = AGENTS.status(agentId, version) == IAgentRegistry.Status.Certified;
        bool same = IDENTITIES.ownerOf(identity) == AGENTS.agentOwner(agentId);
        return certified && same ? PASSED : 0;
    }

    /// @inheritdoc ICertificateValidator
    function requestHashOf(uint256 identity, bytes32 agentId, uint32 version, uint256 nonce)
        public
        view
        returns (bytes32 requestHash)
    {
        return keccak256(
            abi.encode("tribute.validation.v1", block.chainid, address(this), identity, agentId, version, nonce)
        );
    }

    /// @inheritdoc ICertificateValidator
    function evidenceOf(bytes32 agentId, uint32 version) public view returns (bytes32 evidence) {
        return keccak256(abi.encode(AGENTS.getVersion(agentId, version)));
    }
}
