// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title Session escrow: prepaid queries, proven claims, rewards by share
/// @notice A client escrows tokens for one agent version at a price per query and authorises one session key,
/// permanently. Queries are paid by cumulative vouchers signed by that key together with proofs that every counted
/// answer is the agent's own, or by a settlement that the client signs. Fees go to the agent's owner and to the data
/// providers by their proven shares. Anybody may send claims, settlements and withdrawals, since the payees are fixed.
interface ISessionEscrow {
    /// @notice Why a slot of a claim pays nothing.
    enum Skip {
        /// The slot pays.
        None,
        /// No session has this id.
        UnknownSession,
        /// The session belongs to another agent or version.
        OtherVersion,
        /// The proof does not start at the session's transcript.
        StaleTranscript,
        /// The slot proves no query.
        Empty,
        /// The voucher's count is not the number of queries already proven plus those in this proof.
        OtherCount,
        /// The proof does not end at the voucher's transcript.
        OtherTranscript,
        /// The voucher is not signed by the session's key.
        OtherSigner
    }

    /// @notice The parameters of a session that its client chooses.
    struct OpenParams {
        /// The agent.
        bytes32 agentId;
        /// Its certified version.
        uint32 version;
        /// Price of an answered query, in base units of the token; at least the version's.
        uint128 pricePerQuery;
        /// Tokens to escrow.
        uint128 escrow;
        /// Key that signs vouchers: plain ECDSA, immutable for the session.
        address sessionKey;
    }

    /// @notice Current state of a session.
    struct Session {
        /// The client, who escrowed the tokens and gets the remainder back.
        address client;
        /// Version of the agent.
        uint32 version;
        /// Number of queries proven.
        uint64 count;
        /// Number of queries paid, by claims or settlements.
        uint64 paid;
        /// Key that signs vouchers.
        address sessionKey;
        /// Unix time in seconds from which the amount below can be withdrawn; 0 unless thawing.
        uint64 thawEnd;
        /// Amount that is thawing; less is paid if less is left by then.
        uint128 thawAmount;
        /// Tokens per answered query.
        uint128 pricePerQuery;
        /// Tokens not yet claimed or withdrawn.
        uint128 remaining;
        /// The agent.
        bytes32 agentId;
        /// Transcript after the last proven query.
        uint256 transcript;
    }

    /// @notice A voucher for the session in one slot of a service proof.
    struct SlotVoucher {
        /// The session.
        bytes32 session;
        /// Total number of queries of the session so far.
        uint64 count;
        /// Transcript after the last of them.
        uint256 transcript;
        /// Signature by the session key over the EIP-712 voucher.
        bytes signature;
    }

    /// @notice One service proof and the vouchers of its used slots, in slot order.
    struct ClaimBatch {
        /// The agent.
        bytes32 agentId;
        /// The version whose service circuit and weights the proof uses.
        uint32 version;
        /// Public inputs of the proof.
        uint256[] inputs;
        /// The proof.
        bytes proof;
        /// Vouchers, one for each used slot.
        SlotVoucher[] slots;
    }

