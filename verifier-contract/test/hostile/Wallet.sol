// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

import {SessionEscrow} from "../../src/SessionEscrow.sol";

/// A contract wallet whose owner signs for it, until it stops accepting these signatures.
contract Wallet is IERC1271 {
    address private immutable OWNER;
    bool private _honours = true;

    constructor(address owner) {
        OWNER = owner;
    }

    function stopHonouring() external {
        _honours = false;
    }

    function approve(IERC20 token, address spender, uint256 amount) external {
        token.approve(spender, amount);
    }

    function requestThaw(SessionEscrow escrow, bytes32 session, uint128 amount) external {
        escrow.requestThaw(session, amount);
    }

    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        bool valid = _honours && ECDSA.recover(hash, signature) == OWNER;
        return valid ? IERC1271.isValidSignature.selector : bytes4(0);
    }
}
