// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title Record verifier: opens one record of a committed dataset, with its label
/// @notice Checks that the committed columns of a shard hold a record at an index. The proof is two points, whatever
/// the record's size. The record's rows and cells are computed here from layout and index, so salts, weights and empty
/// slots cannot be passed off as records.
interface IRecordVerifier {
    /// @notice Parameters of a layout; see `circuits/core/src/layout.rs`.
    struct Layout {
        /// log2 of the rows.
        uint32 k;
        /// Data columns.
        uint32 columns;
        /// Features, padded.
        uint32 features;
        /// Classes; 1 for real targets.
        uint32 classes;
        /// Whether the target is a 16-bit value.
        bool realTarget;
        /// s, where the bias feature is 256·2^s.
        uint32 interceptScale;
    }

    /// @notice A record with the proof that it is in a shard.
    struct Shown {
        /// The shard's layout.
        Layout dims;
        /// The shard's commitments: data columns, then the label column, x‖y each.
        bytes points;
        /// Index of the record in the shard, from 0.
        uint32 index;
        /// The record's features, one byte each.
        bytes features;
        /// Its class, or its 16-bit value.
        uint16 target;
        /// Challenge chosen by the party who asked for the record.
        bytes32 context;
        /// The quotient's commitment and the opening at the challenge: two points, x and y each.
        uint256[4] proof;
    }

    /// @notice No circuit has this layout.
    error ImpossibleLayout();
    /// @notice The shard has no such record.
    /// @param index The record requested, counted from 0.
    /// @param capacity Maximum number of records in a shard of the layout.
    error NoSuchRecord(uint256 index, uint256 capacity);
    /// @notice The number of features or commitments differs from the layout's.
    /// @param expected Length required by the layout: one byte per feature, or 64 bytes per committed column.
    /// @param given Length given in bytes.
    error WrongLength(uint256 expected, uint256 given);
    /// @notice There is no such class.
    /// @param target The class given, counted from 0.
    /// @param classes The layout's number of classes.
    error NoSuchClass(uint256 target, uint256 classes);
    /// @notice The bytes do not encode a point on the curve.
    /// @param index Index of the point, from 0: the commitments, the quotient, the opening; 2^256 - 1 for one computed
    /// here.
    error NotAPoint(uint256 index);
    /// @notice The committed columns do not hold this record at this index.
    error NotThisRecord();
    /// @notice The dataset is committed under another SRS.
    /// @param expected Digest of this contract's SRS.
    /// @param found Digest of the dataset's SRS.
    error OtherSrs(bytes32 expected, bytes32 found);
    /// @notice The dataset has another layout.
    /// @param expected Hash of the dataset's layout.
    /// @param found Hash of the layout given.
    error OtherLayout(bytes32 expected, bytes32 found);
    /// @notice The dataset has fewer shards.
    /// @param shard The shard requested, counted from 0.
    /// @param shards Number of the dataset's shards.
    error NoSuchShard(uint256 shard, uint256 shards);
    /// @notice The commitments are not those of the shard.
    /// @param expected keccak256 of the registered shard's committed points.
    /// @param found keccak256 of the committed points given.
    error OtherShard(bytes32 expected, bytes32 found);
    /// @notice The points given at deployment are not an SRS.
    error NotAnSrs();

    /// @notice Reverts unless the columns with these commitments hold the record.
    /// @param shown The record, its position and the proof.
    /// @return shardDigest Digest of the shard, to be compared with a registered one.
    /// @return layoutHash Hash of the layout, to be compared with the registered dataset's.
    function check(Shown calldata shown) external view returns (bytes32 shardDigest, bytes32 layoutHash);

    /// @notice Reverts unless shard `shard` of a registered dataset holds the record.
    /// @param registry Address of the dataset registry.
    /// @param datasetId The dataset.
    /// @param shard The shard, counted from 0.
    /// @param shown The record, its position and the proof.
    function checkRegistered(address registry, bytes32 datasetId, uint256 shard, Shown calldata shown) external view;

    /// @notice Digest of the SRS, as stored for datasets.
    /// @return digest keccak256 over the compressed generators and their multiples by the secret, in both groups.
    function srsDigest() external view returns (bytes32 digest);
}
