// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SignedMath} from "@openzeppelin/contracts/utils/math/SignedMath.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {IAgentRegistry} from "./interfaces/IAgentRegistry.sol";
import {IDatasetRegistry} from "./interfaces/IDatasetRegistry.sol";
import {IProofGate} from "./interfaces/IProofGate.sol";
import {Statements} from "./libraries/Statements.sol";

/// @title Agent registry
/// @notice See {IAgentRegistry}. A version's circuits, datasets and terms are fixed when it is proposed: circuits added
/// to the gate later never apply to it.
contract AgentRegistry is IAgentRegistry {
    using SafeCast for int256;

    uint16 private constant ALL_BPS = 10_000;
    int256 private constant WHOLE = int256(1 << Statements.SHARE_BITS);
    // The shares of one model sum to 1 - ⟨g, W⟩/(λ‖W‖²), off by at most the proven relative distance, and each is rounded.
    int256 private constant WHOLE_TOLERANCE =
        WHOLE / int256(Statements.DISTANCE_PARTS) + 1 + int256(Statements.OPTIMUM_SLOTS);

    struct Agent {
        address owner;
        uint32 versions;
        bytes32 name;
    }

    struct Entry {
        // one slot
        bool certified;
        uint8 link;
        bool regBias;
        uint8 joinMask; // bit p: slot p holds a further shard of the dataset in slot p - 1
        uint16 dataBps;
        uint32 lambda;
        uint32 delta;
        uint32 epsilon;
        uint32 norm;
        uint32 records;
        bytes32 layoutHash;
        bytes32 wDigest;
        bytes32 gradientCircuitId;
        bytes32 optimumCircuitId;
        bytes32 serviceCircuitId;
        bytes32 modelHash;
        bytes32[] datasetIds;
        bytes32[] slotDigests;
        int32[] shares;
    }

    IProofGate private immutable GATE;
    IDatasetRegistry private immutable DATASETS;

    mapping(address owner => uint256) private _agentCount;
    mapping(bytes32 agentId => Agent) private _agents;
    mapping(bytes32 agentId => mapping(uint32 version => Entry)) private _versions;
    mapping(bytes32 key => bool) private _gradientProven;

    /// @param proofGate The proof gate that checks gradients and optima.
    /// @param datasets Where the datasets of versions are registered.
    constructor(IProofGate proofGate, IDatasetRegistry datasets) {
        GATE = proofGate;
        DATASETS = datasets;
    }

    /// @inheritdoc IAgentRegistry
    function createAgent(bytes32 name) external returns (bytes32 agentId) {
        agentId = Statements.agentIdOf(msg.sender, _agentCount[msg.sender]++);
        _agents[agentId] = Agent({owner: msg.sender, versions: 0, name: name});
        emit AgentCreated(agentId, msg.sender, name);
    }

    /// @inheritdoc IAgentRegistry
    function proposeVersion(bytes32 agentId, VersionParams calldata params) external returns (uint32 version) {
        Agent storage agent = _knownAgent(agentId);
        if (agent.owner != msg.sender) revert NotAgentOwner(agentId, msg.sender);
        if (params.lambda == 0) revert LambdaZero();
        version = ++agent.versions;
        Entry storage entry = _versions[agentId][version];

        bytes32 layoutHash = _layoutHash(params.dims);
        bytes32 srsDigest = _listDatasets(entry, params, layoutHash);
        _requireCircuits(params, layoutHash, srsDigest);

        entry.link = params.link;
        entry.regBias = params.regBias;
        entry.dataBps = params.dataBps;
        entry.lambda = params.lambda;
        entry.delta = _linkError(params.dims);
        entry.layoutHash = layoutHash;
        entry.wDigest = params.wDigest;
        entry.gradientCircuitId = params.gradientCircuitId;
        entry.optimumCircuitId = params.optimumCircuitId;
        entry.serviceCircuitId = params.serviceCircuitId;
        entry.modelHash = params.modelHash;
        entry.datasetIds = params.datasetIds;
        emit VersionProposed(agentId, version, params.wDigest, params.modelHash, params.datasetIds);
        for (uint256 i = 0; i < params.datasetIds.length; ++i) {
            DATASETS.useGrant(params.datasetIds[i], msg.sender);
        }
    }

    /// @inheritdoc IAgentRegistry
    function submitGradient(
        bytes32 agentId,
        uint32 version,
        uint256 slot,
        uint256[] calldata inputs,
        bytes calldata proof
    ) external {
        Entry storage entry = _knownVersion(agentId, version);
        if (slot >= entry.slotDigests.length) revert SlotOutOfRange(slot, entry.slotDigests.length);
        bytes32 circuitId = entry.gradientCircuitId;
        bytes32[] memory digests = GATE.check(circuitId, inputs, proof);

        bytes32 shardDigest = digests[Statements.GRADIENT_GROUP_XY];
        if (shardDigest != entry.slotDigests[slot]) {
            revert WrongDataset(slot, entry.slotDigests[slot], shardDigest);
        }
        bytes32 wDigest = digests[Statements.GRADIENT_GROUP_W];
        if (wDigest != entry.wDigest) revert WrongWeights(entry.wDigest, wDigest);
        _requireContext(gradientContext(agentId, version, slot), inputs[Statements.CTX]);

        bytes32 gradientDigest = digests[Statements.GRADIENT_GROUP_G];
        _gradientProven[_gradientKey(circuitId, shardDigest, wDigest, gradientDigest)] = true;
        emit GradientProven(agentId, version, slot, gradientDigest);
    }

    /// @inheritdoc IAgentRegistry
    function certify(bytes32 agentId, uint32 version, uint256[] calldata inputs, bytes calldata proof) external {
        Entry storage entry = _knownVersion(agentId, version);
        if (entry.certified) revert AlreadyCertified(agentId, version);
        bytes32[] memory digests = GATE.check(entry.optimumCircuitId, inputs, proof);

        bytes32 wDigest = digests[Statements.OPTIMUM_GROUP_W];
        if (wDigest != entry.wDigest) revert WrongWeights(entry.wDigest, wDigest);
        _requireContext(optimumContext(agentId, version), inputs[Statements.CTX]);
        if (inputs[Statements.OPTIMUM_N] != entry.records) {
            revert WrongRecordCount(entry.records, inputs[Statements.OPTIMUM_N]);
        }
        if (inputs[Statements.OPTIMUM_LAMBDA] != entry.lambda) {
            revert WrongLambda(entry.lambda, inputs[Statements.OPTIMUM_LAMBDA]);
        }
        _requireSlots(entry, inputs, digests);
        _recordDistance(entry, inputs);
        _recordShares(entry, inputs);

        entry.certified = true;
        emit VersionCertified(agentId, version, entry.records, entry.epsilon, entry.norm, entry.shares);
    }

    /// @inheritdoc IAgentRegistry
    function gate() external view returns (address) {
        return address(GATE);
    }

    /// @inheritdoc IAgentRegistry
    function datasetRegistry() external view returns (address) {
        return address(DATASETS);
    }

    /// @inheritdoc IAgentRegistry
    function agentIdOf(address owner, uint256 nonce) external view returns (bytes32 agentId) {
        return Statements.agentIdOf(owner, nonce);
    }

    /// @inheritdoc IAgentRegistry
    function agentCount(address owner) external view returns (uint256 count) {
        return _agentCount[owner];
    }

    /// @inheritdoc IAgentRegistry
    function agentOwner(bytes32 agentId) external view returns (address owner) {
        return _knownAgent(agentId).owner;
    }

    /// @inheritdoc IAgentRegistry
    function agentName(bytes32 agentId) external view returns (bytes32 name) {
        return _knownAgent(agentId).name;
    }

    /// @inheritdoc IAgentRegistry
    function versionCount(bytes32 agentId) external view returns (uint32 count) {
        return _knownAgent(agentId).versions;
    }

    /// @inheritdoc IAgentRegistry
    function getVersion(bytes32 agentId, uint32 version) external view returns (Version memory view_) {
        Entry storage entry = _knownVersion(agentId, version);
        view_.certified = entry.certified;
        view_.link = entry.link;
        view_.regBias = entry.regBias;
        view_.dataBps = entry.dataBps;
        view_.lambda = entry.lambda;
        view_.delta = entry.delta;
        view_.epsilon = entry.epsilon;
        view_.norm = entry.norm;
        view_.records = entry.records;
        view_.layoutHash = entry.layoutHash;
        view_.wDigest = entry.wDigest;
        view_.gradientCircuitId = entry.gradientCircuitId;
        view_.optimumCircuitId = entry.optimumCircuitId;
        view_.serviceCircuitId = entry.serviceCircuitId;
        view_.modelHash = entry.modelHash;
        view_.datasetIds = entry.datasetIds;
        view_.shares = entry.shares;
        view_.slotDigests = entry.slotDigests;
        view_.slotDatasets = new uint8[](view_.slotDigests.length);
        uint8 index = 0;
        for (uint256 p = 1; p < view_.slotDigests.length; ++p) {
            if (!_joins(entry, p)) ++index;
            view_.slotDatasets[p] = index;
        }
    }

    /// @inheritdoc IAgentRegistry
    function isCertified(bytes32 agentId, uint32 version) external view returns (bool certified) {
        return _versions[agentId][version].certified;
    }

    /// @inheritdoc IAgentRegistry
    function serviceTerms(bytes32 agentId, uint32 version) external view returns (ServiceTerms memory terms) {
        Entry storage entry = _knownVersion(agentId, version);
        terms = ServiceTerms({
            owner: _agents[agentId].owner,
            dataBps: entry.dataBps,
            certified: entry.certified,
            wDigest: entry.wDigest,
            serviceCircuitId: entry.serviceCircuitId
        });
    }

    /// @inheritdoc IAgentRegistry
    function rewardWeight(bytes32 agentId, uint32 version, bytes32 datasetId)
        external
        view
        returns (uint256 weight, uint256 total)
    {
        Entry storage entry = _knownVersion(agentId, version);
        bool found = false;
        for (uint256 i = 0; i < entry.shares.length; ++i) {
            uint256 share = SignedMath.max(entry.shares[i], 0).toUint256();
            total += share;
            if (entry.datasetIds[i] == datasetId) {
                weight = share;
                found = true;
            }
        }
        if (!found) revert DatasetNotInVersion(datasetId);
    }

    /// @inheritdoc IAgentRegistry
    function gradientProven(bytes32 circuitId, bytes32 shardDigest, bytes32 wDigest, bytes32 gradientDigest)
        external
        view
        returns (bool proven)
    {
        return _gradientProven[_gradientKey(circuitId, shardDigest, wDigest, gradientDigest)];
    }

    /// @inheritdoc IAgentRegistry
    function gradientContext(bytes32 agentId, uint32 version, uint256 slot) public view returns (uint256 ctx) {
        Entry storage entry = _knownVersion(agentId, version);
        if (slot >= entry.slotDigests.length) revert SlotOutOfRange(slot, entry.slotDigests.length);
        return Statements.gradientContext(_agents[agentId].owner, entry.wDigest, entry.slotDigests[slot]);
    }

    /// @inheritdoc IAgentRegistry
    function optimumContext(bytes32 agentId, uint32 version) public view returns (uint256 ctx) {
        Entry storage entry = _knownVersion(agentId, version);
        return Statements.optimumContext(agentId, version, entry.wDigest, entry.datasetIds);
    }

    /// Gives every shard of every listed dataset its slot and returns the SRS of all commitments.
    function _listDatasets(Entry storage entry, VersionParams calldata params, bytes32 layoutHash)
        private
        returns (bytes32 srsDigest)
    {
        uint256 count = params.datasetIds.length;
        if (count == 0) revert NoDatasets();
        uint64 records = 0;
        uint8 joinMask = 0;
        uint16 leastBps = 0;
        bytes32 schemaId = bytes32(0);
        for (uint256 i = 0; i < count; ++i) {
            bytes32 id = params.datasetIds[i];
            for (uint256 j = 0; j < i; ++j) {
                if (params.datasetIds[j] == id) revert DatasetListedTwice(id);
            }
            IDatasetRegistry.Dataset memory dataset = DATASETS.dataset(id);
            if (i == 0) (schemaId, srsDigest) = (dataset.schemaId, dataset.srsDigest);
            if (dataset.schemaId != schemaId) revert SchemaMismatch(id, schemaId, dataset.schemaId);
            if (dataset.layoutHash != layoutHash) revert LayoutMismatch(id, layoutHash, dataset.layoutHash);
            if (dataset.srsDigest != srsDigest) revert SrsMismatch(id, srsDigest, dataset.srsDigest);

            uint256 firstSlot = entry.slotDigests.length;
            uint256 slots = firstSlot + dataset.shardDigests.length;
            if (slots > Statements.OPTIMUM_SLOTS) revert TooManyShards(slots, Statements.OPTIMUM_SLOTS);
            for (uint256 p = firstSlot; p < slots; ++p) {
                entry.slotDigests.push(dataset.shardDigests[p - firstSlot]);
                if (p > firstSlot) joinMask |= uint8(1 << p);
            }
            records += dataset.records;
            if (dataset.minDataBps > leastBps) leastBps = dataset.minDataBps;
        }
        if (records >> Statements.COUNT_LIMIT_BITS != 0) revert TooManyRecords(records);
        if (params.dataBps < leastBps || params.dataBps > ALL_BPS) {
            revert DataShareOutOfRange(params.dataBps, leastBps);
        }
        entry.records = uint32(records);
        entry.joinMask = joinMask;
    }

    /// The three circuits prove the right statements, over the datasets' layout and SRS, with the version's link and bias.
    function _requireCircuits(VersionParams calldata params, bytes32 layoutHash, bytes32 srsDigest) private view {
        IProofGate.CircuitShape memory gradient =
            _requireCircuit(params.gradientCircuitId, Statements.GRADIENT, layoutHash, srsDigest);
        if (gradient.link != params.link) revert WrongLink(params.gradientCircuitId, params.link, gradient.link);
        IProofGate.CircuitShape memory optimum =
            _requireCircuit(params.optimumCircuitId, Statements.OPTIMUM, layoutHash, srsDigest);
        if (optimum.regBias != params.regBias) {
            revert WrongBias(params.optimumCircuitId, params.regBias, optimum.regBias);
        }
        _requireCircuit(params.serviceCircuitId, Statements.SERVICE, layoutHash, srsDigest);
    }

    function _requireCircuit(bytes32 circuitId, uint8 statement, bytes32 layoutHash, bytes32 srsDigest)
        private
        view
        returns (IProofGate.CircuitShape memory shape)
    {
        shape = GATE.usableShape(circuitId);
        if (shape.statement != statement) revert WrongStatement(circuitId, statement, shape.statement);
        if (shape.layoutHash != layoutHash) revert LayoutMismatch(circuitId, layoutHash, shape.layoutHash);
        if (shape.srsDigest != srsDigest) revert SrsMismatch(circuitId, srsDigest, shape.srsDigest);
    }

    /// Slot by slot: active and joined exactly as the version lists its shards, each gradient proven for that shard.
    function _requireSlots(Entry storage entry, uint256[] calldata inputs, bytes32[] memory digests) private view {
        uint256 used = entry.slotDigests.length;
        for (uint256 p = 0; p < Statements.OPTIMUM_SLOTS; ++p) {
            uint256 active = p < used ? 1 : 0;
            uint256 join = _joins(entry, p) ? 1 : 0;
            if (inputs[Statements.OPTIMUM_ACTIVE + p] != active) {
                revert WrongActiveFlag(p, active, inputs[Statements.OPTIMUM_ACTIVE + p]);
            }
            if (inputs[Statements.OPTIMUM_JOIN + p] != join) {
                revert WrongJoinFlag(p, join, inputs[Statements.OPTIMUM_JOIN + p]);
            }
            if (active == 0) continue;
            bytes32 gradientDigest = digests[Statements.OPTIMUM_GROUP_G + p];
            bytes32 key = _gradientKey(entry.gradientCircuitId, entry.slotDigests[p], entry.wDigest, gradientDigest);
            if (!_gradientProven[key]) revert GradientNotProven(p, gradientDigest);
        }
    }

    /// `ε ≤ 4δ` (squared loss: 8δ), and `(ε + δ)/(λ‖W‖) ≤ 10^-3` in units: `(e + δ)·1000·2^10 ≤ L·v`.
    ///
    /// The first is what keeps shares honest. Any weights within ε of stationary pass, and a share is an inner product
    /// with those weights: inside a ball as large as the second rule alone allows an owner could look for the point that
    /// favours a dataset. What a fit to full precision leaves is the rounding of the weights seen through the Hessian:
    /// some δ at most where a probability stands between, more for squared loss.
    ///
    /// Without a penalised bias the second rule bounds no distance, but it makes the shares sum to one.
    function _recordDistance(Entry storage entry, uint256[] calldata inputs) private {
        uint256 epsilon = _below(inputs, Statements.OPTIMUM_EPSILON, Statements.EPSILON_LIMIT_BITS);
        uint256 norm = _below(inputs, Statements.OPTIMUM_NORM, Statements.NORM_LIMIT_BITS);
        bool squared = entry.link == Statements.LINK_SQUARED;
        uint256 cap = uint256(entry.delta) * (squared ? Statements.EPSILON_CAP_SQUARED : Statements.EPSILON_CAP);
        if (epsilon > cap) revert EpsilonOverCap(epsilon, cap);
        uint256 scaled = ((epsilon + entry.delta) * Statements.DISTANCE_PARTS) << Statements.NORM_BITS;
        if (scaled > entry.lambda * norm) revert EpsilonTooLarge(epsilon, entry.delta, entry.lambda, norm);
        entry.epsilon = uint32(epsilon);
        entry.norm = uint32(norm);
    }

    /// Each dataset's share stands at its last slot; every other slot carries zero.
    function _recordShares(Entry storage entry, uint256[] calldata inputs) private {
        uint256 used = entry.slotDigests.length;
        int256 total = 0;
        for (uint256 p = 0; p < Statements.OPTIMUM_SLOTS; ++p) {
            uint256 index = Statements.OPTIMUM_SHARE + p;
            int256 share = Statements.signed(inputs[index]);
            bool carriesShare = p < used && !(p + 1 < used && _joins(entry, p + 1));
            if (!carriesShare) {
                if (share != 0) revert UnexpectedShare(p, share);
                continue;
            }
            int256 limit = int256(1 << Statements.SHARE_LIMIT_BITS);
            if (share <= -limit || share >= limit) revert PublicValueOutOfRange(index, inputs[index]);
            if (share < Statements.LEAST_SHARE) revert NegativeShare(p, share);
            total += share;
            entry.shares.push(int32(share));
        }
        if (total < WHOLE - WHOLE_TOLERANCE || total > WHOLE + WHOLE_TOLERANCE) revert SharesNotWhole(total);
    }

    function _below(uint256[] calldata inputs, uint256 index, uint256 bits) private pure returns (uint256 value) {
        value = inputs[index];
        if (value >> bits != 0) revert PublicValueOutOfRange(index, value);
    }

    function _requireContext(uint256 expected, uint256 proven) private pure {
        if (proven != expected) revert WrongContext(expected, proven);
    }

    function _joins(Entry storage entry, uint256 slot) private view returns (bool) {
        return (entry.joinMask >> slot) & 1 == 1;
    }

    function _layoutHash(Layout calldata dims) private pure returns (bytes32) {
        return Statements.layoutHashOf(dims.k, dims.columns, dims.features, dims.classes, dims.task, dims.saltRows);
    }

    /// δ in units of 2^-32: `2^-24·√(c(d+1))`, rounded up.
    function _linkError(Layout calldata dims) private pure returns (uint32) {
        uint256 cells = uint256(dims.classes) * (uint256(dims.features) + 1);
        return SafeCast.toUint32(Math.sqrt(cells << 16, Math.Rounding.Ceil));
    }

    function _gradientKey(bytes32 circuitId, bytes32 shardDigest, bytes32 wDigest, bytes32 gradientDigest)
        private
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(circuitId, shardDigest, wDigest, gradientDigest));
    }

    function _knownAgent(bytes32 agentId) private view returns (Agent storage agent) {
        agent = _agents[agentId];
        if (agent.owner == address(0)) revert UnknownAgent(agentId);
    }

    function _knownVersion(bytes32 agentId, uint32 version) private view returns (Entry storage entry) {
        entry = _versions[agentId][version];
        if (entry.slotDigests.length == 0) revert UnknownVersion(agentId, version);
    }
}
