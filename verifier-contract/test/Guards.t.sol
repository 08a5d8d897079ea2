// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ProofGate} from "../src/ProofGate.sol";
import {IProofGate} from "../src/interfaces/IProofGate.sol";
import {Statements} from "../src/libraries/Statements.sol";
import {Fixtures} from "./base/Fixtures.sol";
import {AcceptAll} from "./hostile/AcceptAll.sol";

/// Each guard of the gate, by name: what fools a raw verifier called directly, but not the gate with the same verifier
/// behind it. `reference` is the verifier that snark-verifier 0.2.7 generates for a real `dataset` circuit, `ours` our
/// own for the same circuit; `zero-tail` a generated one with a proof whose last byte is zero.
///
/// Results are reported (group `guards`), including guards whose raw verifier is not fooled.
contract GuardsTest is Fixtures {
    uint256 private constant R = Statements.FIELD_MODULUS;

    ProofGate private gate;
    Fixture private reference_;
    Fixture private ours;
    bytes32 private referenceId;
    bytes32 private oursId;

    function setUp() public {
        currentFixtures();
        gate = new ProofGate(address(this), address(this));
        reference_ = loadFixture("reference");
        ours = loadFixture("dataset");
        referenceId = gate.addCircuit(reference_.info);
        oursId = gate.addCircuit(ours.info);
    }

    /// Records the result of a guard, and fails unless the gate refuses.
    function report(string memory guard, bool rawFooled, bool gateRejects) private {
        vm.snapshotValue("guards", string.concat(guard, ": raw fooled"), rawFooled ? 1 : 0);
        vm.snapshotValue("guards", string.concat(guard, ": gate rejects"), gateRejects ? 1 : 0);
        assertTrue(gateRejects, string.concat("the gate refuses: ", guard));
    }

    /// Whether the gate refuses for exactly this reason.
    function refusedBy(bytes32 id, Fixture memory forged, bytes memory reason) private view returns (bool) {
        try gate.check(id, forged.inputs, forged.proof) {
            return false;
        } catch (bytes memory found) {
            return keccak256(found) == keccak256(reason);
        }
    }

    function rejected(bytes32 id) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IProofGate.ProofRejected.selector, id);
    }

    function raw(Fixture memory forged) private view returns (bool) {
        return rawAccepts(forged.info.verifier, callDataOf(forged));
    }

    /// The honest counterparts: both verifiers accept the proof, and so does the gate.
    function test_HonestProofPasses() public view {
        assertTrue(raw(reference_) && raw(ours), "raw verifiers");
        bytes32[] memory digests = gate.check(referenceId, reference_.inputs, reference_.proof);
        assertEq(digests[0], gate.check(oursId, ours.inputs, ours.proof)[0]);
    }

    function inputPlus(uint256 multiple, string memory guard) private {
        bool fooled = true;
        bool refused = true;
        for (uint256 i = 0; i < reference_.inputs.length; ++i) {
            Fixture memory forged = copyOf(reference_);
            forged.inputs[i] += multiple * R;
            fooled = fooled && raw(forged);
            bytes memory reason = abi.encodeWithSelector(IProofGate.InputNotCanonical.selector, i, forged.inputs[i]);
            refused = refused && refusedBy(referenceId, forged, reason) && refusedBy(oursId, forged, reason);
            assertTrue(!rawAccepts(ours.info.verifier, callDataOf(forged)), "our verifier refuses by itself");
        }
        assertTrue(fooled, "the generated verifier reduces its inputs");
        report(guard, fooled, refused);
    }

    function test_Guard_InputPlusR() public {
        inputPlus(1, "input + r");
    }

    /// 5r is the largest multiple that fits a word beside every input.
    function test_Guard_InputPlus5R() public {
        inputPlus(5, "input + 5r");
    }

    function test_Guard_TrailingBytes() public {
        bool fooled = true;
        bool refused = true;
        uint256 length = reference_.proof.length;
        uint256[3] memory extra = [uint256(1), 32, 1000];
        for (uint256 i = 0; i < extra.length; ++i) {
            Fixture memory forged = copyOf(reference_);
            forged.proof = abi.encodePacked(forged.proof, new bytes(extra[i]));
            forged.proof[length] = 0x2a;
            fooled = fooled && raw(forged);
            bytes memory reason =
                abi.encodeWithSelector(IProofGate.WrongProofLength.selector, length, length + extra[i]);
            refused = refused && refusedBy(referenceId, forged, reason) && refusedBy(oursId, forged, reason);
            assertTrue(!rawAccepts(ours.info.verifier, callDataOf(forged)), "our verifier refuses by itself");
        }
        assertTrue(fooled, "the generated verifier ignores what follows the proof");
        report("trailing bytes", fooled, refused);
    }

    /// A generated verifier reads zeros past the end: without its last byte the proof is the same to it.
    function test_Guard_MissingBytes() public {
        Fixture memory forged = loadFixture("zero-tail");
        bytes32 id = gate.addCircuit(forged.info);
        gate.check(id, forged.inputs, forged.proof);
        uint256 length = forged.proof.length;
        bytes memory proof = forged.proof;
        assembly {
            mstore(proof, sub(length, 1))
        }
        bool fooled = raw(forged);
        assertTrue(fooled, "the generated verifier reads past the end");
        bytes memory reason = abi.encodeWithSelector(IProofGate.WrongProofLength.selector, length, length - 1);
        report("missing bytes", fooled, refusedBy(id, forged, reason));
    }

    /// The first point of the proof given as two more inputs: the same calldata, so every verifier takes it, but the
    /// committed group would start one point late and have another digest.
    function test_Guard_PointsMovedIntoTheInputs() public {
        Fixture memory forged = copyOf(reference_);
        uint256 count = forged.inputs.length;
        uint256[] memory inputs = new uint256[](count + 2);
        for (uint256 i = 0; i < count; ++i) {
            inputs[i] = forged.inputs[i];
        }
        bytes memory proof = forged.proof;
        bytes memory rest = new bytes(proof.length - 64);
        (uint256 x, uint256 y) = abi.decode(proof, (uint256, uint256));
        (inputs[count], inputs[count + 1]) = (x, y);
        for (uint256 i = 0; i < rest.length; ++i) {
            rest[i] = proof[i + 64];
        }
        (forged.inputs, forged.proof) = (inputs, rest);
        bool fooled = raw(forged) && rawAccepts(ours.info.verifier, callDataOf(forged));
        assertTrue(fooled, "calldata is the same");
        bytes memory reason = abi.encodeWithSelector(IProofGate.WrongInputCount.selector, count, count + 2);
        bool refused = refusedBy(referenceId, forged, reason) && refusedBy(oursId, forged, reason);
        report("points moved into the inputs", fooled, refused);
    }

    /// A call to an address without code succeeds.
    function test_Guard_AddressWithoutCode() public {
        Fixture memory forged = copyOf(ours);
        forged.proof = new bytes(forged.proof.length);
        vm.etch(ours.info.verifier, "");
        bool fooled = raw(forged);
        assertTrue(fooled, "nothing there says no");
        bytes memory reason = abi.encodeWithSelector(IProofGate.VerifierWithoutCode.selector, ours.info.verifier);
        bool refused = refusedBy(oursId, forged, reason);
        try gate.addCircuit(ours.info) {
            refused = false;
        } catch (bytes memory found) {
            refused = refused && keccak256(found) == keccak256(reason);
        }
        report("address without code", fooled, refused);
    }

    /// Code replaced under the same address, as a proxy or a delegated account can do.
    function test_Guard_ReplacedCode() public {
        Fixture memory forged = copyOf(ours);
        forged.proof = new bytes(forged.proof.length);
        vm.etch(ours.info.verifier, address(new AcceptAll()).code);
        bool fooled = raw(forged);
        assertTrue(fooled, "the new code accepts everything");
        bytes memory reason = abi.encodeWithSelector(
            IProofGate.VerifierCodeChanged.selector, ours.info.verifier, ours.info.codeHash, ours.info.verifier.codehash
        );
        report("replaced code", fooled, refusedBy(oursId, forged, reason));
    }

    /// An unregistered verifier, named by the caller.
    function test_Guard_UnknownCircuit() public {
        Fixture memory forged = copyOf(ours);
        AcceptAll lax = new AcceptAll();
        (forged.info.verifier, forged.info.codeHash) = (address(lax), address(lax).codehash);
        forged.proof = new bytes(forged.proof.length);
        bytes32 id = gate.circuitIdOf(forged.info);
        bool fooled = raw(forged);
        bytes memory reason = abi.encodeWithSelector(IProofGate.UnknownCircuit.selector, id);
        report("unknown circuit", fooled, refusedBy(id, forged, reason));
    }

    /// An invalid point burns all gas that a generated verifier is given; through the gate it burns the cap at most.
    function test_Guard_GasGriefingByAnInvalidPoint() public {
        Fixture memory forged = copyOf(reference_);
        forged.proof[63] ^= 0x01; // y of the first point: off the curve
        bytes memory data = callDataOf(forged);
        uint256 budget = 20_000_000;
        uint256 before = gasleft();
        (bool accepted,) = forged.info.verifier.staticcall{gas: budget}(data);
        uint256 burnt = before - gasleft();
        assertTrue(!accepted, "refused");
        bool fooled = burnt > budget * 9 / 10;
        assertTrue(fooled, "all forwarded gas is gone");

        before = gasleft();
        bool refused = refusedBy(referenceId, forged, rejected(referenceId));
        burnt = before - gasleft();
        refused = refused && burnt < uint256(forged.info.gasCap) + 200_000;
        before = gasleft();
        refused = refused && refusedBy(oursId, forged, rejected(oursId));
        assertTrue(before - gasleft() < uint256(ours.info.gasCap) / 3, "our verifier stops before it spends much");
        report("gas griefing by an invalid point", fooled, refused);
    }

    /// Every point of the proof in turn replaced by (0, 0). The transcript of generated verifiers refuses it as well.
    function test_Guard_PointsAtInfinity() public {
        bool fooled = false;
        bool refused = true;
        for (uint256 start = 0; start < ours.proof.length; start += 32) {
            bool isPoint =
                start < 64 * pointsAtTheStart() || start == ours.proof.length - 128 || start == ours.proof.length - 64;
            if (!isPoint || start % 64 != 0 && start < ours.proof.length - 128) continue;
            Fixture memory forged = copyOf(reference_);
            for (uint256 i = 0; i < 64; ++i) {
                forged.proof[start + i] = 0;
            }
            fooled = fooled || raw(forged);
            refused = refused && refusedBy(referenceId, forged, rejected(referenceId));
            refused = refused && refusedBy(oursId, forged, rejected(oursId));
        }
        report("points at infinity", fooled, refused);
    }

    /// Points before the first scalar: what is not scalars, less the two of the opening.
    function pointsAtTheStart() private view returns (uint256 count) {
        while (isOnCurve(count)) ++count;
    }

    function isOnCurve(uint256 index) private view returns (bool) {
        bytes memory proof = ours.proof;
        if (64 * index + 64 > proof.length) return false;
        uint256 x;
        uint256 y;
        assembly {
            let at := add(add(proof, 0x20), mul(index, 0x40))
            x := mload(at)
            y := mload(add(at, 0x20))
        }
        uint256 p = Statements.COORDINATE_MODULUS;
        return mulmod(y, y, p) == addmod(mulmod(mulmod(x, x, p), x, p), 3, p);
    }

    /// Every word plus r: a generated verifier reduces scalars, so another proof of the same statement passes. The gate
    /// does not parse scalars; our verifier refuses, and nothing on chain uses a proof's bytes as a key.
    function test_Guard_ScalarPlusR() public {
        uint256 fooled = 0;
        bool refused = true;
        for (uint256 offset = 0; offset < ours.proof.length; offset += 32) {
            Fixture memory forged = copyOf(reference_);
            addToWord(forged.proof, offset, R);
            if (raw(forged)) ++fooled;
            refused = refused && !gateAccepts(oursId, forged);
        }
        assertTrue(fooled > 20, "the generated verifier reduces every scalar");
        report("scalar + r", fooled > 0, refused);
    }

    /// Every word of a proof, altered in its lowest bit, by r and by p.
    function test_Guard_EveryWordOfAProofAltered() public {
        bool fooled = false;
        bool refused = true;
        uint256[2] memory added = [R, Statements.COORDINATE_MODULUS];
        for (uint256 offset = 0; offset < ours.proof.length; offset += 32) {
            Fixture memory forged = copyOf(ours);
            forged.proof[offset + 31] ^= 0x01;
            fooled = fooled || rawAccepts(reference_.info.verifier, callDataOf(forged));
            refused = refused && refusedBy(oursId, forged, rejected(oursId));
            for (uint256 i = 0; i < added.length; ++i) {
                forged = copyOf(ours);
                addToWord(forged.proof, offset, added[i]);
                fooled = fooled || rawAccepts(reference_.info.verifier, callDataOf(forged));
                refused = refused && !gateAccepts(oursId, forged);
            }
        }
        assertTrue(fooled, "some of them pass a generated verifier");
        report("every word of a proof altered", fooled, refused);
    }

    function gateAccepts(bytes32 id, Fixture memory forged) private view returns (bool) {
        try gate.check(id, forged.inputs, forged.proof) {
            return true;
        } catch {
            return false;
        }
    }

    /// Wraps where the sum does not fit: that is an alteration too.
    function addToWord(bytes memory data, uint256 offset, uint256 value) private pure {
        assembly {
            let at := add(add(data, 0x20), offset)
            mstore(at, add(mload(at), value))
        }
    }
}
