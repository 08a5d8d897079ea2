// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Statements} from "./Statements.sol";

/// @title Openings: the deferred pairing inputs of several proofs, checked by one pairing
/// @notice A KZG proof ends in `e(A, -[1]₂)·e(B, [τ]₂) = 1` over two points A and B that the verifier has computed.
/// Equations of several proofs over one SRS are checked together: with a coefficient c,
///
///     e(Σ cⁱ·Aᵢ, -[1]₂) · e(Σ cⁱ·Bᵢ, [τ]₂) = 1.
///
/// Write `e(Aᵢ, -[1]₂)·e(Bᵢ, [τ]₂) = g^dᵢ` with g a generator of the target group, of prime order r. If every proof
/// holds, all dᵢ are 0 and so is the sum. If one does not, `Σ dᵢ·cⁱ` is a nonzero polynomial in c, of degree below the
/// number n of proofs, so at most n - 1 of the r values of c make it vanish. c is a hash of everything: every circuit,
/// input, proof and opening. An attacker who wants another c must change one of them, and gets new dᵢ. So q attempts
/// pass with a probability of at most `q·n/2^253` in the random oracle model (c is a hash reduced mod r, which at most
/// doubles the weight of a value up to rounding): for a thousand proofs and 2^100 attempts below 2^-142.
///
/// Errors that would cancel under equal coefficients do not cancel here: no two dᵢ have the same coefficient, and
/// nobody can choose the dᵢ after c.
///
/// An opening is twelve words, A, -[1]₂, B, [τ]₂, in the pairing precompile's encoding.
library Openings {
    /// @dev Whether two openings are over the same SRS: the points in G2, which are constants in the verifiers' code,
    /// are the same.
    /// @param a One opening.
    /// @param b The other.
    /// @return same True if one pairing can check both.
    function sameSrs(uint256[12] memory a, uint256[12] memory b) internal pure returns (bool same) {
        assembly ("memory-safe") {
            same := and(
                eq(keccak256(add(a, 0x40), 0x80), keccak256(add(b, 0x40), 0x80)),
                eq(keccak256(add(a, 0x100), 0x80), keccak256(add(b, 0x100), 0x80))
            )
        }
    }

    /// @dev Whether all openings hold, up to the error probability above. There must be at least one, and all over the
    /// same SRS.
    /// @param openings The openings; the first is overwritten.
    /// @param transcript A hash of everything that decides the openings, and of the openings.
    /// @return Whether one pairing over their combination holds.
    function hold(uint256[12][] memory openings, bytes32 transcript) internal view returns (bool) {
        uint256 factor = uint256(transcript) % Statements.FIELD_MODULUS;
        // Horner's rule for A and for B, each with its next point right behind it
        uint256[4] memory a;
        uint256[4] memory b;
        uint256 last = openings.length - 1;
        (a[0], a[1]) = (openings[last][0], openings[last][1]);
        (b[0], b[1]) = (openings[last][6], openings[last][7]);
        bool ok = true;
        for (uint256 i = last; i > 0; --i) {
            uint256[12] memory next = openings[i - 1];
            ok = _step(a, factor, next[0], next[1]) && _step(b, factor, next[6], next[7]) && ok;
        }
        uint256[12] memory all = openings[0];
        (all[0], all[1]) = (a[0], a[1]);
        (all[6], all[7]) = (b[0], b[1]);
        uint256[1] memory result;
        assembly ("memory-safe") {
            ok := and(ok, staticcall(gas(), 8, all, 0x180, result, 0x20))
        }
        return ok && result[0] == 1;
    }

    /// Replaces the point at the front of `work` by `factor` times it, plus (x, y). Precompiles burn all their gas on
    /// an invalid point, but points from verifiers are valid.
    function _step(uint256[4] memory work, uint256 factor, uint256 x, uint256 y) private view returns (bool ok) {
        assembly ("memory-safe") {
            mstore(add(work, 0x40), factor)
            ok := staticcall(gas(), 7, work, 0x60, work, 0x40)
            mstore(add(work, 0x40), x)
            mstore(add(work, 0x60), y)
            ok := and(ok, staticcall(gas(), 6, work, 0x80, work, 0x40))
        }
    }
}
