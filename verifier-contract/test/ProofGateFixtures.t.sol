// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ProofGate} from "../src/ProofGate.sol";
import {IProofGate} from "../src/interfaces/IProofGate.sol";
import {Statements} from "../src/libraries/Statements.sol";
import {Test} from "./base/Test.sol";
import {Vm} from "./base/Vm.sol";

/// The gate with real verifiers and real proofs: every file `test/fixtures/*.json` of the form
/// `{"circuitInfo": {…}, "verifierBytecode": "0x…", "inputs": ["0x…"], "proof": "0x…"}` (creation code; `verifier` in the
/// info is ignored, the code is deployed here).
contract ProofGateFixturesTest is Test {
    string private constant FOLDER = "test/fixtures";

    struct Fixture {
        bytes32 circuitId;
        IProofGate.CircuitInfo info;
        uint256[] inputs;
        bytes proof;
    }

    ProofGate private gate;
    Fixture[] private fixtures;

    function setUp() public {
        gate = new ProofGate(address(this), address(this));
        if (!vm.exists(FOLDER)) return;
        Vm.DirEntry[] memory files = vm.readDir(FOLDER);
        for (uint256 i = 0; i < files.length; ++i) {
            if (!isJson(files[i].path)) continue;
            Fixture memory fixture = parse(vm.readFile(files[i].path));
            fixture.circuitId = gate.addCircuit(fixture.info);
            fixtures.push(fixture);
        }
    }

    function isJson(string memory path) private pure returns (bool) {
        bytes memory name = bytes(path);
        return name.length > 5
            && bytes5(
                bytes.concat(
                name[name.length - 5],
                name[name.length - 4],
                name[name.length - 3],
                name[name.length - 2],
                name[name.length - 1]
            )
            ) == bytes5(".json");
    }

    function parse(string memory json) private returns (Fixture memory fixture) {
        bytes memory code = vm.parseJsonBytes(json, ".verifierBytecode");
        address verifier;
        assembly {
            verifier := create(0, add(code, 0x20), mload(code))
        }
        assertTrue(verifier != address(0), "verifier deploys");
        assertTrue(verifier.code.length < 23_500, "verifier is small enough");
        IProofGate.CircuitInfo memory info = fixture.info;
        info.verifier = verifier;
        info.codeHash = vm.parseJsonBytes32(json, ".circuitInfo.codeHash");
        info.proofLength = uint32(vm.parseJsonUint(json, ".circuitInfo.proofLength"));
        info.inputCount = uint16(vm.parseJsonUint(json, ".circuitInfo.inputCount"));
        info.gasCap = uint32(vm.parseJsonUint(json, ".circuitInfo.gasCap"));
        info.statement = uint8(vm.parseJsonUint(json, ".circuitInfo.statement"));
        info.layoutHash = vm.parseJsonBytes32(json, ".circuitInfo.layoutHash");
        info.link = uint8(vm.parseJsonUint(json, ".circuitInfo.link"));
        info.regBias = vm.parseJsonBool(json, ".circuitInfo.regBias");
        info.slots = uint16(vm.parseJsonUint(json, ".circuitInfo.slots"));
        uint256[] memory columns = vm.parseJsonUintArray(json, ".circuitInfo.groupColumns");
        info.groupColumns = new uint16[](columns.length);
        for (uint256 i = 0; i < columns.length; ++i) {
            info.groupColumns[i] = uint16(columns[i]);
        }
        info.srsDigest = vm.parseJsonBytes32(json, ".circuitInfo.srsDigest");
        info.vkDigest = vm.parseJsonBytes32(json, ".circuitInfo.vkDigest");
        fixture.inputs = vm.parseJsonUintArray(json, ".inputs");
        fixture.proof = vm.parseJsonBytes(json, ".proof");
    }

    function expectReject(Fixture memory fixture, bytes memory reason) private {
        vm.expectRevert(reason);
        gate.check(fixture.circuitId, fixture.inputs, fixture.proof);
    }

    function expectRejected(Fixture memory fixture) private {
        expectReject(fixture, abi.encodeWithSelector(IProofGate.ProofRejected.selector, fixture.circuitId));
    }

    function test_RealProofsPassWithinTheirGasCap() public view {
        for (uint256 i = 0; i < fixtures.length; ++i) {
            Fixture memory fixture = fixtures[i];
            uint256 before = gasleft();
            bytes32[] memory digests = gate.check(fixture.circuitId, fixture.inputs, fixture.proof);
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
                expectReject(fixture, abi.encodeWithSelector(IProofGate.InputNotCanonical.selector, j, value));
            }
        }
    }

    function test_Attack_EveryInputAltered() public {
        for (uint256 i = 0; i < fixtures.length; ++i) {
            for (uint256 j = 0; j < fixtures[i].inputs.length; ++j) {
                Fixture memory fixture = fixtures[i];
                fixture.inputs[j] ^= 1;
                expectRejected(fixture);
            }
        }
    }

    function test_Attack_EveryWordOfAProofAltered() public {
        for (uint256 i = 0; i < fixtures.length; ++i) {
            uint256 length = fixtures[i].proof.length;
            for (uint256 offset = 0; offset < length; offset += 32) {
                Fixture memory fixture = fixtures[i];
                fixture.proof[offset + 31] ^= 0x01;
                expectRejected(fixture);
            }
        }
    }

    function test_Attack_TrailingBytes() public {
        for (uint256 i = 0; i < fixtures.length; ++i) {
            Fixture memory fixture = fixtures[i];
            uint256 length = fixture.proof.length;
            fixture.proof = bytes.concat(fixture.proof, bytes32(0));
            expectReject(fixture, abi.encodeWithSelector(IProofGate.WrongProofLength.selector, length, length + 32));
        }
    }

    function test_Attack_VerifierWithoutCode() public {
        for (uint256 i = 0; i < fixtures.length; ++i) {
            Fixture memory fixture = fixtures[i];
            bytes memory code = fixture.info.verifier.code;
            vm.etch(fixture.info.verifier, "");
            expectReject(
                fixture, abi.encodeWithSelector(IProofGate.VerifierWithoutCode.selector, fixture.info.verifier)
            );
            vm.etch(fixture.info.verifier, code);
            gate.check(fixture.circuitId, fixture.inputs, fixture.proof);
        }
    }

    /// A proof of one circuit is no proof of another.
    function test_Attack_ProofOfAnotherCircuit() public {
        for (uint256 i = 0; i < fixtures.length; ++i) {
            for (uint256 j = 0; j < fixtures.length; ++j) {
                if (i == j || fixtures[i].inputs.length != fixtures[j].inputs.length) continue;
                if (fixtures[i].proof.length != fixtures[j].proof.length) continue;
                Fixture memory fixture = fixtures[i];
                fixture.circuitId = fixtures[j].circuitId;
                expectRejected(fixture);
            }
        }
    }
}
