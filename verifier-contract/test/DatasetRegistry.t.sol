// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {DatasetRegistry} from "../src/DatasetRegistry.sol";
import {IDatasetRegistry} from "../src/interfaces/IDatasetRegistry.sol";
import {IProofGate} from "../src/interfaces/IProofGate.sol";
import {Statements} from "../src/libraries/Statements.sol";
import {World} from "./base/World.sol";

contract DatasetRegistryTest is World {
    function expectRefused(address owner, IDatasetRegistry.ShardProof[] memory shards, bytes memory reason) private {
        vm.prank(owner);
        vm.expectRevert(reason);
        datasets.register(terms(), shards);
        assertEq(datasets.datasetOfShard(recordsDigest("ada 0")), bytes32(0));
    }

    function one(IDatasetRegistry.ShardProof memory shard)
        private
        pure
        returns (IDatasetRegistry.ShardProof[] memory shards)
    {
        shards = new IDatasetRegistry.ShardProof[](1);
        shards[0] = shard;
    }

    function test_RegistersAllShards() public {
        registerDatasets();
        IDatasetRegistry.Dataset memory entry = datasets.dataset(adaSet);
        assertEq(entry.owner, ADA);
        assertEq(entry.records, 1300);
        assertEq(entry.minDataBps, 5000);
        assertTrue(!entry.openTraining, "grants needed");
        assertEq(entry.schemaId, SCHEMA);
        assertEq(entry.layoutHash, layoutHash);
        assertEq(entry.srsDigest, SRS);
        assertEq(entry.shardDigests.length, 2);
        assertEq(entry.shardDigests[1], recordsDigest("ada 1"));
        assertEq(datasets.datasetOfShard(recordsDigest("ada 1")), adaSet);
        assertEq(datasets.datasetOwner(benSet), BEN);
    }

    function test_RevertWhen_DatasetIsUnknown() public {
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.UnknownDataset.selector, bytes32("none")));
        datasets.dataset("none");
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.UnknownDataset.selector, bytes32("none")));
        datasets.datasetOwner("none");
    }

    function test_RevertWhen_NoShards() public {
        expectRefused(
            ADA, new IDatasetRegistry.ShardProof[](0), abi.encodeWithSelector(IDatasetRegistry.NoShards.selector)
        );
    }

    function test_RevertWhen_TermsExceedEverything() public {
        IDatasetRegistry.ShardProof[] memory shards = adaShards();
        IDatasetRegistry.RegisterParams memory params = terms();
        params.minDataBps = 10_001;
        vm.prank(ADA);
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.BasisPointsTooHigh.selector, 10_001));
        datasets.register(params, shards);
    }

    /// Mallory sends Ada's registration, copied from the mempool, as her own.
    function test_Attack_RegistrationCopiedFromTheMempool() public {
        IDatasetRegistry.ShardProof[] memory shards = adaShards();
        uint256 hers = datasets.shardContext(MALLORY, terms(), layoutHash, 0, 2, 900);
        expectRefused(
            MALLORY,
            shards,
            abi.encodeWithSelector(IDatasetRegistry.WrongContext.selector, 0, hers, shards[0].inputs[0])
        );
        vm.prank(ADA);
        datasets.register(terms(), shards);
    }

    function test_Attack_DatasetOfAnotherContract() public {
        DatasetRegistry other = new DatasetRegistry(gate);
        IDatasetRegistry.ShardProof[] memory shards = adaShards();
        uint256 expected = other.shardContext(ADA, terms(), layoutHash, 0, 2, 900);
        vm.prank(ADA);
        vm.expectRevert(
            abi.encodeWithSelector(IDatasetRegistry.WrongContext.selector, 0, expected, shards[0].inputs[0])
        );
        other.register(terms(), shards);
        assertEq(other.datasetOfShard(recordsDigest("ada 0")), bytes32(0));
        vm.prank(ADA);
        datasets.register(terms(), shards);
    }

    function test_Attack_DatasetOfAnotherChain() public {
        IDatasetRegistry.ShardProof[] memory shards = adaShards();
        uint256 here = block.chainid;
        vm.chainId(here + 1);
        uint256 expected = datasets.shardContext(ADA, terms(), layoutHash, 0, 2, 900);
        expectRefused(
            ADA,
            shards,
            abi.encodeWithSelector(IDatasetRegistry.WrongContext.selector, 0, expected, shards[0].inputs[0])
        );
        vm.chainId(here);
        vm.prank(ADA);
        datasets.register(terms(), shards);
    }

    function test_Attack_TermsChangedAfterProving() public {
        IDatasetRegistry.ShardProof[] memory shards = adaShards();
        IDatasetRegistry.RegisterParams memory params = terms();
        params.openTraining = true;
        uint256 expected = datasets.shardContext(ADA, params, layoutHash, 0, 2, 900);
        vm.prank(ADA);
        vm.expectRevert(
            abi.encodeWithSelector(IDatasetRegistry.WrongContext.selector, 0, expected, shards[0].inputs[0])
        );
        datasets.register(params, shards);
    }

    function test_Attack_ShardLeftOutOfItsDataset() public {
        IDatasetRegistry.ShardProof[] memory shards = one(adaShards()[0]);
        uint256 expected = datasets.shardContext(ADA, terms(), layoutHash, 0, 1, 900);
        expectRefused(
            ADA,
            shards,
            abi.encodeWithSelector(IDatasetRegistry.WrongContext.selector, 0, expected, shards[0].inputs[0])
        );
    }

    function test_Attack_SameShardTwiceInOneDataset() public {
        IDatasetRegistry.ShardProof[] memory shards = new IDatasetRegistry.ShardProof[](2);
        shards[0] = shardProof(ADA, "ada 0", 0, 2, 900);
        shards[1] = shardProof(ADA, "ada 0", 1, 2, 900);
        bytes32[] memory digests = new bytes32[](2);
        (digests[0], digests[1]) = (recordsDigest("ada 0"), recordsDigest("ada 0"));
        bytes32 id = Statements.datasetIdOf(SCHEMA, layoutHash, 1800, digests);
        expectRefused(ADA, shards, abi.encodeWithSelector(IDatasetRegistry.DigestRegistered.selector, digests[0], id));
    }

    function test_Attack_ShardRegisteredAgain() public {
        registerDatasets();
        IDatasetRegistry.ShardProof[] memory shards = one(shardProof(MALLORY, "ada 1", 0, 1, 400));
        vm.prank(MALLORY);
        vm.expectRevert(
            abi.encodeWithSelector(IDatasetRegistry.DigestRegistered.selector, recordsDigest("ada 1"), adaSet)
        );
        datasets.register(terms(), shards);
        assertEq(datasets.datasetOfShard(recordsDigest("ada 1")), adaSet);
    }

    function test_RevertWhen_RecordCountIsZeroOrTooLarge() public {
        expectRefused(
            ADA,
            one(shardProof(ADA, "ada 0", 0, 1, 0)),
            abi.encodeWithSelector(IDatasetRegistry.WrongRecordCount.selector, 0, 0)
        );
        expectRefused(
            ADA,
            one(shardProof(ADA, "ada 0", 0, 1, 1 << 26)),
            abi.encodeWithSelector(IDatasetRegistry.WrongRecordCount.selector, 0, 1 << 26)
        );
        IDatasetRegistry.ShardProof[] memory largest = one(shardProof(ADA, "ada 0", 0, 1, (1 << 26) - 1));
        vm.prank(ADA);
        datasets.register(terms(), largest);
    }

    function test_RevertWhen_ProofIsOfAnotherStatement() public {
        uint256[] memory inputs = new uint256[](1);
        Proof memory proof = accepted(inputs, points("x", 11));
        IDatasetRegistry.ShardProof memory shard =
            IDatasetRegistry.ShardProof({circuitId: gradientCircuit, inputs: proof.inputs, proof: proof.proof});
        expectRefused(
            ADA, one(shard), abi.encodeWithSelector(IDatasetRegistry.WrongStatement.selector, gradientCircuit, 1, 2)
        );
    }

    /// d = 60 and d = 64 have other layouts, and so other circuits: a dataset never mixes them.
    function test_Attack_SixtyFeaturesReadAsSixtyFour() public {
        IProofGate.CircuitInfo memory info = circuitInfo(Statements.DATASET);
        info.layoutHash = Statements.layoutHashOf(15, 8, 60, 10, 0, 1024);
        bytes32 other = gate.addCircuit(info);
        IDatasetRegistry.ShardProof[] memory shards = adaShards();
        shards[1].circuitId = other;
        expectRefused(
            ADA,
            shards,
            abi.encodeWithSelector(IDatasetRegistry.LayoutMismatch.selector, 1, layoutHash, info.layoutHash)
        );
        // alone it is accepted by that circuit, but under another context
        shards = one(shardProof(ADA, "ada 0", 0, 1, 900));
        shards[0].circuitId = other;
        uint256 expected = datasets.shardContext(ADA, terms(), info.layoutHash, 0, 1, 900);
        expectRefused(
            ADA,
            shards,
            abi.encodeWithSelector(IDatasetRegistry.WrongContext.selector, 0, expected, shards[0].inputs[0])
        );
    }

    function test_RevertWhen_ShardsMixSrs() public {
        IProofGate.CircuitInfo memory info = circuitInfo(Statements.DATASET);
        info.srsDigest = "another srs";
        IDatasetRegistry.ShardProof[] memory shards = adaShards();
        shards[1].circuitId = gate.addCircuit(info);
        expectRefused(
            ADA, shards, abi.encodeWithSelector(IDatasetRegistry.SrsMismatch.selector, 1, SRS, info.srsDigest)
        );
    }

    function test_RevertWhen_ProofIsForged() public {
        IDatasetRegistry.ShardProof[] memory shards = adaShards();
        shards[1].proof[600] ^= 0x01;
        expectRefused(ADA, shards, abi.encodeWithSelector(IProofGate.ProofRejected.selector, datasetCircuit));
    }

    // ---- grants --------------------------------------------------------------------------------------------------

    function test_GrantsHaveUsesAndExpiry() public {
        registerDatasets();
        assertTrue(datasets.mayTrain(adaSet, ADA), "owner");
        assertTrue(!datasets.mayTrain(adaSet, OLGA), "no grant");
        vm.prank(ADA);
        datasets.grantTraining(adaSet, OLGA, 1, uint64(block.timestamp + 100));
        assertTrue(datasets.mayTrain(adaSet, OLGA), "granted");
        vm.warp(block.timestamp + 100);
        assertTrue(datasets.mayTrain(adaSet, OLGA), "last second");
        vm.warp(block.timestamp + 1);
        assertTrue(!datasets.mayTrain(adaSet, OLGA), "expired");
    }

    function test_UsesAreTaken() public {
        registerDatasets();
        vm.prank(ADA);
        datasets.grantTraining(adaSet, OLGA, 1, uint64(block.timestamp));
        vm.prank(address(agents));
        datasets.useGrant(adaSet, OLGA);
        assertEq(datasets.trainingGrant(adaSet, OLGA).uses, 0);
        vm.prank(address(agents));
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.TrainingNotGranted.selector, adaSet, OLGA));
        datasets.useGrant(adaSet, OLGA);
    }

    function test_OpenDatasetNeedsNoGrant() public {
        IDatasetRegistry.RegisterParams memory params = terms();
        params.openTraining = true;
        IDatasetRegistry.ShardProof[] memory shards = one(shardProof(ADA, "ada 0", 0, 1, 900));
        shards[0].inputs[0] = datasets.shardContext(ADA, params, layoutHash, 0, 1, 900);
        verifier.commit(shards[0].inputs, shards[0].proof);
        vm.prank(ADA);
        bytes32 id = datasets.register(params, shards);
        assertTrue(datasets.mayTrain(id, MALLORY), "anyone");
    }

    function test_RevertWhen_StrangerGrants() public {
        registerDatasets();
        vm.prank(MALLORY);
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.NotDatasetOwner.selector, adaSet, MALLORY));
        datasets.grantTraining(adaSet, MALLORY, 1, type(uint64).max);
    }

    function test_RevertWhen_StrangerUsesGrants() public {
        registerDatasets();
        grantTo(OLGA);
        vm.prank(MALLORY);
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.NotAgentRegistry.selector, MALLORY));
        datasets.useGrant(adaSet, OLGA);
    }

    function test_AgentRegistryIsBoundOnceByTheDeployer() public {
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.AgentRegistryAlreadyBound.selector, address(agents)));
        datasets.bindAgentRegistry(MALLORY);
        DatasetRegistry fresh = new DatasetRegistry(gate);
        vm.prank(MALLORY);
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.NotDeployer.selector, MALLORY));
        fresh.bindAgentRegistry(MALLORY);
        assertEq(fresh.agentRegistry(), address(0));
        fresh.bindAgentRegistry(address(agents));
        assertEq(fresh.agentRegistry(), address(agents));
    }
}
