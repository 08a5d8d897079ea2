"""The `authorization` metadata of calls, as specified in docs/authentication.md.

A call that changes something carries an EIP-712 signature over the server's name as this client dialled it, the method and the
message's raw bytes. A read-only call carries the token of a login (EIP-4361), which is renewed when it expires.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Callable
from urllib.parse import urlsplit

from eth_account.messages import encode_defunct, encode_typed_data
from eth_account.signers.local import LocalAccount

from . import errors, keys
from ._proto.tribute.v1 import login_service_pb2

VALIDITY = 300
"""Validity of a signed call, seconds."""
LOGIN_VALIDITY = 300
"""Validity of a login message, seconds."""
SPARE = 30
"""A token that expires within this many seconds is not used."""

_CALL = [
    {"name": "server", "type": "string"},
    {"name": "method", "type": "string"},
    {"name": "length", "type": "uint64"},
    {"name": "sha256", "type": "bytes32"},
    {"name": "nonce", "type": "bytes32"},
    {"name": "deadline", "type": "uint64"},
]


@dataclass(frozen=True)
class Server:
    """A server as this client dialled it; never taken from the server itself."""

    scheme: str
    name: str
    """Host and port, in lower case."""

    @classmethod
    def of(cls, address: str) -> "Server":
        """Parses ``host:port``, ``http://host:port`` or ``https://host``."""
        keys.check_name(address)
        parts = urlsplit(address if "://" in address else f"http://{address}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"`{address}`: the address is host:port, http://host:port or https://host:port")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return cls(parts.scheme, f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}")


class Signer:
    """Authorizes an account's calls to a server."""

    def __init__(self, account: LocalAccount, server: Server, info: Any, call: Callable[[str, Any], Any]):
        self._account, self._server, self._call = account, server, call
        self._instance, self._chain_id = info.instance, info.chain_id or 1
        self._token, self._expires = "", 0.0

    def signed(self, path: str, length: int, sha256: bytes) -> str:
        """The `authorization` of a call of `path` that sends `length` bytes with this SHA-256."""
        nonce, deadline = secrets.token_bytes(32), int(time.time()) + VALIDITY
        message = encode_typed_data(
            domain_data={"name": "Tribute Service", "version": "2", "salt": self._instance},
            message_types={"Call": _CALL},
            message_data={
                "server": self._server.name,
                "method": path,
                "length": length,
                "sha256": sha256,
                "nonce": nonce,
                "deadline": deadline,
            },
        )
        signature = self._account.sign_message(message).signature
        return (
            f"Tribute signer={self._account.address.lower()},server={self._server.name},length={length},"
            f"sha256={sha256.hex()},nonce={nonce.hex()},deadline={deadline},signature={bytes(signature).hex()}"
        )

    def signed_message(self, path: str, body: bytes) -> str:
        """The `authorization` of a call with a single message."""
        return self.signed(path, len(body), hashlib.sha256(body).digest())

    def token(self, fresh: bool = False) -> str:
        """The `authorization` of a read-only call; `fresh` logs in again."""
        if fresh or time.time() + SPARE > self._expires:
            self._login()
        return f"Bearer {self._token}"

    def _login(self) -> None:
        challenge = self._call("LoginService/GetChallenge", login_service_pb2.GetChallengeRequest())
        if not re.fullmatch("[0-9A-Za-z]{8,128}", challenge.nonce):
            raise errors.BadField("the server's challenge is not a nonce of EIP-4361: it is not signed")
        text = (
            f"{self._server.name} wants you to sign in with your Ethereum account:\n{self._account.address}\n\n"
            "Read what is yours on this Tribute server.\n\n"
            f"URI: {self._server.scheme}://{self._server.name}\nVersion: 1\nChain ID: {self._chain_id}\n"
            f"Nonce: {challenge.nonce}\nIssued At: {_utc(challenge.now)}\n"
            f"Expiration Time: {_utc(challenge.now + LOGIN_VALIDITY)}\nRequest ID: 0x{self._instance.hex()}"
        )
        signature = self._account.sign_message(encode_defunct(text=text)).signature
        request = login_service_pb2.LoginRequest(message=text, signature=bytes(signature))
        made = self._call("LoginService/Login", request)
        self._token, self._expires = made.token, made.expires


def _utc(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
