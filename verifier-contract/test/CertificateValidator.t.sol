// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {CertificateValidator} from "../src/CertificateValidator.sol";
import {IAgents} from "../src/interfaces/IAgents.sol";
import {ICertificateValidator} from "../src/interfaces/ICertificateValidator.sol";
import {IdentityRegistry, ValidationRegistry} from "./base/Erc8004.sol";
import {World} from "./base/World.sol";

/// ERC-8004's validation requests, answered with certificates.
contract CertificateValidatorTest is World {
    IdentityRegistry private identities;
    ValidationRegistry private registry;
    CertificateValidator private validator;
    uint256 private identity;

    function setUp() public override {
        super.setUp();
        identities = new IdentityRegistry();
        registry = new ValidationRegistry(identities);
        validator = new CertificateValidator(registry, agents);
        certifiedAgent();
        vm.prank(OLGA);
        identity = identities.register();
    }

    function request(address from, uint256 asker, bytes32 hash) private {
        vm.prank(from);
        registry.validationRequest(address(validator), asker, "", hash);
    }

    function assertStored(uint8 expected) private view {
        bytes32 hash = validator.requestHashOf(identity, agent, version, 0);
        (address by, uint256 asker, uint8 response, bytes32 evidence, string memory tag, uint256 at) =
            registry.getValidationStatus(hash);
        assertTrue(by == address(validator) && asker == identity && at == block.timestamp, "this request");
        assertEq(response, expected);
        assertEq(evidence, keccak256(abi.encode(agents.getVersion(agent, version))));
        assertEq(keccak256(bytes(tag)), keccak256("tribute.certificate"));
    }

    function test_ACertificateAnswersARequest() public {
        request(OLGA, identity, validator.requestHashOf(identity, agent, version, 0));
        vm.prank(MALLORY); // anybody may submit answers
        assertEq(validator.answer(identity, agent, version, 0), 100);
        assertStored(100);
        // doubtful since: anybody can update the answer
        gate.stop(optimumCircuit);
        vm.warp(block.timestamp + 1 days);
        assertEq(validator.answer(identity, agent, version, 0), 0);
        assertStored(0);
        assertEq(validator.validationRegistry(), address(registry));
        assertEq(validator.agentRegistry(), address(agents));
    }

    function test_AVersionUnderWayFailsUntilItIsCertified() public {
        version = closed(versionParams(), ids1(benSet));
        request(OLGA, identity, validator.requestHashOf(identity, agent, version, 0));
        assertEq(validator.answer(identity, agent, version, 0), 0);
        assertStored(0);
    }

    /// An identity claims somebody else's certificate.
    function test_Attack_CertificateOfAnotherOwner() public {
        vm.prank(MALLORY);
        uint256 other = identities.register();
        request(MALLORY, other, validator.requestHashOf(other, agent, version, 0));
        assertEq(validator.answer(other, agent, version, 0), 0);
        // and a sold identity, or a sold agent, no longer counts
        request(OLGA, identity, validator.requestHashOf(identity, agent, version, 0));
        assertEq(validator.answer(identity, agent, version, 0), 100);
        vm.prank(OLGA);
        identities.transferFrom(OLGA, MALLORY, identity);
        assertEq(validator.answer(identity, agent, version, 0), 0);
        vm.prank(OLGA);
        agents.offerAgent(agent, MALLORY);
        vm.prank(MALLORY);
        agents.acceptAgent(agent);
        assertEq(validator.answer(identity, agent, version, 0), 100);
    }

    /// A request by one identity under the hash of another: its answer would appear under the wrong agent.
    function test_Attack_RequestUnderTheHashOfAnotherIdentity() public {
        vm.prank(MALLORY);
        uint256 other = identities.register();
        bytes32 hash = validator.requestHashOf(identity, agent, version, 0);
        request(MALLORY, other, hash);
        vm.expectRevert(abi.encodeWithSelector(ICertificateValidator.NotRequested.selector, hash));
        validator.answer(identity, agent, version, 0);
        // it costs the other a nonce, nothing more
        request(OLGA, identity, validator.requestHashOf(identity, agent, version, 1));
        assertEq(validator.answer(identity, agent, version, 1), 100);
    }

    function test_RevertWhen_NobodyAskedOrSomebodyElseIsAsked() public {
        vm.expectRevert();
        validator.answer(identity, agent, version, 0);
        bytes32 hash = validator.requestHashOf(identity, agent, version, 0);
        vm.prank(OLGA);
        registry.validationRequest(MALLORY, identity, "", hash);
        vm.expectRevert(abi.encodeWithSelector(ICertificateValidator.NotRequested.selector, hash));
        validator.answer(identity, agent, version, 0);
    }

    function test_RevertWhen_AgentIsUnknown() public {
        request(OLGA, identity, validator.requestHashOf(identity, "none", 1, 0));
        vm.expectRevert(abi.encodeWithSelector(IAgents.UnknownAgent.selector, bytes32("none")));
        validator.answer(identity, "none", 1, 0);
    }
}
