// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Points of BN254's G1 in the precompiles' encoding: (0, 0) is the point at infinity
library Points {
    /// @notice The precompile failed: one of the two is not on the curve.
    error NotOnCurve();

    struct Point {
        uint256 x;
        uint256 y;
    }

    /// @dev The sum of two points. Operands and sum may be the point at infinity.
    /// @param a One point, coordinates below the base field's modulus.
    /// @param b The other.
    /// @return sum Their sum.
    function plus(Point memory a, Point memory b) internal view returns (Point memory sum) {
        uint256[4] memory input = [a.x, a.y, b.x, b.y];
        bool ok;
        assembly ("memory-safe") {
            ok := staticcall(gas(), 6, input, 0x80, sum, 0x40)
        }
        if (!ok) revert NotOnCurve();
    }

    /// @dev The gate's digest of a group that consists of this point alone.
    /// @param point The point.
    /// @return keccak256 of x and y.
    function digest(Point memory point) internal pure returns (bytes32) {
        return keccak256(abi.encode(point.x, point.y));
    }

    /// @dev Whether this is the point at infinity.
    /// @param point The point.
    /// @return Whether both coordinates are 0.
    function isInfinity(Point memory point) internal pure returns (bool) {
        return point.x == 0 && point.y == 0;
    }
}
