"""Keys of Ethereum accounts, from environment variables or encrypted keystores; never from command-line arguments."""

from __future__ import annotations

import json
import os
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount

KeyLike = "LocalAccount | str | os.PathLike[str]"


def from_environment(name: str) -> LocalAccount:
    """The account whose private key, in hex, is in the environment variable `name`."""
    value = os.environ.get(name)
    if not value:
        raise ValueError(f"the environment variable {name} is not set: it should hold a private key in hex")
    try:
        return Account.from_key(value)
    except Exception:  # the message of whatever failed may quote the key
        raise ValueError(f"the environment variable {name} does not hold a private key: 64 hex digits") from None


def from_keystore(path: str | os.PathLike[str], password: str | None = None) -> LocalAccount:
    """The account of an encrypted keystore file (Web3 Secret Storage, version 3).

    Without `password`, the environment variable ``TRIBUTE_KEYSTORE_PASSWORD`` is used.
    """
    password = os.environ.get("TRIBUTE_KEYSTORE_PASSWORD") if password is None else password
    if password is None:
        raise ValueError(f"{path}: give the keystore's password, or set TRIBUTE_KEYSTORE_PASSWORD")
    try:
        content = json.loads(Path(path).read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not a keystore: {error}") from None
    try:
        return Account.from_key(Account.decrypt(content, password))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} cannot be opened: {error}") from None


def account(key: LocalAccount | str | os.PathLike[str]) -> LocalAccount:
    """An account given as such, by the name of an environment variable, or by the path of a keystore."""
    if isinstance(key, LocalAccount):
        return key
    if isinstance(key, str) and key.isidentifier() and not Path(key).exists():
        return from_environment(key)
    return from_keystore(key)
