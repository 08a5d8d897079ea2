// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IDatasetOwners} from "./IDatasetOwners.sol";

/// @title Dataset registry: who owns which committed records, and on what terms they may be used for training
/// @notice A dataset is one or more shards, each with a proof that its committed columns are well formed and hold the
/// stated number of records. The proof's context names the owner, so a registration copied from the mempool fails.
///
/// A dataset can grow: `extend` adds proven shards and creates its next version, with its own id. All versions share a
/// root (the id of the first), an owner, terms, grants and the circuit that admitted them. A dataset with more shards
/// than fit into one transaction is registered with some and extended by the others. Every step is a complete dataset,
/// so nothing is ever half registered, and a grant names the version it is meant for.
interface IDatasetRegistry is IDatasetOwners {
    /// @notice The owner's requirements for every agent version that trains on the dataset.
    struct Terms {
        /// Least part of the fees that goes to data providers, in basis points.
        uint16 minDataBps;
        /// Whether anyone may train without a grant.
        bool openTraining;
        /// Least share of what goes to data providers, in basis points; 0 for none.
        uint16 minShareBps;
        /// Least price of a query, in base units of the token.
        uint128 minPricePerQuery;
        /// Links allowed: bit l for link code l; 0 allows every link except squared, which the terms or the grant must
        /// name explicitly: under squared loss small changes of the data move shares far.
        uint8 links;
    }

    /// @notice What the owner fixes at registration; schema and terms are part of every shard's context.
    struct RegisterParams {
        /// keccak256 of the canonical schema.
        bytes32 schemaId;
        /// Circuit of the proofs of all shards, now and later.
        bytes32 circuitId;
        /// Terms, immutable.
        Terms terms;
    }

    /// @notice The `dataset` proof of one shard.
    struct ShardProof {
        /// Public inputs, `[ctx, n]`.
        uint256[] inputs;
        /// The proof.
        bytes proof;
    }

    /// @notice A version of a registered dataset.
    struct Dataset {
        /// The current owner.
        address owner;
        /// Terms.
        Terms terms;
        /// Id of its first version.
        bytes32 root;
        /// Number of shards of this version.
        uint32 shards;
        /// Number of records in those shards.
        uint64 records;
        /// keccak256 of the canonical schema.
        bytes32 schemaId;
        /// Circuit that admitted it.
        bytes32 circuitId;
        /// Hash of that circuit's layout.
        bytes32 layoutHash;
        /// Digest of the SRS of its commitments.
        bytes32 srsDigest;
    }

    /// @notice What the owner of a dataset grants to an owner of agents. The stricter of these and the dataset's own
    /// terms apply.
    struct GrantTerms {
        /// Number of agent versions that may still list the dataset.
        uint32 uses;
        /// Unix time in seconds, inclusive, until which it is valid.
        uint64 expiry;
        /// Links allowed, as in `Terms`; 0 allows all that the terms allow, including squared only if they name it.
        uint8 links;
        /// Least share of what goes to data providers, in basis points; 0 for none.
        uint16 minShareBps;
        /// Least part of the fees that goes to data providers, in basis points.
        uint16 minDataBps;
        /// Least price of a query, in base units of the token.
        uint128 minPricePerQuery;
        /// Whether it covers later versions of the dataset than the one named.
        bool coversLater;
        /// Hash of the list that the agent version must have (`IAgentRegistry.close`); 0 for any: then the agent's
        /// owner may list any other datasets beside this one.
        bytes32 participants;
    }

    /// @notice Current state of a grant.
    struct Grant {
        /// What was granted; `uses` is the number left.
        GrantTerms terms;
        /// Number of shards of the dataset version that it names.
        uint32 shards;
        /// Counts the grants to this account, so that a use is returned only to the grant that it was taken from.
        uint32 serial;
    }

