// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IAgents} from "./IAgents.sol";
import {ICertification} from "./ICertification.sol";
import {IDatasetRegistry} from "./IDatasetRegistry.sol";

/// @title Agent registry: agents, their versions and the certificates of those versions
/// @notice A version lists datasets, any number of them, and pins its circuits and terms. It is certified when its weights
/// are proven to be the optimum of its loss over exactly those datasets.
///
/// A version is a *draft* while its owner lists datasets, *closed* when the list is final and anybody brings gradients for
/// the listed shards, and *certified* by the optimum proof. Each gradient proof states its shard's contribution
/// `N = ⟨−G, W⟩`; commitments of gradients are added up, so that one optimum proof about their sum is enough. What a
/// version keeps does not grow with its list but for one slot a dataset, and certifying costs the same for any number.
///
/// The owner of the agent at the proposal stays the owner that grants, proofs and contexts of that version name, whoever
/// owns the agent later. A new owner decides which of those versions go on: `adopt`. Fees go to the agent's owner of the day.
interface IAgentRegistry is IAgents, ICertification {
    /// @notice Where a version stands.
    enum Status {
        /// There is no such version.
        Unknown,
        /// Its owner lists datasets.
        Draft,
        /// The list is final; gradients are being brought.
        Closed,
        /// Certified, and none of its circuits is stopped.
        Certified,
        /// Certified, but one of its circuits was stopped since: what its proofs are worth is in doubt.
        Doubtful,
        /// Given up before it was certified.
        Abandoned
    }

    /// @notice Numbers of a layout; the hash of them is part of every circuit id, so none can be misstated.
    struct Layout {
        /// Circuits have 2^k rows.
        uint32 k;
        /// Data columns.
        uint32 columns;
        /// Feature count `d`.
        uint32 features;
        /// Class count `c`.
        uint32 classes;
        /// 0 classes, 1 real value.
        uint32 task;
        /// Salt rows in every committed column.
        uint32 saltRows;
        /// s: the bias feature is 256·2^s.
        uint32 interceptScale;
    }

    /// @notice What an agent owner fixes about a version.
    struct VersionParams {
        /// Numbers of the layout of the datasets and circuits.
        Layout dims;
        /// λ in units of 2^-44, below 2^44.
        uint64 lambda;
        /// 1 squared, 2 logistic, 3 softmax.
        uint8 link;
        /// Part of fees that goes to data providers, in basis points.
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
        /// The dataset, in the version that is listed.
        bytes32 datasetId;
        /// The shard, counted from 0.
        uint32 shard;
        /// Public inputs, `[ctx, N]`.
        uint256[] inputs;
        /// The proof, of the version's gradient circuit.
        bytes proof;
    }

    /// @notice A version as it stands.
    struct Version {
        /// Draft, closed, certified, doubtful or abandoned.
        Status status;
        /// The agent's owner at the proposal.
        address owner;
        /// 1 squared, 2 logistic, 3 softmax.
        uint8 link;
        /// Part of fees that goes to data providers, in basis points.
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
        /// Datasets listed.
        uint32 datasets;
        /// Shards listed.
        uint32 shards;
        /// Shards whose gradient was added.
        uint32 shardsDone;
        /// Records of all shards listed.
        uint64 records;
        /// Second of Unix time from which anybody may abandon it, unless it is certified.
        uint64 deadline;
        /// Hash of the list so far.
        bytes32 listHash;
        /// Hash that grants want the list to have; 0 for any.
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

    /// @notice What a version's gradients add up to, so far; N in units of 2^-u, u the layout's contribution bits.
    struct Sums {
        /// Sum of all complete datasets' contributions.
        int256 total;
        /// Sum of those that are positive.
        uint256 positive;
        /// Least `⌊N·10000/minShareBps⌋` of the datasets with a least share; 2^128 - 1 if there is none.
        uint256 leastBase;
        /// Sum of the committed gradients' points, x; both 0 for the point at infinity, and once the version is certified.
        uint256 x;
        /// Its y.
        uint256 y;
    }

