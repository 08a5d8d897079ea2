// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {World} from "./base/World.sol";

/// The EVM refuses contracts of more than 24,576 bytes; this fails well before that.
contract SizesTest is World {
    uint256 private constant LIMIT = 23_500;

    function assertFits(address deployed) private view {
        assertTrue(deployed.code.length > 0 && deployed.code.length < LIMIT, "bytecode below 23,500 bytes");
    }

    function test_EveryContractFits() public view {
        assertFits(address(gate));
        assertFits(address(datasets));
        assertFits(address(agents));
        assertFits(address(escrow));
        assertFits(address(token));
    }
}