    /// @notice A dataset's requirements for the agent version that lists it, and the data that the version needs.
    struct Admission {
        /// Id of the dataset's first version.
        bytes32 root;
        /// Circuit that admitted the dataset.
        bytes32 circuitId;
        /// keccak256 of the canonical schema.
        bytes32 schemaId;
        /// Shards of the version listed.
        uint32 shards;
        /// Number of records in those shards.
        uint64 records;
        /// Least share, in basis points; 0 for none.
        uint16 minShareBps;
        /// Serial of the grant that was used; 0 if none was needed.
        uint32 grantSerial;
        /// Required hash of the version's list; 0 for any.
        bytes32 participants;
    }

    /// @notice A dataset was registered.
    /// @param datasetId The dataset, which is its own root.
    /// @param owner The owner.
    /// @param schemaId keccak256 of the canonical schema.
    /// @param circuitId Circuit that admitted it.
    /// @param layoutHash Hash of that circuit's layout.
    /// @param records Records in all shards.
    /// @param shards Number of shards.
    /// @param terms Terms.
    event DatasetRegistered(
        bytes32 indexed datasetId,
        address indexed owner,
        bytes32 indexed schemaId,
        bytes32 circuitId,
        bytes32 layoutHash,
        uint64 records,
        uint32 shards,
        Terms terms
    );
    /// @notice A dataset was extended: it has a new version.
    /// @param datasetId The new version.
    /// @param root Id of the first version.
    /// @param previousId The version that it extends.
    /// @param records Records in all shards.
    /// @param shards Number of shards.
    event DatasetExtended(
        bytes32 indexed datasetId, bytes32 indexed root, bytes32 previousId, uint64 records, uint32 shards
    );
    /// @notice A shard of the version registered in the same transaction.
    /// @param datasetId The version.
    /// @param index The shard, counted from 0.
    /// @param digest keccak256 of the shard's committed points.
    /// @param records Records in the shard.
    event ShardRegistered(bytes32 indexed datasetId, uint32 index, bytes32 digest, uint64 records);
    /// @notice A grant was set, replacing the previous one; `uses` 0 revokes it.
    /// @param root Id of the dataset's first version.
    /// @param grantee The agent owner who may train.
    /// @param datasetId The version named.
    /// @param serial Counts the grants to this account.
    /// @param terms The terms of the grant.
    event TrainingGranted(
        bytes32 indexed root, address indexed grantee, bytes32 datasetId, uint32 serial, GrantTerms terms
    );
    /// @notice An agent version that lists the dataset took one use from a grant.
    /// @param root Id of the dataset's first version.
    /// @param grantee The agent owner who trains.
    /// @param serial The grant.
    /// @param usesLeft Number of agent versions that may still list the dataset.
    event GrantUsed(bytes32 indexed root, address indexed grantee, uint32 serial, uint32 usesLeft);
    /// @notice One use was returned to a grant, because the agent version was abandoned.
    /// @param root Id of the dataset's first version.
    /// @param grantee The agent owner who may train.
    /// @param serial The grant.
    /// @param usesLeft Number of agent versions that may still list the dataset.
    event GrantReturned(bytes32 indexed root, address indexed grantee, uint32 serial, uint32 usesLeft);
    /// @notice The agent registry, which may take uses from grants, was bound.
    /// @param agentRegistry The agent registry.
    event AgentRegistryBound(address indexed agentRegistry);

