// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title Session escrow: prepaid queries, proven claims, rewards by share
/// @notice A client escrows tokens for one agent version at a price per query and authorises one session key for good.
/// The agent's owner claims with cumulative vouchers signed by that key and proofs that every counted answer is the
/// agent's own. Fees go to the owner and to the data providers by their proven shares.
interface ISessionEscrow {
    /// @notice What a client decides about a session.
    struct OpenParams {
        /// The agent.
        bytes32 agentId;
        /// Its certified version.
        uint32 version;
        /// Tokens per answered query.
        uint128 pricePerQuery;
        /// Tokens to escrow.
        uint128 escrow;
        /// Key that signs vouchers: plain ECDSA, fixed for the life of the session.
        address sessionKey;
    }

    /// @notice A session as it stands.
    struct Session {
        /// Who escrowed and gets the remainder back.
        address client;
        /// Version of the agent.
        uint32 version;
        /// Queries paid.
        uint64 count;
        /// Key that signs vouchers.
        address sessionKey;
        /// Second from which the remainder can be withdrawn; 0 unless thawing.
        uint64 thawEnd;
        /// Tokens per answered query.
        uint128 pricePerQuery;
        /// Tokens not yet claimed or withdrawn.
        uint128 remaining;
        /// The agent.
        bytes32 agentId;
        /// Transcript at which the paid queries end.
        uint256 transcript;
    }

    /// @notice A voucher for the session in one slot of a service proof.
    struct SlotVoucher {
        /// The session.
        bytes32 session;
        /// All queries of the session so far.
        uint64 count;
        /// Transcript at which they end.
        uint256 transcript;
        /// Signature by the session key over the EIP-712 voucher.
        bytes signature;
    }

    /// @notice One service proof and the vouchers of its used slots, in slot order.
    struct ClaimBatch {
        /// The agent.
        bytes32 agentId;
        /// The version whose circuit and weights the proof is about.
        uint32 version;
        /// Public inputs of the proof.
        uint256[] inputs;
        /// The proof.
        bytes proof;
        /// Vouchers, one for each used slot.
        SlotVoucher[] slots;
    }

    /// @notice A session was opened.
    event SessionOpened(
        bytes32 indexed session,
        address indexed client,
        bytes32 indexed agentId,
        uint32 version,
        uint128 pricePerQuery,
        uint128 escrow,
        address sessionKey,
        uint256 transcript
    );
    /// @notice The client asked for the remainder; claims succeed until it is withdrawn.
    event ThawRequested(bytes32 indexed session, uint64 thawEnd);
    /// @notice The client took the remainder.
    event RemainderWithdrawn(bytes32 indexed session, address indexed client, uint256 amount);
    /// @notice Queries of a session were claimed; `count` and `transcript` are the new cumulative values.
    event QueriesClaimed(bytes32 indexed session, uint64 count, uint256 transcript, uint256 amount);
    /// @notice Fees were accrued for a version.
    event FeesAccrued(bytes32 indexed agentId, uint32 indexed version, uint256 toData, uint256 toOwner);
    /// @notice A dataset's owner took rewards.
    event ProviderPaid(
        bytes32 indexed agentId, uint32 indexed version, bytes32 indexed datasetId, address owner, uint256 amount
    );
    /// @notice An agent's owner took fees.
    event OwnerPaid(bytes32 indexed agentId, uint32 indexed version, address owner, uint256 amount);

    /// @notice The version is not certified.
    error NotCertified(bytes32 agentId, uint32 version);
    /// @notice A session needs a positive price.
    error PriceZero();
    /// @notice The escrow does not pay for one query.
    error EscrowTooSmall(uint128 escrow, uint128 pricePerQuery);
    /// @notice A session needs a key.
    error SessionKeyZero();
    /// @notice The token delivered another amount than was sent.
    error ReceivedOtherAmount(uint256 expected, uint256 received);
    /// @notice The authorisation to open has expired.
    error AuthorisationExpired(uint256 deadline);
    /// @notice The client did not authorise this opening.
    error AuthorisationInvalid(address client);
    /// @notice No session has this id.
    error UnknownSession(bytes32 session);
    /// @notice Only the session's client may do this.
    error NotClient(bytes32 session, address caller);
    /// @notice The session thaws already.
    error AlreadyThawing(bytes32 session, uint64 thawEnd);
    /// @notice The remainder can be withdrawn only after the thaw period.
    error NotThawed(bytes32 session, uint64 thawEnd);
    /// @notice Nothing is left to take.
    error NothingToWithdraw();
    /// @notice Only the agent's owner claims.
    error NotAgentOwner(bytes32 agentId, address caller);
    /// @notice A claim needs at least one batch, a batch at least one slot and at most sixteen.
    error WrongSlotCount(uint256 slots);
    /// @notice The proof is about other weights than the version's.
    error WrongWeights(bytes32 expected, bytes32 proven);
    /// @notice The proof was made for other sessions, another contract or chain.
    error WrongContext(uint256 expected, uint256 proven);
    /// @notice The session belongs to another agent or version.
    error WrongVersion(bytes32 session, bytes32 agentId, uint32 version);
    /// @notice The session stands twice in one claim.
    error SessionRepeated(bytes32 session);
    /// @notice The proof does not start where the last claim ended.
    error StaleTranscript(bytes32 session, uint256 stored, uint256 proven);
    /// @notice The proof does not end where the voucher says.
    error TranscriptMismatch(bytes32 session, uint256 signed, uint256 proven);
    /// @notice The voucher counts other queries than are proven.
    error VoucherCountMismatch(bytes32 session, uint256 provenTotal, uint64 signed);
    /// @notice The slot proves no query.
    error EmptySlot(uint256 slot);
    /// @notice A slot without a voucher proves queries.
    error UnusedSlotFilled(uint256 slot);
    /// @notice The voucher is not signed by the session's key.
    error VoucherSignerMismatch(bytes32 session, address expected, address recovered);
    /// @notice The session's escrow does not cover the claim.
    error EscrowShort(bytes32 session, uint256 owed, uint256 remaining);
    /// @notice Only the dataset's owner may do this.
    error NotDatasetOwner(bytes32 datasetId, address caller);
    /// @notice A thaw period is between one minute and ninety days.
    error ThawPeriodOutOfRange(uint64 period);

