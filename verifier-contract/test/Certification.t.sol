// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ICertification} from "../src/interfaces/ICertification.sol";
import {IAgentRegistry} from "../src/interfaces/IAgentRegistry.sol";
import {IDatasetRegistry} from "../src/interfaces/IDatasetRegistry.sol";
import {Statements} from "../src/libraries/Statements.sol";
import {Many} from "./base/Many.sol";

/// From gradients to certificates, with honest parties; attacks are in separate files.
contract CertificationTest is Many {
    function setUp() public override {
        super.setUp();
        createAgent();
    }

    // ---- the honest path ------------------------------------------------------------------------------------------

    function test_AnybodyAddsGradientsInAnyOrder() public {
        version = closed(versionParams(), bothSets());
        IAgentRegistry.GradientProof memory proof = honestGradient(2);
        vm.prank(MALLORY); // the context names the owner
        agents.addGradients(agent, version, gradients1(proof));
        assertTrue(agents.gradientAdded(agent, version, benSet, 0), "Ben's");
        assertTrue(!agents.gradientAdded(agent, version, adaSet, 0), "not Ada's");
        addGradient(honestGradient(1));
        IAgentRegistry.Contribution memory half = agents.contributionOf(agent, version, adaSet);
        assertTrue(half.value == 31e11 && half.shardsDone == 1, "half of Ada's");
        assertEq(agents.sumsOf(agent, version).positive, uint256(N_BEN)); // Ada's count when she is complete
        vm.warp(block.timestamp + 30 days);
        addGradient(honestGradient(0));
        assertEq(agents.sumsOf(agent, version).positive, N_ALL);
        certifyWith(optimumWith(optimumInputs()));
    }

    /// Skipped unread: nobody can block a transaction by front-running one of its proofs, and nothing counts twice.
    function test_AGradientCountsOnce() public {
        version = closed(versionParams(), bothSets());
        addGradient(honestGradient(1));
        addGradient(honestGradient(1));
        addAllGradients();
        IAgentRegistry.Version memory entry = agents.getVersion(agent, version);
        assertEq(entry.shardsDone, 3);
        assertEq(agents.sumsOf(agent, version).positive, N_ALL);
        certifyWith(optimumWith(optimumInputs()));
    }

    function test_CertificateRecordsWhatWasProven() public {
        version = closed(versionParams(), bothSets());
        addAllGradients();
        certifyWith(optimumWith(optimumInputs()));
        IAgentRegistry.Version memory entry = agents.getVersion(agent, version);
        assertTrue(entry.status == IAgentRegistry.Status.Certified && agents.isCertified(agent, version), "certified");
        assertEq(entry.epsilon, EPSILON);
        assertEq(entry.norm, NORM);
        (uint256 weight, uint256 total) = agents.rewardWeight(agent, version, benSet);
        assertEq(weight, uint256(N_BEN));
        assertEq(total, N_ALL);
        IAgentRegistry.ServiceTerms memory service = agents.serviceTerms(agent, version);
        assertEq(service.dataBps, DATA_BPS);
        assertEq(service.pricePerQuery, PRICE);
        assertEq(service.serviceCircuitId, serviceCircuit);
        assertEq(agents.latestCertified(agent), 1);
    }

    /// The same sums and the same certificate, whether gradients are added before the optimum or with it.
    function test_GradientsAndCertificateComeTogether() public {
        version = closed(versionParams(), bothSets());
        addGradient(honestGradient(1));
        IAgentRegistry.GradientProof[] memory proofs = new IAgentRegistry.GradientProof[](4);
        (proofs[0], proofs[1], proofs[2]) = (honestGradient(0), honestGradient(1), honestGradient(0));
        proofs[3] = honestGradient(2);
        Proof memory optimum = optimumWith(optimumInputs());
        IAgentRegistry.GradientProof[] memory none = new IAgentRegistry.GradientProof[](0);
        vm.expectRevert(abi.encodeWithSelector(ICertification.GradientsMissing.selector, 1, 3));
        agents.addGradientsAndCertify(agent, version, none, optimum.inputs, optimum.proof);
        vm.prank(MALLORY);
        agents.addGradientsAndCertify(agent, version, proofs, optimum.inputs, optimum.proof);
        IAgentRegistry.Version memory entry = agents.getVersion(agent, version);
        assertTrue(agents.isCertified(agent, version) && entry.shardsDone == 3, "each once");
        IAgentRegistry.Sums memory sums = agents.sumsOf(agent, version);
        assertTrue(sums.x == 0 && sums.y == 0, "the proof has named it");
        assertEq(agents.sumsOf(agent, version).positive, N_ALL);
        // all gradients were there before: the optimum alone
        version = closed(versionParams(), bothSets());
        addAllGradients();
        optimum = optimumWith(optimumInputs());
        agents.addGradientsAndCertify(agent, version, none, optimum.inputs, optimum.proof);
        assertEq(agents.latestCertified(agent), version);
    }

    function test_LatestCertifiedIsTheHighestNumber() public {
        uint32 first = closed(versionParams(), bothSets());
        uint32 second = closed(versionParams(), bothSets());
        for (uint256 i = 0; i < 2; ++i) {
            version = i == 0 ? second : first;
            addAllGradients();
            certifyWith(optimumWith(optimumInputs()));
            assertEq(agents.latestCertified(agent), second);
        }
    }

    /// Sums may pass through the point at infinity on their way.
    function test_IntermediateSumsMayBeInfinity() public {
        version = closed(versionParams(), bothSets());
        uint256 scalar = gradientScalar("ada 0");
        addGradient(gradientWith(adaSet, 0, "ada 0", 6e12, scalar));
        addGradient(gradientWith(adaSet, 1, "ada 1", 31e11, R - scalar));
        IAgentRegistry.Sums memory sums = agents.sumsOf(agent, version);
        assertTrue(sums.x == 0 && sums.y == 0, "infinity");
        addGradient(honestGradient(2));
        Proof memory proof =
            accepted(optimumInputs(), abi.encodePacked(points(W, 1), curvePoint(gradientScalar("ben 0"))));
        certifyWith(proof);
    }

    function test_RevertWhen_VersionIsUnknown() public {
        bytes memory reason = abi.encodeWithSelector(IAgentRegistry.UnknownVersion.selector, agent, 1);
        vm.expectRevert(reason);
        agents.getVersion(agent, 1);
        vm.expectRevert(reason);
        agents.serviceTerms(agent, 1);
        vm.expectRevert(reason);
        agents.certify(agent, 1, new uint256[](5), "");
        vm.expectRevert(reason);
        agents.addGradients(agent, 1, new IAgentRegistry.GradientProof[](0));
        assertTrue(!agents.isCertified(agent, 1), "unknown is not certified");
        assertTrue(agents.status(agent, 1) == IAgentRegistry.Status.Unknown, "unknown");
    }

    function test_RevertWhen_WeightOfAStrangersDatasetIsAsked() public {
        version = closed(versionParams(), ids1(adaSet));
        vm.expectRevert(
            abi.encodeWithSelector(
                IAgentRegistry.WrongStatus.selector,
                agent,
                version,
                IAgentRegistry.Status.Certified,
                IAgentRegistry.Status.Closed
            )
        );
        agents.rewardWeight(agent, version, adaSet); // nobody has a weight yet
        version = closed(versionParams(), bothSets());
        addAllGradients();
        certifyWith(optimumWith(optimumInputs()));
        bytes32 stranger = registerAs(OLGA, registerParams(), "olga", 10);
        vm.expectRevert(abi.encodeWithSelector(ICertification.DatasetNotInVersion.selector, stranger));
        agents.rewardWeight(agent, version, stranger);
    }

    // ---- many ----------------------------------------------------------------------------------------------------

    /// forge-config: default.isolate = true
    function test_CertifyingCostsTheSameForAnyNumberOfDatasets() public {
        (, uint256 three) = certifyMany(3);
        (, uint256 many) = certifyMany(300);
        vm.snapshotValue("certify", "3 datasets", three);
        vm.snapshotValue("certify", "300 datasets", many);
        assertTrue(many * 100 <= three * 105 && three * 100 <= many * 105, "within five per cent");
    }

    /// A dataset with more shards than one slot has bits.
    function test_ADatasetOfManyShards() public {
        uint256 count = 43;
        IDatasetRegistry.ShardProof[] memory shards = new IDatasetRegistry.ShardProof[](count);
        for (uint32 i = 0; i < count; ++i) {
            shards[i] = shardProof(OLGA, keccak256(abi.encode("shard", i)), i, 10);
        }
        IDatasetRegistry.RegisterParams memory params = registerParams();
        vm.prank(OLGA);
        bytes32 id = datasets.register(params, shards);
        version = closed(versionParams(), ids1(id));
        for (uint32 i = 0; i < count; ++i) {
            addGradient(gradientOf(id, i, keccak256(abi.encode("shard", i)), 1e10));
            addGradient(gradientOf(id, i, keccak256(abi.encode("shard", i)), 1e10));
            assertEq(agents.getVersion(agent, version).shardsDone, i + 1);
        }
        assertEq(agents.sumsOf(agent, version).positive, count * 1e10);
    }

    /// A negative contribution weighs nothing, and the weights still sum to the total.
    function testFuzz_WeightsSumToTheTotal(int256 ben) public {
        ben = int256(bound(uint256(ben), 0, 5e12)) - 1e10;
        version = closed(versionParams(), bothSets());
        addGradient(gradientOf(adaSet, 0, "ada 0", 14e12));
        addGradient(honestGradient(1));
        addGradient(gradientOf(benSet, 0, "ben 0", ben));
        certifyWith(optimumWith(optimumInputs()));
        (uint256 toAda, uint256 total) = agents.rewardWeight(agent, version, adaSet);
        (uint256 toBen,) = agents.rewardWeight(agent, version, benSet);
        assertEq(toAda + toBen, total);
        assertEq(toBen, ben > 0 ? uint256(ben) : 0);
        IAgentRegistry.Sums memory sums = agents.sumsOf(agent, version);
        assertTrue(sums.total == 14e12 + 31e11 + ben, "the sum has its sign");
    }

    function testFuzz_AccumulatorsAreTheSumOfWhatWasAdded(int256[3] memory values, uint256 order) public {
        version = closed(versionParams(), bothSets());
        int256 limit = int256(1 << 112) - 1;
        for (uint256 i = 0; i < 3; ++i) {
            values[i] = values[i] % limit;
        }
        for (uint256 i = 0; i < 3; ++i) {
            uint256 which = (i + order % 3) % 3;
            addGradient(gradientOf(which == 2 ? benSet : adaSet, which == 1 ? 1 : 0, shardSeed(which), values[which]));
        }
        IAgentRegistry.Sums memory sums = agents.sumsOf(agent, version);
        int256 ada = values[0] + values[1];
        assertTrue(sums.total == ada + values[2], "total");
        assertEq(sums.positive, (ada > 0 ? uint256(ada) : 0) + (values[2] > 0 ? uint256(values[2]) : 0));
        assertEq(keccak256(abi.encode(sums.x, sums.y)), keccak256(curvePoint(sumScalar())));
    }
}
