// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {SessionEscrow} from "../src/SessionEscrow.sol";
import {EscrowHandler} from "./base/EscrowHandler.sol";
import {HostileHandler} from "./base/HostileHandler.sol";
import {TrainingHandler} from "./base/TrainingHandler.sol";
import {Test} from "./base/Test.sol";

/// Which functions of which handler forge calls.
abstract contract Targets is Test {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    address private _handler;
    bytes4[] internal selectors;

    function watch(address handler) internal {
        _handler = handler;
        targetContract(handler);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector({addr: _handler, selectors: selectors});
    }
}

/// Invariants of payments after any sequence of actions by anyone. The verifier is a stand-in that accepts what the
/// handler commits to: thousands of claims with real proofs would take days.
abstract contract Books is Targets {
    EscrowHandler internal handler;
    SessionEscrow internal escrow;
    bytes32 internal agent;
    uint32 internal version;

    function watchMoney(EscrowHandler watched) internal {
        handler = watched;
        (escrow, agent, version) = handler.world();
        watch(address(handler));
    }

    function assertTokensAreAccountedFor() internal view {
        uint256 balance = handler.balance();
        uint256 paidOut = handler.refunded() + handler.paidToData() + handler.paidToOwner();
        assertTrue(balance == escrow.totalEscrow() + escrow.totalRewards(), "held is escrow and unpaid rewards");
        assertTrue(balance == escrow.liabilities(), "and is what is owed");
        assertTrue(escrow.totalEscrow() == handler.sumOfRemainders(), "escrow is the sum of the remainders");
        assertTrue(handler.paidIn() == balance + paidOut, "nothing is created or lost");
    }

    function assertNobodyTakesMoreThanWasEarned() internal view {
        uint256 accrued = escrow.dataAccrued(agent, version);
        uint256 providers = handler.paidToData() + handler.dueToData();
        uint256 owner = handler.paidToOwner() + escrow.ownerDue(agent, version);
        assertTrue(handler.earned() == accrued + owner, "fees are split without remainder");
        assertTrue(providers <= accrued, "providers take at most what was accrued");
        assertTrue(accrued - providers <= 1 + handler.changes(), "dust is below a unit a provider and change");
        assertTrue(handler.earnedByTheWeightsOfTheTime(), "by the weights in force when it accrued");
    }

    function assertCountsArePaidOnce() internal view {
        assertTrue(handler.countsArePaidOnce(), "each session: deposit = left + back + price of what was paid");
        (uint256 proven, uint256 settled) = escrow.servedQueries(agent, version);
        assertTrue(proven + settled == handler.queriesPaid(), "queries are counted once");
    }

    function assertAll() internal view {
        assertTokensAreAccountedFor();
        assertNobodyTakesMoreThanWasEarned();
        assertCountsArePaidOnce();
    }
}

contract InvariantsTest is Books {
    function setUp() public {
        watchMoney(new EscrowHandler());
        selectors = [
            handler.openSession.selector,
            handler.topUp.selector,
            handler.claim.selector,
            handler.settle.selector,
            handler.requestThaw.selector,
            handler.cancelThaw.selector,
            handler.withdrawThawed.selector,
            handler.withdrawProvider.selector,
            handler.withdrawOwner.selector,
            handler.togglePause.selector,
            handler.stopService.selector,
            handler.replayClaim.selector,
            handler.strangerTakes.selector,
            handler.nobodyIsTrapped.selector,
            handler.agree.selector,
            handler.attest.selector,
            handler.enforce.selector,
            handler.objectTo.selector
        ];
    }

    /// The actions do move money, so the invariants are not vacuous.
    function test_ActionsMoveMoney() public {
        handler.openSession(0, 10, 100_000);
        handler.openSession(1, 7, 50_000);
        handler.togglePause();
        handler.nobodyIsTrapped();
        handler.claim(0, 2, 19, 5);
        handler.nobodyIsTrapped();
        handler.togglePause();
        handler.topUp(0, 77_000);
        handler.agree(3e17);
        handler.settle(0, 3);
        handler.attest(8e17);
        handler.objectTo(true);
        handler.agree(9e17);
        handler.settle(0, 5);
        handler.replayClaim(0);
        handler.withdrawProvider(true);
        handler.withdrawOwner();
        handler.requestThaw(0, 10_000);
        handler.withdrawThawed(0);
        handler.stopService(0);
        handler.settle(1, 1);
        handler.nobodyIsTrapped();
        assertTrue(handler.earned() > 0 && handler.refunded() > 0 && handler.settled() > 0, "earned and refunded");
        assertTrue(handler.paidToData() > 0 && handler.paidToOwner() > 0, "rewards paid");
        assertTrue(handler.changes() == 2 && handler.objections() == 1, "by weights that changed");
        assertAll();
    }

    /// Weights that waited come into force, too.
    function test_AttestedWeightsComeIntoForce() public {
        handler.openSession(0, 10, 100_000);
        handler.settle(0, 7);
        handler.attest(8e17);
        handler.enforce();
        handler.settle(0, 9);
        assertTrue(handler.changes() == 1, "in force");
        assertAll();
    }

    function invariant_TokensHeldAreEscrowAndUnpaidRewards() public view {
        assertTokensAreAccountedFor();
    }

    function invariant_NobodyWithdrawsMoreThanWasEarned() public view {
        assertNobodyTakesMoreThanWasEarned();
    }

    /// Holds for any order of claims, top-ups, stops and settlements.
    function invariant_ACountIsPaidOnce() public view {
        assertCountsArePaidOnce();
    }

    /// Whatever weights came into force, or were refused, in between.
    function invariant_EarnedIsEarnedByTheWeightsOfTheTime() public view {
        assertTrue(handler.earnedByTheWeightsOfTheTime(), "by the weights in force when it accrued");
    }

    /// The handler tries it after any of the actions; it reverts where something stays behind.
    function invariant_PausingAndStoppingTrapNothing() public {
        handler.nobodyIsTrapped();
    }
}

