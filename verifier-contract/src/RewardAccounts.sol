// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Reward accounts: fees of each agent version, withdrawn by its owner and its data providers
/// @dev Bookkeeping only, no token transfers. Accruing is O(1) in the number of providers: what a provider has earned of
/// all that was accrued is computed when it withdraws ({IAgreedWeights}), rounded down, so all providers together never
/// take more than was accrued. Rounding dust stays in `_unpaid` and becomes part of a later due.
abstract contract RewardAccounts {
    struct Account {
        // total ever accrued for data providers
        uint128 dataAccrued;
        // accrued for the agent's owner and not yet withdrawn
        uint128 ownerUnpaid;
        // queries paid for by proven claims, and by clients' signatures alone
        uint64 proven;
        uint64 settled;
    }

    mapping(bytes32 account => Account) private _accounts;
    mapping(bytes32 account => mapping(bytes32 datasetId => uint256)) private _taken;
    uint256 private _unpaid;

    /// @dev Key of a version's account.
    function _accountOf(bytes32 agentId, uint32 version) internal pure returns (bytes32) {
        return keccak256(abi.encode(agentId, version));
    }

    function _accrue(bytes32 account, uint128 toData, uint128 toOwner, uint64 queries, bool proven) internal {
        Account storage entry = _accounts[account];
        if (proven) entry.proven += queries;
        else entry.settled += queries;
        entry.dataAccrued += toData;
        entry.ownerUnpaid += toOwner;
        _unpaid += uint256(toData) + toOwner;
    }

    /// @dev Debits everything due to a provider who has `earned` so much in total.
    function _takeProvider(bytes32 account, bytes32 datasetId, uint256 earned) internal returns (uint256 amount) {
        amount = _providerDue(account, datasetId, earned);
        _taken[account][datasetId] += amount;
        _unpaid -= amount;
    }

    /// @dev Debits everything due to the owner.
    function _takeOwner(bytes32 account) internal returns (uint256 amount) {
        amount = _accounts[account].ownerUnpaid;
        _accounts[account].ownerUnpaid = 0;
        _unpaid -= amount;
    }

    function _providerDue(bytes32 account, bytes32 datasetId, uint256 earned) internal view returns (uint256) {
        return earned - _taken[account][datasetId];
    }

    function _ownerDue(bytes32 account) internal view returns (uint256) {
        return _accounts[account].ownerUnpaid;
    }

    function _dataAccrued(bytes32 account) internal view returns (uint256) {
        return _accounts[account].dataAccrued;
    }

    function _servedQueries(bytes32 account) internal view returns (uint256 proven, uint256 settled) {
        return (_accounts[account].proven, _accounts[account].settled);
    }

    function _unpaidRewards() internal view returns (uint256) {
        return _unpaid;
    }
}
