"""Receipts and vouchers, which a client computes itself so that it need not trust the server.

Every answered query extends the session's *transcript*, a hash chain over queries, salts and answers. A *voucher* is the
session key's EIP-712 signature over the number of answers and the transcript after the last of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak

from ._poseidon2 import MODULUS, sponge

FEATURES_PER_ELEMENT = 28
"""Features packed into one field element."""


def first_transcript(chain_id: int, escrow: bytes, session: bytes, version: int, weights_digest: bytes) -> int:
    """Transcript of a session before its first answer."""
    word = (chain_id.to_bytes(32, "big"), escrow.rjust(32, b"\0"), session, version.to_bytes(32, "big"), weights_digest)
    return int.from_bytes(keccak(b"".join(word)), "big") % MODULUS


def extend(before: int, query: bytes, salt: int, answer: int) -> int:
    """Extends a transcript by one answer.

    Parameters
    ----------
    before : int
        Transcript before the answer.
    query : bytes
        Quantised features of the query, one byte each, as many as the schema has.
    salt : int
        Random number chosen by the client, below 2^248.
    answer : int
        Number of the answered class.
    """
    packed = [
        int.from_bytes(query[i : i + FEATURES_PER_ELEMENT], "little") for i in range(0, len(query), FEATURES_PER_ELEMENT)
    ]
    return sponge([before, *packed, salt, answer])


@dataclass(frozen=True)
class Voucher:
    """A signed promise to pay for the first `count` answers of a session."""

    session: bytes
    version: int
    count: int
    transcript: int
    signature: bytes

    @classmethod
    def sign(
        cls, key: LocalAccount, chain_id: int, escrow: str, session: bytes, version: int, count: int, transcript: int
    ) -> "Voucher":
        """Signs a voucher with the session key, for an escrow contract on its chain."""
        message = encode_typed_data(
            domain_data={"name": "Tribute", "version": "1", "chainId": chain_id, "verifyingContract": escrow},
            message_types={
                "Voucher": [
                    {"name": "session", "type": "bytes32"},
                    {"name": "version", "type": "uint32"},
                    {"name": "count", "type": "uint64"},
                    {"name": "transcript", "type": "uint256"},
                ]
            },
            message_data={"session": session, "version": version, "count": count, "transcript": transcript},
        )
        return cls(session, version, count, transcript, bytes(key.sign_message(message).signature))
