// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {AgentRegistry} from "../../src/AgentRegistry.sol";
import {DatasetRegistry} from "../../src/DatasetRegistry.sol";
import {ProofGate} from "../../src/ProofGate.sol";
import {SessionEscrow} from "../../src/SessionEscrow.sol";
import {IAgentRegistry} from "../../src/interfaces/IAgentRegistry.sol";
import {IDatasetRegistry} from "../../src/interfaces/IDatasetRegistry.sol";
import {IProofGate} from "../../src/interfaces/IProofGate.sol";
import {ISessionEscrow} from "../../src/interfaces/ISessionEscrow.sol";
import {Statements} from "../../src/libraries/Statements.sol";
import {TestToken} from "../../src/tokens/TestToken.sol";
import {CommittedVerifier} from "./CommittedVerifier.sol";
import {Test} from "./Test.sol";

/// All contracts, the circuits of one layout (k = 15, A = 8, d = 64, c = 10), and an honest way through the life cycle:
/// Ada's dataset of two shards (900 + 400 records), Ben's of one (297), Olga's softmax agent on both, Cleo as client.
///
/// Every `honest…` function returns inputs and a proof that the verifier would accept; an attack changes them.
abstract contract World is Test {
    uint256 internal constant COLUMNS = 9; // A + 1
    uint256 internal constant R = Statements.FIELD_MODULUS;
    uint64 internal constant THAW = 1 days;
    uint128 internal constant PRICE = 1000;
    uint128 internal constant ESCROW = 1_000_000;
    uint16 internal constant DATA_BPS = 6000;
    uint32 internal constant LAMBDA = 4_294_967; // 1e-3
    uint256 internal constant EPSILON = 4000; // 9.3e-7
    uint256 internal constant DELTA = 6527; // 2^-24·√(10·65), rounded up
    uint256 internal constant NORM = 15_872; // 15.5
    bytes32 internal constant SRS = "srs";
    bytes32 internal constant SCHEMA = "schema";
    bytes32 internal constant W = "weights";
    int256 internal constant SHARE_ADA = 700_000;
    int256 internal constant SHARE_BEN = 348_576;

    struct Proof {
        uint256[] inputs;
        bytes proof;
    }

    address internal immutable ADA = vm.addr(0xada);
    address internal immutable BEN = vm.addr(0xbe);
    address internal immutable OLGA = vm.addr(0x016a);
    address internal immutable CLEO = vm.addr(0xc1e0);
    address internal immutable MALLORY = vm.addr(0xbad);
    address internal immutable GUARDIAN = vm.addr(0x9a);
    uint256 internal constant SESSION_KEY = 0x5e55;

    TestToken internal token;
    CommittedVerifier internal verifier;
    ProofGate internal gate;
    DatasetRegistry internal datasets;
    AgentRegistry internal agents;
    SessionEscrow internal escrow;

    bytes32 internal layoutHash;
    bytes32 internal datasetCircuit;
    bytes32 internal gradientCircuit;
    bytes32 internal optimumCircuit;
    bytes32 internal serviceCircuit;

    bytes32 internal adaSet;
    bytes32 internal benSet;
    bytes32 internal agent;
    uint32 internal version;

    function setUp() public virtual {
        vm.warp(1_800_000_000);
        token = newToken();
        verifier = new CommittedVerifier();
        gate = new ProofGate(address(this), GUARDIAN);
        datasets = new DatasetRegistry(gate);
        agents = new AgentRegistry(gate, datasets);
        datasets.bindAgentRegistry(address(agents));
        escrow = newEscrow(IERC20(address(token)));

        layoutHash = Statements.layoutHashOf(15, 8, 64, 10, 0, 1024);
        datasetCircuit = gate.addCircuit(circuitInfo(Statements.DATASET));
        gradientCircuit = gate.addCircuit(circuitInfo(Statements.GRADIENT));
        optimumCircuit = gate.addCircuit(circuitInfo(Statements.OPTIMUM));
        serviceCircuit = gate.addCircuit(circuitInfo(Statements.SERVICE));
    }

    function newToken() internal virtual returns (TestToken) {
        return new TestToken();
    }

    function newEscrow(IERC20 erc20) internal returns (SessionEscrow) {
        return new SessionEscrow(erc20, gate, agents, datasets, THAW, address(this));
    }

    // ---- circuits ------------------------------------------------------------------------------------------------

    function circuitInfo(uint8 statement) internal view returns (IProofGate.CircuitInfo memory info) {
        info.verifier = address(verifier);
        info.codeHash = address(verifier).codehash;
        info.gasCap = 300_000;
        info.statement = statement;
        info.layoutHash = layoutHash;
        info.srsDigest = SRS;
        info.vkDigest = keccak256(abi.encode("vk", statement));
        if (statement == Statements.DATASET) (info.inputCount, info.groupColumns) = (2, groups(true, 0));
        if (statement == Statements.GRADIENT) {
            (info.inputCount, info.groupColumns, info.link) = (1, groups(true, 2), 3);
        }
        if (statement == Statements.SUM) (info.inputCount, info.groupColumns, info.slots) = (1, groups(false, 9), 8);
        if (statement == Statements.OPTIMUM) {
            (info.inputCount, info.groupColumns, info.slots, info.regBias) = (29, groups(false, 9), 8, true);
        }
        if (statement == Statements.EVALUATION) (info.inputCount, info.groupColumns) = (3, groups(true, 1));
        if (statement == Statements.SERVICE) {
            (info.inputCount, info.groupColumns, info.slots) = (49, groups(false, 1), 16);
        }
        for (uint256 i = 0; i < info.groupColumns.length; ++i) {
            info.proofLength += uint32(info.groupColumns[i]) * 64;
        }
        info.proofLength += 64;
    }

    function groups(bool records, uint256 others) internal pure returns (uint16[] memory columns) {
        columns = new uint16[](records ? 1 + others : others);
        for (uint256 i = 0; i < columns.length; ++i) {
            columns[i] = records && i == 0 ? uint16(COLUMNS) : 1;
        }
    }

    /// Points that stand for the commitments of something named `seed`.
    function points(bytes32 seed, uint256 count) internal pure returns (bytes memory out) {
        for (uint256 i = 0; i < 2 * count; ++i) {
            uint256 coordinate = uint256(keccak256(abi.encode(seed, i))) % Statements.COORDINATE_MODULUS;
            out = abi.encodePacked(out, coordinate);
        }
    }

    function recordsDigest(bytes32 seed) internal pure returns (bytes32) {
        return keccak256(points(seed, COLUMNS));
    }

    function pointDigest(bytes32 seed) internal pure returns (bytes32) {
        return keccak256(points(seed, 1));
    }

    /// Ends a proof and lets the verifier accept it with these inputs.
    function accepted(uint256[] memory inputs, bytes memory committed) internal returns (Proof memory proof) {
        proof = Proof({inputs: inputs, proof: abi.encodePacked(committed, points("rest", 1))});
        verifier.commit(proof.inputs, proof.proof);
    }

    function accept(Proof memory proof) internal {
        verifier.commit(proof.inputs, proof.proof);
    }

    // ---- datasets ------------------------------------------------------------------------------------------------

    function terms() internal pure returns (IDatasetRegistry.RegisterParams memory) {
        return IDatasetRegistry.RegisterParams({schemaId: SCHEMA, minDataBps: 5000, openTraining: false});
    }

    function shardProof(address owner, bytes32 seed, uint32 index, uint32 count, uint64 records)
        internal
        returns (IDatasetRegistry.ShardProof memory shard)
    {
        uint256[] memory inputs = new uint256[](2);
        inputs[Statements.CTX] = datasets.shardContext(owner, terms(), layoutHash, index, count, records);
        inputs[Statements.DATASET_N] = records;
        Proof memory proof = accepted(inputs, points(seed, COLUMNS));
        shard = IDatasetRegistry.ShardProof({circuitId: datasetCircuit, inputs: proof.inputs, proof: proof.proof});
    }

    function adaShards() internal returns (IDatasetRegistry.ShardProof[] memory shards) {
        shards = new IDatasetRegistry.ShardProof[](2);
        shards[0] = shardProof(ADA, "ada 0", 0, 2, 900);
        shards[1] = shardProof(ADA, "ada 1", 1, 2, 400);
    }

    function benShards() internal returns (IDatasetRegistry.ShardProof[] memory shards) {
        shards = new IDatasetRegistry.ShardProof[](1);
        shards[0] = shardProof(BEN, "ben 0", 0, 1, 297);
    }

    function registerDatasets() internal {
        IDatasetRegistry.ShardProof[] memory shards = adaShards();
        vm.prank(ADA);
        adaSet = datasets.register(terms(), shards);
        shards = benShards();
        vm.prank(BEN);
        benSet = datasets.register(terms(), shards);
    }

    function grantTo(address owner) internal {
        vm.prank(ADA);
        datasets.grantTraining(adaSet, owner, 2, uint64(block.timestamp + 1 days));
        vm.prank(BEN);
        datasets.grantTraining(benSet, owner, 2, uint64(block.timestamp + 1 days));
    }

    // ---- agents --------------------------------------------------------------------------------------------------

    function versionParams() internal view returns (IAgentRegistry.VersionParams memory params) {
        params.datasetIds = new bytes32[](2);
        (params.datasetIds[0], params.datasetIds[1]) = (adaSet, benSet);
        params.dims = IAgentRegistry.Layout({k: 15, columns: 8, features: 64, classes: 10, task: 0, saltRows: 1024});
        params.lambda = LAMBDA;
        params.link = 3;
        params.regBias = true;
        params.dataBps = DATA_BPS;
        params.wDigest = pointDigest(W);
        params.gradientCircuitId = gradientCircuit;
        params.optimumCircuitId = optimumCircuit;
        params.serviceCircuitId = serviceCircuit;
        params.modelHash = sha256("agent.onnx");
    }

    function proposeVersion() internal {
        registerDatasets();
        grantTo(OLGA);
        vm.prank(OLGA);
        agent = agents.createAgent("digits");
        IAgentRegistry.VersionParams memory params = versionParams();
        vm.prank(OLGA);
        version = agents.proposeVersion(agent, params);
    }

    function shardSeed(uint256 slot) internal pure returns (bytes32) {
        return [bytes32("ada 0"), "ada 1", "ben 0"][slot];
    }

    function gradientSeed(uint256 slot) internal pure returns (bytes32) {
        return keccak256(abi.encode("gradient", slot));
    }

    function honestGradient(uint256 slot) internal returns (Proof memory) {
        uint256[] memory inputs = new uint256[](1);
        inputs[Statements.CTX] = agents.gradientContext(agent, version, slot);
        return accepted(
            inputs, abi.encodePacked(points(shardSeed(slot), COLUMNS), points(W, 1), points(gradientSeed(slot), 1))
        );
    }

    function submitGradients() internal {
        for (uint256 slot = 0; slot < 3; ++slot) {
            Proof memory proof = honestGradient(slot);
            agents.submitGradient(agent, version, slot, proof.inputs, proof.proof);
        }
    }

    function optimumInputs() internal view returns (uint256[] memory inputs) {
        inputs = new uint256[](Statements.OPTIMUM_INPUTS);
        inputs[Statements.CTX] = agents.optimumContext(agent, version);
        inputs[Statements.OPTIMUM_N] = 900 + 400 + 297;
        inputs[Statements.OPTIMUM_LAMBDA] = LAMBDA;
        inputs[Statements.OPTIMUM_EPSILON] = EPSILON;
        inputs[Statements.OPTIMUM_NORM] = NORM;
        for (uint256 slot = 0; slot < 3; ++slot) {
            inputs[Statements.OPTIMUM_ACTIVE + slot] = 1;
        }
        inputs[Statements.OPTIMUM_JOIN + 1] = 1;
        inputs[Statements.OPTIMUM_SHARE + 1] = field(SHARE_ADA);
        inputs[Statements.OPTIMUM_SHARE + 2] = field(SHARE_BEN);
    }

    /// The optimum proof's committed points with gradient `seeds[slot]` in each slot.
    function optimumPoints(bytes32 weights, bytes32[8] memory seeds) internal pure returns (bytes memory out) {
        out = points(weights, 1);
        for (uint256 slot = 0; slot < 8; ++slot) {
            out = abi.encodePacked(out, points(seeds[slot], 1));
        }
    }

    function optimumSeeds() internal pure returns (bytes32[8] memory seeds) {
        for (uint256 slot = 0; slot < 8; ++slot) {
            seeds[slot] = slot < 3 ? gradientSeed(slot) : keccak256(abi.encode("idle", slot));
        }
    }

    function optimumWith(uint256[] memory inputs) internal returns (Proof memory) {
        return accepted(inputs, optimumPoints(W, optimumSeeds()));
    }

    function certifyWith(Proof memory proof) internal {
        agents.certify(agent, version, proof.inputs, proof.proof);
    }

    function certifiedAgent() internal {
        proposeVersion();
        submitGradients();
        certifyWith(optimumWith(optimumInputs()));
    }

    function field(int256 value) internal pure returns (uint256) {
        return value < 0 ? R - uint256(-value) : uint256(value);
    }

    // ---- sessions ------------------------------------------------------------------------------------------------

    struct Slot {
        bytes32 session;
        uint256 after_;
        uint256 queries;
    }

    function openParams() internal view returns (ISessionEscrow.OpenParams memory) {
        return ISessionEscrow.OpenParams({
            agentId: agent, version: version, pricePerQuery: PRICE, escrow: ESCROW, sessionKey: vm.addr(SESSION_KEY)
        });
    }

    function fund(address client, address spender) internal {
        token.mint(client, ESCROW);
        vm.prank(client);
        token.approve(spender, ESCROW);
    }

    function openSession(address client) internal returns (bytes32 session) {
        fund(client, address(escrow));
        ISessionEscrow.OpenParams memory params = openParams();
        vm.prank(client);
        session = escrow.open(params);
    }

    /// Voucher and inputs of one more proven stretch of each session, all as the contract expects.
    function honestBatch(Slot[] memory slots) internal returns (ISessionEscrow.ClaimBatch memory batch) {
        batch.agentId = agent;
        batch.version = version;
        batch.inputs = new uint256[](Statements.SERVICE_INPUTS);
        batch.slots = new ISessionEscrow.SlotVoucher[](slots.length);
        bytes32[] memory sessions = new bytes32[](slots.length);
        for (uint256 i = 0; i < slots.length; ++i) {
            ISessionEscrow.Session memory stored = escrow.getSession(slots[i].session);
            sessions[i] = slots[i].session;
            batch.inputs[Statements.SERVICE_BEFORE + i] = stored.transcript;
            batch.inputs[Statements.SERVICE_AFTER + i] = slots[i].after_;
            batch.inputs[Statements.SERVICE_COUNT + i] = slots[i].queries;
            batch.slots[i] =
                signedVoucher(slots[i].session, version, stored.count + uint64(slots[i].queries), slots[i].after_);
        }
        batch.inputs[Statements.CTX] = escrow.serviceContext(sessions);
        proveBatch(batch);
    }

    /// Lets the verifier accept whatever inputs the batch has, for the certified weights.
    function proveBatch(ISessionEscrow.ClaimBatch memory batch) internal {
        batch.proof = accepted(batch.inputs, points(W, 1)).proof;
    }

    function signedVoucher(bytes32 session, uint32 version_, uint64 count, uint256 transcript)
        internal
        view
        returns (ISessionEscrow.SlotVoucher memory)
    {
        bytes memory signature = sign(SESSION_KEY, escrow.voucherDigest(session, version_, count, transcript));
        return
            ISessionEscrow.SlotVoucher({session: session, count: count, transcript: transcript, signature: signature});
    }

    function oneSlot(bytes32 session, uint256 after_, uint256 queries) internal pure returns (Slot[] memory slots) {
        slots = new Slot[](1);
        slots[0] = Slot({session: session, after_: after_, queries: queries});
    }

    function one(ISessionEscrow.ClaimBatch memory batch)
        internal
        pure
        returns (ISessionEscrow.ClaimBatch[] memory batches)
    {
        batches = new ISessionEscrow.ClaimBatch[](1);
        batches[0] = batch;
    }

    function claimAs(address operator, ISessionEscrow.ClaimBatch[] memory batches) internal {
        vm.prank(operator);
        escrow.claim(batches);
    }

    function sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    /// Everything money depends on, in one hash: two equal hashes mean that nothing moved.
    function moneyState(bytes32[] memory sessions) internal view returns (bytes32) {
        bytes memory all = abi.encode(
            token.balanceOf(address(escrow)),
            escrow.liabilities(),
            escrow.totalRewards(),
            escrow.dataAccrued(agent, version),
            escrow.ownerDue(agent, version)
        );
        for (uint256 i = 0; i < sessions.length; ++i) {
            all = abi.encode(all, escrow.getSession(sessions[i]));
        }
        return keccak256(all);
    }
}
