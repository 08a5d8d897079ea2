// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {CircuitTimelock} from "../src/CircuitTimelock.sol";
import {Tribute} from "../src/Tribute.sol";
import {Evaluated} from "./base/Evaluated.sol";

/// The EVM refuses contracts of more than 24,576 bytes; this fails well before that.
contract SizesTest is Evaluated {
    uint256 private constant LIMIT = 23_500;

    function assertFits(address deployed) private view {
        assertTrue(deployed.code.length > 0 && deployed.code.length < LIMIT, "bytecode below 23,500 bytes");
    }

    function test_EveryContractFits() public {
        assertFits(address(gate));
        assertFits(address(datasets));
        assertFits(address(agents));
        assertFits(address(escrow));
        assertFits(address(weights));
        assertFits(address(token));
        assertFits(address(evaluations));
        assertFits(address(new Tribute(escrow, evaluations)));
        assertFits(address(new CircuitTimelock(OLGA, 0)));
    }
}
