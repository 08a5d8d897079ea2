// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title The token of local chains: ERC-20 with permit, six decimals, minted by anyone
/// @notice What clients call of it; worthless by design.
interface ITestToken {
    /// @notice Mints `amount` to `to`.
    function mint(address to, uint256 amount) external;

    /// @notice ERC-20 balance.
    function balanceOf(address account) external view returns (uint256 balance);

    /// @notice ERC-20 approval.
    function approve(address spender, uint256 amount) external returns (bool ok);

    /// @notice ERC-20 transfer.
    function transfer(address to, uint256 amount) external returns (bool ok);

    /// @notice ERC-20 allowance.
    function allowance(address owner, address spender) external view returns (uint256 amount);

    /// @notice ERC-2612 nonce.
    function nonces(address owner) external view returns (uint256 nonce);

    /// @notice EIP-712 domain separator.
    function DOMAIN_SEPARATOR() external view returns (bytes32 separator);

    /// @notice Six.
    function decimals() external view returns (uint8 count);
}