    /// @notice A session was opened.
    /// @param session The session.
    /// @param client The client, who escrowed the tokens and gets the remainder back.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param pricePerQuery Base units of the token per answered query.
    /// @param escrow Base units of the token escrowed.
    /// @param sessionKey Key that signs vouchers.
    /// @param transcript Transcript at which the session starts.
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
    /// @notice A session was topped up.
    /// @param session The session.
    /// @param from The payer.
    /// @param amount Base units of the token paid.
    /// @param remaining Base units in the escrow now.
    event SessionToppedUp(bytes32 indexed session, address indexed from, uint128 amount, uint128 remaining);
    /// @notice The client requested a refund; claims succeed until it is withdrawn.
    /// @param session The session.
    /// @param amount Base units of the token requested; more than is left means all that is left.
    /// @param thawEnd Unix time in seconds from which it can be withdrawn.
    event ThawRequested(bytes32 indexed session, uint128 amount, uint64 thawEnd);
    /// @notice The client cancelled a refund request.
    /// @param session The session.
    event ThawCancelled(bytes32 indexed session);
    /// @notice The client withdrew the thawed amount.
    /// @param session The session.
    /// @param client The client.
    /// @param amount Base units of the token paid.
    /// @param remaining Base units left in the escrow.
    event ThawedWithdrawn(bytes32 indexed session, address indexed client, uint256 amount, uint256 remaining);
    /// @notice Queries of a session were claimed; `count`, `transcript` and `paid` are the new cumulative values.
    /// @param session The session.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param count Total number of queries of the session proven so far.
    /// @param transcript Transcript after the last of them.
    /// @param paid Total number of queries of the session paid so far: fewer than `count` if the escrow did not cover
    /// them.
    /// @param queries Queries paid by this claim.
    /// @param amount Base units of the token taken from the escrow for them.
    event QueriesClaimed(
        bytes32 indexed session,
        bytes32 indexed agentId,
        uint32 indexed version,
        uint64 count,
        uint256 transcript,
        uint64 paid,
        uint64 queries,
        uint256 amount
    );
    /// @notice Queries of a session were paid by a settlement.
    /// @param session The session.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param paid Total number of queries of the session paid so far.
    /// @param queries Queries paid by this settlement.
    /// @param amount Base units of the token taken from the escrow for them.
    event SessionSettled(
        bytes32 indexed session,
        bytes32 indexed agentId,
        uint32 indexed version,
        uint64 paid,
        uint64 queries,
        uint256 amount
    );
    /// @notice A slot of a claim was skipped and paid nothing; the other slots of the batch are unaffected.
    /// @param session The session in the slot.
    /// @param slot The slot in its batch, counted from 0.
    /// @param reason Why it was skipped.
    event SlotSkipped(bytes32 indexed session, uint256 slot, Skip reason);
    /// @notice Fees were accrued for a version.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param queries Queries that were paid.
    /// @param toData Base units of the token for the data providers.
    /// @param toOwner Base units of the token for the agent's owner.
    event FeesAccrued(bytes32 indexed agentId, uint32 indexed version, uint64 queries, uint256 toData, uint256 toOwner);
    /// @notice Rewards of a dataset were paid.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param datasetId The dataset.
    /// @param payee The recipient: the dataset's payout address.
    /// @param amount Base units of the token paid.
    event ProviderPaid(
        bytes32 indexed agentId, uint32 indexed version, bytes32 indexed datasetId, address payee, uint256 amount
    );
    /// @notice Fees of an agent's owner were paid.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param payee The recipient: the agent's payout address.
    /// @param amount Base units of the token paid.
    event OwnerPaid(bytes32 indexed agentId, uint32 indexed version, address payee, uint256 amount);

