// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title The token of local chains: ERC-20 with permit, six decimals, minted by anyone
/// @notice The functions that clients call; the token is worthless by design.
interface ITestToken {
    /// @notice Mints `amount` to `to`.
    /// @param to The recipient.
    /// @param amount Base units, each 10^-6 of a token.
    function mint(address to, uint256 amount) external;

    /// @notice ERC-20 balance.
    /// @param account The holder.
    /// @return balance Base units, each 10^-6 of a token.
    function balanceOf(address account) external view returns (uint256 balance);

    /// @notice ERC-20 approval.
    /// @param spender The account that may spend the tokens.
    /// @param amount Base units, each 10^-6 of a token, replacing the previous approval.
    /// @return ok True; failures revert.
    function approve(address spender, uint256 amount) external returns (bool ok);

    /// @notice ERC-20 transfer.
    /// @param to The recipient.
    /// @param amount Base units, each 10^-6 of a token.
    /// @return ok True; failures revert.
    function transfer(address to, uint256 amount) external returns (bool ok);

    /// @notice ERC-20 allowance.
    /// @param owner The holder.
    /// @param spender The account that may spend the tokens.
    /// @return amount Base units, each 10^-6 of a token.
    function allowance(address owner, address spender) external view returns (uint256 amount);

    /// @notice ERC-2612 nonce.
    /// @param owner The holder.
    /// @return nonce Number of permits used, which the next one carries.
    function nonces(address owner) external view returns (uint256 nonce);

    /// @notice EIP-712 domain separator.
    /// @return separator keccak256 of the token's EIP-712 domain.
    function DOMAIN_SEPARATOR() external view returns (bytes32 separator);

    /// @notice Six.
    /// @return count Decimal places: one token is 10^6 base units.
    function decimals() external view returns (uint8 count);
}
