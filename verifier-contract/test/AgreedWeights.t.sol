// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {AgreedWeights} from "../src/AgreedWeights.sol";
import {SessionEscrow} from "../src/SessionEscrow.sol";
import {Tribute} from "../src/Tribute.sol";
import {Evaluations} from "../src/Evaluations.sol";
import {IAgreedWeights} from "../src/interfaces/IAgreedWeights.sol";
import {IDatasetRegistry} from "../src/interfaces/IDatasetRegistry.sol";
import {ISessionEscrow} from "../src/interfaces/ISessionEscrow.sol";
import {ISignedMessages} from "../src/interfaces/ISignedMessages.sol";
import {Weighed} from "./base/Weighed.sol";

/// Weights that all owners signed, weights of an attester whom they accepted, and whoever tries to get around them.
contract AgreedWeightsTest is Weighed {
    function refused(IAgreedWeights.Proposal memory proposal, bytes memory reason) private {
        ISignedMessages.Authority[] memory consents = bothAgreed(proposal);
        vm.expectRevert(reason);
        weights.install(proposal, nothing(), 0, consents);
        assertPaysByShares();
    }

    // ---- signed by all -------------------------------------------------------------------------------------------

    function test_WhatAllOwnersSignedPaysFromThenOn() public {
        uint256 before = serve(100);
        uint256 adaEarned = before * uint256(N_ADA) / N_ALL;
        assertEq(due(adaSet), adaEarned);
        IAgreedWeights.Proposal memory proposal = proposalOf(25e16);
        bytes32 id = weights.proposalId(proposal);
        ISignedMessages.Authority[] memory consents = bothAgreed(proposal);
        vm.expectEmit();
        emit IAgreedWeights.WeightsInForce(agent, version, id, proposal.valuation, before);
        vm.prank(MALLORY);
        weights.install(proposal, nothing(), 0, consents);
        // what was earned is earned, by the weights of that time
        assertEq(due(adaSet), adaEarned);
        assertEq(due(benSet), before * uint256(N_BEN) / N_ALL);
        IAgreedWeights.State memory state = weights.stateOf(agent, version);
        assertTrue(state.inForce == id && state.changes == 1 && state.since == before && state.round == 2, "in force");
        assertEq(state.valuation, sha256("valuation"));
        uint256 later = serve(200);
        assertEq(due(adaSet), adaEarned + later / 4);
        escrow.withdrawProvider(agent, version, adaSet);
        escrow.withdrawProvider(agent, version, benSet);
        assertEq(token.balanceOf(ADA), adaEarned + later / 4);
        assertEq(token.balanceOf(BEN), before * uint256(N_BEN) / N_ALL + later * 3 / 4);
        assertSolvent();
    }

    function test_OtherContractsReadWhatIsPaid() public {
        Tribute tribute = new Tribute(escrow, new Evaluations(agents));
        uint256 share = uint256(N_ADA) * ONE / N_ALL;
        assertEq(tribute.paidPartOf(agent, version, adaSet), share);
        assertEq(tribute.valuationOf(agent, version), bytes32(0));
        agreeOn(123_456_789);
        assertEq(tribute.paidPartOf(agent, version, adaSet), 123_456_789);
        assertEq(tribute.shareOf(agent, version, adaSet), share);
        assertEq(tribute.valuationOf(agent, version), sha256("valuation"));
    }

    /// A signature on weights overrides a least share, and the message says so.
    function test_ASignatureReplacesALeastShare() public {
        withLeastShare(3000);
        agreeOn(1e17);
        (uint256 weight, uint256 total) = weights.weightOf(agent, version, adaSet);
        assertTrue(weight == 1e17 && total == ONE, "a tenth");
    }

    function test_OneOwnersRefusalLeavesShares() public {
        acceptAs(BEN, benSet);
        IAgreedWeights.Proposal memory proposal = proposalOf(5e17);
        ISignedMessages.Authority[] memory consents = bothAgreed(proposal);
        consents[1] = nothing(); // without an attester an acceptance counts for nothing
        vm.expectRevert(abi.encodeWithSelector(IAgreedWeights.NoConsent.selector, benSet, BEN));
        weights.install(proposal, nothing(), 0, consents);
        weights.install(proposal, nothing(), 0, only(consents[0]));
        assertEq(weights.installationOf(weights.proposalId(proposal)).placed, 1);
        assertPaysByShares();
        uint256 toData = serve(10);
        assertEq(due(adaSet), toData * uint256(N_ADA) / N_ALL);
        // he says no to whatever is proposed in this round
        vm.prank(BEN);
        weights.object(agent, version, 1, benSet);
        ISignedMessages.Authority memory late = agreed(BEN_KEY, proposal, 1);
        vm.expectRevert(abi.encodeWithSelector(IAgreedWeights.OtherRound.selector, 2, 1));
        weights.install(proposal, nothing(), 1, only(late));
    }

    function test_WeightsComeInSeveralTransactionsAndNobodyBlocksThem() public {
        IAgreedWeights.Proposal memory proposal = proposalOf(5e17);
        ISignedMessages.Authority[] memory consents = bothAgreed(proposal);
        vm.expectRevert(abi.encodeWithSelector(IAgreedWeights.OutOfStep.selector, 0, 1, 1));
        weights.install(proposal, nothing(), 1, only(consents[1]));
        vm.expectRevert(IAgreedWeights.NothingToPlace.selector);
        weights.install(proposal, nothing(), 0, silent(0));
        vm.expectRevert(abi.encodeWithSelector(IAgreedWeights.OutOfStep.selector, 0, 0, 3));
        weights.install(proposal, nothing(), 0, silent(3));
        // somebody takes the first out of the whole and submits it before
        vm.prank(MALLORY);
        weights.install(proposal, nothing(), 0, only(consents[0]));
        weights.install(proposal, nothing(), 0, consents);
        assertEq(weights.stateOf(agent, version).changes, 1);
    }

    // ---- attacks -------------------------------------------------------------------------------------------------

    function test_Attack_SignedForAnotherVersion() public {
        IAgreedWeights.Proposal memory proposal = proposalOf(5e17);
        proposal.version = version + 1;
        ISignedMessages.Authority[] memory consents = bothAgreed(proposal);
        vm.expectRevert(abi.encodeWithSelector(IAgreedWeights.NotCertified.selector, agent, version + 1));
        weights.install(proposal, nothing(), 0, consents);
        uint32 first = version;
        version = closed(versionParams(), bothSets());
        addAllGradients();
        certifyWith(optimumWith(optimumInputs()));
        // signatures for the second version, given for the first
        proposal = proposalOf(5e17);
        consents = bothAgreed(proposal);
        version = first;
        proposal.version = first;
        vm.expectRevert(abi.encodeWithSelector(ISignedMessages.SignatureInvalid.selector, ADA));
        weights.install(proposal, nothing(), 0, consents);
        proposal.version = first + 1;
        weights.install(proposal, nothing(), 0, consents);
        assertPaysByShares();
    }

    function test_Attack_WeightsThatDoNotAddUpToOne() public {
        IAgreedWeights.Proposal memory proposal = proposalOf(5e17);
        proposal.weights[0] += 1;
        refused(proposal, abi.encodeWithSelector(IAgreedWeights.SumNotOne.selector, ONE + 1));
        proposal.weights[0] -= 2;
        refused(proposal, abi.encodeWithSelector(IAgreedWeights.SumNotOne.selector, ONE - 1));
        proposal.weights[0] += 1;
        weights.install(proposal, nothing(), 0, bothAgreed(proposal));
    }

    function test_Attack_DatasetsLeftOutListedTwiceOrOutOfOrder() public {
        bytes32 wanted = agents.getVersion(agent, version).listHash;
        IAgreedWeights.Proposal memory proposal = proposalOf(5e17);
        proposal.datasetIds[1] = adaSet;
        refused(proposal, otherList(wanted, proposal.datasetIds));
        (proposal.datasetIds[0], proposal.datasetIds[1]) = (benSet, adaSet);
        refused(proposal, otherList(wanted, proposal.datasetIds));
        (proposal.datasetIds[0], proposal.datasetIds[1]) = (adaSet, testSet);
        refused(proposal, otherList(wanted, proposal.datasetIds));

        proposal.datasetIds = ids1(adaSet);
        ISignedMessages.Authority memory ada = agreed(ADA_KEY, proposal, 0);
        vm.expectRevert(abi.encodeWithSelector(IAgreedWeights.WeightsMissing.selector, 1, 2));
        weights.install(proposal, nothing(), 0, only(ada));
        proposal.weights = new uint64[](1);
        proposal.weights[0] = uint64(ONE);
        ada = agreed(ADA_KEY, proposal, 0);
        vm.expectRevert(otherList(wanted, proposal.datasetIds));
        weights.install(proposal, nothing(), 0, only(ada));
        assertPaysByShares();
    }

    function otherList(bytes32 wanted, bytes32[] memory ids) private pure returns (bytes memory) {
        bytes32 hash = 0;
        for (uint256 i = 0; i < ids.length; ++i) {
            hash = keccak256(abi.encode(hash, ids[i]));
        }
        return abi.encodeWithSelector(IAgreedWeights.OtherList.selector, wanted, hash);
    }

    /// The agreed weights of an earlier round do not come back.
    function test_Attack_EarlierAgreementSubmittedAgain() public {
        IAgreedWeights.Proposal memory first = proposalOf(9e17);
        ISignedMessages.Authority[] memory consents = bothAgreed(first);
        weights.install(first, nothing(), 0, consents);
        agreeOn(1e17);
        vm.expectRevert(abi.encodeWithSelector(IAgreedWeights.OtherRound.selector, 3, 1));
        weights.install(first, nothing(), 0, consents);
        first.round = 3;
        vm.expectRevert(abi.encodeWithSelector(ISignedMessages.SignatureInvalid.selector, ADA));
        weights.install(first, nothing(), 0, consents);
    }

    /// Who changes weights after a claim, before the others withdraw, gains nothing of it.
    function test_Attack_WeightsChangedAfterAClaim() public {
        uint256 toData = serve(100);
        escrow.withdrawProvider(agent, version, adaSet);
        uint256 adaHas = token.balanceOf(ADA);
        agreeOn(uint64(ONE));
        assertEq(due(adaSet), 0);
        assertEq(due(benSet), toData * uint256(N_BEN) / N_ALL);
        agreeOn(0);
        vm.expectRevert(ISessionEscrow.NothingToWithdraw.selector);
        escrow.withdrawProvider(agent, version, adaSet);
        escrow.withdrawProvider(agent, version, benSet);
        assertEq(token.balanceOf(ADA), adaHas);
        assertTrue(token.balanceOf(BEN) + adaHas <= toData, "no more than was accrued");
    }

    function transfer(bytes32 set, address from, address to) private {
        vm.prank(from);
        datasets.offerDataset(set, to);
        vm.prank(to);
        datasets.acceptDataset(set);
    }

    function test_Attack_SignatureOfAnEarlierOwner() public {
        IAgreedWeights.Proposal memory proposal = proposalOf(0);
        ISignedMessages.Authority[] memory consents = bothAgreed(proposal);
        transfer(adaSet, ADA, CLEO);
        vm.expectRevert(abi.encodeWithSelector(ISignedMessages.SignatureInvalid.selector, CLEO));
        weights.install(proposal, nothing(), 0, consents);
        // nor once it is Ada's again: the nonce of a message that failed is still unused, and she may still mean it
        transfer(adaSet, CLEO, ADA);
        vm.prank(ADA);
        weights.cancelNonce(1);
        vm.expectRevert(abi.encodeWithSelector(ISignedMessages.NonceUsed.selector, ADA, 1));
        weights.install(proposal, nothing(), 0, consents);
        assertPaysByShares();
    }

    /// Signatures given one by one are no consent of whoever bought the dataset in between: the weights wait.
    function test_Attack_DatasetSoldBetweenTwoCalls() public {
        IAgreedWeights.Proposal memory proposal = proposalOf(0);
        ISignedMessages.Authority[] memory consents = bothAgreed(proposal);
        weights.install(proposal, nothing(), 0, only(consents[0]));
        transfer(adaSet, ADA, CLEO);
        vm.expectRevert(abi.encodeWithSelector(ISignedMessages.SignatureInvalid.selector, CLEO));
        weights.install(proposal, nothing(), 0, consents);
        weights.install(proposal, nothing(), 1, only(consents[1]));
        IAgreedWeights.State memory state = weights.stateOf(agent, version);
        assertTrue(state.changes == 0 && state.waiting == weights.proposalId(proposal), "waits");
        assertEq(weights.placedWeight(state.waiting, benSet), ONE);
        vm.prank(CLEO);
        weights.object(agent, version, 1, adaSet);
        assertPaysByShares();
    }

    function test_SignaturesInSeveralCallsWaitAndAllInOneDoNot() public {
        IAgreedWeights.Proposal memory proposal = proposalOf(9e17);
        ISignedMessages.Authority[] memory consents = bothAgreed(proposal);
        weights.install(proposal, nothing(), 0, only(consents[0]));
        weights.install(proposal, nothing(), 1, only(consents[1]));
        uint64 until = weights.stateOf(agent, version).until;
        assertEq(until, block.timestamp + CHALLENGE);
        vm.warp(block.timestamp + 1);
        consents = bothAgreed(proposal);
        weights.install(proposal, nothing(), 1, only(consents[1]));
        assertEq(weights.stateOf(agent, version).until, until);
        weights.install(proposal, nothing(), 0, consents);
        (uint256 weight,) = weights.weightOf(agent, version, adaSet);
        assertEq(weight, 9e17);
        // or, if nobody does that, after the period
        proposal = proposalOf(1e17);
        consents = bothAgreed(proposal);
        weights.install(proposal, nothing(), 0, only(consents[0]));
        weights.install(proposal, nothing(), 1, only(consents[1]));
        vm.warp(block.timestamp + CHALLENGE);
        weights.enforce(agent, version);
        (weight,) = weights.weightOf(agent, version, adaSet);
        assertEq(weight, 1e17);
    }

    /// A stranger submits a signature with an attestation of its own: it still counts for what its owner meant.
    function test_Attack_SignaturesUsedUpByAStranger() public {
        IAgreedWeights.Proposal memory proposal = proposalOf(5e17);
        ISignedMessages.Authority[] memory consents = bothAgreed(proposal);
        proposal.attester = MALLORY;
        weights.install(proposal, attested(0xbad, proposal), 0, only(consents[0]));
        proposal.attester = address(0);
        weights.install(proposal, nothing(), 0, consents);
        assertEq(weights.stateOf(agent, version).changes, 1);
    }

    function test_Attack_AcceptanceOfAnEarlierOwner() public {
        acceptAs(ADA, adaSet);
        acceptAs(BEN, benSet);
        transfer(adaSet, ADA, CLEO);
        IAgreedWeights.Proposal memory proposal = attestedProposalOf(0);
        ISignedMessages.Authority memory attestation = attested(ATTESTER_KEY, proposal);
        vm.expectRevert(abi.encodeWithSelector(IAgreedWeights.NoConsent.selector, adaSet, CLEO));
        weights.install(proposal, attestation, 0, silent(2));
        acceptAs(CLEO, adaSet);
        weights.install(proposal, attestation, 0, silent(2));
        // and who buys it in the meantime can still object
        transfer(benSet, BEN, MALLORY);
        vm.prank(BEN);
        vm.expectRevert(abi.encodeWithSelector(IAgreedWeights.NotDatasetOwner.selector, benSet, BEN));
        weights.object(agent, version, 1, benSet);
        vm.prank(MALLORY);
        weights.object(agent, version, 1, benSet);
        assertPaysByShares();
    }

    // ---- accepted beforehand -------------------------------------------------------------------------------------

    function withLeastShare(uint16 bps) private {
        IDatasetRegistry.GrantTerms memory grant = grantTerms(1);
        grant.minShareBps = bps;
        vm.prank(ADA);
        datasets.grantTraining(adaSet, OLGA, grant);
        version = closed(versionParams(), bothSets());
        addAllGradients();
        certifyWith(optimumWith(optimumInputs()));
    }

    function test_AcceptedWeightsComeIntoForceAfterTheirPeriod() public {
        bothAccept();
        uint64 until = uint64(block.timestamp) + CHALLENGE;
        attestTo(25e16);
        IAgreedWeights.State memory state = weights.stateOf(agent, version);
        assertTrue(state.waiting != 0 && state.until == until && state.inForce == 0, "waits");
        uint256 before = serve(100);
        vm.warp(until - 1);
        vm.expectRevert(abi.encodeWithSelector(IAgreedWeights.StillChallengeable.selector, until));
        weights.enforce(agent, version);
        vm.warp(until);
        vm.prank(MALLORY);
        weights.enforce(agent, version);
        uint256 later = serve(100);
        assertEq(due(adaSet), before * uint256(N_ADA) / N_ALL + later / 4);
        vm.expectRevert(abi.encodeWithSelector(IAgreedWeights.NothingWaits.selector, agent, version));
        weights.enforce(agent, version);
    }

    function test_AnyOwnersObjectionRestoresShares() public {
        acceptAs(ADA, adaSet);
        // Ben signs, and objects in spite of it
        IAgreedWeights.Proposal memory proposal = attestedProposalOf(5e17);
        ISignedMessages.Authority[] memory consents = silent(2);
        consents[1] = agreed(BEN_KEY, proposal, 1);
        weights.install(proposal, attested(ATTESTER_KEY, proposal), 0, consents);
        vm.warp(block.timestamp + CHALLENGE - 1);
        vm.prank(BEN);
        weights.object(agent, version, 1, benSet);
        assertPaysByShares();
        vm.expectRevert(abi.encodeWithSelector(IAgreedWeights.NothingWaits.selector, agent, version));
        weights.enforce(agent, version);
        // an acceptance does not bring back what its owner objected to
        acceptAs(BEN, benSet);
        proposal = attestedProposalOf(5e17);
        ISignedMessages.Authority memory attestation = attested(ATTESTER_KEY, proposal);
        vm.expectRevert(abi.encodeWithSelector(IAgreedWeights.NoConsent.selector, benSet, BEN));
        weights.install(proposal, attestation, 0, silent(2));
        consents[1] = agreed(BEN_KEY, proposal, 1);
        weights.install(proposal, attestation, 0, consents);
        assertTrue(weights.refusedBefore(agent, version, benSet), "on record");
    }

    function test_Attack_ObjectionAfterThePeriod() public {
        bothAccept();
        attestTo(5e17);
        uint64 until = weights.stateOf(agent, version).until;
        vm.warp(until);
        bytes memory late = abi.encodeWithSelector(IAgreedWeights.ChallengeOver.selector, until);
        vm.expectRevert(late);
        vm.prank(ADA);
        weights.object(agent, version, 1, adaSet);
        ISignedMessages.Authority memory signed =
            authorityOf(ADA_KEY, weights.objectDigest(agent, version, 1, adaSet, 77, block.timestamp), 77);
        vm.expectRevert(late);
        weights.objectFor(agent, version, 1, adaSet, signed);
        weights.enforce(agent, version);
        vm.expectRevert(abi.encodeWithSelector(IAgreedWeights.OtherRound.selector, 2, 1));
        vm.prank(ADA);
        weights.object(agent, version, 1, adaSet);
    }

    function test_Attack_ObjectionByAStranger() public {
        bothAccept();
        attestTo(5e17);
        vm.expectRevert(abi.encodeWithSelector(IAgreedWeights.NotDatasetOwner.selector, adaSet, MALLORY));
        vm.prank(MALLORY);
        weights.object(agent, version, 1, adaSet);
        // the owner of a dataset that is not listed
        vm.expectRevert(abi.encodeWithSelector(IAgreedWeights.DatasetNotInVersion.selector, testSet));
        vm.prank(CLEO);
        weights.object(agent, version, 1, testSet);
    }

    function test_Attack_AttesterOfAnotherTestSet() public {
        bothAccept();
        bytes32 accepted_ = testSet;
        testSet = registerAs(CLEO, registerParams(), "easy test set", 10);
        IAgreedWeights.Proposal memory proposal = attestedProposalOf(5e17);
        ISignedMessages.Authority memory attestation = attested(ATTESTER_KEY, proposal);
        bytes memory none = abi.encodeWithSelector(IAgreedWeights.NoConsent.selector, adaSet, ADA);
        vm.expectRevert(none);
        weights.install(proposal, attestation, 0, silent(2));
        // signed for one test set and submitted for the other
        proposal.testSet = accepted_;
        vm.expectRevert(abi.encodeWithSelector(ISignedMessages.SignatureInvalid.selector, ATTESTER));
        weights.install(proposal, attestation, 0, silent(2));
        // somebody else attests, on the right test set
        proposal.attester = MALLORY;
        attestation = attested(0xbad, proposal);
        vm.expectRevert(none);
        weights.install(proposal, attestation, 0, silent(2));
        assertPaysByShares();
    }

    function test_Attack_TestSetThatTheVersionWasTrainedOn() public {
        testSet = benSet;
        bothAccept();
        IAgreedWeights.Proposal memory proposal = attestedProposalOf(5e17);
        ISignedMessages.Authority memory attestation = attested(ATTESTER_KEY, proposal);
        vm.expectRevert(abi.encodeWithSelector(IAgreedWeights.TrainedOn.selector, benSet));
        weights.install(proposal, attestation, 0, silent(2));
    }

    /// Without a signature the least share applies, to the unit.
    function test_Attack_AttestedBelowALeastShare() public {
        withLeastShare(3000);
        bothAccept();
        IAgreedWeights.Proposal memory proposal = attestedProposalOf(3e17 - 1);
        ISignedMessages.Authority memory attestation = attested(ATTESTER_KEY, proposal);
        vm.expectRevert(
            abi.encodeWithSelector(IAgreedWeights.BelowLeastShare.selector, adaSet, uint64(3e17 - 1), uint16(3000))
        );
        weights.install(proposal, attestation, 0, silent(2));
        attestTo(3e17);
        assertTrue(weights.stateOf(agent, version).waiting != 0, "waits");
    }

    /// A complete proposal cannot be given again to restart the period, nor to push a later one aside.
    function test_Attack_CompleteProposalGivenAgain() public {
        bothAccept();
        IAgreedWeights.Proposal memory first = attestedProposalOf(5e17);
        ISignedMessages.Authority memory attestation = attested(ATTESTER_KEY, first);
        weights.install(first, attestation, 0, silent(2));
        uint64 until = weights.stateOf(agent, version).until;
        vm.warp(block.timestamp + 1 days);
        weights.install(first, attestation, 0, silent(2));
        assertEq(weights.stateOf(agent, version).until, until);
        // the attester corrects itself: the whole period again, for the other
        attestTo(6e17);
        IAgreedWeights.State memory state = weights.stateOf(agent, version);
        assertEq(state.until, until + 1 days);
        weights.install(first, attestation, 0, silent(2));
        assertEq(weights.stateOf(agent, version).waiting, state.waiting);
    }

    /// Weights that all signed do not wait for others that do.
    function test_SignedWeightsOvertakeThoseThatWait() public {
        bothAccept();
        attestTo(5e17);
        agreeOn(9e17);
        vm.warp(block.timestamp + CHALLENGE);
        vm.expectRevert(abi.encodeWithSelector(IAgreedWeights.NothingWaits.selector, agent, version));
        weights.enforce(agent, version);
        (uint256 weight,) = weights.weightOf(agent, version, adaSet);
        assertEq(weight, 9e17);
    }

    function test_AnAcceptanceForAnybodyAndItsWithdrawal() public {
        acceptAs(ADA, adaSet);
        vm.prank(BEN);
        weights.acceptValuations(benSet, address(0), ATTESTER, testSet);
        attestTo(5e17);
        IAgreedWeights.Acceptance memory acceptance = weights.acceptanceOf(benSet, address(0));
        assertTrue(acceptance.owner == BEN && acceptance.serial == 1 && acceptance.attester == ATTESTER, "Ben's");
        assertEq(acceptance.testSet, testSet);
        vm.prank(BEN);
        weights.acceptValuations(benSet, address(0), address(0), 0);
        IAgreedWeights.Proposal memory proposal = attestedProposalOf(6e17);
        ISignedMessages.Authority memory attestation = attested(ATTESTER_KEY, proposal);
        vm.expectRevert(abi.encodeWithSelector(IAgreedWeights.NoConsent.selector, benSet, BEN));
        weights.install(proposal, attestation, 0, silent(2));
        vm.expectRevert(abi.encodeWithSelector(IAgreedWeights.NotDatasetOwner.selector, benSet, MALLORY));
        vm.prank(MALLORY);
        weights.acceptValuations(benSet, OLGA, MALLORY, testSet);
    }

    /// An attester whom all accepted cannot use up the changes that all owners together may make.
    function test_Attack_ChangesUsedUpByAnAttester() public {
        bothAccept();
        for (uint64 i = 0; i < 24; ++i) {
            attestTo(5e17 + i);
            vm.warp(block.timestamp + CHALLENGE);
            weights.enforce(agent, version);
        }
        // nor replace what all signed, in two calls, and which therefore waits
        IAgreedWeights.Proposal memory signed = proposalOf(9e17);
        ISignedMessages.Authority[] memory consent = new ISignedMessages.Authority[](1);
        consent[0] = agreed(ADA_KEY, signed, 0);
        weights.install(signed, nothing(), 0, consent);
        consent[0] = agreed(BEN_KEY, signed, 1);
        weights.install(signed, nothing(), 1, consent);
        IAgreedWeights.Proposal memory proposal = attestedProposalOf(6e17);
        ISignedMessages.Authority memory attestation = attested(ATTESTER_KEY, proposal);
        vm.expectRevert(abi.encodeWithSelector(IAgreedWeights.TooManyChanges.selector, 24));
        weights.install(proposal, attestation, 0, silent(2));
        vm.warp(block.timestamp + CHALLENGE);
        weights.enforce(agent, version);
        assertEq(weights.stateOf(agent, version).changes, 25);
    }

    /// A withdrawal reads every change, so there cannot be many.
    function test_WithdrawalsStayAffordable() public {
        for (uint64 i = 0; i < 32; ++i) {
            serve(1);
            agreeOn(i * 1e16);
        }
        IAgreedWeights.Proposal memory proposal = proposalOf(1);
        ISignedMessages.Authority[] memory consents = bothAgreed(proposal);
        vm.expectRevert(abi.encodeWithSelector(IAgreedWeights.TooManyChanges.selector, 32));
        weights.install(proposal, nothing(), 0, consents);
        serve(1);
        uint256 before = gasleft();
        escrow.withdrawProvider(agent, version, adaSet);
        uint256 spent = before - gasleft();
        assertTrue(spent < 400_000, "gas of a withdrawal after 32 changes");
        escrow.withdrawProvider(agent, version, benSet);
        assertTrue(escrow.totalRewards() - escrow.ownerDue(agent, version) <= 33, "a unit of dust for each");
        assertSolvent();
    }

    // ---- deployment ----------------------------------------------------------------------------------------------

    function test_TheEscrowIsBoundOnceByTheDeployer() public {
        assertEq(weights.sessionEscrow(), address(escrow));
        assertEq(weights.agentRegistry(), address(agents));
        assertEq(weights.challengePeriod(), CHALLENGE);
        assertEq(escrow.agreedWeights(), address(weights));
        AgreedWeights other = new AgreedWeights(agents, CHALLENGE);
        vm.expectRevert(abi.encodeWithSelector(IAgreedWeights.OtherDeployment.selector, address(escrow)));
        other.bindEscrow(address(escrow));
        SessionEscrow its =
            new SessionEscrow(IERC20(address(token)), gate, agents, datasets, other, THAW, address(this));
        vm.expectRevert(abi.encodeWithSelector(IAgreedWeights.NotBindable.selector, MALLORY));
        vm.prank(MALLORY);
        other.bindEscrow(address(its));
        other.bindEscrow(address(its));
        vm.expectRevert(abi.encodeWithSelector(IAgreedWeights.NotBindable.selector, address(this)));
        other.bindEscrow(address(its));
    }

    function test_RevertWhen_ThePeriodIsAbsurd() public {
        vm.expectRevert(abi.encodeWithSelector(IAgreedWeights.ChallengePeriodOutOfRange.selector, 59));
        new AgreedWeights(agents, 59);
        vm.expectRevert(abi.encodeWithSelector(IAgreedWeights.ChallengePeriodOutOfRange.selector, 90 days + 1));
        new AgreedWeights(agents, 90 days + 1);
    }
}
