// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

/// @title Circuit timelock: the proof gate's owner
/// @notice OpenZeppelin's timelock without an administrator: whatever the gate's owner may do (add circuits, raise gas
/// caps, name the guardian) is announced on chain before it takes effect. The proposer can cancel; anybody can execute.
///
/// The delay is at least a day from the first block on and applies to every operation, including a change of the delay
/// itself: the first circuits are announced like all others. Only a local chain may have no delay; `run` then executes
/// an operation at once. The delay can never be lowered below its chain's minimum.
contract CircuitTimelock is TimelockController {
    uint256 private constant LEAST_DELAY = 1 days;
    uint256 private constant ANVIL_AND_HARDHAT = 31_337;
    uint256 private constant GETH_DEVELOPMENT = 1337;

    uint256 private _runs;

    /// @notice The delay is too short for anybody who watches the gate to react.
    /// @param delay The delay given, in seconds.
    /// @param least The minimum, in seconds.
    error DelayTooShort(uint256 delay, uint256 least);

    /// @param proposer The account that announces and cancels operations.
    /// @param delay Seconds between announcement and execution; at least a day, unless the chain is local.
    constructor(address proposer, uint256 delay)
        TimelockController(delay, _only(proposer), _only(address(0)), address(0))
    {
        if (delay < _leastDelay()) revert DelayTooShort(delay, _leastDelay());
    }

    /// @notice Changes the delay of operations announced from now on; only the timelock itself, by an operation.
    /// @param newDelay Seconds; at least a day, unless the chain is local.
    function updateDelay(uint256 newDelay) public override {
        if (newDelay < _leastDelay()) revert DelayTooShort(newDelay, _leastDelay());
        super.updateDelay(newDelay);
    }

    /// @notice Announces an operation and executes it at once; the proposer alone, and only while there is no delay.
    /// @param target The contract to call.
    /// @param data The calldata.
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