/// As above, with a token that randomly takes fees, lies, returns nothing, calls back or fails.
contract HostileInvariantsTest is Books {
    HostileHandler private hostile;

    function setUp() public {
        hostile = new HostileHandler();
        watchMoney(hostile);
        selectors = [hostile.act.selector, handler.togglePause.selector, handler.nobodyIsTrapped.selector];
    }

    /// Each misbehaviour makes some action fail, and money still moves.
    function test_MoodsMatter() public {
        hostile.act(0, 0, 0, 10, 100_000);
        hostile.act(3, 1, 0, 1, 19);
        assertTrue(handler.earned() > 0 && hostile.spoiled() == 0, "a token may say nothing");
        hostile.act(1, 0, 1, 10, 1000);
        hostile.act(2, 0, 1, 10, 1000);
        hostile.act(5, 0, 1, 10, 1000);
        assertTrue(hostile.spoiled() == 3, "fees, lies and failures are refused");
        hostile.act(1, 6, 0, 1000, 0);
        assertTrue(hostile.spoiled() == 4, "for a top-up too");
        hostile.act(0, 10, 9e17, 0, 0);
        hostile.act(0, 11, 1e17, 0, 0);
        hostile.act(0, 11, 0, 0, 0);
        assertTrue(handler.changes() == 2, "weights do not depend on the token");
        hostile.act(4, 5, 0, 0, 1);
        hostile.act(4, 4, 0, 0, 2);
        assertTrue(handler.paidToData() > 0 && handler.paidToOwner() > 0, "paid once, not twice");
        assertAll();
    }

    function invariant_TheBooksBalanceWithHostileTokens() public view {
        assertAll();
    }
}

/// Invariants of training after any sequence of actions by anyone.
contract TrainingInvariantsTest is Targets {
    TrainingHandler private handler;

    function setUp() public {
        handler = new TrainingHandler();
        watch(address(handler));
        selectors = [
            handler.register.selector,
            handler.extend.selector,
            handler.grant.selector,
            handler.propose.selector,
            handler.list.selector,
            handler.closeList.selector,
            handler.gradient.selector,
            handler.certify.selector,
            handler.abandon.selector,
            handler.returnUses.selector,
            handler.train.selector
        ];
    }

    /// The actions do reach certificates, with and without a least share, and return uses.
    function test_ActionsReachCertificates() public {
        for (uint256 seed = 1; seed < 7; ++seed) {
            handler.train(seed);
        }
        assertTrue(handler.certified() > 0, "certified");
        assertTrue(handler.certified() < 6, "and refused");
        for (uint256 v = 0; v < handler.versions(); ++v) {
            handler.abandon(v, false);
            handler.returnUses(v);
        }
        assertTrue(handler.usesAddUp() && handler.sumsAreOfWhatWasAdded(), "books");
        assertTrue(handler.nobodyIsBelowTheirLeastShare(), "least shares");
    }

    function invariant_AccumulatorsAreTheSumOfWhatWasAdded() public view {
        assertTrue(handler.sumsAreOfWhatWasAdded(), "numbers and points");
    }

    function invariant_NobodyIsPaidBelowTheirLeastShare() public view {
        assertTrue(handler.nobodyIsBelowTheirLeastShare(), "least shares");
    }

    function invariant_UsesOfGrantsAddUp() public view {
        assertTrue(handler.usesAddUp(), "granted = left + taken");
    }
}
