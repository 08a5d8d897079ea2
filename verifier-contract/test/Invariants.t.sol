// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {SessionEscrow} from "../src/SessionEscrow.sol";
import {EscrowHandler} from "./base/EscrowHandler.sol";
import {HostileHandler} from "./base/HostileHandler.sol";
import {Test} from "./base/Test.sol";

/// What holds after any sequence of actions by anyone. The verifier behind it is a stand-in that accepts what the handler
/// commits to: thousands of claims with real proofs would take days.
abstract contract Books is Test {
    EscrowHandler internal handler;
    SessionEscrow internal escrow;
    bytes32 internal agent;
    uint32 internal version;

    bytes4[] internal selectors;

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function watch(EscrowHandler watched) internal {
        handler = watched;
        (escrow, agent, version) = handler.world();
        targetContract(address(handler));
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector({addr: address(handler), selectors: selectors});
    }

    /// All books at once: forge runs one campaign for every function that it calls an invariant.
    function assertBooksBalance() internal view {
        uint256 balance = handler.balance();
        uint256 accrued = escrow.dataAccrued(agent, version);
        uint256 providers = handler.paidToData() + handler.dueToData();
        uint256 owner = handler.paidToOwner() + escrow.ownerDue(agent, version);
        uint256 paidOut = handler.refunded() + handler.paidToData() + handler.paidToOwner();

        assertTrue(balance == escrow.liabilities(), "the balance is what is owed");
        assertTrue(balance == escrow.totalEscrow() + escrow.totalRewards(), "escrow and rewards are all of it");
        assertTrue(escrow.totalEscrow() == handler.sumOfRemainders(), "escrow is the sum of the remainders");
        assertTrue(handler.paidIn() == balance + paidOut, "nothing is created or lost");
        assertTrue(
            handler.paidIn() == escrow.totalEscrow() + handler.refunded() + handler.earned(), "escrow only pays claims"
        );
        assertTrue(handler.countsArePaidOnce(), "a count is paid once");
        assertTrue(handler.earned() == accrued + owner, "fees are split without remainder");
        assertTrue(providers <= accrued, "providers take at most what was accrued");
        assertTrue(accrued - providers <= 1, "dust is below one unit for each of two providers");
    }
}

contract InvariantsTest is Books {
    function setUp() public {
        watch(new EscrowHandler());
        selectors = [
            handler.openSession.selector,
            handler.claim.selector,
            handler.requestThaw.selector,
            handler.withdrawThawed.selector,
            handler.withdrawProvider.selector,
            handler.withdrawOwner.selector,
            handler.togglePause.selector,
            handler.replayClaim.selector,
            handler.strangerTakes.selector,
            handler.nobodyIsTrapped.selector
        ];
    }

    /// The actions do move money: the invariants are not about an empty contract.
    function test_ActionsMoveMoney() public {
        handler.openSession(0, 10, 1000);
        handler.openSession(1, 7, 500);
        handler.togglePause();
        handler.nobodyIsTrapped();
        handler.claim(0, 2, 19, 5);
        handler.nobodyIsTrapped();
        handler.withdrawProvider(true);
        handler.withdrawOwner();
        handler.requestThaw(0);
        handler.withdrawThawed(0);
        assertTrue(handler.earned() > 0 && handler.refunded() > 0, "claimed and refunded");
        assertTrue(handler.paidToData() > 0 && handler.paidToOwner() > 0, "rewards paid");
        assertBooksBalance();
    }

    /// Tokens held are escrow and unpaid rewards; nobody withdraws more than was earned; a count is paid once; pausing
    /// traps nothing.
    function invariant_TheBooksBalance() public view {
        assertBooksBalance();
    }
}

/// The same with a token that takes fees, lies, says nothing, calls back or fails, as it likes.
contract HostileInvariantsTest is Books {
    HostileHandler private hostile;

    function setUp() public {
        hostile = new HostileHandler();
        watch(hostile);
        selectors = [hostile.act.selector, handler.togglePause.selector, handler.nobodyIsTrapped.selector];
    }

    /// Each mood spoils some action, and money still moves.
    function test_MoodsMatter() public {
        hostile.act(0, 0, 0, 10, 1000);
        hostile.act(3, 1, 0, 1, 19);
        assertTrue(handler.earned() > 0 && hostile.spoiled() == 0, "a token may say nothing");
        hostile.act(1, 0, 1, 10, 1000);
        hostile.act(2, 0, 1, 10, 1000);
        hostile.act(5, 0, 1, 10, 1000);
        assertTrue(hostile.spoiled() == 3, "fees, lies and failures are refused");
        hostile.act(4, 5, 0, 0, 1);
        hostile.act(4, 4, 0, 0, 2);
        assertTrue(handler.paidToData() > 0 && handler.paidToOwner() > 0, "paid once, not twice");
        assertBooksBalance();
    }

    function invariant_TheBooksBalanceWithHostileTokens() public view {
        assertBooksBalance();
    }
}
