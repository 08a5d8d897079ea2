// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title Dataset registry: who owns which committed records, and on which terms they may train
/// @notice A dataset is one or more shards, each with a proof that its committed columns are well formed and hold so
/// many records. The proof's context names the owner, so a registration copied from the mempool fails.
interface IDatasetRegistry {
    /// @notice What the owner decides at registration; part of every shard's context.
    struct RegisterParams {
        /// keccak256 of the canonical schema.
        bytes32 schemaId;
        /// Least part of fees that goes to data providers, in basis points.
        uint16 minDataBps;
        /// Whether anyone may train without a grant.
        bool openTraining;
    }

    /// @notice The `dataset` proof of one shard; its inputs are `[ctx, n]`.
    struct ShardProof {
        /// Circuit of the proof.
        bytes32 circuitId;
        /// Public inputs.
        uint256[] inputs;
        /// The proof.
        bytes proof;
    }

    /// @notice A registered dataset.
    struct Dataset {
        /// Who registered it and receives its rewards.
        address owner;
        /// Least part of fees that goes to data providers, in basis points.
        uint16 minDataBps;
        /// Whether anyone may train without a grant.
        bool openTraining;
        /// Records in all shards.
        uint64 records;
        /// keccak256 of the canonical schema.
        bytes32 schemaId;
        /// Hash of the layout of its circuits.
        bytes32 layoutHash;
        /// Digest of the SRS that its commitments are made with.
        bytes32 srsDigest;
        /// keccak256 of each shard's committed points.
        bytes32[] shardDigests;
    }

    /// @notice Permission for one agent owner to train on a dataset.
    struct Grant {
        /// Agent versions that may still be proposed.
        uint64 uses;
        /// Last second at which it counts.
        uint64 expiry;
    }

    /// @notice A dataset was registered.
    /// @param datasetId The dataset.
    /// @param owner Who registered it and receives its rewards.
    /// @param schemaId keccak256 of the canonical schema.
    /// @param layoutHash Hash of the layout of the dataset's circuits.
    /// @param records Records in all shards.
    /// @param minDataBps Least part of fees that goes to data providers, in basis points.
    /// @param openTraining Whether anyone may train without a grant.
    event DatasetRegistered(
        bytes32 indexed datasetId,
        address indexed owner,
        bytes32 indexed schemaId,
        bytes32 layoutHash,
        uint64 records,
        uint16 minDataBps,
        bool openTraining
    );
    /// @notice A shard of the dataset that is registered in the same transaction.
    /// @param datasetId The dataset.
    /// @param index The shard, counted from 0.
    /// @param digest keccak256 of the shard's committed points.
    /// @param records Records in the shard.
    /// @param circuitId Circuit of the shard's proof.
    event ShardRegistered(bytes32 indexed datasetId, uint32 index, bytes32 digest, uint64 records, bytes32 circuitId);
    /// @notice A grant was set; `uses` 0 takes it back.
    /// @param datasetId The dataset.
    /// @param grantee The agent owner who may train.
    /// @param uses Agent versions that may still be proposed.
    /// @param expiry Last second of Unix time at which the grant counts.
    event TrainingGranted(bytes32 indexed datasetId, address indexed grantee, uint64 uses, uint64 expiry);
    /// @notice One use of a grant was taken by a new agent version.
    /// @param datasetId The dataset.
    /// @param grantee The agent owner who may train.
    /// @param usesLeft Agent versions that may still be proposed.
    event GrantUsed(bytes32 indexed datasetId, address indexed grantee, uint64 usesLeft);
    /// @notice The agent registry that may take uses of grants was fixed.
    /// @param agentRegistry The agent registry.
    event AgentRegistryBound(address indexed agentRegistry);

