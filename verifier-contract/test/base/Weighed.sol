// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IAgreedWeights} from "../../src/interfaces/IAgreedWeights.sol";
import {Weighing} from "./Weighing.sol";

/// A certified version that earns, and a test set.
abstract contract Weighed is Weighing {
    bytes32 private session;

    function setUp() public virtual override {
        super.setUp();
        certifiedAgent();
        registerTestSet();
        session = openSession(CLEO);
    }

    /// Pays for so many queries; returns what they bring to data.
    function serve(uint64 queries) internal returns (uint256 toData) {
        uint256 before = escrow.dataAccrued(agent, version);
        claimAs(OLGA, one(honestBatch(oneSlot(session, uint256(keccak256(abi.encode(queries, before))) % R, queries))));
        toData = escrow.dataAccrued(agent, version) - before;
        assertEq(toData, uint256(queries) * PRICE * DATA_BPS / 10_000);
    }

    function due(bytes32 set) internal view returns (uint256) {
        return escrow.providerDue(agent, version, set);
    }

    function assertPaysByShares() internal view {
        IAgreedWeights.State memory state = weights.stateOf(agent, version);
        assertTrue(state.inForce == 0 && state.changes == 0 && state.waiting == 0, "by shares");
        (uint256 weight, uint256 total) = weights.weightOf(agent, version, adaSet);
        assertTrue(weight == uint256(N_ADA) && total == N_ALL, "the certificate's");
    }

    function bothAccept() internal {
        acceptAs(ADA, adaSet);
        acceptAs(BEN, benSet);
    }
}
