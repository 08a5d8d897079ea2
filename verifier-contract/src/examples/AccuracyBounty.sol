// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {ITribute} from "../interfaces/ITribute.sol";

/// @title Accuracy bounty: an example of a contract that depends on what Tribute proves
/// @notice A sponsor offers tokens to the first agent whose latest certified version answers enough records of a test
/// set correctly. The test set is a registered dataset whose records the agent's owner never sees: its provider proves
/// the accuracy. After the deadline the sponsor takes the tokens back.
contract AccuracyBounty {
    using SafeERC20 for IERC20;

    /// @notice The bounty was already paid or taken back, or was never funded.
    error NothingLeft();
    /// @notice The agent has no certified version, or circuits behind it were stopped.
    error NotCertified(bytes32 agentId);
    /// @notice The version answers too few records correctly.
    error NotAccurate(uint256 accuracy, uint256 least);
    /// @notice Only the sponsor may take it back, and only after the deadline.
    error NotYours(address sponsor, uint256 deadline);

    /// @notice Paid to the agent's owner.
    event BountyPaid(bytes32 indexed agentId, uint32 version, address to, uint256 amount);

    ITribute public immutable tribute;
    IERC20 public immutable token;
    address public immutable sponsor;
    bytes32 public immutable testSet;
    uint256 public immutable leastAccuracy;
    uint256 public immutable deadline;

    /// @param reads The `Tribute` contract.
    /// @param erc20 Token of the bounty, sent to this contract by the sponsor.
    /// @param datasetId The test set.
    /// @param least Least accuracy, as a part of 10^18.
    /// @param until Unix time in seconds, inclusive, until which it is paid.
    constructor(ITribute reads, IERC20 erc20, bytes32 datasetId, uint256 least, uint256 until) {
        (tribute, token, sponsor) = (reads, erc20, msg.sender);
        (testSet, leastAccuracy, deadline) = (datasetId, least, until);
    }

    /// @notice Pays the bounty to the owner of an agent that earned it; anybody may call.
    /// @param agentId The agent.
    function pay(bytes32 agentId) external {
        uint32 version = tribute.latestCertified(agentId);
        if (!tribute.isCertified(agentId, version)) revert NotCertified(agentId);
        uint256 accuracy = tribute.accuracyOf(agentId, version, testSet);
        if (accuracy < leastAccuracy) revert NotAccurate(accuracy, leastAccuracy);
        if (block.timestamp > deadline) revert NotYours(sponsor, deadline);
        address to = tribute.agentOwner(agentId);
        uint256 amount = _all();
        emit BountyPaid(agentId, version, to, amount);
        token.safeTransfer(to, amount);
    }

    /// @notice Pays the bounty back to the sponsor; only the sponsor, after the deadline.
    function takeBack() external {
        if (msg.sender != sponsor || block.timestamp <= deadline) revert NotYours(sponsor, deadline);
        token.safeTransfer(sponsor, _all());
    }

    function _all() private view returns (uint256 amount) {
        amount = token.balanceOf(address(this));
        // sending it more tokens does no harm
        // slither-disable-next-line incorrect-equality
        if (amount == 0) revert NothingLeft();
    }
}
