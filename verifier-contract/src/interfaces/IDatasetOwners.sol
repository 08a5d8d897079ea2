// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ISignedMessages} from "./ISignedMessages.sol";

/// @title Owners of datasets: ownership, transfer, payout addresses and nodes
/// @notice The ownership part of the dataset registry. All versions of a dataset have the same owner.
interface IDatasetOwners is ISignedMessages {
    /// @notice A dataset was offered to a new owner, or the offer was withdrawn.
    /// @param root Id of the dataset's first version.
    /// @param from The owner.
    /// @param to The account that may accept it; zero for nobody.
    event DatasetOffered(bytes32 indexed root, address indexed from, address indexed to);
    /// @notice A dataset has a new owner.
    /// @param root Id of the dataset's first version.
    /// @param from The previous owner.
    /// @param to The new owner.
    event DatasetTransferred(bytes32 indexed root, address indexed from, address indexed to);
    /// @notice The payout address of a dataset's rewards was changed.
    /// @param root Id of the dataset's first version.
    /// @param payout The address; zero for the owner's own.
    event PayoutChanged(bytes32 indexed root, address payout);
    /// @notice The node in a dataset's entry was set or taken back.
    /// @param root Id of the dataset's first version.
    /// @param node URL at which its provider can be asked, as the owner wrote it; empty for none.
    event NodeSet(bytes32 indexed root, string node);

    /// @notice No dataset has this id.
    /// @param datasetId The id requested.
    error UnknownDataset(bytes32 datasetId);
    /// @notice Only the dataset's owner may do this.
    /// @param datasetId The dataset.
    /// @param caller The caller.
    error NotDatasetOwner(bytes32 datasetId, address caller);
    /// @notice The dataset was not offered to this account.
    /// @param datasetId The dataset.
    /// @param offeredTo The account that may accept it; zero if none.
    error NotOffered(bytes32 datasetId, address offeredTo);
    /// @notice A node's URL has at most 255 bytes.
    /// @param length Bytes given.
    error NodeTooLong(uint256 length);

    /// @notice Offers a dataset, with all its versions, to a new owner; only its owner. Grants stay in force; rewards
    /// not yet withdrawn go to the new owner.
    /// @param datasetId Any version of the dataset.
    /// @param to The account that may accept it; zero withdraws an offer.
    function offerDataset(bytes32 datasetId, address to) external;

    /// @notice Accepts a dataset that was offered to the caller; rewards then go to the new owner's own address, and the
    /// entry names no node.
    /// @param datasetId Any version of the dataset.
    function acceptDataset(bytes32 datasetId) external;

    /// @notice As `acceptDataset`, for `to`, who signed the EIP-712 `AcceptDataset`.
    /// @param datasetId Any version of the dataset.
    /// @param authority The signature of the account to whom the dataset was offered.
    function acceptDatasetFor(bytes32 datasetId, Authority calldata authority) external;

    /// @notice Sets the payout address of a dataset's rewards; only its owner.
    /// @param datasetId Any version of the dataset.
    /// @param payout The address; zero for the owner's own.
    function setPayout(bytes32 datasetId, address payout) external;

    /// @notice As `setPayout`, for the owner, who signed the EIP-712 `SetPayout`.
    /// @param datasetId Any version of the dataset.
    /// @param payout The address; zero for the owner's own.
    /// @param authority The owner's signature.
    function setPayoutFor(bytes32 datasetId, address payout, Authority calldata authority) external;

    /// @notice Sets the node in a dataset's entry, by which agents' owners find its provider; only its owner. It stays
    /// readable in the chain's history.
    /// @param datasetId Any version of the dataset.
    /// @param node URL of at most 255 bytes, otherwise unchecked; empty takes it back.
    function setNode(bytes32 datasetId, string calldata node) external;

    /// @notice As `setNode`, for the owner, who signed the EIP-712 `SetNode`.
    /// @param datasetId Any version of the dataset.
    /// @param node URL of at most 255 bytes, otherwise unchecked; empty takes it back.
    /// @param authority The owner's signature.
    function setNodeFor(bytes32 datasetId, string calldata node, Authority calldata authority) external;

    /// @notice A dataset's owner; reverts if unknown.
    /// @param datasetId Any version of the dataset.
    /// @return owner The current owner.
    function datasetOwner(bytes32 datasetId) external view returns (address owner);

    /// @notice The account that may accept a dataset; reverts if unknown.
    /// @param datasetId Any version of the dataset.
    /// @return account The account; zero if it is not offered.
    function offeredTo(bytes32 datasetId) external view returns (address account);

    /// @notice The payout address of a dataset's rewards; reverts if unknown.
    /// @param datasetId Any version of the dataset.
    /// @return account The payout address that was set, else the owner.
    function payoutOf(bytes32 datasetId) external view returns (address account);

    /// @notice The node in a dataset's entry; reverts if unknown.
    /// @param datasetId Any version of the dataset.
    /// @return node The owner's text, which need not be a URL; empty if none was set.
    function nodeOf(bytes32 datasetId) external view returns (string memory node);

    /// @notice The EIP-712 digest that a new owner signs for `acceptDatasetFor`.
    /// @param datasetId Any version of the dataset.
    /// @param nonce The message's nonce.
    /// @param deadline Unix time in seconds, inclusive, until which it is valid.
    /// @return digest The digest.
    function acceptDigest(bytes32 datasetId, uint256 nonce, uint256 deadline) external view returns (bytes32 digest);

    /// @notice The EIP-712 digest that an owner signs for `setPayoutFor`.
    /// @param datasetId Any version of the dataset.
    /// @param payout The address; zero for the owner's own.
    /// @param nonce The message's nonce.
    /// @param deadline Unix time in seconds, inclusive, until which it is valid.
    /// @return digest The digest.
    function payoutDigest(bytes32 datasetId, address payout, uint256 nonce, uint256 deadline)
        external
        view
        returns (bytes32 digest);

    /// @notice The EIP-712 digest that an owner signs for `setNodeFor`.
    /// @param datasetId Any version of the dataset.
    /// @param node URL of at most 255 bytes, otherwise unchecked; empty takes it back.
    /// @param nonce The message's nonce.
    /// @param deadline Unix time in seconds, inclusive, until which it is valid.
    /// @return digest The digest.
    function nodeDigest(bytes32 datasetId, string calldata node, uint256 nonce, uint256 deadline)
        external
        view
        returns (bytes32 digest);
}
