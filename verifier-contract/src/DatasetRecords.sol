// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IDatasetRegistry} from "./interfaces/IDatasetRegistry.sol";
import {IProofGate} from "./interfaces/IProofGate.sol";
import {Statements} from "./libraries/Statements.sol";

/// @title Dataset records: datasets, their versions and shards
/// @notice The part of {IDatasetRegistry} that stores what was proven. It is immutable, even for a dataset's owner.
abstract contract DatasetRecords is IDatasetRegistry {
    uint16 internal constant ALL_BPS = 10_000;
    uint256 private constant SHARDS_MOST = type(uint16).max;

    /// All versions of a dataset. A registration writes four slots, plus two for each shard.
    struct Root {
        // one slot
        address owner;
        uint16 minDataBps;
        bool openTraining;
        uint16 minShareBps;
        uint8 links;
        // one slot
        uint128 minPricePerQuery;
        uint16 firstShards;
        uint32 firstRecords;
        uint16 shards; // of the latest version
        bytes32 schemaId;
        bytes32 circuitId;
        // written only when used
        address offeredTo;
        address payout;
        string node;
        mapping(uint256 index => bytes32) digests;
    }

    /// A version after the first.
    struct Later {
        bytes32 root;
        uint16 shards;
        uint32 records;
    }

    /// What the proofs of shards must match.
    struct Expected {
        address owner;
        bytes32 schemaId;
        bytes32 circuitId;
        bytes32 layoutHash;
        bytes32 terms;
        uint256 first; // index of the first new shard
        uint64 records; // in all earlier shards
    }

    /// What the proofs of shards established.
    struct Proven {
        bytes32[] digests;
        uint64[] counts;
        uint64 records; // in all shards, earlier ones included
    }

    IProofGate internal immutable GATE;
    IERC20 private immutable TOKEN;
    mapping(bytes32 root => Root) internal _roots;
    mapping(bytes32 datasetId => Later) private _laters;
    mapping(bytes32 shardDigest => bytes32 root) private _rootOfShard;

    /// @param proofGate The proof gate that checks registrations.
    /// @param erc20 The token of all prices in terms and grants.
    constructor(IProofGate proofGate, IERC20 erc20) {
        GATE = proofGate;
        TOKEN = erc20;
    }

    /// @inheritdoc IDatasetRegistry
    function gate() external view returns (address) {
        return address(GATE);
    }

    /// @inheritdoc IDatasetRegistry
    function token() external view returns (address) {
        return address(TOKEN);
    }

    /// @inheritdoc IDatasetRegistry
    function dataset(bytes32 datasetId) external view returns (Dataset memory view_) {
        (bytes32 root, uint32 shards, uint64 records) = _known(datasetId);
        Root storage entry = _roots[root];
        IProofGate.CircuitShape memory shape = GATE.shapeOf(entry.circuitId);
        view_ = Dataset({
            owner: entry.owner,
            terms: _termsOf(entry),
            root: root,
            shards: shards,
            records: records,
            schemaId: entry.schemaId,
            circuitId: entry.circuitId,
            layoutHash: shape.layoutHash,
            srsDigest: shape.srsDigest
        });
    }

    /// @inheritdoc IDatasetRegistry
    function versionOf(bytes32 datasetId) external view returns (bytes32 root, uint32 shards) {
        (root, shards,) = _known(datasetId);
    }

    /// @inheritdoc IDatasetRegistry
    function circuitOf(bytes32 datasetId) external view returns (bytes32 circuitId) {
        (bytes32 root,,) = _known(datasetId);
        return _roots[root].circuitId;
    }

    /// @inheritdoc IDatasetRegistry
    function shardDigest(bytes32 datasetId, uint256 shard) external view returns (bytes32 digest) {
        (,, digest) = shardOf(datasetId, shard);
    }

    /// @inheritdoc IDatasetRegistry
    function shardDigests(bytes32 datasetId) external view returns (bytes32[] memory digests) {
        (bytes32 root, uint32 shards,) = _known(datasetId);
        digests = new bytes32[](shards);
        for (uint256 i = 0; i < shards; ++i) {
            digests[i] = _roots[root].digests[i];
        }
    }

    /// @inheritdoc IDatasetRegistry
    function datasetOfShard(bytes32 digest) external view returns (bytes32 root) {
        return _rootOfShard[digest];
    }

    /// @inheritdoc IDatasetRegistry
    function shardContext(
        address owner,
        RegisterParams calldata params,
        bytes32 layoutHash,
        uint32 shardIndex,
        uint64 records
    ) external view returns (uint256 ctx) {
        bytes32 terms = _termsHash(params.terms);
        return Statements.datasetContext(owner, params.schemaId, layoutHash, shardIndex, records, terms);
    }

    /// @inheritdoc IDatasetRegistry
    function shardOf(bytes32 datasetId, uint256 shard)
        public
        view
        returns (bytes32 root, uint32 shards, bytes32 digest)
    {
        (root, shards,) = _known(datasetId);
        if (shard >= shards) revert ShardOutOfRange(datasetId, shard, shards);
        digest = _roots[root].digests[shard];
    }

    function _register(address owner, RegisterParams calldata params, ShardProof[] calldata shards)
        internal
        returns (bytes32 datasetId, bytes32[] memory digests)
    {
        Terms calldata terms = params.terms;
        if (terms.minDataBps > ALL_BPS) revert BasisPointsTooHigh(terms.minDataBps);
        if (terms.minShareBps > ALL_BPS) revert BasisPointsTooHigh(terms.minShareBps);
        if (terms.links & ~Statements.ALL_LINKS != 0) revert UnknownLinks(terms.links);

        bytes32 layoutHash = _requireCircuit(params.circuitId);
        Proven memory proven = _checkShards(
            Expected(owner, params.schemaId, params.circuitId, layoutHash, _termsHash(terms), 0, 0), shards
        );
        digests = proven.digests;

        datasetId = Statements.datasetIdOf(params.schemaId, layoutHash, proven.records, digests);
        Root storage entry = _roots[datasetId];
        entry.owner = owner;
        entry.minDataBps = terms.minDataBps;
        entry.openTraining = terms.openTraining;
        entry.minShareBps = terms.minShareBps;
        entry.links = terms.links;
        entry.minPricePerQuery = terms.minPricePerQuery;
        entry.firstShards = uint16(digests.length);
        entry.firstRecords = uint32(proven.records);
        entry.shards = uint16(digests.length);
        entry.schemaId = params.schemaId;
        entry.circuitId = params.circuitId;
        emit DatasetRegistered(
            datasetId,
            owner,
            params.schemaId,
            params.circuitId,
            layoutHash,
            proven.records,
            uint32(digests.length),
            terms
        );
        _addShards(datasetId, datasetId, 0, proven);
    }

    function _extend(bytes32 previousId, ShardProof[] calldata shards)
        internal
        returns (bytes32 datasetId, bytes32[] memory added)
    {
        (bytes32 root, uint32 before, uint64 recordsBefore) = _known(previousId);
        Root storage entry = _roots[root];
        if (before != entry.shards) revert NotLatest(previousId, before, entry.shards);
        bytes32 layoutHash = _requireCircuit(entry.circuitId);
        bytes32 terms = _termsHash(_termsOf(entry));
        Proven memory proven = _checkShards(
            Expected(entry.owner, entry.schemaId, entry.circuitId, layoutHash, terms, before, recordsBefore), shards
        );
        added = proven.digests;

        bytes32[] memory digests = new bytes32[](before + added.length);
        for (uint256 i = 0; i < before; ++i) {
            digests[i] = entry.digests[i];
        }
        for (uint256 i = 0; i < added.length; ++i) {
            digests[before + i] = added[i];
        }
        datasetId = Statements.datasetIdOf(entry.schemaId, layoutHash, proven.records, digests);
        _laters[datasetId] = Later({root: root, shards: uint16(digests.length), records: uint32(proven.records)});
        entry.shards = uint16(digests.length);
        emit DatasetExtended(datasetId, root, previousId, proven.records, uint32(digests.length));
        _addShards(datasetId, root, before, proven);
    }

    function _known(bytes32 datasetId) internal view returns (bytes32 root, uint32 shards, uint64 records) {
        Root storage first = _roots[datasetId];
        if (first.owner != address(0)) return (datasetId, first.firstShards, first.firstRecords);
        Later storage later = _laters[datasetId];
        if (later.root == bytes32(0)) revert UnknownDataset(datasetId);
        return (later.root, later.shards, later.records);
    }

    function _ownerOf(bytes32 datasetId) internal view returns (address) {
        (bytes32 root,,) = _known(datasetId);
        return _roots[root].owner;
    }

    function _requireOwner(bytes32 datasetId) internal view returns (bytes32 root, Root storage entry) {
        (root,,) = _known(datasetId);
        entry = _roots[root];
        if (entry.owner != msg.sender) revert NotDatasetOwner(datasetId, msg.sender);
    }

    /// Checks that the circuit is not stopped and proves datasets; returns the hash of its layout.
    function _requireCircuit(bytes32 circuitId) private view returns (bytes32 layoutHash) {
        IProofGate.CircuitShape memory shape = GATE.usableShape(circuitId);
        if (shape.statement != Statements.DATASET) {
            revert WrongStatement(circuitId, Statements.DATASET, shape.statement);
        }
        return shape.layoutHash;
    }

    function _checkShards(Expected memory expected, ShardProof[] calldata shards)
        private
        view
        returns (Proven memory proven)
    {
        if (shards.length == 0) revert NoShards();
        if (expected.first + shards.length > SHARDS_MOST) revert TooManyShards(expected.first + shards.length);
        proven.digests = new bytes32[](shards.length);
        proven.counts = new uint64[](shards.length);
        proven.records = expected.records;
        bytes32[][] memory digests = _check(expected.circuitId, shards);
        for (uint256 i = 0; i < shards.length; ++i) {
            ShardProof calldata shard = shards[i];
            uint256 index = expected.first + i;
            // The gate has already checked the number of inputs when they are read.
            proven.digests[i] = digests[i][Statements.DATASET_GROUP_XY];
            uint256 count = shard.inputs[Statements.DATASET_N];
            if (count == 0 || count >> Statements.COUNT_LIMIT_BITS != 0) revert WrongRecordCount(index, count);
            proven.counts[i] = uint64(count);
            proven.records += uint64(count);
            if (proven.records >> Statements.COUNT_LIMIT_BITS != 0) revert WrongRecordCount(index, proven.records);
            _requireContext(expected, index, uint64(count), shard.inputs[Statements.CTX]);
        }
    }

    /// Checks the proofs, several of them by one pairing; returns their committed groups.
    function _check(bytes32 circuitId, ShardProof[] calldata shards) private view returns (bytes32[][] memory digests) {
        if (shards.length == 1) {
            digests = new bytes32[][](1);
            digests[0] = GATE.check(circuitId, shards[0].inputs, shards[0].proof);
            return digests;
        }
        IProofGate.CircuitProof[] memory proofs = new IProofGate.CircuitProof[](shards.length);
        for (uint256 i = 0; i < shards.length; ++i) {
            proofs[i] = IProofGate.CircuitProof(circuitId, shards[i].inputs, shards[i].proof);
        }
        return GATE.checkAll(proofs);
    }

    function _requireContext(Expected memory expected, uint256 index, uint64 count, uint256 proven) private view {
        uint256 ctx = Statements.datasetContext(
            expected.owner, expected.schemaId, expected.layoutHash, uint32(index), count, expected.terms
        );
        if (proven != ctx) revert WrongContext(index, ctx, proven);
    }

    /// A shard belongs to one dataset only, even once that dataset's circuit is stopped: its records then need new
    /// commitments.
    function _addShards(bytes32 datasetId, bytes32 root, uint256 first, Proven memory proven) private {
        Root storage entry = _roots[root];
        for (uint256 i = 0; i < proven.digests.length; ++i) {
            bytes32 digest = proven.digests[i];
            bytes32 holder = _rootOfShard[digest];
            if (holder != bytes32(0)) revert DigestRegistered(digest, holder);
            _rootOfShard[digest] = root;
            entry.digests[first + i] = digest;
            emit ShardRegistered(datasetId, uint32(first + i), digest, proven.counts[i]);
        }
    }

    function _termsOf(Root storage entry) private view returns (Terms memory) {
        return Terms({
            minDataBps: entry.minDataBps,
            openTraining: entry.openTraining,
            minShareBps: entry.minShareBps,
            minPricePerQuery: entry.minPricePerQuery,
            links: entry.links
        });
    }

    function _termsHash(Terms memory terms) private pure returns (bytes32) {
        return Statements.termsHash(
            terms.minDataBps, terms.openTraining, terms.minShareBps, terms.minPricePerQuery, terms.links
        );
    }
}
