// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {RecordVerifier} from "../src/RecordVerifier.sol";
import {IDatasetOwners} from "../src/interfaces/IDatasetOwners.sol";
import {IDatasetRegistry} from "../src/interfaces/IDatasetRegistry.sol";
import {IRecordVerifier} from "../src/interfaces/IRecordVerifier.sol";
import {RealWorld} from "./base/RealWorld.sol";

/// Records of Ada's registered first shard, really committed and really shown.
contract RecordVerifierTest is RealWorld {
    RecordVerifier private verifier;
    string private json;

    function setUp() public override {
        super.setUp();
        json = readFixture("records");
        verifier = new RecordVerifier(tauG1(), tauG2());
        registerDatasets();
    }

    function tauG1() private view returns (uint256[2] memory tau) {
        uint256[] memory words = vm.parseJsonUintArray(json, ".tauG1");
        return [words[0], words[1]];
    }

    function tauG2() private view returns (uint256[4] memory tau) {
        uint256[] memory words = vm.parseJsonUintArray(json, ".tauG2");
        return [words[0], words[1], words[2], words[3]];
    }

    function shownAs(string memory name) private view returns (IRecordVerifier.Shown memory shown) {
        string memory path = string.concat(".shown.", name);
        uint256[] memory dims = vm.parseJsonUintArray(json, string.concat(path, ".dims"));
        shown.dims = IRecordVerifier.Layout({
            k: uint32(dims[0]),
            columns: uint32(dims[1]),
            features: uint32(dims[2]),
            classes: uint32(dims[3]),
            realTarget: false,
            interceptScale: uint32(dims[4])
        });
        shown.points = vm.parseJsonBytes(json, string.concat(path, ".points"));
        shown.index = uint32(vm.parseJsonUint(json, string.concat(path, ".index")));
        shown.features = vm.parseJsonBytes(json, string.concat(path, ".features"));
        shown.target = uint16(vm.parseJsonUint(json, string.concat(path, ".target")));
        shown.context = vm.parseJsonBytes32(json, string.concat(path, ".context"));
        uint256[] memory words = vm.parseJsonUintArray(json, string.concat(path, ".proof"));
        shown.proof = [words[0], words[1], words[2], words[3]];
    }

    function refuses(IRecordVerifier.Shown memory shown) private {
        vm.expectRevert(IRecordVerifier.NotThisRecord.selector);
        verifier.check(shown);
    }

    function test_ARecordIsShownLabelIncluded() public {
        IRecordVerifier.Shown memory shown = shownAs("middle");
        (bytes32 digest, bytes32 layoutHash) = verifier.check(shown);
        vm.snapshotGasLastCall("calls", "RecordVerifier.check, 64 features, 10 classes");
        IDatasetRegistry.Dataset memory dataset = datasets.dataset(adaSet);
        assertEq(digest, datasets.shardDigest(adaSet, 0));
        assertEq(layoutHash, dataset.layoutHash);
        assertEq(verifier.srsDigest(), dataset.srsDigest);
        verifier.checkRegistered(address(datasets), adaSet, 0, shown);
        verifier.checkRegistered(address(datasets), adaSet, 0, shownAs("last"));
    }

    function test_AnotherLabelFeatureOrPlaceIsRefused() public {
        // with the honest opening, and with the best that a forger with the columns can make
        refuses(shownAs("relabelled"));
        refuses(shownAs("moved"));
        IRecordVerifier.Shown memory shown = shownAs("middle");
        shown.target = (shown.target + 1) % 10;
        refuses(shown);
        shown = shownAs("middle");
        shown.features[63] = bytes1(uint8(shown.features[63]) ^ 1);
        refuses(shown);
        shown = shownAs("middle");
        shown.index += 1;
        refuses(shown);
        shown = shownAs("middle");
        shown.context = bytes32(0);
        refuses(shown);
    }

    function test_AnEmptySlotIsNoRecord() public {
        refuses(shownAs("empty"));
    }

    function test_SaltWeightAndTailRowsCannotBeShown() public {
        // k = 15, R = 11: (32,768 − 6 − 1,024 − 650) / 11
        uint256 capacity = 2826;
        uint32[4] memory indices = [uint32(capacity), 2886, 2979, type(uint32).max];
        for (uint256 i = 0; i < indices.length; ++i) {
            IRecordVerifier.Shown memory shown = shownAs("middle");
            shown.index = indices[i];
            vm.expectRevert(abi.encodeWithSelector(IRecordVerifier.NoSuchRecord.selector, indices[i], capacity));
            verifier.check(shown);
        }
        // and no other layout makes room for them under the dataset's name
        IRecordVerifier.Shown memory wide = shownAs("middle");
        wide.dims.k = 16;
        wide.index = 2886;
        refuses(wide);
    }

    function test_AnotherDatasetShardOrLayoutIsRefused() public {
        IRecordVerifier.Shown memory shown = shownAs("middle");
        bytes32[] memory digests = datasets.shardDigests(adaSet);
        vm.expectRevert(abi.encodeWithSelector(IRecordVerifier.OtherShard.selector, digests[1], digests[0]));
        verifier.checkRegistered(address(datasets), adaSet, 1, shown);
        bytes32 bens = datasets.shardDigest(benSet, 0);
        vm.expectRevert(abi.encodeWithSelector(IRecordVerifier.OtherShard.selector, bens, digests[0]));
        verifier.checkRegistered(address(datasets), benSet, 0, shown);
        vm.expectRevert(abi.encodeWithSelector(IRecordVerifier.NoSuchShard.selector, 2, 2));
        verifier.checkRegistered(address(datasets), adaSet, 2, shown);
        vm.expectRevert(abi.encodeWithSelector(IDatasetOwners.UnknownDataset.selector, bytes32(uint256(1))));
        verifier.checkRegistered(address(datasets), bytes32(uint256(1)), 0, shown);
        // the columns in another order are another shard's, and hold another record
        bytes memory points = shown.points;
        for (uint256 i = 0; i < 64; ++i) {
            (points[i], points[64 + i]) = (points[64 + i], points[i]);
        }
        refuses(shown);
    }

    function test_WhatNoRecordCanBeIsRefusedWithItsNumbers() public {
        IRecordVerifier.Shown memory shown = shownAs("middle");
        shown.target = 10;
        vm.expectRevert(abi.encodeWithSelector(IRecordVerifier.NoSuchClass.selector, 10, 10));
        verifier.check(shown);
        shown = shownAs("middle");
        shown.features = new bytes(63);
        vm.expectRevert(abi.encodeWithSelector(IRecordVerifier.WrongLength.selector, 64, 63));
        verifier.check(shown);
        shown = shownAs("middle");
        shown.points = new bytes(64);
        vm.expectRevert(abi.encodeWithSelector(IRecordVerifier.WrongLength.selector, 576, 64));
        verifier.check(shown);
        for (uint256 i = 0; i < 6; ++i) {
            shown = shownAs("middle");
            if (i == 0) shown.dims.k = 9;
            if (i == 1) shown.dims.k = 256;
            if (i == 2) shown.dims.columns = 0;
            if (i == 3) shown.dims.features = type(uint32).max;
            if (i == 4) shown.dims.classes = 0;
            if (i == 5) shown.dims.realTarget = true;
            vm.expectRevert(IRecordVerifier.ImpossibleLayout.selector);
            verifier.check(shown);
        }
    }

    function test_AlteredProofsAreRefused() public {
        for (uint256 i = 0; i < 4; ++i) {
            IRecordVerifier.Shown memory bent = shownAs("middle");
            bent.proof[i] ^= 1;
            vm.expectRevert(abi.encodeWithSelector(IRecordVerifier.NotAPoint.selector, 9 + i / 2));
            verifier.check(bent);
        }
        IRecordVerifier.Shown memory shown = shownAs("middle");
        (shown.proof[0], shown.proof[1]) = (0, 0);
        vm.expectRevert(abi.encodeWithSelector(IRecordVerifier.NotAPoint.selector, 9));
        verifier.check(shown);
        shown = shownAs("middle");
        (shown.proof[2], shown.proof[3]) = (0, 0);
        vm.expectRevert(abi.encodeWithSelector(IRecordVerifier.NotAPoint.selector, 10));
        verifier.check(shown);
        shown = shownAs("middle");
        shown.proof = [uint256(1), 2, 1, 2];
        refuses(shown);
        shown = shownAs("middle");
        shown.points[3 * 64 + 40] ^= 0x01;
        vm.expectRevert(abi.encodeWithSelector(IRecordVerifier.NotAPoint.selector, 3));
        verifier.check(shown);
    }

    function test_OnlyAnSrsMakesAVerifier() public {
        uint256[2] memory one = [uint256(1), 2];
        vm.expectRevert(IRecordVerifier.NotAnSrs.selector);
        new RecordVerifier(one, tauG2());
        uint256[2] memory zero;
        uint256[4] memory zeros;
        vm.expectRevert(IRecordVerifier.NotAnSrs.selector);
        new RecordVerifier(zero, zeros);
        uint256[4] memory bent = tauG2();
        bent[0] ^= 1;
        vm.expectRevert(IRecordVerifier.NotAnSrs.selector);
        new RecordVerifier(tauG1(), bent);
        // τ = 1 is an SRS, of another digest: no dataset under the real one passes
        uint256[4] memory g2 = [
            0x198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2,
            0x1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed,
            0x090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b,
            0x12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa
        ];
        RecordVerifier other = new RecordVerifier(one, g2);
        bytes32 expected = verifier.srsDigest();
        IRecordVerifier.Shown memory shown = shownAs("middle");
        vm.expectRevert(abi.encodeWithSelector(IRecordVerifier.OtherSrs.selector, other.srsDigest(), expected));
        other.checkRegistered(address(datasets), adaSet, 0, shown);
    }

    function test_TheContractFits() public view {
        assertTrue(address(verifier).code.length < 23_500, "bytecode below 23,500 bytes");
    }
}
