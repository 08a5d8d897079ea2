// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IAgents} from "./IAgents.sol";
import {ICertification} from "./ICertification.sol";
import {IDatasetRegistry} from "./IDatasetRegistry.sol";

/// @title Agent registry: agents, their versions and the certificates of those versions
/// @notice A version lists any number of datasets and pins its circuits and terms. It is certified when its weights are
/// proven to be the optimum of its loss over exactly those datasets.
///
/// A version is a *draft* while its owner lists datasets, *closed* when the list is final and anybody may submit
/// gradients of the listed shards, and *certified* by the optimum proof. Each gradient proof states its shard's
/// contribution `N = ⟨−G, W⟩`; commitments of gradients are added up, so that one optimum proof about their sum is
/// enough. A version's storage grows by only one slot per dataset, and certifying costs the same for any number of
/// datasets.
///
/// Grants, proofs and contexts of a version name the agent's owner at the proposal, whoever owns the agent later. A new
/// owner decides which of the open versions continue: `adopt`. Fees go to the agent's current owner.
interface IAgentRegistry is IAgents, ICertification {
    /// @notice Status of a version.
    enum Status {
        /// There is no such version.
        Unknown,
        /// Its owner lists datasets.
        Draft,
        /// The list is final; gradients are being submitted.
        Closed,
        /// Certified, and none of its circuits is stopped.
        Certified,
        /// Certified, but one of its circuits was stopped since, so its proofs are in doubt.
        Doubtful,
        /// Abandoned before it was certified.
        Abandoned
    }

    /// @notice Parameters of a layout. Their hash is part of every circuit id, so none can be misstated.
    struct Layout {
        /// Circuits have 2^k rows.
        uint32 k;
        /// Data columns.
        uint32 columns;
        /// Feature count `d`.
        uint32 features;
        /// Class count `c`.
        uint32 classes;
        /// 0: classes, 1: real value.
        uint32 task;
        /// Salt rows in every committed column.
        uint32 saltRows;
        /// s, where the bias feature is 256·2^s.
        uint32 interceptScale;
    }

    /// @notice The parameters of a version that the agent's owner fixes.
    struct VersionParams {
        /// Parameters of the layout of the datasets and circuits.
        Layout dims;
        /// λ in units of 2^-44, below 2^44.
        uint64 lambda;
        /// 1 squared, 2 logistic, 3 softmax.
        uint8 link;
        /// Part of the fees that goes to data providers, in basis points.
        uint16 dataBps;
        /// Least price of a query, in base units of the token: no session is opened below it.
        uint128 pricePerQuery;
        /// keccak256 of the committed weights' point.
        bytes32 wDigest;
        /// Circuit of the gradient proofs.
        bytes32 gradientCircuitId;
        /// Circuit of the optimum proof.
        bytes32 optimumCircuitId;
        /// Circuit of the service proofs.
        bytes32 serviceCircuitId;
        /// SHA-256 of the canonical agent file.
        bytes32 modelHash;
    }

    /// @notice The gradient proof of one listed shard.
    struct GradientProof {
        /// Id of the dataset version that is listed.
        bytes32 datasetId;
        /// The shard, counted from 0.
        uint32 shard;
        /// Public inputs, `[ctx, N]`.
        uint256[] inputs;
        /// A proof of the version's gradient circuit.
        bytes proof;
    }

    /// @notice Current state of a version.
    struct Version {
        /// Draft, closed, certified, doubtful or abandoned.
        Status status;
        /// The agent's owner at the proposal.
        address owner;
        /// 1 squared, 2 logistic, 3 softmax.
        uint8 link;
        /// Part of the fees that goes to data providers, in basis points.
        uint16 dataBps;
        /// Least price of a query, in base units of the token.
        uint128 pricePerQuery;
        /// λ in units of 2^-44.
        uint64 lambda;
        /// δ, the worst case of the link tables, in units of 2^-44.
        uint64 delta;
        /// Proven bound of the gradient's norm, in units of 2^-44; 0 before certification.
        uint64 epsilon;
        /// Proven lower bound of the weights' norm, in units of 2^-10; 0 before certification.
        uint32 norm;
        /// Number of datasets listed.
        uint32 datasets;
        /// Number of shards listed.
        uint32 shards;
        /// Number of shards whose gradient was added.
        uint32 shardsDone;
        /// Number of records in all listed shards.
        uint64 records;
        /// Unix time in seconds from which anybody may abandon it, unless it is certified.
        uint64 deadline;
        /// Hash of the list so far.
        bytes32 listHash;
        /// Hash of the list that its grants require; 0 for any.
        bytes32 participants;
        /// keccak256 of the canonical schema of its datasets; 0 before the first is listed.
        bytes32 schemaId;
        /// Hash of the layout.
        bytes32 layoutHash;
        /// keccak256 of the committed weights' point.
        bytes32 wDigest;
        /// Circuit of the gradient proofs.
        bytes32 gradientCircuitId;
        /// Circuit of the optimum proof.
        bytes32 optimumCircuitId;
        /// Circuit of the service proofs.
        bytes32 serviceCircuitId;
        /// SHA-256 of the canonical agent file.
        bytes32 modelHash;
        /// Circuits that admitted its datasets.
        bytes32[] datasetCircuitIds;
    }