    /// @notice A registration or an extension needs at least one shard.
    error NoShards();
    /// @notice A dataset has at most 65,535 shards.
    /// @param shards Shards that it would have.
    error TooManyShards(uint256 shards);
    /// @notice The circuit proves another statement.
    /// @param circuitId The circuit.
    /// @param expected Code of the `dataset` statement, 1.
    /// @param found Code of the circuit's statement.
    error WrongStatement(bytes32 circuitId, uint8 expected, uint8 found);
    /// @notice The proof's context is not the expected one.
    /// @param shard The shard, counted from 0.
    /// @param expected Context that the contract computes.
    /// @param proven Context in the proof's public inputs.
    error WrongContext(uint256 shard, uint256 expected, uint256 proven);
    /// @notice A record count is zero or more than circuits can sum.
    /// @param shard The shard, counted from 0.
    /// @param records Records of the shard, or of the dataset up to and including it; 1 to 2^26 - 1 are allowed.
    error WrongRecordCount(uint256 shard, uint256 records);
    /// @notice These committed columns already belong to a dataset.
    /// @param digest keccak256 of the shard's committed points.
    /// @param root Id of the first version of the dataset that holds the shard.
    error DigestRegistered(bytes32 digest, bytes32 root);
    /// @notice More than 10,000 basis points.
    /// @param bps Basis points given.
    error BasisPointsTooHigh(uint16 bps);
    /// @notice Link codes are 1 to 3, so only bits 1 to 3 may be set.
    /// @param links Bits given.
    error UnknownLinks(uint8 links);
    /// @notice The version has fewer shards.
    /// @param datasetId The version.
    /// @param shard The shard requested, counted from 0.
    /// @param shards Shards of the version.
    error ShardOutOfRange(bytes32 datasetId, uint256 shard, uint256 shards);
    /// @notice Only the latest version of a dataset can be extended.
    /// @param datasetId The version given.
    /// @param shards Its shards.
    /// @param latest Shards of the latest version.
    error NotLatest(bytes32 datasetId, uint256 shards, uint256 latest);
    /// @notice The dataset's owner has not granted training, or the grant is used up or expired.
    /// @param datasetId The dataset.
    /// @param grantee The agent owner who lacks the grant.
    error TrainingNotGranted(bytes32 datasetId, address grantee);
    /// @notice The grant is for another version of the dataset.
    /// @param datasetId The version that was to be listed.
    /// @param granted Shards of the version that the grant names.
    /// @param shards Number of shards of this version.
    error GrantForOtherVersion(bytes32 datasetId, uint32 granted, uint32 shards);
    /// @notice Terms or grant do not allow this link.
    /// @param datasetId The dataset.
    /// @param link Code of the agent version's link.
    /// @param links Links allowed, bit l for link code l.
    error LinkNotAllowed(bytes32 datasetId, uint8 link, uint8 links);
    /// @notice Terms or grant ask for a larger part of fees to data providers.
    /// @param datasetId The dataset.
    /// @param offered The agent version's part, in basis points.
    /// @param least Least part, in basis points.
    error DataPartTooLow(bytes32 datasetId, uint16 offered, uint16 least);
    /// @notice Terms or grant ask for a higher price.
    /// @param datasetId The dataset.
    /// @param offered The agent version's price of a query, in base units of the token.
    /// @param least Least price.
    error PriceTooLow(bytes32 datasetId, uint128 offered, uint128 least);
    /// @notice Only the bound agent registry may do this.
    /// @param caller The caller.
    error NotAgentRegistry(address caller);
    /// @notice The agent registry is already bound.
    /// @param agentRegistry The agent registry that is bound.
    error AgentRegistryAlreadyBound(address agentRegistry);
    /// @notice The agent registry has another gate or another dataset registry.
    /// @param agentRegistry The agent registry given.
    error OtherDeployment(address agentRegistry);
    /// @notice Only the deployer may bind the agent registry.
    /// @param caller The caller.
    error NotDeployer(address caller);

    /// @notice Registers a dataset for the caller.
    /// @param params The schema, circuit and terms.
    /// @param shards The proofs of all shards, in their order.
    /// @return datasetId keccak over schema, layout, record count and shard digests.
    function register(RegisterParams calldata params, ShardProof[] calldata shards) external returns (bytes32 datasetId);

    /// @notice Registers a dataset for `owner`, who signed the EIP-712 `RegisterDataset`.
    /// @param owner The owner, whom the proofs name.
    /// @param params The schema, circuit and terms.
    /// @param shards The proofs of all shards, in their order.
    /// @param authority The owner's signature over `registerDigest`.
    /// @return datasetId The id, as `register` returns it.
    function registerFor(
        address owner,
        RegisterParams calldata params,
        ShardProof[] calldata shards,
        Authority calldata authority
    ) external returns (bytes32 datasetId);

    /// @notice Adds shards to a dataset; only its owner. Their proofs name the owner and continue the numbering of the
    /// existing shards.
    /// @param previousId The latest version of the dataset.
    /// @param shards The proofs of the further shards, in their order.
    /// @return datasetId The new version: keccak over schema, layout, record count and the digests of all shards.
    function extend(bytes32 previousId, ShardProof[] calldata shards) external returns (bytes32 datasetId);

