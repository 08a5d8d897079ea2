// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IAgentRegistry} from "../src/interfaces/IAgentRegistry.sol";
import {IProofGate} from "../src/interfaces/IProofGate.sol";
import {Statements} from "../src/libraries/Statements.sol";
import {World} from "./base/World.sol";
import {AcceptAll} from "./hostile/AcceptAll.sol";

/// Attacks on certificates, by name. In each the verifier accepts the forged proof, as if the forger had the better of
/// the circuit; the registry must still see that it does not belong here. Then the honest twin passes.
contract CertificateAttacksTest is World {
    function setUp() public override {
        super.setUp();
        proposeVersion();
    }

    function expectGradientRefused(uint256 slot, Proof memory proof, bytes memory reason) private {
        vm.expectRevert(reason);
        agents.submitGradient(agent, version, slot, proof.inputs, proof.proof);
        Proof memory honest = honestGradient(slot);
        agents.submitGradient(agent, version, slot, honest.inputs, honest.proof);
    }

    function expectRefused(Proof memory proof, bytes memory reason) private {
        vm.expectRevert(reason);
        certifyWith(proof);
        assertTrue(!agents.isCertified(agent, version), "nothing moved");
        assertEq(agents.getVersion(agent, version).shares.length, 0);
        certifyWith(optimumWith(optimumInputs()));
    }

    function expectRefusedInput(uint256 index, uint256 value, bytes memory reason) private {
        submitGradients();
        uint256[] memory inputs = optimumInputs();
        inputs[index] = value;
        expectRefused(optimumWith(inputs), reason);
    }

    // ---- gradients -----------------------------------------------------------------------------------------------

    function test_Attack_LabelChanged() public {
        // the same proof over records of which one label differs: other committed columns
        uint256[] memory inputs = honestGradient(0).inputs;
        Proof memory forged = accepted(
            inputs, abi.encodePacked(points("ada 0 relabelled", COLUMNS), points(W, 1), points(gradientSeed(0), 1))
        );
        expectGradientRefused(
            0,
            forged,
            abi.encodeWithSelector(
                IAgentRegistry.WrongDataset.selector, 0, recordsDigest("ada 0"), recordsDigest("ada 0 relabelled")
            )
        );
    }

    function test_Attack_GradientOfAnotherShardInASlot() public {
        expectGradientRefused(
            0,
            honestGradient(1),
            abi.encodeWithSelector(
                IAgentRegistry.WrongDataset.selector, 0, recordsDigest("ada 0"), recordsDigest("ada 1")
            )
        );
    }

    function test_Attack_GradientOfOtherWeights() public {
        uint256[] memory inputs = honestGradient(0).inputs;
        Proof memory forged = accepted(
            inputs, abi.encodePacked(points("ada 0", COLUMNS), points("other weights", 1), points(gradientSeed(0), 1))
        );
        expectGradientRefused(
            0,
            forged,
            abi.encodeWithSelector(IAgentRegistry.WrongWeights.selector, pointDigest(W), pointDigest("other weights"))
        );
    }

    function test_Attack_GradientProofOfAnotherOwner() public {
        Proof memory forged = honestGradient(0);
        uint256 hers = forged.inputs[0];
        forged.inputs[0] = uint256(
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
        accept(forged);
        expectGradientRefused(
            0, forged, abi.encodeWithSelector(IAgentRegistry.WrongContext.selector, hers, forged.inputs[0])
        );
    }

    function test_Attack_GradientForASlotThatIsNotThere() public {
        Proof memory proof = honestGradient(0);
        vm.expectRevert(abi.encodeWithSelector(IAgentRegistry.SlotOutOfRange.selector, 3, 3));
        agents.submitGradient(agent, version, 3, proof.inputs, proof.proof);
    }

    // ---- optimum: gradients and slots ----------------------------------------------------------------------------

    function expectSeedRefused(uint256 slot, bytes32 seed) private {
        bytes32[8] memory seeds = optimumSeeds();
        seeds[slot] = seed;
        Proof memory forged = accepted(optimumInputs(), optimumPoints(W, seeds));
        expectRefused(
            forged, abi.encodeWithSelector(IAgentRegistry.GradientNotProven.selector, slot, pointDigest(seed))
        );
    }

    function test_Attack_GOfAnotherProofInASlot() public {
        submitGradients();
        expectSeedRefused(0, gradientSeed(1));
    }

    function test_Attack_GNeverProven() public {
        submitGradients();
        expectSeedRefused(2, "made up");
    }

    function test_Attack_ShardTwice() public {
        submitGradients();
        expectSeedRefused(1, gradientSeed(0));
    }

    function test_Attack_GOfAnotherLink() public {
        // A logistic gradient of the same shard and weights, proven for another version of the same agent.
        IProofGate.CircuitInfo memory info = circuitInfo(Statements.GRADIENT);
        info.link = 2;
        bytes32 logistic = gate.addCircuit(info);
        IAgentRegistry.VersionParams memory params = versionParams();
        (params.link, params.gradientCircuitId) = (2, logistic);
        vm.prank(OLGA);
        uint32 other = agents.proposeVersion(agent, params);
        Proof memory proof = accepted(
            honestGradient(0).inputs, abi.encodePacked(points("ada 0", COLUMNS), points(W, 1), points("logistic g", 1))
        );
        agents.submitGradient(agent, other, 0, proof.inputs, proof.proof);
        assertTrue(
            agents.gradientProven(logistic, recordsDigest("ada 0"), pointDigest(W), pointDigest("logistic g")), "kept"
        );
        submitGradients();
        expectSeedRefused(0, "logistic g");
    }

    function test_Attack_NewCircuitOfAnOldShape() public {
        // A verifier added later, of the same shape, that accepts anything must not apply to this version.
        IProofGate.CircuitInfo memory info = circuitInfo(Statements.OPTIMUM);
        info.vkDigest = "another key";
        AcceptAll lax = new AcceptAll();
        (info.verifier, info.codeHash) = (address(lax), address(lax).codehash);
        bytes32 added = gate.addCircuit(info);
        submitGradients();
        Proof memory forged = Proof({
            inputs: optimumInputs(), proof: abi.encodePacked(optimumPoints(W, optimumSeeds()), points("forged", 1))
        });
        gate.check(added, forged.inputs, forged.proof);
        expectRefused(forged, abi.encodeWithSelector(IProofGate.ProofRejected.selector, optimumCircuit));
    }

    function test_Attack_JunkInAnInactiveSlot() public {
        expectRefusedInput(
            Statements.OPTIMUM_ACTIVE + 3, 1, abi.encodeWithSelector(IAgentRegistry.WrongActiveFlag.selector, 3, 0, 1)
        );
    }

    function test_Attack_ActiveFlagOfAnyOtherValue() public {
        expectRefusedInput(
            Statements.OPTIMUM_ACTIVE + 7,
            R - 1,
            abi.encodeWithSelector(IAgentRegistry.WrongActiveFlag.selector, 7, 0, R - 1)
        );
    }

    function test_Attack_ShareInAnInactiveSlot() public {
        expectRefusedInput(
            Statements.OPTIMUM_SHARE + 3,
            5,
            abi.encodeWithSelector(IAgentRegistry.UnexpectedShare.selector, 3, int256(5))
        );
    }

    function test_Attack_JoinInAnInactiveSlot() public {
        expectRefusedInput(
            Statements.OPTIMUM_JOIN + 3, 1, abi.encodeWithSelector(IAgentRegistry.WrongJoinFlag.selector, 3, 0, 1)
        );
    }

    function test_Attack_ShardLeftOut() public {
        expectRefusedInput(
            Statements.OPTIMUM_ACTIVE + 2, 0, abi.encodeWithSelector(IAgentRegistry.WrongActiveFlag.selector, 2, 1, 0)
        );
    }

    /// Joining Ben's slot to Ada's would publish one share for both.
    function test_Attack_DatasetsJoined() public {
        expectRefusedInput(
            Statements.OPTIMUM_JOIN + 2, 1, abi.encodeWithSelector(IAgentRegistry.WrongJoinFlag.selector, 2, 0, 1)
        );
    }

    function test_Attack_DatasetSplit() public {
        expectRefusedInput(
            Statements.OPTIMUM_JOIN + 1, 0, abi.encodeWithSelector(IAgentRegistry.WrongJoinFlag.selector, 1, 1, 0)
        );
    }

    // ---- optimum: numbers ----------------------------------------------------------------------------------------

    function test_Attack_NOffByOne() public {
        expectRefusedInput(
            Statements.OPTIMUM_N, 1598, abi.encodeWithSelector(IAgentRegistry.WrongRecordCount.selector, 1597, 1598)
        );
    }

    function test_Attack_OtherLambda() public {
        expectRefusedInput(
            Statements.OPTIMUM_LAMBDA,
            LAMBDA + 1,
            abi.encodeWithSelector(IAgentRegistry.WrongLambda.selector, LAMBDA, LAMBDA + 1)
        );
    }

    /// The largest ε that passes is 4δ; one more is refused, though the relative distance would still be certified.
    function test_Attack_EpsilonOverTheCap() public {
        submitGradients();
        assertTrue((5 * DELTA + 1) * 1_024_000 < uint256(LAMBDA) * NORM, "the distance alone would pass");
        uint256[] memory inputs = optimumInputs();
        inputs[Statements.OPTIMUM_EPSILON] = 4 * DELTA + 1;
        Proof memory forged = optimumWith(inputs);
        vm.expectRevert(abi.encodeWithSelector(IAgentRegistry.EpsilonOverCap.selector, 4 * DELTA + 1, 4 * DELTA));
        certifyWith(forged);
        inputs[Statements.OPTIMUM_EPSILON] = 4 * DELTA;
        certifyWith(optimumWith(inputs));
        assertEq(agents.getVersion(agent, version).epsilon, 4 * DELTA);
    }

    /// The least norm that passes, by (e + δ)·1000·1024 ≤ L·v; one less is refused.
    function test_Attack_RelativeDistanceOverTheCap() public {
        submitGradients();
        uint256 least = ((EPSILON + DELTA) * 1_024_000 + LAMBDA - 1) / LAMBDA;
        uint256[] memory inputs = optimumInputs();
        inputs[Statements.OPTIMUM_NORM] = least - 1;
        Proof memory forged = optimumWith(inputs);
        vm.expectRevert(
            abi.encodeWithSelector(IAgentRegistry.EpsilonTooLarge.selector, EPSILON, DELTA, LAMBDA, least - 1)
        );
        certifyWith(forged);
        inputs[Statements.OPTIMUM_NORM] = least;
        certifyWith(optimumWith(inputs));
        assertEq(agents.getVersion(agent, version).norm, least);
    }

    function test_Attack_EpsilonOrNormOutOfRange() public {
        submitGradients();
        uint256[] memory inputs = optimumInputs();
        inputs[Statements.OPTIMUM_EPSILON] = R - 1; // "-1"
        Proof memory forged = optimumWith(inputs);
        vm.expectRevert(abi.encodeWithSelector(IAgentRegistry.PublicValueOutOfRange.selector, 3, R - 1));
        certifyWith(forged);
        inputs = optimumInputs();
        inputs[Statements.OPTIMUM_NORM] = 1 << 24;
        expectRefused(
            optimumWith(inputs), abi.encodeWithSelector(IAgentRegistry.PublicValueOutOfRange.selector, 4, 1 << 24)
        );
    }

    function test_Attack_NormOfZero() public {
        expectRefusedInput(
            Statements.OPTIMUM_NORM,
            0,
            abi.encodeWithSelector(IAgentRegistry.EpsilonTooLarge.selector, EPSILON, DELTA, LAMBDA, 0)
        );
    }

    function test_Attack_WeightsChangedAfterTraining() public {
        submitGradients();
        Proof memory forged = accepted(optimumInputs(), optimumPoints("better weights", optimumSeeds()));
        expectRefused(
            forged,
            abi.encodeWithSelector(IAgentRegistry.WrongWeights.selector, pointDigest(W), pointDigest("better weights"))
        );
    }

    function test_Attack_CertificateOfAnotherVersion() public {
        IAgentRegistry.VersionParams memory params = versionParams();
        vm.prank(OLGA);
        uint32 second = agents.proposeVersion(agent, params);
        uint256 other = agents.optimumContext(agent, second);
        uint256 own = agents.optimumContext(agent, version);
        expectRefusedInput(
            Statements.CTX, other, abi.encodeWithSelector(IAgentRegistry.WrongContext.selector, own, other)
        );
    }

    // ---- shares --------------------------------------------------------------------------------------------------

    function test_Attack_ShareInflated() public {
        submitGradients();
        // the honest sum may be off by the proven distance and rounding: 1,048 + 9 units, and not by one more
        uint256[] memory inputs = optimumInputs();
        inputs[Statements.OPTIMUM_SHARE + 2] = field(SHARE_BEN + 1058);
        Proof memory forged = optimumWith(inputs);
        vm.expectRevert(abi.encodeWithSelector(IAgentRegistry.SharesNotWhole.selector, int256((1 << 20) + 1058)));
        certifyWith(forged);
        inputs[Statements.OPTIMUM_SHARE + 2] = field(SHARE_BEN - 1058);
        forged = optimumWith(inputs);
        vm.expectRevert(abi.encodeWithSelector(IAgentRegistry.SharesNotWhole.selector, int256((1 << 20) - 1058)));
        certifyWith(forged);
        inputs[Statements.OPTIMUM_SHARE + 2] = field(SHARE_BEN + 1057);
        certifyWith(optimumWith(inputs));
    }

    function test_Attack_NegativeShareHidden() public {
        submitGradients();
        uint256[] memory inputs = optimumInputs();
        inputs[Statements.OPTIMUM_SHARE + 1] = field((1 << 20) + 1025);
        inputs[Statements.OPTIMUM_SHARE + 2] = field(-1025);
        Proof memory forged = optimumWith(inputs);
        vm.expectRevert(abi.encodeWithSelector(IAgentRegistry.NegativeShare.selector, 2, int256(-1025)));
        certifyWith(forged);
        // -2^-10 itself is still within the model's own uncertainty
        inputs[Statements.OPTIMUM_SHARE + 1] = field((1 << 20) + 1024);
        inputs[Statements.OPTIMUM_SHARE + 2] = field(-1024);
        certifyWith(optimumWith(inputs));
        assertTrue(agents.getVersion(agent, version).shares[1] == -1024, "as proven");
    }

    function test_Attack_NegativeShareMovedToAnotherSlot() public {
        submitGradients();
        uint256[] memory inputs = optimumInputs();
        inputs[Statements.OPTIMUM_SHARE + 0] = field(-5000);
        inputs[Statements.OPTIMUM_SHARE + 1] = field(SHARE_ADA + 5000);
        expectRefused(
            optimumWith(inputs), abi.encodeWithSelector(IAgentRegistry.UnexpectedShare.selector, 0, int256(-5000))
        );
    }

    function testFuzz_SharesBeyondTheirRangeAreRefused(uint256 value) public {
        value = bound(value, 1 << 30, R - (1 << 30));
        expectRefusedInput(
            Statements.OPTIMUM_SHARE + 2,
            value,
            abi.encodeWithSelector(IAgentRegistry.PublicValueOutOfRange.selector, Statements.OPTIMUM_SHARE + 2, value)
        );
    }
}
