// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {IAgentRegistry} from "./interfaces/IAgentRegistry.sol";
import {IProofGate} from "./interfaces/IProofGate.sol";
import {Points} from "./libraries/Points.sol";
import {Statements} from "./libraries/Statements.sol";
import {Versions} from "./Versions.sol";

/// @title Certification: adds gradients up, and certifies their sum by one optimum proof
/// @notice The part of {IAgentRegistry} that takes proofs.
abstract contract Certification is Versions {
    using Points for Points.Point;

    uint16 internal constant ALL_BPS = 10_000;

    /// What one transaction adds to a version; written to storage once, at the end.
    struct Added {
        uint32 shards;
        uint256 positive;
        uint256 negative;
        uint256 leastBase;
        Points.Point gradient;
    }

    /// A gradient that is new: the index of its proof, and the shard that the proof must be about.
    struct Fresh {
        uint256 place;
        bytes32 root;
        bytes32 shardDigest;
    }

    /// @inheritdoc IAgentRegistry
    function addGradients(bytes32 agentId, uint32 version, GradientProof[] calldata proofs) external {
        Entry storage entry = _inStatus(agentId, version, Status.Closed);
        (Fresh[] memory fresh, IProofGate.CircuitProof[] memory given) = _freshOf(agentId, version, entry, proofs, 0);
        entry.gradient = _addAll(agentId, version, proofs, fresh, GATE.checkAll(given));
    }

    /// @inheritdoc IAgentRegistry
    function addGradientsAndCertify(
        bytes32 agentId,
        uint32 version,
        GradientProof[] calldata proofs,
        uint256[] calldata inputs,
        bytes calldata proof
    ) external {
        Entry storage entry = _inStatus(agentId, version, Status.Closed);
        (Fresh[] memory fresh, IProofGate.CircuitProof[] memory given) = _freshOf(agentId, version, entry, proofs, 1);
        given[fresh.length] = IProofGate.CircuitProof(entry.optimumCircuitId, inputs, proof);
        bytes32[][] memory digests = GATE.checkAll(given);
        Points.Point memory sum = _addAll(agentId, version, proofs, fresh, digests);
        _certify(agentId, version, inputs, digests[fresh.length], sum);
    }

    /// @inheritdoc IAgentRegistry
    function certify(bytes32 agentId, uint32 version, uint256[] calldata inputs, bytes calldata proof) external {
        Entry storage entry = _inStatus(agentId, version, Status.Closed);
        bytes32[] memory digests = GATE.check(entry.optimumCircuitId, inputs, proof);
        _certify(agentId, version, inputs, digests, entry.gradient);
    }

    /// Certifies a version by an optimum proof that was already checked, given its inputs, its committed groups and the
    /// sum of the gradients. The sum is deleted: the proof has committed to it, and freeing slots earns a refund.
    function _certify(
        bytes32 agentId,
        uint32 version,
        uint256[] calldata inputs,
        bytes32[] memory digests,
        Points.Point memory gradient
    ) private {
        Entry storage entry = _versions[agentId][version];
        if (entry.shardsDone != entry.shards) revert GradientsMissing(entry.shardsDone, entry.shards);
        address owner = agentOwner(agentId);
        if (owner != entry.owner && owner != entry.adoptedBy) revert NotAdopted(agentId, version, owner);
        bytes32 stopped = _stoppedCircuit(entry);
        if (stopped != bytes32(0)) revert IProofGate.StoppedCircuit(stopped);

        bytes32 wDigest = digests[Statements.OPTIMUM_GROUP_W];
        if (wDigest != entry.wDigest) revert WrongWeights(entry.wDigest, wDigest);
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
        delete entry.gradient;
        _noteCertified(agentId, version);
        emit VersionCertified(agentId, version, entry.records, entry.epsilon, entry.norm, total, entry.positive);
    }

    /// Returns the gradients that were not added before, and marks them as added; and their proofs, in an array with
    /// room for `more`.
    function _freshOf(
        bytes32 agentId,
        uint32 version,
        Entry storage entry,
        GradientProof[] calldata proofs,
        uint256 more
    ) private returns (Fresh[] memory fresh, IProofGate.CircuitProof[] memory given) {
        bytes32 key = _keyOf(agentId, version);
        bytes32 circuitId = entry.gradientCircuitId;
        fresh = new Fresh[](proofs.length);
        given = new IProofGate.CircuitProof[](proofs.length + more);
        uint256 count = 0;
        for (uint256 i = 0; i < proofs.length; ++i) {
            GradientProof calldata proof = proofs[i];
            (bytes32 root, uint32 shards, bytes32 shardDigest) = DATASETS.shardOf(proof.datasetId, proof.shard);
            Part storage part = _parts[key][root];
            if (part.shards != shards) revert DatasetNotInVersion(proof.datasetId);
            if (_isDone(part, key, root, proof.shard)) continue;
            _setDone(part, key, root, proof.shard);
            fresh[count] = Fresh(i, root, shardDigest);
            given[count++] = IProofGate.CircuitProof(circuitId, proof.inputs, proof.proof);
        }
        // shrink both arrays to what was put into them
        assembly ("memory-safe") {
            mstore(fresh, count)
            mstore(given, add(count, more))
        }
    }

    /// Adds the fresh gradients, given their proofs' committed groups; returns the sum of all points, which is not
    /// stored here.
    function _addAll(
        bytes32 agentId,
        uint32 version,
        GradientProof[] calldata proofs,
        Fresh[] memory fresh,
        bytes32[][] memory digests
    ) private returns (Points.Point memory sum) {
        Entry storage entry = _versions[agentId][version];
        bytes32 key = _keyOf(agentId, version);
        Added memory added =
            Added({shards: 0, positive: 0, negative: 0, leastBase: entry.leastBase, gradient: entry.gradient});
        for (uint256 i = 0; i < fresh.length; ++i) {
            GradientProof calldata proof = proofs[fresh[i].place];
            bytes32 gradientDigest = _requireFit(entry, proof, fresh[i].shardDigest, digests[i]);
            int256 contribution = _addContribution(_parts[key][fresh[i].root], proof.inputs, added);
            emit GradientAdded(agentId, version, proof.datasetId, proof.shard, contribution, gradientDigest);
            added.gradient = added.gradient.plus(_gradientPoint(entry.columns, proof.proof, gradientDigest));
        }
        entry.shardsDone += added.shards;
        entry.positive = SafeCast.toUint128(entry.positive + added.positive);
        entry.negative = SafeCast.toUint128(entry.negative + added.negative);
        entry.leastBase = uint128(added.leastBase); // only ever decreases
        return added.gradient;
    }

    /// Adds a shard's contribution to its dataset's sum.
    function _addContribution(Part storage part, uint256[] calldata inputs, Added memory added)
        private
        returns (int256 contribution)
    {
        contribution = Statements.signed(inputs[Statements.GRADIENT_CONTRIBUTION]);
        int256 limit = int256(1 << Statements.CONTRIBUTION_LIMIT_BITS);
        if (contribution <= -limit || contribution >= limit) {
            revert PublicValueOutOfRange(Statements.GRADIENT_CONTRIBUTION, inputs[Statements.GRADIENT_CONTRIBUTION]);
        }
        ++added.shards;
        // fewer than 2^16 shards of less than 2^112 each
        part.value += int136(contribution);
        uint16 done = part.shardsDone + 1;
        part.shardsDone = done;
        if (done == part.shards) _addDataset(part, added);
    }

    /// Checks that the gradient proof is about this shard, these weights and this owner; returns the digest of its
    /// gradient.
    function _requireFit(
        Entry storage entry,
        GradientProof calldata proof,
        bytes32 shardDigest,
        bytes32[] memory digests
    ) private view returns (bytes32 gradientDigest) {
        bytes32 proven = digests[Statements.GRADIENT_GROUP_XY];
        if (proven != shardDigest) revert WrongRecords(proof.datasetId, proof.shard, shardDigest, proven);
        bytes32 wDigest = digests[Statements.GRADIENT_GROUP_W];
        if (wDigest != entry.wDigest) revert WrongWeights(entry.wDigest, wDigest);
        _requireContext(Statements.gradientContext(entry.owner, wDigest, shardDigest), proof.inputs[Statements.CTX]);
        return digests[Statements.GRADIENT_GROUP_G];
    }

    /// The gradient's point: the one after the points of the records' columns, the label column and the weights. The
    /// gate has checked that its coordinates are reduced. Its digest must be that of the third group; it differs only
    /// if the circuit's group columns in the gate do not match its layout.
    function _gradientPoint(uint256 columns, bytes calldata proof, bytes32 digest)
        private
        pure
        returns (Points.Point memory point)
    {
        uint256 offset = 64 * (columns + 2);
        (point.x, point.y) = abi.decode(proof[offset:offset + 64], (uint256, uint256));
        if (point.digest() != digest) revert WrongGradient(digest, point.digest());
    }

    /// Adds a dataset to the sums, once all of its gradients were added.
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
    /// The first rule keeps shares honest. Any weights within ε of stationary pass, and a share is an inner product
    /// with those weights: inside a ball as large as the second rule alone allows, an owner could search for the point
    /// that favours a dataset. A fit to full precision leaves only the rounding of the weights, seen through the
    /// Hessian: about δ at most where the link outputs probabilities, more for squared loss.
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

    /// What the contributions must satisfy for shares to be meaningful. Rounding takes at most 2^-20 of their sum,
    /// negative ones at most 2^-10 *in total* (otherwise many slightly negative datasets could inflate everybody else's
    /// claim), and the sum must have its value at the optimum: `ΣN = nλ‖W‖² − ⟨r, W⟩` with `‖r‖ ≤ nε`, and so at least
    /// `nλv²(1 − 2^-9)`.
    function _requireSums(Entry storage entry) private view returns (int256 total) {
        total = _totalOf(entry);
        uint256 shards = entry.shards;
        if (total < int256(shards * Statements.ROUNDING_PARTS)) revert SumTooSmall(total, shards);
        uint256 sum = uint256(total); // positive, since there are shards
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

    function _setDone(Part storage part, bytes32 key, bytes32 root, uint256 shard) private {
        if (shard < BITS_INSIDE) part.done |= uint40(1 << shard);
        else _furtherDone[key][root][shard >> 8] |= 1 << (shard & 0xff);
    }

    function _below(uint256[] calldata inputs, uint256 index, uint256 bits) private pure returns (uint256 value) {
        value = inputs[index];
        if (value >> bits != 0) revert PublicValueOutOfRange(index, value);
    }

    function _requireContext(uint256 expected, uint256 proven) private pure {
        if (proven != expected) revert WrongContext(expected, proven);
    }
}
