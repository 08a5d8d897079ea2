// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title Valuation draws: which permutations of its owners a sampled valuation must use
/// @notice Beyond a few owners a valuation draws permutations of them from a beacon. Whoever could choose among beacons
/// could choose among valuations, so there is one for each version, and it is not known when it is asked for:
///
/// 1. The agent's owner commits to a test set and a number of permutations for a certified version, whose datasets, λ
///    and link are fixed. That is for good: no other test set, no other number, no second draw.
/// 2. The beacon follows from the hash of a block that comes 100 blocks later. Anybody may fix it while the chain still
///    knows that hash: for 256 blocks, or for 8,191 where a history of hashes is kept (EIP-2935).
/// 3. If nobody does, the owner may commit to the same again, for a later block. Whoever let a draw lapse could have
///    seen it before, so the attempts are counted, and every reader of a valuation can see them.
///
/// The contract never sees a valuation. That one has the test set, the number and the beacon on chain is checked by the
/// tools of those who sign weights. Whoever builds the chosen block can influence its hash; on a rollup that is the
/// sequencer, and where `block.number` and `blockhash` are not those of the chain's own blocks, a draw means nothing.
interface IValuationDraws {
    /// @notice A commitment to a sampled valuation.
    struct Draw {
        /// The registered dataset that the valuation is made on; 0 if none was committed to.
        bytes32 testSet;
        /// What the permutations are drawn from; 0 until it is fixed.
        bytes32 beacon;
        /// Number of the block whose hash the beacon follows from.
        uint64 blockNumber;
        /// Number of permutations of the owners.
        uint32 permutations;
        /// Commitments so far: each but the last was left to lapse.
        uint32 attempts;
    }

    /// @notice The owner of an agent committed to a sampled valuation.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param testSet The test set.
    /// @param permutations Number of permutations.
    /// @param blockNumber Number of the block whose hash the beacon follows from.
    /// @param attempt Counts the commitments for this version.
    event ValuationCommitted(
        bytes32 indexed agentId,
        uint32 indexed version,
        bytes32 indexed testSet,
        uint32 permutations,
        uint64 blockNumber,
        uint32 attempt
    );
    /// @notice The beacon of a version's valuation was fixed.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param beacon What the permutations are drawn from.
    /// @param attempt The commitment that it is for.
    event BeaconFixed(bytes32 indexed agentId, uint32 indexed version, bytes32 beacon, uint32 attempt);

    /// @notice The number of permutations must be from 30 to 4,096.
    /// @param permutations The number given.
    error PermutationsOutOfRange(uint32 permutations);
    /// @notice A valuation of this version was committed to, and its beacon is fixed or can still be.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    error AlreadyCommitted(bytes32 agentId, uint32 version);
    /// @notice After a lapse only the same test set and number of permutations can be committed to.
    /// @param testSet The test set of the first commitment.
    /// @param permutations Its number of permutations.
    error OtherCommitment(bytes32 testSet, uint32 permutations);
    /// @notice No valuation of this version was committed to.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    error NotCommitted(bytes32 agentId, uint32 version);
    /// @notice The beacon was fixed before.
    /// @param beacon The beacon.
    error BeaconKnown(bytes32 beacon);
    /// @notice The hash of the block is not known yet.
    /// @param blockNumber Number of the block.
    error BlockToCome(uint64 blockNumber);
    /// @notice The chain no longer knows the hash of the block: the owner has to commit again.
    /// @param blockNumber Number of the block.
    error DrawLapsed(uint64 blockNumber);

    /// @notice Commits to a sampled valuation of a certified version; only the agent's owner, once for each version. If
    /// the beacon was not fixed in time, the same can be committed to again.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param testSet The dataset that the valuation is made on: registered, not trained on, and of the version's
    /// schema, layout and SRS.
    /// @param permutations Number of permutations of the owners, 30 to 4,096.
    function commitValuation(bytes32 agentId, uint32 version, bytes32 testSet, uint32 permutations) external;

    /// @notice Fixes the beacon of a commitment, once the block chosen has a hash; anybody may call.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @return beacon keccak256 of the block's hash, the chain's id, this contract, the agent, the version, the test
    /// set, the number of permutations and the attempt.
    function fixBeacon(bytes32 agentId, uint32 version) external returns (bytes32 beacon);

    /// @notice What a sampled valuation of a version must use.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @return draw All 0 if none was committed to.
    function drawOf(bytes32 agentId, uint32 version) external view returns (Draw memory draw);
}
