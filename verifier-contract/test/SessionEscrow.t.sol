// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";

import {SessionEscrow} from "../src/SessionEscrow.sol";
import {IAgentRegistry} from "../src/interfaces/IAgentRegistry.sol";
import {ISessionEscrow} from "../src/interfaces/ISessionEscrow.sol";
import {Statements} from "../src/libraries/Statements.sol";
import {World} from "./base/World.sol";
import {Wallet} from "./hostile/Wallet.sol";

/// Opening, thawing, claiming and withdrawing as honest parties do; attacks on claims have a file of their own.
contract SessionEscrowTest is World {
    uint256 private constant CLEO_KEY = 0xc1e0;

    function setUp() public override {
        super.setUp();
        certifiedAgent();
    }

    function assertSolvent() private view {
        assertEq(token.balanceOf(address(escrow)), escrow.liabilities());
        assertEq(escrow.liabilities(), escrow.totalEscrow() + escrow.totalRewards());
    }

    // ---- opening -------------------------------------------------------------------------------------------------

    function test_OpenEscrowsAndStartsTheTranscript() public {
        bytes32 session = openSession(CLEO);
        assertEq(session, escrow.sessionIdOf(CLEO, 0));
        assertEq(escrow.sessionCount(CLEO), 1);
        ISessionEscrow.Session memory entry = escrow.getSession(session);
        assertEq(entry.client, CLEO);
        assertEq(entry.sessionKey, vm.addr(SESSION_KEY));
        assertEq(entry.agentId, agent);
        assertEq(entry.version, version);
        assertEq(entry.pricePerQuery, PRICE);
        assertEq(entry.remaining, ESCROW);
        assertEq(entry.count, 0);
        assertEq(entry.thawEnd, 0);
        assertEq(entry.transcript, escrow.firstTranscript(session, version, pointDigest(W)));
        assertEq(token.balanceOf(CLEO), 0);
        assertSolvent();
        assertTrue(openSession(CLEO) != session, "the next one has another id");
    }

    function test_OpenWithPermit() public {
        token.mint(CLEO, ESCROW);
        bytes32 permitType =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 message = keccak256(abi.encode(permitType, CLEO, address(escrow), uint256(ESCROW), 0, block.timestamp));
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), message));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(CLEO_KEY, digest);
        ISessionEscrow.OpenParams memory params = openParams();

        // a permit that somebody else has brought already does not stop the opening
        token.permit(CLEO, address(escrow), ESCROW, block.timestamp, v, r, s);
        vm.prank(CLEO);
        bytes32 session = escrow.openWithPermit(params, block.timestamp, v, r, s);
        assertEq(escrow.getSession(session).remaining, ESCROW);
        assertSolvent();

        // and without any allowance it fails
        token.mint(CLEO, ESCROW);
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, address(escrow), 0, ESCROW)
        );
        vm.prank(CLEO);
        escrow.openWithPermit(params, block.timestamp, v, r, s);
    }

    function test_OpenWithFreshPermit() public {
        token.mint(CLEO, ESCROW);
        bytes32 permitType =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 message = keccak256(abi.encode(permitType, CLEO, address(escrow), uint256(ESCROW), 0, block.timestamp));
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), message));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(CLEO_KEY, digest);
        ISessionEscrow.OpenParams memory params = openParams();
        vm.prank(CLEO);
        bytes32 session = escrow.openWithPermit(params, block.timestamp, v, r, s);
        assertEq(escrow.getSession(session).client, CLEO);
        assertSolvent();
    }

    function test_OpenForAnEoaWithItsSignature() public {
        fund(CLEO, address(escrow));
        ISessionEscrow.OpenParams memory params = openParams();
        bytes memory signature = sign(CLEO_KEY, escrow.openDigest(CLEO, params, 0, block.timestamp));
        vm.prank(OLGA);
        bytes32 session = escrow.openFor(CLEO, params, block.timestamp, signature);
        assertEq(escrow.getSession(session).client, CLEO);
        assertSolvent();
    }

    function test_OpenForAWalletAsksItOnce() public {
        Wallet wallet = new Wallet(vm.addr(CLEO_KEY));
        token.mint(address(wallet), ESCROW);
        wallet.approve(token, address(escrow), ESCROW);
        ISessionEscrow.OpenParams memory params = openParams();
        bytes memory signature = sign(CLEO_KEY, escrow.openDigest(address(wallet), params, 0, block.timestamp));
        bytes32 session = escrow.openFor(address(wallet), params, block.timestamp, signature);
        assertEq(escrow.getSession(session).client, address(wallet));
    }

    function test_RevertWhen_AuthorisationIsReplayedAlteredOrLate() public {
        token.mint(CLEO, 2 * ESCROW);
        vm.prank(CLEO);
        token.approve(address(escrow), 2 * ESCROW);
        ISessionEscrow.OpenParams memory params = openParams();
        uint256 deadline = block.timestamp;
        bytes memory signature = sign(CLEO_KEY, escrow.openDigest(CLEO, params, 0, deadline));
        bytes memory invalid = abi.encodeWithSelector(ISessionEscrow.AuthorisationInvalid.selector, CLEO);

        ISessionEscrow.OpenParams memory altered = openParams();
        altered.sessionKey = MALLORY;
        vm.expectRevert(invalid);
        escrow.openFor(CLEO, altered, deadline, signature);
        vm.expectRevert(abi.encodeWithSelector(ISessionEscrow.AuthorisationInvalid.selector, ADA));
        escrow.openFor(ADA, params, deadline, signature);

        escrow.openFor(CLEO, params, deadline, signature);
        vm.expectRevert(invalid); // the nonce has moved on
        escrow.openFor(CLEO, params, deadline, signature);

        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(ISessionEscrow.AuthorisationExpired.selector, deadline));
        escrow.openFor(CLEO, params, deadline, signature);
        assertEq(escrow.sessionCount(CLEO), 1);
        assertSolvent();
    }

    function expectOpenRefused(ISessionEscrow.OpenParams memory params, bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(CLEO);
        escrow.open(params);
        assertEq(escrow.liabilities(), 0);
    }

    function test_RevertWhen_OpenParamsMakeNoSense() public {
        fund(CLEO, address(escrow));
        ISessionEscrow.OpenParams memory params = openParams();
        params.pricePerQuery = 0;
        expectOpenRefused(params, abi.encodeWithSelector(ISessionEscrow.PriceZero.selector));
        params = openParams();
        params.escrow = PRICE - 1;
        expectOpenRefused(params, abi.encodeWithSelector(ISessionEscrow.EscrowTooSmall.selector, PRICE - 1, PRICE));
        params = openParams();
        params.sessionKey = address(0);
        expectOpenRefused(params, abi.encodeWithSelector(ISessionEscrow.SessionKeyZero.selector));
    }

    function test_RevertWhen_VersionIsNotCertified() public {
        IAgentRegistry.VersionParams memory draft = versionParams();
        vm.prank(OLGA);
        uint32 second = agents.proposeVersion(agent, draft);
        ISessionEscrow.OpenParams memory params = openParams();
        params.version = second;
        expectOpenRefused(params, abi.encodeWithSelector(ISessionEscrow.NotCertified.selector, agent, second));
    }

    function test_PausingStopsNewSessionsOnly() public {
        bytes32 session = openSession(CLEO);
        ISessionEscrow.ClaimBatch memory batch = honestBatch(oneSlot(session, 111, 10));
        vm.prank(MALLORY);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, MALLORY));
        escrow.pause();
        escrow.pause();

        fund(CLEO, address(escrow));
        ISessionEscrow.OpenParams memory params = openParams();
        bytes memory reason = abi.encodeWithSelector(Pausable.EnforcedPause.selector);
        vm.expectRevert(reason);
        vm.prank(CLEO);
        escrow.open(params);
        vm.expectRevert(reason);
        escrow.openFor(CLEO, params, block.timestamp, "");
        vm.expectRevert(reason);
        vm.prank(CLEO);
        escrow.openWithPermit(params, 0, 0, 0, 0);

        // money already earned or owed flows on
        claimAs(OLGA, one(batch));
        vm.prank(ADA);
        escrow.withdrawProvider(agent, version, adaSet);
        vm.prank(OLGA);
        escrow.withdrawOwner(agent, version);
        vm.prank(CLEO);
        escrow.requestThaw(session);
        vm.warp(block.timestamp + THAW);
        vm.prank(CLEO);
        escrow.withdrawRemainder(session);
        assertSolvent();

        escrow.unpause();
        vm.prank(CLEO);
        escrow.open(params);
    }

    // ---- thaw ----------------------------------------------------------------------------------------------------

    function test_RemainderComesBackAfterTheThaw() public {
        bytes32 session = openSession(CLEO);
        claimAs(OLGA, one(honestBatch(oneSlot(session, 111, 10))));
        vm.prank(CLEO);
        escrow.requestThaw(session);
        uint64 end = uint64(block.timestamp) + THAW;
        assertEq(escrow.getSession(session).thawEnd, end);

        vm.warp(end - 1);
        vm.expectRevert(abi.encodeWithSelector(ISessionEscrow.NotThawed.selector, session, end));
        vm.prank(CLEO);
        escrow.withdrawRemainder(session);
        vm.warp(end);
        vm.prank(CLEO);
        uint256 amount = escrow.withdrawRemainder(session);
        assertEq(amount, ESCROW - 10 * PRICE);
        assertEq(token.balanceOf(CLEO), amount);
        vm.expectRevert(abi.encodeWithSelector(ISessionEscrow.NothingToWithdraw.selector));
        vm.prank(CLEO);
        escrow.withdrawRemainder(session);
        assertSolvent();
    }

    function test_ClaimsSucceedDuringTheThaw() public {
        bytes32 session = openSession(CLEO);
        vm.prank(CLEO);
        escrow.requestThaw(session);
        vm.warp(block.timestamp + THAW - 1);
        claimAs(OLGA, one(honestBatch(oneSlot(session, 111, 10))));
        vm.warp(block.timestamp + 1);
        vm.prank(CLEO);
        assertEq(escrow.withdrawRemainder(session), ESCROW - 10 * PRICE);
    }

    function test_RevertWhen_WithdrawnSessionIsClaimed() public {
        bytes32 session = openSession(CLEO);
        ISessionEscrow.ClaimBatch memory batch = honestBatch(oneSlot(session, 111, 10));
        vm.prank(CLEO);
        escrow.requestThaw(session);
        vm.warp(block.timestamp + THAW);
        vm.prank(CLEO);
        escrow.withdrawRemainder(session);
        vm.expectRevert(abi.encodeWithSelector(ISessionEscrow.EscrowShort.selector, session, 10 * PRICE, 0));
        claimAs(OLGA, one(batch));
    }

    function test_RevertWhen_OthersThawOrWithdraw() public {
        bytes32 session = openSession(CLEO);
        vm.expectRevert(abi.encodeWithSelector(ISessionEscrow.NotClient.selector, session, MALLORY));
        vm.prank(MALLORY);
        escrow.requestThaw(session);
        vm.expectRevert(abi.encodeWithSelector(ISessionEscrow.NotThawed.selector, session, 0));
        vm.prank(CLEO);
        escrow.withdrawRemainder(session);
        vm.prank(CLEO);
        escrow.requestThaw(session);
        uint64 end = escrow.getSession(session).thawEnd;
        vm.warp(end);
        vm.expectRevert(abi.encodeWithSelector(ISessionEscrow.AlreadyThawing.selector, session, end));
        vm.prank(CLEO);
        escrow.requestThaw(session);
        vm.expectRevert(abi.encodeWithSelector(ISessionEscrow.NotClient.selector, session, MALLORY));
        vm.prank(MALLORY);
        escrow.withdrawRemainder(session);
        vm.expectRevert(abi.encodeWithSelector(ISessionEscrow.UnknownSession.selector, bytes32("none")));
        escrow.requestThaw("none");
    }

    function test_RevertWhen_ThawPeriodIsUnreasonable() public {
        vm.expectRevert(abi.encodeWithSelector(ISessionEscrow.ThawPeriodOutOfRange.selector, 59));
        new SessionEscrow(IERC20(address(token)), gate, agents, datasets, 59, address(this));
        vm.expectRevert(abi.encodeWithSelector(ISessionEscrow.ThawPeriodOutOfRange.selector, 90 days + 1));
        new SessionEscrow(IERC20(address(token)), gate, agents, datasets, 90 days + 1, address(this));
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
        assertEq(escrow.providerDue(agent, version, adaSet), 9000 * uint256(SHARE_ADA) >> 20);
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
        ISessionEscrow.ClaimBatch[] memory batches = one(honestBatch(oneSlot(session, 1, ESCROW / PRICE + 1)));
        vm.expectRevert(abi.encodeWithSelector(ISessionEscrow.EscrowShort.selector, session, ESCROW + PRICE, ESCROW));
        claimAs(OLGA, batches);
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
        assertEq(escrow.withdrawProvider(agent, version, adaSet), 6000 * uint256(SHARE_ADA) >> 20);
        vm.prank(BEN);
        assertEq(escrow.withdrawProvider(agent, version, benSet), 6000 * uint256(SHARE_BEN) >> 20);
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

    function test_RevertWhen_StrangersWithdraw() public {
        claimAs(OLGA, one(honestBatch(oneSlot(openSession(CLEO), 111, 10))));
        vm.expectRevert(abi.encodeWithSelector(ISessionEscrow.NotDatasetOwner.selector, adaSet, BEN));
        vm.prank(BEN);
        escrow.withdrawProvider(agent, version, adaSet);
        vm.expectRevert(abi.encodeWithSelector(ISessionEscrow.NotAgentOwner.selector, agent, ADA));
        vm.prank(ADA);
        escrow.withdrawOwner(agent, version);
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