    /// @notice As `extend`, for the owner, who signed the EIP-712 `ExtendDataset`.
    /// @param previousId The latest version of the dataset.
    /// @param shards The proofs of the further shards, in their order.
    /// @param authority The owner's signature.
    /// @return datasetId The new version.
    function extendFor(bytes32 previousId, ShardProof[] calldata shards, Authority calldata authority)
        external
        returns (bytes32 datasetId);

    /// @notice Sets the grant to `grantee`, replacing the previous one; only the dataset's owner.
    /// @param datasetId Id of the dataset version that is granted.
    /// @param grantee The agent owner who may train.
    /// @param terms The terms of the grant; `uses` 0 revokes it.
    function grantTraining(bytes32 datasetId, address grantee, GrantTerms calldata terms) external;

    /// @notice As `grantTraining`, for the owner, who signed the EIP-712 `GrantTraining`.
    /// @param datasetId Id of the dataset version that is granted.
    /// @param grantee The agent owner who may train.
    /// @param terms The terms of the grant.
    /// @param authority The owner's signature.
    function grantTrainingFor(
        bytes32 datasetId,
        address grantee,
        GrantTerms calldata terms,
        Authority calldata authority
    ) external;

    /// @notice Lists a dataset in an agent version: checks link, price and data's part against its terms and the grant,
    /// and takes one use from the grant; only the bound agent registry. No grant is needed for the owner's own dataset
    /// or an open one.
    /// @param datasetId The version of the dataset.
    /// @param grantee The agent owner who trains.
    /// @param link Code of the agent version's link.
    /// @param dataBps Part of fees that the agent version gives to data providers, in basis points.
    /// @param pricePerQuery The agent version's price, in base units of the token.
    /// @return admission The data that the agent version needs.
    function admit(bytes32 datasetId, address grantee, uint8 link, uint16 dataBps, uint128 pricePerQuery)
        external
        returns (Admission memory admission);

    /// @notice Returns one use to the grant that it was taken from; only the bound agent registry. Does nothing if the
    /// grant was replaced or revoked since: it must not come back to life.
    /// @param root Id of the dataset's first version.
    /// @param grantee The agent owner who may train.
    /// @param serial The grant.
    function giveBack(bytes32 root, address grantee, uint32 serial) external;

    /// @notice Binds the agent registry; once, by the deployer.
    /// @param registry The agent registry; it must have this gate and this dataset registry.
    function bindAgentRegistry(address registry) external;

    /// @notice The proof gate that checks registrations.
    /// @return Address of the proof gate.
    function gate() external view returns (address);

    /// @notice The token of all prices in terms and grants. A signed message names this registry in its domain, and so
    /// the token; an escrow with another token cannot use this registry.
    /// @return Address of the token.
    function token() external view returns (address);

    /// @notice The agent registry that takes uses from grants; zero until bound.
    /// @return Address of the agent registry.
    function agentRegistry() external view returns (address);

    /// @notice The version of a dataset; reverts if unknown.
    /// @param datasetId The version.
    /// @return entry Current state of the version.
    function dataset(bytes32 datasetId) external view returns (Dataset memory entry);

    /// @notice First version and number of shards of a version; reverts if unknown.
    /// @param datasetId The version.
    /// @return root Id of the first version.
    /// @return shards Number of shards of this version.
    function versionOf(bytes32 datasetId) external view returns (bytes32 root, uint32 shards);

    /// @notice The circuit that admitted a dataset; reverts if unknown.
    /// @param datasetId Any version of the dataset.
    /// @return circuitId The circuit, stopped or not.
    function circuitOf(bytes32 datasetId) external view returns (bytes32 circuitId);

    /// @notice The digest of a version's shard; reverts if the version is unknown or has fewer.
    /// @param datasetId The version.
    /// @param shard The shard, counted from 0.
    /// @return digest keccak256 of the shard's committed points.
    function shardDigest(bytes32 datasetId, uint256 shard) external view returns (bytes32 digest);

