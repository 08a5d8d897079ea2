// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {Tribute} from "../src/Tribute.sol";
import {AccuracyBounty} from "../src/examples/AccuracyBounty.sol";
import {ICertification} from "../src/interfaces/ICertification.sol";
import {IAgentRegistry} from "../src/interfaces/IAgentRegistry.sol";
import {IEvaluations} from "../src/interfaces/IEvaluations.sol";
import {ITribute} from "../src/interfaces/ITribute.sol";
import {Evaluated} from "./base/Evaluated.sol";

/// The views for other contracts, and a contract that depends on them.
contract TributeTest is Evaluated {
    Tribute private tribute;

    function setUp() public override {
        super.setUp();
        tribute = new Tribute(escrow, evaluations);
    }

    function test_ReadsTellWhatWasProven() public {
        assertTrue(tribute.isCertified(agent, version), "certified");
        assertEq(tribute.latestCertified(agent), version);
        assertEq(tribute.agentOwner(agent), OLGA);
        ITribute.Certificate memory content = tribute.certificate(agent, version);
        assertEq(content.modelHash, sha256("agent.onnx"));
        assertEq(content.records, RECORDS);
        assertEq(content.datasets, 2);
        // (4000 + 6528)/(17,592,186·15.5) = 3.8609e-5, and 10,528²/(2·17,592,186)·2^-44 = 1.7907e-13
        assertTrue(content.distance > 38_608e9 && content.distance < 38_610e9, "distance");
        assertTrue(content.excessLoss > 179_060 && content.excessLoss < 179_080, "excess loss");
        (bytes32 listHash, uint32 count) = tribute.datasetsOf(agent, version);
        assertTrue(listHash == content.listHash && count == 2, "datasets");
        assertEq(tribute.shareOf(agent, version, adaSet), uint256(N_ADA) * 1e18 / N_ALL);
        assertEq(tribute.servedQueries(agent, version), 0);
        claimAs(OLGA, one(honestBatch(oneSlot(openSession(CLEO), 111, 10))));
        assertEq(tribute.servedQueries(agent, version), 10);
        assertEq(tribute.settledQueries(agent, version), 0);
        evaluateAll();
        assertEq(tribute.accuracyOf(agent, version, testSet), 94e16);
    }

    /// A doubtful certificate stays readable, but `isCertified` is false.
    function test_StoppedCircuitsAreSeen() public {
        gate.stop(gradientCircuit);
        assertTrue(!tribute.isCertified(agent, version), "not any more");
        assertTrue(tribute.status(agent, version) == IAgentRegistry.Status.Doubtful, "doubtful");
        assertEq(tribute.certificate(agent, version).records, RECORDS);
    }

    function test_RevertWhen_ThereIsNothingToRead() public {
        assertTrue(!tribute.isCertified(agent, 9), "unknown");
        vm.expectRevert(abi.encodeWithSelector(ITribute.NotCertified.selector, agent, 9));
        tribute.certificate(agent, 9);
        vm.expectRevert(abi.encodeWithSelector(IEvaluations.NotEvaluated.selector, agent, version, testSet));
        tribute.accuracyOf(agent, version, testSet);
        vm.expectRevert(abi.encodeWithSelector(ICertification.DatasetNotInVersion.selector, testSet));
        tribute.shareOf(agent, version, testSet);
    }

    // ---- the example ---------------------------------------------------------------------------------------------

    function bounty(uint256 least) private returns (AccuracyBounty made) {
        vm.prank(CLEO);
        made = new AccuracyBounty(tribute, IERC20(address(token)), testSet, least, block.timestamp + 30 days);
        token.mint(address(made), 1000);
    }

    function test_ABountyIsPaidForProvenAccuracy() public {
        AccuracyBounty made = bounty(94e16);
        vm.expectRevert(abi.encodeWithSelector(IEvaluations.NotEvaluated.selector, agent, version, testSet));
        made.pay(agent);
        evaluateAll();
        made.pay(agent);
        assertEq(token.balanceOf(OLGA), 1000);
        vm.expectRevert(AccuracyBounty.NothingLeft.selector);
        made.pay(agent);
    }

    function test_RevertWhen_TheBountyIsNotEarned() public {
        AccuracyBounty made = bounty(94e16 + 1);
        evaluateAll();
        vm.expectRevert(abi.encodeWithSelector(AccuracyBounty.NotAccurate.selector, 94e16, 94e16 + 1));
        made.pay(agent);
        made = bounty(1);
        gate.stop(serviceCircuit);
        vm.expectRevert(abi.encodeWithSelector(AccuracyBounty.NotCertified.selector, agent));
        made.pay(agent);
    }

    function test_TheSponsorTakesItBackAfterTheDeadline() public {
        AccuracyBounty made = bounty(1);
        evaluateAll();
        bytes memory reason = abi.encodeWithSelector(AccuracyBounty.NotYours.selector, CLEO, made.deadline());
        vm.expectRevert(reason);
        vm.prank(CLEO);
        made.takeBack();
        vm.warp(made.deadline() + 1);
        vm.expectRevert(reason);
        made.pay(agent);
        vm.expectRevert(reason);
        vm.prank(MALLORY);
        made.takeBack();
        vm.prank(CLEO);
        made.takeBack();
        assertEq(token.balanceOf(CLEO), 1000);
    }
}
