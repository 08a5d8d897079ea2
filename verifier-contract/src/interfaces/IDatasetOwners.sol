// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ISignedMessages} from "./ISignedMessages.sol";

/// @title Owners of datasets: who owns one, how it changes hands, where its rewards go
/// @notice The part of the dataset registry that is about ownership; a dataset has one owner in all its versions.
interface IDatasetOwners is ISignedMessages {
    /// @notice A dataset was offered to a new owner, or the offer was taken back.
    /// @param root Id of the dataset's first version.
    /// @param from The owner.
    /// @param to Who may accept it; zero for nobody.
    event DatasetOffered(bytes32 indexed root, address indexed from, address indexed to);
    /// @notice A dataset has a new owner.
    /// @param root Id of the dataset's first version.
    /// @param from The owner before.
    /// @param to The owner from now on.
    event DatasetTransferred(bytes32 indexed root, address indexed from, address indexed to);
    /// @notice Rewards of the dataset go to this address from now on.
    /// @param root Id of the dataset's first version.
    /// @param payout The address; zero for the owner's.
    event PayoutChanged(bytes32 indexed root, address payout);

    /// @notice No dataset has this id.
    /// @param datasetId The id asked for.
    error UnknownDataset(bytes32 datasetId);
    /// @notice Only the dataset's owner may do this.
    /// @param datasetId The dataset.
    /// @param caller Who called.
    error NotDatasetOwner(bytes32 datasetId, address caller);
    /// @notice The dataset was not offered to this account.
    /// @param datasetId The dataset.
    /// @param offeredTo Who may accept it; zero if nobody.
    error NotOffered(bytes32 datasetId, address offeredTo);

    /// @notice Offers a dataset, all versions of it, to a new owner; only its owner. Grants stay; rewards that nobody has
    /// withdrawn go along.
    /// @param datasetId Any version of the dataset.
    /// @param to Who may accept it; zero takes an offer back.
    function offerDataset(bytes32 datasetId, address to) external;

    /// @notice Makes the caller, to whom it was offered, the dataset's owner; rewards go to the new owner's own address.
    /// @param datasetId Any version of the dataset.
    function acceptDataset(bytes32 datasetId) external;

    /// @notice The same for `to`, who signed the EIP-712 `AcceptDataset`.
    /// @param datasetId Any version of the dataset.
    /// @param authority The signature of the account to whom the dataset was offered.
    function acceptDatasetFor(bytes32 datasetId, Authority calldata authority) external;

    /// @notice Sets where rewards of the dataset go; only its owner.
    /// @param datasetId Any version of the dataset.
    /// @param payout The address; zero for the owner's.
    function setPayout(bytes32 datasetId, address payout) external;

    /// @notice The same for the owner, who signed the EIP-712 `SetPayout`.
    /// @param datasetId Any version of the dataset.
    /// @param payout The address; zero for the owner's.
    /// @param authority The owner's signature.
    function setPayoutFor(bytes32 datasetId, address payout, Authority calldata authority) external;

    /// @notice A dataset's owner; reverts if unknown.
    /// @param datasetId Any version of the dataset.
    /// @return owner Who owns it now.
    function datasetOwner(bytes32 datasetId) external view returns (address owner);

    /// @notice Who may accept a dataset; reverts if unknown.
    /// @param datasetId Any version of the dataset.
    /// @return account The account; zero if it is not offered.
    function offeredTo(bytes32 datasetId) external view returns (address account);

    /// @notice Where a dataset's rewards go; reverts if unknown.
    /// @param datasetId Any version of the dataset.
    /// @return account The payout address that was set, else the owner.
    function payoutOf(bytes32 datasetId) external view returns (address account);

    /// @notice The EIP-712 digest that a new owner signs for `acceptDatasetFor`.
    /// @param datasetId Any version of the dataset.
    /// @param nonce The message's nonce.
    /// @param deadline Last second of Unix time at which it counts.
    /// @return digest The digest.
    function acceptDigest(bytes32 datasetId, uint256 nonce, uint256 deadline) external view returns (bytes32 digest);

    /// @notice The EIP-712 digest that an owner signs for `setPayoutFor`.
    /// @param datasetId Any version of the dataset.
    /// @param payout The address; zero for the owner's.
    /// @param nonce The message's nonce.
    /// @param deadline Last second of Unix time at which it counts.
    /// @return digest The digest.
    function payoutDigest(bytes32 datasetId, address payout, uint256 nonce, uint256 deadline)
        external
        view
        returns (bytes32 digest);
}
