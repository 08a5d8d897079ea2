// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IAgentRegistry} from "../src/interfaces/IAgentRegistry.sol";
import {IDatasetRegistry} from "../src/interfaces/IDatasetRegistry.sol";
import {IProofGate} from "../src/interfaces/IProofGate.sol";
import {ISessionEscrow} from "../src/interfaces/ISessionEscrow.sol";
import {RealWorld} from "./base/RealWorld.sol";

/// Total cost of every transaction of a life cycle: 21,000, calldata, execution, refunds. Real verifiers and proofs.
/// `docs/gas.md` is written from group `calls`.
contract GasTest is RealWorld {
    uint256 private constant CLEOS_KEY = 0xc1e0;

    function measured(string memory what) private {
        vm.snapshotGasLastCall("calls", what);
    }

    /// forge-config: default.isolate = true
    function test_GasOfEveryCall() public {
        circuits();
        data();
        training();
        opening();
        claiming();
        withdrawing();
    }

    function circuits() private {
        IProofGate.CircuitInfo memory info = loadFixture("gradient-squared").info;
        bytes32 id = gate.addCircuit(info);
        measured("ProofGate.addCircuit");
        gate.raiseGasCap(id, info.gasCap + 1);
        measured("ProofGate.raiseGasCap");
        gate.stop(id);
        measured("ProofGate.stop");
    }

    function data() private {
        IDatasetRegistry.RegisterParams memory params = registerParams();
        IDatasetRegistry.ShardProof[] memory shards = adaShards();
        vm.prank(ada);
        adaSet = datasets.register(params, shards);
        measured("DatasetRegistry.register, two shards");
        shards = benShards();
        vm.prank(ben);
        benSet = datasets.register(params, shards);
        measured("DatasetRegistry.register, one shard");
        grantAs(ada, adaSet, grantTerms(1));
        measured("DatasetRegistry.grantTraining");
        IDatasetRegistry.GrantTerms memory grant = grantTerms(2);
        (grant.minShareBps, grant.minPricePerQuery, grant.minDataBps) = (500, PRICE, DATA_BPS);
        grantAs(ben, benSet, grant);
        measured("DatasetRegistry.grantTraining, with least terms");
    }

    function training() private {
        vm.prank(olga);
        agent = agents.createAgent("digits", "");
        measured("AgentRegistry.createAgent");
        IAgentRegistry.VersionParams memory params = versionParams();
        vm.prank(olga);
        version = agents.propose(agent, params);
        measured("AgentRegistry.propose");
        bytes32[] memory ids = bothSets();
        vm.prank(olga);
        agents.addDatasets(agent, version, ids);
        measured("AgentRegistry.addDatasets, two");
        vm.prank(olga);
        agents.close(agent, version);
        measured("AgentRegistry.close");
        agents.addGradients(agent, version, allGradients());
        measured("AgentRegistry.addGradients, three shards of two datasets");
        Proof memory proof = proofOf("optimum");
        agents.certify(agent, version, proof.inputs, proof.proof);
        measured("AgentRegistry.certify");
    }

    function opening() private {
        token.mint(cleo, 2 * SESSIONS * ESCROW);
        vm.prank(cleo);
        token.approve(address(escrow), 2 * SESSIONS * ESCROW);
        ISessionEscrow.OpenParams memory params = openParams();
        for (uint256 i = 0; i < SESSIONS; ++i) {
            vm.prank(cleo);
            sessions.push(escrow.open(params));
            if (i == 1) measured("SessionEscrow.open");
        }
        openingBySignature(params);
    }

    /// With a token permit, and by somebody else with the client's authorisation.
    function openingBySignature(ISessionEscrow.OpenParams memory params) private {
        address client = vm.addr(CLEOS_KEY);
        token.mint(client, 3 * ESCROW);
        bytes32 message = keccak256(
            abi.encode(
                keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
                client,
                address(escrow),
                ESCROW,
                0,
                block.timestamp
            )
        );
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(CLEOS_KEY, keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), message)));
        vm.prank(client);
        escrow.openWithPermit(params, block.timestamp, v, r, s);
        measured("SessionEscrow.openWithPermit");
        assertEq(escrow.sessionCount(client), 1);

        vm.prank(client);
        token.approve(address(escrow), 2 * ESCROW);
        (v, r, s) = vm.sign(CLEOS_KEY, escrow.openDigest(client, params, 1, block.timestamp));
        escrow.openFor(client, params, block.timestamp, abi.encodePacked(r, s, v));
        measured("SessionEscrow.openFor");
        assertEq(escrow.sessionCount(client), 2);
    }

    function claiming() private {
        ISessionEscrow.ClaimBatch[] memory batches = new ISessionEscrow.ClaimBatch[](1);
        batches[0] = batchOf("claim-ten", all());
        vm.prank(olga);
        escrow.claim(batches);
        measured("SessionEscrow.claim, ten sessions");
        batches[0] = batchOf("claim-one", only(continued));
        vm.prank(olga);
        escrow.claim(batches);
        measured("SessionEscrow.claim, one session");
    }

    function topAndSettle() private {
        token.mint(cleo, ESCROW);
        vm.prank(cleo);
        token.approve(address(escrow), ESCROW);
        vm.prank(cleo);
        escrow.topUp(sessions[0], ESCROW);
        measured("SessionEscrow.topUp");
        address client = vm.addr(CLEOS_KEY);
        bytes32 session = escrow.sessionIdOf(client, 0);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(CLEOS_KEY, escrow.settlementDigest(session, 5));
        escrow.settle(session, 5, abi.encodePacked(r, s, v));
        measured("SessionEscrow.settle");
    }

    function withdrawing() private {
        vm.prank(ada);
        escrow.withdrawProvider(agent, version, adaSet);
        measured("SessionEscrow.withdrawProvider");
        vm.prank(olga);
        escrow.withdrawOwner(agent, version);
        measured("SessionEscrow.withdrawOwner");
        topAndSettle();
        vm.prank(cleo);
        escrow.requestThaw(sessions[0], type(uint128).max);
        measured("SessionEscrow.requestThaw");
        vm.warp(block.timestamp + THAW);
        vm.prank(cleo);
        escrow.withdrawThawed(sessions[0]);
        measured("SessionEscrow.withdrawThawed");
        escrow.pause();
        measured("SessionEscrow.pause");
    }

    function two(bytes memory a, bytes memory b) private pure returns (bytes[] memory calls) {
        calls = new bytes[](2);
        (calls[0], calls[1]) = (a, b);
    }

    /// From registration to certificate in as few transactions as the parties can make: two providers, who register and
    /// grant, the owner, who creates, proposes, lists and closes, and anybody who submits gradients and optimum.
    /// forge-config: default.isolate = true
    function test_GasOfALifeInFewTransactions() public {
        uint256 sum = 0;
        IDatasetRegistry.RegisterParams memory params = registerParams();
        IDatasetRegistry.GrantTerms memory grant = grantTerms(1);
        (adaSet, benSet) = (lifeSet(".adaSet"), lifeSet(".benSet"));
        bytes[] memory calls = two(
            abi.encodeCall(datasets.register, (params, adaShards())),
            abi.encodeCall(datasets.grantTraining, (adaSet, olga, grant))
        );
        vm.prank(ada);
        datasets.multicall(calls);
        sum += vm.snapshotGasLastCall("life", "register two shards and grant");
        calls = two(
            abi.encodeCall(datasets.register, (params, benShards())),
            abi.encodeCall(datasets.grantTraining, (benSet, olga, grant))
        );
        vm.prank(ben);
        datasets.multicall(calls);
        sum += vm.snapshotGasLastCall("life", "register one shard and grant");

        (agent, version) = (agents.agentIdOf(olga, 0), 1);
        calls = new bytes[](4);
        calls[0] = abi.encodeCall(agents.createAgent, ("digits", ""));
        calls[1] = abi.encodeCall(agents.propose, (agent, versionParams()));
        calls[2] = abi.encodeCall(agents.addDatasets, (agent, version, bothSets()));
        calls[3] = abi.encodeCall(agents.close, (agent, version));
        vm.prank(olga);
        agents.multicall(calls);
        sum += vm.snapshotGasLastCall("life", "create, propose, list two datasets, close");
        Proof memory proof = proofOf("optimum");
        agents.addGradientsAndCertify(agent, version, allGradients(), proof.inputs, proof.proof);
        sum += vm.snapshotGasLastCall("life", "add three gradients and certify");
        vm.snapshotValue("life", "sum", sum);
        assertTrue(agents.isCertified(agent, version), "certified");
    }

    /// Gas of a check: the gate's overhead, the verifier's own, and the total that a calling contract pays.
    function test_GasOfChecks() public {
        string[7] memory names = [
            "dataset", "gradient-softmax", "gradient-logistic", "gradient-squared", "optimum", "evaluation", "service"
        ];
        for (uint256 i = 0; i < names.length; ++i) {
            Fixture memory fixture = loadFixture(names[i]);
            bytes memory data_ = callDataOf(fixture);
            address verifier = fixture.info.verifier;
            uint256 before = gasleft();
            (bool accepted,) = verifier.staticcall(data_);
            uint256 spent = before - gasleft();
            assertTrue(accepted, names[i]);
            vm.snapshotValue("verifiers", string.concat(names[i], ": gas"), spent);
            vm.snapshotValue("verifiers", string.concat(names[i], ": bytes"), verifier.code.length);
            bytes32 id = gate.circuitIdOf(fixture.info);
            try gate.circuit(id) {}
            catch {
                gate.addCircuit(fixture.info);
            }
            gate.check(id, fixture.inputs, fixture.proof);
            measuredCheck(names[i]);
        }
    }

    /// The cost of a proof checked together with others: the pairing is paid once.
    function test_GasOfCheckingTogether() public {
        string[4] memory names = ["gradient-softmax", "gradient-softmax", "gradient-softmax", "optimum"];
        IProofGate.CircuitProof[] memory proofs = new IProofGate.CircuitProof[](0);
        for (uint256 i = 0; i < names.length; ++i) {
            Fixture memory fixture = loadFixture(names[i]);
            IProofGate.CircuitProof[] memory more = new IProofGate.CircuitProof[](i + 1);
            for (uint256 j = 0; j < i; ++j) {
                more[j] = proofs[j];
            }
            more[i] = IProofGate.CircuitProof(gate.circuitIdOf(fixture.info), fixture.inputs, fixture.proof);
            proofs = more;
            gate.checkAll(proofs);
            measuredTogether(i);
        }
    }

    function measuredTogether(uint256 others) private {
        string[4] memory names =
            ["one gradient", "two gradients", "three gradients", "three gradients and their optimum"];
        vm.snapshotGasLastCall("together", names[others]);
    }

    function measuredCheck(string memory name) private {
        vm.snapshotGasLastCall("checks", name);
    }
}