    /// @notice Running sums over a version's gradients; N is in units of 2^-u, with u the layout's contribution bits.
    struct Sums {
        /// Sum of the contributions of all complete datasets.
        int256 total;
        /// Sum of the positive ones among them.
        uint256 positive;
        /// Least `⌊N·10000/minShareBps⌋` of the datasets with a least share; 2^128 - 1 if there is none.
        uint256 leastBase;
        /// x of the sum of the committed gradients' points; x and y are 0 for the point at infinity, and once the
        /// version is certified.
        uint256 x;
        /// y of that sum.
        uint256 y;
    }

    /// @notice A dataset's entry in a version.
    struct Contribution {
        /// Sum of the contributions of its shards so far, in the version's units.
        int256 value;
        /// Shards listed; 0 if this version of the dataset is not listed.
        uint32 shards;
        /// Number of shards whose gradient was added.
        uint32 shardsDone;
        /// Least share that its terms or grant ask for, in basis points.
        uint16 minShareBps;
        /// Serial of the grant that a use was taken from; 0 if none, or if the use was returned.
        uint32 grantSerial;
    }

    /// @notice The data about a version that the session escrow needs.
    struct ServiceTerms {
        /// Part of the fees that goes to data providers, in basis points.
        uint16 dataBps;
        /// Whether the version is certified.
        bool certified;
        /// Least price of a query, in base units of the token.
        uint128 pricePerQuery;
        /// keccak256 of the committed weights' point.
        bytes32 wDigest;
        /// Circuit of the service proofs.
        bytes32 serviceCircuitId;
    }

    /// @notice A version was proposed, as a draft.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param owner The agent's owner, whom grants and proofs of this version name.
    /// @param params The parameters that the owner fixed.
    event VersionProposed(bytes32 indexed agentId, uint32 indexed version, address indexed owner, VersionParams params);
    /// @notice A dataset was listed.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param datasetId Id of the dataset's version.
    /// @param admission Its data, its requirements, and the grant that a use was taken from.
    /// @param listHash Hash of the list, this dataset included.
    event DatasetListed(
        bytes32 indexed agentId,
        uint32 indexed version,
        bytes32 indexed datasetId,
        IDatasetRegistry.Admission admission,
        bytes32 listHash
    );
    /// @notice The list of a version is final.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param listHash Hash of the list.
    /// @param datasets Datasets listed.
    /// @param shards Their shards.
    /// @param records Their records.
    event VersionClosed(
        bytes32 indexed agentId,
        uint32 indexed version,
        bytes32 listHash,
        uint32 datasets,
        uint32 shards,
        uint64 records
    );
    /// @notice The agent's owner adopted a version that an earlier owner proposed.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param by The agent's owner.
    event VersionAdopted(bytes32 indexed agentId, uint32 indexed version, address by);
    /// @notice A version was abandoned; the uses that it took from grants can be returned.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param by The caller.
    event VersionAbandoned(bytes32 indexed agentId, uint32 indexed version, address by);

