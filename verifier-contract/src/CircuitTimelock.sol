// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

/// @title Circuit timelock: the proof gate's owner
/// @notice OpenZeppelin's timelock without an administrator: what the gate's owner may do (add circuits, raise gas caps,
/// name the guardian) is announced on chain before it can be done. The proposer can cancel, anybody can execute.
///
/// It is deployed without a delay, adds the first circuits, and then takes its delay on itself by `updateDelay`, which
/// only an operation of its own can call: from then on that delay holds for everything, its own change included.
contract CircuitTimelock is TimelockController {
    /// @param proposer Who announces and cancels operations.
    constructor(address proposer) TimelockController(0, _only(proposer), _only(address(0)), address(0)) {}

    function _only(address account) private pure returns (address[] memory accounts) {
        accounts = new address[](1);
        accounts[0] = account;
    }
}
