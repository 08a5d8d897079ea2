// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {SessionEscrow} from "../src/SessionEscrow.sol";
import {EscrowHandler} from "./base/EscrowHandler.sol";
import {Test} from "./base/Test.sol";

/// What holds after any sequence of actions by anyone.
contract InvariantsTest is Test {
    EscrowHandler private handler;
    SessionEscrow private escrow;
    bytes32 private agent;
    uint32 private version;

    bytes4[] private selectors;

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function setUp() public {
        handler = new EscrowHandler();
        (escrow, agent, version) = handler.world();
        targetContract(address(handler));
        selectors = new bytes4[](8);
        selectors[0] = handler.openSession.selector;
        selectors[1] = handler.claim.selector;
        selectors[2] = handler.requestThaw.selector;
        selectors[3] = handler.withdrawRemainder.selector;
        selectors[4] = handler.withdrawProvider.selector;
        selectors[5] = handler.withdrawOwner.selector;
        selectors[6] = handler.replayClaim.selector;
        selectors[7] = handler.strangerTakes.selector;
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector({addr: address(handler), selectors: selectors});
    }

    /// The actions do move money: the invariants are not about an empty contract.
    function test_ActionsMoveMoney() public {
        handler.openSession(0, 10, 1000);
        handler.openSession(1, 7, 500);
        handler.claim(0, 2, 19, 5);
        handler.withdrawProvider(true);
        handler.withdrawOwner();
        handler.requestThaw(0);
        handler.withdrawRemainder(0);
        assertTrue(handler.earned() > 0 && handler.refunded() > 0, "claimed and refunded");
        assertTrue(handler.paidToData() > 0 && handler.paidToOwner() > 0, "rewards paid");
        invariant_TheBooksBalance();
    }

    /// All books at once: forge runs one campaign for every function of this kind.
    function invariant_TheBooksBalance() public view {
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
        assertTrue(handler.earned() == accrued + owner, "fees are split without remainder");
        assertTrue(providers <= accrued, "providers take at most what was accrued");
        assertTrue(accrued - providers <= 1, "dust is below one unit for each of two providers");
    }
}