    /// @notice The agent has no such version.
    /// @param agentId The agent.
    /// @param version The version requested.
    error UnknownVersion(bytes32 agentId, uint32 version);
    /// @notice The version's status does not allow this.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param needed The status required.
    /// @param found The current status.
    error WrongStatus(bytes32 agentId, uint32 version, Status needed, Status found);
    /// @notice Nobody but the owner may abandon the version yet.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param deadline Unix time in seconds from which anybody may.
    error NotOverdue(bytes32 agentId, uint32 version, uint64 deadline);
    /// @notice A version needs at least one dataset.
    error NoDatasets();
    /// @notice A dataset, or another version of it, is listed already.
    /// @param datasetId The dataset.
    error DatasetListedTwice(bytes32 datasetId);
    /// @notice The datasets of a version were admitted by more than four circuits.
    /// @param circuitId The circuit that is one too many.
    error TooManyDatasetCircuits(bytes32 circuitId);
    /// @notice The dataset has another schema than the first one.
    /// @param datasetId The dataset.
    /// @param expected keccak256 of the first dataset's canonical schema.
    /// @param found keccak256 of this dataset's canonical schema.
    error SchemaMismatch(bytes32 datasetId, bytes32 expected, bytes32 found);
    /// @notice The circuit has another layout than the version.
    /// @param circuitId The circuit; for a dataset, the one that admitted it.
    /// @param expected Hash of the version's layout.
    /// @param found Hash of the circuit's layout.
    error LayoutMismatch(bytes32 circuitId, bytes32 expected, bytes32 found);
    /// @notice The circuit has another SRS than the version's gradient circuit.
    /// @param circuitId The circuit; for a dataset, the one that admitted it.
    /// @param expected Digest of the gradient circuit's SRS.
    /// @param found Digest of the circuit's SRS.
    error SrsMismatch(bytes32 circuitId, bytes32 expected, bytes32 found);
    /// @notice The circuit proves another statement.
    /// @param circuitId The circuit.
    /// @param expected Code of the statement that is needed: 2 gradient, 3 optimum, 5 service.
    /// @param found Code of the circuit's statement.
    error WrongStatement(bytes32 circuitId, uint8 expected, uint8 found);
    /// @notice The gradient circuit has another link function than the version.
    /// @param circuitId The circuit.
    /// @param expected Code of the version's link: 1 squared, 2 logistic, 3 softmax.
    /// @param found Code of the circuit's link.
    error WrongLink(bytes32 circuitId, uint8 expected, uint8 found);
    /// @notice λ must be positive and below 1.
    /// @param lambda λ given, in units of 2^-44.
    error LambdaOutOfRange(uint64 lambda);
    /// @notice The datasets hold more records than circuits can sum.
    /// @param records Records of all datasets; they must be below 2^26.
    error TooManyRecords(uint64 records);
    /// @notice More than 10,000 basis points.
    /// @param bps Basis points given.
    error BasisPointsTooHigh(uint16 bps);
    /// @notice A grant requires another list of participants.
    /// @param expected Hash of the list that the grant names.
    /// @param found Hash of the version's list, or of the list that another grant names.
    error OtherParticipants(bytes32 expected, bytes32 found);

    /// @notice Proposes the next version, as a draft; only the agent's owner.
    /// @param agentId The agent.
    /// @param params The parameters that the owner fixes.
    /// @return version Number of the new version, counted from 1.
    function propose(bytes32 agentId, VersionParams calldata params) external returns (uint32 version);

    /// @notice Lists datasets in a draft, in as many transactions as needed; only the owner who proposed it. Takes one
    /// use from each dataset's grant. The requirements of each (link, price, data's part, least share) are checked or
    /// recorded here.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param datasetIds The datasets' versions, in the order of the list.
    function addDatasets(bytes32 agentId, uint32 version, bytes32[] calldata datasetIds) external;

    /// @notice Makes the list final; only the owner who proposed the version. Its hash is folded from 0 by `h' =
    /// keccak256(abi.encode(h, datasetId))` in list order. A grant that names participants requires exactly this hash.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    function close(bytes32 agentId, uint32 version) external;

    /// @notice Adds gradient proofs of listed shards to a closed version; anybody may submit them, since their contexts
    /// name the owner. One bad proof reverts the whole transaction. A shard that was already added is skipped without
    /// reading its proof, so that nobody can block a transaction by front-running one of its proofs.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param proofs The proofs, in any order.
    function addGradients(bytes32 agentId, uint32 version, GradientProof[] calldata proofs) external;

    /// @notice Certifies a closed version by the optimum proof, once all gradients were added; anybody may call.
    /// Reverts if any circuit of the version is stopped (the gradient, optimum or service circuit, or one that admitted
    /// a dataset): such a version can never be certified. If the agent was sold since the proposal, its new owner has
    /// to `adopt` the version first.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param inputs Public inputs of the proof: context, records, λ, ε, norm.
    /// @param proof The proof, of the version's optimum circuit.
    function certify(bytes32 agentId, uint32 version, uint256[] calldata inputs, bytes calldata proof) external;

    /// @notice Adds the last gradients and certifies, with one pairing for all proofs: saves some 100,000 gas per
    /// gradient.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param proofs Gradient proofs as for `addGradients`; those already added are skipped.
    /// @param inputs Public inputs of the optimum proof.
    /// @param proof The optimum proof.
    function addGradientsAndCertify(
        bytes32 agentId,
        uint32 version,
        GradientProof[] calldata proofs,
        uint256[] calldata inputs,
        bytes calldata proof
    ) external;