    /// @notice Opens a session for the caller, who has approved the escrow.
    function open(OpenParams calldata params) external returns (bytes32 session);

    /// @notice Opens a session for the caller with an ERC-2612 permit for the escrow.
    function openWithPermit(OpenParams calldata params, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        returns (bytes32 session);

    /// @notice Opens a session for `client`, who signed the EIP-712 `OpenSession` (ECDSA, or ERC-1271 for a wallet) and
    /// has approved the escrow. This is the only place where a wallet's signature is asked for.
    function openFor(address client, OpenParams calldata params, uint256 deadline, bytes calldata signature)
        external
        returns (bytes32 session);

    /// @notice Starts the thaw period; only the client.
    function requestThaw(bytes32 session) external;

    /// @notice Pays the remainder back after the thaw period; only the client.
    function withdrawRemainder(bytes32 session) external returns (uint256 amount);

    /// @notice Claims proven queries; only by the owner of every agent named.
    function claim(ClaimBatch[] calldata batches) external;

    /// @notice Pays a dataset's owner what the dataset earned with a version; only that owner.
    function withdrawProvider(bytes32 agentId, uint32 version, bytes32 datasetId) external returns (uint256 amount);

    /// @notice Pays an agent's owner what a version earned; only that owner.
    function withdrawOwner(bytes32 agentId, uint32 version) external returns (uint256 amount);

    /// @notice Stops new sessions; only the owner. Claims, refunds and withdrawals have no off switch.
    function pause() external;

    /// @notice Allows new sessions again; only the owner.
    function unpause() external;

    /// @notice The token of all sessions.
    function token() external view returns (address);

    /// @notice The proof gate that checks claims.
    function gate() external view returns (address);

    /// @notice Where agent versions are certified.
    function agentRegistry() external view returns (address);

    /// @notice Where datasets are registered.
    function datasetRegistry() external view returns (address);

    /// @notice The session; reverts if unknown.
    function getSession(bytes32 session) external view returns (Session memory entry);

    /// @notice The id of `client`'s session number `nonce`, counted from 0.
    function sessionIdOf(address client, uint256 nonce) external view returns (bytes32 session);

    /// @notice Number of sessions that `client` opened: the next one's nonce.
    function sessionCount(address client) external view returns (uint256 count);

    /// @notice The transcript at which a session starts.
    function firstTranscript(bytes32 session, uint32 version, bytes32 wDigest)
        external
        view
        returns (uint256 transcript);

    /// @notice The context that a service proof for these sessions, in slot order, must carry.
    function serviceContext(bytes32[] calldata sessions) external view returns (uint256 ctx);

    /// @notice The EIP-712 digest that a session key signs.
    function voucherDigest(bytes32 session, uint32 version, uint64 count, uint256 transcript)
        external
        view
        returns (bytes32 digest);

    /// @notice The EIP-712 digest that a client signs for `openFor`; `nonce` is the client's session count.
    function openDigest(address client, OpenParams calldata params, uint256 nonce, uint256 deadline)
        external
        view
        returns (bytes32 digest);

    /// @notice What a dataset's owner could withdraw now.
    function providerDue(bytes32 agentId, uint32 version, bytes32 datasetId) external view returns (uint256 amount);

    /// @notice What an agent's owner could withdraw now.
    function ownerDue(bytes32 agentId, uint32 version) external view returns (uint256 amount);

    /// @notice All that was ever accrued for a version's data providers.
    function dataAccrued(bytes32 agentId, uint32 version) external view returns (uint256 amount);

    /// @notice Tokens that this contract owes: escrow remainders and unpaid rewards. Equals its balance.
    function liabilities() external view returns (uint256 amount);

    /// @notice The escrowed part of `liabilities`.
    function totalEscrow() external view returns (uint256 amount);

    /// @notice The rewards part of `liabilities`, rounding dust included.
    function totalRewards() external view returns (uint256 amount);

    /// @notice Seconds between a thaw request and the withdrawal.
    function thawPeriod() external view returns (uint64 period);
}
