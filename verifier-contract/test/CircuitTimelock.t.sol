// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

import {CircuitTimelock} from "../src/CircuitTimelock.sol";
import {ProofGate} from "../src/ProofGate.sol";
import {IProofGate} from "../src/interfaces/IProofGate.sol";
import {Statements} from "../src/libraries/Statements.sol";
import {World} from "./base/World.sol";

/// The gate as deployed: owned by the timelock, which added the first circuits and then set its own delay.
contract CircuitTimelockTest is World {
    uint256 private constant DELAY = 2 days;
    CircuitTimelock private timelock;

    function setUp() public override {
        super.setUp();
        timelock = new CircuitTimelock(OLGA, 0);
        gate = new ProofGate(address(timelock), GUARDIAN);
        run(addition(Statements.DATASET));
        run(abi.encode(address(timelock), abi.encodeCall(TimelockController.updateDelay, (DELAY))));
        datasetCircuit = gate.circuitAt(0);
        assertEq(timelock.getMinDelay(), DELAY);
    }

    function addition(uint8 statement) private view returns (bytes memory) {
        return abi.encode(address(gate), abi.encodeCall(IProofGate.addCircuit, (circuitInfo(statement))));
    }

    function schedule(bytes memory operation, uint256 delay) private {
        (address target, bytes memory data) = abi.decode(operation, (address, bytes));
        vm.prank(OLGA);
        timelock.schedule(target, 0, data, 0, 0, delay);
    }

    /// Anybody can execute a due operation.
    function execute(bytes memory operation) private {
        (address target, bytes memory data) = abi.decode(operation, (address, bytes));
        vm.prank(MALLORY);
        timelock.execute(target, 0, data, 0, 0);
    }

    function run(bytes memory operation) private {
        (address target, bytes memory data) = abi.decode(operation, (address, bytes));
        vm.prank(OLGA);
        timelock.run(target, data);
    }

    function idOf(bytes memory operation) private view returns (bytes32) {
        (address target, bytes memory data) = abi.decode(operation, (address, bytes));
        return timelock.hashOperation(target, 0, data, 0, 0);
    }

    function test_ANewCircuitWaits() public {
        bytes memory operation = addition(Statements.GRADIENT);
        vm.expectRevert(abi.encodeWithSelector(TimelockController.TimelockInsufficientDelay.selector, DELAY - 1, DELAY));
        schedule(operation, DELAY - 1);
        schedule(operation, DELAY);
        vm.warp(block.timestamp + DELAY - 1);
        vm.expectRevert();
        execute(operation);
        assertEq(gate.circuitCount(), 1);
        vm.warp(block.timestamp + 1);
        execute(operation);
        assertEq(gate.circuitCount(), 2);
    }

    function test_AnAnnouncedCircuitCanBeCancelledByWhoAnnouncedIt() public {
        bytes memory operation = addition(Statements.GRADIENT);
        schedule(operation, DELAY);
        bytes32 id = idOf(operation);
        vm.expectRevert();
        vm.prank(MALLORY);
        timelock.cancel(id);
        vm.prank(OLGA);
        timelock.cancel(id);
        vm.warp(block.timestamp + DELAY);
        vm.expectRevert();
        execute(operation);
    }

    function test_RevertWhen_AnythingIsRunAtOnceUnderADelay() public {
        bytes memory operation = addition(Statements.GRADIENT);
        vm.expectRevert(abi.encodeWithSelector(TimelockController.TimelockInsufficientDelay.selector, 0, DELAY));
        run(operation);
        CircuitTimelock fresh = new CircuitTimelock(OLGA, 0);
        (address target, bytes memory data) = abi.decode(operation, (address, bytes));
        bytes32 role = fresh.PROPOSER_ROLE();
        vm.expectRevert(abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, MALLORY, role));
        vm.prank(MALLORY);
        fresh.run(target, data);
    }

    /// On a chain with real money, the first circuits wait like all others.
    function test_RevertWhen_TheDelayIsTooShortOutsideLocalChains() public {
        vm.chainId(1);
        vm.expectRevert(abi.encodeWithSelector(CircuitTimelock.DelayTooShort.selector, 0, 1 days));
        new CircuitTimelock(OLGA, 0);
        vm.expectRevert(abi.encodeWithSelector(CircuitTimelock.DelayTooShort.selector, 1 days - 1, 1 days));
        new CircuitTimelock(OLGA, 1 days - 1);
        timelock = new CircuitTimelock(OLGA, 1 days);
        assertEq(timelock.getMinDelay(), 1 days);
        // nor can any operation lower it later
        bytes memory lower = abi.encode(address(timelock), abi.encodeCall(TimelockController.updateDelay, (1 days - 1)));
        schedule(lower, 1 days);
        vm.warp(block.timestamp + 1 days);
        vm.expectRevert(abi.encodeWithSelector(CircuitTimelock.DelayTooShort.selector, 1 days - 1, 1 days));
        execute(lower);
        bytes memory higher = abi.encode(address(timelock), abi.encodeCall(TimelockController.updateDelay, (2 days)));
        schedule(higher, 1 days);
        vm.warp(block.timestamp + 1 days);
        execute(higher);
        assertEq(timelock.getMinDelay(), 2 days);
    }

    function test_AStopDoesNotWait() public {
        vm.prank(GUARDIAN);
        gate.stop(datasetCircuit);
        assertTrue(gate.isStopped(datasetCircuit), "at once");
    }

    function test_RevertWhen_TheDelayIsGoneAround() public {
        IProofGate.CircuitInfo memory info = circuitInfo(Statements.GRADIENT);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, OLGA));
        vm.prank(OLGA);
        gate.addCircuit(info);
        vm.expectRevert(abi.encodeWithSelector(TimelockController.TimelockUnauthorizedCaller.selector, OLGA));
        vm.prank(OLGA);
        timelock.updateDelay(0);
        // only the timelock itself can grant roles
        bytes32 role = timelock.PROPOSER_ROLE();
        bytes32 admin = timelock.DEFAULT_ADMIN_ROLE();
        vm.expectRevert(abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, OLGA, admin));
        vm.prank(OLGA);
        timelock.grantRole(role, MALLORY);
    }
}
