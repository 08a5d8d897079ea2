// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Multicall} from "@openzeppelin/contracts/utils/Multicall.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {IAgentRegistry} from "./interfaces/IAgentRegistry.sol";
import {IDatasetRegistry} from "./interfaces/IDatasetRegistry.sol";
import {IProofGate} from "./interfaces/IProofGate.sol";
import {Statements} from "./libraries/Statements.sol";
import {Certification} from "./Certification.sol";
import {Versions} from "./Versions.sol";

/// @title Agent registry
/// @notice See {IAgentRegistry}. A version's circuits and terms are fixed when it is proposed: circuits added to the
/// gate later never apply to it. Calls can be batched with `multicall`: a small version can be proposed, filled and
/// closed in one transaction, and receive its gradients and its certificate in another.
contract AgentRegistry is Certification, Multicall {
    using SafeCast for uint256;

    uint256 private constant DATASET_CIRCUITS_MOST = 4;
    uint256 private constant LIFETIME = 90 days;
    uint128 private constant NO_LEAST_SHARE = type(uint128).max;

    /// @param proofGate The proof gate that checks gradients and optima.
    /// @param datasets The registry of the datasets that versions list; it must use the same gate.
    constructor(IProofGate proofGate, IDatasetRegistry datasets) Versions(proofGate, datasets) {}

    /// @inheritdoc IAgentRegistry
    function propose(bytes32 agentId, VersionParams calldata params) external returns (uint32 version) {
        version = _nextVersion(agentId);
        if (params.lambda == 0 || params.lambda >> Statements.LAMBDA_LIMIT_BITS != 0) {
            revert LambdaOutOfRange(params.lambda);
        }
        if (params.dataBps > ALL_BPS) revert BasisPointsTooHigh(params.dataBps);
        _requireCircuits(params);

        Entry storage entry = _versions[agentId][version];
        entry.owner = msg.sender;
        entry.status = Status.Draft;
        entry.link = params.link;
        entry.dataBps = params.dataBps;
        entry.lambda = uint48(params.lambda);
        Layout calldata dims = params.dims;
        entry.delta = Statements.linkError(dims.features, dims.classes, dims.interceptScale).toUint24();
        entry.deadline = uint40(block.timestamp + LIFETIME);
        entry.pricePerQuery = params.pricePerQuery;
        entry.leastBase = NO_LEAST_SHARE;
        entry.contributionBits = uint8(Statements.contributionBits(dims.k));
        entry.columns = uint256(dims.columns).toUint8();
        entry.wDigest = params.wDigest;
        entry.gradientCircuitId = params.gradientCircuitId;
        entry.optimumCircuitId = params.optimumCircuitId;
        entry.serviceCircuitId = params.serviceCircuitId;
        entry.modelHash = params.modelHash;
        emit VersionProposed(agentId, version, msg.sender, params);
    }

    /// @inheritdoc IAgentRegistry
    // The dataset registry is our own contract, fixed at deployment, and its function makes no external calls.
    // slither-disable-next-line reentrancy-events,reentrancy-no-eth
    function addDatasets(bytes32 agentId, uint32 version, bytes32[] calldata datasetIds) external {
        Entry storage entry = _ownDraft(agentId, version);
        bytes32 key = _keyOf(agentId, version);
        bytes32 listHash = entry.listHash;
        uint32 shards = entry.shards;
        uint64 records = entry.records;
        for (uint256 i = 0; i < datasetIds.length; ++i) {
            bytes32 id = datasetIds[i];
            IDatasetRegistry.Admission memory a =
                DATASETS.admit(id, msg.sender, entry.link, entry.dataBps, entry.pricePerQuery);
            _requireAdmissible(entry, id, a);
            Part storage part = _parts[key][a.root];
            if (part.shards != 0) revert DatasetListedTwice(id);
            part.shards = uint16(a.shards); // a dataset has no more
            part.minShareBps = a.minShareBps;
            part.grantSerial = a.grantSerial;
            shards += a.shards;
            records += a.records;
            if (records >> Statements.COUNT_LIMIT_BITS != 0) revert TooManyRecords(records);
            listHash = Statements.listed(listHash, id);
            emit DatasetListed(agentId, version, id, a, listHash);
        }
        entry.listHash = listHash;
        entry.shards = shards;
        entry.records = uint32(records);
        entry.datasets += uint32(datasetIds.length);
    }

    /// @inheritdoc IAgentRegistry
    function close(bytes32 agentId, uint32 version) external {
        Entry storage entry = _ownDraft(agentId, version);
        if (entry.shards == 0) revert NoDatasets();
        bytes32 wanted = entry.participants;
        if (wanted != bytes32(0) && wanted != entry.listHash) revert OtherParticipants(wanted, entry.listHash);
        entry.status = Status.Closed;
        emit VersionClosed(agentId, version, entry.listHash, entry.datasets, entry.shards, entry.records);
    }

    /// @inheritdoc IAgentRegistry
    function adopt(bytes32 agentId, uint32 version) external {
        Entry storage entry = _inStatus(agentId, version, Status.Closed);
        if (msg.sender != agentOwner(agentId)) revert NotAgentOwner(agentId, msg.sender);
        entry.adoptedBy = msg.sender;
        emit VersionAdopted(agentId, version, msg.sender);
    }

    /// @inheritdoc IAgentRegistry
    function abandon(bytes32 agentId, uint32 version) external {
        Entry storage entry = _knownVersion(agentId, version);
        if (entry.status != Status.Draft && entry.status != Status.Closed) {
            revert WrongStatus(agentId, version, Status.Closed, entry.status);
        }
        if (msg.sender != agentOwner(agentId) && block.timestamp < entry.deadline) {
            revert NotOverdue(agentId, version, entry.deadline);
        }
        entry.status = Status.Abandoned;
        emit VersionAbandoned(agentId, version, msg.sender);
    }

    /// @inheritdoc IAgentRegistry
    // As in `addDatasets`.
    // slither-disable-next-line reentrancy-no-eth
    function returnUses(bytes32 agentId, uint32 version, bytes32[] calldata datasetIds) external {
        Entry storage entry = _inStatus(agentId, version, Status.Abandoned);
        for (uint256 i = 0; i < datasetIds.length; ++i) {
            // slither-disable-next-line unused-return
            (bytes32 root,) = DATASETS.versionOf(datasetIds[i]);
            Part storage part = _parts[_keyOf(agentId, version)][root];
            uint32 serial = part.grantSerial;
            // once a gradient was added, the grant's use has served its purpose
            if (serial == 0 || part.shardsDone != 0) continue;
            part.grantSerial = 0;
            DATASETS.giveBack(root, entry.owner, serial);
        }
    }

    /// Checks that the three circuits prove the right statements over one layout and SRS, with the version's link.
    function _requireCircuits(VersionParams calldata params) private view {
        Layout calldata dims = params.dims;
        bytes32 layoutHash = Statements.layoutHashOf(
            dims.k, dims.columns, dims.features, dims.classes, dims.task, dims.saltRows, dims.interceptScale
        );
        bytes32 srsDigest = GATE.usableShape(params.gradientCircuitId).srsDigest;
        IProofGate.CircuitShape memory gradient =
            _requireCircuit(params.gradientCircuitId, Statements.GRADIENT, layoutHash, srsDigest);
        if (gradient.link != params.link) revert WrongLink(params.gradientCircuitId, params.link, gradient.link);
        _requireCircuit(params.optimumCircuitId, Statements.OPTIMUM, layoutHash, srsDigest);
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

    /// Checks that the dataset has the schema of the first one, that its circuit is not stopped and has the version's
    /// layout and SRS, and that its grant requires the same list of participants as the others'.
    function _requireAdmissible(Entry storage entry, bytes32 datasetId, IDatasetRegistry.Admission memory a) private {
        bytes32 first = entry.datasetCircuitId;
        if (first == bytes32(0)) {
            entry.schemaId = a.schemaId;
        } else if (entry.schemaId != a.schemaId) {
            revert SchemaMismatch(datasetId, entry.schemaId, a.schemaId);
        }
        _pinDatasetCircuit(entry, first, a.circuitId);
        if (a.participants == bytes32(0)) return;
        bytes32 wanted = entry.participants;
        if (wanted == bytes32(0)) entry.participants = a.participants;
        else if (wanted != a.participants) revert OtherParticipants(a.participants, wanted);
    }

    function _pinDatasetCircuit(Entry storage entry, bytes32 first, bytes32 circuitId) private {
        IProofGate.CircuitShape memory own = GATE.shapeOf(entry.gradientCircuitId);
        _requireCircuit(circuitId, Statements.DATASET, own.layoutHash, own.srsDigest);
        if (first == bytes32(0)) entry.datasetCircuitId = circuitId;
        if (first == bytes32(0) || first == circuitId) return;
        uint256 count = entry.furtherCircuitIds.length;
        for (uint256 i = 0; i < count; ++i) {
            if (entry.furtherCircuitIds[i] == circuitId) return;
        }
        if (count + 1 == DATASET_CIRCUITS_MOST) revert TooManyDatasetCircuits(circuitId);
        entry.furtherCircuitIds.push(circuitId);
    }

    function _ownDraft(bytes32 agentId, uint32 version) private view returns (Entry storage entry) {
        entry = _inStatus(agentId, version, Status.Draft);
        if (msg.sender != entry.owner) revert NotAgentOwner(agentId, msg.sender);
    }
}