    /// @notice The digests of all of a version's shards; reverts if unknown.
    /// @param datasetId The version.
    /// @return digests keccak256 of each shard's committed points.
    function shardDigests(bytes32 datasetId) external view returns (bytes32[] memory digests);

    /// @notice The data that a shard's gradient needs; reverts if the version is unknown or has fewer shards.
    /// @param datasetId The version.
    /// @param shard The shard, counted from 0.
    /// @return root Id of the first version.
    /// @return shards Number of shards of this version.
    /// @return digest keccak256 of the shard's committed points.
    function shardOf(bytes32 datasetId, uint256 shard)
        external
        view
        returns (bytes32 root, uint32 shards, bytes32 digest);

    /// @notice The dataset that contains a shard; zero if none.
    /// @param digest keccak256 of the shard's committed points.
    /// @return root Id of the dataset's first version; zero if none.
    function datasetOfShard(bytes32 digest) external view returns (bytes32 root);

    /// @notice Current state of a grant, expired or not.
    /// @param datasetId Any version of the dataset; reverts if unknown.
    /// @param grantee The agent owner who may train.
    /// @return grant The grant; all 0 if none was ever set.
    function trainingGrant(bytes32 datasetId, address grantee) external view returns (Grant memory grant);

    /// @notice Whether `account` may list this version of a dataset now, provided that link, price and data's part are
    /// acceptable.
    /// @param datasetId The version; reverts if unknown.
    /// @param account The agent owner.
    /// @return allowed True if the dataset is open, is the account's own, or has a live grant that covers the version.
    function mayTrain(bytes32 datasetId, address account) external view returns (bool allowed);

    /// @notice The context that a shard's proof must carry.
    /// @param owner The owner, who registers the shard.
    /// @param params The schema, circuit and terms.
    /// @param layoutHash Hash of the layout of the dataset's circuits.
    /// @param shardIndex The shard, counted from 0 in its dataset.
    /// @param records Records in the shard.
    /// @return ctx Public input 0 of the proof: a keccak256 digest without its last byte, below 2^248.
    function shardContext(
        address owner,
        RegisterParams calldata params,
        bytes32 layoutHash,
        uint32 shardIndex,
        uint64 records
    ) external view returns (uint256 ctx);

    /// @notice The EIP-712 digest that an owner signs for `registerFor`.
    /// @param owner The dataset's owner.
    /// @param params The schema, circuit and terms.
    /// @param digests keccak256 of each shard's committed points, in their order.
    /// @param nonce The message's nonce.
    /// @param deadline Unix time in seconds, inclusive, until which it is valid.
    /// @return digest The digest.
    function registerDigest(
        address owner,
        RegisterParams calldata params,
        bytes32[] calldata digests,
        uint256 nonce,
        uint256 deadline
    ) external view returns (bytes32 digest);

    /// @notice The EIP-712 digest that an owner signs for `extendFor`.
    /// @param previousId The latest version of the dataset.
    /// @param digests keccak256 of each further shard's committed points, in their order.
    /// @param nonce The message's nonce.
    /// @param deadline Unix time in seconds, inclusive, until which it is valid.
    /// @return digest The digest.
    function extendDigest(bytes32 previousId, bytes32[] calldata digests, uint256 nonce, uint256 deadline)
        external
        view
        returns (bytes32 digest);

    /// @notice The EIP-712 digest that an owner signs for `grantTrainingFor`. It contains the serial of the next grant,
    /// one more than that of the last grant set: of several signed in parallel only one can be submitted.
    /// @param datasetId Id of the dataset version that is granted.
    /// @param grantee The agent owner who may train.
    /// @param terms The terms of the grant.
    /// @param nonce The message's nonce.
    /// @param deadline Unix time in seconds, inclusive, until which it is valid.
    /// @return digest The digest.
    function grantDigest(bytes32 datasetId, address grantee, GrantTerms calldata terms, uint256 nonce, uint256 deadline)
        external
        view
        returns (bytes32 digest);
}
