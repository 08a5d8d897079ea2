// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {IAgentRegistry} from "./interfaces/IAgentRegistry.sol";
import {IAgreedWeights} from "./interfaces/IAgreedWeights.sol";
import {IDatasetRegistry} from "./interfaces/IDatasetRegistry.sol";
import {IProofGate} from "./interfaces/IProofGate.sol";
import {ISessionEscrow} from "./interfaces/ISessionEscrow.sol";
import {Statements} from "./libraries/Statements.sol";
import {RewardAccounts} from "./RewardAccounts.sol";
import {Sessions} from "./Sessions.sol";

/// @title Session escrow
/// @notice See {ISessionEscrow}. One token, fixed at deployment; it must not be rebasing. Pausing stops new deposits
/// only: claims, settlements, refunds and withdrawals cannot be paused.
contract SessionEscrow is Sessions, RewardAccounts {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;

    uint256 private constant ALL_BPS = 10_000;
    bytes32 private constant VOUCHER_TYPEHASH =
        keccak256("Voucher(bytes32 session,uint32 version,uint64 count,uint256 transcript)");
    bytes32 private constant SETTLEMENT_TYPEHASH = keccak256("Settlement(bytes32 session,uint64 count)");

    /// Totals that a claim or settlement takes from sessions.
    struct Taken {
        uint256 amount;
        uint64 queries;
    }

    /// @param erc20 The token of all sessions.
    /// @param proofGate The proof gate that checks claims.
    /// @param agents The agent registry.
    /// @param datasets The dataset registry.
    /// @param weights The agreed weights, over the same agent registry.
    /// @param thawSeconds Seconds between a thaw request and the withdrawal, one minute to ninety days.
    /// @param owner The account that may pause new sessions.
    constructor(
        IERC20 erc20,
        IProofGate proofGate,
        IAgentRegistry agents,
        IDatasetRegistry datasets,
        IAgreedWeights weights,
        uint64 thawSeconds,
        address owner
    ) Sessions(erc20, proofGate, agents, datasets, weights, thawSeconds, owner) {}

    /// @inheritdoc ISessionEscrow
    function claim(ClaimBatch[] calldata batches) external nonReentrant {
        uint256 count = batches.length;
        if (count == 0) revert WrongSlotCount(0);
        IAgentRegistry.ServiceTerms[] memory terms = new IAgentRegistry.ServiceTerms[](count);
        IProofGate.CircuitProof[] memory proofs = new IProofGate.CircuitProof[](count);
        for (uint256 i = 0; i < count; ++i) {
            ClaimBatch calldata batch = batches[i];
            if (batch.slots.length == 0 || batch.slots.length > Statements.SERVICE_SLOTS) {
                revert WrongSlotCount(batch.slots.length);
            }
            terms[i] = AGENTS.serviceTerms(batch.agentId, batch.version);
            if (!terms[i].certified) revert NotCertified(batch.agentId, batch.version);
            proofs[i] = IProofGate.CircuitProof(terms[i].serviceCircuitId, batch.inputs, batch.proof);
        }
        bytes32[][] memory digests = GATE.checkAll(proofs);
        for (uint256 i = 0; i < count; ++i) {
            _claimBatch(batches[i], terms[i], digests[i][Statements.SERVICE_GROUP_W]);
        }
    }

    /// @inheritdoc ISessionEscrow
    function settle(bytes32 session, uint64 count, bytes calldata signature) external nonReentrant {
        Entry storage entry = _known(session);
        if (!SignatureChecker.isValidSignatureNowCalldata(entry.client, settlementDigest(session, count), signature)) {
            revert AuthorisationInvalid(entry.client);
        }
        Taken memory taken = _take(entry, count);
        if (taken.queries == 0) revert NothingToSettle(session, entry.paid, count);
        emit SessionSettled(session, entry.agentId, entry.version, entry.paid, taken.queries, taken.amount);
        IAgentRegistry.ServiceTerms memory terms = AGENTS.serviceTerms(entry.agentId, entry.version);
        _split(entry.agentId, entry.version, terms.dataBps, taken, false);
    }

    /// @inheritdoc ISessionEscrow
    function withdrawProvider(bytes32 agentId, uint32 version, bytes32 datasetId)
        external
        nonReentrant
        returns (uint256 amount)
    {
        bytes32 account = _accountOf(agentId, version);
        uint256 earned = WEIGHTS.earned(agentId, version, datasetId, _dataAccrued(account));
        amount = _takeProvider(account, datasetId, earned);
        if (amount == 0) revert NothingToWithdraw();
        address payee = DATASETS.payoutOf(datasetId);
        emit ProviderPaid(agentId, version, datasetId, payee, amount);
        TOKEN.safeTransfer(payee, amount);
    }

    /// @inheritdoc ISessionEscrow
    function withdrawOwner(bytes32 agentId, uint32 version) external nonReentrant returns (uint256 amount) {
        amount = _takeOwner(_accountOf(agentId, version));
        if (amount == 0) revert NothingToWithdraw();
        address payee = AGENTS.payoutOf(agentId);
        emit OwnerPaid(agentId, version, payee, amount);
        TOKEN.safeTransfer(payee, amount);
    }

    /// @inheritdoc ISessionEscrow
    function serviceContext(bytes32[] calldata sessions) external view returns (uint256 ctx) {
        return Statements.serviceContext(sessions);
    }

    /// @inheritdoc ISessionEscrow
    function providerDue(bytes32 agentId, uint32 version, bytes32 datasetId) external view returns (uint256 amount) {
        if (!AGENTS.isCertified(agentId, version)) return 0;
        bytes32 account = _accountOf(agentId, version);
        uint256 earned = WEIGHTS.earned(agentId, version, datasetId, _dataAccrued(account));
        return _providerDue(account, datasetId, earned);
    }

    /// @inheritdoc ISessionEscrow
    function ownerDue(bytes32 agentId, uint32 version) external view returns (uint256 amount) {
        return _ownerDue(_accountOf(agentId, version));
    }

    /// @inheritdoc ISessionEscrow
    function dataAccrued(bytes32 agentId, uint32 version) external view returns (uint256 amount) {
        return _dataAccrued(_accountOf(agentId, version));
    }

    /// @inheritdoc ISessionEscrow
    function servedQueries(bytes32 agentId, uint32 version) external view returns (uint256 proven, uint256 settled) {
        return _servedQueries(_accountOf(agentId, version));
    }

    /// @inheritdoc ISessionEscrow
    function liabilities() external view returns (uint256 amount) {
        return _totalEscrow + _unpaidRewards();
    }

    /// @inheritdoc ISessionEscrow
    function totalRewards() external view returns (uint256 amount) {
        return _unpaidRewards();
    }

    /// @inheritdoc ISessionEscrow
    function voucherDigest(bytes32 session, uint32 version, uint64 count, uint256 transcript)
        public
        view
        returns (bytes32 digest)
    {
        return _hashTypedDataV4(keccak256(abi.encode(VOUCHER_TYPEHASH, session, version, count, transcript)));
    }

    /// @inheritdoc ISessionEscrow
    function settlementDigest(bytes32 session, uint64 count) public view returns (bytes32 digest) {
        return _hashTypedDataV4(keccak256(abi.encode(SETTLEMENT_TYPEHASH, session, count)));
    }

    /// Pays for a batch whose proof was checked, given the digest of its weights.
    function _claimBatch(ClaimBatch calldata batch, IAgentRegistry.ServiceTerms memory terms, bytes32 wDigest) private {
        uint256 used = batch.slots.length;
        if (wDigest != terms.wDigest) revert WrongWeights(terms.wDigest, wDigest);
        _requireContext(batch);
        for (uint256 i = used; i < Statements.SERVICE_SLOTS; ++i) {
            if (batch.inputs[Statements.SERVICE_COUNT + i] != 0) revert UnusedSlotFilled(i);
        }

        Taken memory all = Taken({amount: 0, queries: 0});
        for (uint256 i = 0; i < used; ++i) {
            _claimSlot(batch, i, all);
        }
        if (all.queries > 0) _split(batch.agentId, batch.version, terms.dataBps, all, true);
    }

    /// Advances one slot's session to where its proof and voucher end, and charges for the queries.
    function _claimSlot(ClaimBatch calldata batch, uint256 slot, Taken memory all) private {
        SlotVoucher calldata voucher = batch.slots[slot];
        bytes32 session = voucher.session;
        Entry storage entry = _sessions[session];
        Skip reason = _badSlot(batch, slot, entry);
        if (reason != Skip.None) {
            emit SlotSkipped(session, slot, reason);
            return;
        }
        entry.proven = uint48(voucher.count);
        entry.transcript = voucher.transcript;
        Taken memory taken = _take(entry, voucher.count);
        all.amount += taken.amount;
        all.queries += taken.queries;
        emit QueriesClaimed(
            session,
            batch.agentId,
            batch.version,
            voucher.count,
            voucher.transcript,
            entry.paid,
            taken.queries,
            taken.amount
        );
    }

    /// Charges the unpaid queries up to `count`, as many of them as the escrow covers. The rest stay unpaid until a
    /// later claim or settlement, after the session was topped up.
    function _take(Entry storage entry, uint64 count) private returns (Taken memory taken) {
        uint64 paid = entry.paid;
        if (count <= paid) return taken;
        uint128 remaining = entry.remaining;
        uint128 price = entry.pricePerQuery;
        taken.queries = uint64(Math.min(count - paid, remaining / price));
        taken.amount = uint256(taken.queries) * price;
        entry.remaining = remaining - uint128(taken.amount);
        entry.paid = uint256(paid + taken.queries).toUint48();
    }

    /// Splits the amount charged between the data providers and the agent's owner.
    function _split(bytes32 agentId, uint32 version, uint16 dataBps, Taken memory taken, bool proven) private {
        // rounded in favour of the data providers: rounding down would leave them nothing of single small fees
        uint256 toData = Math.ceilDiv(taken.amount * dataBps, ALL_BPS);
        uint256 toOwner = taken.amount - toData;
        _totalEscrow -= taken.amount;
        _accrue(_accountOf(agentId, version), toData.toUint128(), toOwner.toUint128(), taken.queries, proven);
        emit FeesAccrued(agentId, version, taken.queries, toData, toOwner);
    }

    function _requireContext(ClaimBatch calldata batch) private view {
        bytes32[] memory sessions = new bytes32[](batch.slots.length);
        for (uint256 i = 0; i < sessions.length; ++i) {
            sessions[i] = batch.slots[i].session;
        }
        uint256 expected = Statements.serviceContext(sessions);
        uint256 proven = batch.inputs[Statements.CTX];
        if (proven != expected) revert WrongContext(expected, proven);
    }

    /// Why one slot of a proven batch pays nothing, if so: compares it with the stored session and the signed voucher.
    function _badSlot(ClaimBatch calldata batch, uint256 slot, Entry storage entry) private view returns (Skip) {
        SlotVoucher calldata voucher = batch.slots[slot];
        if (entry.client == address(0)) return Skip.UnknownSession;
        if (entry.agentId != batch.agentId || entry.version != batch.version) return Skip.OtherVersion;
        if (batch.inputs[Statements.SERVICE_BEFORE + slot] != entry.transcript) return Skip.StaleTranscript;
        uint256 queries = batch.inputs[Statements.SERVICE_COUNT + slot];
        if (queries == 0) return Skip.Empty;
        // the proven count is below 2^48 and an input below 2^254: no overflow
        uint256 count = entry.proven + queries;
        if (count != voucher.count || count > type(uint48).max) return Skip.OtherCount;
        if (batch.inputs[Statements.SERVICE_AFTER + slot] != voucher.transcript) return Skip.OtherTranscript;
        return _isSigned(entry, voucher) ? Skip.None : Skip.OtherSigner;
    }

    function _isSigned(Entry storage entry, SlotVoucher calldata voucher) private view returns (bool) {
        bytes32 digest = voucherDigest(voucher.session, entry.version, voucher.count, voucher.transcript);
        // A failed recovery returns the zero address, which is no session's key.
        // slither-disable-next-line unused-return
        (address signer,,) = ECDSA.tryRecoverCalldata(digest, voucher.signature);
        return signer == entry.sessionKey;
    }
}
