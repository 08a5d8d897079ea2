// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// A verifier that should never have been added: it accepts everything.
contract AcceptAll {
    fallback() external {}
}
