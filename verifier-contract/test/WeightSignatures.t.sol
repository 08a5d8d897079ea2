// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IAgreedWeights} from "../src/interfaces/IAgreedWeights.sol";
import {ISignedMessages} from "../src/interfaces/ISignedMessages.sol";
import {Weighed} from "./base/Weighed.sol";

/// Agreed weights with any signature and any amounts, for hundreds of owners, and what each call costs.
contract WeightSignaturesTest is Weighed {
    // ---- any signature, any amounts --------------------------------------------------------------------------------

    function stranger(uint256 key, uint256 owner) private pure returns (uint256) {
        key = bound(key, 1, 1 << 200);
        vm.assume(key != owner);
        return key;
    }

    /// Three signatures over a digest: a stranger's, junk, and the right one.
    function three(uint256 key, uint256 right, bytes32 digest, uint256 nonce, bytes calldata junk)
        private
        view
        returns (ISignedMessages.Authority[3] memory)
    {
        return [
            authorityOf(stranger(key, right), digest, nonce),
            ISignedMessages.Authority({nonce: nonce, deadline: block.timestamp, signature: junk}),
            authorityOf(right, digest, nonce)
        ];
    }

    function testFuzz_InstallTakesOnlyTheOwnersSignature(uint256 key, uint256 nonce, bytes calldata junk) public {
        vm.assume(nonce != 1);
        IAgreedWeights.Proposal memory proposal = proposalOf(3e17);
        ISignedMessages.Authority[] memory consents = bothAgreed(proposal);
        ISignedMessages.Authority[3] memory signed =
            three(key, ADA_KEY, weights.agreeDigest(proposal, 0, nonce, block.timestamp), nonce, junk);
        for (uint256 i = 0; i < 3; ++i) {
            consents[0] = signed[i];
            if (i < 2) vm.expectRevert(abi.encodeWithSelector(ISignedMessages.SignatureInvalid.selector, ADA));
            weights.install(proposal, nothing(), 0, consents);
            assertEq(weights.stateOf(agent, version).changes, i < 2 ? 0 : 1);
        }
    }

    /// What an owner signed, with any one member altered, is not what the owner signed.
    function testFuzz_InstallTakesWhatWasSigned(uint8 which, uint256 by) public {
        IAgreedWeights.Proposal memory proposal = proposalOf(3e17);
        ISignedMessages.Authority[] memory consents = bothAgreed(proposal);
        uint64 shift = uint64(bound(by, 1, 3e17));
        if (which % 4 == 0) (proposal.weights[0], proposal.weights[1]) = (3e17 - shift, 7e17 + shift);
        if (which % 4 == 1) proposal.valuation = keccak256(abi.encode(by));
        if (which % 4 == 2) proposal.testSet = keccak256(abi.encode(by));
        if (which % 4 == 3) consents[0].deadline += shift;
        vm.expectRevert(abi.encodeWithSelector(ISignedMessages.SignatureInvalid.selector, ADA));
        weights.install(proposal, nothing(), 0, consents);
        assertPaysByShares();
    }

    function testFuzz_InstallTakesOnlyTheAttestersSignature(uint256 key, uint256 nonce, bytes calldata junk) public {
        bothAccept();
        IAgreedWeights.Proposal memory proposal = attestedProposalOf(3e17);
        ISignedMessages.Authority[3] memory signed =
            three(key, ATTESTER_KEY, weights.attestDigest(proposal, nonce, block.timestamp), nonce, junk);
        for (uint256 i = 0; i < 3; ++i) {
            if (i < 2) vm.expectRevert(abi.encodeWithSelector(ISignedMessages.SignatureInvalid.selector, ATTESTER));
            weights.install(proposal, signed[i], 0, silent(2));
            assertTrue((weights.stateOf(agent, version).waiting != 0) == (i == 2), "waits only then");
        }
    }

    function testFuzz_AcceptValuationsFor(uint256 key, uint256 nonce, bytes calldata junk) public {
        bytes32 digest = weights.acceptValuationsDigest(adaSet, OLGA, ATTESTER, testSet, nonce, block.timestamp);
        ISignedMessages.Authority[3] memory signed = three(key, ADA_KEY, digest, nonce, junk);
        for (uint256 i = 0; i < 3; ++i) {
            if (i < 2) vm.expectRevert(abi.encodeWithSelector(ISignedMessages.SignatureInvalid.selector, ADA));
            weights.acceptValuationsFor(adaSet, OLGA, ATTESTER, testSet, signed[i]);
        }
        assertEq(weights.acceptanceOf(adaSet, OLGA).owner, ADA);
        // of two with the same serial only one counts, and a withdrawal voids those signed before
        uint256 other = nonce == 0 ? 1 : 0;
        ISignedMessages.Authority memory late = authorityOf(
            ADA_KEY, weights.acceptValuationsDigest(adaSet, OLGA, MALLORY, testSet, other, block.timestamp), other
        );
        vm.prank(ADA);
        weights.acceptValuations(adaSet, OLGA, address(0), 0);
        vm.expectRevert(abi.encodeWithSelector(ISignedMessages.SignatureInvalid.selector, ADA));
        weights.acceptValuationsFor(adaSet, OLGA, MALLORY, testSet, late);
    }

    function testFuzz_ObjectFor(uint256 key, uint256 nonce, bytes calldata junk) public {
        vm.assume(nonce > 9);
        bothAccept();
        attestTo(3e17);
        bytes32 digest = weights.objectDigest(agent, version, 1, benSet, nonce, block.timestamp);
        ISignedMessages.Authority[3] memory signed = three(key, BEN_KEY, digest, nonce, junk);
        for (uint256 i = 0; i < 3; ++i) {
            if (i < 2) vm.expectRevert(abi.encodeWithSelector(ISignedMessages.SignatureInvalid.selector, BEN));
            weights.objectFor(agent, version, 1, benSet, signed[i]);
            assertTrue((weights.stateOf(agent, version).waiting == 0) == (i == 2), "refused only then");
        }
        assertPaysByShares();
    }

    /// Whatever accrues between whatever changes: nothing earned is ever taken back, and all together is at most all.
    function testFuzz_EarnedOnlyGrows(uint64[4] memory ada, uint16[5] memory queries) public {
        uint256 accrued = 0;
        (uint256 adaHas, uint256 benHas) = (0, 0);
        for (uint256 i = 0; i < 5; ++i) {
            accrued += serve(uint64(bound(queries[i], 1, 150)));
            for (uint256 step = 0; step < 2; ++step) {
                (uint256 a, uint256 b) = (due(adaSet), due(benSet));
                assertTrue(a >= adaHas && b >= benHas, "grows");
                assertTrue(a + b <= accrued && accrued <= a + b + i + 1, "all of it, but for rounding");
                (adaHas, benHas) = (a, b);
                if (step == 0 && i < 4) agreeOn(uint64(bound(ada[i], 0, ONE)));
            }
        }
    }

    // ---- many ----------------------------------------------------------------------------------------------------

    /// 300 owners: several transactions, each below what a block lets one transaction use (2^24), and then a wait.
    /// forge-config: default.isolate = true
    function test_ThreeHundredOwnersAgree() public {
        (bytes32[] memory ids,) = certifyMany(300);
        IAgreedWeights.Proposal memory proposal = proposalOf(0);
        proposal.datasetIds = ids;
        proposal.weights = new uint64[](300);
        uint256 left = ONE;
        for (uint256 i = 299; i > 0; --i) {
            proposal.weights[i] = uint64(i * 1e13);
            left -= proposal.weights[i];
        }
        proposal.weights[0] = uint64(left);
        uint256 sum = 0;
        for (uint256 first = 0; first < 300; first += 100) {
            ISignedMessages.Authority[] memory consents = new ISignedMessages.Authority[](100);
            for (uint256 i = 0; i < 100; ++i) {
                consents[i] = agreed(ownerKey(first + i), proposal, first + i);
            }
            assertEq(weights.stateOf(agent, version).changes, 0);
            weights.install(proposal, nothing(), first, consents);
            uint256 spent =
                vm.snapshotGasLastCall("weights", string.concat("100 of 300 owners, from ", vm.toString(first)));
            assertTrue(spent < 1 << 24, "fits into a transaction");
            sum += spent;
        }
        assertEq(weights.stateOf(agent, version).changes, 0);
        vm.warp(block.timestamp + CHALLENGE);
        weights.enforce(agent, version);
        vm.snapshotValue("weights", "300 owners", sum + vm.snapshotGasLastCall("weights", "300 owners, enforced"));
        (uint256 weight, uint256 total) = weights.weightOf(agent, version, ids[299]);
        assertTrue(weight == 299e13 && total == ONE, "in force");
    }

    /// 200 owners fit into one transaction: nothing waits.
    /// forge-config: default.isolate = true
    function test_TwoHundredOwnersAgreeAtOnce() public {
        (bytes32[] memory ids,) = certifyMany(200);
        IAgreedWeights.Proposal memory proposal = proposalOf(0);
        (proposal.datasetIds, proposal.weights) = (ids, new uint64[](200));
        ISignedMessages.Authority[] memory consents = new ISignedMessages.Authority[](200);
        for (uint256 i = 0; i < 200; ++i) {
            proposal.weights[i] = uint64(ONE / 200);
        }
        for (uint256 i = 0; i < 200; ++i) {
            consents[i] = agreed(ownerKey(i), proposal, i);
        }
        weights.install(proposal, nothing(), 0, consents);
        assertTrue(vm.snapshotGasLastCall("weights", "200 owners at once") < 1 << 24, "fits into a transaction");
        assertEq(weights.stateOf(agent, version).changes, 1);
    }

    // ---- gas -----------------------------------------------------------------------------------------------------

    function measured(string memory what) private {
        vm.snapshotGasLastCall("calls", what);
    }

    /// Total cost of each transaction; `docs/gas.md` is written from it.
    /// forge-config: default.isolate = true
    function test_GasOfEveryCall() public {
        serve(100);
        escrow.withdrawProvider(agent, version, adaSet);
        IAgreedWeights.Proposal memory proposal = proposalOf(25e16);
        weights.install(proposal, nothing(), 0, bothAgreed(proposal));
        measured("AgreedWeights.install, two owners sign");
        serve(100);
        escrow.withdrawProvider(agent, version, adaSet);
        measured("SessionEscrow.withdrawProvider, after weights changed once");
        vm.prank(ADA);
        weights.acceptValuations(adaSet, OLGA, ATTESTER, testSet);
        measured("AgreedWeights.acceptValuations");
        acceptAs(BEN, benSet);
        proposal = attestedProposalOf(75e16);
        weights.install(proposal, attested(ATTESTER_KEY, proposal), 0, silent(2));
        measured("AgreedWeights.install, an attester signs for two");
        vm.warp(block.timestamp + CHALLENGE);
        weights.enforce(agent, version);
        measured("AgreedWeights.enforce");
        attestTo(5e17);
        vm.prank(ADA);
        weights.object(agent, version, 3, adaSet);
        measured("AgreedWeights.object");
    }
}
