// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title Certification: what is said of gradients and optima
/// @notice What brings a version's certificate, and every reason for which it is refused.
interface ICertification {
    /// @notice The gradient over a listed shard was added.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param datasetId The dataset's version.
    /// @param shard The shard, counted from 0.
    /// @param contribution N, signed, in the version's units.
    /// @param gradientDigest keccak256 of the committed gradient's point.
    event GradientAdded(
        bytes32 indexed agentId,
        uint32 indexed version,
        bytes32 indexed datasetId,
        uint32 shard,
        int256 contribution,
        bytes32 gradientDigest
    );
    /// @notice A version was certified.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param records Records of all datasets.
    /// @param epsilon Proven bound of the gradient's norm, in units of 2^-44.
    /// @param norm Proven lower bound of the weights' norm, in units of 2^-10.
    /// @param total Sum of all contributions, in the version's units.
    /// @param positive Sum of those of datasets that are positive: a dataset is paid by its part of it.
    event VersionCertified(
        bytes32 indexed agentId,
        uint32 indexed version,
        uint64 records,
        uint64 epsilon,
        uint32 norm,
        int256 total,
        uint256 positive
    );

    /// @notice This version of the dataset is not listed.
    /// @param datasetId The dataset.
    error DatasetNotInVersion(bytes32 datasetId);
    /// @notice The proof was made for someone or something else.
    /// @param expected Context that the contract computes.
    /// @param proven Context in the proof's public inputs.
    error WrongContext(uint256 expected, uint256 proven);
    /// @notice The proof is about other records than those registered.
    /// @param datasetId The dataset.
    /// @param shard The shard, counted from 0.
    /// @param expected keccak256 of the committed points of the shard.
    /// @param proven keccak256 of the committed points in the proof.
    error WrongRecords(bytes32 datasetId, uint32 shard, bytes32 expected, bytes32 proven);
    /// @notice The proof is about other weights than the version's.
    /// @param expected keccak256 of the point of the version's committed weights.
    /// @param proven keccak256 of the point of the weights committed in the proof.
    error WrongWeights(bytes32 expected, bytes32 proven);
    /// @notice The proof is about another gradient than the sum of those added.
    /// @param expected keccak256 of the sum's point; a sum at infinity fits no proof.
    /// @param proven keccak256 of the point of the gradient committed in the proof.
    error WrongGradient(bytes32 expected, bytes32 proven);
    /// @notice The agent has another owner since the version was proposed, who has not adopted it.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param owner The agent's owner now.
    error NotAdopted(bytes32 agentId, uint32 version, address owner);
    /// @notice Gradients are missing.
    /// @param shardsDone Shards whose gradient was added.
    /// @param shards Shards listed.
    error GradientsMissing(uint32 shardsDone, uint32 shards);
    /// @notice The proof counts other records than those registered.
    /// @param expected Records of all datasets.
    /// @param proven Records that the proof counts.
    error WrongRecordCount(uint64 expected, uint256 proven);
    /// @notice The proof is about another λ than the version's.
    /// @param expected The version's λ in units of 2^-44.
    /// @param proven The proof's λ in units of 2^-44.
    error WrongLambda(uint64 expected, uint256 proven);
    /// @notice A public value is outside the range that circuits and contracts agree on.
    /// @param index Offset of the public input, counted from 0.
    /// @param value Its value as a field element, unsigned.
    error PublicValueOutOfRange(uint256 index, uint256 value);
    /// @notice The proven bound of the gradient's norm is above `cap`, a few times the link tables' δ: within a larger ball
    /// the owner could choose weights that move shares.
    /// @param epsilon Proven bound of the gradient's norm, in units of 2^-44.
    /// @param cap Most that is allowed, in units of 2^-44: 4δ, for squared loss 8δ.
    error EpsilonOverCap(uint256 epsilon, uint256 cap);
    /// @notice The proven relative distance to the optimum is more than 10^-3.
    /// @param epsilon Proven bound of the gradient's norm, in units of 2^-44.
    /// @param delta δ, the worst case of the link tables, in units of 2^-44.
    /// @param lambda λ in units of 2^-44.
    /// @param norm Proven lower bound of the weights' norm, in units of 2^-10.
    error EpsilonTooLarge(uint256 epsilon, uint256 delta, uint256 lambda, uint256 norm);
    /// @notice The contributions sum to less than rounding allows to compare: to less than 2^20 units a shard.
    /// @param total Sum of all contributions.
    /// @param shards Shards listed.
    error SumTooSmall(int256 total, uint256 shards);
    /// @notice Datasets with a negative contribution take more than 2^-10 of the sum: drop them and retrain.
    /// @param negative Sum of the negative contributions, without the sign.
    /// @param total Sum of all contributions.
    error TooNegative(uint256 negative, int256 total);
    /// @notice The contributions sum to less than `nλ‖W‖²(1 − 2^-9)`, which weights at their optimum reach.
    /// @param total Sum of all contributions.
    error SumBelowOptimum(int256 total);
    /// @notice A dataset gets less than its least share: its owner has not agreed to that.
    /// @param leastBase Least `⌊N·10000/minShareBps⌋` of all datasets with a least share.
    /// @param positive Sum of the positive contributions, which it has to reach.
    error BelowLeastShare(uint256 leastBase, uint256 positive);
}
