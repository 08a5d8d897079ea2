// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {AgentRegistry} from "../../src/AgentRegistry.sol";
import {AgreedWeights} from "../../src/AgreedWeights.sol";
import {DatasetRegistry} from "../../src/DatasetRegistry.sol";
import {ProofGate} from "../../src/ProofGate.sol";
import {SessionEscrow} from "../../src/SessionEscrow.sol";
import {IDatasetRegistry} from "../../src/interfaces/IDatasetRegistry.sol";
import {TestToken} from "../../src/tokens/TestToken.sol";
import {Test} from "./Test.sol";

/// The data of a life cycle, with real or stand-in proofs: the contracts, the circuits, Ada's and Ben's datasets, and a
/// version of Olga's agent.
abstract contract Life is Test {
    uint64 internal constant THAW = 1 days;
    uint64 internal constant CHALLENGE = 3 days;
    uint128 internal constant PRICE = 1000;
    uint128 internal constant ESCROW = 1_000_000;
    uint16 internal constant DATA_BPS = 6000;

    struct Proof {
        uint256[] inputs;
        bytes proof;
    }

    uint256 internal constant SESSION_KEY = 0x5e55;
    TestToken internal token;
    ProofGate internal gate;
    DatasetRegistry internal datasets;
    AgentRegistry internal agents;
    SessionEscrow internal escrow;
    AgreedWeights internal weights;
    bytes32 internal datasetCircuit;
    bytes32 internal gradientCircuit;
    bytes32 internal optimumCircuit;
    bytes32 internal serviceCircuit;
    bytes32 internal adaSet;
    bytes32 internal benSet;
    bytes32 internal agent;
    uint32 internal version;

    function grantTerms(uint32 uses) internal view returns (IDatasetRegistry.GrantTerms memory grant) {
        grant.uses = uses;
        grant.expiry = uint64(block.timestamp + 1 days);
    }

    function bothSets() internal view returns (bytes32[] memory ids) {
        ids = new bytes32[](2);
        (ids[0], ids[1]) = (adaSet, benSet);
    }

    function ids1(bytes32 id) internal pure returns (bytes32[] memory ids) {
        ids = new bytes32[](1);
        ids[0] = id;
    }

    function assertSolvent() internal view {
        assertEq(token.balanceOf(address(escrow)), escrow.liabilities());
    }
}
