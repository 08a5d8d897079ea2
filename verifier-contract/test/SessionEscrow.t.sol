// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {DatasetRegistry} from "../src/DatasetRegistry.sol";
import {ProofGate} from "../src/ProofGate.sol";
import {SessionEscrow} from "../src/SessionEscrow.sol";
import {ICertification} from "../src/interfaces/ICertification.sol";
import {IDatasetRegistry} from "../src/interfaces/IDatasetRegistry.sol";
import {IProofGate} from "../src/interfaces/IProofGate.sol";
import {ISessionEscrow} from "../src/interfaces/ISessionEscrow.sol";
import {Statements} from "../src/libraries/Statements.sol";
import {TestToken} from "../src/tokens/TestToken.sol";
import {World} from "./base/World.sol";

/// Opening, thawing, claiming and withdrawing by honest parties; attacks on claims are in a separate file.
contract SessionEscrowTest is World {
    uint256 private constant CLEO_KEY = 0xc1e0;

    function setUp() public override {
        super.setUp();
        certifiedAgent();
    }

    // ---- claims --------------------------------------------------------------------------------------------------

    function test_ClaimPaysTheDifferenceAndSplitsIt() public {
        bytes32 session = openSession(CLEO);
        claimAs(OLGA, one(honestBatch(oneSlot(session, 111, 10))));
        claimAs(OLGA, one(honestBatch(oneSlot(session, 222, 5))));
        ISessionEscrow.Session memory entry = escrow.getSession(session);
        assertEq(entry.count, 15);
        assertEq(entry.transcript, 222);
        assertEq(entry.remaining, ESCROW - 15 * PRICE);
        assertEq(escrow.dataAccrued(agent, version), 15 * PRICE * 6 / 10);
        assertEq(escrow.ownerDue(agent, version), 15 * PRICE * 4 / 10);
        assertEq(escrow.providerDue(agent, version, adaSet), partOf(9000, N_ADA));
        assertSolvent();
    }

    function test_SixteenSessionsInOneProof() public {
        Slot[] memory slots = new Slot[](16);
        for (uint256 i = 0; i < 16; ++i) {
            slots[i] = Slot({session: openSession(vm.addr(1000 + i)), after_: 5000 + i, queries: i + 1});
        }
        ISessionEscrow.ClaimBatch[] memory batches = one(honestBatch(slots));
        claimAs(OLGA, batches);
        assertEq(escrow.totalRewards(), 136 * PRICE);
        assertSolvent();
    }

    function test_ManyBatchesInOneClaim() public {
        ISessionEscrow.ClaimBatch[] memory batches = new ISessionEscrow.ClaimBatch[](3);
        for (uint256 i = 0; i < 3; ++i) {
            batches[i] = honestBatch(oneSlot(openSession(CLEO), 100 + i, 7));
        }
        claimAs(OLGA, batches);
        assertEq(escrow.totalRewards(), 21 * PRICE);
        assertSolvent();
    }

    function test_ClaimUpToTheLastToken() public {
        bytes32 session = openSession(CLEO);
        claimAs(OLGA, one(honestBatch(oneSlot(session, 1, ESCROW / PRICE))));
        assertEq(escrow.getSession(session).remaining, 0);
        assertEq(escrow.totalEscrow(), 0);
        assertSolvent();
    }

    function test_RevertWhen_ClaimIsEmpty() public {
        bytes memory reason = abi.encodeWithSelector(ISessionEscrow.WrongSlotCount.selector, 0);
        vm.expectRevert(reason);
        claimAs(OLGA, new ISessionEscrow.ClaimBatch[](0));
        ISessionEscrow.ClaimBatch[] memory batches = one(honestBatch(oneSlot(openSession(CLEO), 1, 1)));
        batches[0].slots = new ISessionEscrow.SlotVoucher[](0);
        vm.expectRevert(reason);
        claimAs(OLGA, batches);
        batches[0].slots = new ISessionEscrow.SlotVoucher[](17);
        vm.expectRevert(abi.encodeWithSelector(ISessionEscrow.WrongSlotCount.selector, 17));
        claimAs(OLGA, batches);
    }

    // ---- rewards -------------------------------------------------------------------------------------------------

    function test_EveryoneTakesWhatIsTheirs() public {
        bytes32 session = openSession(CLEO);
        claimAs(OLGA, one(honestBatch(oneSlot(session, 111, 10))));
        vm.prank(ADA);
        assertEq(escrow.withdrawProvider(agent, version, adaSet), partOf(6000, N_ADA));
        vm.prank(BEN);
        assertEq(escrow.withdrawProvider(agent, version, benSet), partOf(6000, N_BEN));
        vm.prank(OLGA);
        assertEq(escrow.withdrawOwner(agent, version), 4000);
        assertEq(token.balanceOf(ADA) + token.balanceOf(BEN) + token.balanceOf(OLGA), 9999);
        assertEq(escrow.totalRewards(), 1); // dust, still accounted
        assertSolvent();
        // nothing twice
        bytes memory reason = abi.encodeWithSelector(ISessionEscrow.NothingToWithdraw.selector);
        vm.expectRevert(reason);
        vm.prank(ADA);
        escrow.withdrawProvider(agent, version, adaSet);
        vm.expectRevert(reason);
        vm.prank(OLGA);
        escrow.withdrawOwner(agent, version);
    }

    /// Anybody may send it: the payee is fixed, and can be an address other than the owner's.
    function test_PayoutsGoWhereTheirOwnersSay() public {
        claimAs(MALLORY, one(honestBatch(oneSlot(openSession(CLEO), 111, 10))));
        address vault = vm.addr(77);
        vm.prank(ADA);
        datasets.setPayout(adaSet, vault);
        vm.prank(OLGA);
        agents.setPayout(agent, vault);
        vm.prank(MALLORY);
        uint256 toAda = escrow.withdrawProvider(agent, version, adaSet);
        vm.prank(MALLORY);
        uint256 toOlga = escrow.withdrawOwner(agent, version);
        vm.prank(MALLORY);
        uint256 toBen = escrow.withdrawProvider(agent, version, benSet);
        assertEq(token.balanceOf(vault), toAda + toOlga);
        assertEq(token.balanceOf(BEN), toBen);
        assertEq(token.balanceOf(MALLORY) + token.balanceOf(ADA) + token.balanceOf(OLGA), 0);
        assertSolvent();
    }

    /// A dataset's later version earns nothing with an agent that was trained on the one before.
    function test_RevertWhen_AnotherVersionOfTheDatasetWithdraws() public {
        claimAs(OLGA, one(honestBatch(oneSlot(openSession(CLEO), 111, 10))));
        IDatasetRegistry.ShardProof[] memory more = oneShard(shardProof(ADA, "ada 2", 2, 50));
        vm.prank(ADA);
        bytes32 larger = datasets.extend(adaSet, more);
        vm.expectRevert(abi.encodeWithSelector(ICertification.DatasetNotInVersion.selector, larger));
        escrow.withdrawProvider(agent, version, larger);
    }

    // ---- topping up, thawing a part -----------------------------------------------------------------------------

    function topUp(bytes32 session, uint128 amount) private {
        token.mint(BEN, amount);
        vm.prank(BEN);
        token.approve(address(escrow), amount);
        vm.prank(BEN);
        escrow.topUp(session, amount);
    }

    function test_AnybodyTopsASessionUp() public {
        bytes32 session = openSession(CLEO);
        topUp(session, 500);
        assertEq(escrow.getSession(session).remaining, ESCROW + 500);
        assertSolvent();
        vm.expectRevert(ISessionEscrow.AmountZero.selector);
        escrow.topUp(session, 0);
        vm.expectRevert(abi.encodeWithSelector(ISessionEscrow.UnknownSession.selector, bytes32("none")));
        escrow.topUp("none", 1);
    }

    /// A claim beyond the escrow is paid as far as the escrow covers, and the rest after a top-up; every query once.
    function test_AClaimPaysWhatIsLeftAndTheRestLater() public {
        bytes32 session = openSession(CLEO);
        uint256 affordable = ESCROW / PRICE;
        claimAs(OLGA, one(honestBatch(oneSlot(session, 1, affordable + 7))));
        ISessionEscrow.Session memory entry = escrow.getSession(session);
        assertTrue(
            entry.count == affordable + 7 && entry.paid == affordable && entry.remaining == 0, "as far as it goes"
        );
        topUp(session, 3 * PRICE + PRICE / 2);
        claimAs(OLGA, one(honestBatch(oneSlot(session, 2, 1))));
        entry = escrow.getSession(session);
        assertTrue(entry.count == affordable + 8 && entry.paid == affordable + 3, "whole queries");
        assertEq(entry.remaining, PRICE / 2);
        topUp(session, 10 * PRICE);
        claimAs(OLGA, one(honestBatch(oneSlot(session, 3, 1))));
        entry = escrow.getSession(session);
        assertTrue(entry.count == affordable + 9 && entry.paid == entry.count, "all of it");
        (uint256 proven, uint256 settled) = escrow.servedQueries(agent, version);
        assertTrue(proven == affordable + 9 && settled == 0, "all of them proven");
        assertEq(escrow.totalRewards(), (affordable + 9) * PRICE);
        assertSolvent();
    }

    function test_APartThawsAndTheSessionGoesOn() public {
        bytes32 session = openSession(CLEO);
        vm.prank(CLEO);
        escrow.requestThaw(session, 300_000);
        vm.warp(block.timestamp + THAW);
        claimAs(OLGA, one(honestBatch(oneSlot(session, 111, 10))));
        vm.prank(CLEO);
        assertEq(escrow.withdrawThawed(session), 300_000);
        ISessionEscrow.Session memory entry = escrow.getSession(session);
        assertTrue(entry.thawEnd == 0 && entry.thawAmount == 0, "thawed");
        assertEq(entry.remaining, ESCROW - 300_000 - 10 * PRICE);
        claimAs(OLGA, one(honestBatch(oneSlot(session, 222, 10))));
        vm.prank(CLEO);
        escrow.requestThaw(session, 1);
        vm.expectRevert(abi.encodeWithSelector(ISessionEscrow.NotClient.selector, session, OLGA));
        vm.prank(OLGA);
        escrow.cancelThaw(session);
        vm.prank(CLEO);
        escrow.cancelThaw(session);
        vm.warp(block.timestamp + THAW);
        vm.expectRevert(abi.encodeWithSelector(ISessionEscrow.NotThawed.selector, session, 0));
        vm.prank(CLEO);
        escrow.withdrawThawed(session);
        vm.expectRevert(abi.encodeWithSelector(ISessionEscrow.NotThawed.selector, session, 0));
        vm.prank(CLEO);
        escrow.cancelThaw(session);
        vm.expectRevert(ISessionEscrow.AmountZero.selector);
        vm.prank(CLEO);
        escrow.requestThaw(session, 0);
        assertSolvent();
    }

    // ---- stop and settlement ------------------------------------------------------------------------------------

    function settlement(bytes32 session, uint64 count) private view returns (bytes memory) {
        return sign(CLEO_KEY, escrow.settlementDigest(session, count));
    }

    /// Queries answered before a stop are paid by the client's settlement; nothing new is sold.
    function test_AStoppedCircuitSellsNothingAndTrapsNothing() public {
        bytes32 session = openSession(CLEO);
        claimAs(OLGA, one(honestBatch(oneSlot(session, 111, 10))));
        ISessionEscrow.ClaimBatch[] memory late = one(honestBatch(oneSlot(session, 222, 5)));
        gate.stop(serviceCircuit);
        bytes memory stopped = abi.encodeWithSelector(IProofGate.StoppedCircuit.selector, serviceCircuit);
        fund(CLEO, address(escrow));
        ISessionEscrow.OpenParams memory params = openParams();
        vm.expectRevert(stopped);
        vm.prank(CLEO);
        escrow.open(params);
        vm.expectRevert(stopped);
        vm.prank(CLEO);
        escrow.topUp(session, 1);
        vm.expectRevert(stopped);
        claimAs(OLGA, late);

        escrow.settle(session, 15, settlement(session, 15));
        assertEq(escrow.getSession(session).paid, 15);
        assertEq(escrow.totalRewards(), 15 * PRICE);
        escrow.withdrawProvider(agent, version, adaSet);
        escrow.withdrawOwner(agent, version);
        vm.prank(CLEO);
        escrow.requestThaw(session, type(uint128).max);
        vm.warp(block.timestamp + THAW);
        vm.prank(CLEO);
        assertEq(escrow.withdrawThawed(session), ESCROW - 15 * PRICE);
        assertSolvent();
    }

    /// Settlements and claims in any order: a query is paid once, and a settlement invalidates no voucher.
    function test_SettlementsAndClaimsPayEachQueryOnce() public {
        bytes32 session = openSession(CLEO);
        escrow.settle(session, 4, settlement(session, 4));
        claimAs(OLGA, one(honestBatch(oneSlot(session, 111, 10)))); // of which 4 are paid
        assertEq(escrow.getSession(session).paid, 10);
        assertEq(escrow.totalRewards(), 10 * PRICE);
        bytes memory old = settlement(session, 4);
        vm.expectRevert(abi.encodeWithSelector(ISessionEscrow.NothingToSettle.selector, session, 10, 4));
        escrow.settle(session, 4, old);
        escrow.settle(session, 30, settlement(session, 30));
        claimAs(OLGA, one(honestBatch(oneSlot(session, 222, 15)))); // all paid before
        ISessionEscrow.Session memory entry = escrow.getSession(session);
        assertTrue(entry.count == 25 && entry.paid == 30, "counts");
        assertEq(escrow.totalRewards(), 30 * PRICE);
        (uint256 proven, uint256 settled) = escrow.servedQueries(agent, version);
        // four were settled before they were proven; each counts by what paid it
        assertTrue(proven == 6 && settled == 24, "the client's word is counted apart");
        assertSolvent();
    }

    /// A settlement beyond the escrow marks as paid only what it pays.
    function test_Attack_SettlementOfAnEmptySession() public {
        bytes32 session = openSession(CLEO);
        vm.prank(CLEO);
        escrow.requestThaw(session, ESCROW - PRICE);
        vm.warp(block.timestamp + THAW);
        vm.prank(CLEO);
        escrow.withdrawThawed(session);
        escrow.settle(session, 1e6, settlement(session, 1e6));
        assertEq(escrow.getSession(session).paid, 1);
        bytes memory again = settlement(session, 1e6);
        vm.expectRevert(abi.encodeWithSelector(ISessionEscrow.NothingToSettle.selector, session, 1, 1e6));
        escrow.settle(session, 1e6, again);
        topUp(session, 5 * PRICE);
        claimAs(OLGA, one(honestBatch(oneSlot(session, 111, 6))));
        assertEq(escrow.totalRewards(), 6 * PRICE);
    }

    function testFuzz_OnlyTheClientSettles(uint256 key, uint64 count, uint64 other, bytes calldata junk) public {
        bytes32 session = openSession(CLEO);
        key = bound(key, 1, 1 << 200);
        vm.assume(key != CLEO_KEY && other != count);
        bytes memory invalid = abi.encodeWithSelector(ISessionEscrow.AuthorisationInvalid.selector, CLEO);
        bytes[4] memory signatures = [
            sign(key, escrow.settlementDigest(session, count)),
            sign(SESSION_KEY, escrow.settlementDigest(session, count)),
            settlement(session, other),
            junk
        ];
        for (uint256 i = 0; i < 4; ++i) {
            vm.expectRevert(invalid);
            escrow.settle(session, count, signatures[i]);
        }
        assertEq(escrow.getSession(session).remaining, ESCROW);
    }

    function test_TheOwnerCannotRenounce() public {
        vm.expectRevert(ISessionEscrow.OwnerNeeded.selector);
        escrow.renounceOwnership();
        assertEq(escrow.owner(), address(this));
    }

    function test_RevertWhen_RegistriesBelongToAnotherDeployment() public {
        ProofGate other = new ProofGate(address(this), GUARDIAN);
        DatasetRegistry otherSets = new DatasetRegistry(gate, IERC20(address(token)));
        vm.expectRevert(abi.encodeWithSelector(ISessionEscrow.OtherDeployment.selector, address(agents)));
        new SessionEscrow(IERC20(address(token)), other, agents, datasets, weights, THAW, address(this));
        vm.expectRevert(abi.encodeWithSelector(ISessionEscrow.OtherDeployment.selector, address(otherSets)));
        new SessionEscrow(IERC20(address(token)), gate, agents, otherSets, weights, THAW, address(this));
    }

    /// Terms and grants name prices in base units of one token: that of the registry that their signatures name.
    function test_Attack_EscrowWithAnotherTokenThanTheDatasets() public {
        TestToken worthless = new TestToken();
        vm.expectRevert(abi.encodeWithSelector(ISessionEscrow.OtherToken.selector, address(token), address(worthless)));
        new SessionEscrow(IERC20(address(worthless)), gate, agents, datasets, weights, THAW, address(this));
        assertEq(datasets.token(), escrow.token());
    }

    function testFuzz_ProvidersNeverTakeMoreThanWasAccrued(uint256 seed, uint16 rounds) public {
        bytes32 session = openSession(CLEO);
        uint256 steps = bound(rounds, 1, 12);
        uint256 taken = 0;
        for (uint256 i = 0; i < steps; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            claimAs(OLGA, one(honestBatch(oneSlot(session, seed % R, bound(seed, 1, 80)))));
            (address owner, bytes32 set) = seed & 1 == 0 ? (ADA, adaSet) : (BEN, benSet);
            if (escrow.providerDue(agent, version, set) > 0) {
                vm.prank(owner);
                taken += escrow.withdrawProvider(agent, version, set);
            }
            assertTrue(taken <= escrow.dataAccrued(agent, version), "taken <= accrued");
            assertSolvent();
        }
        uint256 due = escrow.providerDue(agent, version, adaSet) + escrow.providerDue(agent, version, benSet);
        uint256 accrued = escrow.dataAccrued(agent, version);
        assertTrue(taken + due <= accrued && accrued <= taken + due + 1, "dust is at most one unit");
    }

    function test_AddressesAreOnRecord() public view {
        assertEq(escrow.token(), address(token));
        assertEq(escrow.gate(), address(gate));
        assertEq(escrow.agentRegistry(), address(agents));
        assertEq(escrow.datasetRegistry(), address(datasets));
        assertEq(agents.gate(), address(gate));
        assertEq(agents.datasetRegistry(), address(datasets));
        assertEq(datasets.gate(), address(gate));
        assertEq(datasets.agentRegistry(), address(agents));
        assertEq(escrow.thawPeriod(), THAW);
        assertEq(Statements.SERVICE_SLOTS, 16);
    }
}
