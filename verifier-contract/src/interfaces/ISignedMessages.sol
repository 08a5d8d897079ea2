// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title Signed messages: what somebody decides by an EIP-712 signature that anybody may bring
/// @notice Each function `…For` does what its twin does, for whoever signed. A signer needs neither coin nor wallet
/// software; a contract signs by ERC-1271. Nonces have no order: each counts once, so that messages given to different
/// people cannot block each other.
interface ISignedMessages {
    /// @notice A signature with what it is bound to besides its message.
    struct Authority {
        /// Any number that the signer has not used yet.
        uint256 nonce;
        /// Last second of Unix time at which it counts.
        uint256 deadline;
        /// ECDSA by the account, or what a contract takes by ERC-1271.
        bytes signature;
    }

    /// @notice The signer took a nonce back, or used it up.
    /// @param signer Who signs with it.
    /// @param nonce The nonce.
    event NonceSpent(address indexed signer, uint256 nonce);

    /// @notice The message has expired.
    /// @param deadline Last second of Unix time at which it counted.
    error MessageExpired(uint256 deadline);
    /// @notice The nonce was used or taken back.
    /// @param signer Who signs with it.
    /// @param nonce The nonce.
    error NonceUsed(address signer, uint256 nonce);
    /// @notice The signature is not the signer's over this message.
    /// @param signer Who had to sign.
    error SignatureInvalid(address signer);

    /// @notice Takes a nonce of the caller's back: no message that carries it counts any more.
    /// @param nonce The nonce; reverts if it was used.
    function cancelNonce(uint256 nonce) external;

    /// @notice Whether a nonce was used or taken back.
    /// @param signer Who signs with it.
    /// @param nonce The nonce.
    /// @return spent Whether no further message may carry it.
    function nonceSpent(address signer, uint256 nonce) external view returns (bool spent);
}
