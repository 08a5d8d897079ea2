// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title Agent registry: agents, their versions and the certificates of those versions
/// @notice A version lists datasets and pins its circuits. It is certified when its weights are proven to be the optimum
/// of its loss over exactly those datasets; the proof also publishes each dataset's share.
interface IAgentRegistry {
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
    }

    /// @notice What an agent owner fixes about a version.
    struct VersionParams {
        /// Datasets, in the order of their slots; all shards of each take consecutive slots.
        bytes32[] datasetIds;
        /// Numbers of the layout of the datasets and circuits.
        Layout dims;
        /// λ in units of 2^-32.
        uint32 lambda;
        /// 1 squared, 2 logistic, 3 softmax.
        uint8 link;
        /// Whether the bias weights are penalised.
        bool regBias;
        /// Part of fees that goes to data providers, in basis points.
        uint16 dataBps;
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

    /// @notice A version as it stands.
    struct Version {
        /// Whether the optimum proof was accepted.
        bool certified;
        /// 1 squared, 2 logistic, 3 softmax.
        uint8 link;
        /// Whether the bias weights are penalised.
        bool regBias;
        /// Part of fees that goes to data providers, in basis points.
        uint16 dataBps;
        /// λ in units of 2^-32.
        uint32 lambda;
        /// δ, the worst case of the link tables, in units of 2^-32.
        uint32 delta;
        /// Proven bound of the gradient's norm, in units of 2^-32; 0 before certification.
        uint32 epsilon;
        /// Proven lower bound of the weights' norm, in units of 2^-10; 0 before certification.
        uint32 norm;
        /// Records of all datasets.
        uint64 records;
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
        /// Datasets, in the order of their slots.
        bytes32[] datasetIds;
        /// Share of each dataset, in units of 2^-20, signed; empty before certification.
        int32[] shares;
        /// Digest of the shard in each slot.
        bytes32[] slotDigests;
        /// Index into `datasetIds` of each slot's dataset.
        uint8[] slotDatasets;
    }

    /// @notice What the session escrow needs to know about a version.
    struct ServiceTerms {
        /// The agent's owner, who serves and claims.
        address owner;
        /// Part of fees that goes to data providers, in basis points.
        uint16 dataBps;
        /// Whether the version is certified.
        bool certified;
        /// keccak256 of the committed weights' point.
        bytes32 wDigest;
        /// Circuit of the service proofs.
        bytes32 serviceCircuitId;
    }

    /// @notice An agent was created.
    event AgentCreated(bytes32 indexed agentId, address indexed owner, bytes32 name);
    /// @notice A version was proposed.
    event VersionProposed(
        bytes32 indexed agentId, uint32 indexed version, bytes32 wDigest, bytes32 modelHash, bytes32[] datasetIds
    );
    /// @notice The gradient over one slot's shard was proven.
    event GradientProven(bytes32 indexed agentId, uint32 indexed version, uint256 slot, bytes32 gradientDigest);
    /// @notice A version was certified; `shares` in the order of its datasets, units of 2^-20.
    event VersionCertified(
        bytes32 indexed agentId, uint32 indexed version, uint64 records, uint32 epsilon, uint32 norm, int32[] shares
    );

    /// @notice No agent has this id.
    error UnknownAgent(bytes32 agentId);
    /// @notice The agent has no such version.
    error UnknownVersion(bytes32 agentId, uint32 version);
    /// @notice Only the agent's owner may do this.
    error NotAgentOwner(bytes32 agentId, address caller);
    /// @notice A version needs at least one dataset.
    error NoDatasets();
    /// @notice A dataset stands twice in the list.
    error DatasetListedTwice(bytes32 datasetId);
    /// @notice The listed datasets have more shards than a certificate has slots.
    error TooManyShards(uint256 shards, uint256 slots);
    /// @notice The dataset has another schema than the first one.
    error SchemaMismatch(bytes32 datasetId, bytes32 expected, bytes32 found);
    /// @notice The dataset or circuit has another layout than the version.
    error LayoutMismatch(bytes32 datasetOrCircuit, bytes32 expected, bytes32 found);
    /// @notice The dataset or circuit has another SRS than the first dataset.
    error SrsMismatch(bytes32 datasetOrCircuit, bytes32 expected, bytes32 found);
    /// @notice The circuit proves another statement.
    error WrongStatement(bytes32 circuitId, uint8 expected, uint8 found);
    /// @notice The gradient circuit has another link function than the version.
    error WrongLink(bytes32 circuitId, uint8 expected, uint8 found);
    /// @notice The optimum circuit treats the bias in another way than the version.
    error WrongBias(bytes32 circuitId, bool expected, bool found);
    /// @notice λ must be positive.
    error LambdaZero();
    /// @notice The datasets hold more records than circuits sum.
    error TooManyRecords(uint64 records);
    /// @notice A dataset's terms ask for more, or more than everything is offered.
    error DataShareOutOfRange(uint16 offered, uint16 least);
    /// @notice The version is certified already.
    error AlreadyCertified(bytes32 agentId, uint32 version);
    /// @notice The version has fewer slots.
    error SlotOutOfRange(uint256 slot, uint256 slots);
    /// @notice The proof was made for someone or something else.
    error WrongContext(uint256 expected, uint256 proven);
    /// @notice The proof is about other records than those registered for the slot.
    error WrongDataset(uint256 slot, bytes32 expected, bytes32 proven);
    /// @notice The proof is about other weights than the version's.
    error WrongWeights(bytes32 expected, bytes32 proven);
    /// @notice The proof counts other records than those registered.
    error WrongRecordCount(uint64 expected, uint256 proven);
    /// @notice The proof is about another λ than the version's.
    error WrongLambda(uint32 expected, uint256 proven);
    /// @notice A slot is active exactly when the version lists a shard there.
    error WrongActiveFlag(uint256 slot, uint256 expected, uint256 proven);
    /// @notice A slot is joined exactly when it holds a further shard of the dataset before it.
    error WrongJoinFlag(uint256 slot, uint256 expected, uint256 proven);
    /// @notice No accepted gradient proof ties this gradient to the slot's shard, the version's weights and its link.
    error GradientNotProven(uint256 slot, bytes32 gradientDigest);
    /// @notice A public value is outside the range that circuits and contracts agree on.
    error PublicValueOutOfRange(uint256 index, uint256 value);
    /// @notice A share stands at a slot that carries none.
    error UnexpectedShare(uint256 slot, int256 share);
    /// @notice A dataset's share is below -2^-10: drop it and retrain.
    error NegativeShare(uint256 slot, int256 share);
    /// @notice The shares do not sum to one.
    error SharesNotWhole(int256 total);
    /// @notice The proven bound of the gradient's norm is above `cap`, a few times the link tables' δ: within a larger ball
    /// the owner could choose weights that move shares.
    error EpsilonOverCap(uint256 epsilon, uint256 cap);
    /// @notice The proven relative distance to the optimum is more than 10^-3.
    error EpsilonTooLarge(uint256 epsilon, uint256 delta, uint256 lambda, uint256 norm);
    /// @notice The dataset is not one of the version's.
    error DatasetNotInVersion(bytes32 datasetId);

    /// @notice Creates an agent owned by the caller.
    function createAgent(bytes32 name) external returns (bytes32 agentId);

    /// @notice Proposes the next version; only the agent's owner. Takes one use of each dataset's grant.
    function proposeVersion(bytes32 agentId, VersionParams calldata params) external returns (uint32 version);

    /// @notice Brings the gradient proof of one slot; inputs are `[ctx]`. Anyone may bring it: its context names the owner.
    function submitGradient(
        bytes32 agentId,
        uint32 version,
        uint256 slot,
        uint256[] calldata inputs,
        bytes calldata proof
    ) external;

    /// @notice Brings the optimum proof; checks every link between it, the datasets and the gradients.
    function certify(bytes32 agentId, uint32 version, uint256[] calldata inputs, bytes calldata proof) external;

    /// @notice The proof gate that checks gradients and optima.
    function gate() external view returns (address);

    /// @notice Where the datasets of versions are registered.
    function datasetRegistry() external view returns (address);

    /// @notice The id of `owner`'s agent number `nonce`, counted from 0.
    function agentIdOf(address owner, uint256 nonce) external view returns (bytes32 agentId);

    /// @notice Number of agents that `owner` created.
    function agentCount(address owner) external view returns (uint256 count);

    /// @notice The agent's owner; reverts if unknown.
    function agentOwner(bytes32 agentId) external view returns (address owner);

    /// @notice The agent's name.
    function agentName(bytes32 agentId) external view returns (bytes32 name);

    /// @notice Number of versions; they are counted from 1.
    function versionCount(bytes32 agentId) external view returns (uint32 count);

    /// @notice A version as it stands; reverts if unknown.
    function getVersion(bytes32 agentId, uint32 version) external view returns (Version memory entry);

    /// @notice Whether the version is certified.
    function isCertified(bytes32 agentId, uint32 version) external view returns (bool certified);

    /// @notice What the session escrow needs to know; reverts if the version is unknown.
    function serviceTerms(bytes32 agentId, uint32 version) external view returns (ServiceTerms memory terms);

    /// @notice How a certified version's data rewards are split: `datasetId` gets `weight` of `total`.
    /// @dev A weight is the dataset's share, or 0 where the share is slightly negative.
    function rewardWeight(bytes32 agentId, uint32 version, bytes32 datasetId)
        external
        view
        returns (uint256 weight, uint256 total);

    /// @notice Whether a gradient proof of this circuit was accepted for these records, weights and gradient.
    function gradientProven(bytes32 circuitId, bytes32 shardDigest, bytes32 wDigest, bytes32 gradientDigest)
        external
        view
        returns (bool proven);

    /// @notice The context that a slot's gradient proof must carry.
    function gradientContext(bytes32 agentId, uint32 version, uint256 slot) external view returns (uint256 ctx);

    /// @notice The context that the optimum proof must carry.
    function optimumContext(bytes32 agentId, uint32 version) external view returns (uint256 ctx);
}
