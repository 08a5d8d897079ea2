// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {SessionEscrow} from "../src/SessionEscrow.sol";
import {IProofGate} from "../src/interfaces/IProofGate.sol";
import {ISessionEscrow} from "../src/interfaces/ISessionEscrow.sol";
import {Statements} from "../src/libraries/Statements.sol";
import {World} from "./base/World.sol";
import {Wallet} from "./hostile/Wallet.sol";
import {AcceptAll} from "./hostile/AcceptAll.sol";

/// Attacks on claims, by name: the exact error or reason, no token moved, and then the honest claim passes.
contract ServiceAttacksTest is World {
    bytes32 private first;
    bytes32 private second;

    function setUp() public override {
        super.setUp();
        certifiedAgent();
        first = openSession(CLEO);
        second = openSession(CLEO);
    }

    function both() private view returns (bytes32[] memory sessions) {
        sessions = new bytes32[](2);
        (sessions[0], sessions[1]) = (first, second);
    }

    function twoSlots() private view returns (Slot[] memory slots) {
        slots = new Slot[](2);
        slots[0] = Slot({session: first, after_: 111, queries: 10});
        slots[1] = Slot({session: second, after_: 222, queries: 20});
    }

    function expectRefused(address operator, ISessionEscrow.ClaimBatch[] memory batches, bytes memory reason) private {
        bytes32 before = moneyState(both());
        vm.expectRevert(reason);
        claimAs(operator, batches);
        assertEq(moneyState(both()), before);
    }

    function expectRefused(ISessionEscrow.ClaimBatch memory batch, bytes memory reason) private {
        expectRefused(OLGA, one(batch), reason);
        // the honest twin
        claimAs(OLGA, one(honestBatch(twoSlots())));
        assertEq(token.balanceOf(address(escrow)), escrow.liabilities());
    }

    /// The claim goes through, but this slot pays nothing.
    function expectSkipped(ISessionEscrow.ClaimBatch memory batch, uint256 slot, ISessionEscrow.Skip reason) private {
        bytes32 session = batch.slots[slot].session;
        bytes32 before = moneyState(both());
        vm.expectEmit();
        emit ISessionEscrow.SlotSkipped(session, slot, reason);
        claimAs(OLGA, one(batch));
        assertEq(moneyState(both()), before);
        claimAs(OLGA, one(honestBatch(twoSlots())));
        assertEq(token.balanceOf(address(escrow)), escrow.liabilities());
    }

    /// Lets the verifier accept changed inputs under the context of the batch's sessions.
    function reproved(ISessionEscrow.ClaimBatch memory batch) private returns (ISessionEscrow.ClaimBatch memory) {
        proveBatch(batch);
        return batch;
    }

    // ---- the proof -----------------------------------------------------------------------------------------------

    /// An answer of other weights: the proof holds for them, not for the certified ones.
    function test_Attack_AnswerNotTheAgents() public {
        ISessionEscrow.ClaimBatch memory batch = honestBatch(twoSlots());
        batch.proof = accepted(batch.inputs, points("cheaper weights", 1)).proof;
        expectRefused(
            batch,
            abi.encodeWithSelector(ISessionEscrow.WrongWeights.selector, pointDigest(W), pointDigest("cheaper weights"))
        );
    }

    function test_Attack_InputsChangedUnderAProof() public {
        ISessionEscrow.ClaimBatch memory batch = honestBatch(oneSlot(first, 111, 10));
        batch.inputs[Statements.SERVICE_COUNT] = 11;
        batch.slots[0] = signedVoucher(first, version, 11, 111);
        expectRefused(batch, abi.encodeWithSelector(IProofGate.ProofRejected.selector, serviceCircuit));
    }

    function test_Attack_ProofOfAnotherContract() public {
        SessionEscrow other = newEscrow(IERC20(address(token)));
        ISessionEscrow.ClaimBatch memory batch = honestBatch(twoSlots());
        uint256 expected = batch.inputs[Statements.CTX];
        batch.inputs[Statements.CTX] = other.serviceContext(both());
        expectRefused(
            reproved(batch),
            abi.encodeWithSelector(ISessionEscrow.WrongContext.selector, expected, batch.inputs[Statements.CTX])
        );
    }

    function test_Attack_NewCircuitOfAnOldShape() public {
        IProofGate.CircuitInfo memory info = circuitInfo(Statements.SERVICE);
        info.vkDigest = "another key";
        AcceptAll lax = new AcceptAll();
        (info.verifier, info.codeHash) = (address(lax), address(lax).codehash);
        bytes32 added = gate.addCircuit(info);
        ISessionEscrow.ClaimBatch memory batch = honestBatch(twoSlots());
        batch.proof = abi.encodePacked(points(W, 1), points("forged", 1));
        gate.check(added, batch.inputs, batch.proof);
        expectRefused(batch, abi.encodeWithSelector(IProofGate.ProofRejected.selector, serviceCircuit));
    }

    // ---- receipts ------------------------------------------------------------------------------------------------

    function test_Attack_ReceiptReplayed() public {
        ISessionEscrow.ClaimBatch memory batch = honestBatch(twoSlots());
        claimAs(OLGA, one(batch));
        bytes32 before = moneyState(both());
        claimAs(OLGA, one(batch));
        assertEq(moneyState(both()), before);
        expectSkipped(batch, 0, ISessionEscrow.Skip.StaleTranscript);
    }

    /// A claim for the second part before the first: it does not start at the stored transcript.
    function test_Attack_ReceiptsReordered() public {
        ISessionEscrow.ClaimBatch memory batch = honestBatch(oneSlot(first, 333, 5));
        batch.inputs[Statements.SERVICE_BEFORE] = 111;
        batch.slots[0] = signedVoucher(first, version, 15, 333);
        expectSkipped(reproved(batch), 0, ISessionEscrow.Skip.StaleTranscript);
    }

    /// A receipt dropped from the proof: the transcript it ends at is not the one the client signed.
    function test_Attack_ReceiptDropped() public {
        ISessionEscrow.ClaimBatch memory batch = honestBatch(oneSlot(first, 111, 10));
        batch.inputs[Statements.SERVICE_AFTER] = 110;
        expectSkipped(reproved(batch), 0, ISessionEscrow.Skip.OtherTranscript);
    }

    function test_Attack_ReceiptCountedTwice() public {
        ISessionEscrow.ClaimBatch memory batch = honestBatch(oneSlot(first, 111, 10));
        batch.inputs[Statements.SERVICE_COUNT] = 20;
        expectSkipped(reproved(batch), 0, ISessionEscrow.Skip.OtherCount);
    }

    function test_Attack_VoucherOvercount() public {
        ISessionEscrow.ClaimBatch memory batch = honestBatch(oneSlot(first, 111, 10));
        batch.slots[0] = signedVoucher(first, version, 11, 111);
        expectSkipped(batch, 0, ISessionEscrow.Skip.OtherCount);
    }

    /// A count near the field's modulus does not wrap into the voucher's.
    function test_Attack_CountWrapsAround() public {
        claimAs(OLGA, one(honestBatch(oneSlot(first, 99, 10))));
        ISessionEscrow.ClaimBatch memory batch = honestBatch(oneSlot(first, 111, 10));
        batch.inputs[Statements.SERVICE_COUNT] = R - 1;
        expectSkipped(reproved(batch), 0, ISessionEscrow.Skip.OtherCount);
    }

    // ---- slots ---------------------------------------------------------------------------------------------------

    function test_Attack_SlotsSwapped() public {
        ISessionEscrow.ClaimBatch memory batch = honestBatch(twoSlots());
        (batch.slots[0], batch.slots[1]) = (batch.slots[1], batch.slots[0]);
        bytes32[] memory swapped = new bytes32[](2);
        (swapped[0], swapped[1]) = (second, first);
        uint256 expected = escrow.serviceContext(swapped);
        expectRefused(
            batch, abi.encodeWithSelector(ISessionEscrow.WrongContext.selector, expected, batch.inputs[Statements.CTX])
        );
    }

    /// A session twice in one proof or claim must be two consecutive parts of it; otherwise the second is skipped.
    function test_ASessionTwiceIsPaidStretchByStretch() public {
        Slot[] memory slots = twoSlots();
        slots[1].session = first;
        ISessionEscrow.ClaimBatch memory batch = honestBatch(slots);
        // both slots start at the session's transcript: the same queries twice
        batch.slots[1] = signedVoucher(first, version, 20, 222);
        uint256 state = vm.snapshotState();
        claimAs(OLGA, one(reproved(batch)));
        assertEq(escrow.getSession(first).paid, 10);
        vm.revertToStateAndDelete(state);
        // the second continues where the first ends
        batch.inputs[Statements.SERVICE_BEFORE + 1] = 111;
        batch.slots[1] = signedVoucher(first, version, 30, 222);
        claimAs(OLGA, one(reproved(batch)));
        ISessionEscrow.Session memory entry = escrow.getSession(first);
        assertTrue(entry.paid == 30 && entry.count == 30 && entry.transcript == 222, "each query once");
        assertEq(escrow.totalRewards(), 30 * PRICE);
    }

    /// One bad slot does not affect the others of its batch.
    function test_ABadSlotIsSkippedAndTheOthersArePaid() public {
        ISessionEscrow.ClaimBatch memory batch = honestBatch(twoSlots());
        batch.slots[0].signature = new bytes(65);
        vm.expectEmit();
        emit ISessionEscrow.SlotSkipped(first, 0, ISessionEscrow.Skip.OtherSigner);
        claimAs(MALLORY, one(batch));
        assertEq(escrow.getSession(first).paid, 0);
        assertEq(escrow.getSession(second).paid, 20);
        // the same proof pays the other slot once its voucher is correct
        batch.slots[0] = signedVoucher(first, version, 10, 111);
        claimAs(OLGA, one(batch));
        assertEq(escrow.getSession(first).paid, 10);
        assertEq(escrow.totalRewards(), 30 * PRICE);
    }

    function test_Attack_QueriesInAnUnusedSlot() public {
        ISessionEscrow.ClaimBatch memory batch = honestBatch(oneSlot(first, 111, 10));
        batch.inputs[Statements.SERVICE_COUNT + 5] = 1;
        expectRefused(reproved(batch), abi.encodeWithSelector(ISessionEscrow.UnusedSlotFilled.selector, 5));
    }

    function test_Attack_EmptySlotWithAVoucher() public {
        ISessionEscrow.ClaimBatch memory batch = honestBatch(oneSlot(first, 111, 0));
        expectSkipped(batch, 0, ISessionEscrow.Skip.Empty);
    }

    // ---- vouchers and versions -----------------------------------------------------------------------------------

    function signerOf(bytes32 session, uint32 version_, uint64 count, uint256 transcript, bytes memory signature)
        private
        view
        returns (address)
    {
        (bytes32 r, bytes32 s) = abi.decode(signature, (bytes32, bytes32));
        return ecrecover(escrow.voucherDigest(session, version_, count, transcript), uint8(signature[64]), r, s);
    }

    function expectSignerRefused(ISessionEscrow.ClaimBatch memory batch) private {
        address found = signerOf(first, version, 10, 111, batch.slots[0].signature);
        assertTrue(found != vm.addr(SESSION_KEY), "a forged signature");
        expectSkipped(batch, 0, ISessionEscrow.Skip.OtherSigner);
    }

    function test_Attack_VoucherOfAnotherSession() public {
        ISessionEscrow.ClaimBatch memory batch = honestBatch(oneSlot(first, 111, 10));
        batch.slots[0].signature = signedVoucher(second, version, 10, 111).signature;
        expectSignerRefused(batch);
    }

    function test_Attack_VoucherOfAnotherVersion() public {
        ISessionEscrow.ClaimBatch memory batch = honestBatch(oneSlot(first, 111, 10));
        batch.slots[0].signature = signedVoucher(first, version + 1, 10, 111).signature;
        expectSignerRefused(batch);
    }

    function test_Attack_VoucherSignedByTheOperator() public {
        ISessionEscrow.ClaimBatch memory batch = honestBatch(oneSlot(first, 111, 10));
        batch.slots[0].signature = sign(0x016a, escrow.voucherDigest(first, version, 10, 111));
        expectSignerRefused(batch);
    }

    function test_Attack_VoucherWithoutSignature() public {
        ISessionEscrow.ClaimBatch memory batch = honestBatch(oneSlot(first, 111, 10));
        batch.slots[0].signature = new bytes(65);
        expectSkipped(batch, 0, ISessionEscrow.Skip.OtherSigner);
    }

    /// The payees are fixed, so anybody may claim, without gaining anything.
    function test_Attack_ClaimByAStranger() public {
        claimAs(MALLORY, one(honestBatch(twoSlots())));
        assertEq(token.balanceOf(MALLORY), 0);
        assertEq(escrow.ownerDue(agent, version), 30 * PRICE * 4 / 10);
        escrow.withdrawOwner(agent, version);
        assertEq(token.balanceOf(OLGA), 30 * PRICE * 4 / 10);
    }

    function certifyNext() private {
        grantTo(OLGA);
        version = closed(versionParams(), bothSets());
        addAllGradients();
        certifyWith(optimumWith(optimumInputs()));
    }

    /// The second version, certified as well, claims sessions that were opened for the first.
    function test_Attack_Version2DrainingVersion1() public {
        certifyNext();
        uint32 latest = version;
        bytes32 own = openSession(CLEO);

        ISessionEscrow.ClaimBatch memory batch = honestBatch(twoSlots());
        version = 1;
        expectSkipped(batch, 0, ISessionEscrow.Skip.OtherVersion);
        assertEq(escrow.dataAccrued(agent, latest), 0);

        version = latest;
        claimAs(OLGA, one(honestBatch(oneSlot(own, 111, 10))));
        assertEq(escrow.dataAccrued(agent, latest), 6000);
    }

    /// The same, from the first version of another agent of the same owner.
    function test_Attack_AgentDrainingAnotherAgent() public {
        bytes32 victim = agent;
        vm.prank(OLGA);
        agent = agents.createAgent("other", "");
        certifyNext();
        assertEq(version, 1);

        ISessionEscrow.ClaimBatch memory batch = honestBatch(twoSlots());
        bytes32 other = agent;
        agent = victim;
        expectSkipped(batch, 0, ISessionEscrow.Skip.OtherVersion);
        assertEq(escrow.dataAccrued(other, 1), 0);
    }

    function test_Attack_UnknownSession() public {
        ISessionEscrow.ClaimBatch memory batch = honestBatch(oneSlot(first, 111, 10));
        batch.slots[0].session = "none";
        bytes32[] memory sessions = new bytes32[](1);
        sessions[0] = "none";
        batch.inputs[Statements.CTX] = escrow.serviceContext(sessions);
        expectSkipped(reproved(batch), 0, ISessionEscrow.Skip.UnknownSession);
    }

    function test_Attack_UncertifiedVersionClaims() public {
        uint32 uncertified = closed(versionParams(), bothSets());
        ISessionEscrow.ClaimBatch memory batch = honestBatch(twoSlots());
        batch.version = uncertified;
        expectRefused(batch, abi.encodeWithSelector(ISessionEscrow.NotCertified.selector, agent, uncertified));
    }

    /// A wallet that honoured its key at opening and denies everything afterwards: the session key alone decides.
    function test_Attack_WalletThatStopsHonouringItsKey() public {
        Wallet wallet = new Wallet(CLEO);
        token.mint(address(wallet), ESCROW);
        wallet.approve(token, address(escrow), ESCROW);
        ISessionEscrow.OpenParams memory params = openParams();
        bytes memory signature = sign(0xc1e0, escrow.openDigest(address(wallet), params, 0, block.timestamp));
        bytes32 session = escrow.openFor(address(wallet), params, block.timestamp, signature);
        wallet.stopHonouring();
        claimAs(OLGA, one(honestBatch(oneSlot(session, 111, 10))));
        assertEq(escrow.getSession(session).remaining, ESCROW - 10 * PRICE);
        // nor can it open another session
        signature = sign(0xc1e0, escrow.openDigest(address(wallet), params, 1, block.timestamp));
        vm.expectRevert(abi.encodeWithSelector(ISessionEscrow.AuthorisationInvalid.selector, address(wallet)));
        escrow.openFor(address(wallet), params, block.timestamp, signature);
    }

    /// Changing any single input of a proof that the verifier would accept moves no tokens.
    function testFuzz_AnyOneInputChangedIsRefused(uint256 index, uint256 value) public {
        ISessionEscrow.ClaimBatch memory batch = honestBatch(twoSlots());
        index = bound(index, 1, Statements.SERVICE_INPUTS - 1);
        value = bound(value, 0, R - 1);
        // transcripts of slots without a voucher mean nothing to the contract: the circuit keeps them equal
        bool idle = (index > Statements.SERVICE_BEFORE + 1 && index < Statements.SERVICE_AFTER)
            || (index > Statements.SERVICE_AFTER + 1 && index < Statements.SERVICE_COUNT);
        vm.assume(value != batch.inputs[index] && !idle);
        batch.inputs[index] = value;
        proveBatch(batch);
        // its slot pays nothing; in an unused slot, nothing at all is paid
        uint256 slot = (index - 1) % Statements.SERVICE_SLOTS;
        bytes32 untouched = slot == 0 ? first : second;
        uint256 remaining = escrow.getSession(untouched).remaining;
        try this.claimOne(batch) {} catch {}
        assertEq(escrow.getSession(untouched).remaining, remaining);
        assertEq(token.balanceOf(address(escrow)), escrow.liabilities());
    }

    function claimOne(ISessionEscrow.ClaimBatch calldata batch) external {
        ISessionEscrow.ClaimBatch[] memory batches = new ISessionEscrow.ClaimBatch[](1);
        batches[0] = batch;
        escrow.claim(batches);
    }
}
