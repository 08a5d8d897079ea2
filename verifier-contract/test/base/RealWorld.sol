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
import {ISessionEscrow} from "../../src/interfaces/ISessionEscrow.sol";
import {Statements} from "../../src/libraries/Statements.sol";
import {TestToken} from "../../src/tokens/TestToken.sol";
import {Fixtures} from "./Fixtures.sol";
import {Life} from "./Life.sol";

/// All contracts with our own verifiers and the proofs of `life.json`, which were made for these addresses and this chain:
/// Ada's dataset of two shards, Ben's of one, Olga's softmax agent on both, Cleo as client. No stand-ins anywhere.
abstract contract RealWorld is Fixtures, Life {
    uint256 internal constant SESSIONS = 10;
    string private life;
    address internal ada;
    address internal ben;
    address internal olga;
    address internal cleo;
    /// The session that `claim-one` continues, and the one whose query `claim-cheated` has answered by other weights.
    uint256 internal continued;
    uint256 internal cheated;
    bytes32[] internal sessions;

    function setUp() public virtual {
        currentFixtures();
        life = readFixture("life");
        vm.warp(1_800_000_000);
        assertEq(block.chainid, vm.parseJsonUint(life, ".chainId"));
        (ada, ben, olga, cleo) = (party(".ada"), party(".ben"), party(".olga"), party(".cleo"));
        (continued, cheated) = (vm.parseJsonUint(life, ".continued"), vm.parseJsonUint(life, ".cheated"));
        deployContracts(party(".deployer"));
        datasetCircuit = gate.addCircuit(loadFixture("dataset").info);
        gradientCircuit = gate.addCircuit(loadFixture("gradient-softmax").info);
        optimumCircuit = gate.addCircuit(loadFixture("optimum").info);
        serviceCircuit = gate.addCircuit(loadFixture("service").info);
    }

    function party(string memory key) private view returns (address) {
        return vm.parseJsonAddress(life, key);
    }

    /// In the order that gives them the addresses the proofs were made for.
    function deployContracts(address deployer) private {
        vm.prank(deployer);
        token = new TestToken();
        vm.prank(deployer);
        gate = new ProofGate(address(this), address(this));
        vm.prank(deployer);
        datasets = new DatasetRegistry(gate, IERC20(address(token)));
        vm.prank(deployer);
        agents = new AgentRegistry(gate, datasets);
        weights = new AgreedWeights(agents, CHALLENGE);
        vm.prank(deployer);
        escrow = new SessionEscrow(IERC20(address(token)), gate, agents, datasets, weights, THAW, address(this));
        vm.prank(deployer);
        datasets.bindAgentRegistry(address(agents));
        weights.bindEscrow(address(escrow));
        assertEq(address(datasets), party(".datasetRegistry"));
        assertEq(address(agents), party(".agentRegistry"));
        assertEq(address(escrow), party(".sessionEscrow"));
    }

    function lifeSet(string memory key) internal view returns (bytes32) {
        return vm.parseJsonBytes32(life, key);
    }

    function lifeUint(string memory key) internal view returns (uint256) {
        return vm.parseJsonUint(life, key);
    }

    /// Digest of the weights called `name`: tilted, diluted, ground or outvoted.
    function weightsOf(string memory name) internal view returns (bytes32) {
        return vm.parseJsonBytes32(life, string.concat(".", name, "Weights"));
    }

    function proofOf(string memory name) internal view returns (Proof memory proof) {
        string memory key = string.concat(".proofs.", name);
        proof.inputs = vm.parseJsonUintArray(life, string.concat(key, ".inputs"));
        proof.proof = vm.parseJsonBytes(life, string.concat(key, ".proof"));
    }

    // ---- datasets ------------------------------------------------------------------------------------------------

    function registerParams() internal view returns (IDatasetRegistry.RegisterParams memory) {
        return IDatasetRegistry.RegisterParams({
            schemaId: vm.parseJsonBytes32(life, ".schemaId"),
            circuitId: datasetCircuit,
            terms: IDatasetRegistry.Terms({
                minDataBps: uint16(vm.parseJsonUint(life, ".minDataBps")),
                openTraining: false,
                minShareBps: 0,
                minPricePerQuery: 0,
                links: 0
            })
        });
    }

    function shard(string memory name) internal view returns (IDatasetRegistry.ShardProof memory) {
        Proof memory proof = proofOf(name);
        return IDatasetRegistry.ShardProof({inputs: proof.inputs, proof: proof.proof});
    }

    function adaShards() internal view returns (IDatasetRegistry.ShardProof[] memory shards) {
        shards = new IDatasetRegistry.ShardProof[](2);
        (shards[0], shards[1]) = (shard("ada-0"), shard("ada-1"));
    }

    function benShards() internal view returns (IDatasetRegistry.ShardProof[] memory shards) {
        shards = new IDatasetRegistry.ShardProof[](1);
        shards[0] = shard("ben-0");
    }

    function registerAs(address owner, IDatasetRegistry.ShardProof[] memory shards) internal returns (bytes32) {
        IDatasetRegistry.RegisterParams memory params = registerParams();
        vm.prank(owner);
        return datasets.register(params, shards);
    }

    function registerDatasets() internal {
        adaSet = registerAs(ada, adaShards());
        benSet = registerAs(ben, benShards());
        assertEq(adaSet, vm.parseJsonBytes32(life, ".adaSet"));
        assertEq(benSet, vm.parseJsonBytes32(life, ".benSet"));
    }

    function grantAs(address owner, bytes32 id, IDatasetRegistry.GrantTerms memory grant) internal {
        vm.prank(owner);
        datasets.grantTraining(id, olga, grant);
    }

    function grantAll() internal {
        grantAs(ada, adaSet, grantTerms(1));
        grantAs(ben, benSet, grantTerms(2));
    }

    // ---- agents --------------------------------------------------------------------------------------------------

    function versionParams() internal view returns (IAgentRegistry.VersionParams memory params) {
        uint256[] memory dims = vm.parseJsonUintArray(life, ".dims");
        params.dims = IAgentRegistry.Layout({
            k: uint32(dims[0]),
            columns: uint32(dims[1]),
            features: uint32(dims[2]),
            classes: uint32(dims[3]),
            task: uint32(dims[4]),
            saltRows: uint32(dims[5]),
            interceptScale: uint32(dims[6])
        });
        params.lambda = uint64(vm.parseJsonUint(life, ".lambda"));
        params.link = 3;
        params.dataBps = DATA_BPS;
        params.pricePerQuery = PRICE;
        params.wDigest = vm.parseJsonBytes32(life, ".weights");
        params.gradientCircuitId = gradientCircuit;
        params.optimumCircuitId = optimumCircuit;
        params.serviceCircuitId = serviceCircuit;
        params.modelHash = sha256("agent.onnx");
    }

    /// A second version on Ben's records alone, with weights that are a little off their optimum.
    function tiltedParams() internal view returns (IAgentRegistry.VersionParams memory params) {
        params = versionParams();
        params.wDigest = vm.parseJsonBytes32(life, ".tiltedWeights");
    }

    function draft(IAgentRegistry.VersionParams memory params, bytes32[] memory ids) internal returns (uint32 made) {
        vm.prank(olga);
        made = agents.propose(agent, params);
        vm.prank(olga);
        agents.addDatasets(agent, made, ids);
    }

    function closed(IAgentRegistry.VersionParams memory params, bytes32[] memory ids) internal returns (uint32 made) {
        made = draft(params, ids);
        vm.prank(olga);
        agents.close(agent, made);
    }

    function createAgent() internal {
        registerDatasets();
        grantAll();
        vm.prank(olga);
        agent = agents.createAgent("digits", "");
        assertEq(agent, vm.parseJsonBytes32(life, ".agent"));
    }

    function closeFirst() internal {
        createAgent();
        version = closed(versionParams(), bothSets());
    }

    function gradientOf(bytes32 id, uint32 index, string memory name)
        internal
        view
        returns (IAgentRegistry.GradientProof memory)
    {
        Proof memory proof = proofOf(name);
        return IAgentRegistry.GradientProof({datasetId: id, shard: index, inputs: proof.inputs, proof: proof.proof});
    }

    /// Gradient proof `gradient-0`, `-1` or `-2`: of Ada's two shards and Ben's.
    function gradient(uint256 which) internal view returns (IAgentRegistry.GradientProof memory) {
        string memory name = string.concat("gradient-", vm.toString(which));
        return which == 2 ? gradientOf(benSet, 0, name) : gradientOf(adaSet, uint32(which), name);
    }

    function add(uint32 version_, IAgentRegistry.GradientProof memory proof) internal {
        IAgentRegistry.GradientProof[] memory proofs = new IAgentRegistry.GradientProof[](1);
        proofs[0] = proof;
        agents.addGradients(agent, version_, proofs);
    }

    function allGradients() internal view returns (IAgentRegistry.GradientProof[] memory proofs) {
        proofs = new IAgentRegistry.GradientProof[](3);
        for (uint256 i = 0; i < 3; ++i) {
            proofs[i] = gradient(i);
        }
    }

    function certify(uint32 version_, string memory name) internal {
        Proof memory proof = proofOf(name);
        agents.certify(agent, version_, proof.inputs, proof.proof);
    }

    function certifiedAgent() internal {
        closeFirst();
        agents.addGradients(agent, version, allGradients());
        certify(version, "optimum");
    }

    // ---- sessions ------------------------------------------------------------------------------------------------

    function openParams() internal view returns (ISessionEscrow.OpenParams memory) {
        return ISessionEscrow.OpenParams({
            agentId: agent, version: version, pricePerQuery: PRICE, escrow: ESCROW, sessionKey: vm.addr(SESSION_KEY)
        });
    }

    function openAll() internal {
        token.mint(cleo, SESSIONS * ESCROW);
        vm.prank(cleo);
        token.approve(address(escrow), SESSIONS * ESCROW);
        ISessionEscrow.OpenParams memory params = openParams();
        for (uint256 i = 0; i < SESSIONS; ++i) {
            vm.prank(cleo);
            sessions.push(escrow.open(params));
        }
    }

    function all() internal pure returns (uint256[] memory which) {
        which = new uint256[](SESSIONS);
        for (uint256 i = 0; i < SESSIONS; ++i) {
            which[i] = i;
        }
    }

    function only(uint256 session) internal pure returns (uint256[] memory which) {
        which = new uint256[](1);
        which[0] = session;
    }

    /// A service proof with the vouchers that its clients signed: what the proof counts, on top of what is stored.
    function batchOf(string memory name, uint256[] memory which)
        internal
        view
        returns (ISessionEscrow.ClaimBatch memory batch)
    {
        Proof memory proof = proofOf(name);
        (batch.agentId, batch.version, batch.inputs, batch.proof) = (agent, version, proof.inputs, proof.proof);
        batch.slots = new ISessionEscrow.SlotVoucher[](which.length);
        for (uint256 i = 0; i < which.length; ++i) {
            bytes32 session = sessions[which[i]];
            uint64 count = escrow.getSession(session).count + uint64(batch.inputs[Statements.SERVICE_COUNT + i]);
            batch.slots[i] = signedVoucher(session, count, batch.inputs[Statements.SERVICE_AFTER + i]);
        }
    }

    function signedVoucher(bytes32 session, uint64 count, uint256 transcript)
        internal
        view
        returns (ISessionEscrow.SlotVoucher memory)
    {
        bytes32 digest = escrow.voucherDigest(session, version, count, transcript);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(SESSION_KEY, digest);
        return ISessionEscrow.SlotVoucher({
            session: session, count: count, transcript: transcript, signature: abi.encodePacked(r, s, v)
        });
    }

    function claim(ISessionEscrow.ClaimBatch memory batch) internal {
        ISessionEscrow.ClaimBatch[] memory batches = new ISessionEscrow.ClaimBatch[](1);
        batches[0] = batch;
        vm.prank(olga);
        escrow.claim(batches);
    }

    function served() internal {
        certifiedAgent();
        openAll();
    }

    function digestOf(string memory name, uint256 point, uint256 count) internal view returns (bytes32) {
        bytes memory proof = proofOf(name).proof;
        bytes memory group = new bytes(64 * count);
        for (uint256 i = 0; i < group.length; ++i) {
            group[i] = proof[64 * point + i];
        }
        return keccak256(group);
    }
}
