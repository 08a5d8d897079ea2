// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {AgentRegistry} from "../src/AgentRegistry.sol";
import {DatasetRegistry} from "../src/DatasetRegistry.sol";
import {ProofGate} from "../src/ProofGate.sol";
import {IDatasetOwners} from "../src/interfaces/IDatasetOwners.sol";
import {IDatasetRegistry} from "../src/interfaces/IDatasetRegistry.sol";
import {IProofGate} from "../src/interfaces/IProofGate.sol";
import {Statements} from "../src/libraries/Statements.sol";
import {World} from "./base/World.sol";

contract DatasetRegistryTest is World {
    function expectRefused(address owner, IDatasetRegistry.ShardProof[] memory shards, bytes memory reason) private {
        expectRefused(owner, registerParams(), shards, reason);
    }

    function expectRefused(
        address owner,
        IDatasetRegistry.RegisterParams memory params,
        IDatasetRegistry.ShardProof[] memory shards,
        bytes memory reason
    ) private {
        vm.prank(owner);
        vm.expectRevert(reason);
        datasets.register(params, shards);
        assertEq(datasets.datasetOfShard(recordsDigest("ada 0")), bytes32(0));
    }

    function register(IDatasetRegistry.ShardProof[] memory shards) private returns (bytes32) {
        IDatasetRegistry.RegisterParams memory params = registerParams();
        vm.prank(ADA);
        return datasets.register(params, shards);
    }

    function test_RegistersAllShards() public {
        registerDatasets();
        IDatasetRegistry.Dataset memory entry = datasets.dataset(adaSet);
        assertEq(entry.owner, ADA);
        assertEq(entry.records, 1300);
        assertEq(entry.terms.minDataBps, 5000);
        assertTrue(!entry.terms.openTraining, "grants needed");
        assertEq(entry.schemaId, SCHEMA);
        assertEq(entry.circuitId, datasetCircuit);
        assertEq(entry.layoutHash, layoutHash);
        assertEq(entry.srsDigest, SRS);
        assertEq(entry.root, adaSet);
        assertEq(entry.shards, 2);
        assertEq(datasets.shardDigests(adaSet).length, 2);
        assertEq(datasets.shardDigest(adaSet, 1), recordsDigest("ada 1"));
        assertEq(datasets.datasetOfShard(recordsDigest("ada 1")), adaSet);
        assertEq(datasets.datasetOwner(benSet), BEN);
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.ShardOutOfRange.selector, adaSet, 2, 2));
        datasets.shardDigest(adaSet, 2);
    }

    function test_RevertWhen_DatasetIsUnknown() public {
        vm.expectRevert(abi.encodeWithSelector(IDatasetOwners.UnknownDataset.selector, bytes32("none")));
        datasets.dataset("none");
        vm.expectRevert(abi.encodeWithSelector(IDatasetOwners.UnknownDataset.selector, bytes32("none")));
        datasets.datasetOwner("none");
    }

    function test_RevertWhen_NoShards() public {
        expectRefused(
            ADA, new IDatasetRegistry.ShardProof[](0), abi.encodeWithSelector(IDatasetRegistry.NoShards.selector)
        );
    }

    function test_RevertWhen_TermsMakeNoSense() public {
        IDatasetRegistry.ShardProof[] memory shards = adaShards();
        IDatasetRegistry.RegisterParams memory params = registerParams();
        params.terms.minDataBps = 10_001;
        expectRefused(ADA, params, shards, abi.encodeWithSelector(IDatasetRegistry.BasisPointsTooHigh.selector, 10_001));
        params = registerParams();
        params.terms.minShareBps = 10_001;
        expectRefused(ADA, params, shards, abi.encodeWithSelector(IDatasetRegistry.BasisPointsTooHigh.selector, 10_001));
        params = registerParams();
        params.terms.links = 1;
        expectRefused(ADA, params, shards, abi.encodeWithSelector(IDatasetRegistry.UnknownLinks.selector, 1));
        params.terms.links = 16;
        expectRefused(ADA, params, shards, abi.encodeWithSelector(IDatasetRegistry.UnknownLinks.selector, 16));
    }

    function wrongContext(uint256 shard, uint256 expected, IDatasetRegistry.ShardProof memory given)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodeWithSelector(IDatasetRegistry.WrongContext.selector, shard, expected, given.inputs[0]);
    }

    /// Mallory copies Ada's registration from the mempool and sends it as her own.
    function test_Attack_RegistrationCopiedFromTheMempool() public {
        IDatasetRegistry.ShardProof[] memory shards = adaShards();
        uint256 hers = datasets.shardContext(MALLORY, registerParams(), layoutHash, 0, 900);
        expectRefused(MALLORY, shards, wrongContext(0, hers, shards[0]));
        register(shards);
    }

    function test_Attack_DatasetOfAnotherContract() public {
        DatasetRegistry other = new DatasetRegistry(gate, IERC20(address(token)));
        IDatasetRegistry.ShardProof[] memory shards = adaShards();
        IDatasetRegistry.RegisterParams memory params = registerParams();
        uint256 expected = other.shardContext(ADA, params, layoutHash, 0, 900);
        vm.prank(ADA);
        vm.expectRevert(wrongContext(0, expected, shards[0]));
        other.register(params, shards);
        assertEq(other.datasetOfShard(recordsDigest("ada 0")), bytes32(0));
        register(shards);
    }

    function test_Attack_DatasetOfAnotherChain() public {
        IDatasetRegistry.ShardProof[] memory shards = adaShards();
        uint256 here = block.chainid;
        vm.chainId(here + 1);
        uint256 expected = datasets.shardContext(ADA, registerParams(), layoutHash, 0, 900);
        expectRefused(ADA, shards, wrongContext(0, expected, shards[0]));
        vm.chainId(here);
        register(shards);
    }

    /// Any term changed after proving: the proof commits to the original ones.
    function test_Attack_TermsChangedAfterProving() public {
        IDatasetRegistry.ShardProof[] memory shards = adaShards();
        for (uint256 i = 0; i < 5; ++i) {
            IDatasetRegistry.RegisterParams memory params = registerParams();
            if (i == 0) params.terms.openTraining = true;
            if (i == 1) params.terms.minDataBps = 0;
            if (i == 2) params.terms.minShareBps = 1;
            if (i == 3) params.terms.minPricePerQuery = 1;
            if (i == 4) params.terms.links = 8;
            uint256 expected = datasets.shardContext(ADA, params, layoutHash, 0, 900);
            expectRefused(ADA, params, shards, wrongContext(0, expected, shards[0]));
        }
        register(shards);
    }

    function test_Attack_ShardsSwapped() public {
        IDatasetRegistry.ShardProof[] memory shards = adaShards();
        (shards[0], shards[1]) = (shards[1], shards[0]);
        uint256 expected = datasets.shardContext(ADA, registerParams(), layoutHash, 0, 400);
        expectRefused(ADA, shards, wrongContext(0, expected, shards[0]));
    }

    function test_Attack_SameShardTwiceInOneDataset() public {
        IDatasetRegistry.ShardProof[] memory shards = new IDatasetRegistry.ShardProof[](2);
        shards[0] = shardProof(ADA, "ada 0", 0, 900);
        shards[1] = shardProof(ADA, "ada 0", 1, 900);
        bytes32[] memory digests = new bytes32[](2);
        (digests[0], digests[1]) = (recordsDigest("ada 0"), recordsDigest("ada 0"));
        bytes32 id = Statements.datasetIdOf(SCHEMA, layoutHash, 1800, digests);
        expectRefused(ADA, shards, abi.encodeWithSelector(IDatasetRegistry.DigestRegistered.selector, digests[0], id));
    }

    function test_Attack_ShardRegisteredAgain() public {
        registerDatasets();
        IDatasetRegistry.ShardProof[] memory shards = oneShard(shardProof(MALLORY, "ada 1", 0, 400));
        IDatasetRegistry.RegisterParams memory params = registerParams();
        vm.prank(MALLORY);
        vm.expectRevert(
            abi.encodeWithSelector(IDatasetRegistry.DigestRegistered.selector, recordsDigest("ada 1"), adaSet)
        );
        datasets.register(params, shards);
        assertEq(datasets.datasetOfShard(recordsDigest("ada 1")), adaSet);
    }

    function test_RevertWhen_RecordCountIsZeroOrTooLarge() public {
        expectRefused(
            ADA,
            oneShard(shardProof(ADA, "ada 0", 0, 0)),
            abi.encodeWithSelector(IDatasetRegistry.WrongRecordCount.selector, 0, 0)
        );
        expectRefused(
            ADA,
            oneShard(shardProof(ADA, "ada 0", 0, 1 << 26)),
            abi.encodeWithSelector(IDatasetRegistry.WrongRecordCount.selector, 0, 1 << 26)
        );
        IDatasetRegistry.ShardProof[] memory shards = new IDatasetRegistry.ShardProof[](2);
        shards[0] = shardProof(ADA, "ada 0", 0, 1 << 25);
        shards[1] = shardProof(ADA, "ada 1", 1, 1 << 25);
        expectRefused(ADA, shards, abi.encodeWithSelector(IDatasetRegistry.WrongRecordCount.selector, 1, 1 << 26));
        register(oneShard(shardProof(ADA, "ada 0", 0, (1 << 26) - 1)));
    }

    function test_RevertWhen_ProofIsOfAnotherStatement() public {
        IDatasetRegistry.RegisterParams memory params = registerParams();
        params.circuitId = gradientCircuit;
        expectRefused(
            ADA,
            params,
            adaShards(),
            abi.encodeWithSelector(IDatasetRegistry.WrongStatement.selector, gradientCircuit, 1, 2)
        );
    }

    /// d = 60 and d = 64 have different layouts, and so different circuits: a dataset cannot mix them.
    function test_Attack_SixtyFeaturesReadAsSixtyFour() public {
        IProofGate.CircuitInfo memory info = circuitInfo(Statements.DATASET);
        info.layoutHash = Statements.layoutHashOf(15, 8, 60, 10, 0, 1024, 0);
        IDatasetRegistry.RegisterParams memory params = registerParams();
        params.circuitId = gate.addCircuit(info);
        IDatasetRegistry.ShardProof[] memory shards = oneShard(shardProof(ADA, "ada 0", 0, 900));
        // that circuit's verifier accepts it, but it was made under another context
        uint256 expected = datasets.shardContext(ADA, params, info.layoutHash, 0, 900);
        expectRefused(ADA, params, shards, wrongContext(0, expected, shards[0]));
    }

    function test_RevertWhen_ProofIsForged() public {
        IDatasetRegistry.ShardProof[] memory shards = adaShards();
        shards[1].proof[600] ^= 0x01;
        expectRefused(ADA, shards, abi.encodeWithSelector(IProofGate.ProofRejected.selector, datasetCircuit));
    }

    function test_RevertWhen_CircuitIsStopped() public {
        IDatasetRegistry.ShardProof[] memory shards = adaShards();
        gate.stop(datasetCircuit);
        expectRefused(ADA, shards, abi.encodeWithSelector(IProofGate.StoppedCircuit.selector, datasetCircuit));
    }

    // ---- growing -------------------------------------------------------------------------------------------------

    function extend(bytes32 previous, IDatasetRegistry.ShardProof[] memory shards) private returns (bytes32) {
        vm.prank(ADA);
        return datasets.extend(previous, shards);
    }

    function test_ADatasetGrowsWithoutProvingItsShardsAgain() public {
        registerDatasets();
        IDatasetRegistry.ShardProof[] memory more = new IDatasetRegistry.ShardProof[](2);
        more[0] = shardProof(ADA, "ada 2", 2, 50);
        more[1] = shardProof(ADA, "ada 3", 3, 60);
        bytes32 second = extend(adaSet, more);
        bytes32 third = extend(second, oneShard(shardProof(ADA, "ada 4", 4, 70)));

        bytes32[] memory digests = new bytes32[](5);
        for (uint256 i = 0; i < 5; ++i) {
            digests[i] = recordsDigest([bytes32("ada 0"), "ada 1", "ada 2", "ada 3", "ada 4"][i]);
            assertEq(datasets.shardDigest(third, i), digests[i]);
            assertEq(datasets.datasetOfShard(digests[i]), adaSet);
        }
        assertEq(third, Statements.datasetIdOf(SCHEMA, layoutHash, 1480, digests));
        IDatasetRegistry.Dataset memory entry = datasets.dataset(second);
        assertEq(entry.root, adaSet);
        assertEq(entry.shards, 4);
        assertEq(entry.records, 1410);
        assertEq(entry.owner, ADA);
        // the versions before stay as they were
        assertEq(datasets.dataset(adaSet).shards, 2);
        assertEq(datasets.dataset(adaSet).records, 1300);
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.ShardOutOfRange.selector, second, 4, 4));
        datasets.shardDigest(second, 4);
    }

    /// After a transfer shards are added by the new owner alone, in its own name.
    function test_ATransferredDatasetGrowsInItsNewOwnersName() public {
        registerDatasets();
        vm.prank(ADA);
        datasets.offerDataset(adaSet, BEN);
        vm.prank(BEN);
        datasets.acceptDataset(adaSet);
        IDatasetRegistry.ShardProof[] memory hers = oneShard(shardProof(ADA, "ada 2", 2, 50));
        vm.expectRevert(abi.encodeWithSelector(IDatasetOwners.NotDatasetOwner.selector, adaSet, ADA));
        extend(adaSet, hers);
        uint256 expected = datasets.shardContext(BEN, registerParams(), layoutHash, 2, 50);
        vm.expectRevert(wrongContext(2, expected, hers[0]));
        vm.prank(BEN);
        datasets.extend(adaSet, hers);
        IDatasetRegistry.ShardProof[] memory his = oneShard(shardProof(BEN, "ben 2", 2, 50));
        vm.prank(BEN);
        bytes32 grown = datasets.extend(adaSet, his);
        assertEq(datasets.dataset(grown).root, adaSet);
        assertEq(datasets.dataset(grown).owner, BEN);
        assertEq(datasets.shardDigest(grown, 1), recordsDigest("ada 1"));
        assertEq(datasets.shardDigest(grown, 2), recordsDigest("ben 2"));
    }

    function test_RevertWhen_AnotherVersionThanTheLatestIsExtended() public {
        registerDatasets();
        extend(adaSet, oneShard(shardProof(ADA, "ada 2", 2, 50)));
        IDatasetRegistry.ShardProof[] memory more = oneShard(shardProof(ADA, "ada 3", 2, 50));
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.NotLatest.selector, adaSet, 2, 3));
        extend(adaSet, more);
    }

    /// Nobody can extend another's dataset, and a copied extension is valid neither for another owner nor at another
    /// position.
    function test_Attack_ExtensionByAStrangerOrOutOfPlace() public {
        registerDatasets();
        IDatasetRegistry.ShardProof[] memory more = oneShard(shardProof(ADA, "ada 2", 2, 50));
        vm.expectRevert(abi.encodeWithSelector(IDatasetOwners.NotDatasetOwner.selector, adaSet, BEN));
        vm.prank(BEN);
        datasets.extend(adaSet, more);
        uint256 expected = datasets.shardContext(BEN, registerParams(), layoutHash, 1, 50);
        vm.expectRevert(wrongContext(1, expected, more[0]));
        vm.prank(BEN);
        datasets.extend(benSet, more);
        more = oneShard(shardProof(ADA, "ada 2", 3, 50));
        expected = datasets.shardContext(ADA, registerParams(), layoutHash, 2, 50);
        vm.expectRevert(wrongContext(2, expected, more[0]));
        extend(adaSet, more);
    }

    function test_RevertWhen_ExtendedWithNothingStoppedOrTooMuch() public {
        registerDatasets();
        vm.expectRevert(IDatasetRegistry.NoShards.selector);
        extend(adaSet, new IDatasetRegistry.ShardProof[](0));
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.TooManyShards.selector, 65_536));
        extend(adaSet, new IDatasetRegistry.ShardProof[](65_534));
        IDatasetRegistry.ShardProof[] memory more = oneShard(shardProof(ADA, "ada 2", 2, (1 << 26) - 1300));
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.WrongRecordCount.selector, 2, 1 << 26));
        extend(adaSet, more);
        more = oneShard(shardProof(ADA, "ada 2", 2, 1));
        gate.stop(datasetCircuit);
        vm.expectRevert(abi.encodeWithSelector(IProofGate.StoppedCircuit.selector, datasetCircuit));
        extend(adaSet, more);
    }

    function test_AgentRegistryIsBoundOnceByTheDeployer() public {
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.AgentRegistryAlreadyBound.selector, address(agents)));
        datasets.bindAgentRegistry(MALLORY);
        DatasetRegistry fresh = new DatasetRegistry(gate, IERC20(address(token)));
        vm.prank(MALLORY);
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.NotDeployer.selector, MALLORY));
        fresh.bindAgentRegistry(MALLORY);
        assertEq(fresh.agentRegistry(), address(0));
        // one that has other datasets, or another gate
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.OtherDeployment.selector, address(agents)));
        fresh.bindAgentRegistry(address(agents));
        AgentRegistry own = new AgentRegistry(gate, fresh);
        fresh.bindAgentRegistry(address(own));
        assertEq(fresh.agentRegistry(), address(own));
        ProofGate other = new ProofGate(address(this), GUARDIAN);
        vm.expectRevert();
        new AgentRegistry(other, fresh);
    }
}
