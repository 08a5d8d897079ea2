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
/// **Fixed points.** In Aᵢ, the points of the verifying key and the generator are the same for all proofs of a circuit. A
/// verifier leaves them out and states their factors: `Aᵢ = A'ᵢ + Σₖ sᵢₖ·Kₖ`. For proofs of one circuit
///
///     Σᵢ cⁱ·Aᵢ = Σᵢ cⁱ·A'ᵢ + Σₖ (Σᵢ cⁱ·sᵢₖ)·Kₖ,
///
/// so that each Kₖ is multiplied once. This is the same point, so nothing above changes. Both the factors and the points
/// come from the verifier's code, which the gate pins by its hash: a proof can choose neither, and the points of another
/// circuit never meet these factors, because only proofs of the same circuit are added up. The generator alone, which is
/// that of the SRS, is shared by all.
///
/// An opening is twelve words, A', -[1]₂, B, [τ]₂, in the pairing precompile's encoding, then three words for each fixed
/// point: x, y and its factor. The generator comes first.
library Openings {
    // Words of the pairing's input, and of a fixed point with its factor.
    uint256 private constant PAIRING = 12;
    uint256 private constant TERM = 3;

    /// @dev Whether an opening can have this size.
    /// @param size Number of bytes.
    /// @return possible True for the size of a pairing's input with any number of fixed points.
    function isSize(uint256 size) internal pure returns (bool possible) {
        return size >= 32 * PAIRING && size % (32 * TERM) == 0;
    }

    /// @dev Whether two openings are over the same SRS: the points in G2, which are constants in the verifiers' code,
    /// are the same.
    /// @param a One opening.
    /// @param b The other.
    /// @return same True if one pairing can check both.
    function sameSrs(uint256[] memory a, uint256[] memory b) internal pure returns (bool same) {
        assembly ("memory-safe") {
            same := and(
                eq(keccak256(add(a, 0x60), 0x80), keccak256(add(b, 0x60), 0x80)),
                eq(keccak256(add(a, 0x120), 0x80), keccak256(add(b, 0x120), 0x80))
            )
        }
    }

    /// @dev Whether all openings hold, up to the error probability above. There must be at least one, and all over the
    /// same SRS. Fixed points are shared by proofs of the same circuit that are next to each other.
    /// @param openings The openings; they are overwritten.
    /// @param circuitIds The circuit of each.
    /// @param transcript A hash of everything that decides the openings, and of the openings.
    /// @return Whether one pairing over their combination holds.
    function hold(uint256[][] memory openings, bytes32[] memory circuitIds, bytes32 transcript)
        internal
        view
        returns (bool)
    {
        uint256 factor = uint256(transcript) % Statements.FIELD_MODULUS;
        // Horner's rule for A and for B, each with its next point right behind it
        uint256[4] memory a;
        uint256[4] memory b;
        uint256 last = openings.length - 1;
        (a[0], a[1]) = (openings[last][0], openings[last][1]);
        (b[0], b[1]) = (openings[last][6], openings[last][7]);
        bool ok = true;
        for (uint256 i = last; i > 0; --i) {
            uint256[] memory next = openings[i - 1];
            ok = _step(a, factor, next[0], next[1]) && _step(b, factor, next[6], next[7]) && ok;
        }
        ok = _addFixed(a, openings, circuitIds, factor) && ok;
        uint256[] memory all = openings[0];
        (all[0], all[1]) = (a[0], a[1]);
        (all[6], all[7]) = (b[0], b[1]);
        uint256[1] memory result;
        assembly ("memory-safe") {
            ok := and(ok, staticcall(gas(), 8, add(all, 0x20), 0x180, result, 0x20))
        }
        return ok && result[0] == 1;
    }

    /// Adds the fixed points of all openings to the point at the front of `work`.
    function _addFixed(uint256[4] memory work, uint256[][] memory openings, bytes32[] memory circuitIds, uint256 factor)
        private
        view
        returns (bool ok)
    {
        ok = true;
        uint256 power = 1;
        // the opening that collects the factors of its circuit
        uint256[] memory sum = openings[0];
        for (uint256 i = 1; i < openings.length; ++i) {
            power = mulmod(power, factor, Statements.FIELD_MODULUS);
            uint256[] memory next = openings[i];
            if (circuitIds[i] == circuitIds[i - 1]) {
                for (uint256 at = PAIRING + 2; at < sum.length; at += TERM) {
                    sum[at] =
                        addmod(sum[at], mulmod(power, next[at], Statements.FIELD_MODULUS), Statements.FIELD_MODULUS);
                }
                continue;
            }
            for (uint256 at = PAIRING + 2; at < next.length; at += TERM) {
                next[at] = mulmod(power, next[at], Statements.FIELD_MODULUS);
            }
            ok = _addTerms(work, sum, _handOver(sum, next)) && ok;
            sum = next;
        }
        ok = _addTerms(work, sum, 0) && ok;
    }

    /// Moves the factor of the generator from one opening to the next; returns how many terms need no more adding.
    function _handOver(uint256[] memory from, uint256[] memory to) private pure returns (uint256 done) {
        if (from.length == PAIRING || to.length == PAIRING) return 0;
        if (from[PAIRING] != to[PAIRING] || from[PAIRING + 1] != to[PAIRING + 1]) return 0;
        to[PAIRING + 2] = addmod(from[PAIRING + 2], to[PAIRING + 2], Statements.FIELD_MODULUS);
        return 1;
    }

    /// Adds the fixed points of one opening, times their factors, to the point at the front of `work`, except the first
    /// ones.
    function _addTerms(uint256[4] memory work, uint256[] memory terms, uint256 except) private view returns (bool ok) {
        assembly ("memory-safe") {
            ok := 1
            let end := add(add(terms, 0x20), mul(mload(terms), 0x20))
            for { let at := add(add(terms, 0x1a0), mul(except, 0x60)) } lt(at, end) { at := add(at, 0x60) } {
                ok := and(ok, staticcall(gas(), 7, at, 0x60, add(work, 0x40), 0x40))
                ok := and(ok, staticcall(gas(), 6, work, 0x80, work, 0x40))
            }
        }
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
