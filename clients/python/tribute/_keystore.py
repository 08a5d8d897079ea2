"""Encrypted keystore files: Web3 Secret Storage version 3, checked before the expensive key derivation.

Wallets write it in many variants; unambiguous ones are read, anything else is refused with an error that names it. The rules are those of
the Rust client, ``verifier-contract/client/src/keystore.rs``.
"""

from __future__ import annotations

import json
import re
import stat
import unicodedata
from pathlib import Path
from typing import Any, Mapping

from eth_account import Account
from eth_account.signers.local import LocalAccount

MAX_FILE = 1 << 16
"""Largest keystore file, bytes; real ones have some 500."""
MAX_SCRYPT = 1 << 23
"""Largest n·r·p of scrypt: 1 GiB of memory at p = 1, about ten seconds. Wallets use up to 2^21."""
MAX_FACTOR = 64
"""Largest r and largest p of scrypt: its first and last step take time proportional to r·p, whatever n is. Wallets use up to 8."""
MAX_PBKDF2 = 10_000_000
"""Maximum number of PBKDF2 iterations, about ten seconds. Wallets use up to 2^20."""
DERIVED = 32
"""Length of the derived key, bytes."""


def opened(path: Path, password: str) -> LocalAccount:
    """The account of a keystore file.

    Raises
    ------
    ValueError
        The file is no such keystore, or the password is wrong; the message says which.
    """
    try:
        address, crypto = _parsed(_read(path))
        try:
            account = Account.from_key(_decrypted(crypto, password))
        except _WrongPassword:
            ends = ": it ends in white space, is that part of it?" if password[-1:].isspace() else ""
            raise ValueError(f"the password is wrong (or the encrypted key in the file was changed){ends}") from None
        except ValueError:
            raise ValueError("it opens, but what it holds is no private key") from None
        if address is not None and address != account.address.lower():
            raise ValueError(f"it says that it is of {address}, but holds the key of {account.address}: it was altered or mislabelled")
    except ValueError as refused:
        raise ValueError(f"keystore {path}: {refused}") from None
    return account


def is_phrase(text: str) -> bool:
    """Whether it may be a mnemonic phrase: a dozen words or more, and nothing else."""
    return len(text.split()) >= 12 and all(character.isalpha() or character.isspace() for character in text)


class _WrongPassword(ValueError):
    """The file's MAC is not that of the password."""


def _decrypted(crypto: dict[str, Any], password: str) -> bytes:
    """The key in a keystore. Geth encrypts with a password as it was typed, ethers with its form NFKC; keyboards give other forms."""
    for form in dict.fromkeys((password, unicodedata.normalize("NFKC", password), unicodedata.normalize("NFC", password))):
        try:
            return Account.decrypt({"version": 3, "crypto": crypto}, form)
        except ValueError as refused:
            if "MAC" not in str(refused):
                raise
    raise _WrongPassword


def _read(path: Path) -> bytes:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise ValueError("it is a folder: name the keystore file inside")
        if not stat.S_ISREG(mode) and not stat.S_ISFIFO(mode):
            raise ValueError("it is neither a regular file nor a pipe")
        with path.open("rb") as file:
            content = file.read(MAX_FILE + 1)
        if len(content) > MAX_FILE:
            raise ValueError(f"it has more than {MAX_FILE} bytes: no keystore is that large")
        return content
    except FileNotFoundError:
        raise ValueError("no such file") from None
    except OSError as failed:
        raise ValueError(failed.strerror or "it cannot be read") from None


def _parsed(content: bytes) -> tuple[str | None, dict[str, Any]]:
    """The address that a file states, in lower case, and its checked ``crypto`` with the usual names."""
    file = _json(content)
    _refuse_other_kinds(file)
    address = _lookup(file, "address")
    if address is not None:
        if not isinstance(address, str):
            raise ValueError("its address is not text")
        if not re.fullmatch("(0[xX])?[0-9a-fA-F]{40}", address):
            raise ValueError("its address is not 20 bytes in hex")
        address = "0x" + address[-40:].lower()
    crypto = _object(file, "crypto")
    cipher = _text(crypto, "cipher")
    if cipher.lower() != "aes-128-ctr":
        raise ValueError(f"its cipher is {cipher!r}: only aes-128-ctr is read")
    return address, {
        **_kdf(crypto),
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": _bytes(_object(crypto, "cipherparams"), "iv", 16)},
        "ciphertext": _bytes(crypto, "ciphertext", 32),
        "mac": _bytes(crypto, "mac", 32),
    }