    /// @notice A dataset needs at least one shard.
    error NoShards();
    /// @notice The circuit proves another statement.
    /// @param circuitId The circuit.
    /// @param expected Code of the `dataset` statement, 1.
    /// @param found Code of the circuit's statement.
    error WrongStatement(bytes32 circuitId, uint8 expected, uint8 found);
    /// @notice The shard's circuit has another layout than the first shard's.
    /// @param shard The shard, counted from 0.
    /// @param expected Hash of the layout of the first shard's circuit.
    /// @param found Hash of the layout of this shard's circuit.
    error LayoutMismatch(uint256 shard, bytes32 expected, bytes32 found);
    /// @notice The shard's circuit has another SRS than the first shard's.
    /// @param shard The shard, counted from 0.
    /// @param expected Digest of the SRS of the first shard's circuit.
    /// @param found Digest of the SRS of this shard's circuit.
    error SrsMismatch(uint256 shard, bytes32 expected, bytes32 found);
    /// @notice The proof was made for someone or something else.
    /// @param shard The shard, counted from 0.
    /// @param expected Context that the contract computes.
    /// @param proven Context in the proof's public inputs.
    error WrongContext(uint256 shard, uint256 expected, uint256 proven);
    /// @notice A shard's record count is zero or beyond what circuits sum.
    /// @param shard The shard, counted from 0.
    /// @param records Records that the proof counts; they must be 1 to 2^26 - 1.
    error WrongRecordCount(uint256 shard, uint256 records);
    /// @notice These committed columns belong to a dataset already.
    /// @param digest keccak256 of the shard's committed points.
    /// @param datasetId The dataset that holds the shard.
    error DigestRegistered(bytes32 digest, bytes32 datasetId);
    /// @notice More than 10,000 basis points.
    /// @param bps Basis points given.
    error BasisPointsTooHigh(uint16 bps);
    /// @notice No dataset has this id.
    /// @param datasetId The id asked for.
    error UnknownDataset(bytes32 datasetId);
    /// @notice Only the dataset's owner may do this.
    /// @param datasetId The dataset.
    /// @param caller Who called.
    error NotDatasetOwner(bytes32 datasetId, address caller);
    /// @notice The dataset's owner has not granted training, or the grant is used up or expired.
    /// @param datasetId The dataset.
    /// @param grantee The agent owner who lacks the grant.
    error TrainingNotGranted(bytes32 datasetId, address grantee);
    /// @notice Only the bound agent registry may do this.
    /// @param caller Who called.
    error NotAgentRegistry(address caller);
    /// @notice The agent registry was bound before.
    /// @param agentRegistry The agent registry that is bound.
    error AgentRegistryAlreadyBound(address agentRegistry);
    /// @notice Only the deployer may bind the agent registry.
    /// @param caller Who called.
    error NotDeployer(address caller);

    /// @notice Registers a dataset for the caller.
    /// @param params What the owner decides.
    /// @param shards The proofs of all shards, in their order.
    /// @return datasetId keccak over schema, layout, record count and shard digests.
    function register(RegisterParams calldata params, ShardProof[] calldata shards) external returns (bytes32 datasetId);

    /// @notice Sets how many agent versions `grantee` may still train on the dataset, and until when.
    /// @param datasetId The dataset.
    /// @param grantee The agent owner who may train.
    /// @param uses Agent versions that may still be proposed, from now on; 0 takes the grant back.
    /// @param expiry Last second of Unix time at which the grant counts.
    function grantTraining(bytes32 datasetId, address grantee, uint64 uses, uint64 expiry) external;

    /// @notice Takes one use of a grant; only the bound agent registry. The owner and open datasets need no grant.
    /// @param datasetId The dataset.
    /// @param grantee The agent owner who proposes a version.
    function useGrant(bytes32 datasetId, address grantee) external;

    /// @notice Fixes the agent registry; once, by the deployer.
    /// @param registry The agent registry; zero binds nothing.
    function bindAgentRegistry(address registry) external;

    /// @notice The proof gate that checks registrations.
    /// @return Address of the proof gate.
    function gate() external view returns (address);

    /// @notice The agent registry that takes uses of grants; zero until bound.
    /// @return Address of the agent registry.
    function agentRegistry() external view returns (address);

    /// @notice The dataset; reverts if unknown.
    /// @param datasetId The dataset.
    /// @return entry The dataset as it was registered.
    function dataset(bytes32 datasetId) external view returns (Dataset memory entry);

    /// @notice The dataset's owner; reverts if unknown.
    /// @param datasetId The dataset.
    /// @return owner Who registered it and receives its rewards.
    function datasetOwner(bytes32 datasetId) external view returns (address owner);

    /// @notice The dataset that holds a shard; zero if none.
    /// @param shardDigest keccak256 of the shard's committed points.
    /// @return datasetId The dataset; zero if none.
    function datasetOfShard(bytes32 shardDigest) external view returns (bytes32 datasetId);

    /// @notice The grant as it stands, expired or not.
    /// @param datasetId The dataset.
    /// @param grantee The agent owner who may train.
    /// @return grant Uses left and expiry; both 0 if none was ever set.
    function trainingGrant(bytes32 datasetId, address grantee) external view returns (Grant memory grant);

    /// @notice Whether `account` may propose an agent version on the dataset now.
    /// @param datasetId The dataset; reverts if unknown.
    /// @param account The agent owner asked about.
    /// @return allowed Whether the dataset is open, its own, or under a grant with uses left and not expired.
    function mayTrain(bytes32 datasetId, address account) external view returns (bool allowed);

    /// @notice The context that a shard's proof must carry.
    /// @param owner Who registers the dataset.
    /// @param params What the owner decides.
    /// @param layoutHash Hash of the layout of the dataset's circuits.
    /// @param shardIndex The shard, counted from 0.
    /// @param shardCount Shards of the dataset.
    /// @param records Records in the shard.
    /// @return ctx Public input 0 of the proof: a keccak256 digest without its last byte, below 2^248.
    function shardContext(
        address owner,
        RegisterParams calldata params,
        bytes32 layoutHash,
        uint32 shardIndex,
        uint32 shardCount,
        uint64 records
    ) external view returns (uint256 ctx);
}
