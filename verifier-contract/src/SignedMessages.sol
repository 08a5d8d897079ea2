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
        _spend(msg.sender, nonce);
    }

    /// @inheritdoc ISignedMessages
    function nonceSpent(address signer, uint256 nonce) external view returns (bool spent) {
        return (_spent[signer][nonce >> 8] >> (nonce & 0xff)) & 1 == 1;
    }

    /// @dev Reverts unless `signer` signed the struct with this hash and the nonce is unused; marks the nonce as used.
    /// @param signer The required signer.
    /// @param structHash EIP-712 hash of the struct; the nonce and the deadline are its last members.
    /// @param authority The signature.
    function _requireSigned(address signer, bytes32 structHash, Authority calldata authority) internal {
        if (block.timestamp > authority.deadline) revert MessageExpired(authority.deadline);
        _spend(signer, authority.nonce);
        if (!SignatureChecker.isValidSignatureNowCalldata(signer, _hashTypedDataV4(structHash), authority.signature)) {
            revert SignatureInvalid(signer);
        }
    }

    function _spend(address signer, uint256 nonce) private {
        uint256 bit = 1 << (nonce & 0xff);
        uint256 word = _spent[signer][nonce >> 8];
        if (word & bit != 0) revert NonceUsed(signer, nonce);
        _spent[signer][nonce >> 8] = word | bit;
        emit NonceSpent(signer, nonce);
    }
}
