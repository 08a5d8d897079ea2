// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {ISessionEscrow} from "../src/interfaces/ISessionEscrow.sol";
import {TestToken} from "../src/tokens/TestToken.sol";
import {World} from "./base/World.sol";
import {FalseToken, FeeToken, MintableToken, NoReturnToken, ReentrantToken} from "./hostile/Tokens.sol";

/// Misbehaving tokens: nothing is escrowed that was not received, nothing is paid twice, nothing is lost.
contract HostileTokensTest is World {
    MintableToken private hostile;

    function use(MintableToken token_) private {
        hostile = token_;
        // the datasets' prices are in it too: an escrow has the same token as its datasets
        token = TestToken(address(token_));
        deployContracts();
        certifiedAgent();
        hostile.mint(CLEO, 2 * ESCROW);
        vm.prank(CLEO);
        hostile.approve(address(escrow), type(uint256).max);
    }

    function open() private returns (bytes32) {
        ISessionEscrow.OpenParams memory params = openParams();
        vm.prank(CLEO);
        return escrow.open(params);
    }

    function claimTen(bytes32 session) private {
        claimAs(OLGA, one(honestBatch(oneSlot(session, 111, 10))));
    }

    function test_RevertWhen_TokenTakesAFee() public {
        FeeToken fee = new FeeToken();
        use(fee);
        ISessionEscrow.OpenParams memory params = openParams();
        vm.expectRevert(
            abi.encodeWithSelector(ISessionEscrow.ReceivedOtherAmount.selector, ESCROW, ESCROW - ESCROW / 100)
        );
        vm.prank(CLEO);
        escrow.open(params);
        assertEq(escrow.liabilities(), 0);
        assertEq(hostile.balanceOf(address(escrow)), 0);
        fee.setCharging(false);
        open();
        assertSolvent();
    }

    function test_RevertWhen_TokenReturnsFalse() public {
        FalseToken lying = new FalseToken();
        use(lying);
        bytes32 session = open();
        claimTen(session);
        bytes memory reason = abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(lying));
        lying.setFailing(true);

        ISessionEscrow.OpenParams memory params = openParams();
        vm.expectRevert(reason);
        vm.prank(CLEO);
        escrow.open(params);
        vm.expectRevert(reason);
        vm.prank(ADA);
        escrow.withdrawProvider(agent, version, adaSet);
        vm.expectRevert(reason);
        vm.prank(OLGA);
        escrow.withdrawOwner(agent, version);
        assertSolvent();

        // what was not paid is still owed
        lying.setFailing(false);
        vm.prank(ADA);
        assertTrue(escrow.withdrawProvider(agent, version, adaSet) > 0, "paid");
        assertSolvent();
    }

    function test_TokenThatReturnsNothing() public {
        use(new NoReturnToken());
        bytes32 session = open();
        claimTen(session);
        vm.prank(BEN);
        escrow.withdrawProvider(agent, version, benSet);
        vm.prank(OLGA);
        escrow.withdrawOwner(agent, version);
        vm.prank(CLEO);
        escrow.requestThaw(session, type(uint128).max);
        vm.warp(block.timestamp + THAW);
        vm.prank(CLEO);
        escrow.withdrawThawed(session);
        assertSolvent();
    }

    function expectNoReentry(ReentrantToken token_) private view {
        assertEq(
            keccak256(token_.answer()),
            keccak256(abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector))
        );
        assertSolvent();
    }

    function test_Attack_ReentryWhileOpening() public {
        ReentrantToken token_ = new ReentrantToken();
        use(token_);
        token_.arm(address(escrow), abi.encodeCall(escrow.open, (openParams())));
        open();
        expectNoReentry(token_);
    }

    function test_Attack_ReentryWhileWithdrawing() public {
        ReentrantToken token_ = new ReentrantToken();
        use(token_);
        bytes32 session = open();
        claimTen(session);

        token_.arm(address(escrow), abi.encodeCall(escrow.withdrawProvider, (agent, version, adaSet)));
        vm.prank(ADA);
        escrow.withdrawProvider(agent, version, adaSet);
        expectNoReentry(token_);

        token_.arm(address(escrow), abi.encodeCall(escrow.withdrawOwner, (agent, version)));
        vm.prank(OLGA);
        escrow.withdrawOwner(agent, version);
        expectNoReentry(token_);

        vm.prank(CLEO);
        escrow.requestThaw(session, type(uint128).max);
        vm.warp(block.timestamp + THAW);
        token_.arm(address(escrow), abi.encodeCall(escrow.withdrawThawed, (session)));
        vm.prank(CLEO);
        escrow.withdrawThawed(session);
        expectNoReentry(token_);
    }

    function test_Attack_ReentryIntoClaim() public {
        ReentrantToken token_ = new ReentrantToken();
        use(token_);
        bytes32 session = open();
        claimTen(session);
        ISessionEscrow.ClaimBatch[] memory batches = one(honestBatch(oneSlot(session, 222, 5)));
        token_.arm(address(escrow), abi.encodeCall(escrow.claim, (batches)));
        vm.prank(OLGA);
        escrow.withdrawOwner(agent, version);
        expectNoReentry(token_);
        assertEq(escrow.getSession(session).count, 10);
    }
}
