// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title Certification: events and errors of gradient and optimum proofs
/// @notice Events on the way to a version's certificate, and every reason to refuse it.
interface ICertification {
    /// @notice The gradient of a listed shard was added.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param datasetId Id of the dataset's version.
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
    /// @param positive Sum of the datasets' positive contributions; a dataset is paid by its part of it.
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
    /// @notice The proof's context is not the expected one.
    /// @param expected Context that the contract computes.
    /// @param proven Context in the proof's public inputs.
    error WrongContext(uint256 expected, uint256 proven);
    /// @notice The proof is not about the registered records.
    /// @param datasetId The dataset.
    /// @param shard The shard, counted from 0.
    /// @param expected keccak256 of the committed points of the shard.
    /// @param proven keccak256 of the committed points in the proof.
    error WrongRecords(bytes32 datasetId, uint32 shard, bytes32 expected, bytes32 proven);
    /// @notice The proof is not about the version's weights.
    /// @param expected keccak256 of the point of the version's committed weights.
    /// @param proven keccak256 of the point of the weights committed in the proof.
    error WrongWeights(bytes32 expected, bytes32 proven);
    /// @notice The proof is not about the sum of the gradients added.
    /// @param expected keccak256 of the sum's point; a sum at infinity matches no proof.
    /// @param proven keccak256 of the point of the gradient committed in the proof.
    error WrongGradient(bytes32 expected, bytes32 proven);
    /// @notice The agent has changed hands since the version was proposed, and the new owner has not adopted the
    /// version.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param owner The agent's current owner.
    error NotAdopted(bytes32 agentId, uint32 version, address owner);
    /// @notice Gradients are missing.
    /// @param shardsDone Number of shards whose gradient was added.
    /// @param shards Shards listed.
    error GradientsMissing(uint32 shardsDone, uint32 shards);
    /// @notice The proof's record count is not the registered one.
    /// @param expected Records of all datasets.
    /// @param proven Records that the proof counts.
    error WrongRecordCount(uint64 expected, uint256 proven);
    /// @notice The proof's λ is not the version's.
    /// @param expected The version's λ in units of 2^-44.
    /// @param proven The proof's λ in units of 2^-44.
    error WrongLambda(uint64 expected, uint256 proven);
    /// @notice A public value is out of range.
    /// @param index Offset of the public input, counted from 0.
    /// @param value Its value as a field element, unsigned.
    error PublicValueOutOfRange(uint256 index, uint256 value);
    /// @notice The proven bound of the gradient's norm is above `cap`, a few times the link tables' δ: within a larger ball
    /// the owner could choose weights that move shares.
    /// @param epsilon Proven bound of the gradient's norm, in units of 2^-44.
    /// @param cap The maximum, in units of 2^-44: 4δ, for squared loss 8δ.
    error EpsilonOverCap(uint256 epsilon, uint256 cap);
    /// @notice The proven relative distance to the optimum is more than 10^-3.
    /// @param epsilon Proven bound of the gradient's norm, in units of 2^-44.
    /// @param delta δ, the worst case of the link tables, in units of 2^-44.
    /// @param lambda λ in units of 2^-44.
    /// @param norm Proven lower bound of the weights' norm, in units of 2^-10.
    error EpsilonTooLarge(uint256 epsilon, uint256 delta, uint256 lambda, uint256 norm);
    /// @notice The contributions sum to too little compared with their rounding: to less than 2^20 units per shard.
    /// @param total Sum of all contributions.
    /// @param shards Shards listed.
    error SumTooSmall(int256 total, uint256 shards);
    /// @notice Datasets with a negative contribution take more than 2^-10 of the sum: drop them and retrain.
    /// @param negative Absolute value of the sum of the negative contributions.
    /// @param total Sum of all contributions.
    error TooNegative(uint256 negative, int256 total);
    /// @notice The contributions sum to less than `nλ‖W‖²(1 − 2^-9)`, which they reach if the weights are at the
    /// optimum.
    /// @param total Sum of all contributions.
    error SumBelowOptimum(int256 total);
    /// @notice A dataset would get less than the least share that its owner requires.
    /// @param leastBase Least `⌊N·10000/minShareBps⌋` of all datasets with a least share.
    /// @param positive Sum of the positive contributions; `leastBase` must not be below it.
    error BelowLeastShare(uint256 leastBase, uint256 positive);
}