    /// @notice The version is not certified.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    error NotCertified(bytes32 agentId, uint32 version);
    /// @notice A session needs a positive price.
    error PriceZero();
    /// @notice The escrow does not cover a single query.
    /// @param escrow Base units of the token to escrow.
    /// @param pricePerQuery Base units of the token per answered query.
    error EscrowTooSmall(uint128 escrow, uint128 pricePerQuery);
    /// @notice A session needs a key.
    error SessionKeyZero();
    /// @notice The amount received differs from the amount sent.
    /// @param expected Base units of the token sent.
    /// @param received Base units of the token received.
    error ReceivedOtherAmount(uint256 expected, uint256 received);
    /// @notice The authorisation to open has expired.
    /// @param deadline Unix time in seconds, inclusive, until which it was valid.
    error AuthorisationExpired(uint256 deadline);
    /// @notice The client did not authorise this opening.
    /// @param client The client named.
    error AuthorisationInvalid(address client);
    /// @notice No session has this id.
    /// @param session The id requested.
    error UnknownSession(bytes32 session);
    /// @notice Only the session's client may do this.
    /// @param session The session.
    /// @param caller The caller.
    error NotClient(bytes32 session, address caller);
    /// @notice The session is already thawing.
    /// @param session The session.
    /// @param thawEnd Unix time in seconds from which the amount can be withdrawn.
    error AlreadyThawing(bytes32 session, uint64 thawEnd);
    /// @notice A thawing amount can be withdrawn only after the thaw period.
    /// @param session The session.
    /// @param thawEnd Unix time in seconds from which the amount can be withdrawn; 0 unless thawing.
    error NotThawed(bytes32 session, uint64 thawEnd);
    /// @notice Nothing is left to take.
    error NothingToWithdraw();
    /// @notice The amount must be positive.
    error AmountZero();
    /// @notice The price is below the version's least price.
    /// @param offered Base units of the token per query offered.
    /// @param least Least price of the version, in base units of the token per query.
    error PriceBelowVersion(uint128 offered, uint128 least);
    /// @notice The settlement counts no more queries than were already paid, or the escrow does not cover one more.
    /// @param session The session.
    /// @param paid Queries paid.
    /// @param count Queries that the settlement counts.
    error NothingToSettle(bytes32 session, uint64 paid, uint64 count);
    /// @notice The registry belongs to another deployment: it has another gate or another dataset registry.
    /// @param registry The registry given.
    error OtherDeployment(address registry);
    /// @notice The dataset registry uses another token for prices.
    /// @param expected The dataset registry's token.
    /// @param given The token given.
    error OtherToken(address expected, address given);
    /// @notice Without an owner nobody could pause new sessions; hand ownership over instead.
    error OwnerNeeded();
    /// @notice A claim needs at least one batch, a batch at least one slot and at most sixteen.
    /// @param slots Vouchers in the batch; 0 also where there is no batch.
    error WrongSlotCount(uint256 slots);
    /// @notice The proof is not about the version's weights.
    /// @param expected keccak256 of the point of the version's committed weights.
    /// @param proven keccak256 of the point of the weights committed in the proof.
    error WrongWeights(bytes32 expected, bytes32 proven);
    /// @notice The proof's context is for other sessions, another contract or another chain.
    /// @param expected Context that the contract computes.
    /// @param proven Context in the proof's public inputs.
    error WrongContext(uint256 expected, uint256 proven);
    /// @notice A slot that proves queries has no voucher.
    /// @param slot The slot, counted from 0.
    error UnusedSlotFilled(uint256 slot);
    /// @notice The thaw period must be between one minute and ninety days.
    /// @param period The period given, in seconds.
    error ThawPeriodOutOfRange(uint64 period);

    /// @notice Opens a session for the caller, who has approved the escrow.
    /// @param params The parameters of the session.
    /// @return session Id of the new session.
    function open(OpenParams calldata params) external returns (bytes32 session);

