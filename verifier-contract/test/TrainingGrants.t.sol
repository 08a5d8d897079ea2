// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IDatasetOwners} from "../src/interfaces/IDatasetOwners.sol";
import {IDatasetRegistry} from "../src/interfaces/IDatasetRegistry.sol";
import {Statements} from "../src/libraries/Statements.sol";
import {World} from "./base/World.sol";

/// Who may train on what, how often and on what terms; the agent registry checks, and takes uses.
contract TrainingGrantsTest is World {
    function extend(bytes32 previous, IDatasetRegistry.ShardProof[] memory shards) private returns (bytes32) {
        vm.prank(ADA);
        return datasets.extend(previous, shards);
    }

    function grant(IDatasetRegistry.GrantTerms memory terms_) private {
        vm.prank(ADA);
        datasets.grantTraining(adaSet, OLGA, terms_);
    }

    function admit(bytes32 id, uint8 link, uint16 dataBps, uint128 price)
        private
        returns (IDatasetRegistry.Admission memory)
    {
        vm.prank(address(agents));
        return datasets.admit(id, OLGA, link, dataBps, price);
    }

    function expectNotAdmitted(bytes32 id, uint8 link, uint16 dataBps, uint128 price, bytes memory reason) private {
        uint32 before = datasets.trainingGrant(id, OLGA).terms.uses;
        vm.expectRevert(reason);
        admit(id, link, dataBps, price);
        assertEq(datasets.trainingGrant(id, OLGA).terms.uses, before);
    }

    function test_GrantsHaveUsesAndExpiry() public {
        registerDatasets();
        assertTrue(datasets.mayTrain(adaSet, ADA), "owner");
        assertTrue(!datasets.mayTrain(adaSet, OLGA), "no grant");
        IDatasetRegistry.GrantTerms memory terms_ = grantTerms(1);
        terms_.expiry = uint64(block.timestamp + 100);
        grant(terms_);
        assertTrue(datasets.mayTrain(adaSet, OLGA), "granted");
        vm.warp(block.timestamp + 100);
        assertTrue(datasets.mayTrain(adaSet, OLGA), "last second");
        vm.warp(block.timestamp + 1);
        assertTrue(!datasets.mayTrain(adaSet, OLGA), "expired");
    }

    function test_UsesAreTaken() public {
        registerDatasets();
        grant(grantTerms(1));
        IDatasetRegistry.Admission memory a = admit(adaSet, 3, 5000, 0);
        assertEq(a.root, adaSet);
        assertEq(a.circuitId, datasetCircuit);
        assertEq(a.shards, 2);
        assertEq(a.records, 1300);
        assertEq(a.grantSerial, 1);
        assertEq(datasets.trainingGrant(adaSet, OLGA).terms.uses, 0);
        expectNotAdmitted(
            adaSet, 3, 5000, 0, abi.encodeWithSelector(IDatasetRegistry.TrainingNotGranted.selector, adaSet, OLGA)
        );
    }

    function test_AGrantIsSetWhole() public {
        registerDatasets();
        IDatasetRegistry.GrantTerms memory terms_ = IDatasetRegistry.GrantTerms({
            uses: 7,
            expiry: 1_900_000_000,
            links: 8,
            minShareBps: 1234,
            minDataBps: 6000,
            minPricePerQuery: 99,
            coversLater: true,
            participants: "list"
        });
        grant(terms_);
        IDatasetRegistry.Grant memory stored = datasets.trainingGrant(adaSet, OLGA);
        assertEq(keccak256(abi.encode(stored.terms)), keccak256(abi.encode(terms_)));
        assertEq(stored.serial, 1);
        assertEq(stored.shards, 2);
        IDatasetRegistry.Admission memory a = admit(adaSet, 3, 6000, 99);
        assertEq(a.minShareBps, 1234);
        assertEq(a.participants, "list");
        grant(grantTerms(1));
        stored = datasets.trainingGrant(adaSet, OLGA);
        assertEq(keccak256(abi.encode(stored.terms)), keccak256(abi.encode(grantTerms(1))));
        assertEq(stored.serial, 2);
    }

    /// The stricter of the dataset's terms and the grant applies, whichever it is.
    function test_TheStricterOfTermsAndGrantCounts() public {
        IDatasetRegistry.RegisterParams memory params = registerParams();
        params.terms = IDatasetRegistry.Terms({
            minDataBps: 5000, openTraining: false, minShareBps: 1000, minPricePerQuery: 50, links: 12
        });
        adaSet = registerAs(ADA, params, "ada 0", 900);
        grant(grantTerms(9));
        IDatasetRegistry.Admission memory a = admit(adaSet, 3, 5000, 50);
        assertEq(a.minShareBps, 1000);
        expectNotAdmitted(
            adaSet, 1, 5000, 50, abi.encodeWithSelector(IDatasetRegistry.LinkNotAllowed.selector, adaSet, 1, 12)
        );
        expectNotAdmitted(
            adaSet, 3, 4999, 50, abi.encodeWithSelector(IDatasetRegistry.DataPartTooLow.selector, adaSet, 4999, 5000)
        );
        expectNotAdmitted(
            adaSet, 3, 5000, 49, abi.encodeWithSelector(IDatasetRegistry.PriceTooLow.selector, adaSet, 49, 50)
        );

        IDatasetRegistry.GrantTerms memory terms_ = grantTerms(9);
        (terms_.links, terms_.minShareBps, terms_.minDataBps, terms_.minPricePerQuery) = (6, 2000, 7000, 70);
        grant(terms_);
        a = admit(adaSet, 2, 7000, 70); // of links 2, 3 and 1, 2 only 2 is left
        assertEq(a.minShareBps, 2000);
        expectNotAdmitted(
            adaSet, 3, 7000, 70, abi.encodeWithSelector(IDatasetRegistry.LinkNotAllowed.selector, adaSet, 3, 4)
        );
        expectNotAdmitted(
            adaSet, 2, 6999, 70, abi.encodeWithSelector(IDatasetRegistry.DataPartTooLow.selector, adaSet, 6999, 7000)
        );
        expectNotAdmitted(
            adaSet, 2, 7000, 69, abi.encodeWithSelector(IDatasetRegistry.PriceTooLow.selector, adaSet, 69, 70)
        );
        (terms_.minShareBps, terms_.minDataBps, terms_.minPricePerQuery) = (500, 100, 1);
        grant(terms_); // milder than the dataset's own terms
        assertEq(admit(adaSet, 2, 5000, 50).minShareBps, 1000);
        expectNotAdmitted(
            adaSet, 2, 4999, 50, abi.encodeWithSelector(IDatasetRegistry.DataPartTooLow.selector, adaSet, 4999, 5000)
        );
    }

    /// Squared loss has to be named, by terms or grant, and be excluded by neither; for anybody but the dataset's owner.
    function test_NoWildcardAllowsTheSquaredLink() public {
        uint8[2][9] memory cases = [[0, 0], [0, 2], [2, 0], [2, 2], [12, 2], [14, 0], [14, 12], [0, 14], [0, 12]];
        bool[9] memory allowed = [false, true, true, true, false, true, false, true, false];
        for (uint256 i = 0; i < cases.length; i++) {
            IDatasetRegistry.RegisterParams memory params = registerParams();
            params.terms.links = cases[i][0];
            bytes32 id = registerAs(ADA, params, keccak256(abi.encode("squared", i)), 900);
            IDatasetRegistry.GrantTerms memory terms_ = grantTerms(9);
            terms_.links = cases[i][1];
            vm.prank(ADA);
            datasets.grantTraining(id, OLGA, terms_);
            if (allowed[i]) {
                admit(id, 1, 5000, 0);
                continue;
            }
            uint8 all = Statements.ALL_LINKS;
            uint8 left = (cases[i][0] == 0 ? all : cases[i][0]) & (cases[i][1] == 0 ? all : cases[i][1]) & 12;
            expectNotAdmitted(
                id, 1, 5000, 0, abi.encodeWithSelector(IDatasetRegistry.LinkNotAllowed.selector, id, 1, left)
            );
        }
        // open to anybody: named in the terms or not at all
        IDatasetRegistry.RegisterParams memory open = registerParams();
        open.terms.openTraining = true;
        bytes32 wildcard = registerAs(ADA, open, "open 0", 900);
        expectNotAdmitted(
            wildcard, 1, 5000, 0, abi.encodeWithSelector(IDatasetRegistry.LinkNotAllowed.selector, wildcard, 1, 12)
        );
        open.terms.links = 2;
        admit(registerAs(ADA, open, "open 1", 900), 1, 5000, 0);
        // one's own
        bytes32 own = registerAs(OLGA, registerParams(), "own", 900);
        admit(own, 1, 5000, 0);
    }

    function test_OpenDatasetsHaveTermsToo() public {
        IDatasetRegistry.RegisterParams memory params = registerParams();
        params.terms.openTraining = true;
        params.terms.minShareBps = 700;
        params.terms.minPricePerQuery = 5;
        bytes32 id = registerAs(ADA, params, "ada 0", 900);
        assertTrue(datasets.mayTrain(id, MALLORY), "anyone");
        IDatasetRegistry.Admission memory a = admit(id, 3, 5000, 5);
        assertEq(a.minShareBps, 700);
        assertEq(a.grantSerial, 0);
        expectNotAdmitted(id, 3, 5000, 4, abi.encodeWithSelector(IDatasetRegistry.PriceTooLow.selector, id, 4, 5));
    }

    function test_AGrantIsForItsVersionUnlessItCoversLaterOnes() public {
        registerDatasets();
        IDatasetRegistry.GrantTerms memory terms_ = grantTerms(9);
        grant(terms_);
        bytes32 second = extend(adaSet, oneShard(shardProof(ADA, "ada 2", 2, 50)));
        assertTrue(datasets.mayTrain(adaSet, OLGA) && !datasets.mayTrain(second, OLGA), "the first only");
        expectNotAdmitted(
            second, 3, 5000, 0, abi.encodeWithSelector(IDatasetRegistry.GrantForOtherVersion.selector, second, 2, 3)
        );
        terms_.coversLater = true;
        grant(terms_);
        admit(adaSet, 3, 5000, 0);
        admit(second, 3, 5000, 0);
        vm.prank(ADA);
        datasets.grantTraining(second, OLGA, terms_);
        expectNotAdmitted(
            adaSet, 3, 5000, 0, abi.encodeWithSelector(IDatasetRegistry.GrantForOtherVersion.selector, adaSet, 3, 2)
        );
    }

    function test_RevertWhen_GrantsMakeNoSense() public {
        registerDatasets();
        IDatasetRegistry.GrantTerms memory terms_ = grantTerms(1);
        terms_.minShareBps = 10_001;
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.BasisPointsTooHigh.selector, 10_001));
        grant(terms_);
        terms_ = grantTerms(1);
        terms_.minDataBps = 10_001;
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.BasisPointsTooHigh.selector, 10_001));
        grant(terms_);
        terms_ = grantTerms(1);
        terms_.links = 32;
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.UnknownLinks.selector, 32));
        grant(terms_);
    }

    function test_RevertWhen_StrangerGrants() public {
        registerDatasets();
        IDatasetRegistry.GrantTerms memory terms_ = grantTerms(1);
        vm.prank(MALLORY);
        vm.expectRevert(abi.encodeWithSelector(IDatasetOwners.NotDatasetOwner.selector, adaSet, MALLORY));
        datasets.grantTraining(adaSet, MALLORY, terms_);
    }

    function test_RevertWhen_StrangerAdmitsOrGivesBack() public {
        registerDatasets();
        grantTo(OLGA);
        bytes memory reason = abi.encodeWithSelector(IDatasetRegistry.NotAgentRegistry.selector, MALLORY);
        vm.prank(MALLORY);
        vm.expectRevert(reason);
        datasets.admit(adaSet, OLGA, 3, 5000, 0);
        vm.prank(MALLORY);
        vm.expectRevert(reason);
        datasets.giveBack(adaSet, OLGA, 1);
    }
}
