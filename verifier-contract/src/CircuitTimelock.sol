// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

/// @title Circuit timelock: the proof gate's owner
/// @notice OpenZeppelin's timelock without an administrator: what the gate's owner may do (add circuits, raise gas caps,
/// name the guardian) is announced on chain before it can be done. The proposer can cancel, anybody can execute.
///
/// It is deployed without a delay: `run` then does an operation at once, and so adds the first circuits. At the end it takes
/// its delay on itself by `updateDelay`, which only an operation of its own can call: from then on that delay holds for
/// everything, its own change included, and `run` is refused.
contract CircuitTimelock is TimelockController {
    uint256 private _runs;

    /// @param proposer Who announces and cancels operations.
    constructor(address proposer) TimelockController(0, _only(proposer), _only(address(0)), address(0)) {}

    /// @notice Announces an operation and executes it at once; the proposer alone, and only while there is no delay.
    /// @param target Whom to call.
    /// @param data What to call it with.
    function run(address target, bytes calldata data) external {
        bytes32 salt = bytes32(++_runs);
        schedule(target, 0, data, 0, salt, 0);
        execute(target, 0, data, 0, salt);
    }

    function _only(address account) private pure returns (address[] memory accounts) {
        accounts = new address[](1);
        accounts[0] = account;
    }
}
