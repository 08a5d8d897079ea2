// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IDatasetRegistry} from "../src/interfaces/IDatasetRegistry.sol";
import {IEvaluations} from "../src/interfaces/IEvaluations.sol";
import {IProofGate} from "../src/interfaces/IProofGate.sol";
import {Statements} from "../src/libraries/Statements.sol";
import {Evaluated} from "./base/Evaluated.sol";

contract EvaluationsTest is Evaluated {
    function test_AccuracyIsProvenShardByShard() public {
        evaluate(testSet, evaluationOf(1, 50, 45));
        vm.expectRevert(abi.encodeWithSelector(IEvaluations.NotEvaluated.selector, agent, version, testSet));
        evaluations.accuracyOf(agent, version, testSet);
        evaluate(testSet, evaluationOf(1, 50, 45)); // counts once
        evaluate(testSet, evaluationOf(0, 100, 96));
        (uint64 correct, uint64 records) = evaluations.accuracyOf(agent, version, testSet);
        assertTrue(correct == 141 && records == 150, "141 of 150");
        (uint64 loss,) = evaluations.lossOf(agent, version, testSet);
        assertEq(loss, lossOf(50) + lossOf(100));
        IEvaluations.Evaluation memory entry = evaluations.evaluationOf(agent, version, testSet, evaluationCircuit);
        assertTrue(entry.shards == 2 && entry.shardsDone == 2 && entry.loss == loss, "both shards");
    }

    function test_Attack_AccuracyOnRecordsThatItWasTrainedOn() public {
        expectRefused(
            benSet,
            evaluationWith(benSet, 0, "ben 0", W, 297, 297),
            abi.encodeWithSelector(IEvaluations.TrainedOn.selector, benSet)
        );
        // nor on a later version of them
        IDatasetRegistry.ShardProof[] memory more = oneShard(shardProof(BEN, "ben 1", 1, 5));
        vm.prank(BEN);
        bytes32 larger = datasets.extend(benSet, more);
        expectRefused(
            larger,
            evaluationWith(larger, 1, "ben 1", W, 5, 5),
            abi.encodeWithSelector(IEvaluations.TrainedOn.selector, larger)
        );
    }

    function test_Attack_AccuracyOfOtherWeightsRecordsOrPlace() public {
        expectRefused(
            testSet,
            evaluationWith(testSet, 0, "test 0", "better weights", 100, 100),
            abi.encodeWithSelector(IEvaluations.WrongWeights.selector, pointDigest(W), pointDigest("better weights"))
        );
        expectRefused(
            testSet,
            evaluationWith(testSet, 0, "easy records", W, 100, 100),
            abi.encodeWithSelector(
                IEvaluations.WrongRecords.selector, 0, recordsDigest("test 0"), recordsDigest("easy records")
            )
        );
        IEvaluations.EvaluationProof memory proof = evaluationOf(0, 100, 96);
        uint256 expected = proof.inputs[0];
        proof.inputs[0] = evaluations.evaluationContext(agent, version, testSet, 1);
        verifier.commit(proof.inputs, proof.proof);
        expectRefused(
            testSet, proof, abi.encodeWithSelector(IEvaluations.WrongContext.selector, expected, proof.inputs[0])
        );
        proof = evaluationOf(0, 100, 96);
        proof.shard = 2;
        expectRefused(testSet, proof, abi.encodeWithSelector(IDatasetRegistry.ShardOutOfRange.selector, testSet, 2, 2));
        evaluateAll();
    }

    function test_Attack_ImpossibleCounts() public {
        expectRefused(
            testSet, evaluationOf(0, 100, 101), abi.encodeWithSelector(IEvaluations.ImpossibleCounts.selector, 101, 100)
        );
        expectRefused(
            testSet,
            evaluationOf(0, 1 << 26, 0),
            abi.encodeWithSelector(IEvaluations.ImpossibleCounts.selector, 0, 1 << 26)
        );
    }

    function withLoss(uint32 shard, uint256 loss) private returns (IEvaluations.EvaluationProof memory proof) {
        proof = evaluationOf(shard, 50, 45);
        proof.inputs[Statements.EVALUATION_LOSS] = loss;
        verifier.commit(proof.inputs, proof.proof);
    }

    /// `loss + x/2^u mod r`, which a prover could publish for a remainder of x less, is far above the limit; so is a
    /// sum of shards.
    function test_Attack_ImpossibleLoss() public {
        uint256 most = (1 << 53) - 1;
        uint256[3] memory beyond = [most + 1, R - 1, R / 2];
        for (uint256 i = 0; i < beyond.length; ++i) {
            expectRefused(
                testSet, withLoss(0, beyond[i]), abi.encodeWithSelector(IEvaluations.ImpossibleLoss.selector, beyond[i])
            );
        }
        evaluate(testSet, withLoss(1, most));
        expectRefused(testSet, withLoss(0, 1), abi.encodeWithSelector(IEvaluations.ImpossibleLoss.selector, 1));
        evaluate(testSet, withLoss(0, 0));
        (uint64 loss,) = evaluations.lossOf(agent, version, testSet);
        assertEq(loss, most);
    }

    function test_RevertWhen_CircuitOrSchemaDoesNotFit() public {
        IProofGate.CircuitInfo memory info = circuitInfo(Statements.EVALUATION);
        info.layoutHash = "another layout";
        evaluationCircuit = gate.addCircuit(info);
        expectRefused(
            testSet,
            evaluationOf(0, 100, 96),
            abi.encodeWithSelector(IEvaluations.UnfitCircuit.selector, evaluationCircuit)
        );
        info = circuitInfo(Statements.EVALUATION);
        info.link = 2;
        evaluationCircuit = gate.addCircuit(info);
        expectRefused(
            testSet,
            evaluationOf(0, 100, 96),
            abi.encodeWithSelector(IEvaluations.UnfitCircuit.selector, evaluationCircuit)
        );
        evaluationCircuit = gradientCircuit;
        expectRefused(
            testSet,
            evaluationOf(0, 100, 96),
            abi.encodeWithSelector(IEvaluations.UnfitCircuit.selector, gradientCircuit)
        );
        evaluationCircuit = gate.circuitIdOf(circuitInfo(Statements.EVALUATION));
        IDatasetRegistry.RegisterParams memory params = registerParams();
        params.schemaId = "another schema";
        bytes32 id = registerAs(CLEO, params, "other", 10);
        expectRefused(
            id,
            evaluationWith(id, 0, "other", W, 10, 10),
            abi.encodeWithSelector(IEvaluations.SchemaMismatch.selector, id, SCHEMA, params.schemaId)
        );
    }

    function test_RevertWhen_VersionIsNotCertifiedOrDoubtful() public {
        IEvaluations.EvaluationProof memory proof = evaluationOf(0, 100, 96);
        bytes memory reason = abi.encodeWithSelector(IEvaluations.NotCertified.selector, agent, version);
        gate.stop(optimumCircuit);
        expectRefused(testSet, proof, reason);
        vm.expectRevert();
        version = 9;
        evaluate(testSet, proof);
    }

    /// Evaluations by a stopped circuit no longer count; another circuit can prove them again.
    function test_AStoppedCircuitsAccuracyIsNotTold() public {
        evaluateAll();
        gate.stop(evaluationCircuit);
        bytes memory reason = abi.encodeWithSelector(IProofGate.StoppedCircuit.selector, evaluationCircuit);
        vm.expectRevert(reason);
        evaluations.accuracyOf(agent, version, testSet);
        expectRefused(testSet, evaluationOf(0, 100, 96), reason);
        IProofGate.CircuitInfo memory info = circuitInfo(Statements.EVALUATION);
        info.vkDigest = "repaired";
        evaluationCircuit = gate.addCircuit(info);
        evaluateAll();
        (uint64 correct,) = evaluations.accuracyOf(agent, version, testSet);
        assertEq(correct, 141);
    }

    /// The dataset's records are in doubt, so accuracy on them no longer counts.
    function test_AnAccuracyOnDoubtfulRecordsIsNotTold() public {
        evaluateAll();
        gate.stop(datasetCircuit);
        vm.expectRevert(abi.encodeWithSelector(IProofGate.StoppedCircuit.selector, datasetCircuit));
        evaluations.accuracyOf(agent, version, testSet);
    }

    function testFuzz_OnlyProvenCountsAreCounted(uint256 n, uint256 correct, uint256 byte_) public {
        IEvaluations.EvaluationProof memory proof = evaluationOf(0, 100, 96);
        uint256 offset = bound(byte_, 0, proof.proof.length - 1);
        proof.inputs[1] = bound(n, 0, R - 1);
        proof.inputs[2] = bound(correct, 0, R - 1);
        vm.assume(proof.inputs[1] != 100 || proof.inputs[2] != 96);
        IEvaluations.EvaluationProof[] memory proofs = new IEvaluations.EvaluationProof[](1);
        proofs[0] = proof;
        vm.expectRevert(abi.encodeWithSelector(IProofGate.ProofRejected.selector, evaluationCircuit));
        evaluations.evaluate(agent, version, testSet, evaluationCircuit, proofs);
        proof = evaluationOf(0, 100, 96);
        proof.proof[offset] ^= 0x01;
        proofs[0] = proof;
        vm.expectRevert();
        evaluations.evaluate(agent, version, testSet, evaluationCircuit, proofs);
    }
}
