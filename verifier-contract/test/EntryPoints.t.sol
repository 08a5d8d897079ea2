// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IAgentRegistry} from "../src/interfaces/IAgentRegistry.sol";
import {IDatasetRegistry} from "../src/interfaces/IDatasetRegistry.sol";
import {IProofGate} from "../src/interfaces/IProofGate.sol";
import {ISessionEscrow} from "../src/interfaces/ISessionEscrow.sol";
import {ISignedMessages} from "../src/interfaces/ISignedMessages.sol";
import {World} from "./base/World.sol";

/// Every entry point that takes a proof or a signature, with any one word of the proof or any input altered, or signed
/// by anybody else: refused, and no state changes. (For `claim`, `settle`, `evaluate`, `stopUnsound` and
/// `grantTrainingFor` see their other tests.)
contract EntryPointsTest is World {
    uint256 private constant ADA_KEY = 0xada;
    uint256 private constant BEN_KEY = 0xbe;
    uint256 private constant CLEO_KEY = 0xc1e0;

    /// Alters one bit of the proof, or one input, to another value below the modulus; the verifier has not seen it.
    function altered(uint256[] memory inputs, bytes memory proof, uint256 where, uint256 value) private pure {
        where = bound(where, 0, proof.length + inputs.length - 1);
        if (where < proof.length) {
            proof[where] = bytes1(uint8(proof[where]) ^ uint8(1 << (value % 8)));
            return;
        }
        where -= proof.length;
        value = bound(value, 0, R - 1);
        inputs[where] = value == inputs[where] ? addmod(value, 1, R) : value;
    }

    function rejected(bytes32 circuit, bytes memory answer) private pure {
        bytes4 selector = bytes4(answer);
        bool known = selector == IProofGate.PointNotCanonical.selector
            || keccak256(answer) == keccak256(abi.encodeWithSelector(IProofGate.ProofRejected.selector, circuit));
        assertTrue(known, "refused by the gate");
    }

    function testFuzz_Register(uint256 where, uint256 value, bool second) public {
        IDatasetRegistry.ShardProof[] memory shards = adaShards();
        IDatasetRegistry.ShardProof memory shard = shards[second ? 1 : 0];
        altered(shard.inputs, shard.proof, where, value);
        IDatasetRegistry.RegisterParams memory params = registerParams();
        vm.prank(ADA);
        try datasets.register(params, shards) {
            assertTrue(false, "registered");
        } catch (bytes memory answer) {
            rejected(datasetCircuit, answer);
        }
        assertEq(datasets.datasetOfShard(recordsDigest("ada 0")), bytes32(0));
    }

    function testFuzz_Extend(uint256 where, uint256 value) public {
        registerDatasets();
        IDatasetRegistry.ShardProof[] memory more = oneShard(shardProof(ADA, "ada 2", 2, 50));
        altered(more[0].inputs, more[0].proof, where, value);
        vm.prank(ADA);
        try datasets.extend(adaSet, more) {
            assertTrue(false, "extended");
        } catch (bytes memory answer) {
            rejected(datasetCircuit, answer);
        }
        assertEq(datasets.datasetOfShard(recordsDigest("ada 2")), bytes32(0));
    }

    function testFuzz_AddGradients(uint256 which, uint256 where, uint256 value) public {
        closedVersion();
        IAgentRegistry.GradientProof memory proof = honestGradient(which % 3);
        altered(proof.inputs, proof.proof, where, value);
        IAgentRegistry.GradientProof[] memory proofs = gradients1(proof);
        try agents.addGradients(agent, version, proofs) {
            assertTrue(false, "added");
        } catch (bytes memory answer) {
            rejected(gradientCircuit, answer);
        }
        assertEq(agents.getVersion(agent, version).shardsDone, 0);
        addAllGradients();
    }

    function testFuzz_Certify(uint256 where, uint256 value) public {
        closedVersion();
        addAllGradients();
        Proof memory proof = optimumWith(optimumInputs());
        altered(proof.inputs, proof.proof, where, value);
        try agents.certify(agent, version, proof.inputs, proof.proof) {
            assertTrue(false, "certified");
        } catch (bytes memory answer) {
            rejected(optimumCircuit, answer);
        }
        assertTrue(!agents.isCertified(agent, version), "not certified");
    }

    /// Even if the verifier itself is broken, the registry detects any changed input.
    function testFuzz_CertifyWithAForgedProof(uint256 index, uint256 value) public {
        closedVersion();
        addAllGradients();
        uint256[] memory inputs = optimumInputs();
        index = bound(index, 0, 2); // context, records and λ are fixed; ε and norm are what is proven
        value = bound(value, 0, R - 1);
        vm.assume(value != inputs[index]);
        inputs[index] = value;
        Proof memory proof = optimumWith(inputs);
        vm.expectRevert();
        certifyWith(proof);
        assertTrue(!agents.isCertified(agent, version), "not certified");
    }

    function testFuzz_GradientWithAForgedProof(uint256 ctx, uint256 n) public {
        closedVersion();
        IAgentRegistry.GradientProof memory proof = honestGradient(2);
        ctx = bound(ctx, 0, R - 1);
        vm.assume(ctx != proof.inputs[0]);
        (proof.inputs[0], proof.inputs[1]) = (ctx, bound(n, 0, R - 1));
        verifier.commit(proof.inputs, proof.proof);
        IAgentRegistry.GradientProof[] memory proofs = gradients1(proof);
        vm.expectRevert();
        agents.addGradients(agent, version, proofs);
        assertEq(agents.getVersion(agent, version).shardsDone, 0);
    }

    // ---- signatures ----------------------------------------------------------------------------------------------

    function authority(uint256 key, bytes32 digest, uint256 nonce)
        private
        view
        returns (ISignedMessages.Authority memory)
    {
        return ISignedMessages.Authority({nonce: nonce, deadline: block.timestamp, signature: sign(key, digest)});
    }

    function stranger(uint256 key, uint256 owner) private pure returns (uint256) {
        key = bound(key, 1, 1 << 200);
        vm.assume(key != owner);
        return key;
    }

    function digestsOf(bytes32 a, bytes32 b) private pure returns (bytes32[] memory digests) {
        digests = new bytes32[](b == 0 ? 1 : 2);
        digests[0] = recordsDigest(a);
        if (b != 0) digests[1] = recordsDigest(b);
    }

    function testFuzz_RegisterFor(uint256 key, uint256 nonce, bytes calldata junk) public {
        IDatasetRegistry.RegisterParams memory params = registerParams();
        bytes32 digest = datasets.registerDigest(ADA, params, digestsOf("ada 0", "ada 1"), nonce, block.timestamp);
        ISignedMessages.Authority[3] memory signed = [
            authority(stranger(key, ADA_KEY), digest, nonce),
            ISignedMessages.Authority({nonce: nonce, deadline: block.timestamp, signature: junk}),
            authority(ADA_KEY, digest, nonce)
        ];
        IDatasetRegistry.ShardProof[] memory shards = adaShards();
        for (uint256 i = 0; i < 3; ++i) {
            if (i < 2) vm.expectRevert(abi.encodeWithSelector(ISignedMessages.SignatureInvalid.selector, ADA));
            datasets.registerFor(ADA, params, shards, signed[i]);
        }
    }

    function testFuzz_ExtendFor(uint256 key, uint256 nonce, bytes calldata junk) public {
        registerDatasets();
        bytes32 digest = datasets.extendDigest(adaSet, digestsOf("ada 2", 0), nonce, block.timestamp);
        ISignedMessages.Authority[3] memory signed = [
            authority(stranger(key, ADA_KEY), digest, nonce),
            ISignedMessages.Authority({nonce: nonce, deadline: block.timestamp, signature: junk}),
            authority(ADA_KEY, digest, nonce)
        ];
        IDatasetRegistry.ShardProof[] memory more = oneShard(shardProof(ADA, "ada 2", 2, 50));
        for (uint256 i = 0; i < 3; ++i) {
            if (i < 2) vm.expectRevert(abi.encodeWithSelector(ISignedMessages.SignatureInvalid.selector, ADA));
            datasets.extendFor(adaSet, more, signed[i]);
        }
    }

    function testFuzz_AcceptDatasetFor(uint256 key, uint256 nonce, bytes calldata junk) public {
        registerDatasets();
        key = stranger(key, BEN_KEY);
        vm.prank(ADA);
        datasets.offerDataset(adaSet, BEN);
        bytes32 digest = datasets.acceptDigest(adaSet, nonce, block.timestamp);
        ISignedMessages.Authority memory signed = authority(key, digest, nonce);
        bytes memory invalid = abi.encodeWithSelector(ISignedMessages.SignatureInvalid.selector, BEN);
        vm.expectRevert(invalid);
        datasets.acceptDatasetFor(adaSet, signed);
        signed.signature = junk;
        vm.expectRevert(invalid);
        datasets.acceptDatasetFor(adaSet, signed);
        assertEq(datasets.datasetOwner(adaSet), ADA);
        datasets.acceptDatasetFor(adaSet, authority(BEN_KEY, digest, nonce));
        assertEq(datasets.datasetOwner(adaSet), BEN);
    }

    function testFuzz_SetPayoutFor(uint256 key, uint256 nonce, address payout, bytes calldata junk) public {
        registerDatasets();
        vm.assume(payout != address(0));
        key = stranger(key, ADA_KEY);
        bytes32 digest = datasets.payoutDigest(adaSet, payout, nonce, block.timestamp);
        ISignedMessages.Authority memory signed = authority(key, digest, nonce);
        bytes memory invalid = abi.encodeWithSelector(ISignedMessages.SignatureInvalid.selector, ADA);
        vm.expectRevert(invalid);
        datasets.setPayoutFor(adaSet, payout, signed);
        signed.signature = junk;
        vm.expectRevert(invalid);
        datasets.setPayoutFor(adaSet, payout, signed);
        assertEq(datasets.payoutOf(adaSet), ADA);
        datasets.setPayoutFor(adaSet, payout, authority(ADA_KEY, digest, nonce));
        assertEq(datasets.payoutOf(adaSet), payout);
    }

    function testFuzz_SetNodeFor(uint256 key, uint256 nonce, bytes calldata junk) public {
        registerDatasets();
        key = stranger(key, ADA_KEY);
        bytes32 digest = datasets.nodeDigest(adaSet, "https://ada.example", nonce, block.timestamp);
        ISignedMessages.Authority memory signed = authority(key, digest, nonce);
        bytes memory invalid = abi.encodeWithSelector(ISignedMessages.SignatureInvalid.selector, ADA);
        vm.expectRevert(invalid);
        datasets.setNodeFor(adaSet, "https://ada.example", signed);
        signed.signature = junk;
        vm.expectRevert(invalid);
        datasets.setNodeFor(adaSet, "https://ada.example", signed);
        assertEq(bytes(datasets.nodeOf(adaSet)).length, 0);
        datasets.setNodeFor(adaSet, "https://ada.example", authority(ADA_KEY, digest, nonce));
        assertEq(keccak256(bytes(datasets.nodeOf(adaSet))), keccak256("https://ada.example"));
    }

    function testFuzz_OpenFor(uint256 key, uint256 nonce, bytes calldata junk) public {
        certifiedAgent();
        key = stranger(key, CLEO_KEY);
        fund(CLEO, address(escrow));
        ISessionEscrow.OpenParams memory params = openParams();
        bytes memory invalid = abi.encodeWithSelector(ISessionEscrow.AuthorisationInvalid.selector, CLEO);
        vm.assume(nonce != 0);
        bytes[3] memory signatures = [
            sign(key, escrow.openDigest(CLEO, params, 0, block.timestamp)),
            sign(CLEO_KEY, escrow.openDigest(CLEO, params, nonce, block.timestamp)),
            junk
        ];
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(invalid);
            escrow.openFor(CLEO, params, block.timestamp, signatures[i]);
        }
        assertEq(token.balanceOf(CLEO), ESCROW);
    }

    /// A forged permit opens nothing: the transfer decides.
    function testFuzz_OpenWithPermit(uint8 v, bytes32 r, bytes32 s) public {
        certifiedAgent();
        token.mint(CLEO, ESCROW);
        ISessionEscrow.OpenParams memory params = openParams();
        vm.expectRevert();
        vm.prank(CLEO);
        escrow.openWithPermit(params, block.timestamp, v, r, s);
        assertEq(token.balanceOf(CLEO), ESCROW);
        assertEq(escrow.liabilities(), 0);
    }

    /// Slots whose voucher is signed by anybody else, or in any other encoding, are skipped.
    function testFuzz_ClaimWithAForeignVoucher(uint256 key, bytes calldata junk) public {
        certifiedAgent();
        key = stranger(key, SESSION_KEY);
        bytes32 session = openSession(CLEO);
        ISessionEscrow.ClaimBatch memory batch = honestBatch(oneSlot(session, 111, 10));
        batch.slots[0].signature = sign(key, escrow.voucherDigest(session, version, 10, 111));
        claimAs(OLGA, one(batch));
        batch.slots[0].signature = junk;
        claimAs(OLGA, one(batch));
        assertEq(escrow.getSession(session).remaining, ESCROW);
        assertEq(escrow.totalRewards(), 0);
    }

    /// A service proof that the verifier rejects reverts the whole claim.
    function testFuzz_Claim(uint256 where, uint256 value) public {
        certifiedAgent();
        ISessionEscrow.ClaimBatch memory batch = honestBatch(oneSlot(openSession(CLEO), 111, 10));
        altered(batch.inputs, batch.proof, where, value);
        ISessionEscrow.ClaimBatch[] memory batches = one(batch);
        try escrow.claim(batches) {
            assertTrue(false, "claimed");
        } catch (bytes memory answer) {
            rejected(serviceCircuit, answer);
        }
        assertEq(escrow.totalRewards(), 0);
        assertEq(escrow.totalEscrow(), ESCROW);
    }
}