    /// @notice Adopts a closed version that an earlier owner of the agent proposed; only the agent's owner. Without it
    /// the version cannot be certified: otherwise a seller could still decide what the agent's next version is, and
    /// collect the proofs for it.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    function adopt(bytes32 agentId, uint32 version) external;

    /// @notice Abandons a draft or closed version: the agent's owner at any time, anybody 90 days after the proposal.
    /// Its uses of grants can then be returned: see `returnUses`.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    function abandon(bytes32 agentId, uint32 version) external;

    /// @notice Returns the uses of grants that an abandoned version took; anybody may call. A use is returned once, to
    /// the grant that it was taken from, expired or not. Nothing is returned if the dataset's owner has replaced or
    /// revoked that grant since, or if a gradient of the dataset was added: the gradient is public, and the use was
    /// given for it.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param datasetIds Datasets that it listed; those without a grant are skipped.
    function returnUses(bytes32 agentId, uint32 version, bytes32[] calldata datasetIds) external;

    /// @notice The proof gate that checks gradients and optima.
    /// @return Address of the proof gate.
    function gate() external view returns (address);

    /// @notice The registry of the datasets that versions list.
    /// @return Address of the dataset registry.
    function datasetRegistry() external view returns (address);

    /// @notice Current state of a version; reverts if unknown.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @return entry The version.
    function getVersion(bytes32 agentId, uint32 version) external view returns (Version memory entry);

    /// @notice Running sums over a version's gradients; reverts if unknown.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @return sums The sums.
    function sumsOf(bytes32 agentId, uint32 version) external view returns (Sums memory sums);

    /// @notice A dataset's entry in a version; reverts if the dataset is unknown.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param datasetId Id of the dataset's version.
    /// @return contribution All 0 if that version of the dataset is not listed.
    function contributionOf(bytes32 agentId, uint32 version, bytes32 datasetId)
        external
        view
        returns (Contribution memory contribution);

    /// @notice Whether a version lists any version of a dataset.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param root Id of the dataset's first version.
    /// @return listed True if it does.
    function lists(bytes32 agentId, uint32 version, bytes32 root) external view returns (bool listed);

    /// @notice Whether the gradient of a shard was added; reverts if the dataset is unknown.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param datasetId Id of the dataset's version.
    /// @param shard The shard, counted from 0.
    /// @return added True if it was.
    function gradientAdded(bytes32 agentId, uint32 version, bytes32 datasetId, uint32 shard)
        external
        view
        returns (bool added);

    /// @notice The first of a version's circuits that was stopped.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @return circuitId The circuit; 0 if none was.
    function stoppedCircuit(bytes32 agentId, uint32 version) external view returns (bytes32 circuitId);

    /// @notice Status of a version.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @return where `Certified` only while none of its circuits is stopped; `Unknown` if there is no such version.
    function status(bytes32 agentId, uint32 version) external view returns (Status where);

    /// @notice Whether the version is certified.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @return certified True once the optimum proof was accepted, even if the version is now doubtful (see `status`).
    function isCertified(bytes32 agentId, uint32 version) external view returns (bool certified);

    /// @notice The data that the session escrow needs; reverts if the version is unknown.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @return terms The version's data part, price, certification, weights and service circuit.
    function serviceTerms(bytes32 agentId, uint32 version) external view returns (ServiceTerms memory terms);

    /// @notice How a certified version's data rewards are split: `datasetId` gets `weight` of `total`.
    /// @dev A weight is the dataset's contribution, or 0 where that is negative.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param datasetId The dataset's version that is listed; reverts if it is not, or if nothing is certified.
    /// @return weight The dataset's weight, in the version's units.
    /// @return total Sum of the weights of all the version's datasets, in the same units.
    function rewardWeight(bytes32 agentId, uint32 version, bytes32 datasetId)
        external
        view
        returns (uint256 weight, uint256 total);

    /// @notice The context that a shard's gradient proof must carry; reverts if the shard is unknown.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param datasetId The dataset.
    /// @param shard The shard, counted from 0.
    /// @return ctx Public input 0 of the proof: a keccak256 digest without its last byte, below 2^248.
    function gradientContext(bytes32 agentId, uint32 version, bytes32 datasetId, uint32 shard)
        external
        view
        returns (uint256 ctx);

    /// @notice The context that the optimum proof must carry; it is final once the version is closed.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @return ctx Public input 0 of the proof: a keccak256 digest without its last byte, below 2^248.
    function optimumContext(bytes32 agentId, uint32 version) external view returns (uint256 ctx);
}
