// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IAgents} from "../src/interfaces/IAgents.sol";
import {IAgreedWeights} from "../src/interfaces/IAgreedWeights.sol";
import {IDatasetOwners} from "../src/interfaces/IDatasetOwners.sol";
import {IDatasetRegistry} from "../src/interfaces/IDatasetRegistry.sol";
import {IEvaluations} from "../src/interfaces/IEvaluations.sol";
import {IProofGate} from "../src/interfaces/IProofGate.sol";
import {IValuationDraws} from "../src/interfaces/IValuationDraws.sol";
import {Statements} from "../src/libraries/Statements.sol";
import {Weighed} from "./base/Weighed.sol";

/// One draw for each version, from a block that nobody knew, and whoever tries for another.
contract ValuationDrawsTest is Weighed {
    uint32 private constant COUNT = 200;
    uint64 private constant START = 5000;
    uint64 private constant DRAWN = START + 100;
    address private constant HISTORY = 0x0000F90827F1C53a10cb7A02335B175320002935;

    function setUp() public override {
        super.setUp();
        vm.roll(START);
        vm.etch(HISTORY, "");
    }

    function commit() private {
        vm.prank(OLGA);
        weights.commitValuation(agent, version, testSet, COUNT);
    }

    function refuseCommit(address who, bytes32 set, uint32 count, bytes memory reason) private {
        bytes32 before = keccak256(abi.encode(weights.drawOf(agent, version)));
        vm.prank(who);
        vm.expectRevert(reason);
        weights.commitValuation(agent, version, set, count);
        assertEq(keccak256(abi.encode(weights.drawOf(agent, version))), before);
    }

    function refuseBeacon(bytes memory reason) private {
        vm.expectRevert(reason);
        weights.fixBeacon(agent, version);
        assertEq(weights.drawOf(agent, version).beacon, bytes32(0));
    }

    function alreadyCommitted() private view returns (bytes memory) {
        return abi.encodeWithSelector(IValuationDraws.AlreadyCommitted.selector, agent, version);
    }

    function beaconOf(bytes32 hash, uint32 attempt) private view returns (bytes32) {
        return keccak256(abi.encode(hash, block.chainid, address(weights), agent, version, testSet, COUNT, attempt));
    }

    // ---- the draw ------------------------------------------------------------------------------------------------

    function test_ABeaconFollowsFromABlockAfterTheCommitment() public {
        assertEq(weights.drawOf(agent, version).attempts, 0);
        vm.expectEmit();
        emit IValuationDraws.ValuationCommitted(agent, version, testSet, COUNT, DRAWN, 1);
        commit();
        IValuationDraws.Draw memory draw = weights.drawOf(agent, version);
        assertTrue(draw.testSet == testSet && draw.permutations == COUNT && draw.attempts == 1, "committed");
        assertTrue(draw.blockNumber == DRAWN && draw.beacon == 0, "for a later block");

        vm.roll(DRAWN + 1);
        bytes32 expected = beaconOf(blockhash(DRAWN), 1);
        vm.expectEmit();
        emit IValuationDraws.BeaconFixed(agent, version, expected, 1);
        vm.prank(MALLORY);
        assertEq(weights.fixBeacon(agent, version), expected);
        assertEq(weights.drawOf(agent, version).beacon, expected);
    }

    /// The last block that knows the hash still fixes it.
    function test_ABeaconIsTheSameWheneverItIsFixed() public {
        commit();
        vm.roll(DRAWN + 1);
        bytes32 expected = beaconOf(blockhash(DRAWN), 1);
        vm.roll(DRAWN + 256);
        assertEq(weights.fixBeacon(agent, version), expected);
    }

    function test_EveryVersionHasADrawOfItsOwn() public {
        commit();
        vm.roll(DRAWN + 1);
        bytes32 first = weights.fixBeacon(agent, version);
        (bytes32 firstAgent, uint32 firstVersion) = (agent, version);
        certifyMany(2);
        vm.prank(OLGA);
        weights.commitValuation(agent, version, testSet, 100);
        assertEq(weights.drawOf(agent, version).blockNumber, DRAWN + 101);
        vm.roll(DRAWN + 102);
        assertTrue(weights.fixBeacon(agent, version) != first, "another");
        assertEq(weights.drawOf(firstAgent, firstVersion).beacon, first);
    }

    function test_BoundsOfTheNumber() public {
        refuseCommit(
            OLGA, testSet, 29, abi.encodeWithSelector(IValuationDraws.PermutationsOutOfRange.selector, uint32(29))
        );
        refuseCommit(
            OLGA, testSet, 4097, abi.encodeWithSelector(IValuationDraws.PermutationsOutOfRange.selector, uint32(4097))
        );
        uint256 state = vm.snapshotState();
        vm.prank(OLGA);
        weights.commitValuation(agent, version, testSet, 30);
        vm.revertToStateAndDelete(state);
        vm.prank(OLGA);
        weights.commitValuation(agent, version, testSet, 4096);
        assertEq(weights.drawOf(agent, version).permutations, 4096);
    }

    // ---- who may commit, and to what -----------------------------------------------------------------------------

    function test_Attack_SomebodyElseCommits() public {
        for (uint256 i = 0; i < 3; ++i) {
            address who = [ADA, CLEO, MALLORY][i];
            refuseCommit(who, testSet, COUNT, abi.encodeWithSelector(IAgents.NotAgentOwner.selector, agent, who));
        }
        // whoever sold the agent has no say in what it is valued by
        vm.prank(OLGA);
        agents.offerAgent(agent, MALLORY);
        vm.prank(MALLORY);
        agents.acceptAgent(agent);
        refuseCommit(OLGA, testSet, COUNT, abi.encodeWithSelector(IAgents.NotAgentOwner.selector, agent, OLGA));
        vm.prank(MALLORY);
        weights.commitValuation(agent, version, testSet, COUNT);
        assertEq(weights.drawOf(agent, version).attempts, 1);
    }

    /// Before the certificate, datasets could still be chosen by what a draw gives them.
    function test_Attack_AVersionThatIsNotCertified() public {
        version = closed(versionParams(), bothSets());
        refuseCommit(OLGA, testSet, COUNT, abi.encodeWithSelector(IAgreedWeights.NotCertified.selector, agent, version));
        version += 1; // unknown
        refuseCommit(OLGA, testSet, COUNT, abi.encodeWithSelector(IAgreedWeights.NotCertified.selector, agent, version));
    }

    function test_Attack_ATestSetThatCannotBeOne() public {
        refuseCommit(OLGA, benSet, COUNT, abi.encodeWithSelector(IAgreedWeights.TrainedOn.selector, benSet));
        bytes32 unknown = "unknown";
        refuseCommit(OLGA, unknown, COUNT, abi.encodeWithSelector(IDatasetOwners.UnknownDataset.selector, unknown));
        IDatasetRegistry.RegisterParams memory params = registerParams();
        params.schemaId = "another schema";
        bytes32 other = registerAs(CLEO, params, "other test set", 100);
        refuseCommit(
            OLGA,
            other,
            COUNT,
            abi.encodeWithSelector(IEvaluations.SchemaMismatch.selector, other, SCHEMA, params.schemaId)
        );
    }

    /// A test set of Cleo's that a circuit of its own admitted.
    function setUnder(IProofGate.CircuitInfo memory info, bytes32 seed) private returns (bytes32 set, bytes32 circuit) {
        circuit = gate.addCircuit(info);
        IDatasetRegistry.RegisterParams memory params = registerParams();
        params.circuitId = circuit;
        set = registerAs(CLEO, params, seed, 100);
    }

    /// On records of another layout or SRS no coalition could be evaluated, and the commitment would be for good.
    function test_Attack_ATestSetThatNoCoalitionCanBeEvaluatedOn() public {
        bytes32 before = layoutHash;
        layoutHash = Statements.layoutHashOf(14, 8, 64, 10, 0, 1024, 0);
        (bytes32 set, bytes32 circuit) = setUnder(circuitInfo(Statements.DATASET), "another layout");
        layoutHash = before;
        refuseCommit(OLGA, set, COUNT, abi.encodeWithSelector(IEvaluations.UnfitCircuit.selector, circuit));

        IProofGate.CircuitInfo memory info = circuitInfo(Statements.DATASET);
        info.srsDigest = "another SRS";
        (set, circuit) = setUnder(info, "another SRS");
        refuseCommit(OLGA, set, COUNT, abi.encodeWithSelector(IEvaluations.UnfitCircuit.selector, circuit));

        // another circuit of the same shape is fine, unless it was stopped
        info = circuitInfo(Statements.DATASET);
        info.vkDigest = "another key";
        (set, circuit) = setUnder(info, "another key");
        uint256 state = vm.snapshotState();
        vm.prank(OLGA);
        weights.commitValuation(agent, version, set, COUNT);
        assertEq(weights.drawOf(agent, version).testSet, set);
        vm.revertToStateAndDelete(state);
        gate.stop(circuit);
        refuseCommit(OLGA, set, COUNT, abi.encodeWithSelector(IProofGate.StoppedCircuit.selector, circuit));
    }

    // ---- another draw --------------------------------------------------------------------------------------------

    function test_Attack_AnotherCommitment() public {
        bytes32 second = registerAs(CLEO, registerParams(), "second test set", 100);
        commit();
        uint64[3] memory blocks = [START, DRAWN, DRAWN + 256]; // at once, once the block is there, at the last moment
        for (uint256 i = 0; i < 3; ++i) {
            vm.roll(blocks[i]);
            refuseCommit(OLGA, testSet, COUNT, alreadyCommitted());
            refuseCommit(OLGA, testSet, COUNT + 1, alreadyCommitted());
            refuseCommit(OLGA, second, COUNT, alreadyCommitted());
        }
        weights.fixBeacon(agent, version);
        // the draw is known now, and stays, however much later
        vm.roll(DRAWN + 100_000);
        refuseCommit(OLGA, testSet, COUNT, alreadyCommitted());
        refuseCommit(OLGA, second, COUNT + 1, alreadyCommitted());
        bytes32 beacon = weights.drawOf(agent, version).beacon;
        vm.expectRevert(abi.encodeWithSelector(IValuationDraws.BeaconKnown.selector, beacon));
        weights.fixBeacon(agent, version);
    }

    function test_Attack_ABeaconTooEarly() public {
        refuseBeacon(abi.encodeWithSelector(IValuationDraws.NotCommitted.selector, agent, version));
        commit();
        bytes memory tooEarly = abi.encodeWithSelector(IValuationDraws.BlockToCome.selector, DRAWN);
        refuseBeacon(tooEarly);
        vm.roll(DRAWN); // its own hash is not known in it
        refuseBeacon(tooEarly);
    }

    /// Letting a draw lapse gives another one, of the same, and leaves a trace.
    function test_Attack_LettingADrawLapse() public {
        bytes32 second = registerAs(CLEO, registerParams(), "second test set", 100);
        commit();
        vm.roll(DRAWN + 257);
        refuseBeacon(abi.encodeWithSelector(IValuationDraws.DrawLapsed.selector, DRAWN));
        bytes memory other = abi.encodeWithSelector(IValuationDraws.OtherCommitment.selector, testSet, COUNT);
        refuseCommit(OLGA, second, COUNT, other);
        refuseCommit(OLGA, testSet, COUNT + 1, other);
        refuseCommit(MALLORY, testSet, COUNT, abi.encodeWithSelector(IAgents.NotAgentOwner.selector, agent, MALLORY));

        vm.expectEmit();
        emit IValuationDraws.ValuationCommitted(agent, version, testSet, COUNT, DRAWN + 357, 2);
        commit();
        IValuationDraws.Draw memory draw = weights.drawOf(agent, version);
        assertTrue(draw.attempts == 2 && draw.blockNumber == DRAWN + 357 && draw.beacon == 0, "counted");
        refuseCommit(OLGA, testSet, COUNT, alreadyCommitted());
        vm.roll(DRAWN + 358);
        bytes32 beacon = weights.fixBeacon(agent, version);
        assertEq(beacon, beaconOf(blockhash(DRAWN + 357), 2));
        assertTrue(beacon != beaconOf(blockhash(DRAWN + 357), 1), "the attempt counts");
        assertEq(weights.drawOf(agent, version).attempts, 2);
    }

    // ---- a history of hashes -------------------------------------------------------------------------------------

    /// On chains that keep one, there is more time to fix a beacon, and less to let it lapse.
    function test_AHistoryOfHashesKeepsADraw() public {
        commit();
        vm.roll(DRAWN + 5000);
        bytes32 hash = "hash in the history";
        // the block's hash if the chain knows it, else this one: PUSH0 CALLDATALOAD BLOCKHASH DUP1 PUSH1 41 JUMPI POP
        // PUSH32 hash JUMPDEST PUSH0 MSTORE PUSH1 32 PUSH0 RETURN
        vm.etch(HISTORY, abi.encodePacked(hex"5f354080602957507f", hash, hex"5b5f5260205ff3"));
        refuseCommit(OLGA, testSet, COUNT, alreadyCommitted());
        assertEq(weights.fixBeacon(agent, version), beaconOf(hash, 1));
    }

    /// A history that knows nothing of the block, or is none: the draw has lapsed. What answers of the last block other
    /// than the chain does is none, whatever it says of earlier ones.
    function test_AHistoryThatDoesNotKnowTheBlock() public {
        commit();
        vm.roll(DRAWN + 9000);
        bytes[] memory codes = new bytes[](5);
        codes[0] = hex"5f5ffd"; // reverts
        codes[1] = hex"60205ff3"; // answers 0
        codes[2] = hex"60015f5260405ff3"; // answers two words
        codes[3] = hex"60015f5260205ff3"; // answers 1 of every block
        codes[4] = hex"5f35405f5260205ff3"; // knows no more than the chain
        for (uint256 i = 0; i < codes.length; ++i) {
            vm.etch(HISTORY, codes[i]);
            refuseBeacon(abi.encodeWithSelector(IValuationDraws.DrawLapsed.selector, DRAWN));
        }
        commit();
        assertEq(weights.drawOf(agent, version).attempts, 2);
    }

    function test_GasOfADraw() public {
        commit();
        vm.snapshotGasLastCall("calls", "AgreedWeights.commitValuation");
        vm.roll(DRAWN + 1);
        weights.fixBeacon(agent, version);
        vm.snapshotGasLastCall("calls", "AgreedWeights.fixBeacon");
    }
}
