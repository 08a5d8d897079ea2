// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

/// @title Circuit timelock: the proof gate's owner
/// @notice OpenZeppelin's timelock without an administrator: what the gate's owner may do (add circuits, raise gas caps,
/// name the guardian) is announced on chain before it can be done. The proposer can cancel, anybody can execute.
///
/// Its delay is at least a day from the first block on, and holds for everything, its own change included: the first circuits
/// are announced like all others. On a local chain alone there may be none; `run` then does an operation at
/// once. A delay is never lowered below the least of its chain.
contract CircuitTimelock is TimelockController {
    uint256 private constant LEAST_DELAY = 1 days;
    uint256 private constant ANVIL_AND_HARDHAT = 31_337;
    uint256 private constant GETH_DEVELOPMENT = 1337;

    uint256 private _runs;

    /// @notice The delay is too short: who watches the gate could not react.
    /// @param delay Seconds given.
    /// @param least Seconds that it must have at least.
    error DelayTooShort(uint256 delay, uint256 least);

    /// @param proposer Who announces and cancels operations.
    /// @param delay Seconds between announcement and execution; at least a day, unless the chain is local.
    constructor(address proposer, uint256 delay)
        TimelockController(delay, _only(proposer), _only(address(0)), address(0))
    {
        if (delay < _leastDelay()) revert DelayTooShort(delay, _leastDelay());
    }

    /// @notice Changes the delay of operations announced from now on; only an operation of this contract's own.
    /// @param newDelay Seconds; at least a day, unless the chain is local.
    function updateDelay(uint256 newDelay) public override {
        if (newDelay < _leastDelay()) revert DelayTooShort(newDelay, _leastDelay());
        super.updateDelay(newDelay);
    }

    /// @notice Announces an operation and executes it at once; the proposer alone, and only while there is no delay.
    /// @param target Whom to call.
    /// @param data What to call it with.
    function run(address target, bytes calldata data) external {
        bytes32 salt = bytes32(++_runs);
        schedule(target, 0, data, 0, salt, 0);
        execute(target, 0, data, 0, salt);
    }

    function _leastDelay() private view returns (uint256) {
        bool local = block.chainid == ANVIL_AND_HARDHAT || block.chainid == GETH_DEVELOPMENT;
        return local ? 0 : LEAST_DELAY;
    }

    function _only(address account) private pure returns (address[] memory accounts) {
        accounts = new address[](1);
        accounts[0] = account;
    }
}
