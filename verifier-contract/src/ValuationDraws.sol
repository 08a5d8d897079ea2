// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IAgentRegistry} from "./interfaces/IAgentRegistry.sol";
import {IAgents} from "./interfaces/IAgents.sol";
import {IAgreedWeights} from "./interfaces/IAgreedWeights.sol";
import {IDatasetRegistry} from "./interfaces/IDatasetRegistry.sol";
import {IEvaluations} from "./interfaces/IEvaluations.sol";
import {IProofGate} from "./interfaces/IProofGate.sol";
import {IValuationDraws} from "./interfaces/IValuationDraws.sol";
import {Circuits} from "./libraries/Circuits.sol";
import {Statements} from "./libraries/Statements.sol";

/// @title Valuation draws
/// @notice See {IValuationDraws}.
abstract contract ValuationDraws is IValuationDraws {
    // Files may have fewer, but what is paid by should vary little; they have no more than the most.
    uint32 private constant LEAST_PERMUTATIONS = 30;
    uint32 private constant MOST_PERMUTATIONS = 4096;
    // On Ethereum, who proposes a block is known up to 64 slots before, so nobody can commit just before a block of its
    // own.
    uint64 private constant DELAY = 100;
    // Where EIP-2935 is in force, a contract that knows the hashes of the last 8,191 blocks.
    address private constant HISTORY = 0x0000F90827F1C53a10cb7A02335B175320002935;

    IAgentRegistry internal immutable AGENTS;
    IDatasetRegistry internal immutable DATASETS;
    mapping(bytes32 agentId => mapping(uint32 version => Draw)) private _draws;

    /// @param agents The agent registry; its dataset registry is used.
    constructor(IAgentRegistry agents) {
        AGENTS = agents;
        DATASETS = IDatasetRegistry(agents.datasetRegistry());
    }

    /// @inheritdoc IValuationDraws
    function commitValuation(bytes32 agentId, uint32 version, bytes32 testSet, uint32 permutations) external {
        if (AGENTS.agentOwner(agentId) != msg.sender) revert IAgents.NotAgentOwner(agentId, msg.sender);
        Draw storage draw = _draws[agentId][version];
        if (draw.attempts == 0) {
            _requireFit(agentId, version, testSet);
            if (permutations < LEAST_PERMUTATIONS || permutations > MOST_PERMUTATIONS) {
                revert PermutationsOutOfRange(permutations);
            }
            (draw.testSet, draw.permutations) = (testSet, permutations);
        } else {
            if (draw.beacon != bytes32(0) || !_lapsed(draw.blockNumber)) revert AlreadyCommitted(agentId, version);
            bool same = draw.testSet == testSet && draw.permutations == permutations;
            if (!same) revert OtherCommitment(draw.testSet, draw.permutations);
        }
        uint64 blockNumber = uint64(block.number) + DELAY;
        uint32 attempt = draw.attempts + 1;
        (draw.blockNumber, draw.attempts) = (blockNumber, attempt);
        emit ValuationCommitted(agentId, version, testSet, permutations, blockNumber, attempt);
    }

    /// @inheritdoc IValuationDraws
    function fixBeacon(bytes32 agentId, uint32 version) external returns (bytes32 beacon) {
        Draw storage draw = _draws[agentId][version];
        if (draw.attempts == 0) revert NotCommitted(agentId, version);
        if (draw.beacon != bytes32(0)) revert BeaconKnown(draw.beacon);
        uint64 blockNumber = draw.blockNumber;
        if (block.number <= blockNumber) revert BlockToCome(blockNumber);
        bytes32 hash = _hashOf(blockNumber);
        // slither-disable-next-line incorrect-equality
        if (hash == bytes32(0)) revert DrawLapsed(blockNumber);
        beacon = _beaconOf(agentId, version, draw, hash);
        draw.beacon = beacon;
        emit BeaconFixed(agentId, version, beacon, draw.attempts);
    }

    /// @inheritdoc IValuationDraws
    function drawOf(bytes32 agentId, uint32 version) external view returns (Draw memory draw) {
        return _draws[agentId][version];
    }

    /// Checks that the version is certified, and that the test set is registered, not trained on, and of its schema,
    /// layout and SRS.
    function _requireFit(bytes32 agentId, uint32 version, bytes32 testSet) private view {
        if (!AGENTS.isCertified(agentId, version)) revert IAgreedWeights.NotCertified(agentId, version);
        IDatasetRegistry.Dataset memory dataset = DATASETS.dataset(testSet);
        if (AGENTS.lists(agentId, version, dataset.root)) revert IAgreedWeights.TrainedOn(testSet);
        IAgentRegistry.Version memory entry = AGENTS.getVersion(agentId, version);
        if (dataset.schemaId != entry.schemaId) {
            revert IEvaluations.SchemaMismatch(testSet, entry.schemaId, dataset.schemaId);
        }
        IProofGate gate = IProofGate(AGENTS.gate());
        IProofGate.CircuitShape memory shape = gate.shapeOf(entry.gradientCircuitId);
        (shape.statement, shape.link) = (Statements.DATASET, 0);
        Circuits.requireFit(gate, dataset.circuitId, shape);
    }

    function _beaconOf(bytes32 agentId, uint32 version, Draw storage draw, bytes32 hash)
        private
        view
        returns (bytes32)
    {
        return keccak256(
            abi.encode(
                hash, block.chainid, address(this), agentId, version, draw.testSet, draw.permutations, draw.attempts
            )
        );
    }

    /// Whether the beacon can no longer be fixed.
    function _lapsed(uint64 blockNumber) private view returns (bool) {
        // slither-disable-next-line incorrect-equality
        return block.number > blockNumber && _hashOf(blockNumber) == bytes32(0);
    }

    /// The hash of an earlier block; 0 if the chain no longer knows it.
    function _hashOf(uint64 blockNumber) private view returns (bytes32 hash) {
        hash = blockhash(blockNumber);
        if (hash != bytes32(0)) return hash;
        // Elsewhere another contract may be at this address, or one that counts other blocks: it has to know the last
        // block, as the chain does.
        bytes32 last = blockhash(block.number - 1);
        // slither-disable-next-line incorrect-equality
        if (last != bytes32(0) && _recorded(block.number - 1) == last) hash = _recorded(blockNumber);
    }

    /// The hash of a block in the history; 0 if it has none.
    function _recorded(uint256 blockNumber) private view returns (bytes32 hash) {
        // It takes the number without a selector and reverts beyond its history. Without code there is no answer.
        // slither-disable-next-line low-level-calls
        (bool known, bytes memory answer) = HISTORY.staticcall(abi.encode(blockNumber));
        // slither-disable-next-line incorrect-equality
        if (known && answer.length == 32) hash = abi.decode(answer, (bytes32));
    }
}
