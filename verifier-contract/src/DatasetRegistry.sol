// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IDatasetRegistry} from "./interfaces/IDatasetRegistry.sol";
import {IProofGate} from "./interfaces/IProofGate.sol";
import {Statements} from "./libraries/Statements.sol";

/// @title Dataset registry
/// @notice See {IDatasetRegistry}. Nobody can change a dataset after registration, not even its owner.
contract DatasetRegistry is IDatasetRegistry {
    uint16 private constant ALL_BPS = 10_000;

    IProofGate private immutable GATE;
    address private immutable DEPLOYER;

    address private _agentRegistry;
    mapping(bytes32 datasetId => Dataset) private _datasets;
    mapping(bytes32 shardDigest => bytes32 datasetId) private _datasetOfShard;
    mapping(bytes32 datasetId => mapping(address grantee => Grant)) private _grants;

    /// @param proofGate The proof gate that checks registrations.
    constructor(IProofGate proofGate) {
        GATE = proofGate;
        DEPLOYER = msg.sender;
    }

    /// @inheritdoc IDatasetRegistry
    function register(RegisterParams calldata params, ShardProof[] calldata shards)
        external
        returns (bytes32 datasetId)
    {
        if (shards.length == 0) revert NoShards();
        if (params.minDataBps > ALL_BPS) revert BasisPointsTooHigh(params.minDataBps);

        IProofGate.CircuitShape memory shape = GATE.usableShape(shards[0].circuitId);
        bytes32[] memory digests = new bytes32[](shards.length);
        uint64 records = 0;
        for (uint256 i = 0; i < shards.length; ++i) {
            digests[i] = _checkShard(params, shards, i, shape);
            records += uint64(shards[i].inputs[Statements.DATASET_N]);
        }

        datasetId = Statements.datasetIdOf(params.schemaId, shape.layoutHash, records, digests);
        _datasets[datasetId] = Dataset({
            owner: msg.sender,
            minDataBps: params.minDataBps,
            openTraining: params.openTraining,
            records: records,
            schemaId: params.schemaId,
            layoutHash: shape.layoutHash,
            srsDigest: shape.srsDigest,
            shardDigests: digests
        });
        emit DatasetRegistered(
            datasetId, msg.sender, params.schemaId, shape.layoutHash, records, params.minDataBps, params.openTraining
        );
        for (uint256 i = 0; i < shards.length; ++i) {
            _claimDigest(digests[i], datasetId);
            uint64 shardRecords = uint64(shards[i].inputs[Statements.DATASET_N]);
            emit ShardRegistered(datasetId, uint32(i), digests[i], shardRecords, shards[i].circuitId);
        }
    }

    /// @inheritdoc IDatasetRegistry
    function grantTraining(bytes32 datasetId, address grantee, uint64 uses, uint64 expiry) external {
        if (_known(datasetId).owner != msg.sender) revert NotDatasetOwner(datasetId, msg.sender);
        _grants[datasetId][grantee] = Grant({uses: uses, expiry: expiry});
        emit TrainingGranted(datasetId, grantee, uses, expiry);
    }

    /// @inheritdoc IDatasetRegistry
    function useGrant(bytes32 datasetId, address grantee) external {
        if (msg.sender != _agentRegistry) revert NotAgentRegistry(msg.sender);
        Dataset storage entry = _known(datasetId);
        if (_needsNoGrant(entry, grantee)) return;
        Grant storage grant = _grants[datasetId][grantee];
        if (!_isLive(grant)) revert TrainingNotGranted(datasetId, grantee);
        grant.uses -= 1;
        emit GrantUsed(datasetId, grantee, grant.uses);
    }

    /// @inheritdoc IDatasetRegistry
    // Zero binds nothing: no version could be proposed until the deployer binds a registry.
    // slither-disable-next-line missing-zero-check
    function bindAgentRegistry(address registry) external {
        if (msg.sender != DEPLOYER) revert NotDeployer(msg.sender);
        if (_agentRegistry != address(0)) revert AgentRegistryAlreadyBound(_agentRegistry);
        _agentRegistry = registry;
        emit AgentRegistryBound(registry);
    }

    /// @inheritdoc IDatasetRegistry
    function gate() external view returns (address) {
        return address(GATE);
    }

    /// @inheritdoc IDatasetRegistry
    function agentRegistry() external view returns (address) {
        return _agentRegistry;
    }

    /// @inheritdoc IDatasetRegistry
    function dataset(bytes32 datasetId) external view returns (Dataset memory entry) {
        return _known(datasetId);
    }

    /// @inheritdoc IDatasetRegistry
    function datasetOwner(bytes32 datasetId) external view returns (address owner) {
        return _known(datasetId).owner;
    }

    /// @inheritdoc IDatasetRegistry
    function datasetOfShard(bytes32 shardDigest) external view returns (bytes32 datasetId) {
        return _datasetOfShard[shardDigest];
    }

    /// @inheritdoc IDatasetRegistry
    function trainingGrant(bytes32 datasetId, address grantee) external view returns (Grant memory grant) {
        return _grants[datasetId][grantee];
    }

    /// @inheritdoc IDatasetRegistry
    function mayTrain(bytes32 datasetId, address account) external view returns (bool allowed) {
        return _needsNoGrant(_known(datasetId), account) || _isLive(_grants[datasetId][account]);
    }

    /// @inheritdoc IDatasetRegistry
    function shardContext(
        address owner,
        RegisterParams calldata params,
        bytes32 layoutHash,
        uint32 shardIndex,
        uint32 shardCount,
        uint64 records
    ) public view returns (uint256 ctx) {
        bytes32 terms = Statements.termsHash(params.minDataBps, params.openTraining);
        return Statements.datasetContext(owner, params.schemaId, layoutHash, shardIndex, shardCount, records, terms);
    }

    /// Checks one shard's proof against the shape of the first shard's circuit and returns the shard's digest.
    function _checkShard(
        RegisterParams calldata params,
        ShardProof[] calldata shards,
        uint256 index,
        IProofGate.CircuitShape memory shape
    ) private view returns (bytes32 digest) {
        ShardProof calldata shard = shards[index];
        IProofGate.CircuitShape memory own = GATE.usableShape(shard.circuitId);
        if (own.statement != Statements.DATASET) {
            revert WrongStatement(shard.circuitId, Statements.DATASET, own.statement);
        }
        if (own.layoutHash != shape.layoutHash) revert LayoutMismatch(index, shape.layoutHash, own.layoutHash);
        if (own.srsDigest != shape.srsDigest) revert SrsMismatch(index, shape.srsDigest, own.srsDigest);

        // The gate has checked the number of inputs by the time they are read.
        digest = GATE.check(shard.circuitId, shard.inputs, shard.proof)[Statements.DATASET_GROUP_XY];
        uint256 records = shard.inputs[Statements.DATASET_N];
        if (records == 0 || records >> Statements.COUNT_LIMIT_BITS != 0) revert WrongRecordCount(index, records);
        uint256 expected =
            shardContext(msg.sender, params, shape.layoutHash, uint32(index), uint32(shards.length), uint64(records));
        uint256 proven = shard.inputs[Statements.CTX];
        if (proven != expected) revert WrongContext(index, expected, proven);
    }

    function _claimDigest(bytes32 digest, bytes32 datasetId) private {
        bytes32 holder = _datasetOfShard[digest];
        if (holder != bytes32(0)) revert DigestRegistered(digest, holder);
        _datasetOfShard[digest] = datasetId;
    }

    function _known(bytes32 datasetId) private view returns (Dataset storage entry) {
        entry = _datasets[datasetId];
        if (entry.owner == address(0)) revert UnknownDataset(datasetId);
    }

    function _needsNoGrant(Dataset storage entry, address account) private view returns (bool) {
        return entry.openTraining || entry.owner == account;
    }

    function _isLive(Grant storage grant) private view returns (bool) {
        return grant.uses > 0 && block.timestamp <= grant.expiry;
    }
}
