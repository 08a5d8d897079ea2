// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Vm} from "./Vm.sol";

/// What forge needs from a test contract, and a few assertions that print both values.
abstract contract Test {
    error NotEqual(uint256 left, uint256 right);
    error NotEqualBytes32(bytes32 left, bytes32 right);
    error NotTrue(string what);

    // solhint-disable-next-line
    bool public constant IS_TEST = true;
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    address[] private _targets;

    function targetContracts() public view returns (address[] memory) {
        return _targets;
    }

    function targetContract(address target) internal {
        _targets.push(target);
    }

    function assertEq(uint256 left, uint256 right) internal pure {
        if (left != right) revert NotEqual(left, right);
    }

    function assertEq(bytes32 left, bytes32 right) internal pure {
        if (left != right) revert NotEqualBytes32(left, right);
    }

    function assertEq(address left, address right) internal pure {
        if (left != right) revert NotEqual(uint160(left), uint160(right));
    }

    function assertTrue(bool condition, string memory what) internal pure {
        if (!condition) revert NotTrue(what);
    }

    function bound(uint256 value, uint256 least, uint256 most) internal pure returns (uint256) {
        return least + value % (most - least + 1);
    }
}
