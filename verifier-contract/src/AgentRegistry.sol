// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Multicall} from "@openzeppelin/contracts/utils/Multicall.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {IAgentRegistry} from "./interfaces/IAgentRegistry.sol";
import {IDatasetRegistry} from "./interfaces/IDatasetRegistry.sol";
import {IProofGate} from "./interfaces/IProofGate.sol";
import {Points} from "./libraries/Points.sol";
import {Statements} from "./libraries/Statements.sol";
import {Agents} from "./Agents.sol";

/// @title Agent registry
/// @notice See {IAgentRegistry}. A version's circuits and terms are fixed when it is proposed: circuits added to the gate
/// later never apply to it. Calls can be made together (`multicall`): a small version is proposed, listed and closed in one
/// transaction, and gets its gradients and its certificate in another.
contract AgentRegistry is Agents, Multicall {
    using Points for Points.Point;
    using SafeCast for uint256;

    uint16 private constant ALL_BPS = 10_000;
    uint256 private constant DATASET_CIRCUITS_MOST = 4;
    uint256 private constant LIFETIME = 90 days;
    uint128 private constant NO_LEAST_SHARE = type(uint128).max;
    // Shards whose bit is kept beside the contribution; others have a map.
    uint256 private constant BITS_INSIDE = 40;

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
        // one slot: sums of the positive contributions, and of the others without their sign
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
        bytes32 datasetCircuitId; // that admitted the first dataset
        bytes32[] furtherCircuitIds; // that admitted others
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

    /// What one transaction adds to a version, written once at its end.
    struct Added {
        uint32 shards;
        uint256 positive;
        uint256 negative;
        uint256 leastBase;
        Points.Point gradient;
    }

    IProofGate private immutable GATE;
    IDatasetRegistry private immutable DATASETS;

    mapping(bytes32 agentId => mapping(uint32 version => Entry)) private _versions;
    mapping(bytes32 key => mapping(bytes32 root => Part)) private _parts;
    mapping(bytes32 key => mapping(bytes32 root => mapping(uint256 word => uint256 bits))) private _furtherDone;

    /// @param proofGate The proof gate that checks gradients and optima.
    /// @param datasets Where the datasets of versions are registered; it must have the same gate.
    constructor(IProofGate proofGate, IDatasetRegistry datasets) {
        if (datasets.gate() != address(proofGate)) revert IDatasetRegistry.OtherDeployment(address(this));
        GATE = proofGate;
        DATASETS = datasets;
    }

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
    // The dataset registry is ours, fixed at deployment, and calls nobody.
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
    function addGradients(bytes32 agentId, uint32 version, GradientProof[] calldata proofs) external {
        Entry storage entry = _inStatus(agentId, version, Status.Closed);
        Added memory added =
            Added({shards: 0, positive: 0, negative: 0, leastBase: entry.leastBase, gradient: entry.gradient});
        for (uint256 i = 0; i < proofs.length; ++i) {
            _addGradient(agentId, version, entry, proofs[i], added);
        }
        entry.shardsDone += added.shards;
        entry.positive = SafeCast.toUint128(entry.positive + added.positive);
        entry.negative = SafeCast.toUint128(entry.negative + added.negative);
        entry.leastBase = uint128(added.leastBase); // it only falls
        entry.gradient = added.gradient;
    }

    /// @inheritdoc IAgentRegistry
    function certify(bytes32 agentId, uint32 version, uint256[] calldata inputs, bytes calldata proof) external {
        Entry storage entry = _inStatus(agentId, version, Status.Closed);
        if (entry.shardsDone != entry.shards) revert GradientsMissing(entry.shardsDone, entry.shards);
        bytes32[] memory digests = GATE.check(entry.optimumCircuitId, inputs, proof);
        bytes32 stopped = _stoppedCircuit(entry);
        if (stopped != bytes32(0)) revert IProofGate.StoppedCircuit(stopped);

        bytes32 wDigest = digests[Statements.OPTIMUM_GROUP_W];
        if (wDigest != entry.wDigest) revert WrongWeights(entry.wDigest, wDigest);
        Points.Point memory gradient = entry.gradient;
        bytes32 gradientDigest = digests[Statements.OPTIMUM_GROUP_G];
        if (gradient.isInfinity() || gradient.digest() != gradientDigest) {
            revert WrongGradient(gradient.digest(), gradientDigest);
        }
        _requireContext(
            Statements.optimumContext(agentId, version, entry.wDigest, entry.listHash), inputs[Statements.CTX]
        );
        if (inputs[Statements.OPTIMUM_N] != entry.records) {
            revert WrongRecordCount(entry.records, inputs[Statements.OPTIMUM_N]);
        }
        if (inputs[Statements.OPTIMUM_LAMBDA] != entry.lambda) {
            revert WrongLambda(entry.lambda, inputs[Statements.OPTIMUM_LAMBDA]);
        }
        _recordDistance(entry, inputs);
        int256 total = _requireSums(entry);

        entry.status = Status.Certified;
        _noteCertified(agentId, version);
        emit VersionCertified(agentId, version, entry.records, entry.epsilon, entry.norm, total, entry.positive);
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
    // The same.
    // slither-disable-next-line reentrancy-no-eth
    function returnUses(bytes32 agentId, uint32 version, bytes32[] calldata datasetIds) external {
        Entry storage entry = _inStatus(agentId, version, Status.Abandoned);
        for (uint256 i = 0; i < datasetIds.length; ++i) {
            // slither-disable-next-line unused-return
            (bytes32 root,) = DATASETS.versionOf(datasetIds[i]);
            Part storage part = _parts[_keyOf(agentId, version)][root];
            uint32 serial = part.grantSerial;
            // a gradient that was added is what the use was given for
            if (serial == 0 || part.shardsDone != 0) continue;
            part.grantSerial = 0;
            DATASETS.giveBack(root, entry.owner, serial);
        }
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
    // a status is one of six
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

    /// The three circuits prove the right statements, over one layout and SRS, with the version's link.
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

    /// The dataset has the schema of the first one, its circuit can be used and is of the version's layout and SRS, and its
    /// grant wants the same list as the others'.
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

    function _datasetCircuits(Entry storage entry) private view returns (bytes32[] memory ids) {
        uint256 further = entry.furtherCircuitIds.length;
        if (entry.datasetCircuitId == bytes32(0)) return ids;
        ids = new bytes32[](1 + further);
        ids[0] = entry.datasetCircuitId;
        for (uint256 i = 0; i < further; ++i) {
            ids[1 + i] = entry.furtherCircuitIds[i];
        }
    }

    function _addGradient(
        bytes32 agentId,
        uint32 version,
        Entry storage entry,
        GradientProof calldata proof,
        Added memory added
    ) private {
        (bytes32 root, uint32 shards, bytes32 shardDigest) = DATASETS.shardOf(proof.datasetId, proof.shard);
        bytes32 key = _keyOf(agentId, version);
        Part storage part = _parts[key][root];
        if (part.shards != shards) revert DatasetNotInVersion(proof.datasetId);
        if (_isDone(part, key, root, proof.shard)) return;

        bytes32 gradientDigest = _checkGradient(entry, proof, shardDigest);
        int256 contribution = Statements.signed(proof.inputs[Statements.GRADIENT_CONTRIBUTION]);
        int256 limit = int256(1 << Statements.CONTRIBUTION_LIMIT_BITS);
        if (contribution <= -limit || contribution >= limit) {
            revert PublicValueOutOfRange(
                Statements.GRADIENT_CONTRIBUTION, proof.inputs[Statements.GRADIENT_CONTRIBUTION]
            );
        }

        ++added.shards;
        _setDone(part, key, root, proof.shard);
        // fewer than 2^16 shards of less than 2^112 each
        part.value += int136(contribution);
        uint16 done = part.shardsDone + 1;
        part.shardsDone = done;
        if (done == shards) _addDataset(part, added);
        emit GradientAdded(agentId, version, proof.datasetId, proof.shard, contribution, gradientDigest);
        added.gradient = added.gradient.plus(_gradientPoint(entry.columns, proof.proof, gradientDigest));
    }

    /// The gradient proof is of this shard, these weights and this owner; the digest of its gradient.
    function _checkGradient(Entry storage entry, GradientProof calldata proof, bytes32 shardDigest)
        private
        view
        returns (bytes32 gradientDigest)
    {
        bytes32[] memory digests = GATE.check(entry.gradientCircuitId, proof.inputs, proof.proof);
        bytes32 proven = digests[Statements.GRADIENT_GROUP_XY];
        if (proven != shardDigest) revert WrongRecords(proof.datasetId, proof.shard, shardDigest, proven);
        bytes32 wDigest = digests[Statements.GRADIENT_GROUP_W];
        if (wDigest != entry.wDigest) revert WrongWeights(entry.wDigest, wDigest);
        _requireContext(Statements.gradientContext(entry.owner, wDigest, shardDigest), proof.inputs[Statements.CTX]);
        return digests[Statements.GRADIENT_GROUP_G];
    }

    /// The point behind the records' columns, the label's and the weights'; the gate has checked that its coordinates are
    /// reduced. It has the digest of the third group, unless the gate knows other columns of the circuit than its layout.
    function _gradientPoint(uint256 columns, bytes calldata proof, bytes32 digest)
        private
        pure
        returns (Points.Point memory point)
    {
        uint256 offset = 64 * (columns + 2);
        (point.x, point.y) = abi.decode(proof[offset:offset + 64], (uint256, uint256));
        if (point.digest() != digest) revert WrongGradient(digest, point.digest());
    }

    /// Takes a dataset of which all gradients were added into the sums.
    function _addDataset(Part storage part, Added memory added) private view {
        int256 value = part.value;
        uint256 weight = _positive(value);
        if (value > 0) added.positive += weight;
        else added.negative += uint256(-value);
        if (part.minShareBps == 0) return;
        uint256 base = weight * ALL_BPS / part.minShareBps;
        if (base < added.leastBase) added.leastBase = base;
    }

    /// `ε ≤ 4δ` (squared loss: 8δ), and `(ε + δ)/(λ‖W‖) ≤ 10^-3` in units: `(e + δ)·1000·2^10 ≤ L·v`.
    ///
    /// The first is what keeps shares honest. Any weights within ε of stationary pass, and a share is an inner product
    /// with those weights: inside a ball as large as the second rule alone allows an owner could look for the point that
    /// favours a dataset. What a fit to full precision leaves is the rounding of the weights seen through the Hessian:
    /// some δ at most where a probability stands between, more for squared loss.
    function _recordDistance(Entry storage entry, uint256[] calldata inputs) private {
        uint256 epsilon = _below(inputs, Statements.OPTIMUM_EPSILON, Statements.EPSILON_LIMIT_BITS);
        uint256 norm = _below(inputs, Statements.OPTIMUM_NORM, Statements.NORM_LIMIT_BITS);
        uint256 delta = entry.delta;
        bool squared = entry.link == Statements.LINK_SQUARED;
        uint256 cap = delta * (squared ? Statements.EPSILON_CAP_SQUARED : Statements.EPSILON_CAP);
        if (epsilon > cap) revert EpsilonOverCap(epsilon, cap);
        uint256 scaled = ((epsilon + delta) * Statements.DISTANCE_PARTS) << Statements.NORM_BITS;
        if (scaled > entry.lambda * norm) revert EpsilonTooLarge(epsilon, delta, entry.lambda, norm);
        entry.epsilon = uint40(epsilon);
        entry.norm = uint24(norm);
    }

    /// What the contributions must be for shares to mean something. Rounding takes at most 2^-20 of their sum, negative ones
    /// at most 2^-10 *in total* (or many slightly negative datasets could multiply everybody else's claim), and the sum is
    /// what it is at the optimum: `ΣN = nλ‖W‖² − ⟨r, W⟩` with `‖r‖ ≤ nε`, and so at least `nλv²(1 − 2^-9)`.
    function _requireSums(Entry storage entry) private view returns (int256 total) {
        total = _totalOf(entry);
        uint256 shards = entry.shards;
        if (total < int256(shards * Statements.ROUNDING_PARTS)) revert SumTooSmall(total, shards);
        uint256 sum = uint256(total); // positive, as there are shards
        uint256 negative = entry.negative;
        if (negative * Statements.NEGATIVE_PARTS > sum) revert TooNegative(negative, total);
        // in units: ΣN·2^-u ≥ n·λ·2^-44·(v·2^-10)²·(1 − 2^-9)
        uint256 norm = entry.norm;
        uint256 least = (uint256(entry.records) * entry.lambda * norm * norm * (Statements.LEAST_SUM_PARTS - 1))
            << entry.contributionBits;
        uint256 reached = (sum * Statements.LEAST_SUM_PARTS) << (Statements.LAMBDA_BITS + 2 * Statements.NORM_BITS);
        if (reached < least) revert SumBelowOptimum(total);
        if (entry.leastBase < entry.positive) revert BelowLeastShare(entry.leastBase, entry.positive);
    }

    /// The first of a version's circuits that was stopped; 0 if none was.
    function _stoppedCircuit(Entry storage entry) private view returns (bytes32) {
        if (GATE.isStopped(entry.gradientCircuitId)) return entry.gradientCircuitId;
        if (GATE.isStopped(entry.optimumCircuitId)) return entry.optimumCircuitId;
        if (GATE.isStopped(entry.serviceCircuitId)) return entry.serviceCircuitId;
        bytes32[] memory ids = _datasetCircuits(entry);
        for (uint256 i = 0; i < ids.length; ++i) {
            if (GATE.isStopped(ids[i])) return ids[i];
        }
        return bytes32(0);
    }

    function _below(uint256[] calldata inputs, uint256 index, uint256 bits) private pure returns (uint256 value) {
        value = inputs[index];
        if (value >> bits != 0) revert PublicValueOutOfRange(index, value);
    }

    function _requireContext(uint256 expected, uint256 proven) private pure {
        if (proven != expected) revert WrongContext(expected, proven);
    }

    function _totalOf(Entry storage entry) private view returns (int256) {
        return int256(uint256(entry.positive)) - int256(uint256(entry.negative));
    }

    function _positive(int256 value) private pure returns (uint256) {
        return value > 0 ? uint256(value) : 0;
    }

    function _isDone(Part storage part, bytes32 key, bytes32 root, uint256 shard) private view returns (bool) {
        if (shard < BITS_INSIDE) return (part.done >> shard) & 1 == 1;
        return (_furtherDone[key][root][shard >> 8] >> (shard & 0xff)) & 1 == 1;
    }

    function _setDone(Part storage part, bytes32 key, bytes32 root, uint256 shard) private {
        if (shard < BITS_INSIDE) part.done |= uint40(1 << shard);
        else _furtherDone[key][root][shard >> 8] |= 1 << (shard & 0xff);
    }

    function _keyOf(bytes32 agentId, uint32 version) private pure returns (bytes32) {
        return keccak256(abi.encode(agentId, version));
    }

    /// A dataset's place in a version; `listed` only for the very version of the dataset.
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

    function _knownVersion(bytes32 agentId, uint32 version) private view returns (Entry storage entry) {
        entry = _versions[agentId][version];
        if (entry.status == Status.Unknown) revert UnknownVersion(agentId, version);
    }

    function _inStatus(bytes32 agentId, uint32 version, Status needed) private view returns (Entry storage entry) {
        entry = _knownVersion(agentId, version);
        if (entry.status != needed) revert WrongStatus(agentId, version, needed, entry.status);
    }

    function _ownDraft(bytes32 agentId, uint32 version) private view returns (Entry storage entry) {
        entry = _inStatus(agentId, version, Status.Draft);
        if (msg.sender != entry.owner) revert NotAgentOwner(agentId, msg.sender);
    }
}
