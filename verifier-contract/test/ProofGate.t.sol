// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

import {IProofGate} from "../src/interfaces/IProofGate.sol";
import {Statements} from "../src/libraries/Statements.sol";
import {World} from "./base/World.sol";

/// Burns all gas it is given, as a generated verifier does on an invalid point.
contract GasBurner {
    fallback() external {
        assembly {
            invalid()
        }
    }
}

/// Accepts everything, but returns a word: not what a verifier does.
contract ChattyVerifier {
    fallback() external {
        assembly {
            mstore(0, 1)
            return(0, 32)
        }
    }
}

contract ProofGateTest is World {
    Proof internal good;

    function setUp() public override {
        super.setUp();
        uint256[] memory inputs = new uint256[](2);
        (inputs[0], inputs[1]) = (7, 100);
        good = accepted(inputs, points("records", COLUMNS));
    }

    function expectReject(bytes32 circuitId, Proof memory proof, bytes memory reason) private {
        vm.expectRevert(reason);
        gate.check(circuitId, proof.inputs, proof.proof);
    }

    // ---- checking ------------------------------------------------------------------------------------------------

    function test_GoodProofReturnsGroupDigests() public view {
        bytes32[] memory digests = gate.check(datasetCircuit, good.inputs, good.proof);
        assertEq(digests.length, 1);
        assertEq(digests[0], recordsDigest("records"));
    }

    function test_EveryGroupHasItsOwnDigest() public {
        uint256[] memory inputs = new uint256[](1);
        Proof memory proof = accepted(inputs, abi.encodePacked(points("x", COLUMNS), points("w", 1), points("g", 1)));
        bytes32[] memory digests = gate.check(gradientCircuit, proof.inputs, proof.proof);
        assertEq(digests.length, 3);
        assertEq(digests[Statements.GRADIENT_GROUP_XY], recordsDigest("x"));
        assertEq(digests[Statements.GRADIENT_GROUP_W], pointDigest("w"));
        assertEq(digests[Statements.GRADIENT_GROUP_G], pointDigest("g"));
    }

    /// x and x + r are the same public input to a generated verifier, which reduces what it reads.
    function test_Attack_InputPlusR() public {
        Proof memory proof = good;
        proof.inputs[1] += R;
        accept(proof);
        expectReject(datasetCircuit, proof, abi.encodeWithSelector(IProofGate.InputNotCanonical.selector, 1, 100 + R));
        proof.inputs[1] = R;
        accept(proof);
        expectReject(datasetCircuit, proof, abi.encodeWithSelector(IProofGate.InputNotCanonical.selector, 1, R));
        proof.inputs[1] = R - 1;
        accept(proof);
        gate.check(datasetCircuit, proof.inputs, proof.proof);
    }

    function test_Attack_EveryWordOfAProofAltered() public {
        for (uint256 offset = 0; offset < good.proof.length; offset += 32) {
            Proof memory proof = Proof({inputs: good.inputs, proof: bytes.concat(good.proof)});
            proof.proof[offset + 31] ^= 0x01;
            expectReject(
                datasetCircuit, proof, abi.encodeWithSelector(IProofGate.ProofRejected.selector, datasetCircuit)
            );
        }
        for (uint256 i = 0; i < good.inputs.length; ++i) {
            Proof memory proof = good;
            proof.inputs[i] ^= 1;
            expectReject(
                datasetCircuit, proof, abi.encodeWithSelector(IProofGate.ProofRejected.selector, datasetCircuit)
            );
        }
        gate.check(datasetCircuit, good.inputs, good.proof);
    }

    /// Word `word` of the proof, a coordinate, plus the base field's modulus: the same point under another digest.
    function expectCoordinateRefused(uint256 word) private {
        Proof memory proof = Proof({inputs: good.inputs, proof: bytes.concat(good.proof)});
        bytes memory raw = proof.proof;
        uint256 modulus = Statements.COORDINATE_MODULUS;
        assembly {
            let place := add(add(raw, 0x20), mul(word, 0x20))
            mstore(place, add(mload(place), modulus))
        }
        accept(proof);
        expectReject(datasetCircuit, proof, abi.encodeWithSelector(IProofGate.PointNotCanonical.selector, word / 2));
    }

    function test_Attack_CoordinatePlusP() public {
        for (uint256 word = 0; word < 2 * COLUMNS; ++word) {
            expectCoordinateRefused(word);
        }
    }

    function test_RevertWhen_ProofHasTrailingOrMissingBytes() public {
        uint256 length = good.proof.length;
        Proof memory proof = Proof({inputs: good.inputs, proof: abi.encodePacked(good.proof, uint8(0))});
        accept(proof);
        expectReject(
            datasetCircuit, proof, abi.encodeWithSelector(IProofGate.WrongProofLength.selector, length, length + 1)
        );
        proof.proof = new bytes(length - 32);
        accept(proof);
        expectReject(
            datasetCircuit, proof, abi.encodeWithSelector(IProofGate.WrongProofLength.selector, length, length - 32)
        );
    }

    function test_RevertWhen_InputsAreTooManyOrTooFew() public {
        Proof memory proof = Proof({inputs: new uint256[](3), proof: good.proof});
        accept(proof);
        expectReject(datasetCircuit, proof, abi.encodeWithSelector(IProofGate.WrongInputCount.selector, 2, 3));
        proof.inputs = new uint256[](1);
        accept(proof);
        expectReject(datasetCircuit, proof, abi.encodeWithSelector(IProofGate.WrongInputCount.selector, 2, 1));
    }

    function test_RevertWhen_CircuitIsUnknown() public {
        expectReject("nothing", good, abi.encodeWithSelector(IProofGate.UnknownCircuit.selector, bytes32("nothing")));
    }

    /// An address without code "succeeds" at everything.
    function test_Attack_VerifierWithoutCode() public {
        IProofGate.CircuitInfo memory info = circuitInfo(Statements.DATASET);
        info.verifier = MALLORY;
        info.codeHash = keccak256("");
        vm.expectRevert(abi.encodeWithSelector(IProofGate.VerifierWithoutCode.selector, MALLORY));
        gate.addCircuit(info);

        vm.etch(address(verifier), "");
        expectReject(
            datasetCircuit, good, abi.encodeWithSelector(IProofGate.VerifierWithoutCode.selector, address(verifier))
        );
    }

    function test_Attack_VerifierCodeChanged() public {
        bytes32 before = address(verifier).codehash;
        vm.etch(address(verifier), address(new GasBurner()).code);
        bytes32 found = address(verifier).codehash;
        expectReject(
            datasetCircuit,
            good,
            abi.encodeWithSelector(IProofGate.VerifierCodeChanged.selector, address(verifier), before, found)
        );
        IProofGate.CircuitInfo memory info = circuitInfo(Statements.SUM);
        info.codeHash = before;
        vm.expectRevert(
            abi.encodeWithSelector(IProofGate.VerifierCodeChanged.selector, address(verifier), before, found)
        );
        gate.addCircuit(info);
    }

    function addWithVerifier(address other) private returns (bytes32) {
        IProofGate.CircuitInfo memory info = circuitInfo(Statements.DATASET);
        info.verifier = other;
        info.codeHash = other.codehash;
        return gate.addCircuit(info);
    }

    /// Forwarded gas is capped, so an invalid point costs the cap and no more.
    function test_Attack_InvalidPointBurnsAtMostTheCap() public {
        bytes32 id = addWithVerifier(address(new GasBurner()));
        uint256 before = gasleft();
        expectReject(id, good, abi.encodeWithSelector(IProofGate.ProofRejected.selector, id));
        uint256 spent = before - gasleft();
        assertTrue(spent > 300_000 && spent < 400_000, "gas is capped");
    }

    function test_RevertWhen_VerifierReturnsSomething() public {
        bytes32 id = addWithVerifier(address(new ChattyVerifier()));
        expectReject(id, good, abi.encodeWithSelector(IProofGate.ProofRejected.selector, id));
    }

    // ---- registry ------------------------------------------------------------------------------------------------

    function test_IdIsTheHashOfItsIdentity() public view {
        IProofGate.CircuitInfo memory info = circuitInfo(Statements.GRADIENT);
        bytes32 shape = keccak256(abi.encodePacked(uint256(3), uint256(0), uint256(0)));
        bytes32 id =
            keccak256(abi.encodePacked(info.vkDigest, SRS, layoutHash, uint256(2), shape, address(verifier).codehash));
        assertEq(gradientCircuit, id);
        assertEq(gate.circuitIdOf(info), id);
    }

    function test_CircuitIsReadBackWhole() public view {
        IProofGate.CircuitInfo memory info = gate.circuit(optimumCircuit);
        assertEq(keccak256(abi.encode(info)), keccak256(abi.encode(circuitInfo(Statements.OPTIMUM))));
        assertEq(gate.circuitCount(), 4);
        assertEq(gate.circuitAt(2), optimumCircuit);
        IProofGate.CircuitShape memory shape = gate.usableShape(optimumCircuit);
        assertEq(shape.statement, Statements.OPTIMUM);
        assertTrue(shape.regBias && shape.slots == 8 && shape.link == 0, "shape");
        assertEq(shape.layoutHash, layoutHash);
        assertEq(shape.srsDigest, SRS);
    }

    function test_AllStatementsCanBeAdded() public {
        gate.addCircuit(circuitInfo(Statements.SUM));
        gate.addCircuit(circuitInfo(Statements.EVALUATION));
        assertEq(gate.circuitCount(), 6);
    }

    /// How many gradients a sum adds is its shape: 2 to 8 slots, one group more than slots.
    function test_RevertWhen_ASumHasTooFewOrTooManyParts() public {
        for (uint16 parts = 2; parts <= 8; ++parts) {
            IProofGate.CircuitInfo memory sum = sumOf(parts);
            gate.addCircuit(sum);
            sum.groupColumns = groups(false, parts);
            expectBadInfo(
                sum, abi.encodeWithSelector(IProofGate.WrongGroupCount.selector, Statements.SUM, 1 + parts, parts)
            );
        }
        uint8 statement = Statements.SUM;
        expectBadInfo(sumOf(0), abi.encodeWithSelector(IProofGate.WrongSlots.selector, statement, 2, 0));
        expectBadInfo(sumOf(1), abi.encodeWithSelector(IProofGate.WrongSlots.selector, statement, 2, 1));
        expectBadInfo(sumOf(9), abi.encodeWithSelector(IProofGate.WrongSlots.selector, statement, 8, 9));
    }

    function sumOf(uint16 parts) private view returns (IProofGate.CircuitInfo memory info) {
        info = circuitInfo(Statements.SUM);
        info.slots = parts;
        info.groupColumns = groups(false, 1 + parts);
        info.proofLength = (1 + uint32(parts)) * 64 + 64;
    }

    function test_RevertWhen_CircuitIsAddedTwice() public {
        IProofGate.CircuitInfo memory info = circuitInfo(Statements.DATASET);
        info.proofLength += 32; // not part of the id: it still cannot be replaced
        vm.expectRevert(abi.encodeWithSelector(IProofGate.CircuitExists.selector, datasetCircuit));
        gate.addCircuit(info);
    }

    function test_RevertWhen_StrangerAddsRaisesOrNames() public {
        IProofGate.CircuitInfo memory info = circuitInfo(Statements.SUM);
        bytes memory reason = abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, MALLORY);
        vm.prank(MALLORY);
        vm.expectRevert(reason);
        gate.addCircuit(info);
        vm.prank(MALLORY);
        vm.expectRevert(reason);
        gate.raiseGasCap(datasetCircuit, 400_000);
        vm.prank(MALLORY);
        vm.expectRevert(reason);
        gate.setGuardian(MALLORY);
    }

    function expectBadInfo(IProofGate.CircuitInfo memory info, bytes memory reason) private {
        vm.expectRevert(reason);
        gate.addCircuit(info);
    }

    function test_RevertWhen_ShapeIsNotTheStatements() public {
        IProofGate.CircuitInfo memory info = circuitInfo(Statements.OPTIMUM);
        info.inputCount = 28;
        expectBadInfo(info, abi.encodeWithSelector(IProofGate.WrongInputCount.selector, 29, 28));
        info = circuitInfo(Statements.OPTIMUM);
        info.slots = 16;
        expectBadInfo(info, abi.encodeWithSelector(IProofGate.WrongSlots.selector, 4, 8, 16));
        info = circuitInfo(Statements.OPTIMUM);
        info.groupColumns = groups(false, 8);
        expectBadInfo(info, abi.encodeWithSelector(IProofGate.WrongGroupCount.selector, 4, 9, 8));
        info = circuitInfo(Statements.OPTIMUM);
        info.groupColumns[3] = 2;
        expectBadInfo(info, abi.encodeWithSelector(IProofGate.WrongGroupColumns.selector, 3, 2));
        info = circuitInfo(Statements.DATASET);
        info.groupColumns[0] = 1;
        expectBadInfo(info, abi.encodeWithSelector(IProofGate.WrongGroupColumns.selector, 0, 1));
        info = circuitInfo(Statements.DATASET);
        info.proofLength = 9 * 64 - 32;
        expectBadInfo(info, abi.encodeWithSelector(IProofGate.WrongProofLength.selector, 9 * 64, 9 * 64 - 32));
        info.proofLength = 9 * 64 + 1;
        expectBadInfo(info, abi.encodeWithSelector(IProofGate.WrongProofLength.selector, 9 * 64, 9 * 64 + 1));
        info = circuitInfo(Statements.GRADIENT);
        info.link = 0;
        expectBadInfo(info, abi.encodeWithSelector(IProofGate.WrongLinkCode.selector, 2, 0));
        info.link = 4;
        expectBadInfo(info, abi.encodeWithSelector(IProofGate.WrongLinkCode.selector, 2, 4));
        info.statement = 7;
        expectBadInfo(info, abi.encodeWithSelector(IProofGate.UnknownStatement.selector, 7));
    }

    function test_GasCapOnlyRises() public {
        gate.raiseGasCap(datasetCircuit, 300_001);
        assertEq(gate.circuit(datasetCircuit).gasCap, 300_001);
        vm.expectRevert(abi.encodeWithSelector(IProofGate.GasCapNotRaised.selector, 300_001, 300_001));
        gate.raiseGasCap(datasetCircuit, 300_001);
        vm.expectRevert(abi.encodeWithSelector(IProofGate.GasCapNotRaised.selector, 300_001, 1));
        gate.raiseGasCap(datasetCircuit, 1);
    }

    function test_GuardianStopsForGood() public {
        vm.prank(GUARDIAN);
        gate.stop(datasetCircuit);
        assertTrue(gate.isStopped(datasetCircuit), "stopped");
        assertTrue(!gate.isStopped(gradientCircuit), "only that one");
        bytes memory reason = abi.encodeWithSelector(IProofGate.StoppedCircuit.selector, datasetCircuit);
        expectReject(datasetCircuit, good, reason);
        vm.expectRevert(reason);
        gate.usableShape(datasetCircuit);
        vm.expectRevert(reason);
        gate.stop(datasetCircuit);
        IProofGate.CircuitInfo memory info = circuitInfo(Statements.DATASET);
        vm.expectRevert(abi.encodeWithSelector(IProofGate.CircuitExists.selector, datasetCircuit));
        gate.addCircuit(info);
    }

    function test_OwnerStopsAndReplacesTheGuardian() public {
        gate.stop(datasetCircuit);
        gate.setGuardian(MALLORY);
        assertEq(gate.guardian(), MALLORY);
        vm.prank(GUARDIAN);
        vm.expectRevert(abi.encodeWithSelector(IProofGate.NotGuardian.selector, GUARDIAN));
        gate.stop(gradientCircuit);
        vm.prank(MALLORY);
        gate.stop(gradientCircuit);
    }

    function test_RevertWhen_StrangerStops() public {
        vm.prank(MALLORY);
        vm.expectRevert(abi.encodeWithSelector(IProofGate.NotGuardian.selector, MALLORY));
        gate.stop(datasetCircuit);
    }

    function testFuzz_OnlyCommittedCalldataPasses(uint256 input, uint256 word, uint256 value) public {
        Proof memory proof = Proof({inputs: good.inputs, proof: bytes.concat(good.proof)});
        proof.inputs[1] = bound(input, 0, R - 1);
        uint256 offset = 32 * bound(word, 0, proof.proof.length / 32 - 1);
        value = bound(value, 0, Statements.COORDINATE_MODULUS - 1);
        bytes memory raw = proof.proof;
        assembly {
            mstore(add(add(raw, 0x20), offset), value)
        }
        vm.assume(keccak256(abi.encode(proof)) != keccak256(abi.encode(good)));
        expectReject(datasetCircuit, proof, abi.encodeWithSelector(IProofGate.ProofRejected.selector, datasetCircuit));
    }
}
