// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IProofGate} from "../src/interfaces/IProofGate.sol";
import {ISessionEscrow} from "../src/interfaces/ISessionEscrow.sol";
import {Statements} from "../src/libraries/Statements.sol";
import {RealWorld} from "./base/RealWorld.sol";

/// Paid queries with real verifiers and real proofs: attacks on claims, and the honest counterpart of each.
contract RealServiceTest is RealWorld {
    // ---- service -------------------------------------------------------------------------------------------------

    function expectClaimRefused(ISessionEscrow.ClaimBatch memory batch, bytes memory reason) private {
        uint256 before = escrow.liabilities();
        ISessionEscrow.ClaimBatch[] memory batches = new ISessionEscrow.ClaimBatch[](1);
        batches[0] = batch;
        vm.expectRevert(reason);
        vm.prank(olga);
        escrow.claim(batches);
        assertEq(escrow.liabilities(), before);
        assertSolvent();
    }

    /// Other weights answered; the proof is valid for them, and the voucher is signed.
    function test_Attack_AnswerNotTheAgents() public {
        served();
        expectClaimRefused(
            batchOf("claim-cheated", only(cheated)),
            abi.encodeWithSelector(
                ISessionEscrow.WrongWeights.selector, digestOf("claim-ten", 0, 1), digestOf("claim-cheated", 0, 1)
            )
        );
    }

    function expectSkipped(ISessionEscrow.ClaimBatch memory batch, uint256 slot, ISessionEscrow.Skip reason) private {
        vm.expectEmit();
        emit ISessionEscrow.SlotSkipped(batch.slots[slot].session, slot, reason);
        claim(batch);
        assertSolvent();
    }

    function test_Attack_ReceiptReplayed() public {
        served();
        ISessionEscrow.ClaimBatch memory batch = batchOf("claim-ten", all());
        claim(batch);
        uint256 before = escrow.totalRewards();
        expectSkipped(batch, 0, ISessionEscrow.Skip.StaleTranscript);
        assertEq(escrow.totalRewards(), before);
    }

    function test_Attack_ReceiptsReordered() public {
        served();
        expectSkipped(batchOf("claim-one", only(continued)), 0, ISessionEscrow.Skip.StaleTranscript);
        assertEq(escrow.totalRewards(), 0);
        claim(batchOf("claim-ten", all()));
        claim(batchOf("claim-one", only(continued)));
        assertEq(escrow.totalRewards(), 25 * PRICE);
    }

    /// One slot of ten counts a query too many: the other nine are paid, and it is when its voucher is right.
    function test_Attack_VoucherOvercount() public {
        served();
        ISessionEscrow.ClaimBatch memory batch = batchOf("claim-ten", all());
        ISessionEscrow.SlotVoucher memory honest = batch.slots[2];
        batch.slots[2] = signedVoucher(sessions[2], 4, batch.inputs[Statements.SERVICE_AFTER + 2]);
        expectSkipped(batch, 2, ISessionEscrow.Skip.OtherCount);
        assertEq(escrow.totalRewards(), 20 * PRICE);
        batch.slots[2] = honest;
        claim(batch);
        assertEq(escrow.totalRewards(), 23 * PRICE);
    }

    /// Counts and transcripts are fixed by the proof, in used and in unused slots.
    function test_Attack_ReceiptCountedTwice() public {
        served();
        ISessionEscrow.ClaimBatch memory batch = batchOf("claim-ten", all());
        for (uint256 i = 0; i < Statements.SERVICE_INPUTS; ++i) {
            batch.inputs[i] += 1;
            expectClaimRefused(batch, abi.encodeWithSelector(IProofGate.ProofRejected.selector, serviceCircuit));
            batch.inputs[i] -= 1;
        }
        claim(batch);
    }

    function test_Attack_SlotsSwapped() public {
        served();
        uint256[] memory which = all();
        (which[4], which[5]) = (5, 4);
        ISessionEscrow.ClaimBatch memory batch = batchOf("claim-ten", which);
        bytes32[] memory order = new bytes32[](SESSIONS);
        for (uint256 i = 0; i < SESSIONS; ++i) {
            order[i] = sessions[which[i]];
        }
        expectClaimRefused(
            batch,
            abi.encodeWithSelector(
                ISessionEscrow.WrongContext.selector, escrow.serviceContext(order), batch.inputs[Statements.CTX]
            )
        );
    }

    /// Two consecutive parts of one session in one claim.
    function test_ASessionTwiceInOneClaim() public {
        served();
        ISessionEscrow.ClaimBatch[] memory batches = new ISessionEscrow.ClaimBatch[](2);
        batches[0] = batchOf("claim-ten", all());
        batches[1] = batchOf("claim-one", only(continued));
        // the voucher as it is after the first batch
        batches[1].slots[0] = signedVoucher(sessions[continued], 6, batches[1].inputs[Statements.SERVICE_AFTER]);
        vm.prank(olga);
        escrow.claim(batches);
        assertEq(escrow.totalRewards(), 25 * PRICE);
        assertSolvent();
    }

    /// A claim during the thaw is paid, and what is left goes back.
    function test_ClaimDuringTheThaw() public {
        served();
        vm.prank(cleo);
        escrow.requestThaw(sessions[continued], type(uint128).max);
        vm.warp(block.timestamp + THAW - 1);
        claim(batchOf("claim-ten", all()));
        vm.warp(block.timestamp + 1);
        vm.prank(cleo);
        assertEq(escrow.withdrawThawed(sessions[continued]), ESCROW - 4 * PRICE);
        assertSolvent();
    }

    /// Pausing stops only new sessions and top-ups; a stopped circuit does not block earned rewards.
    function test_PausingNeverTrapsEarnedMoney() public {
        served();
        claim(batchOf("claim-ten", all()));
        escrow.pause();
        gate.stop(serviceCircuit);
        vm.prank(ada);
        assertTrue(escrow.withdrawProvider(agent, version, adaSet) > 0, "provider");
        vm.prank(olga);
        assertTrue(escrow.withdrawOwner(agent, version) > 0, "owner");
        vm.prank(cleo);
        escrow.requestThaw(sessions[0], type(uint128).max);
        vm.warp(block.timestamp + THAW);
        vm.prank(cleo);
        assertTrue(escrow.withdrawThawed(sessions[0]) > 0, "client");
        assertSolvent();
    }
}
