// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ISignedMessages} from "./ISignedMessages.sol";

/// @title Agreed weights: what a version pays its datasets by, if their owners agreed on something other than shares
/// @notice A certified version pays by shares until weights for all its datasets come into force. Two ways lead there:
///
/// 1. The owner of every listed dataset signed these weights, and all signatures are in one call. They are in force at
///    once, and a least share that an owner asked for no longer applies: the message says so. Signatures that come in
///    several calls do the same after a challenge period: a dataset may be sold between two calls, and its new owner
///    can object.
/// 2. An owner who accepted valuations beforehand, on a named test set and by a named attester, need not sign. Then the
///    attester signs the weights, no such dataset may get less than its least share, and a challenge period begins. If
///    any dataset's owner objects in time, nothing changes.
///
/// Owners are those at the time of the call, so a signature or an acceptance of an earlier owner is void. Anybody may
/// submit. Weights are installed dataset by dataset, in as many transactions as needed. A signature on weights does not
/// use its nonce up, so that nobody spoils one by submitting it with something else; the end of the round makes it void.
///
/// What was earned stays: this contract remembers how much the version had accrued for data when weights came into
/// force, and they divide only what accrues afterwards. Claims do not read it, so they cost the same; withdrawals do.
interface IAgreedWeights is ISignedMessages {
    /// @notice Weights proposed for a version.
    struct Proposal {
        /// The agent.
        bytes32 agentId;
        /// The version, counted from 1.
        uint32 version;
        /// The round: see `roundOf`. Signatures of earlier rounds are void.
        uint32 round;
        /// The version's datasets, all of them and in the order of its list.
        bytes32[] datasetIds;
        /// Their weights in units of 10^-18; the sum is exactly 10^18.
        uint64[] weights;
        /// SHA-256 of the canonical valuation file that the weights follow from.
        bytes32 valuation;
        /// The registered dataset that the valuation was made on.
        bytes32 testSet;
        /// The attester; zero if every owner signs.
        address attester;
    }

    /// @notice How far the installation of a proposal is.
    struct Installation {
        /// Datasets placed, in the order of the list; 0 if it was not begun.
        uint32 placed;
        /// Whether one of them counts on an acceptance, and not on its owner's signature.
        bool accepted;
        /// The agent's owner at the proposal of the version, whom acceptances name.
        address grantee;
        /// SHA-256 of the canonical valuation file.
        bytes32 valuation;
    }

    /// @notice What a version pays by.
    struct State {
        /// The current round, counted from 1.
        uint32 round;
        /// Times that weights came into force.
        uint32 changes;
        /// Proposal in force; 0 for shares.
        bytes32 inForce;
        /// SHA-256 of the canonical valuation file that it follows from.
        bytes32 valuation;
        /// What the version had accrued for data when it came into force, in base units of the token.
        uint256 since;
        /// Complete proposal in its challenge period; 0 if none.
        bytes32 waiting;
        /// Unix time in seconds from which the waiting proposal can be brought into force and nobody can object.
        uint64 until;
    }

    /// @notice An owner's acceptance of valuations.
    struct Acceptance {
        /// The owner who accepted; void if the dataset has another owner now.
        address owner;
        /// Counts the acceptances of this dataset for this account.
        uint32 serial;
        /// The attester accepted; zero if withdrawn.
        address attester;
        /// The test set accepted.
        bytes32 testSet;
    }

