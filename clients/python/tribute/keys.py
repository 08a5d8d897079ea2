"""Keys of Ethereum accounts, from environment variables or encrypted keystores; never from command-line arguments, never shown."""

from __future__ import annotations

import os
import re
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount

from . import _keystore

_SECRET = (
    "this looks like a key itself (not shown), where a name belongs: put the key in an environment variable and give the variable's name"
)


def from_environment(name: str) -> LocalAccount:
    """The account whose private key is in the environment variable `name`.

    It has 64 hex digits of either case, with or without 0x, white space and a byte order mark around them.

    Raises
    ------
    ValueError
        It is not set, or holds no key; the message says what is unusual without showing any of it.
    """
    check_variable(name)
    value = os.environ.get(name)
    if not value:
        raise ValueError(f"the environment variable {name} is not set: it should hold a private key in hex")
    try:
        return _parsed(value)
    except ValueError as problem:
        raise ValueError(f"the environment variable {name} holds no private key ({problem}): expected 0x and 64 hex digits") from None


def check_name(name: str | os.PathLike[str]) -> None:
    """Refuses a key or a mnemonic phrase where a path or an address belongs, since errors show these.

    Raises
    ------
    ValueError
        It looks like one; the message does not show it.
    """
    text = os.fsdecode(name)
    if _keystore.is_phrase(text) or re.fullmatch("\\W*(0[xX])?[0-9a-fA-F]{60,70}\\W*", text):
        raise ValueError(_SECRET)


def check_variable(name: str) -> None:
    """As :func:`check_name`, for the name of an environment variable: unlike a path, it has no digest and no dozen words in it."""
    if re.search("[0-9a-fA-F]{60}", name) or len(re.findall("[^\\W\\d_]+", name)) >= 12:
        raise ValueError(_SECRET)


def _parsed(text: str) -> LocalAccount:
    digits = re.sub("^0[xX]", "", text.lstrip("\ufeff").strip())
    for unusual, said in (
        (not digits, "it is empty"),
        (digits.startswith(('"', "'")), "there are quotation marks around it: remove them"),
        (len(digits.split()) >= 12, "it looks like a mnemonic phrase: derive the account's private key from it first"),
        (len(digits.split()) > 1, "there is white space inside"),
        (digits.startswith("{"), "it looks like a keystore: save it in a file and name that"),
        (not re.fullmatch("[0-9a-fA-F]*", digits), "it has characters that are no hex digits"),
        (
            len(digits) != 64,
            f"it has {len(digits)} hex digits instead of 64; leading zeros belong to a key, and decimal is not read",
        ),
    ):
        if unusual:
            raise ValueError(said)
    try:
        return Account.from_key(bytes.fromhex(digits))
    except Exception:  # the message of whatever failed may quote the key
        raise ValueError("it is zero, or not below the curve's order") from None


def from_keystore(path: str | os.PathLike[str], password: str | None = None) -> LocalAccount:
    """The account of an encrypted keystore file (Web3 Secret Storage, version 3), as geth, cast, ethers and MyEtherWallet write it.

    Without `password`, the environment variable ``TRIBUTE_KEYSTORE_PASSWORD`` is used. If it does not open the file, its Unicode forms
    NFKC and NFC are tried: wallets encrypt with either, and keyboards differ.

    Raises
    ------
    ValueError
        The file is no such keystore, or the password is wrong; the message says which.
    """
    check_name(path)
    password = os.environ.get("TRIBUTE_KEYSTORE_PASSWORD") if password is None else password
    if password is None:
        raise ValueError(f"{path}: give the keystore's password, or set TRIBUTE_KEYSTORE_PASSWORD")
    if any("\ud800" <= character <= "\udfff" for character in password):
        raise ValueError(f"{path}: the keystore's password is not UTF-8 text: TRIBUTE_KEYSTORE_PASSWORD has it in another encoding")
    return _keystore.opened(Path(path), password)


def account(key: LocalAccount | str | os.PathLike[str]) -> LocalAccount:
    """An account given as such, by the name of an environment variable, or by the path of a keystore.

    Raises
    ------
    ValueError
        As :func:`from_environment` or :func:`from_keystore`, or it is neither a variable nor a file.
    """
    if isinstance(key, LocalAccount):
        return key
    if isinstance(key, str) and os.sep not in key and not os.path.exists(key):
        if key.isidentifier() or key in os.environ:
            return from_environment(key)
        check_variable(key)
        given = repr(key) if key.strip() else "an empty text"
        raise ValueError(f"{given} names no key: there is no environment variable and no keystore file of this name")
    return from_keystore(key)
