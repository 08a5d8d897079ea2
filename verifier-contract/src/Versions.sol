// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IAgentRegistry} from "./interfaces/IAgentRegistry.sol";
import {IDatasetRegistry} from "./interfaces/IDatasetRegistry.sol";
import {IProofGate} from "./interfaces/IProofGate.sol";
import {Points} from "./libraries/Points.sol";
import {Statements} from "./libraries/Statements.sol";
import {Agents} from "./Agents.sol";

/// @title Versions: storage and views of agent versions
/// @notice The views of {IAgentRegistry}.
abstract contract Versions is IAgentRegistry, Agents {
    // Number of shards whose bit is stored next to the contribution; the others use a mapping.
    uint256 internal constant BITS_INSIDE = 40;

    struct Entry {
        // one slot: what changes while gradients are added
        address owner;
        Status status; // never Doubtful, which is computed
        uint8 link;
        uint16 dataBps;
        uint32 shards;
        uint32 shardsDone;
        // one slot
        uint48 lambda;
        uint24 delta;
        uint40 epsilon;
        uint24 norm;
        uint32 records;
        uint32 datasets;
        uint40 deadline;
        uint8 contributionBits; // of the unit of N
        uint8 columns;
        // one slot
        uint128 pricePerQuery;
        uint128 leastBase; // least ⌊N·10000/minShare⌋, NO_LEAST_SHARE if none
        // one slot: sums of the positive contributions, and of the absolute values of the others
        uint128 positive;
        uint128 negative;
        Points.Point gradient;
        bytes32 listHash;
        bytes32 participants;
        bytes32 schemaId;
        bytes32 wDigest;
        bytes32 gradientCircuitId;
        bytes32 optimumCircuitId;
        bytes32 serviceCircuitId;
        bytes32 modelHash;
        bytes32 datasetCircuitId; // circuit that admitted the first dataset
        bytes32[] furtherCircuitIds; // circuits that admitted others
        address adoptedBy; // later owner of the agent who adopted the version
    }

    /// A dataset in a version: one slot.
    struct Part {
        int136 value;
        uint16 shards; // 0: not listed
        uint16 shardsDone;
        uint16 minShareBps;
        uint32 grantSerial;
        uint40 done; // bits of the first shards
    }

    IProofGate internal immutable GATE;
    IDatasetRegistry internal immutable DATASETS;
    mapping(bytes32 agentId => mapping(uint32 version => Entry)) internal _versions;
    mapping(bytes32 key => mapping(bytes32 root => Part)) internal _parts;
    mapping(bytes32 key => mapping(bytes32 root => mapping(uint256 word => uint256 bits))) internal _furtherDone;

    /// @param proofGate The proof gate that checks gradients and optima.
    /// @param datasets The registry of the datasets that versions list; it must use the same gate.
    constructor(IProofGate proofGate, IDatasetRegistry datasets) {
        if (datasets.gate() != address(proofGate)) revert IDatasetRegistry.OtherDeployment(address(this));
        GATE = proofGate;
        DATASETS = datasets;
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
    function getVersion(bytes32 agentId, uint32 version) external view returns (Version memory view_) {
        Entry storage entry = _knownVersion(agentId, version);
        view_.status = status(agentId, version);
        view_.owner = entry.owner;
        view_.link = entry.link;
        view_.dataBps = entry.dataBps;
        view_.pricePerQuery = entry.pricePerQuery;
        view_.lambda = entry.lambda;
        view_.delta = entry.delta;
        view_.epsilon = entry.epsilon;
        view_.norm = entry.norm;
        view_.datasets = entry.datasets;
        view_.shards = entry.shards;
        view_.shardsDone = entry.shardsDone;
        view_.records = entry.records;
        view_.deadline = entry.deadline;
        view_.listHash = entry.listHash;
        view_.participants = entry.participants;
        view_.schemaId = entry.schemaId;
        view_.layoutHash = GATE.shapeOf(entry.gradientCircuitId).layoutHash;
        view_.wDigest = entry.wDigest;
        view_.gradientCircuitId = entry.gradientCircuitId;
        view_.optimumCircuitId = entry.optimumCircuitId;
        view_.serviceCircuitId = entry.serviceCircuitId;
        view_.modelHash = entry.modelHash;
        view_.datasetCircuitIds = _datasetCircuits(entry);
    }

    /// @inheritdoc IAgentRegistry
    function sumsOf(bytes32 agentId, uint32 version) external view returns (Sums memory sums) {
        Entry storage entry = _knownVersion(agentId, version);
        sums = Sums({
            total: _totalOf(entry),
            positive: entry.positive,
            leastBase: entry.leastBase,
            x: entry.gradient.x,
            y: entry.gradient.y
        });
    }

    /// @inheritdoc IAgentRegistry
    function contributionOf(bytes32 agentId, uint32 version, bytes32 datasetId)
        external
        view
        returns (Contribution memory contribution)
    {
        (, Part storage part, bool listed) = _partOf(agentId, version, datasetId);
        if (!listed) return contribution;
        contribution = Contribution({
            value: part.value,
            shards: part.shards,
            shardsDone: part.shardsDone,
            minShareBps: part.minShareBps,
            grantSerial: part.grantSerial
        });
    }

    /// @inheritdoc IAgentRegistry
    function lists(bytes32 agentId, uint32 version, bytes32 root) external view returns (bool listed) {
        return _parts[_keyOf(agentId, version)][root].shards != 0;
    }

    /// @inheritdoc IAgentRegistry
    function gradientAdded(bytes32 agentId, uint32 version, bytes32 datasetId, uint32 shard)
        external
        view
        returns (bool added)
    {
        (bytes32 root, Part storage part, bool listed) = _partOf(agentId, version, datasetId);
        return listed && _isDone(part, _keyOf(agentId, version), root, shard);
    }

    /// @inheritdoc IAgentRegistry
    // comparison with an enum value, not with a balance
    // slither-disable-next-line incorrect-equality
    function isCertified(bytes32 agentId, uint32 version) external view returns (bool certified) {
        return _versions[agentId][version].status == Status.Certified;
    }

    /// @inheritdoc IAgentRegistry
    function serviceTerms(bytes32 agentId, uint32 version) external view returns (ServiceTerms memory terms) {
        Entry storage entry = _knownVersion(agentId, version);
        terms = ServiceTerms({
            dataBps: entry.dataBps,
            certified: entry.status == Status.Certified,
            pricePerQuery: entry.pricePerQuery,
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
        Entry storage entry = _inStatus(agentId, version, Status.Certified);
        (, Part storage part, bool listed) = _partOf(agentId, version, datasetId);
        if (!listed) revert DatasetNotInVersion(datasetId);
        return (_positive(part.value), entry.positive);
    }

    /// @inheritdoc IAgentRegistry
    function gradientContext(bytes32 agentId, uint32 version, bytes32 datasetId, uint32 shard)
        external
        view
        returns (uint256 ctx)
    {
        Entry storage entry = _knownVersion(agentId, version);
        return Statements.gradientContext(entry.owner, entry.wDigest, DATASETS.shardDigest(datasetId, shard));
    }

    /// @inheritdoc IAgentRegistry
    function optimumContext(bytes32 agentId, uint32 version) external view returns (uint256 ctx) {
        Entry storage entry = _knownVersion(agentId, version);
        return Statements.optimumContext(agentId, version, entry.wDigest, entry.listHash);
    }

    /// @inheritdoc IAgentRegistry
    function stoppedCircuit(bytes32 agentId, uint32 version) external view returns (bytes32 circuitId) {
        return _stoppedCircuit(_knownVersion(agentId, version));
    }

    /// @inheritdoc IAgentRegistry
    function status(bytes32 agentId, uint32 version) public view returns (Status where) {
        Entry storage entry = _versions[agentId][version];
        where = entry.status;
        if (where == Status.Certified && _stoppedCircuit(entry) != bytes32(0)) where = Status.Doubtful;
    }

    function _datasetCircuits(Entry storage entry) internal view returns (bytes32[] memory ids) {
        uint256 further = entry.furtherCircuitIds.length;
        if (entry.datasetCircuitId == bytes32(0)) return ids;
        ids = new bytes32[](1 + further);
        ids[0] = entry.datasetCircuitId;
        for (uint256 i = 0; i < further; ++i) {
            ids[1 + i] = entry.furtherCircuitIds[i];
        }
    }

    /// The first of a version's circuits that was stopped; 0 if none was.
    function _stoppedCircuit(Entry storage entry) internal view returns (bytes32) {
        if (GATE.isStopped(entry.gradientCircuitId)) return entry.gradientCircuitId;
        if (GATE.isStopped(entry.optimumCircuitId)) return entry.optimumCircuitId;
        if (GATE.isStopped(entry.serviceCircuitId)) return entry.serviceCircuitId;
        bytes32[] memory ids = _datasetCircuits(entry);
        for (uint256 i = 0; i < ids.length; ++i) {
            if (GATE.isStopped(ids[i])) return ids[i];
        }
        return bytes32(0);
    }

    function _totalOf(Entry storage entry) internal view returns (int256) {
        return int256(uint256(entry.positive)) - int256(uint256(entry.negative));
    }

    function _positive(int256 value) internal pure returns (uint256) {
        return value > 0 ? uint256(value) : 0;
    }

    function _isDone(Part storage part, bytes32 key, bytes32 root, uint256 shard) internal view returns (bool) {
        if (shard < BITS_INSIDE) return (part.done >> shard) & 1 == 1;
        return (_furtherDone[key][root][shard >> 8] >> (shard & 0xff)) & 1 == 1;
    }

    function _keyOf(bytes32 agentId, uint32 version) internal pure returns (bytes32) {
        return keccak256(abi.encode(agentId, version));
    }

    /// A dataset's entry in a version; `listed` is true only for exactly this version of the dataset.
    function _partOf(bytes32 agentId, uint32 version, bytes32 datasetId)
        private
        view
        returns (bytes32 root, Part storage part, bool listed)
    {
        uint32 shards;
        (root, shards) = DATASETS.versionOf(datasetId);
        part = _parts[_keyOf(agentId, version)][root];
        listed = part.shards == shards;
    }

    function _knownVersion(bytes32 agentId, uint32 version) internal view returns (Entry storage entry) {
        entry = _versions[agentId][version];
        if (entry.status == Status.Unknown) revert UnknownVersion(agentId, version);
    }

    function _inStatus(bytes32 agentId, uint32 version, Status needed) internal view returns (Entry storage entry) {
        entry = _knownVersion(agentId, version);
        if (entry.status != needed) revert WrongStatus(agentId, version, needed, entry.status);
    }
}
