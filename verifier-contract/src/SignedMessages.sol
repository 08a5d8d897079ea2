// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {ISignedMessages} from "./interfaces/ISignedMessages.sol";

/// @title Signed messages
/// @notice See {ISignedMessages}.
abstract contract SignedMessages is ISignedMessages, EIP712 {
    mapping(address signer => mapping(uint256 word => uint256 bits)) private _spent;

    /// @inheritdoc ISignedMessages
    function cancelNonce(uint256 nonce) external {
        if (nonceSpent(msg.sender, nonce)) revert NonceUsed(msg.sender, nonce);
        _spend(msg.sender, nonce);
    }

    /// @inheritdoc ISignedMessages
    function nonceSpent(address signer, uint256 nonce) public view returns (bool spent) {
        return (_spent[signer][nonce >> 8] >> (nonce & 0xff)) & 1 == 1;
    }

    /// @dev Reverts unless `signer` signed the struct with this hash and the nonce is unused; marks the nonce as used.
    /// @param signer The required signer.
    /// @param structHash EIP-712 hash of the struct; the nonce and the deadline are its last members.
    /// @param authority The signature.
    function _requireSigned(address signer, bytes32 structHash, Authority calldata authority) internal {
        _requireValid(signer, structHash, authority);
        _spend(signer, authority.nonce);
    }

    /// @dev The same, and leaves the nonce unused: for messages that what they bring about makes void, and which others
    /// could use up by submitting a part of it.
    /// @param signer The required signer.
    /// @param structHash EIP-712 hash of the struct; the nonce and the deadline are its last members.
    /// @param authority The signature.
    function _requireValid(address signer, bytes32 structHash, Authority calldata authority) internal view {
        if (block.timestamp > authority.deadline) revert MessageExpired(authority.deadline);
        if (nonceSpent(signer, authority.nonce)) revert NonceUsed(signer, authority.nonce);
        if (!SignatureChecker.isValidSignatureNowCalldata(signer, _hashTypedDataV4(structHash), authority.signature)) {
            revert SignatureInvalid(signer);
        }
    }

    function _spend(address signer, uint256 nonce) private {
        _spent[signer][nonce >> 8] |= 1 << (nonce & 0xff);
        emit NonceSpent(signer, nonce);
    }
}
