// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IDatasetRegistry} from "../src/interfaces/IDatasetRegistry.sol";
import {Statements} from "../src/libraries/Statements.sol";
import {World} from "./base/World.sol";

/// The formulas, implemented a second time as the words that off-chain code hashes.
contract StatementsTest is World {
    function setUp() public override {
        super.setUp();
        certifiedAgent();
    }

    function truncated(bytes32 digest) private pure returns (uint256) {
        return uint256(digest) >> 8;
    }

    function test_DatasetContext() public view {
        bytes32 terms_ = keccak256(abi.encodePacked(uint256(5000), uint256(1), uint256(250), uint256(77), uint256(12)));
        IDatasetRegistry.RegisterParams memory params = registerParams();
        params.terms = IDatasetRegistry.Terms({
            minDataBps: 5000, openTraining: true, minShareBps: 250, minPricePerQuery: 77, links: 12
        });
        bytes memory words = abi.encodePacked(
            keccak256("tribute.dataset.v1"),
            block.chainid,
            uint256(uint160(address(datasets))),
            uint256(uint160(ADA)),
            SCHEMA,
            layoutHash,
            uint256(1),
            uint256(400),
            terms_
        );
        assertEq(datasets.shardContext(ADA, params, layoutHash, 1, 400), truncated(keccak256(words)));
    }

    function test_DatasetId() public view {
        bytes32 shards = keccak256(abi.encodePacked(recordsDigest("ada 0"), recordsDigest("ada 1")));
        bytes memory words =
            abi.encodePacked(keccak256("tribute.datasetid.v1"), SCHEMA, layoutHash, uint256(1300), shards);
        assertEq(adaSet, keccak256(words));
    }

    function test_AgentIdAndContexts() public view {
        bytes32 domain = bytes32(uint256(uint160(address(agents))));
        assertEq(
            agent,
            keccak256(
                abi.encodePacked(
                    keccak256("tribute.agent.v1"), block.chainid, domain, uint256(uint160(OLGA)), uint256(0)
                )
            )
        );
        bytes memory words = abi.encodePacked(
            keccak256("tribute.gradient.v1"),
            block.chainid,
            domain,
            uint256(uint160(OLGA)),
            pointDigest(W),
            recordsDigest("ben 0")
        );
        assertEq(agents.gradientContext(agent, version, benSet, 0), truncated(keccak256(words)));
        bytes32 list_ = keccak256(abi.encodePacked(bytes32(0), adaSet));
        list_ = keccak256(abi.encodePacked(list_, benSet));
        words = abi.encodePacked(
            keccak256("tribute.optimum.v1"), block.chainid, domain, agent, uint256(1), pointDigest(W), list_
        );
        assertEq(agents.optimumContext(agent, version), truncated(keccak256(words)));
    }

    function test_SessionIdTranscriptContextAndVoucher() public {
        bytes32 session = openSession(CLEO);
        uint256 domain = uint256(uint160(address(escrow)));
        bytes memory words = abi.encodePacked(
            keccak256("tribute.session.v1"), block.chainid, domain, uint256(uint160(CLEO)), uint256(0)
        );
        assertEq(session, keccak256(words));
        words = abi.encodePacked(block.chainid, domain, session, uint256(1), pointDigest(W));
        assertEq(escrow.getSession(session).transcript, uint256(keccak256(words)) % R);
        bytes32[] memory sessions = new bytes32[](2);
        (sessions[0], sessions[1]) = (session, bytes32(uint256(7)));
        words = abi.encodePacked(
            keccak256("tribute.service.v1"),
            block.chainid,
            domain,
            keccak256(abi.encodePacked(session, bytes32(uint256(7))))
        );
        assertEq(escrow.serviceContext(sessions), truncated(keccak256(words)));

        bytes32 separator = keccak256(
            abi.encodePacked(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Tribute"),
                keccak256("1"),
                block.chainid,
                domain
            )
        );
        bytes32 message = keccak256(
            abi.encodePacked(
                keccak256("Voucher(bytes32 session,uint32 version,uint64 count,uint256 transcript)"),
                session,
                uint256(1),
                uint256(5),
                uint256(99)
            )
        );
        assertEq(escrow.voucherDigest(session, 1, 5, 99), keccak256(abi.encodePacked(hex"1901", separator, message)));
    }

    function test_LayoutHash() public view {
        bytes memory numbers = hex"0000000f00000008000000400000000a000000000000040000000000";
        assertEq(layoutHash, keccak256(abi.encodePacked("tribute.layout.v1", numbers)));
        assertEq(
            Statements.layoutHashOf(15, 8, 64, 10, 0, 1024, 3),
            keccak256(
                abi.encodePacked("tribute.layout.v1", hex"0000000f00000008000000400000000a000000000000040000000003")
            )
        );
    }

    function test_LinkErrorIsRoundedUpAndOneMore() public pure {
        assertEq(Statements.linkError(63, 1, 0), 2049); // √64·256
        assertEq(Statements.linkError(64, 10, 0), 6528); // √650·256 = 6526.7…
        assertEq(Statements.linkError(64, 10, 4), 14_483); // √3200·256 = 14481.5…
        assertEq(Statements.linkError(1024, 100, 4), 91_591); // the largest
    }

    function test_UnitsOfContributionsByRows() public pure {
        uint8[6] memory bits = [50, 47, 46, 47, 50, 45];
        for (uint256 k = 10; k <= 22; ++k) {
            assertEq(Statements.contributionBits(k), bits[k < 15 ? k - 10 : 5]);
        }
    }

    function test_SignedInputsTurnAtHalfTheField() public pure {
        assertTrue(Statements.signed(0) == 0, "zero");
        assertTrue(Statements.signed(R - 1) == -1, "minus one");
        assertTrue(Statements.signed(R / 2) == int256(R / 2), "largest positive");
        assertTrue(Statements.signed(R / 2 + 1) == -int256(R / 2), "most negative");
    }

    function test_OffsetsFollowEachOther() public pure {
        assertEq(Statements.OPTIMUM_INPUTS, Statements.OPTIMUM_NORM + 1);
        assertEq(Statements.GRADIENT_INPUTS, Statements.GRADIENT_CONTRIBUTION + 1);
        assertEq(Statements.SERVICE_AFTER, Statements.SERVICE_BEFORE + Statements.SERVICE_SLOTS);
        assertEq(Statements.SERVICE_COUNT, Statements.SERVICE_AFTER + Statements.SERVICE_SLOTS);
        assertEq(Statements.SERVICE_INPUTS, Statements.SERVICE_COUNT + Statements.SERVICE_SLOTS);
    }
}
