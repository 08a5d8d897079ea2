// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Evaluations} from "../src/Evaluations.sol";
import {ICertification} from "../src/interfaces/ICertification.sol";
import {IAgentRegistry} from "../src/interfaces/IAgentRegistry.sol";
import {IDatasetRegistry} from "../src/interfaces/IDatasetRegistry.sol";
import {IEvaluations} from "../src/interfaces/IEvaluations.sol";
import {IProofGate} from "../src/interfaces/IProofGate.sol";
import {ISessionEscrow} from "../src/interfaces/ISessionEscrow.sol";
import {Statements} from "../src/libraries/Statements.sol";
import {RealWorld} from "./base/RealWorld.sol";

/// The life cycle and its attacks with real verifiers and real proofs. For what a forger of proofs could do beyond this
/// see `CertificateAttacks` and `ServiceAttacks`, where a stand-in accepts proofs that no prover could make.
contract RealLifeTest is RealWorld {
    // ---- the honest path ------------------------------------------------------------------------------------------

    function test_WholeLifeCycle() public {
        served();
        IAgentRegistry.Version memory entry = agents.getVersion(agent, version);
        assertTrue(entry.status == IAgentRegistry.Status.Certified && entry.records == 150, "certified over all");
        assertTrue(entry.epsilon > 0 && entry.epsilon <= entry.delta * Statements.EPSILON_CAP, "within the cap");
        (uint256 toAda, uint256 total) = agents.rewardWeight(agent, version, adaSet);
        (uint256 toBen,) = agents.rewardWeight(agent, version, benSet);
        assertTrue(toAda + toBen == total && toAda > toBen, "Ada brought more");

        ISessionEscrow.ClaimBatch memory batch = batchOf("claim-ten", all());
        claim(batch);
        uint256 queries = 0;
        for (uint256 i = 0; i < SESSIONS; ++i) {
            queries += batch.inputs[Statements.SERVICE_COUNT + i];
            assertEq(escrow.getSession(sessions[i]).count, 1 + i % 4);
        }
        assertEq(queries, 23);
        claim(batchOf("claim-one", only(continued)));
        assertEq(escrow.getSession(sessions[continued]).count, 6);
        assertEq(escrow.totalRewards(), 25 * PRICE);
        assertSolvent();

        vm.prank(ada);
        toAda = escrow.withdrawProvider(agent, version, adaSet);
        vm.prank(ben);
        toBen = escrow.withdrawProvider(agent, version, benSet);
        vm.prank(olga);
        assertEq(escrow.withdrawOwner(agent, version), 25 * PRICE * 4 / 10);
        assertTrue(toAda + toBen <= 25 * PRICE * 6 / 10 && toAda + toBen + 2 > 25 * PRICE * 6 / 10, "all to data");
        for (uint256 i = 0; i < SESSIONS; ++i) {
            vm.prank(cleo);
            escrow.requestThaw(sessions[i], type(uint128).max);
        }
        vm.warp(block.timestamp + THAW);
        for (uint256 i = 0; i < SESSIONS; ++i) {
            vm.prank(cleo);
            escrow.withdrawThawed(sessions[i]);
        }
        assertEq(token.balanceOf(cleo), SESSIONS * ESCROW - 25 * PRICE);
        assertSolvent();
        assertTrue(escrow.liabilities() <= 1, "nothing but dust is left");
    }

    /// Certification over several transactions, by anyone, in any order of shards.
    function test_CertificateIsResumable() public {
        closeFirst();
        add(version, gradient(2));
        Proof memory proof = proofOf("optimum");
        vm.expectRevert(abi.encodeWithSelector(ICertification.GradientsMissing.selector, 1, 3));
        agents.certify(agent, version, proof.inputs, proof.proof);
        add(version, gradient(0));
        vm.warp(block.timestamp + 30 days);
        agents.addGradients(agent, version, allGradients());
        certify(version, "optimum");
        assertTrue(agents.isCertified(agent, version), "certified");
    }

    // ---- data ----------------------------------------------------------------------------------------------------

    function expectRegistrationRefused(address owner, IDatasetRegistry.ShardProof[] memory shards, bytes memory reason)
        private
    {
        IDatasetRegistry.RegisterParams memory params = registerParams();
        vm.expectRevert(reason);
        vm.prank(owner);
        datasets.register(params, shards);
    }

    function wrongContext(address owner, IDatasetRegistry.ShardProof memory copied)
        private
        view
        returns (bytes memory)
    {
        bytes32 layoutHash = gate.circuit(datasetCircuit).layoutHash;
        uint256 expected = datasets.shardContext(owner, registerParams(), layoutHash, 0, 50);
        return abi.encodeWithSelector(IDatasetRegistry.WrongContext.selector, 0, expected, copied.inputs[0]);
    }

    function test_Attack_RegistrationCopiedFromTheMempool() public {
        IDatasetRegistry.ShardProof[] memory shards = benShards();
        expectRegistrationRefused(ada, shards, wrongContext(ada, shards[0]));
        registerAs(ben, shards);
    }

    function test_Attack_DatasetOfAnotherChain() public {
        IDatasetRegistry.ShardProof[] memory shards = benShards();
        vm.chainId(1);
        expectRegistrationRefused(ben, shards, wrongContext(ben, shards[0]));
        vm.chainId(31_337);
        registerAs(ben, shards);
    }

    function test_Attack_RecordSlippedIn() public {
        IDatasetRegistry.ShardProof[] memory shards = benShards();
        shards[0].inputs[Statements.DATASET_N] += 1;
        expectRegistrationRefused(
            ben, shards, abi.encodeWithSelector(IProofGate.ProofRejected.selector, datasetCircuit)
        );
    }

    function test_Attack_DatasetRegisteredTwice() public {
        benSet = registerAs(ben, benShards());
        bytes32 digest = datasets.shardDigest(benSet, 0);
        expectRegistrationRefused(
            ben, benShards(), abi.encodeWithSelector(IDatasetRegistry.DigestRegistered.selector, digest, benSet)
        );
    }

    // ---- certificate ---------------------------------------------------------------------------------------------

    function expectGradientRefused(IAgentRegistry.GradientProof memory proof, bytes memory reason) private {
        IAgentRegistry.GradientProof[] memory proofs = new IAgentRegistry.GradientProof[](1);
        proofs[0] = proof;
        vm.expectRevert(reason);
        agents.addGradients(agent, version, proofs);
    }

    /// A true gradient proof, over Ada's records with one label changed.
    function test_Attack_LabelChanged() public {
        closeFirst();
        expectGradientRefused(
            gradientOf(adaSet, 0, "gradient-relabelled"),
            abi.encodeWithSelector(
                ICertification.WrongRecords.selector,
                adaSet,
                0,
                digestOf("ada-0", 0, 9),
                digestOf("gradient-relabelled", 0, 9)
            )
        );
    }

    function test_Attack_GradientOfAnotherShardInItsPlace() public {
        closeFirst();
        expectGradientRefused(
            gradientOf(adaSet, 0, "gradient-1"),
            abi.encodeWithSelector(
                ICertification.WrongRecords.selector, adaSet, 0, digestOf("ada-0", 0, 9), digestOf("ada-1", 0, 9)
            )
        );
    }

    function test_Attack_ShardLeftOut() public {
        closeFirst();
        add(version, gradient(0));
        add(version, gradient(1));
        Proof memory proof = proofOf("optimum");
        vm.expectRevert(abi.encodeWithSelector(ICertification.GradientsMissing.selector, 2, 3));
        agents.certify(agent, version, proof.inputs, proof.proof);
    }

    /// True gradients of other weights, which another version of the same owner proved.
    function test_Attack_GradientsOfAnotherVersion() public {
        closeFirst();
        expectGradientRefused(
            gradientOf(benSet, 0, "tilted-gradient-0"),
            abi.encodeWithSelector(
                ICertification.WrongWeights.selector, digestOf("gradient-2", 9, 1), digestOf("tilted-gradient-0", 9, 1)
            )
        );
    }

    /// A shard's contribution is fixed by its proof.
    function test_Attack_ContributionAltered() public {
        closeFirst();
        IAgentRegistry.GradientProof memory proof = gradient(0);
        proof.inputs[Statements.GRADIENT_CONTRIBUTION] += 1;
        expectGradientRefused(proof, abi.encodeWithSelector(IProofGate.ProofRejected.selector, gradientCircuit));
    }

    /// Every number of the certificate is fixed by its proof: n, λ, ε, norm.
    function test_Attack_AnyNumberOfACertificateAltered() public {
        closeFirst();
        agents.addGradients(agent, version, allGradients());
        Proof memory proof = proofOf("optimum");
        for (uint256 i = 0; i < Statements.OPTIMUM_INPUTS; ++i) {
            proof.inputs[i] += 1;
            vm.expectRevert(abi.encodeWithSelector(IProofGate.ProofRejected.selector, optimumCircuit));
            agents.certify(agent, version, proof.inputs, proof.proof);
            proof.inputs[i] -= 1;
        }
        certify(version, "optimum");
    }

    /// Weights off their optimum, with a true proof of how far: the circuit states it, the registry refuses it.
    function test_Attack_EpsilonOverTheCap() public {
        closeFirst();
        uint32 tilted = closed(tiltedParams(), ids1(benSet));
        add(tilted, gradientOf(benSet, 0, "tilted-gradient-0"));
        Proof memory proof = proofOf("tilted-optimum");
        uint256 epsilon = proof.inputs[Statements.OPTIMUM_EPSILON];
        uint256 delta = agents.getVersion(agent, tilted).delta;
        uint256 cap = delta * Statements.EPSILON_CAP;
        uint256 distance = (epsilon + delta) * 1_024_000;
        assertTrue(
            distance <= proof.inputs[Statements.OPTIMUM_LAMBDA] * proof.inputs[Statements.OPTIMUM_NORM],
            "the relative distance alone would pass"
        );
        vm.expectRevert(abi.encodeWithSelector(ICertification.EpsilonOverCap.selector, epsilon, cap));
        agents.certify(agent, tilted, proof.inputs, proof.proof);
    }

    /// One bad proof of several reverts the transaction; the good ones can be sent again without it.
    function test_Attack_OneBadProofOfSeveral() public {
        IDatasetRegistry.ShardProof[] memory shards = adaShards();
        uint256 input = shards[1].inputs[Statements.CTX];
        shards[1].inputs[Statements.CTX] = input ^ 1;
        IDatasetRegistry.RegisterParams memory params = registerParams();
        vm.expectRevert(abi.encodeWithSelector(IProofGate.OneRejected.selector, 2));
        vm.prank(ada);
        datasets.register(params, shards);
        closeFirst();

        IAgentRegistry.GradientProof[] memory proofs = allGradients();
        proofs[2].inputs[Statements.GRADIENT_CONTRIBUTION] += 1;
        vm.expectRevert(abi.encodeWithSelector(IProofGate.OneRejected.selector, 3));
        agents.addGradients(agent, version, proofs);
        Proof memory optimum = proofOf("optimum");
        vm.expectRevert(abi.encodeWithSelector(IProofGate.OneRejected.selector, 4));
        agents.addGradientsAndCertify(agent, version, proofs, optimum.inputs, optimum.proof);
        assertTrue(!agents.gradientAdded(agent, version, adaSet, 0), "nothing was added");

        // the gate tells which one it was
        for (uint256 i = 0; i < 3; ++i) {
            (bool holds,) = address(gate)
                .staticcall(abi.encodeCall(gate.check, (gradientCircuit, proofs[i].inputs, proofs[i].proof)));
            assertTrue(holds == (i != 2), "the third");
        }
        proofs = allGradients();
        optimum.inputs[Statements.OPTIMUM_EPSILON] += 1;
        vm.expectRevert(abi.encodeWithSelector(IProofGate.OneRejected.selector, 4));
        agents.addGradientsAndCertify(agent, version, proofs, optimum.inputs, optimum.proof);
        optimum.inputs[Statements.OPTIMUM_EPSILON] -= 1;
        agents.addGradientsAndCertify(agent, version, proofs, optimum.inputs, optimum.proof);
        assertTrue(agents.isCertified(agent, version), "the honest twin");
    }

    // ---- consent -------------------------------------------------------------------------------------------------

    function bpsOf(bytes32 id) private view returns (uint16) {
        (uint256 weight, uint256 total) = agents.rewardWeight(agent, version, id);
        return uint16(weight * 10_000 / total);
    }

    /// Olga's dataset of one shard, with a true proof.
    function registerOlgas(string memory name) private returns (bytes32) {
        IDatasetRegistry.ShardProof[] memory shards = new IDatasetRegistry.ShardProof[](1);
        shards[0] = shard(name);
        return registerAs(olga, shards);
    }

    /// Gradients of a version that is called `name`, of Ada's and Ben's shards and then of `more` of Olga's.
    function addNamed(string memory name, bytes32[] memory more) private {
        IAgentRegistry.GradientProof[] memory proofs = new IAgentRegistry.GradientProof[](3 + more.length);
        for (uint256 i = 0; i < proofs.length; ++i) {
            string memory file = string.concat(name, "-gradient-", vm.toString(i));
            bytes32 id = i < 2 ? adaSet : i == 2 ? benSet : more[i - 3];
            proofs[i] = gradientOf(id, i == 1 ? 1 : 0, file);
        }
        agents.addGradients(agent, version, proofs);
    }

    function with(bytes32[] memory more) private view returns (bytes32[] memory ids) {
        ids = new bytes32[](2 + more.length);
        (ids[0], ids[1]) = (adaSet, benSet);
        for (uint256 i = 0; i < more.length; ++i) {
            ids[2 + i] = more[i];
        }
    }

    function expectBelowLeastShare(string memory name) private {
        Proof memory proof = proofOf(name);
        IAgentRegistry.Sums memory sums = agents.sumsOf(agent, version);
        vm.expectRevert(abi.encodeWithSelector(ICertification.BelowLeastShare.selector, sums.leastBase, sums.positive));
        agents.certify(agent, version, proof.inputs, proof.proof);
    }

    /// Olga adds records that her agent labelled itself: all of it is proven, and it takes most of the sum. Ben's grant asks
    /// for a fifth; without them he gets it, from the same grant.
    function test_Attack_DilutionWithSyntheticData() public {
        createAgent();
        IDatasetRegistry.GrantTerms memory grant = grantTerms(2);
        grant.minShareBps = 2000;
        grantAs(ben, benSet, grant);
        grantAs(ada, adaSet, grantTerms(2));
        bytes32[] memory more = ids1(registerOlgas("synthetic-0"));
        IAgentRegistry.VersionParams memory params = versionParams();
        params.wDigest = weightsOf("diluted");
        version = closed(params, with(more));
        addNamed("diluted", more);
        expectBelowLeastShare("diluted-optimum");
        // who agreed to less is not asked again: without the least share it would certify
        uint256 state = vm.snapshotState();
        registeredAnew(more, params);
        vm.revertToStateAndDelete(state);
    }

    /// The same version under a grant without a least share, for another of her agents: shows what consent alone
    /// prevents.
    function registeredAnew(bytes32[] memory more, IAgentRegistry.VersionParams memory params) private {
        vm.prank(olga);
        agents.abandon(agent, version);
        grantAs(ben, benSet, grantTerms(1));
        version = closed(params, with(more));
        addNamed("diluted", more);
        // made for version 1: everything but its context would do
        Proof memory proof = proofOf("diluted-optimum");
        uint256 expected = agents.optimumContext(agent, version);
        vm.expectRevert(
            abi.encodeWithSelector(ICertification.WrongContext.selector, expected, proof.inputs[Statements.CTX])
        );
        agents.certify(agent, version, proof.inputs, proof.proof);
        assertTrue(agents.sumsOf(agent, version).leastBase == type(uint128).max, "nobody asked for a share");
    }

    /// Another λ, all of it proven at its own optimum: who loses by it has agreed to the share of the first, not to less.
    function test_Attack_LambdaGround() public {
        certifiedAgent();
        bool ben_ = lifeUint(".loser") == 1;
        bytes32 loser = ben_ ? benSet : adaSet;
        IDatasetRegistry.GrantTerms memory grant = grantTerms(1);
        grantAs(ben_ ? ada : ben, ben_ ? adaSet : benSet, grant);
        grant.minShareBps = bpsOf(loser);
        grantAs(ben_ ? ben : ada, loser, grant);
        IAgentRegistry.VersionParams memory params = versionParams();
        params.lambda = uint64(lifeUint(".groundLambda"));
        params.wDigest = weightsOf("ground");
        version = closed(params, bothSets());
        addNamed("ground", new bytes32[](0));
        expectBelowLeastShare("ground-optimum");
    }

    /// Three datasets of Olga's that each work a little against the weights: each alone would pass, together they do not.
    function test_Attack_ManySlightlyNegativeDatasets() public {
        createAgent();
        uint256 count = lifeUint(".junk");
        bytes32[] memory more = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            more[i] = registerOlgas(string.concat("junk-", vm.toString(i)));
        }
        IAgentRegistry.VersionParams memory params = versionParams();
        params.wDigest = weightsOf("outvoted");
        version = closed(params, with(more));
        addNamed("outvoted", more);
        IAgentRegistry.Sums memory sums = agents.sumsOf(agent, version);
        for (uint256 i = 0; i < count; ++i) {
            int256 value = agents.contributionOf(agent, version, more[i]).value;
            assertTrue(value < 0 && -value * 1024 < sums.total, "each alone would pass");
        }
        Proof memory proof = proofOf("outvoted-optimum");
        uint256 negative = sums.positive - uint256(sums.total);
        vm.expectRevert(abi.encodeWithSelector(ICertification.TooNegative.selector, negative, sums.total));
        agents.certify(agent, version, proof.inputs, proof.proof);
    }

    /// A closed list is final, and valid gradients of other datasets are refused.
    function test_Attack_AddingAfterClosing() public {
        createAgent();
        version = closed(versionParams(), ids1(adaSet));
        bytes32[] memory more = ids1(benSet);
        vm.expectRevert(
            abi.encodeWithSelector(
                IAgentRegistry.WrongStatus.selector,
                agent,
                version,
                IAgentRegistry.Status.Draft,
                IAgentRegistry.Status.Closed
            )
        );
        vm.prank(olga);
        agents.addDatasets(agent, version, more);
        expectGradientRefused(gradient(2), abi.encodeWithSelector(ICertification.DatasetNotInVersion.selector, benSet));
    }

    /// Less for data, or a lower price, than the grant asks for: not listed, and so never certified.
    function test_Attack_DatasPartOrPriceLowered() public {
        createAgent();
        IDatasetRegistry.GrantTerms memory grant = grantTerms(1);
        (grant.minDataBps, grant.minPricePerQuery) = (DATA_BPS, PRICE);
        grantAs(ben, benSet, grant);
        IAgentRegistry.VersionParams memory params = versionParams();
        params.dataBps = DATA_BPS - 1;
        expectNotListed(
            params, abi.encodeWithSelector(IDatasetRegistry.DataPartTooLow.selector, benSet, DATA_BPS - 1, DATA_BPS)
        );
        params = versionParams();
        params.pricePerQuery = PRICE - 1;
        expectNotListed(params, abi.encodeWithSelector(IDatasetRegistry.PriceTooLow.selector, benSet, PRICE - 1, PRICE));
        version = closed(versionParams(), bothSets());
    }

    function expectNotListed(IAgentRegistry.VersionParams memory params, bytes memory reason) private {
        vm.prank(olga);
        uint32 made = agents.propose(agent, params);
        bytes32[] memory ids = bothSets();
        vm.expectRevert(reason);
        vm.prank(olga);
        agents.addDatasets(agent, made, ids);
    }

    // ---- accuracy ------------------------------------------------------------------------------------------------

    /// Accuracy on records that Olga never saw, proven by whoever holds them.
    function test_AccuracyIsProvenOnATestSet() public {
        certifiedAgent();
        Evaluations evaluations = new Evaluations(agents);
        bytes32 circuit = gate.addCircuit(loadFixture("evaluation").info);
        IDatasetRegistry.ShardProof[] memory shards = new IDatasetRegistry.ShardProof[](1);
        shards[0] = shard("test-0");
        bytes32 testSet = registerAs(cleo, shards);
        Proof memory proof = proofOf("evaluation");
        IEvaluations.EvaluationProof[] memory proofs = new IEvaluations.EvaluationProof[](1);
        proofs[0] = IEvaluations.EvaluationProof({shard: 0, inputs: proof.inputs, proof: proof.proof});
        evaluations.evaluate(agent, version, testSet, circuit, proofs);
        (uint64 correct, uint64 records) = evaluations.accuracyOf(agent, version, testSet);
        assertTrue(records == 30 && correct > 20 && correct <= 30, "most of thirty");
        assertEq(correct, proof.inputs[Statements.EVALUATION_CORRECT]);
        (uint64 loss,) = evaluations.lossOf(agent, version, testSet);
        assertEq(loss, proof.inputs[Statements.EVALUATION_LOSS]);
        // less than the uniform answer's: 30·ln 3 = 32.96
        assertTrue(loss > 0 && loss < 32 << Statements.LOSS_BITS, "a loss of thirty records");
    }
}
