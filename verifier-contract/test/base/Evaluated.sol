// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Evaluations} from "../../src/Evaluations.sol";
import {IDatasetRegistry} from "../../src/interfaces/IDatasetRegistry.sol";
import {IEvaluations} from "../../src/interfaces/IEvaluations.sol";
import {Statements} from "../../src/libraries/Statements.sol";
import {World} from "./World.sol";

/// Accuracy on chain: Cleo's test set of two shards (100 + 50 records), which Olga's agent was not trained on.
abstract contract Evaluated is World {
    bytes32 internal testSet;
    bytes32 internal evaluationCircuit;
    Evaluations internal evaluations;

    function setUp() public virtual override {
        super.setUp();
        certifiedAgent();
        evaluations = new Evaluations(agents);
        evaluationCircuit = gate.addCircuit(circuitInfo(Statements.EVALUATION));
        IDatasetRegistry.ShardProof[] memory shards = new IDatasetRegistry.ShardProof[](2);
        shards[0] = shardProof(CLEO, "test 0", 0, 100);
        shards[1] = shardProof(CLEO, "test 1", 1, 50);
        IDatasetRegistry.RegisterParams memory params = registerParams();
        vm.prank(CLEO);
        testSet = datasets.register(params, shards);
    }

    function evaluationOf(uint32 shard, uint256 n, uint256 correct)
        internal
        returns (IEvaluations.EvaluationProof memory)
    {
        return evaluationWith(testSet, shard, shard == 0 ? bytes32("test 0") : bytes32("test 1"), W, n, correct);
    }

    /// The loss of an evaluation of n records: a tenth of n.
    function lossOf(uint256 n) internal pure returns (uint256) {
        return (n << Statements.LOSS_BITS) / 10;
    }

    function evaluationWith(bytes32 id, uint32 shard, bytes32 seed, bytes32 weights, uint256 n, uint256 correct)
        internal
        returns (IEvaluations.EvaluationProof memory)
    {
        uint256[] memory inputs = new uint256[](Statements.EVALUATION_INPUTS);
        inputs[Statements.CTX] = evaluations.evaluationContext(agent, version, id, shard);
        inputs[Statements.EVALUATION_N] = n;
        inputs[Statements.EVALUATION_CORRECT] = correct;
        inputs[Statements.EVALUATION_LOSS] = lossOf(n);
        Proof memory proof = accepted(inputs, abi.encodePacked(points(seed, COLUMNS), points(weights, 1)));
        return IEvaluations.EvaluationProof({shard: shard, inputs: proof.inputs, proof: proof.proof});
    }

    function evaluate(bytes32 id, IEvaluations.EvaluationProof memory proof) internal {
        IEvaluations.EvaluationProof[] memory proofs = new IEvaluations.EvaluationProof[](1);
        proofs[0] = proof;
        evaluations.evaluate(agent, version, id, evaluationCircuit, proofs);
    }

    function expectRefused(bytes32 id, IEvaluations.EvaluationProof memory proof, bytes memory reason) internal {
        IEvaluations.EvaluationProof[] memory proofs = new IEvaluations.EvaluationProof[](1);
        proofs[0] = proof;
        vm.expectRevert(reason);
        evaluations.evaluate(agent, version, id, evaluationCircuit, proofs);
    }

    function evaluateAll() internal {
        evaluate(testSet, evaluationOf(1, 50, 45));
        evaluate(testSet, evaluationOf(0, 100, 96));
    }
}
