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
    /// @param agentId The agent.
    /// @param owner The agent's owner.
    /// @param name The agent's name.
    event AgentCreated(bytes32 indexed agentId, address indexed owner, bytes32 name);
    /// @notice A version was proposed.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param wDigest keccak256 of the committed weights' point.
    /// @param modelHash SHA-256 of the canonical agent file.
    /// @param datasetIds Datasets, in the order of their slots.
    event VersionProposed(
        bytes32 indexed agentId, uint32 indexed version, bytes32 wDigest, bytes32 modelHash, bytes32[] datasetIds
    );
    /// @notice The gradient over one slot's shard was proven.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param slot The slot, counted from 0.
    /// @param gradientDigest keccak256 of the committed gradient's point.
    event GradientProven(bytes32 indexed agentId, uint32 indexed version, uint256 slot, bytes32 gradientDigest);
    /// @notice A version was certified; `shares` in the order of its datasets, units of 2^-20.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param records Records of all datasets.
    /// @param epsilon Proven bound of the gradient's norm, in units of 2^-32.
    /// @param norm Proven lower bound of the weights' norm, in units of 2^-10.
    /// @param shares Share of each dataset, in units of 2^-20, signed.
    event VersionCertified(
        bytes32 indexed agentId, uint32 indexed version, uint64 records, uint32 epsilon, uint32 norm, int32[] shares
    );

    /// @notice No agent has this id.
    /// @param agentId The id asked for.
    error UnknownAgent(bytes32 agentId);
    /// @notice The agent has no such version.
    /// @param agentId The agent.
    /// @param version The version asked for.
    error UnknownVersion(bytes32 agentId, uint32 version);
    /// @notice Only the agent's owner may do this.
    /// @param agentId The agent.
    /// @param caller Who called.
    error NotAgentOwner(bytes32 agentId, address caller);
    /// @notice A version needs at least one dataset.
    error NoDatasets();
    /// @notice A dataset stands twice in the list.
    /// @param datasetId The dataset.
    error DatasetListedTwice(bytes32 datasetId);
    /// @notice The listed datasets have more shards than a certificate has slots.
    /// @param shards Shards of the datasets listed so far, the first that does not fit included.
    /// @param slots Slots of a certificate, 8.
    error TooManyShards(uint256 shards, uint256 slots);
    /// @notice The dataset has another schema than the first one.
    /// @param datasetId The dataset.
    /// @param expected keccak256 of the first dataset's canonical schema.
    /// @param found keccak256 of this dataset's canonical schema.
    error SchemaMismatch(bytes32 datasetId, bytes32 expected, bytes32 found);
    /// @notice The dataset or circuit has another layout than the version.
    /// @param datasetOrCircuit Id of the dataset or circuit.
    /// @param expected Hash of the version's layout.
    /// @param found Hash of the layout of the dataset or circuit.
    error LayoutMismatch(bytes32 datasetOrCircuit, bytes32 expected, bytes32 found);
    /// @notice The dataset or circuit has another SRS than the first dataset.
    /// @param datasetOrCircuit Id of the dataset or circuit.
    /// @param expected Digest of the first dataset's SRS.
    /// @param found Digest of the SRS of the dataset or circuit.
    error SrsMismatch(bytes32 datasetOrCircuit, bytes32 expected, bytes32 found);
    /// @notice The circuit proves another statement.
    /// @param circuitId The circuit.
    /// @param expected Code of the statement that is needed: 2 gradient, 4 optimum, 6 service.
    /// @param found Code of the circuit's statement.
    error WrongStatement(bytes32 circuitId, uint8 expected, uint8 found);
    /// @notice The gradient circuit has another link function than the version.
    /// @param circuitId The circuit.
    /// @param expected Code of the version's link: 1 squared, 2 logistic, 3 softmax.
    /// @param found Code of the circuit's link.
    error WrongLink(bytes32 circuitId, uint8 expected, uint8 found);
    /// @notice The optimum circuit treats the bias in another way than the version.
    /// @param circuitId The circuit.
    /// @param expected Whether the version penalises the bias weights.
    /// @param found Whether the circuit does.
    error WrongBias(bytes32 circuitId, bool expected, bool found);
    /// @notice λ must be positive.
    error LambdaZero();
    /// @notice The datasets hold more records than circuits sum.
    /// @param records Records of all datasets; they must be below 2^26.
    error TooManyRecords(uint64 records);
    /// @notice A dataset's terms ask for more, or more than everything is offered.
    /// @param offered Part of fees offered to data providers, in basis points.
    /// @param least Highest part that the terms of a dataset ask for, in basis points.
    error DataShareOutOfRange(uint16 offered, uint16 least);
    /// @notice The version is certified already.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    error AlreadyCertified(bytes32 agentId, uint32 version);
    /// @notice The version has fewer slots.
    /// @param slot The slot, counted from 0.
    /// @param slots Slots that the version uses, one for each shard.
    error SlotOutOfRange(uint256 slot, uint256 slots);
    /// @notice The proof was made for someone or something else.
    /// @param expected Context that the contract computes.
    /// @param proven Context in the proof's public inputs.
    error WrongContext(uint256 expected, uint256 proven);
    /// @notice The proof is about other records than those registered for the slot.
    /// @param slot The slot, counted from 0.
    /// @param expected keccak256 of the committed points of the slot's shard.
    /// @param proven keccak256 of the committed points in the proof.
    error WrongDataset(uint256 slot, bytes32 expected, bytes32 proven);
    /// @notice The proof is about other weights than the version's.
    /// @param expected keccak256 of the point of the version's committed weights.
    /// @param proven keccak256 of the point of the weights committed in the proof.
    error WrongWeights(bytes32 expected, bytes32 proven);
    /// @notice The proof counts other records than those registered.
    /// @param expected Records of all datasets.
    /// @param proven Records that the proof counts.
    error WrongRecordCount(uint64 expected, uint256 proven);
    /// @notice The proof is about another λ than the version's.
    /// @param expected The version's λ in units of 2^-32.
    /// @param proven The proof's λ in units of 2^-32.
    error WrongLambda(uint32 expected, uint256 proven);
    /// @notice A slot is active exactly when the version lists a shard there.
    /// @param slot The slot, counted from 0.
    /// @param expected 1 if the version lists a shard there, else 0.
    /// @param proven The proof's flag.
    error WrongActiveFlag(uint256 slot, uint256 expected, uint256 proven);
    /// @notice A slot is joined exactly when it holds a further shard of the dataset before it.
    /// @param slot The slot, counted from 0.
    /// @param expected 1 if the slot holds a further shard of the dataset before it, else 0.
    /// @param proven The proof's flag.
    error WrongJoinFlag(uint256 slot, uint256 expected, uint256 proven);
    /// @notice No accepted gradient proof ties this gradient to the slot's shard, the version's weights and its link.
    /// @param slot The slot, counted from 0.
    /// @param gradientDigest keccak256 of the committed gradient's point.
    error GradientNotProven(uint256 slot, bytes32 gradientDigest);
    /// @notice A public value is outside the range that circuits and contracts agree on.
    /// @param index Offset of the public input, counted from 0.
    /// @param value Its value as a field element, unsigned.
    error PublicValueOutOfRange(uint256 index, uint256 value);
    /// @notice A share stands at a slot that carries none.
    /// @param slot The slot, counted from 0.
    /// @param share The share in units of 2^-20, signed.
    error UnexpectedShare(uint256 slot, int256 share);
    /// @notice A dataset's share is below -2^-10: drop it and retrain.
    /// @param slot The dataset's last slot, counted from 0.
    /// @param share The share in units of 2^-20, signed.
    error NegativeShare(uint256 slot, int256 share);
    /// @notice The shares do not sum to one.
    /// @param total Sum of the shares in units of 2^-20, signed.
    error SharesNotWhole(int256 total);
    /// @notice The proven bound of the gradient's norm is above `cap`, a few times the link tables' δ: within a larger ball
    /// the owner could choose weights that move shares.
    /// @param epsilon Proven bound of the gradient's norm, in units of 2^-32.
    /// @param cap Most that is allowed, in units of 2^-32: 4δ, for squared loss 8δ.
    error EpsilonOverCap(uint256 epsilon, uint256 cap);
    /// @notice The proven relative distance to the optimum is more than 10^-3.
    /// @param epsilon Proven bound of the gradient's norm, in units of 2^-32.
    /// @param delta δ, the worst case of the link tables, in units of 2^-32.
    /// @param lambda λ in units of 2^-32.
    /// @param norm Proven lower bound of the weights' norm, in units of 2^-10.
    error EpsilonTooLarge(uint256 epsilon, uint256 delta, uint256 lambda, uint256 norm);
    /// @notice The dataset is not one of the version's.
    /// @param datasetId The dataset.
    error DatasetNotInVersion(bytes32 datasetId);

    /// @notice Creates an agent owned by the caller.
    /// @param name The agent's name: any 32 bytes, fixed for good.
    /// @return agentId Id of the new agent.
    function createAgent(bytes32 name) external returns (bytes32 agentId);

    /// @notice Proposes the next version; only the agent's owner. Takes one use of each dataset's grant.
    /// @param agentId The agent.
    /// @param params What the owner fixes about the version.
    /// @return version Number of the new version, counted from 1.
    function proposeVersion(bytes32 agentId, VersionParams calldata params) external returns (uint32 version);

    /// @notice Brings the gradient proof of one slot; inputs are `[ctx]`. Anyone may bring it: its context names the owner.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param slot The slot, counted from 0.
    /// @param inputs Public inputs of the proof.
    /// @param proof The proof, of the version's gradient circuit.
    function submitGradient(
        bytes32 agentId,
        uint32 version,
        uint256 slot,
        uint256[] calldata inputs,
        bytes calldata proof
    ) external;

    /// @notice Brings the optimum proof; checks every link between it, the datasets and the gradients.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param inputs Public inputs of the proof: context, records, λ, ε, norm, 8 active flags, 8 join flags, 8 shares.
    /// @param proof The proof, of the version's optimum circuit.
    function certify(bytes32 agentId, uint32 version, uint256[] calldata inputs, bytes calldata proof) external;

    /// @notice The proof gate that checks gradients and optima.
    /// @return Address of the proof gate.
    function gate() external view returns (address);

    /// @notice Where the datasets of versions are registered.
    /// @return Address of the dataset registry.
    function datasetRegistry() external view returns (address);

    /// @notice The id of `owner`'s agent number `nonce`, counted from 0.
    /// @param owner The agent's owner.
    /// @param nonce Number of the owner's agent, counted from 0.
    /// @return agentId The id, whether or not the agent exists yet.
    function agentIdOf(address owner, uint256 nonce) external view returns (bytes32 agentId);

    /// @notice Number of agents that `owner` created.
    /// @param owner The owner asked about.
    /// @return count Number of agents: the next one's nonce.
    function agentCount(address owner) external view returns (uint256 count);

    /// @notice The agent's owner; reverts if unknown.
    /// @param agentId The agent.
    /// @return owner The agent's owner.
    function agentOwner(bytes32 agentId) external view returns (address owner);

    /// @notice The agent's name.
    /// @param agentId The agent.
    /// @return name The 32 bytes given at creation; reverts if the agent is unknown.
    function agentName(bytes32 agentId) external view returns (bytes32 name);

    /// @notice Number of versions; they are counted from 1.
    /// @param agentId The agent.
    /// @return count Number of versions proposed, certified or not; reverts if the agent is unknown.
    function versionCount(bytes32 agentId) external view returns (uint32 count);

    /// @notice A version as it stands; reverts if unknown.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @return entry The version.
    function getVersion(bytes32 agentId, uint32 version) external view returns (Version memory entry);

    /// @notice Whether the version is certified.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @return certified Whether the optimum proof was accepted; false if the version is unknown.
    function isCertified(bytes32 agentId, uint32 version) external view returns (bool certified);

    /// @notice What the session escrow needs to know; reverts if the version is unknown.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @return terms The agent's owner and the version's part for data, certificate, weights and service circuit.
    function serviceTerms(bytes32 agentId, uint32 version) external view returns (ServiceTerms memory terms);

    /// @notice How a certified version's data rewards are split: `datasetId` gets `weight` of `total`.
    /// @dev A weight is the dataset's share, or 0 where the share is slightly negative.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param datasetId The dataset.
    /// @return weight The dataset's weight in units of 2^-20.
    /// @return total Sum of the weights of all the version's datasets, in units of 2^-20.
    function rewardWeight(bytes32 agentId, uint32 version, bytes32 datasetId)
        external
        view
        returns (uint256 weight, uint256 total);

    /// @notice Whether a gradient proof of this circuit was accepted for these records, weights and gradient.
    /// @param circuitId The gradient circuit.
    /// @param shardDigest keccak256 of the shard's committed points.
    /// @param wDigest keccak256 of the committed weights' point.
    /// @param gradientDigest keccak256 of the committed gradient's point.
    /// @return proven Whether one was accepted, for whichever version.
    function gradientProven(bytes32 circuitId, bytes32 shardDigest, bytes32 wDigest, bytes32 gradientDigest)
        external
        view
        returns (bool proven);

    /// @notice The context that a slot's gradient proof must carry.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param slot The slot, counted from 0.
    /// @return ctx Public input 0 of the proof: a keccak256 digest without its last byte, below 2^248.
    function gradientContext(bytes32 agentId, uint32 version, uint256 slot) external view returns (uint256 ctx);

    /// @notice The context that the optimum proof must carry.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @return ctx Public input 0 of the proof: a keccak256 digest without its last byte, below 2^248.
    function optimumContext(bytes32 agentId, uint32 version) external view returns (uint256 ctx);
}