    /// @notice Opens a session for the caller with an ERC-2612 permit for the escrow.
    /// @param params The parameters of the session.
    /// @param deadline Unix time in seconds, inclusive, until which the permit is valid.
    /// @param v Recovery id of the permit's signature, 27 or 28.
    /// @param r `r` of the permit's signature.
    /// @param s `s` of the permit's signature.
    /// @return session Id of the new session.
    function openWithPermit(OpenParams calldata params, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        returns (bytes32 session);

    /// @notice Opens a session for `client`, who signed the EIP-712 `OpenSession` (ECDSA, or ERC-1271 for a wallet) and
    /// has approved the escrow. This is the only function that opens a session by the client's signature.
    /// @param client The client, who escrows the tokens and gets the remainder back.
    /// @param params The parameters of the session.
    /// @param deadline Unix time in seconds, inclusive, until which the authorisation is valid.
    /// @param signature The client's signature over `openDigest` with its session count.
    /// @return session Id of the new session.
    function openFor(address client, OpenParams calldata params, uint256 deadline, bytes calldata signature)
        external
        returns (bytes32 session);

    /// @notice Tops up a session, paid by the caller, who has approved the escrow. Reverts while paused, and if the
    /// version's service circuit is stopped.
    /// @param session The session.
    /// @param amount Base units of the token.
    function topUp(bytes32 session, uint128 amount) external;

    /// @notice Requests a refund of part or all of the escrow, and starts its thaw period; only the client, one request
    /// at a time.
    /// @param session The session.
    /// @param amount Base units of the token; more than is left at the end, for example 2^128 - 1, means all that is
    /// left.
    function requestThaw(bytes32 session, uint128 amount) external;

    /// @notice Cancels a refund request; only the client.
    /// @param session The session.
    function cancelThaw(bytes32 session) external;

    /// @notice Refunds the thawed amount, or what is left of it; only the client. The session continues with the rest.
    /// @param session The session.
    /// @return amount Base units of the token paid.
    function withdrawThawed(bytes32 session) external returns (uint256 amount);

    /// @notice Claims proven queries; anybody may call, since the payees are fixed. A slot that does not match the
    /// stored session and the voucher is skipped, and an event says why. The other slots of its batch are paid for
    /// their queries, or for as many as the session's escrow covers; the rest stay unpaid until the session is topped
    /// up. A bad proof, context or circuit reverts the whole claim; all proofs are checked by one pairing.
    /// @param batches Service proofs, each with the vouchers of 1 to 16 slots.
    function claim(ClaimBatch[] calldata batches) external;

    /// @notice Pays queries without a proof, by a settlement that the client signed (EIP-712, or ERC-1271 for a
    /// wallet); anybody may submit it, at any time. This is how queries are paid if their circuit was stopped before
    /// they were proven. A settlement does not advance the transcript and counts as paid only what it pays, so whatever
    /// the client signs, later vouchers keep their value; each query is paid once, by whichever comes first.
    /// @param session The session.
    /// @param count All queries of the session so far; the unpaid ones among them are paid, as many as the escrow
    /// covers.
    /// @param signature The client's signature over `settlementDigest`.
    function settle(bytes32 session, uint64 count, bytes calldata signature) external;

    /// @notice Pays a dataset's rewards from a version to the dataset's payout address; anybody may call.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param datasetId The dataset's version that is listed.
    /// @return amount Base units of the token paid.
    function withdrawProvider(bytes32 agentId, uint32 version, bytes32 datasetId) external returns (uint256 amount);

    /// @notice Pays the owner's fees of a version to the agent's payout address; anybody may call.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @return amount Base units of the token paid.
    function withdrawOwner(bytes32 agentId, uint32 version) external returns (uint256 amount);

    /// @notice Always reverts: somebody must be able to pause.
    function renounceOwnership() external pure;

    /// @notice Stops new sessions and top-ups; only the owner. Claims, settlements, refunds and withdrawals cannot be
    /// paused.
    function pause() external;

    /// @notice Allows new sessions again; only the owner.
    function unpause() external;

    /// @notice The token of all sessions.
    /// @return Address of the token.
    function token() external view returns (address);

    /// @notice The proof gate that checks claims.
    /// @return Address of the proof gate.
    function gate() external view returns (address);

    /// @notice The agent registry, which certifies versions.
    /// @return Address of the agent registry.
    function agentRegistry() external view returns (address);

    /// @notice The dataset registry.
    /// @return Address of the dataset registry.
    function datasetRegistry() external view returns (address);

    /// @notice The contract that divides what a version accrued for data among its datasets.
    /// @return Address of the agreed weights.
    function agreedWeights() external view returns (address);

    /// @notice The session; reverts if unknown.
    /// @param session The session.
    /// @return entry Current state of the session.
    function getSession(bytes32 session) external view returns (Session memory entry);

    /// @notice The id of `client`'s session number `nonce`, counted from 0.
    /// @param client The client, who opens the session.
    /// @param nonce Number of the client's session, counted from 0.
    /// @return session The id, even if the session does not exist yet.
    function sessionIdOf(address client, uint256 nonce) external view returns (bytes32 session);

    /// @notice Number of sessions that `client` opened: the next one's nonce.
    /// @param client The client.
    /// @return count Number of sessions.
    function sessionCount(address client) external view returns (uint256 count);

    /// @notice The transcript at which a session starts.
    /// @param session The session.
    /// @param version The version, counted from 1.
    /// @param wDigest keccak256 of the committed weights' point.
    /// @return transcript keccak256 over chain, contract and the arguments, modulo the scalar field's modulus.
    function firstTranscript(bytes32 session, uint32 version, bytes32 wDigest)
        external
        view
        returns (uint256 transcript);

    /// @notice The context that a service proof for these sessions, in slot order, must carry.
    /// @param sessions Sessions of the used slots, in slot order.
    /// @return ctx Public input 0 of the proof: a keccak256 digest without its last byte, below 2^248.
    function serviceContext(bytes32[] calldata sessions) external view returns (uint256 ctx);

    /// @notice The EIP-712 digest that a session key signs.
    /// @param session The session.
    /// @param version The version, counted from 1.
    /// @param count Total number of queries of the session so far.
    /// @param transcript Transcript after the last of them.
    /// @return digest The digest.
    function voucherDigest(bytes32 session, uint32 version, uint64 count, uint256 transcript)
        external
        view
        returns (bytes32 digest);

    /// @notice The EIP-712 digest that a client signs for `settle`.
    /// @param session The session.
    /// @param count Total number of queries of the session so far.
    /// @return digest The digest.
    function settlementDigest(bytes32 session, uint64 count) external view returns (bytes32 digest);

    /// @notice The EIP-712 digest that a client signs for `openFor`; `nonce` is the client's session count.
    /// @param client The client, who escrows the tokens and gets the remainder back.
    /// @param params The parameters of the session.
    /// @param nonce Number of the client's session, counted from 0.
    /// @param deadline Unix time in seconds, inclusive, until which the authorisation is valid.
    /// @return digest The digest.
    function openDigest(address client, OpenParams calldata params, uint256 nonce, uint256 deadline)
        external
        view
        returns (bytes32 digest);

    /// @notice The amount that a dataset's owner could withdraw now.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param datasetId The dataset.
    /// @return amount Base units of the token, rounded down; 0 if the version is not certified.
    function providerDue(bytes32 agentId, uint32 version, bytes32 datasetId) external view returns (uint256 amount);

    /// @notice The amount that an agent's owner could withdraw now.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @return amount Base units of the token.
    function ownerDue(bytes32 agentId, uint32 version) external view returns (uint256 amount);

    /// @notice Total ever accrued for a version's data providers.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @return amount Base units of the token, including those already paid.
    function dataAccrued(bytes32 agentId, uint32 version) external view returns (uint256 amount);

    /// @notice Queries of a version that were paid for, over all sessions. Each is counted once, under whatever paid it
    /// first.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @return proven Queries paid by claims: proofs show that they were answered by the version's weights.
    /// @return settled Queries paid by settlements: only their clients vouch for them, and anybody can be a client.
    function servedQueries(bytes32 agentId, uint32 version) external view returns (uint256 proven, uint256 settled);

    /// @notice Tokens that this contract owes: escrow remainders and unpaid rewards. Equals its balance.
    /// @return amount Base units of the token.
    function liabilities() external view returns (uint256 amount);

    /// @notice The escrowed part of `liabilities`.
    /// @return amount Base units of the token.
    function totalEscrow() external view returns (uint256 amount);

    /// @notice The rewards part of `liabilities`, rounding dust included.
    /// @return amount Base units of the token.
    function totalRewards() external view returns (uint256 amount);

    /// @notice Seconds between a thaw request and the withdrawal.
    /// @return period Seconds, fixed at deployment.
    function thawPeriod() external view returns (uint64 period);
}
