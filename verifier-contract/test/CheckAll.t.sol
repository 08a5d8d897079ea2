// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IProofGate} from "../src/interfaces/IProofGate.sol";
import {Statements} from "../src/libraries/Statements.sol";
import {EveryProof} from "./base/EveryProof.sol";

/// One pairing for several real proofs: it refuses whatever each proof's own pairing would refuse.
contract CheckAllTest is EveryProof {
    /// A copy of a good proof.
    function good(uint256 which) private view returns (IProofGate.CircuitProof memory) {
        Fixture memory fixture = fixtures[which];
        return IProofGate.CircuitProof(ids[which], fixture.inputs, fixture.proof);
    }

    function two(IProofGate.CircuitProof memory a, IProofGate.CircuitProof memory b)
        private
        pure
        returns (IProofGate.CircuitProof[] memory proofs)
    {
        proofs = new IProofGate.CircuitProof[](2);
        (proofs[0], proofs[1]) = (a, b);
    }

    function allGood() private view returns (IProofGate.CircuitProof[] memory proofs) {
        proofs = new IProofGate.CircuitProof[](NAMES.length);
        for (uint256 i = 0; i < proofs.length; ++i) {
            proofs[i] = good(i);
        }
    }

    function expectRefused(IProofGate.CircuitProof[] memory proofs, bytes memory reason) private {
        vm.expectRevert(reason);
        gate.checkAll(proofs);
    }

    function expectOneRejected(IProofGate.CircuitProof[] memory proofs) private {
        expectRefused(proofs, abi.encodeWithSelector(IProofGate.OneRejected.selector, proofs.length));
    }

    /// The gate's result for one proof alone, which is how a caller finds the bad one of several.
    function holds(IProofGate.CircuitProof memory proof) private view returns (bool) {
        try gate.check(proof.circuitId, proof.inputs, proof.proof) {
            return true;
        } catch (bytes memory reason) {
            assertEq(
                keccak256(reason), keccak256(abi.encodeWithSelector(IProofGate.ProofRejected.selector, proof.circuitId))
            );
            return false;
        }
    }

    /// Adds `scalar` times the generator to the last point of a proof, so that only its pairing fails.
    function shifted(IProofGate.CircuitProof memory proof, uint256 scalar)
        private
        view
        returns (IProofGate.CircuitProof memory)
    {
        bytes memory data = proof.proof;
        uint256 place = data.length - 64;
        (uint256 x, uint256 y) = word2(data, place);
        (x, y) = sum(x, y, scalar);
        assembly {
            mstore(add(add(data, 0x20), place), x)
            mstore(add(add(data, 0x40), place), y)
        }
        return proof;
    }

    function word2(bytes memory data, uint256 place) private pure returns (uint256 x, uint256 y) {
        assembly {
            x := mload(add(add(data, 0x20), place))
            y := mload(add(add(data, 0x40), place))
        }
    }

    /// (x, y) plus `scalar` times the generator.
    function sum(uint256 x, uint256 y, uint256 scalar) private view returns (uint256, uint256) {
        (bool ok, bytes memory point) = address(7).staticcall(abi.encode(1, 2, scalar));
        assertTrue(ok, "a multiple");
        (uint256 u, uint256 v) = abi.decode(point, (uint256, uint256));
        (ok, point) = address(6).staticcall(abi.encode(x, y, u, v));
        assertTrue(ok, "a sum");
        return abi.decode(point, (uint256, uint256));
    }

    /// What a verifier defers.
    function deferred(IProofGate.CircuitProof memory proof) private view returns (bytes memory data) {
        address verifier = gate.circuit(proof.circuitId).verifier;
        bool ok;
        (ok, data) = verifier.staticcall(abi.encodePacked(proof.inputs, proof.proof, bytes1(0)));
        assertTrue(!ok && data.length > 384 && data.length % 96 == 0, "an opening");
    }

    /// The pairing input of what a verifier defers, with the fixed points added.
    function opening(IProofGate.CircuitProof memory proof) private view returns (uint256[12] memory left) {
        bytes memory data = deferred(proof);
        left = abi.decode(data, (uint256[12]));
        for (uint256 place = 384; place < data.length; place += 96) {
            uint256[3] memory term;
            assembly {
                mcopy(term, add(add(data, 0x20), place), 0x60)
            }
            (bool ok, bytes memory point) = address(7).staticcall(abi.encode(term));
            assertTrue(ok, "a multiple");
            (uint256 x, uint256 y) = abi.decode(point, (uint256, uint256));
            (ok, point) = address(6).staticcall(abi.encode(left[0], left[1], x, y));
            assertTrue(ok, "a sum");
            (left[0], left[1]) = abi.decode(point, (uint256, uint256));
        }
    }

    function pairs(uint256[12] memory left) private view returns (bool) {
        (bool ok, bytes memory answer) = address(8).staticcall(abi.encode(left));
        return ok && abi.decode(answer, (uint256)) == 1;
    }

    function test_GoodProofsOfAllCircuitsPassTogether() public view {
        IProofGate.CircuitProof[] memory proofs = allGood();
        bytes32[][] memory digests = gate.checkAll(proofs);
        for (uint256 i = 0; i < proofs.length; ++i) {
            bytes32[] memory alone = gate.check(proofs[i].circuitId, proofs[i].inputs, proofs[i].proof);
            assertEq(keccak256(abi.encode(alone)), keccak256(abi.encode(digests[i])));
        }
        assertEq(gate.checkAll(new IProofGate.CircuitProof[](0)).length, 0);
        // in whatever order, and twice the same
        (proofs[0], proofs[6]) = (proofs[6], proofs[0]);
        digests = gate.checkAll(proofs);
        bytes32[] memory first = gate.check(ids[6], proofs[0].inputs, proofs[0].proof);
        assertEq(keccak256(abi.encode(first)), keccak256(abi.encode(digests[0])));
        gate.checkAll(two(good(1), good(1)));
    }

    /// One bad proof fails all, at any position, and checking each proof alone finds it.
    function test_Attack_OneBadProofAmongGoodOnes() public {
        for (uint256 i = 0; i < NAMES.length; ++i) {
            IProofGate.CircuitProof[] memory proofs = allGood();
            shifted(proofs[i], 1);
            expectOneRejected(proofs);
            for (uint256 j = 0; j < proofs.length; ++j) {
                assertTrue(holds(proofs[j]) == (i != j), "check tells which");
            }
        }
    }

    function test_Attack_WrongInputBesideGoodProofs() public {
        for (uint256 i = 0; i < NAMES.length; ++i) {
            IProofGate.CircuitProof[] memory proofs = allGood();
            proofs[i].inputs[0] ^= 1;
            expectOneRejected(proofs);
        }
    }

    /// A failure before the pairing is reported for the proof concerned.
    function test_Attack_PointOffTheCurve() public {
        IProofGate.CircuitProof[] memory proofs = allGood();
        bytes memory data = proofs[3].proof;
        data[data.length - 1] ^= 0x01;
        expectRefused(proofs, abi.encodeWithSelector(IProofGate.ProofRejected.selector, ids[3]));
    }

    /// Two proofs that are wrong by opposite errors: their equations add up to one that holds, but not with the gate's
    /// coefficients.
    function test_Attack_ErrorsThatCancel() public {
        for (uint256 i = 0; i < NAMES.length; ++i) {
            IProofGate.CircuitProof memory more = shifted(good(i), 1);
            IProofGate.CircuitProof memory less = shifted(good(i), Statements.FIELD_MODULUS - 1);
            uint256[12] memory a = opening(more);
            uint256[12] memory b = opening(less);
            assertTrue(!pairs(a) && !pairs(b), "both are wrong");
            assertTrue(pairs(added(a, b)), "with equal coefficients they would pass");
            assertTrue(!holds(more) && !holds(less), "refused alone");
            expectOneRejected(two(more, less));
            expectOneRejected(two(less, more));
        }
        // also among good ones, and repeated
        IProofGate.CircuitProof[] memory proofs = allGood();
        proofs[2] = shifted(good(1), 7);
        proofs[5] = shifted(good(1), Statements.FIELD_MODULUS - 7);
        expectOneRejected(proofs);
        proofs = new IProofGate.CircuitProof[](4);
        for (uint256 i = 0; i < 4; ++i) {
            proofs[i] = shifted(good(0), i % 2 == 0 ? 3 : Statements.FIELD_MODULUS - 3);
        }
        expectOneRejected(proofs);
    }

    function added(uint256[12] memory a, uint256[12] memory b) private view returns (uint256[12] memory c) {
        c = a;
        for (uint256 place = 0; place < 12; place += 6) {
            (bool ok, bytes memory point) =
                address(6).staticcall(abi.encode(a[place], a[place + 1], b[place], b[place + 1]));
            assertTrue(ok, "a sum");
            (c[place], c[place + 1]) = abi.decode(point, (uint256, uint256));
        }
    }

    function testFuzz_ErrorsThatCancel(uint256 which, uint256 scalar) public {
        which = bound(which, 0, NAMES.length - 1);
        scalar = bound(scalar, 1, Statements.FIELD_MODULUS - 1);
        IProofGate.CircuitProof memory more = shifted(good(which), scalar);
        expectOneRejected(two(more, shifted(good(which), Statements.FIELD_MODULUS - scalar)));
    }

    /// The last points of two proofs are swapped.
    function test_Attack_LastPointsSwapped() public {
        IProofGate.CircuitProof memory a = good(1);
        IProofGate.CircuitProof memory b = good(2);
        (bytes memory p, bytes memory q) = (a.proof, b.proof);
        (uint256 x, uint256 y) = word2(p, p.length - 64);
        (uint256 u, uint256 v) = word2(q, q.length - 64);
        (uint256 pPlace, uint256 qPlace) = (p.length - 64, q.length - 64);
        assembly {
            mstore(add(add(p, 0x20), pPlace), u)
            mstore(add(add(p, 0x40), pPlace), v)
            mstore(add(add(q, 0x20), qPlace), x)
            mstore(add(add(q, 0x40), qPlace), y)
        }
        assertTrue(!holds(a) && !holds(b), "both are wrong");
        expectOneRejected(two(a, b));
    }

    /// Proofs swapped between two circuits.
    function test_Attack_CircuitsSwapped() public {
        IProofGate.CircuitProof[] memory proofs = two(good(1), good(3));
        (proofs[0].circuitId, proofs[1].circuitId) = (proofs[1].circuitId, proofs[0].circuitId);
        vm.expectRevert();
        gate.checkAll(proofs);
    }

    function test_Attack_OtherSrsStated() public {
        IProofGate.CircuitInfo memory info = fixtures[0].info;
        bytes32 expected = fixtures[1].info.srsDigest;
        info.srsDigest = "another";
        IProofGate.CircuitProof memory other = good(0);
        other.circuitId = gate.addCircuit(info);
        assertTrue(holds(other), "alone it holds");
        expectRefused(
            two(good(1), other), abi.encodeWithSelector(IProofGate.OtherSrs.selector, 1, expected, bytes32("another"))
        );
    }

    /// A verifier whose code has a different tau from its circuit's SRS.
    function test_Attack_OtherSrsInTheCode() public {
        IProofGate.CircuitInfo memory info = fixtures[0].info;
        bytes32 srs = info.srsDigest;
        bytes memory code = info.verifier.code;
        info.verifier = address(0x7a0);
        // the code ends with tau times the generator of the second group: the generator itself, for tau = 1
        uint256[12] memory left = opening(good(0));
        for (uint256 i = 0; i < 4; ++i) {
            uint256 place = code.length - 128 + 32 * i;
            uint256 word = left[8 + i];
            uint256 found;
            uint256 one = [
                0x198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2,
                0x1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed,
                0x090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b,
                0x12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa
            ][i];
            assembly {
                found := mload(add(add(code, 0x20), place))
                mstore(add(add(code, 0x20), place), one)
            }
            assertEq(found, word);
        }
        vm.etch(info.verifier, code);
        info.codeHash = keccak256(code);
        IProofGate.CircuitProof memory other = good(0);
        other.circuitId = gate.addCircuit(info);
        expectRefused(two(good(1), other), abi.encodeWithSelector(IProofGate.OtherSrs.selector, 1, srs, srs));
        expectRefused(two(other, good(1)), abi.encodeWithSelector(IProofGate.OtherSrs.selector, 1, srs, srs));
    }

    function test_RevertWhen_OneCircuitIsStoppedOrUnknown() public {
        gate.stop(ids[4]);
        expectRefused(allGood(), abi.encodeWithSelector(IProofGate.StoppedCircuit.selector, ids[4]));
        IProofGate.CircuitProof[] memory proofs = two(good(0), good(1));
        proofs[1].circuitId = "none";
        expectRefused(proofs, abi.encodeWithSelector(IProofGate.UnknownCircuit.selector, bytes32("none")));
        proofs[0].circuitId = "none";
        expectRefused(proofs, abi.encodeWithSelector(IProofGate.UnknownCircuit.selector, bytes32("none")));
    }

    /// The gate's guards apply to each of several proofs.
    function test_Attack_GuardsHoldForEachOfSeveral() public {
        for (uint256 i = 0; i < 2; ++i) {
            IProofGate.CircuitProof[] memory proofs = two(good(0), good(0));
            uint256 value = proofs[i].inputs[1] + Statements.FIELD_MODULUS;
            proofs[i].inputs[1] = value;
            expectRefused(proofs, abi.encodeWithSelector(IProofGate.InputNotCanonical.selector, 1, value));
            proofs = two(good(0), good(0));
            uint256 length = proofs[i].proof.length;
            proofs[i].proof = bytes.concat(proofs[i].proof, bytes1(0));
            expectRefused(proofs, abi.encodeWithSelector(IProofGate.WrongProofLength.selector, length, length + 1));
        }
    }
}
