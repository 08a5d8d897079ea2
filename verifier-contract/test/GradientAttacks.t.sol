// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ICertification} from "../src/interfaces/ICertification.sol";
import {IAgentRegistry} from "../src/interfaces/IAgentRegistry.sol";
import {IDatasetRegistry} from "../src/interfaces/IDatasetRegistry.sol";
import {IProofGate} from "../src/interfaces/IProofGate.sol";
import {World} from "./base/World.sol";

/// Attacks on gradients, by name. In each the verifier accepts the forged proof, as if the forger had broken the
/// circuit; the registry must still detect that it does not belong here. Then the honest counterpart passes.
contract GradientAttacksTest is World {
    function setUp() public override {
        super.setUp();
        closedVersion();
    }

    function expectGradientRefused(IAgentRegistry.GradientProof memory proof, bytes memory reason) private {
        IAgentRegistry.GradientProof[] memory proofs = gradients1(proof);
        vm.expectRevert(reason);
        agents.addGradients(agent, version, proofs);
        assertEq(agents.getVersion(agent, version).shardsDone, 0);
        addAllGradients();
        certifyWith(optimumWith(optimumInputs()));
    }

    // ---- gradients -----------------------------------------------------------------------------------------------

    function test_Attack_LabelChanged() public {
        // the same proof over records of which one label differs: other committed columns
        expectGradientRefused(
            gradientOf(adaSet, 0, "ada 0 relabelled", 6e12),
            abi.encodeWithSelector(
                ICertification.WrongRecords.selector,
                adaSet,
                0,
                recordsDigest("ada 0"),
                recordsDigest("ada 0 relabelled")
            )
        );
    }

    function test_Attack_GradientOfAnotherShardInItsPlace() public {
        IAgentRegistry.GradientProof memory proof = honestGradient(1);
        proof.shard = 0;
        expectGradientRefused(
            proof,
            abi.encodeWithSelector(
                ICertification.WrongRecords.selector, adaSet, 0, recordsDigest("ada 0"), recordsDigest("ada 1")
            )
        );
    }

    function test_Attack_GradientOfOtherWeights() public {
        IAgentRegistry.GradientProof memory proof = honestGradient(0);
        proof.proof =
        accepted(proof.inputs, abi.encodePacked(points("ada 0", COLUMNS), points("other weights", 1), curvePoint(7)))
        .proof;
        expectGradientRefused(
            proof,
            abi.encodeWithSelector(ICertification.WrongWeights.selector, pointDigest(W), pointDigest("other weights"))
        );
    }

    function test_Attack_GradientProofOfAnotherOwner() public {
        IAgentRegistry.GradientProof memory proof = honestGradient(0);
        uint256 hers = proof.inputs[0];
        proof.inputs[0] = uint256(
            keccak256(
                abi.encode(
                    keccak256("tribute.gradient.v1"),
                    block.chainid,
                    address(agents),
                    MALLORY,
                    pointDigest(W),
                    recordsDigest("ada 0")
                )
            )
        ) >> 8;
        verifier.commit(proof.inputs, proof.proof);
        expectGradientRefused(
            proof, abi.encodeWithSelector(ICertification.WrongContext.selector, hers, proof.inputs[0])
        );
    }

    function test_Attack_GradientForAShardThatIsNotThere() public {
        IAgentRegistry.GradientProof memory proof = honestGradient(0);
        proof.shard = 2;
        expectGradientRefused(proof, abi.encodeWithSelector(IDatasetRegistry.ShardOutOfRange.selector, adaSet, 2, 2));
    }

    /// A dataset that is registered but not listed gets no contribution.
    function test_Attack_GradientOfADatasetThatIsNotListed() public {
        bytes32 junk = registerAs(MALLORY, registerParams(), "junk", 10);
        expectGradientRefused(
            gradientOf(junk, 0, "junk", 1e12), abi.encodeWithSelector(ICertification.DatasetNotInVersion.selector, junk)
        );
    }

    /// Nor does a later version of a listed one.
    function test_Attack_GradientOfAShardAddedAfterListing() public {
        IDatasetRegistry.ShardProof[] memory more = oneShard(shardProof(ADA, "ada 2", 2, 50));
        vm.prank(ADA);
        bytes32 larger = datasets.extend(adaSet, more);
        expectGradientRefused(
            gradientOf(larger, 2, "ada 2", 1e12),
            abi.encodeWithSelector(ICertification.DatasetNotInVersion.selector, larger)
        );
    }

    /// Division by 2^u would let a prover choose among many N; only the small one is N.
    function test_Attack_ContributionOutOfRange() public {
        int256 limit = int256(1 << 112);
        int256[4] memory values = [limit, -limit, int256(R / 2), -int256(R / 2)];
        for (uint256 i = 0; i < 4; ++i) {
            IAgentRegistry.GradientProof[] memory proofs = gradients1(gradientOf(benSet, 0, "ben 0", values[i]));
            vm.expectRevert(abi.encodeWithSelector(ICertification.PublicValueOutOfRange.selector, 1, field(values[i])));
            agents.addGradients(agent, version, proofs);
        }
        addGradient(gradientOf(benSet, 0, "ben 0", 1 - limit));
        addGradient(gradientOf(adaSet, 0, "ada 0", limit - 1));
        assertTrue(agents.contributionOf(agent, version, benSet).value == 1 - limit, "the most negative");
    }

    function test_Attack_OneBadProofAmongGoodOnes() public {
        IAgentRegistry.GradientProof[] memory proofs = new IAgentRegistry.GradientProof[](3);
        for (uint256 i = 0; i < 3; ++i) {
            proofs[i] = honestGradient(i);
        }
        proofs[2].proof[700] ^= 0x01;
        vm.expectRevert(abi.encodeWithSelector(IProofGate.ProofRejected.selector, gradientCircuit));
        agents.addGradients(agent, version, proofs);
        assertEq(agents.getVersion(agent, version).shardsDone, 0);
        assertTrue(!agents.gradientAdded(agent, version, adaSet, 0), "the good ones are undone with it");
    }

    function wrongStatus(IAgentRegistry.Status needed, IAgentRegistry.Status found)
        private
        view
        returns (bytes memory)
    {
        return abi.encodeWithSelector(IAgentRegistry.WrongStatus.selector, agent, version, needed, found);
    }

    function test_Attack_GradientsBeforeTheListIsFinalOrAfterTheCertificate() public {
        uint32 first = version;
        version = draft(versionParams());
        list(version, bothSets());
        IAgentRegistry.GradientProof[] memory proofs = gradients1(honestGradient(0));
        vm.expectRevert(wrongStatus(IAgentRegistry.Status.Closed, IAgentRegistry.Status.Draft));
        agents.addGradients(agent, version, proofs);
        version = first;
        addAllGradients();
        certifyWith(optimumWith(optimumInputs()));
        vm.expectRevert(wrongStatus(IAgentRegistry.Status.Closed, IAgentRegistry.Status.Certified));
        agents.addGradients(agent, version, proofs);
    }

    /// A gradient proof names owner, weights and shard: it is invalid for other weights of the same owner.
    function test_Attack_GradientsOfAnotherVersion() public {
        IAgentRegistry.GradientProof memory old = honestGradient(2);
        IAgentRegistry.VersionParams memory params = versionParams();
        params.wDigest = pointDigest("other weights");
        version = closed(params, bothSets());
        IAgentRegistry.GradientProof[] memory proofs = gradients1(old);
        vm.expectRevert(abi.encodeWithSelector(ICertification.WrongWeights.selector, params.wDigest, pointDigest(W)));
        agents.addGradients(agent, version, proofs);
    }
}