    /// @notice A dataset in a version.
    struct Contribution {
        /// Sum of the contributions of its shards so far, in the version's units.
        int256 value;
        /// Shards listed; 0 if this version of the dataset is not listed.
        uint32 shards;
        /// Shards whose gradient was added.
        uint32 shardsDone;
        /// Least share that its terms or grant ask for, in basis points.
        uint16 minShareBps;
        /// Serial of the grant of which a use was taken; 0 if none, or if it was given back.
        uint32 grantSerial;
    }

    /// @notice What the session escrow needs to know about a version.
    struct ServiceTerms {
        /// Part of fees that goes to data providers, in basis points.
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

    /// @notice A version was proposed: a draft.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param owner The agent's owner, whom grants and proofs of this version name.
    /// @param params What the owner fixed.
    event VersionProposed(bytes32 indexed agentId, uint32 indexed version, address indexed owner, VersionParams params);
    /// @notice A dataset was listed.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param datasetId The dataset's version.
    /// @param admission What it is, what it asks for, and the grant of which a use was taken.
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
    /// @notice The agent's owner stands by a version that an earlier owner proposed.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param by The agent's owner.
    event VersionAdopted(bytes32 indexed agentId, uint32 indexed version, address by);
    /// @notice A version was given up; uses of grants can go back.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param by Who did it.
    event VersionAbandoned(bytes32 indexed agentId, uint32 indexed version, address by);

    /// @notice The agent has no such version.
    /// @param agentId The agent.
    /// @param version The version asked for.
    error UnknownVersion(bytes32 agentId, uint32 version);
    /// @notice The version does not stand where this can be done.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param needed Where it would have to stand.
    /// @param found Where it stands.
    error WrongStatus(bytes32 agentId, uint32 version, Status needed, Status found);
    /// @notice Nobody but the owner may abandon the version yet.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param deadline Second of Unix time from which anybody may.
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
    /// @notice The datasets hold more records than circuits sum.
    /// @param records Records of all datasets; they must be below 2^26.
    error TooManyRecords(uint64 records);
    /// @notice More than 10,000 basis points.
    /// @param bps Basis points given.
    error BasisPointsTooHigh(uint16 bps);
    /// @notice A grant was given for a list that this is not.
    /// @param expected Hash of the list that the grant names.
    /// @param found Hash of the version's list, or the list that another grant names.
    error OtherParticipants(bytes32 expected, bytes32 found);

    /// @notice Proposes the next version, a draft; only the agent's owner.
    /// @param agentId The agent.
    /// @param params What the owner fixes about the version.
    /// @return version Number of the new version, counted from 1.
    function propose(bytes32 agentId, VersionParams calldata params) external returns (uint32 version);

    /// @notice Lists datasets in a draft, in as many transactions as needed; only the owner who proposed it. Takes one use
    /// of each dataset's grant. What each asks for (link, price, data's part, least share) is fixed here.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param datasetIds The datasets' versions, in the order of the list.
    function addDatasets(bytes32 agentId, uint32 version, bytes32[] calldata datasetIds) external;

    /// @notice Makes the list final; only the owner who proposed the version. Its hash is `h' = keccak256(abi.encode(h,
    /// datasetId))` from 0, in the order of the list; a grant that names participants wants this one.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    function close(bytes32 agentId, uint32 version) external;

    /// @notice Adds gradient proofs of listed shards to a closed version; anybody may bring them: their contexts name the
    /// owner. One bad proof undoes the whole transaction. A shard that was added before is passed over, its proof unread,
    /// so that nobody spoils a transaction by sending one of its proofs first.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param proofs The proofs, in any order.
    function addGradients(bytes32 agentId, uint32 version, GradientProof[] calldata proofs) external;

    /// @notice Certifies a closed version of which all gradients were added, by the optimum proof; anybody may. Gradients
    /// of a circuit that was stopped since they were added do not count: then, and if the optimum circuit, the service
    /// circuit or one that admitted a dataset is stopped, this reverts, and the version never certifies. If
    /// the agent was sold since the proposal, its new owner has to `adopt` the version first.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param inputs Public inputs of the proof: context, records, λ, ε, norm.
    /// @param proof The proof, of the version's optimum circuit.
    function certify(bytes32 agentId, uint32 version, uint256[] calldata inputs, bytes calldata proof) external;

