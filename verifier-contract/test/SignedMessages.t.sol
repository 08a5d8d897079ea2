// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IDatasetOwners} from "../src/interfaces/IDatasetOwners.sol";
import {IDatasetRegistry} from "../src/interfaces/IDatasetRegistry.sol";
import {ISignedMessages} from "../src/interfaces/ISignedMessages.sol";
import {World} from "./base/World.sol";
import {Wallet} from "./hostile/Wallet.sol";

/// Everything that a provider decides, by a signature that somebody else submits; and owners, payouts and nodes of
/// datasets.
contract SignedMessagesTest is World {
    uint256 private constant ADA_KEY = 0xada;
    uint256 private constant BEN_KEY = 0xbe;

    function authority(uint256 key, bytes32 digest, uint256 nonce, uint256 deadline)
        private
        pure
        returns (ISignedMessages.Authority memory)
    {
        return ISignedMessages.Authority({nonce: nonce, deadline: deadline, signature: sign(key, digest)});
    }

    function digestsOf(bytes32 a, bytes32 b) private pure returns (bytes32[] memory digests) {
        digests = new bytes32[](b == 0 ? 1 : 2);
        digests[0] = recordsDigest(a);
        if (b != 0) digests[1] = recordsDigest(b);
    }

    function registerAuthority(uint256 key, uint256 nonce) private view returns (ISignedMessages.Authority memory) {
        bytes32 digest =
            datasets.registerDigest(ADA, registerParams(), digestsOf("ada 0", "ada 1"), nonce, block.timestamp);
        return authority(key, digest, nonce, block.timestamp);
    }

    function registerAda() private {
        IDatasetRegistry.ShardProof[] memory shards = adaShards();
        ISignedMessages.Authority memory signed = registerAuthority(ADA_KEY, 1);
        vm.prank(MALLORY);
        adaSet = datasets.registerFor(ADA, registerParams(), shards, signed);
    }

    // ---- registering ---------------------------------------------------------------------------------------------

    function test_AnybodyBringsARegistration() public {
        registerAda();
        assertEq(datasets.datasetOwner(adaSet), ADA);
        assertTrue(datasets.nonceSpent(ADA, 1) && !datasets.nonceSpent(ADA, 2), "used");
    }

    function test_Attack_RegistrationOthersSigned() public {
        IDatasetRegistry.ShardProof[] memory shards = adaShards();
        IDatasetRegistry.RegisterParams memory params = registerParams();
        ISignedMessages.Authority memory signed = registerAuthority(BEN_KEY, 1);
        vm.expectRevert(abi.encodeWithSelector(ISignedMessages.SignatureInvalid.selector, ADA));
        datasets.registerFor(ADA, params, shards, signed);
        registerAda();
    }

    /// Fewer shards than were signed, which their contexts alone would allow.
    function test_Attack_ShardLeftOutByWhoBringsIt() public {
        IDatasetRegistry.ShardProof[] memory shards = oneShard(adaShards()[0]);
        IDatasetRegistry.RegisterParams memory params = registerParams();
        ISignedMessages.Authority memory signed = registerAuthority(ADA_KEY, 1);
        vm.expectRevert(abi.encodeWithSelector(ISignedMessages.SignatureInvalid.selector, ADA));
        datasets.registerFor(ADA, params, shards, signed);
        registerAda();
    }

    function test_AnybodyBringsAnExtension() public {
        registerAda();
        IDatasetRegistry.ShardProof[] memory more = oneShard(shardProof(ADA, "ada 2", 2, 50));
        bytes32 digest = datasets.extendDigest(adaSet, digestsOf("ada 2", 0), 9, block.timestamp);
        ISignedMessages.Authority memory wrong = authority(BEN_KEY, digest, 9, block.timestamp);
        vm.expectRevert(abi.encodeWithSelector(ISignedMessages.SignatureInvalid.selector, ADA));
        datasets.extendFor(adaSet, more, wrong);
        bytes32 second = datasets.extendFor(adaSet, more, authority(ADA_KEY, digest, 9, block.timestamp));
        assertEq(datasets.dataset(second).shards, 3);
        assertEq(datasets.datasetOwner(second), ADA);
    }

    // ---- granting ------------------------------------------------------------------------------------------------

    function grantAuthority(IDatasetRegistry.GrantTerms memory terms_, uint256 nonce, uint256 deadline)
        private
        view
        returns (ISignedMessages.Authority memory)
    {
        return authority(ADA_KEY, datasets.grantDigest(adaSet, OLGA, terms_, nonce, deadline), nonce, deadline);
    }

    /// Of grants signed in parallel only one takes effect; one signed before a revocation does not undo it.
    function test_Attack_GrantSignedBeforeItWasTakenBack() public {
        registerAda();
        IDatasetRegistry.GrantTerms memory first = grantTerms(3);
        IDatasetRegistry.GrantTerms memory second = grantTerms(5);
        ISignedMessages.Authority memory one_ = grantAuthority(first, 700, block.timestamp);
        ISignedMessages.Authority memory two = grantAuthority(second, 2, block.timestamp);
        datasets.grantTrainingFor(adaSet, OLGA, second, two);
        assertEq(datasets.trainingGrant(adaSet, OLGA).terms.uses, 5);
        bytes memory invalid = abi.encodeWithSelector(ISignedMessages.SignatureInvalid.selector, ADA);
        vm.expectRevert(invalid);
        datasets.grantTrainingFor(adaSet, OLGA, first, one_);
        vm.prank(ADA);
        datasets.grantTraining(adaSet, OLGA, grantTerms(0));
        vm.expectRevert(invalid);
        datasets.grantTrainingFor(adaSet, OLGA, first, one_);
        vm.expectRevert(); // its nonce is spent, and its serial long past
        datasets.grantTrainingFor(adaSet, OLGA, second, two);
        assertEq(datasets.trainingGrant(adaSet, OLGA).terms.uses, 0);
    }

    function test_Attack_GrantAltered() public {
        registerAda();
        IDatasetRegistry.GrantTerms memory terms_ = grantTerms(1);
        ISignedMessages.Authority memory signed = grantAuthority(terms_, 3, block.timestamp);
        bytes memory invalid = abi.encodeWithSelector(ISignedMessages.SignatureInvalid.selector, ADA);
        for (uint256 i = 0; i < 10; ++i) {
            IDatasetRegistry.GrantTerms memory altered = grantTerms(1);
            if (i == 0) altered.uses = 2;
            if (i == 1) altered.expiry += 1;
            if (i == 2) altered.links = 2;
            if (i == 3) altered.minShareBps = 1;
            if (i == 4) altered.minDataBps = 1;
            if (i == 5) altered.minPricePerQuery = 1;
            if (i == 6) altered.coversLater = true;
            if (i == 7) altered.participants = "x";
            address grantee = i == 8 ? MALLORY : OLGA;
            if (i == 9) signed.nonce = 4;
            vm.expectRevert(invalid);
            datasets.grantTrainingFor(adaSet, grantee, altered, signed);
        }
        signed.nonce = 3;
        signed.deadline += 1;
        vm.expectRevert(invalid);
        datasets.grantTrainingFor(adaSet, OLGA, terms_, signed);
        signed.deadline -= 1;
        datasets.grantTrainingFor(adaSet, OLGA, terms_, signed);
    }

    function test_RevertWhen_AMessageIsLateTakenBackOrOfAnotherChain() public {
        registerAda();
        IDatasetRegistry.GrantTerms memory terms_ = grantTerms(1);
        ISignedMessages.Authority memory signed = grantAuthority(terms_, 3, block.timestamp);
        vm.chainId(block.chainid + 1);
        vm.expectRevert(abi.encodeWithSelector(ISignedMessages.SignatureInvalid.selector, ADA));
        datasets.grantTrainingFor(adaSet, OLGA, terms_, signed);
        vm.chainId(block.chainid - 1);
        vm.prank(ADA);
        datasets.cancelNonce(3);
        vm.expectRevert(abi.encodeWithSelector(ISignedMessages.NonceUsed.selector, ADA, 3));
        datasets.grantTrainingFor(adaSet, OLGA, terms_, signed);
        vm.expectRevert(abi.encodeWithSelector(ISignedMessages.NonceUsed.selector, ADA, 3));
        vm.prank(ADA);
        datasets.cancelNonce(3);
        signed = grantAuthority(terms_, 4, block.timestamp);
        vm.warp(block.timestamp + 1);
        vm.expectRevert(abi.encodeWithSelector(ISignedMessages.MessageExpired.selector, signed.deadline));
        datasets.grantTrainingFor(adaSet, OLGA, terms_, signed);
        assertEq(datasets.trainingGrant(adaSet, OLGA).terms.uses, 0);
    }

    function test_AContractOwnsADatasetAndGrants() public {
        Wallet wallet = new Wallet(ADA);
        IDatasetRegistry.ShardProof[] memory shards = oneShard(shardProof(address(wallet), "w", 0, 10));
        bytes32 digest =
            datasets.registerDigest(address(wallet), registerParams(), digestsOf("w", 0), 0, block.timestamp);
        bytes32 id = datasets.registerFor(
            address(wallet), registerParams(), shards, authority(ADA_KEY, digest, 0, block.timestamp)
        );
        IDatasetRegistry.GrantTerms memory terms_ = grantTerms(1);
        digest = datasets.grantDigest(id, OLGA, terms_, 1, block.timestamp);
        datasets.grantTrainingFor(id, OLGA, terms_, authority(ADA_KEY, digest, 1, block.timestamp));
        assertTrue(datasets.mayTrain(id, OLGA), "granted");
        wallet.stopHonouring();
        digest = datasets.grantDigest(id, OLGA, terms_, 2, block.timestamp);
        vm.expectRevert(abi.encodeWithSelector(ISignedMessages.SignatureInvalid.selector, address(wallet)));
        datasets.grantTrainingFor(id, OLGA, terms_, authority(ADA_KEY, digest, 2, block.timestamp));
    }

    /// No signature by anybody else, in any encoding, sets a grant.
    function testFuzz_NoGrantWithoutItsOwnersSignature(uint256 key, bytes calldata junk, uint256 nonce) public {
        registerAda();
        IDatasetRegistry.GrantTerms memory terms_ = grantTerms(1);
        key = bound(key, 1, 1 << 200);
        vm.assume(key != ADA_KEY && nonce != 1);
        bytes32 digest = datasets.grantDigest(adaSet, OLGA, terms_, nonce, block.timestamp);
        ISignedMessages.Authority memory signed = authority(key, digest, nonce, block.timestamp);
        bytes memory invalid = abi.encodeWithSelector(ISignedMessages.SignatureInvalid.selector, ADA);
        vm.expectRevert(invalid);
        datasets.grantTrainingFor(adaSet, OLGA, terms_, signed);
        signed.signature = junk;
        vm.expectRevert(invalid);
        datasets.grantTrainingFor(adaSet, OLGA, terms_, signed);
        assertTrue(!datasets.mayTrain(adaSet, OLGA) && !datasets.nonceSpent(ADA, nonce), "nothing moved");
    }

    // ---- owners and payouts --------------------------------------------------------------------------------------

    function test_OwnershipMovesInTwoStepsByASignedAcceptance() public {
        registerAda();
        vm.prank(ADA);
        datasets.setPayout(adaSet, CLEO);
        assertEq(datasets.payoutOf(adaSet), CLEO);
        bytes32 digest = datasets.acceptDigest(adaSet, 5, block.timestamp);
        ISignedMessages.Authority memory signed = authority(BEN_KEY, digest, 5, block.timestamp);
        vm.expectRevert(abi.encodeWithSelector(IDatasetOwners.NotOffered.selector, adaSet, address(0)));
        datasets.acceptDatasetFor(adaSet, signed);
        vm.prank(ADA);
        datasets.offerDataset(adaSet, BEN);
        assertEq(datasets.offeredTo(adaSet), BEN);
        assertEq(datasets.datasetOwner(adaSet), ADA);
        vm.expectRevert(abi.encodeWithSelector(IDatasetOwners.NotOffered.selector, adaSet, BEN));
        vm.prank(MALLORY);
        datasets.acceptDataset(adaSet);
        datasets.acceptDatasetFor(adaSet, signed);
        assertEq(datasets.datasetOwner(adaSet), BEN);
        assertEq(datasets.payoutOf(adaSet), BEN);
        // all its versions, and the previous owner keeps nothing
        IDatasetRegistry.GrantTerms memory terms_ = grantTerms(1);
        vm.expectRevert(abi.encodeWithSelector(IDatasetOwners.NotDatasetOwner.selector, adaSet, ADA));
        vm.prank(ADA);
        datasets.grantTraining(adaSet, OLGA, terms_);
        IDatasetRegistry.ShardProof[] memory more = oneShard(shardProof(BEN, "ben 2", 2, 50));
        vm.prank(BEN);
        assertEq(datasets.datasetOwner(datasets.extend(adaSet, more)), BEN);
    }

    function test_AnOfferCanBeTakenBack() public {
        registerAda();
        vm.prank(ADA);
        datasets.offerDataset(adaSet, BEN);
        vm.prank(ADA);
        datasets.offerDataset(adaSet, address(0));
        vm.expectRevert(abi.encodeWithSelector(IDatasetOwners.NotOffered.selector, adaSet, address(0)));
        vm.prank(BEN);
        datasets.acceptDataset(adaSet);
        vm.expectRevert(abi.encodeWithSelector(IDatasetOwners.NotDatasetOwner.selector, adaSet, MALLORY));
        vm.prank(MALLORY);
        datasets.offerDataset(adaSet, MALLORY);
    }

    function test_PayoutIsTheOwnersToSet() public {
        registerAda();
        vm.expectRevert(abi.encodeWithSelector(IDatasetOwners.NotDatasetOwner.selector, adaSet, MALLORY));
        vm.prank(MALLORY);
        datasets.setPayout(adaSet, MALLORY);
        bytes32 digest = datasets.payoutDigest(adaSet, CLEO, 8, block.timestamp);
        ISignedMessages.Authority memory signed = authority(ADA_KEY, digest, 8, block.timestamp);
        vm.expectRevert(abi.encodeWithSelector(ISignedMessages.SignatureInvalid.selector, ADA));
        datasets.setPayoutFor(adaSet, MALLORY, signed);
        datasets.setPayoutFor(adaSet, CLEO, signed);
        assertEq(datasets.payoutOf(adaSet), CLEO);
    }

    // ---- nodes ---------------------------------------------------------------------------------------------------

    string private constant NODE = "https://ada.example:7410";

    function assertNode(bytes32 datasetId, string memory node) private view {
        assertEq(keccak256(bytes(datasets.nodeOf(datasetId))), keccak256(bytes(node)));
    }

    function nodeAuthority(string memory node, uint256 nonce) private view returns (ISignedMessages.Authority memory) {
        return authority(ADA_KEY, datasets.nodeDigest(adaSet, node, nonce, block.timestamp), nonce, block.timestamp);
    }

    function test_TheNodeIsTheOwnersToSet() public {
        registerAda();
        assertNode(adaSet, "");
        vm.expectRevert(abi.encodeWithSelector(IDatasetOwners.NotDatasetOwner.selector, adaSet, MALLORY));
        vm.prank(MALLORY);
        datasets.setNode(adaSet, NODE);
        vm.expectEmit();
        emit IDatasetOwners.NodeSet(adaSet, NODE);
        vm.prank(ADA);
        datasets.setNode(adaSet, NODE);
        assertNode(adaSet, NODE);
        vm.expectEmit();
        emit IDatasetOwners.NodeSet(adaSet, "");
        vm.prank(ADA);
        datasets.setNode(adaSet, "");
        assertNode(adaSet, "");
        vm.expectRevert(abi.encodeWithSelector(IDatasetOwners.UnknownDataset.selector, bytes32("none")));
        datasets.nodeOf("none");
    }

    function test_AnybodyBringsANodeOnceAndInTime() public {
        registerAda();
        ISignedMessages.Authority memory signed = nodeAuthority(NODE, 8);
        ISignedMessages.Authority memory late = nodeAuthority("http://late.example", 9);
        vm.expectRevert(abi.encodeWithSelector(ISignedMessages.SignatureInvalid.selector, ADA));
        datasets.setNodeFor(adaSet, "https://mallory.example", signed);
        vm.prank(MALLORY);
        datasets.setNodeFor(adaSet, NODE, signed);
        assertNode(adaSet, NODE);
        vm.expectRevert(abi.encodeWithSelector(ISignedMessages.NonceUsed.selector, ADA, 8));
        datasets.setNodeFor(adaSet, NODE, signed);
        vm.warp(block.timestamp + 1);
        vm.expectRevert(abi.encodeWithSelector(ISignedMessages.MessageExpired.selector, late.deadline));
        datasets.setNodeFor(adaSet, "http://late.example", late);
        assertNode(adaSet, NODE);
    }

    function test_ANodeIsOfAllVersions() public {
        registerAda();
        vm.prank(ADA);
        datasets.setNode(adaSet, NODE);
        IDatasetRegistry.ShardProof[] memory more = oneShard(shardProof(ADA, "ada 2", 2, 50));
        vm.prank(ADA);
        bytes32 second = datasets.extend(adaSet, more);
        assertNode(second, NODE);
        vm.expectEmit();
        emit IDatasetOwners.NodeSet(adaSet, "http://b.example");
        vm.prank(ADA);
        datasets.setNode(second, "http://b.example");
        assertNode(adaSet, "http://b.example");
    }

    /// The old owner's node answers for the dataset no longer, nor does one that it signed for before.
    function test_ATransferTakesTheNodeBack() public {
        registerAda();
        vm.prank(ADA);
        datasets.setNode(adaSet, NODE);
        ISignedMessages.Authority memory signed = nodeAuthority(NODE, 8);
        vm.prank(ADA);
        datasets.offerDataset(adaSet, BEN);
        assertNode(adaSet, NODE);
        vm.expectEmit();
        emit IDatasetOwners.DatasetTransferred(adaSet, ADA, BEN);
        vm.expectEmit();
        emit IDatasetOwners.NodeSet(adaSet, "");
        vm.prank(BEN);
        datasets.acceptDataset(adaSet);
        assertNode(adaSet, "");
        vm.expectRevert(abi.encodeWithSelector(ISignedMessages.SignatureInvalid.selector, BEN));
        datasets.setNodeFor(adaSet, NODE, signed);
        vm.expectRevert(abi.encodeWithSelector(IDatasetOwners.NotDatasetOwner.selector, adaSet, ADA));
        vm.prank(ADA);
        datasets.setNode(adaSet, NODE);
    }

    function test_RevertWhen_ANodeIsTooLong() public {
        registerAda();
        string memory most = string(new bytes(255));
        string memory more = string(new bytes(256));
        vm.prank(ADA);
        datasets.setNode(adaSet, most);
        assertNode(adaSet, most);
        bytes memory reason = abi.encodeWithSelector(IDatasetOwners.NodeTooLong.selector, 256);
        vm.expectRevert(reason);
        vm.prank(ADA);
        datasets.setNode(adaSet, more);
        ISignedMessages.Authority memory signed = nodeAuthority(more, 8);
        vm.expectRevert(reason);
        datasets.setNodeFor(adaSet, more, signed);
        assertNode(adaSet, most);
    }
}
