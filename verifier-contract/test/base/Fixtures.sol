// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IProofGate} from "../../src/interfaces/IProofGate.sol";
import {Test} from "./Test.sol";

/// Real verifiers and real proofs, from `test/fixtures`. The files are made by `generator/examples/fixtures` and not
/// committed; this fails if the folder is missing, or was made from sources other than those checked out.
abstract contract Fixtures is Test {
    error FixturesMissing(string run);
    error FixturesStale(bytes32 madeFrom, bytes32 sources, string run);
    error FixtureMissing(string name);

    string private constant FOLDER = "test/fixtures/";
    string private constant RUN = "cargo run --release -p tribute-evm --example fixtures";

    struct Fixture {
        string name;
        IProofGate.CircuitInfo info;
        uint256[] inputs;
        bytes proof;
    }

    /// Names of all fixtures, after a check that they belong to this checkout.
    function currentFixtures() internal view returns (string[] memory names) {
        if (!vm.exists(string.concat(FOLDER, "manifest.json"))) revert FixturesMissing(RUN);
        string memory manifest = readFixture("manifest");
        string[] memory paths = vm.parseJsonStringArray(manifest, ".sources");
        bytes memory digests = new bytes(32 * paths.length);
        for (uint256 i = 0; i < paths.length; ++i) {
            // a source that is gone reads as another one
            bytes32 digest = vm.exists(paths[i]) ? keccak256(bytes(vm.readFile(paths[i]))) : bytes32(0);
            assembly {
                mstore(add(add(digests, 0x20), mul(i, 0x20)), digest)
            }
        }
        bytes32 madeFrom = vm.parseJsonBytes32(manifest, ".digest");
        bytes32 sources = keccak256(digests);
        if (sources != madeFrom) revert FixturesStale(madeFrom, sources, RUN);
        return vm.parseJsonStringArray(manifest, ".fixtures");
    }

    function readFixture(string memory name) internal view returns (string memory json) {
        string memory path = string.concat(FOLDER, name, ".json");
        if (!vm.exists(path)) revert FixtureMissing(name);
        return vm.readFile(path);
    }

    /// The fixture `name` with its verifier deployed by this contract.
    function loadFixture(string memory name) internal returns (Fixture memory fixture) {
        string memory json = readFixture(name);
        fixture.name = name;
        fixture.info = circuitInfo(json, deploy(vm.parseJsonBytes(json, ".verifierBytecode")));
        fixture.inputs = vm.parseJsonUintArray(json, ".inputs");
        fixture.proof = vm.parseJsonBytes(json, ".proof");
    }

    function deploy(bytes memory creation) internal returns (address deployed) {
        assembly {
            deployed := create(0, add(creation, 0x20), mload(creation))
        }
        assertTrue(deployed != address(0), "the code deploys");
    }

    function circuitInfo(string memory json, address verifier)
        internal
        pure
        returns (IProofGate.CircuitInfo memory info)
    {
        info.verifier = verifier;
        info.codeHash = vm.parseJsonBytes32(json, ".circuitInfo.codeHash");
        info.proofLength = uint32(vm.parseJsonUint(json, ".circuitInfo.proofLength"));
        info.inputCount = uint16(vm.parseJsonUint(json, ".circuitInfo.inputCount"));
        info.gasCap = uint32(vm.parseJsonUint(json, ".circuitInfo.gasCap"));
        info.statement = uint8(vm.parseJsonUint(json, ".circuitInfo.statement"));
        info.layoutHash = vm.parseJsonBytes32(json, ".circuitInfo.layoutHash");
        info.link = uint8(vm.parseJsonUint(json, ".circuitInfo.link"));
        uint256[] memory columns = vm.parseJsonUintArray(json, ".circuitInfo.groupColumns");
        info.groupColumns = new uint16[](columns.length);
        for (uint256 i = 0; i < columns.length; ++i) {
            info.groupColumns[i] = uint16(columns[i]);
        }
        info.srsDigest = vm.parseJsonBytes32(json, ".circuitInfo.srsDigest");
        info.vkDigest = vm.parseJsonBytes32(json, ".circuitInfo.vkDigest");
    }

    /// A copy that shares no memory with the fixture.
    function copyOf(Fixture memory fixture) internal pure returns (Fixture memory copy) {
        copy.name = fixture.name;
        copy.info = fixture.info;
        copy.inputs = abi.decode(abi.encode(fixture.inputs), (uint256[]));
        copy.proof = bytes.concat(fixture.proof);
    }

    /// The calldata with which the gate calls a verifier.
    function callDataOf(Fixture memory fixture) internal pure returns (bytes memory) {
        return abi.encodePacked(fixture.inputs, fixture.proof);
    }

    /// Whether a caller who naively calls the verifier itself considers the proof valid. Forwards only part of the gas,
    /// since an invalid point burns all of it.
    function rawAccepts(address verifier, bytes memory data) internal view returns (bool accepted) {
        (accepted,) = verifier.staticcall{gas: 2_000_000}(data);
    }
}
