// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IProofGate} from "../src/interfaces/IProofGate.sol";
import {Statements} from "../src/libraries/Statements.sol";
import {EveryProof} from "./base/EveryProof.sol";

/// The gate with our verifier of every circuit and a real proof of each.
contract ProofGateFixturesTest is EveryProof {
    uint256 private constant LIMIT = 23_500;

    function setUp() public override {
        super.setUp();
        for (uint256 i = 0; i < fixtures.length; ++i) {
            assertTrue(fixtures[i].info.verifier.code.length < LIMIT, "the verifier is small enough");
        }
    }

    function expectReject(bytes32 id, Fixture memory fixture, bytes memory reason) private {
        vm.expectRevert(reason);
        gate.check(id, fixture.inputs, fixture.proof);
    }

    function expectRejected(bytes32 id, Fixture memory fixture) private {
        expectReject(id, fixture, abi.encodeWithSelector(IProofGate.ProofRejected.selector, id));
    }

    function test_RealProofsPassWithinTheirGasCap() public view {
        for (uint256 i = 0; i < fixtures.length; ++i) {
            Fixture memory fixture = fixtures[i];
            uint256 before = gasleft();
            bytes32[] memory digests = gate.check(ids[i], fixture.inputs, fixture.proof);
            assertTrue(before - gasleft() < fixture.info.gasCap, "gas cap leaves room");
            uint256 start = 0;
            for (uint256 g = 0; g < digests.length; ++g) {
                uint256 length = uint256(fixture.info.groupColumns[g]) * 64;
                bytes memory group = new bytes(length);
                for (uint256 b = 0; b < length; ++b) {
                    group[b] = fixture.proof[start + b];
                }
                assertEq(digests[g], keccak256(group));
                start += length;
            }
        }
    }

    function test_Attack_InputPlusR() public {
        for (uint256 i = 0; i < fixtures.length; ++i) {
            for (uint256 j = 0; j < fixtures[i].inputs.length; ++j) {
                Fixture memory fixture = fixtures[i];
                uint256 value = fixture.inputs[j] + Statements.FIELD_MODULUS;
                fixture.inputs[j] = value;
                expectReject(ids[i], fixture, abi.encodeWithSelector(IProofGate.InputNotCanonical.selector, j, value));
            }
        }
    }

    function test_Attack_EveryInputAltered() public {
        for (uint256 i = 0; i < fixtures.length; ++i) {
            for (uint256 j = 0; j < fixtures[i].inputs.length; ++j) {
                Fixture memory fixture = fixtures[i];
                fixture.inputs[j] ^= 1;
                expectRejected(ids[i], fixture);
            }
        }
    }

    function test_Attack_EveryWordOfAProofAltered() public {
        for (uint256 i = 0; i < fixtures.length; ++i) {
            uint256 length = fixtures[i].proof.length;
            for (uint256 offset = 0; offset < length; offset += 32) {
                Fixture memory fixture = fixtures[i];
                fixture.proof[offset + 31] ^= 0x01;
                expectRejected(ids[i], fixture);
            }
        }
    }

    function test_Attack_TrailingBytes() public {
        for (uint256 i = 0; i < fixtures.length; ++i) {
            Fixture memory fixture = fixtures[i];
            uint256 length = fixture.proof.length;
            fixture.proof = bytes.concat(fixture.proof, bytes32(0));
            expectReject(
                ids[i], fixture, abi.encodeWithSelector(IProofGate.WrongProofLength.selector, length, length + 32)
            );
        }
    }

    function test_Attack_VerifierWithoutCode() public {
        for (uint256 i = 0; i < fixtures.length; ++i) {
            Fixture memory fixture = fixtures[i];
            bytes memory code = fixture.info.verifier.code;
            vm.etch(fixture.info.verifier, "");
            expectReject(
                ids[i], fixture, abi.encodeWithSelector(IProofGate.VerifierWithoutCode.selector, fixture.info.verifier)
            );
            vm.etch(fixture.info.verifier, code);
            gate.check(ids[i], fixture.inputs, fixture.proof);
        }
    }

    /// A proof of one circuit is not a proof of another, not even truncated or padded to its size.
    function test_Attack_ProofOfAnotherCircuit() public {
        for (uint256 i = 0; i < fixtures.length; ++i) {
            for (uint256 j = 0; j < fixtures.length; ++j) {
                if (i == j) continue;
                Fixture memory fixture = fixtures[j];
                for (uint256 k = 0; k < fixture.inputs.length; ++k) {
                    fixture.inputs[k] = k < fixtures[i].inputs.length ? fixtures[i].inputs[k] : 0;
                }
                bytes memory other = fixtures[i].proof;
                for (uint256 k = 0; k < fixture.proof.length; ++k) {
                    fixture.proof[k] = k < other.length ? other[k] : bytes1(0);
                }
                expectRejected(ids[j], fixture);
            }
        }
    }
}
