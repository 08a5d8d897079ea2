// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title Signed messages: actions authorised by an EIP-712 signature, which anybody may submit
/// @notice Each function `…For` acts as its namesake, on behalf of the signer. A signer needs neither native coin nor
/// wallet software; a contract signs by ERC-1271. Nonces are unordered and usable once, so that messages given to
/// different people cannot block each other.
interface ISignedMessages {
    /// @notice A signature, with the nonce and the deadline that it also covers.
    struct Authority {
        /// Any number that the signer has not used yet.
        uint256 nonce;
        /// Unix time in seconds, inclusive, until which it is valid.
        uint256 deadline;
        /// ECDSA by the account, or whatever a contract accepts by ERC-1271.
        bytes signature;
    }

    /// @notice The signer's nonce was used or cancelled.
    /// @param signer The signer.
    /// @param nonce The nonce.
    event NonceSpent(address indexed signer, uint256 nonce);

    /// @notice The message has expired.
    /// @param deadline Unix time in seconds, inclusive, until which it was valid.
    error MessageExpired(uint256 deadline);
    /// @notice The nonce was already used or cancelled.
    /// @param signer The signer.
    /// @param nonce The nonce.
    error NonceUsed(address signer, uint256 nonce);
    /// @notice The signature is not a valid one of this message by the signer.
    /// @param signer The required signer.
    error SignatureInvalid(address signer);

    /// @notice Cancels a nonce of the caller: messages with it become invalid.
    /// @param nonce The nonce; reverts if it was used.
    function cancelNonce(uint256 nonce) external;

    /// @notice Whether a nonce was used or cancelled.
    /// @param signer The signer.
    /// @param nonce The nonce.
    /// @return spent True if no further message may use it.
    function nonceSpent(address signer, uint256 nonce) external view returns (bool spent);
}
