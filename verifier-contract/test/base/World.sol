// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {AgentRegistry} from "../../src/AgentRegistry.sol";
import {AgreedWeights} from "../../src/AgreedWeights.sol";
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
import {Life} from "./Life.sol";

/// All contracts, the circuits of one layout (k = 15, A = 8, d = 64, c = 10), and an honest path through the life
/// cycle: Ada's dataset of two shards (900 + 400 records), Ben's of one (297), Olga's softmax agent on both, Cleo as
/// client.
///
/// Every `honest…` function returns inputs and a proof that the verifier would accept; an attack changes them.
abstract contract World is Life {
    uint256 internal constant COLUMNS = 9; // A + 1
    uint256 internal constant R = Statements.FIELD_MODULUS;
    uint64 internal constant LAMBDA = 17_592_186; // 1e-6
    uint256 internal constant EPSILON = 4000; // 2.3e-10
    uint256 internal constant DELTA = 6528; // 2^-36·√(10·65), rounded up, and one
    uint256 internal constant NORM = 15_872; // 15.5
    uint256 internal constant RECORDS = 900 + 400 + 297;
    bytes32 internal constant SRS = "srs";
    bytes32 internal constant SCHEMA = "schema";
    bytes32 internal constant W = "weights";
    // Contributions in units of 2^-45; together a little above nλ‖W‖² = 1.35e13.
    int256 internal constant N_ADA = 6e12 + 31e11;
    int256 internal constant N_BEN = 45e11;
    uint256 internal constant N_ALL = 136e11;
    address internal immutable ADA = vm.addr(0xada);
    address internal immutable BEN = vm.addr(0xbe);
    address internal immutable OLGA = vm.addr(0x016a);
    address internal immutable CLEO = vm.addr(0xc1e0);
    address internal immutable MALLORY = vm.addr(0xbad);
    address internal immutable GUARDIAN = vm.addr(0x9a);
    CommittedVerifier internal verifier;
    bytes32 internal layoutHash;

    function setUp() public virtual {
        vm.warp(1_800_000_000);
        token = newToken();
        deployContracts();
    }

    /// Everything but the token, and the circuits.
    function deployContracts() internal {
        verifier = new CommittedVerifier();
        gate = new ProofGate(address(this), GUARDIAN);
        datasets = new DatasetRegistry(gate, IERC20(address(token)));
        agents = new AgentRegistry(gate, datasets);
        datasets.bindAgentRegistry(address(agents));
        weights = new AgreedWeights(agents, CHALLENGE);
        escrow = newEscrow(IERC20(address(token)));
        weights.bindEscrow(address(escrow));

        layoutHash = Statements.layoutHashOf(15, 8, 64, 10, 0, 1024, 0);
        datasetCircuit = gate.addCircuit(circuitInfo(Statements.DATASET));
        gradientCircuit = gate.addCircuit(circuitInfo(Statements.GRADIENT));
        optimumCircuit = gate.addCircuit(circuitInfo(Statements.OPTIMUM));
        serviceCircuit = gate.addCircuit(circuitInfo(Statements.SERVICE));
    }

    function newToken() internal virtual returns (TestToken) {
        return new TestToken();
    }

    function newEscrow(IERC20 erc20) internal returns (SessionEscrow) {
        return new SessionEscrow(erc20, gate, agents, datasets, weights, THAW, address(this));
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
            (info.inputCount, info.groupColumns, info.link) = (2, groups(true, 2), 3);
        }
        if (statement == Statements.OPTIMUM) (info.inputCount, info.groupColumns) = (5, groups(false, 2));
        if (statement == Statements.EVALUATION) {
            (info.inputCount, info.groupColumns, info.link) = (4, groups(true, 1), 3);
        }
        if (statement == Statements.SERVICE) (info.inputCount, info.groupColumns) = (49, groups(false, 1));
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

    /// Points used as the commitments of an item named `seed`.
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

    function terms() internal pure returns (IDatasetRegistry.Terms memory) {
        return
            IDatasetRegistry.Terms({
                minDataBps: 5000, openTraining: false, minShareBps: 0, minPricePerQuery: 0, links: 0
            });
    }

    function registerParams() internal view returns (IDatasetRegistry.RegisterParams memory) {
        return IDatasetRegistry.RegisterParams({schemaId: SCHEMA, circuitId: datasetCircuit, terms: terms()});
    }

    function shardProof(
        address owner,
        IDatasetRegistry.RegisterParams memory params,
        bytes32 seed,
        uint32 index,
        uint64 records
    ) internal returns (IDatasetRegistry.ShardProof memory shard) {
        uint256[] memory inputs = new uint256[](2);
        inputs[Statements.CTX] = datasets.shardContext(owner, params, layoutHash, index, records);
        inputs[Statements.DATASET_N] = records;
        Proof memory proof = accepted(inputs, points(seed, COLUMNS));
        shard = IDatasetRegistry.ShardProof({inputs: proof.inputs, proof: proof.proof});
    }

    function shardProof(address owner, bytes32 seed, uint32 index, uint64 records)
        internal
        returns (IDatasetRegistry.ShardProof memory)
    {
        return shardProof(owner, registerParams(), seed, index, records);
    }

    function oneShard(IDatasetRegistry.ShardProof memory shard)
        internal
        pure
        returns (IDatasetRegistry.ShardProof[] memory shards)
    {
        shards = new IDatasetRegistry.ShardProof[](1);
        shards[0] = shard;
    }

    function adaShards() internal returns (IDatasetRegistry.ShardProof[] memory shards) {
        shards = new IDatasetRegistry.ShardProof[](2);
        shards[0] = shardProof(ADA, "ada 0", 0, 900);
        shards[1] = shardProof(ADA, "ada 1", 1, 400);
    }

    function benShards() internal returns (IDatasetRegistry.ShardProof[] memory shards) {
        return oneShard(shardProof(BEN, "ben 0", 0, 297));
    }

    function registerAs(address owner, IDatasetRegistry.RegisterParams memory params, bytes32 seed, uint64 records)
        internal
        returns (bytes32)
    {
        IDatasetRegistry.ShardProof[] memory shards = oneShard(shardProof(owner, params, seed, 0, records));
        vm.prank(owner);
        return datasets.register(params, shards);
    }

    function registerDatasets() internal {
        IDatasetRegistry.ShardProof[] memory shards = adaShards();
        IDatasetRegistry.RegisterParams memory params = registerParams();
        vm.prank(ADA);
        adaSet = datasets.register(params, shards);
        shards = benShards();
        vm.prank(BEN);
        benSet = datasets.register(params, shards);
    }

    function grantTo(address owner) internal {
        IDatasetRegistry.GrantTerms memory grant = grantTerms(2);
        vm.prank(ADA);
        datasets.grantTraining(adaSet, owner, grant);
        vm.prank(BEN);
        datasets.grantTraining(benSet, owner, grant);
    }

    // ---- agents --------------------------------------------------------------------------------------------------

    function versionParams() internal view returns (IAgentRegistry.VersionParams memory params) {
        params.dims = IAgentRegistry.Layout({
            k: 15, columns: 8, features: 64, classes: 10, task: 0, saltRows: 1024, interceptScale: 0
        });
        params.lambda = LAMBDA;
        params.link = 3;
        params.dataBps = DATA_BPS;
        params.pricePerQuery = PRICE;
        params.wDigest = pointDigest(W);
        params.gradientCircuitId = gradientCircuit;
        params.optimumCircuitId = optimumCircuit;
        params.serviceCircuitId = serviceCircuit;
        params.modelHash = sha256("agent.onnx");
    }

    function createAgent() internal {
        registerDatasets();
        grantTo(OLGA);
        vm.prank(OLGA);
        agent = agents.createAgent("digits", "https://digits.example");
    }

    function draft(IAgentRegistry.VersionParams memory params) internal returns (uint32) {
        vm.prank(OLGA);
        return agents.propose(agent, params);
    }

    function list(uint32 version_, bytes32[] memory ids) internal {
        vm.prank(OLGA);
        agents.addDatasets(agent, version_, ids);
    }

    function close(uint32 version_) internal {
        vm.prank(OLGA);
        agents.close(agent, version_);
    }

    /// A closed version of these datasets.
    function closed(IAgentRegistry.VersionParams memory params, bytes32[] memory ids) internal returns (uint32 made) {
        made = draft(params);
        list(made, ids);
        close(made);
    }

    function closedVersion() internal {
        createAgent();
        version = closed(versionParams(), bothSets());
    }

    /// Ada's two shards and Ben's one, in this order.
    function shardSeed(uint256 which) internal pure returns (bytes32) {
        return [bytes32("ada 0"), "ada 1", "ben 0"][which];
    }

    function contribution(uint256 which) internal pure returns (int256) {
        return [int256(6e12), 31e11, N_BEN][which];
    }

    /// A point on the curve, as sums need: `scalar` times the generator.
    function curvePoint(uint256 scalar) internal view returns (bytes memory) {
        (bool ok, bytes memory point) = address(7).staticcall(abi.encode(1, 2, scalar));
        assertTrue(ok && point.length == 64, "a point");
        return point;
    }

    /// The discrete logarithm used for a shard's committed gradient.
    function gradientScalar(bytes32 seed) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode("gradient", seed))) % R;
    }

    /// A gradient proof of a shard committed as `seed`.
    function gradientOf(bytes32 datasetId, uint32 shard, bytes32 seed, int256 n)
        internal
        returns (IAgentRegistry.GradientProof memory)
    {
        return gradientWith(datasetId, shard, seed, n, gradientScalar(seed));
    }

    function gradientWith(bytes32 datasetId, uint32 shard, bytes32 seed, int256 n, uint256 scalar)
        internal
        returns (IAgentRegistry.GradientProof memory)
    {
        uint256[] memory inputs = new uint256[](2);
        inputs[Statements.CTX] = agents.gradientContext(agent, version, datasetId, shard);
        inputs[Statements.GRADIENT_CONTRIBUTION] = field(n);
        Proof memory proof = accepted(inputs, abi.encodePacked(points(seed, COLUMNS), points(W, 1), curvePoint(scalar)));
        return
            IAgentRegistry.GradientProof({datasetId: datasetId, shard: shard, inputs: proof.inputs, proof: proof.proof});
    }

    function honestGradient(uint256 which) internal returns (IAgentRegistry.GradientProof memory) {
        bytes32 id = which == 2 ? benSet : adaSet;
        return gradientOf(id, which == 1 ? 1 : 0, shardSeed(which), contribution(which));
    }

    function gradients1(IAgentRegistry.GradientProof memory proof)
        internal
        pure
        returns (IAgentRegistry.GradientProof[] memory proofs)
    {
        proofs = new IAgentRegistry.GradientProof[](1);
        proofs[0] = proof;
    }

    function addGradient(IAgentRegistry.GradientProof memory proof) internal {
        agents.addGradients(agent, version, gradients1(proof));
    }

    function addAllGradients() internal {
        IAgentRegistry.GradientProof[] memory proofs = new IAgentRegistry.GradientProof[](3);
        for (uint256 which = 0; which < 3; ++which) {
            proofs[which] = honestGradient(which);
        }
        agents.addGradients(agent, version, proofs);
    }

    function optimumInputs() internal view returns (uint256[] memory inputs) {
        inputs = new uint256[](Statements.OPTIMUM_INPUTS);
        inputs[Statements.CTX] = agents.optimumContext(agent, version);
        inputs[Statements.OPTIMUM_N] = RECORDS;
        inputs[Statements.OPTIMUM_LAMBDA] = LAMBDA;
        inputs[Statements.OPTIMUM_EPSILON] = EPSILON;
        inputs[Statements.OPTIMUM_NORM] = NORM;
    }

    /// The sum of the three shards' gradients.
    function sumScalar() internal pure returns (uint256 sum) {
        for (uint256 which = 0; which < 3; ++which) {
            sum = addmod(sum, gradientScalar(shardSeed(which)), R);
        }
    }

    function optimumWith(uint256[] memory inputs) internal returns (Proof memory) {
        return accepted(inputs, abi.encodePacked(points(W, 1), curvePoint(sumScalar())));
    }

    function certifyWith(Proof memory proof) internal {
        agents.certify(agent, version, proof.inputs, proof.proof);
    }

    function certifiedAgent() internal {
        closedVersion();
        addAllGradients();
        certifyWith(optimumWith(optimumInputs()));
    }

    function field(int256 value) internal pure returns (uint256) {
        return value < 0 ? R - uint256(-value) : uint256(value);
    }

    /// A dataset's part of `toData`.
    function partOf(uint256 toData, int256 n) internal pure returns (uint256) {
        return toData * uint256(n) / N_ALL;
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

    /// Vouchers and inputs of one more proven part of each session, all as the contract expects.
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

    /// Hash of all state that affects money: equal hashes mean that nothing moved.
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
