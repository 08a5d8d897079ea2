// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IAgentRegistry} from "./interfaces/IAgentRegistry.sol";
import {IDatasetRegistry} from "./interfaces/IDatasetRegistry.sol";
import {IEvaluations} from "./interfaces/IEvaluations.sol";
import {IProofGate} from "./interfaces/IProofGate.sol";
import {Circuits} from "./libraries/Circuits.sol";
import {Statements} from "./libraries/Statements.sol";

/// @title Evaluations
/// @notice See {IEvaluations}. It holds no funds and has no owner.
contract Evaluations is IEvaluations {
    struct Entry {
        uint32 correct;
        uint32 records;
        uint16 shardsDone;
        uint64 loss;
    }

    /// The data that proofs are checked against, apart from the shard.
    struct Subject {
        bytes32 agentId;
        uint32 version;
        bytes32 datasetId;
        bytes32 circuitId;
        bytes32 wDigest;
    }

    IProofGate private immutable GATE;
    IAgentRegistry private immutable AGENTS;
    IDatasetRegistry private immutable DATASETS;

    mapping(bytes32 key => Entry) private _entries;
    mapping(bytes32 key => mapping(uint256 word => uint256 bits)) private _done;
    /// The circuit that last completed an evaluation.
    mapping(bytes32 agentId => mapping(uint32 version => mapping(bytes32 datasetId => bytes32))) private _complete;

    /// @param agents The agent registry; its gate and its dataset registry are used.
    constructor(IAgentRegistry agents) {
        AGENTS = agents;
        GATE = IProofGate(agents.gate());
        DATASETS = IDatasetRegistry(agents.datasetRegistry());
    }

    /// @inheritdoc IEvaluations
    function evaluate(
        bytes32 agentId,
        uint32 version,
        bytes32 datasetId,
        bytes32 circuitId,
        EvaluationProof[] calldata proofs
    ) external {
        Subject memory subject = Subject(
            agentId, version, datasetId, circuitId, _requireFit(agentId, version, datasetId, circuitId)
        );
        bytes32 key = _keyOf(agentId, version, datasetId, circuitId);
        Entry memory entry = _entries[key];
        (uint256[] memory fresh, bytes32[][] memory digests) = _checkFresh(key, circuitId, proofs);
        for (uint256 i = 0; i < fresh.length; ++i) {
            _add(entry, subject, proofs[fresh[i]], digests[i]);
        }
        _entries[key] = entry;
        // slither-disable-next-line unused-return
        (, uint32 shards) = DATASETS.versionOf(datasetId);
        if (entry.shardsDone == shards) {
            _complete[agentId][version][datasetId] = circuitId;
            emit VersionEvaluated(agentId, version, datasetId, circuitId, entry.correct, entry.records, entry.loss);
        }
    }

    /// @inheritdoc IEvaluations
    function evaluationOf(bytes32 agentId, uint32 version, bytes32 datasetId, bytes32 circuitId)
        external
        view
        returns (Evaluation memory evaluation)
    {
        Entry memory entry = _entries[_keyOf(agentId, version, datasetId, circuitId)];
        // slither-disable-next-line unused-return
        (, uint32 shards) = DATASETS.versionOf(datasetId);
        evaluation = Evaluation({
            correct: entry.correct,
            records: entry.records,
            loss: entry.loss,
            shardsDone: entry.shardsDone,
            shards: shards
        });
    }

    /// @inheritdoc IEvaluations
    function accuracyOf(bytes32 agentId, uint32 version, bytes32 datasetId)
        external
        view
        returns (uint64 correct, uint64 records)
    {
        Entry memory entry = _completeEntry(agentId, version, datasetId);
        return (entry.correct, entry.records);
    }

    /// @inheritdoc IEvaluations
    function lossOf(bytes32 agentId, uint32 version, bytes32 datasetId)
        external
        view
        returns (uint64 loss, uint64 records)
    {
        Entry memory entry = _completeEntry(agentId, version, datasetId);
        return (entry.loss, entry.records);
    }

    function _completeEntry(bytes32 agentId, uint32 version, bytes32 datasetId) private view returns (Entry memory) {
        bytes32 circuitId = _complete[agentId][version][datasetId];
        if (circuitId == bytes32(0)) revert NotEvaluated(agentId, version, datasetId);
        if (GATE.isStopped(circuitId)) revert IProofGate.StoppedCircuit(circuitId);
        bytes32 admittedBy = DATASETS.circuitOf(datasetId);
        if (GATE.isStopped(admittedBy)) revert IProofGate.StoppedCircuit(admittedBy);
        return _entries[_keyOf(agentId, version, datasetId, circuitId)];
    }

    /// @inheritdoc IEvaluations
    function agentRegistry() external view returns (address) {
        return address(AGENTS);
    }

    /// @inheritdoc IEvaluations
    function evaluationContext(bytes32 agentId, uint32 version, bytes32 datasetId, uint32 shard)
        external
        view
        returns (uint256 ctx)
    {
        bytes32 wDigest = AGENTS.serviceTerms(agentId, version).wDigest;
        return _contextOf(Subject(agentId, version, datasetId, bytes32(0), wDigest), shard);
    }

    /// Checks that the version is certified, that the dataset is not one it lists and has its schema, that both circuits
    /// have its layout and SRS, and that of the proofs its link; returns the digest of its weights.
    function _requireFit(bytes32 agentId, uint32 version, bytes32 datasetId, bytes32 circuitId)
        private
        view
        returns (bytes32)
    {
        IAgentRegistry.Version memory entry = AGENTS.getVersion(agentId, version);
        if (entry.status != IAgentRegistry.Status.Certified) revert NotCertified(agentId, version);
        IDatasetRegistry.Dataset memory dataset = DATASETS.dataset(datasetId);
        if (AGENTS.lists(agentId, version, dataset.root)) revert TrainedOn(datasetId);
        if (dataset.schemaId != entry.schemaId) revert SchemaMismatch(datasetId, entry.schemaId, dataset.schemaId);
        IProofGate.CircuitShape memory shape = GATE.shapeOf(entry.gradientCircuitId);
        shape.statement = Statements.EVALUATION;
        Circuits.requireFit(GATE, circuitId, shape);
        (shape.statement, shape.link) = (Statements.DATASET, 0);
        Circuits.requireFit(GATE, dataset.circuitId, shape);
        return entry.wDigest;
    }

    /// Checks the proofs of shards that were not counted before, by one pairing; returns their indices and committed
    /// groups.
    function _checkFresh(bytes32 key, bytes32 circuitId, EvaluationProof[] calldata proofs)
        private
        returns (uint256[] memory fresh, bytes32[][] memory digests)
    {
        fresh = new uint256[](proofs.length);
        IProofGate.CircuitProof[] memory given = new IProofGate.CircuitProof[](proofs.length);
        uint256 count = 0;
        for (uint256 i = 0; i < proofs.length; ++i) {
            if (!_count(key, proofs[i].shard)) continue;
            fresh[count] = i;
            given[count++] = IProofGate.CircuitProof(circuitId, proofs[i].inputs, proofs[i].proof);
        }
        // shrink both arrays to what was put into them
        assembly ("memory-safe") {
            mstore(fresh, count)
            mstore(given, count)
        }
        digests = GATE.checkAll(given);
    }

    /// Compares one proof that was already checked with the shard, the weights and the context, and adds its counts.
    function _add(Entry memory entry, Subject memory subject, EvaluationProof calldata proof, bytes32[] memory digests)
        private
    {
        bytes32 shardDigest = DATASETS.shardDigest(subject.datasetId, proof.shard);
        bytes32 proven = digests[Statements.EVALUATION_GROUP_XY];
        if (proven != shardDigest) revert WrongRecords(proof.shard, shardDigest, proven);
        bytes32 weights = digests[Statements.EVALUATION_GROUP_W];
        if (weights != subject.wDigest) revert WrongWeights(subject.wDigest, weights);
        uint256 expected = _contextOf(subject, proof.shard);
        if (proof.inputs[Statements.CTX] != expected) revert WrongContext(expected, proof.inputs[Statements.CTX]);

        uint256 records = proof.inputs[Statements.EVALUATION_N];
        uint256 correct = proof.inputs[Statements.EVALUATION_CORRECT];
        if (records >> Statements.COUNT_LIMIT_BITS != 0 || correct > records) {
            revert ImpossibleCounts(correct, records);
        }
        uint256 loss = proof.inputs[Statements.EVALUATION_LOSS];
        if ((entry.loss + loss) >> Statements.LOSS_LIMIT_BITS != 0) revert ImpossibleLoss(loss);
        entry.correct += uint32(correct); // a dataset has fewer than 2^26 records
        entry.records += uint32(records);
        entry.loss += uint64(loss); // the sum is below 2^53
        ++entry.shardsDone;
        emit ShardEvaluated(
            subject.agentId,
            subject.version,
            subject.datasetId,
            subject.circuitId,
            proof.shard,
            uint32(correct),
            uint32(records),
            uint64(loss)
        );
    }

    function _contextOf(Subject memory subject, uint32 shard) private view returns (uint256) {
        return Statements.evaluationContext(
            address(AGENTS), subject.agentId, subject.version, subject.wDigest, subject.datasetId, shard
        );
    }

    /// Marks a shard as counted; false if it already was.
    function _count(bytes32 key, uint256 shard) private returns (bool) {
        uint256 bit = 1 << (shard & 0xff);
        uint256 word = _done[key][shard >> 8];
        if (word & bit != 0) return false;
        _done[key][shard >> 8] = word | bit;
        return true;
    }

    function _keyOf(bytes32 agentId, uint32 version, bytes32 datasetId, bytes32 circuitId)
        private
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(agentId, version, datasetId, circuitId));
    }
}
