// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Multicall} from "@openzeppelin/contracts/utils/Multicall.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {IDatasetOwners} from "./interfaces/IDatasetOwners.sol";
import {IDatasetRegistry} from "./interfaces/IDatasetRegistry.sol";
import {IProofGate} from "./interfaces/IProofGate.sol";
import {DatasetRecords} from "./DatasetRecords.sol";
import {SignedMessages} from "./SignedMessages.sol";
import {TrainingGrants} from "./TrainingGrants.sol";

/// @title Dataset registry
/// @notice See {IDatasetRegistry}. Nobody can change a version of a dataset after registration, not even its owner.
/// Calls can be batched with `multicall`: a dataset can be registered and granted in one transaction.
contract DatasetRegistry is TrainingGrants, SignedMessages, Multicall {
    bytes32 private constant REGISTER_TYPEHASH = keccak256(
        "RegisterDataset(address owner,bytes32 schemaId,bytes32 circuitId,uint16 minDataBps,bool openTraining,uint16 minShareBps,uint128 minPricePerQuery,uint8 links,bytes32[] shards,uint256 nonce,uint256 deadline)"
    );
    bytes32 private constant EXTEND_TYPEHASH =
        keccak256("ExtendDataset(bytes32 previousId,bytes32[] shards,uint256 nonce,uint256 deadline)");
    bytes32 private constant GRANT_TYPEHASH = keccak256(
        "GrantTraining(bytes32 datasetId,address grantee,uint32 serial,uint32 uses,uint64 expiry,uint8 links,uint16 minShareBps,uint16 minDataBps,uint128 minPricePerQuery,bool coversLater,bytes32 participants,uint256 nonce,uint256 deadline)"
    );
    bytes32 private constant ACCEPT_TYPEHASH =
        keccak256("AcceptDataset(bytes32 datasetId,uint256 nonce,uint256 deadline)");
    bytes32 private constant PAYOUT_TYPEHASH =
        keccak256("SetPayout(bytes32 datasetId,address payout,uint256 nonce,uint256 deadline)");
    bytes32 private constant NODE_TYPEHASH =
        keccak256("SetNode(bytes32 datasetId,string node,uint256 nonce,uint256 deadline)");
    uint256 private constant NODE_MOST = 255;

    /// @param proofGate The proof gate that checks registrations.
    /// @param erc20 The token of all prices in terms and grants.
    constructor(IProofGate proofGate, IERC20 erc20) DatasetRecords(proofGate, erc20) EIP712("Tribute", "1") {}

    /// @inheritdoc IDatasetRegistry
    function register(RegisterParams calldata params, ShardProof[] calldata shards)
        external
        returns (bytes32 datasetId)
    {
        // the shard digests matter only for a signed registration
        // slither-disable-next-line unused-return
        (datasetId,) = _register(msg.sender, params, shards);
    }

    /// @inheritdoc IDatasetRegistry
    function registerFor(
        address owner,
        RegisterParams calldata params,
        ShardProof[] calldata shards,
        Authority calldata authority
    ) external returns (bytes32 datasetId) {
        bytes32[] memory digests;
        (datasetId, digests) = _register(owner, params, shards);
        _requireSigned(owner, _registerStruct(owner, params, digests, authority.nonce, authority.deadline), authority);
    }

    /// @inheritdoc IDatasetRegistry
    function extend(bytes32 previousId, ShardProof[] calldata shards) external returns (bytes32 datasetId) {
        _requireOwner(previousId);
        // slither-disable-next-line unused-return
        (datasetId,) = _extend(previousId, shards);
    }

    /// @inheritdoc IDatasetRegistry
    function extendFor(bytes32 previousId, ShardProof[] calldata shards, Authority calldata authority)
        external
        returns (bytes32 datasetId)
    {
        bytes32[] memory digests;
        (datasetId, digests) = _extend(previousId, shards);
        bytes32 message = _extendStruct(previousId, digests, authority.nonce, authority.deadline);
        _requireSigned(_ownerOf(previousId), message, authority);
    }

    /// @inheritdoc IDatasetRegistry
    function grantTraining(bytes32 datasetId, address grantee, GrantTerms calldata terms) external {
        _requireOwner(datasetId);
        _grant(datasetId, grantee, terms);
    }

    /// @inheritdoc IDatasetRegistry
    function grantTrainingFor(
        bytes32 datasetId,
        address grantee,
        GrantTerms calldata terms,
        Authority calldata authority
    ) external {
        bytes32 message = _grantStruct(datasetId, grantee, terms, authority.nonce, authority.deadline);
        _requireSigned(_ownerOf(datasetId), message, authority);
        _grant(datasetId, grantee, terms);
    }

    /// @inheritdoc IDatasetOwners
    // Zero withdraws an offer.
    // slither-disable-next-line missing-zero-check
    function offerDataset(bytes32 datasetId, address to) external {
        (bytes32 root, Root storage entry) = _requireOwner(datasetId);
        entry.offeredTo = to;
        emit DatasetOffered(root, msg.sender, to);
    }

    /// @inheritdoc IDatasetOwners
    function acceptDataset(bytes32 datasetId) external {
        _accept(datasetId, msg.sender);
    }

    /// @inheritdoc IDatasetOwners
    function acceptDatasetFor(bytes32 datasetId, Authority calldata authority) external {
        (bytes32 root,,) = _known(datasetId);
        address to = _roots[root].offeredTo;
        if (to == address(0)) revert NotOffered(datasetId, to);
        _requireSigned(to, _acceptStruct(datasetId, authority.nonce, authority.deadline), authority);
        _accept(datasetId, to);
    }

    /// @inheritdoc IDatasetOwners
    function setPayout(bytes32 datasetId, address payout) external {
        _requireOwner(datasetId);
        _setPayout(datasetId, payout);
    }

    /// @inheritdoc IDatasetOwners
    function setPayoutFor(bytes32 datasetId, address payout, Authority calldata authority) external {
        bytes32 message = _payoutStruct(datasetId, payout, authority.nonce, authority.deadline);
        _requireSigned(_ownerOf(datasetId), message, authority);
        _setPayout(datasetId, payout);
    }

    /// @inheritdoc IDatasetOwners
    function setNode(bytes32 datasetId, string calldata node) external {
        _requireOwner(datasetId);
        _setNode(datasetId, node);
    }

    /// @inheritdoc IDatasetOwners
    function setNodeFor(bytes32 datasetId, string calldata node, Authority calldata authority) external {
        bytes32 message = _nodeStruct(datasetId, node, authority.nonce, authority.deadline);
        _requireSigned(_ownerOf(datasetId), message, authority);
        _setNode(datasetId, node);
    }

    /// @inheritdoc IDatasetOwners
    function datasetOwner(bytes32 datasetId) external view returns (address owner) {
        return _ownerOf(datasetId);
    }

    /// @inheritdoc IDatasetOwners
    function offeredTo(bytes32 datasetId) external view returns (address account) {
        (bytes32 root,,) = _known(datasetId);
        return _roots[root].offeredTo;
    }

    /// @inheritdoc IDatasetOwners
    function payoutOf(bytes32 datasetId) external view returns (address account) {
        (bytes32 root,,) = _known(datasetId);
        account = _roots[root].payout;
        if (account == address(0)) account = _roots[root].owner;
    }

    /// @inheritdoc IDatasetOwners
    function nodeOf(bytes32 datasetId) external view returns (string memory node) {
        (bytes32 root,,) = _known(datasetId);
        return _roots[root].node;
    }

    /// @inheritdoc IDatasetRegistry
    function registerDigest(
        address owner,
        RegisterParams calldata params,
        bytes32[] calldata digests,
        uint256 nonce,
        uint256 deadline
    ) external view returns (bytes32 digest) {
        return _hashTypedDataV4(_registerStruct(owner, params, digests, nonce, deadline));
    }

    /// @inheritdoc IDatasetRegistry
    function extendDigest(bytes32 previousId, bytes32[] calldata digests, uint256 nonce, uint256 deadline)
        external
        view
        returns (bytes32 digest)
    {
        return _hashTypedDataV4(_extendStruct(previousId, digests, nonce, deadline));
    }

    /// @inheritdoc IDatasetRegistry
    function grantDigest(bytes32 datasetId, address grantee, GrantTerms calldata terms, uint256 nonce, uint256 deadline)
        external
        view
        returns (bytes32 digest)
    {
        return _hashTypedDataV4(_grantStruct(datasetId, grantee, terms, nonce, deadline));
    }

    /// @inheritdoc IDatasetOwners
    function acceptDigest(bytes32 datasetId, uint256 nonce, uint256 deadline) external view returns (bytes32 digest) {
        return _hashTypedDataV4(_acceptStruct(datasetId, nonce, deadline));
    }

    /// @inheritdoc IDatasetOwners
    function payoutDigest(bytes32 datasetId, address payout, uint256 nonce, uint256 deadline)
        external
        view
        returns (bytes32 digest)
    {
        return _hashTypedDataV4(_payoutStruct(datasetId, payout, nonce, deadline));
    }

    /// @inheritdoc IDatasetOwners
    function nodeDigest(bytes32 datasetId, string calldata node, uint256 nonce, uint256 deadline)
        external
        view
        returns (bytes32 digest)
    {
        return _hashTypedDataV4(_nodeStruct(datasetId, node, nonce, deadline));
    }

    function _accept(bytes32 datasetId, address to) private {
        (bytes32 root,,) = _known(datasetId);
        Root storage entry = _roots[root];
        if (entry.offeredTo != to) revert NotOffered(datasetId, entry.offeredTo);
        emit DatasetTransferred(root, entry.owner, to);
        entry.owner = to;
        entry.offeredTo = address(0);
        entry.payout = address(0);
        if (bytes(entry.node).length != 0) {
            delete entry.node;
            emit NodeSet(root, "");
        }
    }

    function _setPayout(bytes32 datasetId, address payout) private {
        (bytes32 root,,) = _known(datasetId);
        _roots[root].payout = payout;
        emit PayoutChanged(root, payout);
    }

    function _setNode(bytes32 datasetId, string calldata node) private {
        uint256 length = bytes(node).length;
        if (length > NODE_MOST) revert NodeTooLong(length);
        (bytes32 root,,) = _known(datasetId);
        _roots[root].node = node;
        emit NodeSet(root, node);
    }

    function _registerStruct(
        address owner,
        RegisterParams calldata params,
        bytes32[] memory digests,
        uint256 nonce,
        uint256 deadline
    ) private pure returns (bytes32) {
        Terms calldata terms = params.terms;
        // every part is a multiple of 32 bytes
        return keccak256(
            bytes.concat(
                abi.encode(REGISTER_TYPEHASH, owner, params.schemaId, params.circuitId),
                abi.encode(
                    terms.minDataBps, terms.openTraining, terms.minShareBps, terms.minPricePerQuery, terms.links
                ),
                abi.encode(keccak256(abi.encodePacked(digests)), nonce, deadline)
            )
        );
    }

    function _extendStruct(bytes32 previousId, bytes32[] memory digests, uint256 nonce, uint256 deadline)
        private
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(EXTEND_TYPEHASH, previousId, keccak256(abi.encodePacked(digests)), nonce, deadline));
    }

    /// Contains the serial of the next grant, so a signed grant becomes invalid once another one is set or revoked.
    function _grantStruct(
        bytes32 datasetId,
        address grantee,
        GrantTerms calldata terms,
        uint256 nonce,
        uint256 deadline
    ) private view returns (bytes32) {
        (bytes32 root,,) = _known(datasetId);
        uint32 serial = _grants[root][grantee].serial + 1;
        return keccak256(
            bytes.concat(
                abi.encode(GRANT_TYPEHASH, datasetId, grantee, serial, terms.uses, terms.expiry, terms.links),
                abi.encode(terms.minShareBps, terms.minDataBps, terms.minPricePerQuery, terms.coversLater),
                abi.encode(terms.participants, nonce, deadline)
            )
        );
    }

    function _acceptStruct(bytes32 datasetId, uint256 nonce, uint256 deadline) private pure returns (bytes32) {
        return keccak256(abi.encode(ACCEPT_TYPEHASH, datasetId, nonce, deadline));
    }

    function _payoutStruct(bytes32 datasetId, address payout, uint256 nonce, uint256 deadline)
        private
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(PAYOUT_TYPEHASH, datasetId, payout, nonce, deadline));
    }

    function _nodeStruct(bytes32 datasetId, string calldata node, uint256 nonce, uint256 deadline)
        private
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(NODE_TYPEHASH, datasetId, keccak256(bytes(node)), nonce, deadline));
    }
}