    /// @notice The session escrow, whose withdrawals are divided here, was bound.
    /// @param escrow The session escrow.
    event EscrowBound(address indexed escrow);
    /// @notice An owner accepted valuations, or withdrew an acceptance.
    /// @param root Id of the dataset's first version.
    /// @param grantee The owner of agents whose versions it is for; zero for anybody's.
    /// @param owner The dataset's owner.
    /// @param serial Counts the acceptances of this dataset for this account.
    /// @param attester The attester; zero if withdrawn.
    /// @param testSet The test set.
    event ValuationsAccepted(
        bytes32 indexed root,
        address indexed grantee,
        address indexed owner,
        uint32 serial,
        address attester,
        bytes32 testSet
    );
    /// @notice The installation of a proposal began.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param proposal Id of the proposal.
    /// @param round The round.
    /// @param valuation SHA-256 of the canonical valuation file.
    /// @param testSet The test set.
    /// @param attester The attester; zero if every owner signs.
    event WeightsProposed(
        bytes32 indexed agentId,
        uint32 indexed version,
        bytes32 indexed proposal,
        uint32 round,
        bytes32 valuation,
        bytes32 testSet,
        address attester
    );
    /// @notice A dataset's weight was placed, with its owner's consent.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param datasetId The dataset.
    /// @param proposal Id of the proposal.
    /// @param weight The weight, in units of 10^-18.
    /// @param owner The owner who consented.
    /// @param signed Whether the owner signed; false if an acceptance counted.
    event WeightPlaced(
        bytes32 indexed agentId,
        uint32 indexed version,
        bytes32 indexed datasetId,
        bytes32 proposal,
        uint64 weight,
        address owner,
        bool signed
    );
    /// @notice All weights are placed, in several calls or without some owners' signatures: the challenge period began.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param proposal Id of the proposal.
    /// @param until Unix time in seconds until which any dataset's owner can object.
    event WeightsWaiting(bytes32 indexed agentId, uint32 indexed version, bytes32 indexed proposal, uint64 until);
    /// @notice Weights came into force.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param proposal Id of the proposal.
    /// @param valuation SHA-256 of the canonical valuation file.
    /// @param since What the version had accrued for data so far, which stays as it was divided.
    event WeightsInForce(
        bytes32 indexed agentId, uint32 indexed version, bytes32 indexed proposal, bytes32 valuation, uint256 since
    );
    /// @notice A dataset's owner objected: everything signed in this round is void.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param datasetId The dataset.
    /// @param round The round that is over.
    /// @param owner The owner.
    event WeightsRefused(
        bytes32 indexed agentId, uint32 indexed version, bytes32 indexed datasetId, uint32 round, address owner
    );

    /// @notice Only the deployer may bind the escrow, and only once.
    /// @param caller The caller.
    error NotBindable(address caller);
    /// @notice The escrow uses another contract for weights.
    /// @param escrow The escrow given.
    error OtherDeployment(address escrow);
    /// @notice The challenge period must be between one minute and ninety days.
    /// @param period The period given, in seconds.
    error ChallengePeriodOutOfRange(uint64 period);
    /// @notice Only certified versions pay.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    error NotCertified(bytes32 agentId, uint32 version);
    /// @notice The proposal or the objection is for another round.
    /// @param expected The current round.
    /// @param given The round given.
    error OtherRound(uint32 expected, uint32 given);
    /// @notice There must be one weight for each dataset.
    /// @param datasets Datasets given.
    /// @param weights Weights given.
    error WeightsMissing(uint256 datasets, uint256 weights);
    /// @notice The datasets are not the version's: one is left out, listed twice, foreign or out of order.
    /// @param expected Hash of the version's list.
    /// @param given Hash of the list given.
    error OtherList(bytes32 expected, bytes32 given);
    /// @notice The weights do not add up to one.
    /// @param sum Their sum, in units of 10^-18.
    error SumNotOne(uint256 sum);
    /// @notice The version was trained on the test set.
    /// @param testSet The test set.
    error TrainedOn(bytes32 testSet);
    /// @notice Nothing was given to place.
    error NothingToPlace();
    /// @notice The consents given begin after the next dataset, or go beyond the last.
    /// @param placed Datasets placed so far.
    /// @param first Index of the first dataset given.
    /// @param count Consents given.
    error OutOfStep(uint256 placed, uint256 first, uint256 count);
    /// @notice The dataset's owner neither signed nor accepted valuations by this attester on this test set.
    /// @param datasetId The dataset.
    /// @param owner Its owner.
    error NoConsent(bytes32 datasetId, address owner);
    /// @notice The weight is below the least share that applies to a dataset whose owner did not sign.
    /// @param datasetId The dataset.
    /// @param weight The weight, in units of 10^-18.
    /// @param minShareBps The least share, in basis points.
    error BelowLeastShare(bytes32 datasetId, uint64 weight, uint16 minShareBps);
    /// @notice The version's weights changed too often: a withdrawal must remain affordable. It can 24 times, and eight
    /// times more if all owners signed.
    /// @param changes Changes so far.
    error TooManyChanges(uint256 changes);
    /// @notice No proposal waits.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    error NothingWaits(bytes32 agentId, uint32 version);
    /// @notice The challenge period is not over.
    /// @param until Unix time in seconds at which it ends.
    error StillChallengeable(uint64 until);
    /// @notice The challenge period is over.
    /// @param until Unix time in seconds at which it ended.
    error ChallengeOver(uint64 until);
    /// @notice The version does not list this dataset.
    /// @param datasetId The dataset.
    error DatasetNotInVersion(bytes32 datasetId);
    /// @notice Only the dataset's owner may do this.
    /// @param datasetId The dataset.
    /// @param caller The caller.
    error NotDatasetOwner(bytes32 datasetId, address caller);