def _json(content: bytes) -> dict[str, Any]:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError("it is UTF-16 text: save it as UTF-8")
    try:
        text = content.decode().lstrip("\ufeff").strip()
    except UnicodeDecodeError:
        raise ValueError("it is not text") from None
    if not text:
        raise ValueError("it is empty")
    if re.fullmatch("(0x)?[0-9a-fA-F]{1,66}", text):
        raise ValueError("it holds a bare key, not an encrypted one: give that in the environment variable")
    if is_phrase(text):
        raise ValueError("it holds a mnemonic phrase, not an encrypted key: derive the account's private key from it first")
    try:
        file = json.loads(text)
    except json.JSONDecodeError as broken:
        rest = text[broken.pos :]
        if not rest or "Unterminated" in broken.msg or any(word.startswith(rest) for word in ("true", "false", "null")):
            raise ValueError("it is cut off: its JSON does not end") from None
        raise ValueError(f"it is not JSON (line {broken.lineno}, column {broken.colno})") from None
    except (RecursionError, ValueError):
        raise ValueError("it is not JSON of a keystore") from None
    if not isinstance(file, dict):
        raise ValueError("it is JSON, but not an object")
    return file


def _refuse_other_kinds(file: Mapping[str, Any]) -> None:
    """Checks the version, and recognises other kinds of files mistaken for such a keystore."""
    if "encseed" in file:
        raise ValueError("it is a wallet of Ethereum's presale: import it into geth and use the keystore that geth writes")
    version = _lookup(file, "version")
    if isinstance(version, str) and re.fullmatch(r"\d{1,9}", version, re.ASCII):
        version = int(version)
    number = version if isinstance(version, int) and not isinstance(version, bool) and version >= 0 else None
    if "pubkey" in file or number == 4:
        raise ValueError("it is a validator's keystore (EIP-2335, a BLS key): such a key cannot sign transactions")
    if number is None:
        raise ValueError("its field `version` is missing or not 3")
    if number != 3:
        raise ValueError(f"it is of version {number}: only version 3 is read; import it into geth and use the keystore that geth writes")


def _kdf(crypto: Mapping[str, Any]) -> dict[str, Any]:
    name, params = _text(crypto, "kdf"), _object(crypto, "kdfparams")
    salt = _hex(params, "salt")
    if not 8 <= len(salt) <= 128:
        raise ValueError(f"its salt has {len(salt)} bytes: wallets write 16 or 32")
    length = _number(params, "dklen")
    if length != DERIVED:
        raise ValueError(f"its dklen is {length}: the derived key must have {DERIVED} bytes")
    found: dict[str, Any] = {"dklen": length, "salt": salt.hex()}
    if name.lower() == "scrypt":
        n, r, p = (_number(params, field) for field in "nrp")
        if n < 2 or n & (n - 1):
            raise ValueError(f"its scrypt parameter n is {n}: it must be a power of two above one")
        if not r or not p:
            raise ValueError("its scrypt parameters r and p must not be zero")
        if n * r * p > MAX_SCRYPT or max(r, p) > MAX_FACTOR:
            raise ValueError(
                f"its scrypt parameters n = {n}, r = {r}, p = {p} ask for absurd work: n·r·p may be {MAX_SCRYPT}, r and p {MAX_FACTOR} each"
            )
        return {"kdf": "scrypt", "kdfparams": {**found, "n": n, "r": r, "p": p}}
    if name.lower() == "pbkdf2":
        function = _text(params, "prf")
        if function.lower() != "hmac-sha256":
            raise ValueError(f"its PBKDF2 function is {function!r}: only hmac-sha256 is read")
        rounds = _number(params, "c")
        if not 1 <= rounds <= MAX_PBKDF2:
            raise ValueError(f"its PBKDF2 parameter c must be 1 to {MAX_PBKDF2}")
        return {"kdf": "pbkdf2", "kdfparams": {**found, "prf": "hmac-sha256", "c": rounds}}
    raise ValueError(f"its key derivation is {name!r}: only scrypt and pbkdf2 are read")


def _lookup(fields: Mapping[str, Any], name: str) -> Any:
    """A field by its case-insensitive name, as MyEtherWallet and old geth write ``Crypto``; None if there is none."""
    found = [value for key, value in fields.items() if key.lower() == name]
    if len(found) > 1:
        raise ValueError(f"its field `{name}` appears twice")
    return found[0] if found else None


def _field(fields: Mapping[str, Any], name: str) -> Any:
    value = _lookup(fields, name)
    if value is None and name not in map(str.lower, fields):
        raise ValueError(f"its field `{name}` is missing")
    return value


def _object(fields: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = _field(fields, name)
    if not isinstance(value, dict):
        raise ValueError(f"its field `{name}` is not an object")
    return value


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = _field(fields, name)
    if not isinstance(value, str):
        raise ValueError(f"its field `{name}` is not text")
    return value


def _number(fields: Mapping[str, Any], name: str) -> int:
    value = _field(fields, name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 64:
        raise ValueError(f"its field `{name}` is not a whole number")
    return value


def _hex(fields: Mapping[str, Any], name: str) -> bytes:
    digits = re.sub("^0[xX]", "", _text(fields, name))
    if not re.fullmatch("([0-9a-fA-F]{2})*", digits):
        raise ValueError(f"its field `{name}` is not hex")
    return bytes.fromhex(digits)


def _bytes(fields: Mapping[str, Any], name: str, length: int) -> str:
    found = _hex(fields, name)
    if len(found) != length:
        raise ValueError(f"its field `{name}` has {len(found)} bytes instead of {length}")
    return found.hex()
