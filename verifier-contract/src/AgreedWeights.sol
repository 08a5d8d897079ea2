// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {IAgentRegistry} from "./interfaces/IAgentRegistry.sol";
import {IAgreedWeights} from "./interfaces/IAgreedWeights.sol";
import {ISessionEscrow} from "./interfaces/ISessionEscrow.sol";
import {Statements} from "./libraries/Statements.sol";
import {ValuationDraws} from "./ValuationDraws.sol";
import {WeightMessages} from "./WeightMessages.sol";

/// @title Agreed weights
/// @notice See {IAgreedWeights}. It holds no funds and has no owner.
contract AgreedWeights is IAgreedWeights, WeightMessages, ValuationDraws {
    uint256 private constant ONE = 1e18;
    uint256 private constant ALL_BPS = 10_000;
    // A withdrawal reads three slots for each change. The last ones are kept for weights that all owners signed.
    uint256 private constant CHANGES_MOST = 32;
    uint256 private constant CHANGES_ACCEPTED = 24;

    struct Change {
        bytes32 proposal;
        uint128 mark; // accrued for data when it came into force
    }

    struct VersionEntry {
        // one slot
        uint32 roundsOver;
        uint64 until;
        bytes32 waiting;
        Change[] changes;
    }

    uint64 private immutable CHALLENGE_PERIOD;
    address private immutable DEPLOYER;
    ISessionEscrow private _escrow;
    mapping(bytes32 agentId => mapping(uint32 version => VersionEntry)) private _entries;
    mapping(bytes32 proposal => Installation) private _installations;
    mapping(bytes32 proposal => mapping(bytes32 datasetId => uint64)) private _weights;
    mapping(bytes32 root => mapping(address grantee => Acceptance)) private _acceptances;
    mapping(bytes32 agentId => mapping(uint32 version => mapping(bytes32 datasetId => bool))) private _refused;

    /// @param agents The agent registry; its dataset registry is used.
    /// @param challengeSeconds Seconds in which a waiting proposal can be objected to, one minute to ninety days.
    constructor(IAgentRegistry agents, uint64 challengeSeconds) EIP712("Tribute", "1") ValuationDraws(agents) {
        if (challengeSeconds < 1 minutes || challengeSeconds > 90 days) {
            revert ChallengePeriodOutOfRange(challengeSeconds);
        }
        CHALLENGE_PERIOD = challengeSeconds;
        DEPLOYER = msg.sender;
    }

    /// @inheritdoc IAgreedWeights
    // Zero has no code, so asking it for its weights reverts.
    // slither-disable-next-line missing-zero-check
    function bindEscrow(address escrow) external {
        if (msg.sender != DEPLOYER || address(_escrow) != address(0)) revert NotBindable(msg.sender);
        if (ISessionEscrow(escrow).agreedWeights() != address(this)) revert OtherDeployment(escrow);
        _escrow = ISessionEscrow(escrow);
        emit EscrowBound(escrow);
    }

    /// @inheritdoc IAgreedWeights
    function acceptValuations(bytes32 datasetId, address grantee, address attester, bytes32 testSet) external {
        _requireOwner(datasetId);
        _accept(datasetId, grantee, attester, testSet);
    }

    /// @inheritdoc IAgreedWeights
    function acceptValuationsFor(
        bytes32 datasetId,
        address grantee,
        address attester,
        bytes32 testSet,
        Authority calldata authority
    ) external {
        bytes32 message = _nextAcceptStruct(datasetId, grantee, attester, testSet, authority.nonce, authority.deadline);
        _requireSigned(DATASETS.datasetOwner(datasetId), message, authority);
        _accept(datasetId, grantee, attester, testSet);
    }

    /// @inheritdoc IAgreedWeights
    function install(
        Proposal calldata proposal,
        Authority calldata attestation,
        uint256 first,
        Authority[] calldata consents
    ) external {
        _inRound(proposal.agentId, proposal.version, proposal.round);
        bytes memory signed = _signedParts(proposal);
        bytes32 id = _idOf(signed, proposal.attester);
        Installation memory state = _installations[id];
        uint256 before = state.placed;
        uint256 next = first + consents.length;
        if (consents.length == 0) revert NothingToPlace();
        if (first > before || next > proposal.datasetIds.length) revert OutOfStep(before, first, consents.length);
        if (before == 0) state = _begin(proposal, id, signed, attestation);
        bool whole = consents.length == proposal.datasetIds.length;
        bool agreed = _placeAll(proposal, id, signed, first, whole ? 0 : before, consents, state.grantee);
        bool atOnce = whole && agreed;
        // A call that places nothing changes nothing: else repeating one could replace whichever proposal waits.
        if (!atOnce && next <= before) return;
        (state.placed, state.accepted) = (uint32(next), !atOnce && (state.accepted || !agreed));
        _installations[id] = state;
        if (next < proposal.datasetIds.length) return;
        // Before it waits: what could never come into force must not replace a proposal that can.
        uint256 count = _entries[proposal.agentId][proposal.version].changes.length;
        if (count >= (state.accepted ? CHANGES_ACCEPTED : CHANGES_MOST)) revert TooManyChanges(count);
        if (atOnce) _bringIntoForce(proposal.agentId, proposal.version, id, state);
        else _wait(proposal.agentId, proposal.version, id);
    }

    /// @inheritdoc IAgreedWeights
    function enforce(bytes32 agentId, uint32 version) external {
        VersionEntry storage entry = _entries[agentId][version];
        bytes32 id = entry.waiting;
        if (id == bytes32(0)) revert NothingWaits(agentId, version);
        if (block.timestamp < entry.until) revert StillChallengeable(entry.until);
        _bringIntoForce(agentId, version, id, _installations[id]);
    }

    /// @inheritdoc IAgreedWeights
    function object(bytes32 agentId, uint32 version, uint32 round, bytes32 datasetId) external {
        _requireOwner(datasetId);
        _object(agentId, version, round, datasetId, msg.sender);
    }

    /// @inheritdoc IAgreedWeights
    function objectFor(bytes32 agentId, uint32 version, uint32 round, bytes32 datasetId, Authority calldata authority)
        external
    {
        address owner = DATASETS.datasetOwner(datasetId);
        bytes32 message = _objectStruct(agentId, version, round, datasetId, authority.nonce, authority.deadline);
        _requireSigned(owner, message, authority);
        _object(agentId, version, round, datasetId, owner);
    }

    /// @inheritdoc IAgreedWeights
    function earned(bytes32 agentId, uint32 version, bytes32 datasetId, uint256 accrued)
        external
        view
        returns (uint256 amount)
    {
        (uint256 weight, uint256 total) = AGENTS.rewardWeight(agentId, version, datasetId);
        Change[] storage changes = _entries[agentId][version].changes;
        uint256 count = changes.length;
        uint256 from = 0;
        for (uint256 i = 0; i < count; ++i) {
            uint256 mark = changes[i].mark;
            amount += Math.mulDiv(mark - from, weight, total);
            (weight, total, from) = (_weights[changes[i].proposal][datasetId], ONE, mark);
        }
        amount += Math.mulDiv(accrued - from, weight, total);
    }

    /// @inheritdoc IAgreedWeights
    function weightOf(bytes32 agentId, uint32 version, bytes32 datasetId)
        external
        view
        returns (uint256 weight, uint256 total)
    {
        (weight, total) = AGENTS.rewardWeight(agentId, version, datasetId);
        Change[] storage changes = _entries[agentId][version].changes;
        uint256 count = changes.length;
        if (count != 0) (weight, total) = (_weights[changes[count - 1].proposal][datasetId], ONE);
    }

    /// @inheritdoc IAgreedWeights
    function stateOf(bytes32 agentId, uint32 version) external view returns (State memory state) {
        VersionEntry storage entry = _entries[agentId][version];
        state.round = entry.roundsOver + 1;
        state.changes = uint32(entry.changes.length);
        state.waiting = entry.waiting;
        state.until = entry.until;
        if (state.changes == 0) return state;
        Change storage last = entry.changes[state.changes - 1];
        state.inForce = last.proposal;
        state.since = last.mark;
        state.valuation = _installations[last.proposal].valuation;
    }

    /// @inheritdoc IAgreedWeights
    function roundOf(bytes32 agentId, uint32 version) external view returns (uint32 round) {
        return _entries[agentId][version].roundsOver + 1;
    }

    /// @inheritdoc IAgreedWeights
    function installationOf(bytes32 proposal) external view returns (Installation memory installation) {
        return _installations[proposal];
    }

    /// @inheritdoc IAgreedWeights
    function placedWeight(bytes32 proposal, bytes32 datasetId) external view returns (uint64 weight) {
        return _weights[proposal][datasetId];
    }

    /// @inheritdoc IAgreedWeights
    function acceptanceOf(bytes32 datasetId, address grantee) external view returns (Acceptance memory acceptance) {
        return _acceptances[_rootOf(datasetId)][grantee];
    }

    /// @inheritdoc IAgreedWeights
    function refusedBefore(bytes32 agentId, uint32 version, bytes32 datasetId) external view returns (bool refused) {
        return _refused[agentId][version][datasetId];
    }

    /// @inheritdoc IAgreedWeights
    function challengePeriod() external view returns (uint64 period) {
        return CHALLENGE_PERIOD;
    }

    /// @inheritdoc IAgreedWeights
    function agentRegistry() external view returns (address) {
        return address(AGENTS);
    }

    /// @inheritdoc IAgreedWeights
    function sessionEscrow() external view returns (address) {
        return address(_escrow);
    }

    /// @inheritdoc IAgreedWeights
    function agreeDigest(Proposal calldata proposal, uint256 index, uint256 nonce, uint256 deadline)
        external
        view
        returns (bytes32 digest)
    {
        return _hashTypedDataV4(_agreeStruct(proposal, index, _signedParts(proposal), nonce, deadline));
    }

    /// @inheritdoc IAgreedWeights
    function attestDigest(Proposal calldata proposal, uint256 nonce, uint256 deadline)
        external
        view
        returns (bytes32 digest)
    {
        return _hashTypedDataV4(_attestStruct(_signedParts(proposal), nonce, deadline));
    }

    /// @inheritdoc IAgreedWeights
    function acceptValuationsDigest(
        bytes32 datasetId,
        address grantee,
        address attester,
        bytes32 testSet,
        uint256 nonce,
        uint256 deadline
    ) external view returns (bytes32 digest) {
        return _hashTypedDataV4(_nextAcceptStruct(datasetId, grantee, attester, testSet, nonce, deadline));
    }

    /// @inheritdoc IAgreedWeights
    function objectDigest(
        bytes32 agentId,
        uint32 version,
        uint32 round,
        bytes32 datasetId,
        uint256 nonce,
        uint256 deadline
    ) external view returns (bytes32 digest) {
        return _hashTypedDataV4(_objectStruct(agentId, version, round, datasetId, nonce, deadline));
    }

    /// @inheritdoc IAgreedWeights
    function proposalId(Proposal calldata proposal) external pure returns (bytes32 id) {
        return _idOf(_signedParts(proposal), proposal.attester);
    }

    function _accept(bytes32 datasetId, address grantee, address attester, bytes32 testSet) private {
        if (attester != address(0)) _rootOf(testSet); // reverts if unknown
        bytes32 root = _rootOf(datasetId);
        Acceptance storage entry = _acceptances[root][grantee];
        address owner = DATASETS.datasetOwner(datasetId);
        uint32 serial = entry.serial + 1;
        (entry.owner, entry.serial, entry.attester, entry.testSet) = (owner, serial, attester, testSet);
        emit ValuationsAccepted(root, grantee, owner, serial, attester, testSet);
    }

    /// Checks a proposal as a whole, and its attestation if it names an attester.
    function _begin(Proposal calldata proposal, bytes32 id, bytes memory signed, Authority calldata attestation)
        private
        returns (Installation memory state)
    {
        (bytes32 agentId, uint32 version) = (proposal.agentId, proposal.version);
        if (!AGENTS.isCertified(agentId, version)) revert NotCertified(agentId, version);
        IAgentRegistry.Version memory listed = AGENTS.getVersion(agentId, version);
        _requireWhole(proposal, listed.listHash);
        if (proposal.attester != address(0)) {
            if (AGENTS.lists(agentId, version, _rootOf(proposal.testSet))) revert TrainedOn(proposal.testSet);
            bytes32 message = _attestStruct(signed, attestation.nonce, attestation.deadline);
            _requireSigned(proposal.attester, message, attestation);
        }
        (state.grantee, state.valuation) = (listed.owner, proposal.valuation);
        emit WeightsProposed(
            agentId, version, id, proposal.round, proposal.valuation, proposal.testSet, proposal.attester
        );
    }

    /// Places the weights from index `from` on, where `consents` begin at `first`; returns whether all their owners signed.
    function _placeAll(
        Proposal calldata proposal,
        bytes32 id,
        bytes memory signed,
        uint256 first,
        uint256 from,
        Authority[] calldata consents,
        address grantee
    ) private returns (bool agreed) {
        agreed = true;
        for (uint256 i = from; i < first + consents.length; ++i) {
            if (!_place(proposal, id, i, signed, consents[i - first], grantee)) agreed = false;
        }
    }

    /// Places one dataset's weight; returns whether its owner signed it.
    function _place(
        Proposal calldata proposal,
        bytes32 id,
        uint256 index,
        bytes memory signed,
        Authority calldata consent,
        address grantee
    ) private returns (bool agreed) {
        bytes32 datasetId = proposal.datasetIds[index];
        address owner = DATASETS.datasetOwner(datasetId);
        agreed = consent.deadline != 0;
        if (agreed) {
            bytes32 message = _agreeStruct(proposal, index, signed, consent.nonce, consent.deadline);
            _requireValid(owner, message, consent);
        } else {
            _requireAccepted(proposal, index, owner, grantee);
        }
        uint64 weight = proposal.weights[index];
        _weights[id][datasetId] = weight;
        emit WeightPlaced(proposal.agentId, proposal.version, datasetId, id, weight, owner, agreed);
    }

    function _wait(bytes32 agentId, uint32 version, bytes32 id) private {
        VersionEntry storage entry = _entries[agentId][version];
        uint64 until = uint64(block.timestamp) + CHALLENGE_PERIOD;
        (entry.waiting, entry.until) = (id, until);
        emit WeightsWaiting(agentId, version, id, until);
    }

    function _bringIntoForce(bytes32 agentId, uint32 version, bytes32 id, Installation memory state) private {
        VersionEntry storage entry = _entries[agentId][version];
        uint256 since = _escrow.dataAccrued(agentId, version);
        entry.changes.push(Change({proposal: id, mark: SafeCast.toUint128(since)}));
        _nextRound(entry);
        emit WeightsInForce(agentId, version, id, state.valuation, since);
    }

    function _object(bytes32 agentId, uint32 version, uint32 round, bytes32 datasetId, address owner) private {
        VersionEntry storage entry = _inRound(agentId, version, round);
        if (AGENTS.contributionOf(agentId, version, datasetId).shards == 0) revert DatasetNotInVersion(datasetId);
        if (entry.waiting != bytes32(0) && block.timestamp >= entry.until) revert ChallengeOver(entry.until);
        _refused[agentId][version][datasetId] = true;
        _nextRound(entry);
        emit WeightsRefused(agentId, version, datasetId, round, owner);
    }

    function _nextRound(VersionEntry storage entry) private {
        ++entry.roundsOver;
        entry.until = 0;
        entry.waiting = bytes32(0);
    }

    function _inRound(bytes32 agentId, uint32 version, uint32 round) private view returns (VersionEntry storage entry) {
        entry = _entries[agentId][version];
        uint32 current = entry.roundsOver + 1;
        if (round != current) revert OtherRound(current, round);
    }

    /// Checks that an acceptance covers the dataset, and its least share.
    function _requireAccepted(Proposal calldata proposal, uint256 index, address owner, address grantee) private view {
        bytes32 datasetId = proposal.datasetIds[index];
        bytes32 root = _rootOf(datasetId);
        bool covered = proposal.attester != address(0) && !_refused[proposal.agentId][proposal.version][datasetId]
            && (_covers(_acceptances[root][grantee], proposal, owner)
                || _covers(_acceptances[root][address(0)], proposal, owner));
        if (!covered) revert NoConsent(datasetId, owner);
        uint16 least = AGENTS.contributionOf(proposal.agentId, proposal.version, datasetId).minShareBps;
        uint64 weight = proposal.weights[index];
        if (weight * ALL_BPS < least * ONE) revert BelowLeastShare(datasetId, weight, least);
    }

    function _requireOwner(bytes32 datasetId) private view {
        if (DATASETS.datasetOwner(datasetId) != msg.sender) revert NotDatasetOwner(datasetId, msg.sender);
    }

    function _covers(Acceptance storage acceptance, Proposal calldata proposal, address owner)
        private
        view
        returns (bool)
    {
        return acceptance.owner == owner && acceptance.attester == proposal.attester
            && acceptance.testSet == proposal.testSet;
    }

    function _rootOf(bytes32 datasetId) private view returns (bytes32 root) {
        // slither-disable-next-line unused-return
        (root,) = DATASETS.versionOf(datasetId);
    }

    /// Contains the serial of the next acceptance, so a signed one becomes invalid once another is set or withdrawn.
    function _nextAcceptStruct(
        bytes32 datasetId,
        address grantee,
        address attester,
        bytes32 testSet,
        uint256 nonce,
        uint256 deadline
    ) private view returns (bytes32) {
        uint32 serial = _acceptances[_rootOf(datasetId)][grantee].serial + 1;
        return _acceptStruct(datasetId, grantee, serial, attester, testSet, nonce, deadline);
    }

    /// Checks that there is one weight for each dataset of the list, and that they add up to one.
    function _requireWhole(Proposal calldata proposal, bytes32 expected) private pure {
        uint256 count = proposal.datasetIds.length;
        if (proposal.weights.length != count) revert WeightsMissing(count, proposal.weights.length);
        bytes32 listHash = bytes32(0);
        uint256 sum = 0;
        for (uint256 i = 0; i < count; ++i) {
            listHash = Statements.listed(listHash, proposal.datasetIds[i]);
            sum += proposal.weights[i];
        }
        if (listHash != expected) revert OtherList(expected, listHash);
        if (sum != ONE) revert SumNotOne(sum);
    }
}