    /// @notice Binds the session escrow; once, by the deployer.
    /// @param escrow The session escrow; it must use this contract.
    function bindEscrow(address escrow) external;

    /// @notice Accepts valuations beforehand: versions of `grantee`'s agents may pay this dataset by weights that
    /// `attester` signs for a valuation on `testSet`, unless an owner objects in the challenge period. The least share
    /// still applies. Replaces the earlier acceptance for the same account; only the dataset's owner.
    /// @param datasetId Any version of the dataset; the acceptance is for all.
    /// @param grantee The owner of agents; zero for anybody, as for datasets with open terms.
    /// @param attester The attester; zero withdraws.
    /// @param testSet Id of the test set's version; it must be registered, unless an acceptance is withdrawn.
    function acceptValuations(bytes32 datasetId, address grantee, address attester, bytes32 testSet) external;

    /// @notice As `acceptValuations`, for the owner, who signed the EIP-712 `AcceptValuations`.
    /// @param datasetId Any version of the dataset.
    /// @param grantee The owner of agents; zero for anybody.
    /// @param attester The attester; zero withdraws.
    /// @param testSet Id of the test set's version.
    /// @param authority The owner's signature over `acceptValuationsDigest`.
    function acceptValuationsFor(
        bytes32 datasetId,
        address grantee,
        address attester,
        bytes32 testSet,
        Authority calldata authority
    ) external;

    /// @notice Places the weights of the next datasets, each with its owner's consent; anybody may call. A call with the
    /// signatures of all owners brings the weights into force, whatever was placed before; otherwise, with the last
    /// dataset, their challenge period begins. Datasets already placed are skipped, so that nobody can block a
    /// transaction by front-running a part of it.
    /// @param proposal The proposal, the same in every call.
    /// @param attestation The attester's signature over `attestDigest`; read only in the first call, and only if the
    /// proposal names an attester.
    /// @param first Index of the dataset that the first consent is for, counted from 0.
    /// @param consents Consents of the following datasets' owners, in the order of the list: a signature over
    /// `agreeDigest`, or all 0 (a deadline of 0) to count on an acceptance.
    function install(
        Proposal calldata proposal,
        Authority calldata attestation,
        uint256 first,
        Authority[] calldata consents
    ) external;

    /// @notice Brings the waiting proposal into force, once its challenge period is over; anybody may call.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    function enforce(bytes32 agentId, uint32 version) external;

    /// @notice Objects to all weights proposed in this round: they are void, and the version continues to pay as it
    /// does. An acceptance of the dataset no longer counts for this version. Only the owner of a listed dataset, and
    /// not after the challenge period of a waiting proposal.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param round The current round.
    /// @param datasetId The dataset's version that is listed.
    function object(bytes32 agentId, uint32 version, uint32 round, bytes32 datasetId) external;

    /// @notice As `object`, for the owner, who signed the EIP-712 `ObjectWeights`.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param round The current round.
    /// @param datasetId The dataset's version that is listed.
    /// @param authority The owner's signature over `objectDigest`.
    function objectFor(bytes32 agentId, uint32 version, uint32 round, bytes32 datasetId, Authority calldata authority)
        external;

    /// @notice What a dataset has earned of everything that a version accrued for data: each part by the weights in
    /// force when it accrued. Reverts if the version is not certified or does not list the dataset.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param datasetId The dataset's version that is listed.
    /// @param accrued Total that the version accrued for data, in base units of the token.
    /// @return amount Base units of the token, rounded down for each part.
    function earned(bytes32 agentId, uint32 version, bytes32 datasetId, uint256 accrued)
        external
        view
        returns (uint256 amount);

    /// @notice What the next fees are divided by: `datasetId` gets `weight` of `total`. Reverts as `earned` does.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param datasetId The dataset's version that is listed.
    /// @return weight The dataset's weight: agreed, or its share.
    /// @return total The sum of the weights of all the version's datasets.
    function weightOf(bytes32 agentId, uint32 version, bytes32 datasetId)
        external
        view
        returns (uint256 weight, uint256 total);

