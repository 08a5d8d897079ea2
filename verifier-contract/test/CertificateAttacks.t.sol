// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ICertification} from "../src/interfaces/ICertification.sol";
import {IAgentRegistry} from "../src/interfaces/IAgentRegistry.sol";
import {IDatasetRegistry} from "../src/interfaces/IDatasetRegistry.sol";
import {IProofGate} from "../src/interfaces/IProofGate.sol";
import {Statements} from "../src/libraries/Statements.sol";
import {World} from "./base/World.sol";
import {AcceptAll} from "./hostile/AcceptAll.sol";

/// Attacks on certificates, by name. In each the verifier accepts the forged proof, as if the forger had broken the
/// circuit; the registry must still detect that it does not belong here. Then the honest counterpart passes.
contract CertificateAttacksTest is World {
    function setUp() public override {
        super.setUp();
        closedVersion();
    }

    function expectRefused(Proof memory proof, bytes memory reason) private {
        vm.expectRevert(reason);
        certifyWith(proof);
        assertTrue(!agents.isCertified(agent, version), "nothing moved");
        certifyWith(optimumWith(optimumInputs()));
    }

    function expectRefusedInput(uint256 index, uint256 value, bytes memory reason) private {
        addAllGradients();
        uint256[] memory inputs = optimumInputs();
        inputs[index] = value;
        expectRefused(optimumWith(inputs), reason);
    }

    // ---- optimum: gradients --------------------------------------------------------------------------------------

    function expectSumRefused(uint256 scalar) private {
        addAllGradients();
        bytes memory point = curvePoint(scalar);
        expectRefused(
            accepted(optimumInputs(), abi.encodePacked(points(W, 1), point)),
            abi.encodeWithSelector(
                ICertification.WrongGradient.selector, keccak256(curvePoint(sumScalar())), keccak256(point)
            )
        );
    }

    function test_Attack_GradientOfOneShardForTheSum() public {
        expectSumRefused(gradientScalar("ada 0"));
    }

    function test_Attack_ShardTwiceInTheSum() public {
        expectSumRefused(addmod(sumScalar(), gradientScalar("ben 0"), R));
    }

    function test_Attack_ShardLeftOut() public {
        addGradient(honestGradient(0));
        addGradient(honestGradient(1));
        Proof memory forged = accepted(
            optimumInputs(),
            abi.encodePacked(points(W, 1), curvePoint(addmod(gradientScalar("ada 0"), gradientScalar("ada 1"), R)))
        );
        vm.expectRevert(abi.encodeWithSelector(ICertification.GradientsMissing.selector, 2, 3));
        certifyWith(forged);
        addGradient(honestGradient(2));
        certifyWith(optimumWith(optimumInputs()));
    }

    /// Gradients that cancel each other match no proof, however a verifier treats the point at infinity.
    function test_Attack_GradientsThatSumToNothing() public {
        uint256 a = gradientScalar("ada 0");
        uint256 b = gradientScalar("ada 1");
        addGradient(honestGradient(0));
        addGradient(honestGradient(1));
        addGradient(gradientWith(benSet, 0, "ben 0", N_BEN, R - addmod(a, b, R)));
        Proof memory forged = accepted(optimumInputs(), abi.encodePacked(points(W, 1), uint256(0), uint256(0)));
        bytes32 infinity = keccak256(abi.encode(0, 0));
        vm.expectRevert(abi.encodeWithSelector(ICertification.WrongGradient.selector, infinity, infinity));
        certifyWith(forged);
    }

    function test_Attack_NewCircuitOfAnOldShape() public {
        // A verifier added later, of the same shape, that accepts anything must not apply to this version.
        IProofGate.CircuitInfo memory info = circuitInfo(Statements.OPTIMUM);
        info.vkDigest = "another key";
        AcceptAll lax = new AcceptAll();
        (info.verifier, info.codeHash) = (address(lax), address(lax).codehash);
        bytes32 added = gate.addCircuit(info);
        addAllGradients();
        Proof memory forged = Proof({
            inputs: optimumInputs(), proof: abi.encodePacked(points(W, 1), curvePoint(sumScalar()), points("forged", 1))
        });
        gate.check(added, forged.inputs, forged.proof);
        expectRefused(forged, abi.encodeWithSelector(IProofGate.ProofRejected.selector, optimumCircuit));
    }

    function test_Attack_WeightsChangedAfterTraining() public {
        addAllGradients();
        expectRefused(
            accepted(optimumInputs(), abi.encodePacked(points("better weights", 1), curvePoint(sumScalar()))),
            abi.encodeWithSelector(ICertification.WrongWeights.selector, pointDigest(W), pointDigest("better weights"))
        );
    }

    function test_Attack_CertificateOfAnotherVersion() public {
        uint32 second = closed(versionParams(), bothSets());
        uint256 other = agents.optimumContext(agent, second);
        uint256 own = agents.optimumContext(agent, version);
        expectRefusedInput(
            Statements.CTX, other, abi.encodeWithSelector(ICertification.WrongContext.selector, own, other)
        );
    }

    /// The context names the list: the same datasets in another order are another list.
    function test_Attack_CertificateOfAnotherList() public {
        bytes32 hash = keccak256(abi.encode(bytes32(0), benSet));
        hash = keccak256(abi.encode(hash, adaSet));
        uint256 other = uint256(
            keccak256(
                abi.encode(
                    keccak256("tribute.optimum.v1"),
                    block.chainid,
                    address(agents),
                    agent,
                    version,
                    pointDigest(W),
                    hash
                )
            )
        ) >> 8;
        uint256 own = agents.optimumContext(agent, version);
        expectRefusedInput(
            Statements.CTX, other, abi.encodeWithSelector(ICertification.WrongContext.selector, own, other)
        );
    }

    // ---- optimum: numbers ----------------------------------------------------------------------------------------

    function test_Attack_NOffByOne() public {
        expectRefusedInput(
            Statements.OPTIMUM_N, 1598, abi.encodeWithSelector(ICertification.WrongRecordCount.selector, 1597, 1598)
        );
    }

    function test_Attack_OtherLambda() public {
        expectRefusedInput(
            Statements.OPTIMUM_LAMBDA,
            LAMBDA + 1,
            abi.encodeWithSelector(ICertification.WrongLambda.selector, LAMBDA, LAMBDA + 1)
        );
    }

    /// The largest ε that passes is 4δ; one more is refused, though the relative distance would still be certified.
    function test_Attack_EpsilonOverTheCap() public {
        addAllGradients();
        assertTrue((5 * DELTA + 1) * 1_024_000 < uint256(LAMBDA) * NORM, "the distance alone would pass");
        uint256[] memory inputs = optimumInputs();
        inputs[Statements.OPTIMUM_EPSILON] = 4 * DELTA + 1;
        Proof memory forged = optimumWith(inputs);
        vm.expectRevert(abi.encodeWithSelector(ICertification.EpsilonOverCap.selector, 4 * DELTA + 1, 4 * DELTA));
        certifyWith(forged);
        inputs[Statements.OPTIMUM_EPSILON] = 4 * DELTA;
        certifyWith(optimumWith(inputs));
        assertEq(agents.getVersion(agent, version).epsilon, 4 * DELTA);
    }

    /// The least norm that passes, by (e + δ)·1000·1024 ≤ L·v; one less is refused.
    function test_Attack_RelativeDistanceOverTheCap() public {
        addAllGradients();
        uint256 least = ((EPSILON + DELTA) * 1_024_000 + LAMBDA - 1) / LAMBDA;
        uint256[] memory inputs = optimumInputs();
        inputs[Statements.OPTIMUM_NORM] = least - 1;
        Proof memory forged = optimumWith(inputs);
        vm.expectRevert(
            abi.encodeWithSelector(ICertification.EpsilonTooLarge.selector, EPSILON, DELTA, LAMBDA, least - 1)
        );
        certifyWith(forged);
        inputs[Statements.OPTIMUM_NORM] = least;
        certifyWith(optimumWith(inputs));
        assertEq(agents.getVersion(agent, version).norm, least);
    }

    function test_Attack_EpsilonOrNormOutOfRange() public {
        addAllGradients();
        uint256[] memory inputs = optimumInputs();
        inputs[Statements.OPTIMUM_EPSILON] = R - 1; // "-1"
        Proof memory forged = optimumWith(inputs);
        vm.expectRevert(abi.encodeWithSelector(ICertification.PublicValueOutOfRange.selector, 3, R - 1));
        certifyWith(forged);
        inputs = optimumInputs();
        inputs[Statements.OPTIMUM_NORM] = 1 << 24;
        expectRefused(
            optimumWith(inputs), abi.encodeWithSelector(ICertification.PublicValueOutOfRange.selector, 4, 1 << 24)
        );
    }

    function test_Attack_NormOfZero() public {
        expectRefusedInput(
            Statements.OPTIMUM_NORM,
            0,
            abi.encodeWithSelector(ICertification.EpsilonTooLarge.selector, EPSILON, DELTA, LAMBDA, 0)
        );
    }

    // ---- contributions -------------------------------------------------------------------------------------------

    /// Adds contributions of Ada's two shards and Ben's one, and tries to certify.
    function addAndExpect(int256 ada0, int256 ada1, int256 ben, bytes memory reason) private {
        version = closed(versionParams(), bothSets());
        addGradient(gradientOf(adaSet, 0, "ada 0", ada0));
        addGradient(gradientOf(adaSet, 1, "ada 1", ada1));
        addGradient(gradientOf(benSet, 0, "ben 0", ben));
        Proof memory proof = optimumWith(optimumInputs());
        if (reason.length > 0) vm.expectRevert(reason);
        certifyWith(proof);
    }

    /// `ΣN·2^20·2^44·512 ≥ n·λ·norm²·511·2^45`, to the unit.
    function leastSum() private pure returns (uint256) {
        uint256 right = RECORDS * uint256(LAMBDA) * NORM * NORM * 511 << 45;
        uint256 unit = 512 << 64;
        return (right + unit - 1) / unit;
    }

    function test_Attack_SumBelowWhatTheOptimumReaches() public {
        int256 least = int256(leastSum());
        assertTrue(least > 13_400e9 && least < 13_500e9, "what the norm asks for");
        addAndExpect(
            least - 31e11 - N_BEN - 1,
            31e11,
            N_BEN,
            abi.encodeWithSelector(ICertification.SumBelowOptimum.selector, least - 1)
        );
    }

    function test_TheLeastSumPasses() public {
        addAndExpect(int256(leastSum()) - 31e11 - N_BEN, 31e11, N_BEN, "");
    }

    /// One dataset at -2^-10 of the sum passes, one unit more does not.
    function test_Attack_ANegativePartTooLarge() public {
        int256 ada = 14e12;
        int256 most = ada / 1025; // 1024·most ≤ ada − most
        addAndExpect(
            ada - 31e11,
            31e11,
            -most - 1,
            abi.encodeWithSelector(ICertification.TooNegative.selector, most + 1, ada - most - 1)
        );
    }

    function test_TheMostNegativePartPasses() public {
        addAndExpect(14e12 - 31e11, 31e11, -(int256(14e12) / 1025), "");
        (uint256 weight, uint256 total) = agents.rewardWeight(agent, version, benSet);
        assertTrue(weight == 0 && total == 14e12, "weighs nothing");
    }

    /// Bounding each dataset alone would let many slightly negative ones inflate everybody else's claim.
    function test_Attack_ManySlightlyNegativeDatasets() public {
        uint256 many = 8;
        version = draft(versionParams());
        list(version, bothSets());
        bytes32[] memory ids = new bytes32[](many);
        for (uint256 i = 0; i < many; ++i) {
            ids[i] = registerAs(OLGA, registerParams(), keccak256(abi.encode("junk", i)), 1);
        }
        list(version, ids);
        close(version);
        addAllGradients();
        uint256 scalar = sumScalar();
        int256 each = -int256(N_ALL / 1100); // alone each would pass
        for (uint256 i = 0; i < many; ++i) {
            bytes32 seed = keccak256(abi.encode("junk", i));
            addGradient(gradientOf(ids[i], 0, seed, each));
            scalar = addmod(scalar, gradientScalar(seed), R);
        }
        uint256[] memory inputs = optimumInputs();
        inputs[Statements.OPTIMUM_N] = RECORDS + many;
        Proof memory proof = accepted(inputs, abi.encodePacked(points(W, 1), curvePoint(scalar)));
        uint256 negative = uint256(-each) * many;
        vm.expectRevert(
            abi.encodeWithSelector(ICertification.TooNegative.selector, negative, int256(N_ALL) - int256(negative))
        );
        certifyWith(proof);
    }

    function test_Attack_SumOfNothing() public {
        addAndExpect(0, 0, 0, abi.encodeWithSelector(ICertification.SumTooSmall.selector, int256(0), 3));
    }

    function test_Attack_SumThatIsNegative() public {
        addAndExpect(-14e12, 0, 0, abi.encodeWithSelector(ICertification.SumTooSmall.selector, -int256(14e12), 3));
    }

    /// Weights so small that rounding matters: 2^20 units per shard are required.
    function test_Attack_SumThatRoundingCouldMove() public {
        int256 least = 3 << 20;
        addAndExpect(least - 1, 0, 0, abi.encodeWithSelector(ICertification.SumTooSmall.selector, least - 1, 3));
        addAndExpectSmall(least);
    }

    function addAndExpectSmall(int256 sum) private {
        IAgentRegistry.VersionParams memory params = versionParams();
        params.lambda = (1 << 44) - 1;
        grantTo(OLGA);
        version = closed(params, bothSets());
        addGradient(gradientOf(adaSet, 0, "ada 0", sum));
        addGradient(gradientOf(adaSet, 1, "ada 1", 0));
        addGradient(gradientOf(benSet, 0, "ben 0", 0));
        uint256[] memory inputs = optimumInputs();
        inputs[Statements.OPTIMUM_LAMBDA] = params.lambda;
        inputs[Statements.OPTIMUM_NORM] = 1;
        // passes this rule, and fails the next: for n·λ·v² it is far too small
        Proof memory proof = optimumWith(inputs);
        vm.expectRevert(abi.encodeWithSelector(ICertification.SumBelowOptimum.selector, sum));
        certifyWith(proof);
    }

    // ---- consent -------------------------------------------------------------------------------------------------

    function grantBen(IDatasetRegistry.GrantTerms memory grant) private {
        vm.prank(BEN);
        datasets.grantTraining(benSet, OLGA, grant);
    }

    /// Ben's share is 4.5 of 13.6: 33.08 %.
    function test_Attack_LeastShareNotReached() public {
        IDatasetRegistry.GrantTerms memory grant = grantTerms(2);
        grant.minShareBps = 3309;
        grantBen(grant);
        addAndExpect(
            6e12,
            31e11,
            N_BEN,
            abi.encodeWithSelector(ICertification.BelowLeastShare.selector, uint256(N_BEN) * 10_000 / 3309, N_ALL)
        );
    }

    function test_TheLeastShareReachedPasses() public {
        IDatasetRegistry.GrantTerms memory grant = grantTerms(2);
        grant.minShareBps = 3308;
        grantBen(grant);
        addAndExpect(6e12, 31e11, N_BEN, "");
    }

    /// The owner dilutes: synthetic records of its own take most of the sum. Ben's grant asks for a third.
    function test_Attack_DilutionWithSyntheticData() public {
        IDatasetRegistry.GrantTerms memory grant = grantTerms(2);
        grant.minShareBps = 3000;
        grantBen(grant);
        bytes32 synthetic = registerAs(OLGA, registerParams(), "synthetic", 4800);
        version = draft(versionParams());
        list(version, bothSets());
        list(version, ids1(synthetic));
        close(version);
        addAllGradients();
        addGradient(gradientOf(synthetic, 0, "synthetic", 120e12));
        uint256[] memory inputs = optimumInputs();
        inputs[Statements.OPTIMUM_N] = RECORDS + 4800;
        uint256 scalar = addmod(sumScalar(), gradientScalar("synthetic"), R);
        Proof memory proof = accepted(inputs, abi.encodePacked(points(W, 1), curvePoint(scalar)));
        vm.expectRevert(
            abi.encodeWithSelector(
                ICertification.BelowLeastShare.selector, uint256(N_BEN) * 10_000 / 3000, N_ALL + 120e12
            )
        );
        certifyWith(proof);
        // its honest counterpart, without them
        grant = grantTerms(1);
        vm.prank(ADA);
        datasets.grantTraining(adaSet, OLGA, grant);
        version = closed(versionParams(), bothSets());
        addAllGradients();
        certifyWith(optimumWith(optimumInputs()));
    }

    /// Another λ moves shares: the same grant protects Ben from the change.
    function test_Attack_LambdaGround() public {
        IDatasetRegistry.GrantTerms memory grant = grantTerms(2);
        grant.minShareBps = 3000;
        grantBen(grant);
        addAndExpect(
            10e12,
            35e11,
            6e11,
            abi.encodeWithSelector(ICertification.BelowLeastShare.selector, uint256(6e11) * 10_000 / 3000, 141e11)
        );
    }

    /// A grant that names the participants matches no other list.
    function test_Attack_AnotherParticipantThanAgreed() public {
        bytes32 alone = keccak256(abi.encode(bytes32(0), benSet));
        IDatasetRegistry.GrantTerms memory grant = grantTerms(2);
        grant.participants = alone;
        grantBen(grant);
        version = draft(versionParams());
        list(version, bothSets());
        bytes32 found = agents.getVersion(agent, version).listHash;
        vm.expectRevert(abi.encodeWithSelector(IAgentRegistry.OtherParticipants.selector, alone, found));
        vm.prank(OLGA);
        agents.close(agent, version);
        version = closed(versionParams(), ids1(benSet));
        assertEq(agents.getVersion(agent, version).listHash, alone);
    }

    function test_Attack_GrantsThatWantDifferentLists() public {
        IDatasetRegistry.GrantTerms memory grant = grantTerms(2);
        grant.participants = "one list";
        grantBen(grant);
        grant.participants = "another";
        vm.prank(ADA);
        datasets.grantTraining(adaSet, OLGA, grant);
        version = draft(versionParams());
        bytes32[] memory ids = bothSets();
        vm.expectRevert(
            abi.encodeWithSelector(IAgentRegistry.OtherParticipants.selector, bytes32("one list"), bytes32("another"))
        );
        vm.prank(OLGA);
        agents.addDatasets(agent, version, ids);
    }

    // ---- stop ----------------------------------------------------------------------------------------------------

    /// If any of a version's circuits is stopped, it can no longer be certified, not even with gradients already added.
    function test_Attack_CertifyingUnderAStoppedCircuit() public {
        addAllGradients();
        Proof memory proof = optimumWith(optimumInputs());
        bytes32[4] memory circuits = [gradientCircuit, optimumCircuit, serviceCircuit, datasetCircuit];
        for (uint256 i = 0; i < 4; ++i) {
            uint256 state = vm.snapshotState();
            gate.stop(circuits[i]);
            vm.expectRevert(abi.encodeWithSelector(IProofGate.StoppedCircuit.selector, circuits[i]));
            certifyWith(proof);
            vm.revertToStateAndDelete(state);
        }
        certifyWith(proof);
        for (uint256 i = 0; i < 4; ++i) {
            uint256 state = vm.snapshotState();
            assertTrue(agents.status(agent, version) == IAgentRegistry.Status.Certified, "certified");
            gate.stop(circuits[i]);
            assertTrue(agents.status(agent, version) == IAgentRegistry.Status.Doubtful, "in doubt");
            assertTrue(agents.isCertified(agent, version), "on record");
            vm.revertToStateAndDelete(state);
        }
    }

    function test_Attack_AddingUnderAStoppedCircuit() public {
        IAgentRegistry.GradientProof[] memory proofs = gradients1(honestGradient(0));
        gate.stop(gradientCircuit);
        vm.expectRevert(abi.encodeWithSelector(IProofGate.StoppedCircuit.selector, gradientCircuit));
        agents.addGradients(agent, version, proofs);
    }
}
