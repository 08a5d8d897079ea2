// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title Test token for local chains and tests
/// @notice ERC-20 with permit, six decimals. Anyone may mint: it has no value and must not be given any.
contract TestToken is ERC20, ERC20Permit {
    constructor() ERC20("Tribute Test Token", "TTT") ERC20Permit("Tribute Test Token") {}

    /// @notice Mints `amount` to `to`.
    /// @param to The recipient.
    /// @param amount Base units, each 10^-6 of a token.
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    /// @notice Six, as the common stablecoins have.
    /// @return Decimal places: one token is 10^6 base units.
    function decimals() public pure override returns (uint8) {
        return 6;
    }
}