    /// @notice What a version pays by, and what waits.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @return state The state; round 1 and otherwise 0 for an unknown version.
    function stateOf(bytes32 agentId, uint32 version) external view returns (State memory state);

    /// @notice The round in which weights can be proposed: 1 and one more for each change and each objection.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @return round The round.
    function roundOf(bytes32 agentId, uint32 version) external view returns (uint32 round);

    /// @notice How far the installation of a proposal is, even if its round is over.
    /// @param proposal Id of the proposal.
    /// @return installation All 0 if it was not begun.
    function installationOf(bytes32 proposal) external view returns (Installation memory installation);

    /// @notice A dataset's weight in a proposal, in force, waiting or incomplete.
    /// @param proposal Id of the proposal.
    /// @param datasetId The dataset's version that is listed.
    /// @return weight Its weight, in units of 10^-18; 0 also if it was not placed.
    function placedWeight(bytes32 proposal, bytes32 datasetId) external view returns (uint64 weight);

    /// @notice The acceptance of valuations for an account, in force or not; reverts if the dataset is unknown.
    /// @param datasetId Any version of the dataset.
    /// @param grantee The owner of agents; zero for the acceptance that covers anybody.
    /// @return acceptance All 0 if there was none.
    function acceptanceOf(bytes32 datasetId, address grantee) external view returns (Acceptance memory acceptance);

    /// @notice Whether a dataset's owner objected to weights of a version before: an acceptance of the dataset no longer
    /// counts for the version.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param datasetId The dataset.
    /// @return refused True if so.
    function refusedBefore(bytes32 agentId, uint32 version, bytes32 datasetId) external view returns (bool refused);

    /// @notice Seconds in which a waiting proposal can be objected to.
    /// @return period Seconds, fixed at deployment.
    function challengePeriod() external view returns (uint64 period);

    /// @notice The agent registry, which certifies versions.
    /// @return Address of the agent registry.
    function agentRegistry() external view returns (address);

    /// @notice The session escrow whose withdrawals are divided here; zero until bound.
    /// @return Address of the session escrow.
    function sessionEscrow() external view returns (address);

    /// @notice Id of a proposal.
    /// @param proposal The proposal.
    /// @return id keccak256 over all its members.
    function proposalId(Proposal calldata proposal) external pure returns (bytes32 id);

    /// @notice The EIP-712 digest that a dataset's owner signs for `install`.
    /// @param proposal The proposal; its attester is not signed.
    /// @param index Index of the dataset, counted from 0.
    /// @param nonce The message's nonce.
    /// @param deadline Unix time in seconds, inclusive, until which it is valid.
    /// @return digest The digest.
    function agreeDigest(Proposal calldata proposal, uint256 index, uint256 nonce, uint256 deadline)
        external
        view
        returns (bytes32 digest);

    /// @notice The EIP-712 digest that an attester signs for `install`.
    /// @param proposal The proposal.
    /// @param nonce The message's nonce.
    /// @param deadline Unix time in seconds, inclusive, until which it is valid.
    /// @return digest The digest.
    function attestDigest(Proposal calldata proposal, uint256 nonce, uint256 deadline)
        external
        view
        returns (bytes32 digest);

    /// @notice The EIP-712 digest that an owner signs for `acceptValuationsFor`. It contains the serial of the next
    /// acceptance: of several signed in parallel only one can be submitted.
    /// @param datasetId Any version of the dataset.
    /// @param grantee The owner of agents; zero for anybody.
    /// @param attester The attester; zero withdraws.
    /// @param testSet Id of the test set's version.
    /// @param nonce The message's nonce.
    /// @param deadline Unix time in seconds, inclusive, until which it is valid.
    /// @return digest The digest.
    function acceptValuationsDigest(
        bytes32 datasetId,
        address grantee,
        address attester,
        bytes32 testSet,
        uint256 nonce,
        uint256 deadline
    ) external view returns (bytes32 digest);

    /// @notice The EIP-712 digest that an owner signs for `objectFor`.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param round The current round.
    /// @param datasetId The dataset's version that is listed.
    /// @param nonce The message's nonce.
    /// @param deadline Unix time in seconds, inclusive, until which it is valid.
    /// @return digest The digest.
    function objectDigest(
        bytes32 agentId,
        uint32 version,
        uint32 round,
        bytes32 datasetId,
        uint256 nonce,
        uint256 deadline
    ) external view returns (bytes32 digest);
}
