// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IAgentRegistry} from "./IAgentRegistry.sol";

/// @title Tribute: proven facts about agents, for other contracts
/// @notice Views only, one value each; fractions are scaled by 10^18. What was proven stays on record. To ask whether
/// it can still be relied on, call `isCertified`: it is false as soon as one of the circuits behind the certificate was
/// stopped.
interface ITribute {
    /// @notice Content of a certificate.
    struct Certificate {
        /// SHA-256 of the canonical agent file.
        bytes32 modelHash;
        /// keccak256 of the committed weights' point.
        bytes32 wDigest;
        /// Hash of the list of its datasets.
        bytes32 listHash;
        /// Number of datasets listed.
        uint32 datasets;
        /// Records of all datasets.
        uint64 records;
        /// 1 squared, 2 logistic, 3 softmax.
        uint8 link;
        /// λ in units of 2^-44.
        uint64 lambda;
        /// Proven bound of the relative distance to the optimum, `(ε + δ)/(λ‖W‖)`, scaled by 10^18 and rounded up; at
        /// most 10^15.
        uint256 distance;
        /// Bound of the loss in excess of the optimum, `(ε + δ)²/(2λ)`, scaled by 10^18 and rounded up.
        uint256 excessLoss;
        /// Part of the fees that goes to data providers, in basis points.
        uint16 dataBps;
        /// Least price of a query, in base units of the token.
        uint128 pricePerQuery;
    }

    /// @notice The version has no certificate.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    error NotCertified(bytes32 agentId, uint32 version);
    /// @notice The contracts given belong to different deployments.
    error OtherDeployment();

    /// @notice Whether a version is certified and none of the circuits behind it was stopped.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @return certified True if so; false if unknown.
    function isCertified(bytes32 agentId, uint32 version) external view returns (bool certified);

    /// @notice Status of a version.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @return where Unknown, draft, closed, certified, doubtful or abandoned.
    function status(bytes32 agentId, uint32 version) external view returns (IAgentRegistry.Status where);

    /// @notice The certified version with the highest number; reverts if the agent is unknown.
    /// @param agentId The agent.
    /// @return version The version, counted from 1; 0 if none is certified.
    function latestCertified(bytes32 agentId) external view returns (uint32 version);

    /// @notice A version's certificate; reverts if it has none.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @return content The certificate, even if the version is now doubtful.
    function certificate(bytes32 agentId, uint32 version) external view returns (Certificate memory content);

    /// @notice A dataset's share, as the certificate proves it; reverts if the version has no certificate. It is paid by
    /// its share unless the datasets' owners agreed on other weights: see `paidPartOf`.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param datasetId The dataset's version that is listed; reverts if it is not.
    /// @return part The share, scaled by 10^18 and rounded down.
    function shareOf(bytes32 agentId, uint32 version, bytes32 datasetId) external view returns (uint256 part);

    /// @notice The part of a version's next data fees that a dataset earns: by the weights that all the datasets' owners
    /// agreed on, or else its share. Reverts if the version has no certificate.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param datasetId The dataset's version that is listed; reverts if it is not.
    /// @return part The part, scaled by 10^18 and rounded down.
    function paidPartOf(bytes32 agentId, uint32 version, bytes32 datasetId) external view returns (uint256 part);

    /// @notice The valuation that a version's agreed weights follow from.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @return digest SHA-256 of the canonical valuation file; 0 while the version pays by shares.
    function valuationOf(bytes32 agentId, uint32 version) external view returns (bytes32 digest);

    /// @notice Hash and length of a version's dataset list; reverts if the version is unknown.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @return listHash Hash of the list.
    /// @return count Number of datasets.
    function datasetsOf(bytes32 agentId, uint32 version) external view returns (bytes32 listHash, uint32 count);

    /// @notice Queries of a version that were proven and paid for, over all sessions.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @return count Number of queries, excluding those that clients settled by signature alone.
    function servedQueries(bytes32 agentId, uint32 version) external view returns (uint256 count);

    /// @notice Queries of a version that clients paid for by signature alone, over all sessions: nothing proves that
    /// they were ever answered.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @return count Number of queries.
    function settledQueries(bytes32 agentId, uint32 version) external view returns (uint256 count);

    /// @notice The accuracy of a version on a dataset that it was not trained on; reverts unless it was proven for the
    /// whole dataset and neither the circuit of the proofs nor the one that admitted the dataset was stopped.
    /// @param agentId The agent.
    /// @param version The version, counted from 1.
    /// @param datasetId The dataset.
    /// @return part Fraction of records answered correctly, scaled by 10^18 and rounded down.
    function accuracyOf(bytes32 agentId, uint32 version, bytes32 datasetId) external view returns (uint256 part);

    /// @notice The agent's owner; reverts if unknown.
    /// @param agentId The agent.
    /// @return owner The agent's owner.
    function agentOwner(bytes32 agentId) external view returns (address owner);
}
