// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

import {IProofGate} from "../src/interfaces/IProofGate.sol";
import {Statements} from "../src/libraries/Statements.sol";
import {World} from "./base/World.sol";

/// Burns all its gas, as a generated verifier does on an invalid point.
contract GasBurner {
    fallback() external {
        assembly {
            invalid()
        }
    }
}

/// Accepts everything, but returns a word, which a verifier never does.
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
        uint256[] memory inputs = new uint256[](2);
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
        IProofGate.CircuitInfo memory info = circuitInfo(Statements.EVALUATION);
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

    function test_IdIsTheHashOfAllThatIsRegistered() public view {
        IProofGate.CircuitInfo memory info = circuitInfo(Statements.GRADIENT);
        bytes32 columns = keccak256(abi.encodePacked(COLUMNS, uint256(1), uint256(1)));
        bytes32 id = keccak256(
            abi.encodePacked(
                info.vkDigest,
                SRS,
                layoutHash,
                uint256(2),
                uint256(3),
                address(verifier).codehash,
                uint256(2),
                uint256(info.proofLength),
                columns
            )
        );
        assertEq(gradientCircuit, id);
        assertEq(gate.circuitIdOf(info), id);
    }

    /// No circuit that differs in anything that determines what proofs mean gets the honest id.
    function test_Attack_WrongEntryUnderTheHonestId() public view {
        for (uint256 i = 0; i < 9; ++i) {
            IProofGate.CircuitInfo memory info = circuitInfo(Statements.SERVICE);
            if (i == 0) info.codeHash = "other";
            if (i == 1) info.proofLength += 32;
            if (i == 2) info.inputCount += 1;
            if (i == 3) info.statement = 4;
            if (i == 4) info.layoutHash = "other";
            if (i == 5) info.link = 1;
            if (i == 6) info.groupColumns[0] = 2;
            if (i == 7) info.srsDigest = "other";
            if (i == 8) info.vkDigest = "other";
            assertTrue(gate.circuitIdOf(info) != serviceCircuit, "another id");
        }
        // the verifier's address and the gas cap do not matter
        IProofGate.CircuitInfo memory same = circuitInfo(Statements.SERVICE);
        (same.verifier, same.gasCap) = (MALLORY, 1);
        assertEq(gate.circuitIdOf(same), serviceCircuit);
    }

    function test_CircuitIsReadBackWhole() public view {
        IProofGate.CircuitInfo memory info = gate.circuit(optimumCircuit);
        assertEq(keccak256(abi.encode(info)), keccak256(abi.encode(circuitInfo(Statements.OPTIMUM))));
        assertEq(gate.circuitCount(), 4);
        assertEq(gate.circuitAt(2), optimumCircuit);
        IProofGate.CircuitShape memory shape = gate.usableShape(optimumCircuit);
        assertEq(shape.statement, Statements.OPTIMUM);
        assertEq(shape.link, 0);
        assertEq(shape.layoutHash, layoutHash);
        assertEq(shape.srsDigest, SRS);
    }

    function test_AllStatementsCanBeAdded() public {
        gate.addCircuit(circuitInfo(Statements.EVALUATION));
        assertEq(gate.circuitCount(), 5);
    }

    function test_RevertWhen_CircuitIsAddedTwice() public {
        IProofGate.CircuitInfo memory info = circuitInfo(Statements.DATASET);
        info.gasCap += 1; // not part of the id: it still cannot be replaced
        vm.expectRevert(abi.encodeWithSelector(IProofGate.CircuitExists.selector, datasetCircuit));
        gate.addCircuit(info);
    }

    function test_RevertWhen_StrangerAddsRaisesOrNames() public {
        IProofGate.CircuitInfo memory info = circuitInfo(Statements.EVALUATION);
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
        info.inputCount = 4;
        expectBadInfo(info, abi.encodeWithSelector(IProofGate.WrongInputCount.selector, 5, 4));
        info = circuitInfo(Statements.OPTIMUM);
        info.groupColumns = groups(false, 3);
        expectBadInfo(info, abi.encodeWithSelector(IProofGate.WrongGroupCount.selector, 3, 2, 3));
        info = circuitInfo(Statements.OPTIMUM);
        info.groupColumns[1] = 2;
        expectBadInfo(info, abi.encodeWithSelector(IProofGate.WrongGroupColumns.selector, 1, 2));
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
        info.statement = 6;
        expectBadInfo(info, abi.encodeWithSelector(IProofGate.UnknownStatement.selector, 6));
        info.statement = 0;
        expectBadInfo(info, abi.encodeWithSelector(IProofGate.UnknownStatement.selector, 0));
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

    // ---- anybody can stop an unsound circuit
    // ---------------------------------------------------------------------------

    function inputsOf(uint8 statement) private pure returns (uint256[] memory) {
        if (statement == Statements.SERVICE) return new uint256[](Statements.SERVICE_INPUTS);
        return new uint256[](statement == Statements.EVALUATION ? 4 : 2);
    }

    function unsound(uint8 statement, uint256 index, uint256 value) private returns (Proof memory) {
        uint256[] memory inputs = inputsOf(statement);
        inputs[index] = value;
        bool records = statement != Statements.SERVICE;
        uint256 count = records ? COLUMNS + (statement == Statements.DATASET ? 0 : 1) : 1;
        return accepted(inputs, points("forged", count));
    }

    function expectStopped(bytes32 id, Proof memory proof) private {
        uint256 state = vm.snapshotState();
        vm.prank(MALLORY);
        gate.stopUnsound(id, proof.inputs, proof.proof);
        assertTrue(gate.isStopped(id), "stopped");
        vm.revertToStateAndDelete(state);
    }

    function expectNotStopped(bytes32 id, Proof memory proof) private {
        vm.expectRevert(abi.encodeWithSelector(IProofGate.InputsPossible.selector, id));
        gate.stopUnsound(id, proof.inputs, proof.proof);
    }

    function test_WhoeverShowsAnImpossibleProofStopsItsCircuit() public {
        bytes32 evaluation = gate.addCircuit(circuitInfo(Statements.EVALUATION));
        expectStopped(datasetCircuit, unsound(Statements.DATASET, 1, 1 << 26));
        expectStopped(datasetCircuit, unsound(Statements.DATASET, 1, R - 1));
        expectStopped(evaluation, unsound(Statements.EVALUATION, 1, 1 << 26));
        expectStopped(evaluation, unsound(Statements.EVALUATION, 2, 1));
        expectStopped(serviceCircuit, unsound(Statements.SERVICE, Statements.SERVICE_COUNT, 1 << 26));
        expectStopped(serviceCircuit, unsound(Statements.SERVICE, Statements.SERVICE_COUNT + 15, R - 1));
    }

    /// A valid proof stops nothing, whatever its context: no gate constrains the context.
    function test_Attack_StoppingASoundCircuit() public {
        expectNotStopped(datasetCircuit, good);
        expectNotStopped(datasetCircuit, unsound(Statements.DATASET, 1, (1 << 26) - 1));
        expectNotStopped(datasetCircuit, unsound(Statements.DATASET, 0, R - 1));
        bytes32 evaluation = gate.addCircuit(circuitInfo(Statements.EVALUATION));
        expectNotStopped(evaluation, unsound(Statements.EVALUATION, 1, 7));
        uint256 last = Statements.SERVICE_COUNT + 15;
        expectNotStopped(serviceCircuit, unsound(Statements.SERVICE, last, (1 << 26) - 1));
        expectNotStopped(serviceCircuit, unsound(Statements.SERVICE, Statements.SERVICE_AFTER, R - 1));
        // no number of a gradient's or an optimum's is impossible by itself
        uint256[] memory inputs = new uint256[](2);
        inputs[1] = R / 2;
        expectNotStopped(gradientCircuit, accepted(inputs, points("x", COLUMNS + 2)));
        Proof memory forged = unsound(Statements.DATASET, 1, 1 << 26);
        forged.proof[5] ^= 0x01;
        vm.expectRevert(abi.encodeWithSelector(IProofGate.ProofRejected.selector, datasetCircuit));
        gate.stopUnsound(datasetCircuit, forged.inputs, forged.proof);
        assertTrue(!gate.isStopped(datasetCircuit), "goes on");
    }

    function testFuzz_OnlyImpossibleInputsStop(uint256 index, uint256 value) public {
        index = bound(index, 0, Statements.SERVICE_INPUTS - 1);
        value = bound(value, 0, R - 1);
        Proof memory proof = unsound(Statements.SERVICE, index, value);
        if (index >= Statements.SERVICE_COUNT && value >= 1 << 26) expectStopped(serviceCircuit, proof);
        else expectNotStopped(serviceCircuit, proof);
    }

    function test_TheOwnerCannotRenounce() public {
        vm.expectRevert(IProofGate.OwnerNeeded.selector);
        gate.renounceOwnership();
        assertEq(gate.owner(), address(this));
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
