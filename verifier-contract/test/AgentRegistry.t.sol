// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IAgentRegistry} from "../src/interfaces/IAgentRegistry.sol";
import {IDatasetRegistry} from "../src/interfaces/IDatasetRegistry.sol";
import {IProofGate} from "../src/interfaces/IProofGate.sol";
import {Statements} from "../src/libraries/Statements.sol";
import {World} from "./base/World.sol";

/// Proposing versions and the honest way to a certificate; attacks on certificates have a file of their own.
contract AgentRegistryTest is World {
    function setUp() public override {
        super.setUp();
        registerDatasets();
        grantTo(OLGA);
        vm.prank(OLGA);
        agent = agents.createAgent("digits");
    }

    function propose(IAgentRegistry.VersionParams memory params) private returns (uint32) {
        vm.prank(OLGA);
        return agents.proposeVersion(agent, params);
    }

    function expectRefused(IAgentRegistry.VersionParams memory params, bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(OLGA);
        agents.proposeVersion(agent, params);
        assertEq(agents.versionCount(agent), 0);
        assertEq(datasets.trainingGrant(adaSet, OLGA).uses, 2);
    }

    function test_AgentsAreNumberedByOwner() public {
        assertEq(agents.agentOwner(agent), OLGA);
        assertEq(agents.agentName(agent), "digits");
        assertEq(agents.agentIdOf(OLGA, 0), agent);
        vm.prank(OLGA);
        bytes32 second = agents.createAgent("digits");
        assertEq(agents.agentIdOf(OLGA, 1), second);
        assertEq(agents.agentCount(OLGA), 2);
        vm.expectRevert(abi.encodeWithSelector(IAgentRegistry.UnknownAgent.selector, bytes32("none")));
        agents.agentOwner("none");
    }

    function test_VersionListsEveryShardOnce() public {
        version = propose(versionParams());
        assertEq(version, 1);
        IAgentRegistry.Version memory entry = agents.getVersion(agent, version);
        assertEq(entry.records, 1597);
        assertEq(entry.slotDigests.length, 3);
        for (uint256 slot = 0; slot < 3; ++slot) {
            assertEq(entry.slotDigests[slot], recordsDigest(shardSeed(slot)));
        }
        assertEq(entry.slotDatasets[0], 0);
        assertEq(entry.slotDatasets[1], 0);
        assertEq(entry.slotDatasets[2], 1);
        assertEq(entry.delta, 6527); // 256·√(65·10) = 6526.7…
        assertEq(entry.layoutHash, layoutHash);
        assertEq(entry.wDigest, pointDigest(W));
        assertEq(entry.modelHash, sha256("agent.onnx"));
        assertTrue(!entry.certified && entry.shares.length == 0, "not certified");
        assertTrue(!agents.isCertified(agent, version), "not certified");
    }

    function test_EveryVersionTakesOneUseOfEachGrant() public {
        propose(versionParams());
        assertEq(datasets.trainingGrant(adaSet, OLGA).uses, 1);
        assertEq(propose(versionParams()), 2);
        IAgentRegistry.VersionParams memory params = versionParams();
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.TrainingNotGranted.selector, adaSet, OLGA));
        vm.prank(OLGA);
        agents.proposeVersion(agent, params);
    }

    function test_RevertWhen_GrantExpired() public {
        vm.warp(block.timestamp + 1 days + 1);
        expectRefused(
            versionParams(), abi.encodeWithSelector(IDatasetRegistry.TrainingNotGranted.selector, adaSet, OLGA)
        );
    }

    function test_RevertWhen_StrangerProposes() public {
        IAgentRegistry.VersionParams memory params = versionParams();
        vm.prank(MALLORY);
        vm.expectRevert(abi.encodeWithSelector(IAgentRegistry.NotAgentOwner.selector, agent, MALLORY));
        agents.proposeVersion(agent, params);
    }

    function test_RevertWhen_NoDatasets() public {
        IAgentRegistry.VersionParams memory params = versionParams();
        params.datasetIds = new bytes32[](0);
        expectRefused(params, abi.encodeWithSelector(IAgentRegistry.NoDatasets.selector));
    }

    function test_RevertWhen_DatasetIsUnknown() public {
        IAgentRegistry.VersionParams memory params = versionParams();
        params.datasetIds[1] = "none";
        expectRefused(params, abi.encodeWithSelector(IDatasetRegistry.UnknownDataset.selector, bytes32("none")));
    }

    function test_Attack_ShardTwice() public {
        IAgentRegistry.VersionParams memory params = versionParams();
        params.datasetIds[1] = adaSet;
        expectRefused(params, abi.encodeWithSelector(IAgentRegistry.DatasetListedTwice.selector, adaSet));
    }

    function test_RevertWhen_ShardsExceedSlots() public {
        IDatasetRegistry.ShardProof[] memory shards = new IDatasetRegistry.ShardProof[](7);
        for (uint32 i = 0; i < 7; ++i) {
            shards[i] = shardProof(OLGA, keccak256(abi.encode("olga", i)), i, 7, 10);
        }
        vm.prank(OLGA);
        bytes32 large = datasets.register(terms(), shards);
        IAgentRegistry.VersionParams memory params = versionParams();
        params.datasetIds[0] = large;
        propose(params); // 7 + 1 fit
        params.datasetIds[1] = adaSet;
        vm.expectRevert(abi.encodeWithSelector(IAgentRegistry.TooManyShards.selector, 9, 8));
        vm.prank(OLGA);
        agents.proposeVersion(agent, params);
    }

    function test_RevertWhen_SchemasDiffer() public {
        IDatasetRegistry.RegisterParams memory other = terms();
        other.schemaId = "another schema";
        IDatasetRegistry.ShardProof[] memory shards = new IDatasetRegistry.ShardProof[](1);
        shards[0] = shardProof(OLGA, "olga", 0, 1, 10);
        shards[0].inputs[0] = datasets.shardContext(OLGA, other, layoutHash, 0, 1, 10);
        verifier.commit(shards[0].inputs, shards[0].proof);
        vm.prank(OLGA);
        bytes32 id = datasets.register(other, shards);
        IAgentRegistry.VersionParams memory params = versionParams();
        params.datasetIds[1] = id;
        expectRefused(
            params, abi.encodeWithSelector(IAgentRegistry.SchemaMismatch.selector, id, SCHEMA, other.schemaId)
        );
    }

    /// The layout's numbers, from which δ is computed, are those of the datasets and circuits.
    function test_Attack_LayoutMisstated() public {
        IAgentRegistry.VersionParams memory params = versionParams();
        params.dims.classes = 1; // would make δ smaller
        bytes32 claimed = Statements.layoutHashOf(15, 8, 64, 1, 0, 1024);
        expectRefused(
            params, abi.encodeWithSelector(IAgentRegistry.LayoutMismatch.selector, adaSet, claimed, layoutHash)
        );
    }

    function addLike(uint8 statement, bytes32 otherLayout, bytes32 otherSrs) private returns (bytes32) {
        IProofGate.CircuitInfo memory info = circuitInfo(statement);
        if (otherLayout != 0) info.layoutHash = otherLayout;
        if (otherSrs != 0) info.srsDigest = otherSrs;
        return gate.addCircuit(info);
    }

    function test_RevertWhen_CircuitIsOfAnotherLayout() public {
        IAgentRegistry.VersionParams memory params = versionParams();
        params.serviceCircuitId = addLike(Statements.SERVICE, "60 features", 0);
        expectRefused(
            params,
            abi.encodeWithSelector(
                IAgentRegistry.LayoutMismatch.selector, params.serviceCircuitId, layoutHash, bytes32("60 features")
            )
        );
    }

    /// The same points under another SRS would be commitments to something else.
    function test_Attack_CircuitOfAnotherSrs() public {
        IAgentRegistry.VersionParams memory params = versionParams();
        params.gradientCircuitId = addLike(Statements.GRADIENT, 0, "known tau");
        expectRefused(
            params,
            abi.encodeWithSelector(
                IAgentRegistry.SrsMismatch.selector, params.gradientCircuitId, SRS, bytes32("known tau")
            )
        );
    }

    function test_Attack_DatasetOfAnotherSrs() public {
        bytes32 other = addLike(Statements.DATASET, 0, "known tau");
        IDatasetRegistry.ShardProof[] memory shards = new IDatasetRegistry.ShardProof[](1);
        shards[0] = shardProof(OLGA, "olga", 0, 1, 10);
        shards[0].circuitId = other;
        vm.prank(OLGA);
        bytes32 id = datasets.register(terms(), shards);
        IAgentRegistry.VersionParams memory params = versionParams();
        params.datasetIds[1] = id;
        expectRefused(
            params, abi.encodeWithSelector(IAgentRegistry.SrsMismatch.selector, id, SRS, bytes32("known tau"))
        );
    }

    function test_RevertWhen_RecordsExceedWhatCircuitsSum() public {
        IDatasetRegistry.ShardProof[] memory shards = new IDatasetRegistry.ShardProof[](1);
        uint64 most = (1 << 26) - 1;
        shards[0] = shardProof(OLGA, "olga", 0, 1, most - 297);
        vm.prank(OLGA);
        bytes32 fits = datasets.register(terms(), shards);
        shards[0] = shardProof(OLGA, "olga again", 0, 1, most - 296);
        vm.prank(OLGA);
        bytes32 exceeds = datasets.register(terms(), shards);
        IAgentRegistry.VersionParams memory params = versionParams();
        params.datasetIds[0] = exceeds;
        expectRefused(params, abi.encodeWithSelector(IAgentRegistry.TooManyRecords.selector, 1 << 26));
        params.datasetIds[0] = fits;
        assertEq(agents.getVersion(agent, propose(params)).records, most);
    }

    function test_RevertWhen_CircuitProvesAnotherStatement() public {
        IAgentRegistry.VersionParams memory params = versionParams();
        params.optimumCircuitId = serviceCircuit;
        expectRefused(params, abi.encodeWithSelector(IAgentRegistry.WrongStatement.selector, serviceCircuit, 4, 6));
    }

    function test_RevertWhen_CircuitHasAnotherLinkOrBias() public {
        IAgentRegistry.VersionParams memory params = versionParams();
        params.link = 2;
        expectRefused(params, abi.encodeWithSelector(IAgentRegistry.WrongLink.selector, gradientCircuit, 2, 3));
        params = versionParams();
        params.regBias = false;
        expectRefused(params, abi.encodeWithSelector(IAgentRegistry.WrongBias.selector, optimumCircuit, false, true));
    }

    function test_RevertWhen_CircuitIsStopped() public {
        gate.stop(serviceCircuit);
        expectRefused(versionParams(), abi.encodeWithSelector(IProofGate.StoppedCircuit.selector, serviceCircuit));
    }

    function test_RevertWhen_LambdaIsZero() public {
        IAgentRegistry.VersionParams memory params = versionParams();
        params.lambda = 0;
        expectRefused(params, abi.encodeWithSelector(IAgentRegistry.LambdaZero.selector));
    }

    function test_RevertWhen_DataGetsLessThanItsTerms() public {
        IAgentRegistry.VersionParams memory params = versionParams();
        params.dataBps = 4999;
        expectRefused(params, abi.encodeWithSelector(IAgentRegistry.DataShareOutOfRange.selector, 4999, 5000));
        params.dataBps = 10_001;
        expectRefused(params, abi.encodeWithSelector(IAgentRegistry.DataShareOutOfRange.selector, 10_001, 5000));
        params.dataBps = 5000;
        propose(params);
    }

    // ---- the honest way ------------------------------------------------------------------------------------------

    function test_GradientIsKeptByCircuitRecordsWeightsAndValue() public {
        version = propose(versionParams());
        Proof memory proof = honestGradient(2);
        bytes32 shard = recordsDigest("ben 0");
        bytes32 g = pointDigest(gradientSeed(2));
        assertTrue(!agents.gradientProven(gradientCircuit, shard, pointDigest(W), g), "before");
        vm.prank(MALLORY); // anyone may bring it: the context names the owner
        agents.submitGradient(agent, version, 2, proof.inputs, proof.proof);
        assertTrue(agents.gradientProven(gradientCircuit, shard, pointDigest(W), g), "after");
        assertTrue(!agents.gradientProven(gradientCircuit, shard, pointDigest(W), pointDigest("other")), "only that");
    }

    function test_CertificateRecordsWhatWasProven() public {
        version = propose(versionParams());
        submitGradients();
        certifyWith(optimumWith(optimumInputs()));
        IAgentRegistry.Version memory entry = agents.getVersion(agent, version);
        assertTrue(entry.certified && agents.isCertified(agent, version), "certified");
        assertEq(entry.epsilon, EPSILON);
        assertEq(entry.norm, NORM);
        assertEq(entry.shares.length, 2);
        assertTrue(entry.shares[0] == SHARE_ADA && entry.shares[1] == SHARE_BEN, "shares");
        (uint256 weight, uint256 total) = agents.rewardWeight(agent, version, benSet);
        assertEq(weight, uint256(SHARE_BEN));
        assertEq(total, 1 << 20);
        IAgentRegistry.ServiceTerms memory service = agents.serviceTerms(agent, version);
        assertEq(service.owner, OLGA);
        assertEq(service.dataBps, DATA_BPS);
        assertEq(service.serviceCircuitId, serviceCircuit);
    }

    function test_RevertWhen_CertifiedTwice() public {
        version = propose(versionParams());
        submitGradients();
        Proof memory proof = optimumWith(optimumInputs());
        certifyWith(proof);
        vm.expectRevert(abi.encodeWithSelector(IAgentRegistry.AlreadyCertified.selector, agent, version));
        certifyWith(proof);
    }

    function test_RevertWhen_VersionIsUnknown() public {
        bytes memory reason = abi.encodeWithSelector(IAgentRegistry.UnknownVersion.selector, agent, 1);
        vm.expectRevert(reason);
        agents.getVersion(agent, 1);
        vm.expectRevert(reason);
        agents.serviceTerms(agent, 1);
        vm.expectRevert(reason);
        agents.certify(agent, 1, new uint256[](29), "");
        assertTrue(!agents.isCertified(agent, 1), "unknown is not certified");
    }

    function test_RevertWhen_WeightOfAStrangersDatasetIsAsked() public {
        version = propose(versionParams());
        bytes memory reason = abi.encodeWithSelector(IAgentRegistry.DatasetNotInVersion.selector, adaSet);
        vm.expectRevert(reason); // not certified yet: nobody has a weight
        agents.rewardWeight(agent, version, adaSet);
        submitGradients();
        certifyWith(optimumWith(optimumInputs()));
        vm.expectRevert(abi.encodeWithSelector(IAgentRegistry.DatasetNotInVersion.selector, bytes32("none")));
        agents.rewardWeight(agent, version, "none");
    }

    /// A slightly negative share, within 2^-10, weighs nothing, and the weights still sum to the total.
    function testFuzz_WeightsSumToTheTotal(int256 ada) public {
        ada = -1024 + int256(bound(uint256(ada), 0, (1 << 20) + 2048));
        int256 ben = (1 << 20) - ada;
        vm.assume(ben >= -1024);
        version = propose(versionParams());
        submitGradients();
        uint256[] memory inputs = optimumInputs();
        inputs[Statements.OPTIMUM_SHARE + 1] = field(ada);
        inputs[Statements.OPTIMUM_SHARE + 2] = field(ben);
        certifyWith(optimumWith(inputs));
        (uint256 adaWeight, uint256 total) = agents.rewardWeight(agent, version, adaSet);
        (uint256 benWeight, uint256 total2) = agents.rewardWeight(agent, version, benSet);
        assertEq(total, total2);
        assertEq(adaWeight + benWeight, total);
        assertEq(adaWeight, ada < 0 ? 0 : uint256(ada));
    }
}
