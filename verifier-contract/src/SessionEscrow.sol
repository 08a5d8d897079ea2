// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {IAgentRegistry} from "./interfaces/IAgentRegistry.sol";
import {IDatasetRegistry} from "./interfaces/IDatasetRegistry.sol";
import {IProofGate} from "./interfaces/IProofGate.sol";
import {ISessionEscrow} from "./interfaces/ISessionEscrow.sol";
import {Statements} from "./libraries/Statements.sol";
import {RewardAccounts} from "./RewardAccounts.sol";

/// @title Session escrow
/// @notice See {ISessionEscrow}. One token, fixed at deployment; it must not change balances by itself (rebase).
/// Pausing stops new money only: claims, settlements, refunds and withdrawals have no off switch.
contract SessionEscrow is ISessionEscrow, RewardAccounts, EIP712, Ownable2Step, Pausable, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;

    uint256 private constant ALL_BPS = 10_000;
    bytes32 private constant VOUCHER_TYPEHASH =
        keccak256("Voucher(bytes32 session,uint32 version,uint64 count,uint256 transcript)");
    bytes32 private constant SETTLEMENT_TYPEHASH = keccak256("Settlement(bytes32 session,uint64 count)");
    bytes32 private constant OPEN_TYPEHASH = keccak256(
        "OpenSession(address client,bytes32 agentId,uint32 version,uint128 pricePerQuery,uint128 escrow,address sessionKey,uint256 nonce,uint256 deadline)"
    );

    struct Entry {
        // one slot: what every claim writes, besides `remaining` and `transcript`
        address client;
        uint48 proven; // queries proven, up to `transcript`
        uint48 paid; // queries paid, by claims and settlements
        // one slot
        address sessionKey;
        uint64 thawEnd;
        uint32 version;
        // one slot
        uint128 pricePerQuery;
        uint128 remaining;
        bytes32 agentId;
        uint256 transcript;
        // written by thaw requests only
        uint128 thawAmount;
    }

    /// What a claim or settlement takes from sessions.
    struct Taken {
        uint256 amount;
        uint64 queries;
    }

    IERC20 private immutable TOKEN;
    IProofGate private immutable GATE;
    IAgentRegistry private immutable AGENTS;
    IDatasetRegistry private immutable DATASETS;
    uint64 private immutable THAW_PERIOD;

    mapping(address client => uint256) private _sessionCount;
    mapping(bytes32 session => Entry) private _sessions;
    uint256 private _totalEscrow;

    /// @param erc20 The token of all sessions.
    /// @param proofGate The proof gate that checks claims.
    /// @param agents Where agent versions are certified.
    /// @param datasets Where datasets are registered.
    /// @param thawSeconds Seconds between a thaw request and the withdrawal, one minute to ninety days.
    /// @param owner Who may pause new sessions.
    constructor(
        IERC20 erc20,
        IProofGate proofGate,
        IAgentRegistry agents,
        IDatasetRegistry datasets,
        uint64 thawSeconds,
        address owner
    ) EIP712("Tribute", "1") Ownable(owner) {
        if (thawSeconds < 1 minutes || thawSeconds > 90 days) {
            revert ThawPeriodOutOfRange(thawSeconds);
        }
        if (agents.gate() != address(proofGate)) revert OtherDeployment(address(agents));
        if (datasets.gate() != address(proofGate) || agents.datasetRegistry() != address(datasets)) {
            revert OtherDeployment(address(datasets));
        }
        TOKEN = erc20;
        GATE = proofGate;
        AGENTS = agents;
        DATASETS = datasets;
        THAW_PERIOD = thawSeconds;
    }

    /// @inheritdoc ISessionEscrow
    function pause() external onlyOwner {
        _pause();
    }

    /// @inheritdoc ISessionEscrow
    function unpause() external onlyOwner {
        _unpause();
    }

    /// @inheritdoc ISessionEscrow
    function renounceOwnership() public pure override(ISessionEscrow, Ownable) {
        revert OwnerNeeded();
    }

    /// @inheritdoc ISessionEscrow
    function open(OpenParams calldata params) external nonReentrant whenNotPaused returns (bytes32 session) {
        return _open(msg.sender, params);
    }

    /// @inheritdoc ISessionEscrow
    // Every function that moves a token or a session is nonReentrant, and the permit is asked for before anything is written.
    // slither-disable-next-line reentrancy-benign
    function openWithPermit(OpenParams calldata params, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        nonReentrant
        whenNotPaused
        returns (bytes32 session)
    {
        // Somebody may have used the permit first; what counts is whether the transfer succeeds.
        try IERC20Permit(address(TOKEN)).permit(msg.sender, address(this), params.escrow, deadline, v, r, s) {} catch {}
        return _open(msg.sender, params);
    }

    /// @inheritdoc ISessionEscrow
    function openFor(address client, OpenParams calldata params, uint256 deadline, bytes calldata signature)
        external
        nonReentrant
        whenNotPaused
        returns (bytes32 session)
    {
        if (block.timestamp > deadline) revert AuthorisationExpired(deadline);
        bytes32 digest = openDigest(client, params, _sessionCount[client], deadline);
        if (!SignatureChecker.isValidSignatureNowCalldata(client, digest, signature)) {
            revert AuthorisationInvalid(client);
        }
        return _open(client, params);
    }

    /// @inheritdoc ISessionEscrow
    function topUp(bytes32 session, uint128 amount) external nonReentrant whenNotPaused {
        Entry storage entry = _known(session);
        if (amount == 0) revert AmountZero();
        _requireServed(entry.agentId, entry.version);
        entry.remaining += amount;
        _totalEscrow += amount;
        emit SessionToppedUp(session, msg.sender, amount, entry.remaining);
        _collect(msg.sender, amount);
    }

    /// @inheritdoc ISessionEscrow
    function requestThaw(bytes32 session, uint128 amount) external {
        Entry storage entry = _ownSession(session);
        if (amount == 0) revert AmountZero();
        if (entry.thawEnd != 0) revert AlreadyThawing(session, entry.thawEnd);
        uint64 thawEnd = uint64(block.timestamp) + THAW_PERIOD;
        entry.thawEnd = thawEnd;
        entry.thawAmount = amount;
        emit ThawRequested(session, amount, thawEnd);
    }

    /// @inheritdoc ISessionEscrow
    function cancelThaw(bytes32 session) external {
        Entry storage entry = _ownSession(session);
        if (entry.thawEnd == 0) revert NotThawed(session, 0);
        entry.thawEnd = 0;
        entry.thawAmount = 0;
        emit ThawCancelled(session);
    }

    /// @inheritdoc ISessionEscrow
    function withdrawThawed(bytes32 session) external nonReentrant returns (uint256 amount) {
        Entry storage entry = _ownSession(session);
        if (entry.thawEnd == 0 || block.timestamp < entry.thawEnd) revert NotThawed(session, entry.thawEnd);
        uint128 remaining = entry.remaining;
        amount = Math.min(entry.thawAmount, remaining);
        if (amount == 0) revert NothingToWithdraw();
        entry.remaining = remaining - uint128(amount);
        entry.thawEnd = 0;
        entry.thawAmount = 0;
        _totalEscrow -= amount;
        emit ThawedWithdrawn(session, msg.sender, amount, remaining - amount);
        TOKEN.safeTransfer(msg.sender, amount);
    }

    /// @inheritdoc ISessionEscrow
    function claim(ClaimBatch[] calldata batches) external nonReentrant {
        if (batches.length == 0) revert WrongSlotCount(0);
        for (uint256 i = 0; i < batches.length; ++i) {
            _claimBatch(batches[i]);
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
        _split(entry.agentId, entry.version, terms.dataBps, taken);
    }

    /// @inheritdoc ISessionEscrow
    function withdrawProvider(bytes32 agentId, uint32 version, bytes32 datasetId)
        external
        nonReentrant
        returns (uint256 amount)
    {
        (uint256 weight, uint256 total) = AGENTS.rewardWeight(agentId, version, datasetId);
        amount = _takeProvider(_accountOf(agentId, version), datasetId, weight, total);
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
    function token() external view returns (address) {
        return address(TOKEN);
    }

    /// @inheritdoc ISessionEscrow
    function gate() external view returns (address) {
        return address(GATE);
    }

    /// @inheritdoc ISessionEscrow
    function agentRegistry() external view returns (address) {
        return address(AGENTS);
    }

    /// @inheritdoc ISessionEscrow
    function datasetRegistry() external view returns (address) {
        return address(DATASETS);
    }

    /// @inheritdoc ISessionEscrow
    function getSession(bytes32 session) external view returns (Session memory view_) {
        Entry storage entry = _known(session);
        view_ = Session({
            client: entry.client,
            version: entry.version,
            count: entry.proven,
            paid: entry.paid,
            sessionKey: entry.sessionKey,
            thawEnd: entry.thawEnd,
            thawAmount: entry.thawAmount,
            pricePerQuery: entry.pricePerQuery,
            remaining: entry.remaining,
            agentId: entry.agentId,
            transcript: entry.transcript
        });
    }

    /// @inheritdoc ISessionEscrow
    function sessionIdOf(address client, uint256 nonce) external view returns (bytes32 session) {
        return Statements.sessionIdOf(client, nonce);
    }

    /// @inheritdoc ISessionEscrow
    function sessionCount(address client) external view returns (uint256 count) {
        return _sessionCount[client];
    }

    /// @inheritdoc ISessionEscrow
    function firstTranscript(bytes32 session, uint32 version, bytes32 wDigest)
        external
        view
        returns (uint256 transcript)
    {
        return Statements.firstTranscript(session, version, wDigest);
    }

    /// @inheritdoc ISessionEscrow
    function serviceContext(bytes32[] calldata sessions) external view returns (uint256 ctx) {
        return Statements.serviceContext(sessions);
    }

    /// @inheritdoc ISessionEscrow
    function providerDue(bytes32 agentId, uint32 version, bytes32 datasetId) external view returns (uint256 amount) {
        if (!AGENTS.isCertified(agentId, version)) return 0;
        (uint256 weight, uint256 total) = AGENTS.rewardWeight(agentId, version, datasetId);
        return _providerDue(_accountOf(agentId, version), datasetId, weight, total);
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
    function servedQueries(bytes32 agentId, uint32 version) external view returns (uint256 count) {
        return _servedQueries(_accountOf(agentId, version));
    }

    /// @inheritdoc ISessionEscrow
    function liabilities() external view returns (uint256 amount) {
        return _totalEscrow + _unpaidRewards();
    }

    /// @inheritdoc ISessionEscrow
    function totalEscrow() external view returns (uint256 amount) {
        return _totalEscrow;
    }

    /// @inheritdoc ISessionEscrow
    function totalRewards() external view returns (uint256 amount) {
        return _unpaidRewards();
    }

    /// @inheritdoc ISessionEscrow
    function thawPeriod() external view returns (uint64 period) {
        return THAW_PERIOD;
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

    /// @inheritdoc ISessionEscrow
    function openDigest(address client, OpenParams calldata params, uint256 nonce, uint256 deadline)
        public
        view
        returns (bytes32 digest)
    {
        return _hashTypedDataV4(
            keccak256(
                abi.encode(
                    OPEN_TYPEHASH,
                    client,
                    params.agentId,
                    params.version,
                    params.pricePerQuery,
                    params.escrow,
                    params.sessionKey,
                    nonce,
                    deadline
                )
            )
        );
    }

    function _open(address client, OpenParams calldata params) private returns (bytes32 session) {
        if (params.pricePerQuery == 0) revert PriceZero();
        if (params.escrow < params.pricePerQuery) revert EscrowTooSmall(params.escrow, params.pricePerQuery);
        if (params.sessionKey == address(0)) revert SessionKeyZero();
        IAgentRegistry.ServiceTerms memory terms = AGENTS.serviceTerms(params.agentId, params.version);
        if (!terms.certified) revert NotCertified(params.agentId, params.version);
        if (params.pricePerQuery < terms.pricePerQuery) {
            revert PriceBelowVersion(params.pricePerQuery, terms.pricePerQuery);
        }
        _requireServed(params.agentId, params.version);

        session = Statements.sessionIdOf(client, _sessionCount[client]++);
        uint256 transcript = Statements.firstTranscript(session, params.version, terms.wDigest);
        _sessions[session] = Entry({
            client: client,
            proven: 0,
            paid: 0,
            sessionKey: params.sessionKey,
            thawEnd: 0,
            version: params.version,
            pricePerQuery: params.pricePerQuery,
            remaining: params.escrow,
            agentId: params.agentId,
            transcript: transcript,
            thawAmount: 0
        });
        _totalEscrow += params.escrow;
        emit SessionOpened(
            session,
            client,
            params.agentId,
            params.version,
            params.pricePerQuery,
            params.escrow,
            params.sessionKey,
            transcript
        );
        _collect(client, params.escrow);
    }

    /// Takes exactly `amount` from `from`; a token that delivers anything else is refused.
    function _collect(address from, uint256 amount) private {
        uint256 before = TOKEN.balanceOf(address(this));
        // `from` is the caller, or who signed this very opening.
        // slither-disable-next-line arbitrary-send-erc20
        TOKEN.safeTransferFrom(from, address(this), amount);
        uint256 received = TOKEN.balanceOf(address(this)) - before;
        if (received != amount) revert ReceivedOtherAmount(amount, received);
    }

    /// No session of a doubtful version is sold or made larger: its shares, or its answers, may not be what they say.
    function _requireServed(bytes32 agentId, uint32 version) private view {
        bytes32 stopped = AGENTS.stoppedCircuit(agentId, version);
        if (stopped != bytes32(0)) revert IProofGate.StoppedCircuit(stopped);
    }

    function _claimBatch(ClaimBatch calldata batch) private {
        uint256 used = batch.slots.length;
        if (used == 0 || used > Statements.SERVICE_SLOTS) revert WrongSlotCount(used);
        IAgentRegistry.ServiceTerms memory terms = AGENTS.serviceTerms(batch.agentId, batch.version);
        if (!terms.certified) revert NotCertified(batch.agentId, batch.version);

        bytes32 wDigest = GATE.check(terms.serviceCircuitId, batch.inputs, batch.proof)[Statements.SERVICE_GROUP_W];
        if (wDigest != terms.wDigest) revert WrongWeights(terms.wDigest, wDigest);
        _requireContext(batch);
        for (uint256 i = used; i < Statements.SERVICE_SLOTS; ++i) {
            if (batch.inputs[Statements.SERVICE_COUNT + i] != 0) revert UnusedSlotFilled(i);
        }

        Taken memory all = Taken({amount: 0, queries: 0});
        for (uint256 i = 0; i < used; ++i) {
            _claimSlot(batch, i, all);
        }
        if (all.queries > 0) _split(batch.agentId, batch.version, terms.dataBps, all);
    }

    /// Moves one slot's session on to where its proof and voucher end, and takes what that costs.
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

    /// Takes the price of the queries up to `count` that were not paid, as many of them as the escrow covers. What it does
    /// not cover stays unpaid, and is paid by a later claim or settlement if the session is topped up.
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

    /// Splits what was taken between the data providers and the agent's owner.
    function _split(bytes32 agentId, uint32 version, uint16 dataBps, Taken memory taken) private {
        // rounded for the data, or claims of single small fees would leave it nothing
        uint256 toData = Math.ceilDiv(taken.amount * dataBps, ALL_BPS);
        uint256 toOwner = taken.amount - toData;
        _totalEscrow -= taken.amount;
        _accrue(_accountOf(agentId, version), toData.toUint128(), toOwner.toUint128(), taken.queries);
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

    /// Why one slot of a proven batch pays nothing: it is held against what is stored and what the session's key signed.
    function _badSlot(ClaimBatch calldata batch, uint256 slot, Entry storage entry) private view returns (Skip) {
        SlotVoucher calldata voucher = batch.slots[slot];
        if (entry.client == address(0)) return Skip.UnknownSession;
        if (entry.agentId != batch.agentId || entry.version != batch.version) return Skip.OtherVersion;
        if (batch.inputs[Statements.SERVICE_BEFORE + slot] != entry.transcript) return Skip.StaleTranscript;
        uint256 queries = batch.inputs[Statements.SERVICE_COUNT + slot];
        if (queries == 0) return Skip.Empty;
        // what is proven is below 2^48 and an input below 2^254: nothing wraps
        uint256 count = entry.proven + queries;
        if (count != voucher.count || count > type(uint48).max) return Skip.OtherCount;
        if (batch.inputs[Statements.SERVICE_AFTER + slot] != voucher.transcript) return Skip.OtherTranscript;
        return _isSigned(entry, voucher) ? Skip.None : Skip.OtherSigner;
    }

    function _isSigned(Entry storage entry, SlotVoucher calldata voucher) private view returns (bool) {
        bytes32 digest = voucherDigest(voucher.session, entry.version, voucher.count, voucher.transcript);
        // What cannot be recovered comes back as zero, which is no session's key.
        // slither-disable-next-line unused-return
        (address signer,,) = ECDSA.tryRecoverCalldata(digest, voucher.signature);
        return signer == entry.sessionKey;
    }

    function _known(bytes32 session) private view returns (Entry storage entry) {
        entry = _sessions[session];
        if (entry.client == address(0)) revert UnknownSession(session);
    }

    function _ownSession(bytes32 session) private view returns (Entry storage entry) {
        entry = _known(session);
        if (entry.client != msg.sender) revert NotClient(session, msg.sender);
    }
}
