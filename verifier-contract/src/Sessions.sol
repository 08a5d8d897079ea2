// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {IAgentRegistry} from "./interfaces/IAgentRegistry.sol";
import {IAgreedWeights} from "./interfaces/IAgreedWeights.sol";
import {IDatasetRegistry} from "./interfaces/IDatasetRegistry.sol";
import {IProofGate} from "./interfaces/IProofGate.sol";
import {ISessionEscrow} from "./interfaces/ISessionEscrow.sol";
import {Statements} from "./libraries/Statements.sol";

/// @title Sessions: opened, topped up and thawed by their clients
/// @notice The part of {ISessionEscrow} in which clients deposit tokens and get them back. Pausing stops new deposits
/// only.
abstract contract Sessions is ISessionEscrow, EIP712, Ownable2Step, Pausable, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    bytes32 private constant OPEN_TYPEHASH = keccak256(
        "OpenSession(address client,bytes32 agentId,uint32 version,uint128 pricePerQuery,uint128 escrow,address sessionKey,uint256 nonce,uint256 deadline)"
    );

    struct Entry {
        // one slot: written by every claim, along with `remaining` and `transcript`
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

    IERC20 internal immutable TOKEN;
    IProofGate internal immutable GATE;
    IAgentRegistry internal immutable AGENTS;
    IDatasetRegistry internal immutable DATASETS;
    IAgreedWeights internal immutable WEIGHTS;
    uint64 private immutable THAW_PERIOD;
    mapping(address client => uint256) private _sessionCount;
    mapping(bytes32 session => Entry) internal _sessions;
    uint256 internal _totalEscrow;

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
    ) EIP712("Tribute", "1") Ownable(owner) {
        if (thawSeconds < 1 minutes || thawSeconds > 90 days) {
            revert ThawPeriodOutOfRange(thawSeconds);
        }
        if (agents.gate() != address(proofGate)) revert OtherDeployment(address(agents));
        if (datasets.gate() != address(proofGate) || agents.datasetRegistry() != address(datasets)) {
            revert OtherDeployment(address(datasets));
        }
        if (weights.agentRegistry() != address(agents)) revert OtherDeployment(address(weights));
        if (datasets.token() != address(erc20)) revert OtherToken(datasets.token(), address(erc20));
        TOKEN = erc20;
        GATE = proofGate;
        AGENTS = agents;
        DATASETS = datasets;
        WEIGHTS = weights;
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
    // Every function that moves tokens or changes a session is nonReentrant, and the permit is called before any write.
    // slither-disable-next-line reentrancy-benign
    function openWithPermit(OpenParams calldata params, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        nonReentrant
        whenNotPaused
        returns (bytes32 session)
    {
        // Somebody may have front-run the permit; only the success of the transfer matters.
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
    function agreedWeights() external view returns (address) {
        return address(WEIGHTS);
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
    function totalEscrow() external view returns (uint256 amount) {
        return _totalEscrow;
    }

    /// @inheritdoc ISessionEscrow
    function thawPeriod() external view returns (uint64 period) {
        return THAW_PERIOD;
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

    function _known(bytes32 session) internal view returns (Entry storage entry) {
        entry = _sessions[session];
        if (entry.client == address(0)) revert UnknownSession(session);
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

    /// Transfers exactly `amount` from `from`; reverts if the token delivers anything else.
    function _collect(address from, uint256 amount) private {
        uint256 before = TOKEN.balanceOf(address(this));
        // `from` is the caller, or the client who signed this opening.
        // slither-disable-next-line arbitrary-send-erc20
        TOKEN.safeTransferFrom(from, address(this), amount);
        uint256 received = TOKEN.balanceOf(address(this)) - before;
        if (received != amount) revert ReceivedOtherAmount(amount, received);
    }

    /// No session of a doubtful version may be opened or topped up: its shares or its answers may be wrong.
    function _requireServed(bytes32 agentId, uint32 version) private view {
        bytes32 stopped = AGENTS.stoppedCircuit(agentId, version);
        if (stopped != bytes32(0)) revert IProofGate.StoppedCircuit(stopped);
    }

    function _ownSession(bytes32 session) private view returns (Entry storage entry) {
        entry = _known(session);
        if (entry.client != msg.sender) revert NotClient(session, msg.sender);
    }
}
