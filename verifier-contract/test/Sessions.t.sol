// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";

import {SessionEscrow} from "../src/SessionEscrow.sol";
import {ISessionEscrow} from "../src/interfaces/ISessionEscrow.sol";
import {World} from "./base/World.sol";
import {Wallet} from "./hostile/Wallet.sol";

/// Opening, thawing and refunds, by honest clients.
contract SessionsTest is World {
    uint256 private constant CLEO_KEY = 0xc1e0;

    function setUp() public override {
        super.setUp();
        certifiedAgent();
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

    /// Cleo's first permit, for `ESCROW`, until now.
    function signPermit() private view returns (uint8 v, bytes32 r, bytes32 s) {
        bytes32 permitType =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 message = keccak256(abi.encode(permitType, CLEO, address(escrow), uint256(ESCROW), 0, block.timestamp));
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), message));
        return vm.sign(CLEO_KEY, digest);
    }

    function test_OpenWithPermit() public {
        token.mint(CLEO, ESCROW);
        (uint8 v, bytes32 r, bytes32 s) = signPermit();
        ISessionEscrow.OpenParams memory params = openParams();

        // a permit that somebody else has already submitted does not block the opening
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
        (uint8 v, bytes32 r, bytes32 s) = signPermit();
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
        params.pricePerQuery = PRICE - 1; // what the version fixed, and its datasets' owners agreed to
        expectOpenRefused(params, abi.encodeWithSelector(ISessionEscrow.PriceBelowVersion.selector, PRICE - 1, PRICE));
        params = openParams();
        params.escrow = PRICE - 1;
        expectOpenRefused(params, abi.encodeWithSelector(ISessionEscrow.EscrowTooSmall.selector, PRICE - 1, PRICE));
        params = openParams();
        params.sessionKey = address(0);
        expectOpenRefused(params, abi.encodeWithSelector(ISessionEscrow.SessionKeyZero.selector));
    }

    function test_RevertWhen_VersionIsNotCertified() public {
        uint32 second = closed(versionParams(), bothSets());
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

        // money already earned or owed is still paid
        claimAs(OLGA, one(batch));
        vm.prank(ADA);
        escrow.withdrawProvider(agent, version, adaSet);
        vm.prank(OLGA);
        escrow.withdrawOwner(agent, version);
        vm.prank(CLEO);
        escrow.requestThaw(session, type(uint128).max);
        vm.warp(block.timestamp + THAW);
        vm.prank(CLEO);
        escrow.withdrawThawed(session);
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
        escrow.requestThaw(session, type(uint128).max);
        uint64 end = uint64(block.timestamp) + THAW;
        assertEq(escrow.getSession(session).thawEnd, end);

        vm.warp(end - 1);
        vm.expectRevert(abi.encodeWithSelector(ISessionEscrow.NotThawed.selector, session, end));
        vm.prank(CLEO);
        escrow.withdrawThawed(session);
        vm.warp(end);
        vm.prank(CLEO);
        uint256 amount = escrow.withdrawThawed(session);
        assertEq(amount, ESCROW - 10 * PRICE);
        assertEq(token.balanceOf(CLEO), amount);
        vm.expectRevert(abi.encodeWithSelector(ISessionEscrow.NotThawed.selector, session, 0));
        vm.prank(CLEO);
        escrow.withdrawThawed(session);
        assertSolvent();
    }

    function test_ClaimsSucceedDuringTheThaw() public {
        bytes32 session = openSession(CLEO);
        vm.prank(CLEO);
        escrow.requestThaw(session, type(uint128).max);
        vm.warp(block.timestamp + THAW - 1);
        claimAs(OLGA, one(honestBatch(oneSlot(session, 111, 10))));
        vm.warp(block.timestamp + 1);
        vm.prank(CLEO);
        assertEq(escrow.withdrawThawed(session), ESCROW - 10 * PRICE);
    }

    function test_AWithdrawnSessionPaysNothingMore() public {
        bytes32 session = openSession(CLEO);
        ISessionEscrow.ClaimBatch memory batch = honestBatch(oneSlot(session, 111, 10));
        vm.prank(CLEO);
        escrow.requestThaw(session, type(uint128).max);
        vm.warp(block.timestamp + THAW);
        vm.prank(CLEO);
        escrow.withdrawThawed(session);
        claimAs(OLGA, one(batch));
        ISessionEscrow.Session memory entry = escrow.getSession(session);
        assertTrue(entry.count == 10 && entry.paid == 0, "proven, not paid");
        assertEq(escrow.totalRewards(), 0);
        assertSolvent();
    }

    function test_RevertWhen_OthersThawOrWithdraw() public {
        bytes32 session = openSession(CLEO);
        vm.expectRevert(abi.encodeWithSelector(ISessionEscrow.NotClient.selector, session, MALLORY));
        vm.prank(MALLORY);
        escrow.requestThaw(session, type(uint128).max);
        vm.expectRevert(abi.encodeWithSelector(ISessionEscrow.NotThawed.selector, session, 0));
        vm.prank(CLEO);
        escrow.withdrawThawed(session);
        vm.prank(CLEO);
        escrow.requestThaw(session, type(uint128).max);
        uint64 end = escrow.getSession(session).thawEnd;
        vm.warp(end);
        vm.expectRevert(abi.encodeWithSelector(ISessionEscrow.AlreadyThawing.selector, session, end));
        vm.prank(CLEO);
        escrow.requestThaw(session, type(uint128).max);
        vm.expectRevert(abi.encodeWithSelector(ISessionEscrow.NotClient.selector, session, MALLORY));
        vm.prank(MALLORY);
        escrow.withdrawThawed(session);
        vm.expectRevert(abi.encodeWithSelector(ISessionEscrow.UnknownSession.selector, bytes32("none")));
        escrow.requestThaw("none", 1);
    }

    function test_RevertWhen_ThawPeriodIsUnreasonable() public {
        vm.expectRevert(abi.encodeWithSelector(ISessionEscrow.ThawPeriodOutOfRange.selector, 59));
        new SessionEscrow(IERC20(address(token)), gate, agents, datasets, weights, 59, address(this));
        vm.expectRevert(abi.encodeWithSelector(ISessionEscrow.ThawPeriodOutOfRange.selector, 90 days + 1));
        new SessionEscrow(IERC20(address(token)), gate, agents, datasets, weights, 90 days + 1, address(this));
    }
}