    /// @notice The same with the last gradients, all proofs under one pairing: every gradient costs some 100,000 gas less.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param proofs Gradient proofs as for `addGradients`; those added before are passed over.
    /// @param inputs Public inputs of the optimum proof.
    /// @param proof The optimum proof.
    function addGradientsAndCertify(
        bytes32 agentId,
        uint32 version,
        GradientProof[] calldata proofs,
        uint256[] calldata inputs,
        bytes calldata proof
    ) external;

    /// @notice Stands by a closed version that an earlier owner of the agent proposed; only the agent's owner. Without it the
    /// version is not certified: a seller would still decide what the agent's next version is, and collect the proofs.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    function adopt(bytes32 agentId, uint32 version) external;

    /// @notice Gives up a draft or closed version: the agent's owner at any time, anybody 90 days after the proposal. A
    /// version that is never certified costs its datasets' owners nothing: see `returnUses`.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    function abandon(bytes32 agentId, uint32 version) external;

    /// @notice Gives uses of grants back that an abandoned version took; anybody may. A use goes back to the very grant that
    /// it was taken from, once, expired or not. Nothing goes back if the dataset's owner has set that grant anew or taken it
    /// back since, or if a gradient of the dataset was added: that is public, and what the use was given for.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param datasetIds Datasets that it listed; those under no grant are passed over.
    function returnUses(bytes32 agentId, uint32 version, bytes32[] calldata datasetIds) external;

    /// @notice The proof gate that checks gradients and optima.
    /// @return Address of the proof gate.
    function gate() external view returns (address);

    /// @notice Where the datasets of versions are registered.
    /// @return Address of the dataset registry.
    function datasetRegistry() external view returns (address);

    /// @notice A version as it stands; reverts if unknown.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @return entry The version.
    function getVersion(bytes32 agentId, uint32 version) external view returns (Version memory entry);

    /// @notice What a version's gradients add up to so far; reverts if unknown.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @return sums The sums.
    function sumsOf(bytes32 agentId, uint32 version) external view returns (Sums memory sums);

    /// @notice A dataset in a version; reverts if the dataset is unknown.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param datasetId The dataset's version.
    /// @return contribution All 0 if that version of the dataset is not listed.
    function contributionOf(bytes32 agentId, uint32 version, bytes32 datasetId)
        external
        view
        returns (Contribution memory contribution);

    /// @notice Whether a version lists a dataset, in whichever version of it.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param root Id of the dataset's first version.
    /// @return listed Whether it does.
    function lists(bytes32 agentId, uint32 version, bytes32 root) external view returns (bool listed);

    /// @notice Whether the gradient over a shard was added; reverts if the dataset is unknown.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param datasetId The dataset's version.
    /// @param shard The shard, counted from 0.
    /// @return added Whether it was.
    function gradientAdded(bytes32 agentId, uint32 version, bytes32 datasetId, uint32 shard)
        external
        view
        returns (bool added);

    /// @notice The first of a version's circuits that was stopped.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @return circuitId The circuit; 0 if none was.
    function stoppedCircuit(bytes32 agentId, uint32 version) external view returns (bytes32 circuitId);

    /// @notice Where a version stands.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @return where `Certified` only while none of its circuits is stopped; `Unknown` if there is no such version.
    function status(bytes32 agentId, uint32 version) external view returns (Status where);

    /// @notice Whether the version is certified.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @return certified Whether the optimum proof was accepted; also of a version that is doubtful by now (`status`).
    function isCertified(bytes32 agentId, uint32 version) external view returns (bool certified);

    /// @notice What the session escrow needs to know; reverts if the version is unknown.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @return terms The version's part for data, price, certificate, weights and service circuit.
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

    /// @notice The context that the optimum proof must carry; final once the version is closed.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @return ctx Public input 0 of the proof: a keccak256 digest without its last byte, below 2^248.
    function optimumContext(bytes32 agentId, uint32 version) external view returns (uint256 ctx);
}
