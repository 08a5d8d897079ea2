// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title Evaluations: proven accuracy and loss of certified versions
/// @notice How many records of a registered dataset a certified version answers correctly, and with which loss, proven
/// shard by shard. The dataset must have the version's schema, and the version must not list any version of it.
interface IEvaluations {
    /// @notice The `evaluation` proof of one shard.
    struct EvaluationProof {
        /// The shard, counted from 0.
        uint32 shard;
        /// Public inputs, `[ctx, n, correct, loss]`.
        uint256[] inputs;
        /// The proof.
        bytes proof;
    }

    /// @notice What proofs of one circuit have shown about a version on a dataset.
    struct Evaluation {
        /// Records answered correctly so far.
        uint64 correct;
        /// Records evaluated so far.
        uint64 records;
        /// Loss over these records, in units of 2^-20, each shard's rounded down.
        uint64 loss;
        /// Number of shards counted.
        uint32 shardsDone;
        /// Number of shards of the dataset.
        uint32 shards;
    }

    /// @notice A shard was counted.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param datasetId The dataset.
    /// @param circuitId Circuit of the proof.
    /// @param shard The shard, counted from 0.
    /// @param correct Records of the shard answered correctly.
    /// @param records Records of the shard.
    /// @param loss Loss over the shard, units of 2^-20, rounded down.
    event ShardEvaluated(
        bytes32 indexed agentId,
        uint32 indexed version,
        bytes32 indexed datasetId,
        bytes32 circuitId,
        uint32 shard,
        uint64 correct,
        uint64 records,
        uint64 loss
    );
    /// @notice All shards of a dataset have been counted.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param datasetId The dataset.
    /// @param circuitId Circuit of the proofs.
    /// @param correct Records answered correctly.
    /// @param records Records evaluated.
    /// @param loss Loss over all of them, units of 2^-20, each shard's rounded down.
    event VersionEvaluated(
        bytes32 indexed agentId,
        uint32 indexed version,
        bytes32 indexed datasetId,
        bytes32 circuitId,
        uint64 correct,
        uint64 records,
        uint64 loss
    );

    /// @notice Only certified versions can be evaluated.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    error NotCertified(bytes32 agentId, uint32 version);
    /// @notice The version was trained on this dataset, or on another version of it.
    /// @param datasetId The dataset.
    error TrainedOn(bytes32 datasetId);
    /// @notice The dataset has another schema than the version's datasets.
    /// @param datasetId The dataset.
    /// @param expected keccak256 of the canonical schema of the version's datasets.
    /// @param found keccak256 of this dataset's canonical schema.
    error SchemaMismatch(bytes32 datasetId, bytes32 expected, bytes32 found);
    /// @notice The circuit proves another statement, or has another layout, SRS or link than the version.
    /// @param circuitId The circuit: that of the proofs, or the one that admitted the dataset.
    error UnfitCircuit(bytes32 circuitId);
    /// @notice The proof is not about the registered records.
    /// @param shard The shard, counted from 0.
    /// @param expected keccak256 of the committed points of the shard.
    /// @param proven keccak256 of the committed points in the proof.
    error WrongRecords(uint32 shard, bytes32 expected, bytes32 proven);
    /// @notice The proof is not about the version's weights.
    /// @param expected keccak256 of the point of the version's committed weights.
    /// @param proven keccak256 of the point of the weights committed in the proof.
    error WrongWeights(bytes32 expected, bytes32 proven);
    /// @notice The proof's context is for another version, dataset, shard, contract or chain.
    /// @param expected Context that the contract computes.
    /// @param proven Context in the proof's public inputs.
    error WrongContext(uint256 expected, uint256 proven);
    /// @notice The counts are impossible.
    /// @param correct Records answered correctly.
    /// @param records Records evaluated; must be below 2^26.
    error ImpossibleCounts(uint256 correct, uint256 records);
    /// @notice With this loss, the dataset's would not be below 2^53 units.
    /// @param loss The shard's loss, units of 2^-20.
    error ImpossibleLoss(uint256 loss);
    /// @notice The version was not evaluated on all shards of the dataset.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param datasetId The dataset.
    error NotEvaluated(bytes32 agentId, uint32 version, bytes32 datasetId);

    /// @notice Adds evaluation proofs of a dataset's shards; anybody may submit them. One bad proof reverts the whole
    /// transaction; a shard that was already counted is skipped.
    /// @param agentId The agent.
    /// @param version The version, counted from 1; certified, and none of its circuits stopped.
    /// @param datasetId The dataset.
    /// @param circuitId Circuit of the proofs.
    /// @param proofs The proofs, in any order.
    function evaluate(
        bytes32 agentId,
        uint32 version,
        bytes32 datasetId,
        bytes32 circuitId,
        EvaluationProof[] calldata proofs
    ) external;

    /// @notice The counts proven so far by proofs of one circuit.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param datasetId The dataset; reverts if unknown.
    /// @param circuitId Circuit of the proofs.
    /// @return evaluation The counts, even if the circuit was stopped since.
    function evaluationOf(bytes32 agentId, uint32 version, bytes32 datasetId, bytes32 circuitId)
        external
        view
        returns (Evaluation memory evaluation);

    /// @notice The accuracy of a version on a whole dataset, as proven by the circuit that completed it last.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param datasetId The dataset; reverts if not all its shards were counted, or if that circuit, or the one
    /// that admitted the dataset, was stopped since.
    /// @return correct Records answered correctly.
    /// @return records Records evaluated.
    function accuracyOf(bytes32 agentId, uint32 version, bytes32 datasetId)
        external
        view
        returns (uint64 correct, uint64 records);

    /// @notice The loss of a version on a whole dataset, under the same conditions as {accuracyOf}: the version's link
    /// decides which loss.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param datasetId The dataset.
    /// @return loss Sum over the records, units of 2^-20: each shard's exact sum, rounded down.
    /// @return records Records evaluated.
    function lossOf(bytes32 agentId, uint32 version, bytes32 datasetId)
        external
        view
        returns (uint64 loss, uint64 records);

    /// @notice The agent registry, which certifies the versions to evaluate.
    /// @return Address of the agent registry.
    function agentRegistry() external view returns (address);

    /// @notice The context that a shard's evaluation proof must carry.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param datasetId The dataset.
    /// @param shard The shard, counted from 0.
    /// @return ctx Public input 0 of the proof: a keccak256 digest without its last byte, below 2^248.
    function evaluationContext(bytes32 agentId, uint32 version, bytes32 datasetId, uint32 shard)
        external
        view
        returns (uint256 ctx);
}
