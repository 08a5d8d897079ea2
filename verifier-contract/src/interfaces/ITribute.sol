// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IAgentRegistry} from "./IAgentRegistry.sol";

/// @title Tribute: what is proven about agents, for contracts that depend on it
/// @notice Reads only, one value each. Parts are of 10^18. What was proven stays on record; whether it can be relied on is
/// asked by `isCertified`, which is false as soon as one of the circuits behind the certificate was stopped.
interface ITribute {
    /// @notice What a certificate says.
    struct Certificate {
        /// SHA-256 of the canonical agent file.
        bytes32 modelHash;
        /// keccak256 of the committed weights' point.
        bytes32 wDigest;
        /// Hash of the list of its datasets.
        bytes32 listHash;
        /// Datasets listed.
        uint32 datasets;
        /// Records of all datasets.
        uint64 records;
        /// 1 squared, 2 logistic, 3 softmax.
        uint8 link;
        /// λ in units of 2^-44.
        uint64 lambda;
        /// Part of the greatest distance to the optimum that was proven, `(ε + δ)/(λ‖W‖)`, rounded up; at most 10^15.
        uint256 distance;
        /// Bound of the loss above the optimum's, `(ε + δ)²/(2λ)`, rounded up.
        uint256 excessLoss;
        /// Part of fees that goes to data providers, in basis points.
        uint16 dataBps;
        /// Least price of a query, in base units of the token.
        uint128 pricePerQuery;
    }

    /// @notice The version has no certificate.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    error NotCertified(bytes32 agentId, uint32 version);
    /// @notice The contracts given do not belong together.
    error OtherDeployment();

    /// @notice Whether a version is certified and none of the circuits behind it was stopped.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @return certified Whether it is; false if unknown.
    function isCertified(bytes32 agentId, uint32 version) external view returns (bool certified);

    /// @notice Where a version stands.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @return where Unknown, draft, closed, certified, doubtful or abandoned.
    function status(bytes32 agentId, uint32 version) external view returns (IAgentRegistry.Status where);

    /// @notice The certified version with the highest number; reverts if the agent is unknown.
    /// @param agentId The agent.
    /// @return version The version, counted from 1; 0 if none is certified.
    function latestCertified(bytes32 agentId) external view returns (uint32 version);

    /// @notice What a version's certificate says; reverts if it has none.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @return content The certificate, also of a version that is doubtful by now.
    function certificate(bytes32 agentId, uint32 version) external view returns (Certificate memory content);

    /// @notice The share of a dataset in what a version pays to data; reverts if the version has no certificate.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param datasetId The dataset's version that is listed; reverts if it is not.
    /// @return part Part of 10^18, rounded down.
    function shareOf(bytes32 agentId, uint32 version, bytes32 datasetId) external view returns (uint256 part);

    /// @notice The datasets of a version, by hash and number; reverts if the version is unknown.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @return listHash Hash of the list.
    /// @return count Number of datasets.
    function datasetsOf(bytes32 agentId, uint32 version) external view returns (bytes32 listHash, uint32 count);

    /// @notice Queries of a version that were proven and paid for, over all sessions.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @return count Number of queries; not those that clients settled by signature alone.
    function servedQueries(bytes32 agentId, uint32 version) external view returns (uint256 count);

    /// @notice Queries of a version that were paid for by their clients' signatures alone, over all sessions: nothing shows
    /// that they were ever answered.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @return count Number of queries.
    function settledQueries(bytes32 agentId, uint32 version) external view returns (uint256 count);

    /// @notice The accuracy of a version on a dataset that it was not trained on; reverts unless it was proven for the
    /// whole dataset and neither the circuit of the proofs nor the one that admitted the dataset was stopped.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param datasetId The dataset.
    /// @return part Records answered right as a part of 10^18, rounded down.
    function accuracyOf(bytes32 agentId, uint32 version, bytes32 datasetId) external view returns (uint256 part);

    /// @notice The agent's owner; reverts if unknown.
    /// @param agentId The agent.
    /// @return owner The agent's owner.
    function agentOwner(bytes32 agentId) external view returns (address owner);
}
