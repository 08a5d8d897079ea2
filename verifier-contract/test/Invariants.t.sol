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
        invariant_NothingIsCreatedOrLost();
        invariant_BalanceIsWhatIsOwed();
    }

    function invariant_BalanceIsWhatIsOwed() public view {
        assertEq(handler.balance(), escrow.liabilities());
        assertEq(escrow.liabilities(), escrow.totalEscrow() + escrow.totalRewards());
    }

    function invariant_EscrowIsTheSumOfRemainders() public view {
        assertEq(escrow.totalEscrow(), handler.sumOfRemainders());
    }

    function invariant_NothingIsCreatedOrLost() public view {
        assertEq(
            handler.paidIn(), handler.balance() + handler.refunded() + handler.paidToData() + handler.paidToOwner()
        );
        assertEq(handler.paidIn(), escrow.totalEscrow() + handler.refunded() + handler.earned());
    }

    function invariant_ProvidersTakeAtMostWhatWasAccrued() public view {
        uint256 accrued = escrow.dataAccrued(agent, version);
        uint256 claimed = handler.paidToData() + handler.dueToData();
        assertTrue(claimed <= accrued, "at most");
        assertTrue(accrued - claimed <= 1, "dust: less than one unit for each of two providers");
    }

    function invariant_FeesAreSplitWithoutRemainder() public view {
        uint256 owner = handler.paidToOwner() + escrow.ownerDue(agent, version);
        assertEq(handler.earned(), escrow.dataAccrued(agent, version) + owner);
    }
}
