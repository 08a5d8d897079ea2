// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IAgentRegistry} from "./interfaces/IAgentRegistry.sol";
import {IAgreedWeights} from "./interfaces/IAgreedWeights.sol";
import {IEvaluations} from "./interfaces/IEvaluations.sol";
import {ISessionEscrow} from "./interfaces/ISessionEscrow.sol";
import {ITribute} from "./interfaces/ITribute.sol";
import {Statements} from "./libraries/Statements.sol";

/// @title Tribute
/// @notice See {ITribute}. It holds no funds and has no owner.
contract Tribute is ITribute {
    uint256 private constant WHOLE = 1e18;

    IAgentRegistry private immutable AGENTS;
    ISessionEscrow private immutable ESCROW;
    IAgreedWeights private immutable WEIGHTS;
    IEvaluations private immutable EVALUATIONS;

    /// @param escrow The session escrow; its agent registry is used.
    /// @param evaluations The evaluations contract, over the same agent registry.
    constructor(ISessionEscrow escrow, IEvaluations evaluations) {
        if (evaluations.agentRegistry() != escrow.agentRegistry()) revert OtherDeployment();
        AGENTS = IAgentRegistry(escrow.agentRegistry());
        ESCROW = escrow;
        WEIGHTS = IAgreedWeights(escrow.agreedWeights());
        EVALUATIONS = evaluations;
    }

    /// @inheritdoc ITribute
    function isCertified(bytes32 agentId, uint32 version) external view returns (bool certified) {
        return AGENTS.status(agentId, version) == IAgentRegistry.Status.Certified;
    }

    /// @inheritdoc ITribute
    function status(bytes32 agentId, uint32 version) external view returns (IAgentRegistry.Status where) {
        return AGENTS.status(agentId, version);
    }

    /// @inheritdoc ITribute
    function latestCertified(bytes32 agentId) external view returns (uint32 version) {
        return AGENTS.latestCertified(agentId);
    }

    /// @inheritdoc ITribute
    function certificate(bytes32 agentId, uint32 version) external view returns (Certificate memory content) {
        if (!AGENTS.isCertified(agentId, version)) revert NotCertified(agentId, version);
        IAgentRegistry.Version memory entry = AGENTS.getVersion(agentId, version);
        uint256 gradient = uint256(entry.epsilon) + entry.delta;
        content = Certificate({
            modelHash: entry.modelHash,
            wDigest: entry.wDigest,
            listHash: entry.listHash,
            datasets: entry.datasets,
            records: entry.records,
            link: entry.link,
            lambda: entry.lambda,
            // ε, δ and λ have the same unit
            distance: Math.ceilDiv((gradient * WHOLE) << Statements.NORM_BITS, uint256(entry.lambda) * entry.norm),
            excessLoss: Math.ceilDiv(
                gradient * gradient * WHOLE, (2 * uint256(entry.lambda)) << Statements.LAMBDA_BITS
            ),
            dataBps: entry.dataBps,
            pricePerQuery: entry.pricePerQuery
        });
    }

    /// @inheritdoc ITribute
    function shareOf(bytes32 agentId, uint32 version, bytes32 datasetId) external view returns (uint256 part) {
        (uint256 weight, uint256 total) = AGENTS.rewardWeight(agentId, version, datasetId);
        return weight * WHOLE / total;
    }

    /// @inheritdoc ITribute
    function paidPartOf(bytes32 agentId, uint32 version, bytes32 datasetId) external view returns (uint256 part) {
        (uint256 weight, uint256 total) = WEIGHTS.weightOf(agentId, version, datasetId);
        return weight * WHOLE / total;
    }

    /// @inheritdoc ITribute
    function valuationOf(bytes32 agentId, uint32 version) external view returns (bytes32 digest) {
        return WEIGHTS.stateOf(agentId, version).valuation;
    }

    /// @inheritdoc ITribute
    function datasetsOf(bytes32 agentId, uint32 version) external view returns (bytes32 listHash, uint32 count) {
        IAgentRegistry.Version memory entry = AGENTS.getVersion(agentId, version);
        return (entry.listHash, entry.datasets);
    }

    /// @inheritdoc ITribute
    function servedQueries(bytes32 agentId, uint32 version) external view returns (uint256 count) {
        // slither-disable-next-line unused-return
        (count,) = ESCROW.servedQueries(agentId, version);
    }

    /// @inheritdoc ITribute
    function settledQueries(bytes32 agentId, uint32 version) external view returns (uint256 count) {
        // slither-disable-next-line unused-return
        (, count) = ESCROW.servedQueries(agentId, version);
    }

    /// @inheritdoc ITribute
    function accuracyOf(bytes32 agentId, uint32 version, bytes32 datasetId) external view returns (uint256 part) {
        (uint64 correct, uint64 records) = EVALUATIONS.accuracyOf(agentId, version, datasetId);
        return uint256(correct) * WHOLE / records;
    }

    /// @inheritdoc ITribute
    function agentOwner(bytes32 agentId) external view returns (address owner) {
        return AGENTS.agentOwner(agentId);
    }
}
