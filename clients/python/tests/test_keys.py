"""Keys and keystores as wallets write them, and files that only resemble them. The password of all is "correct horse"."""

import json
import os
import time

import pytest
from eth_account import Account

from tribute import keys
from tribute._auth import Server

from conftest import ROOT

WALLETS = ROOT / "verifier-contract/client/tests/wallets"
PASSWORD = "correct horse"
ADDRESS = (WALLETS / "address.txt").read_text().strip()
KEY = "00" + "5e" * 31


def good(name="geth-scrypt"):
    """A keystore that opens, to be changed."""
    return json.loads((WALLETS / f"{name}.json").read_text())


def changed(place, value, name="geth-scrypt"):
    *path, last = place.split("/")
    file = inner = good(name)
    for part in path:
        inner = inner[part]
    inner[last] = value
    return file


def opened(path, password=PASSWORD):
    """Opens a file, which must be quick."""
    began = time.monotonic()
    try:
        return keys.from_keystore(path, password).address
    except ValueError as refused:
        said = f"{refused}{refused.__cause__}"
        assert str(path) in said and PASSWORD not in said and "5e5e5e" not in said
        raise
    finally:
        assert time.monotonic() - began < 5


@pytest.fixture
def saved(tmp_path):
    def save(content):
        path = tmp_path / "k.json"
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return path

    return save


@pytest.mark.parametrize(
    "name",
    [
        "geth-scrypt",
        "web3py-pbkdf2",
        "mew-Crypto",
        "no-id",
        "foundry-no-address",
        "uppercase-hex",
        "ethers-extra",
        "0x-hex",
        "bom",
        "version-string",
    ],
)
def test_every_form_of_a_version_3_keystore_opens(name):
    assert opened(WALLETS / f"{name}.json") == ADDRESS


@pytest.mark.parametrize(
    "place, value",
    [
        ("address", ADDRESS),
        ("address", ADDRESS.upper().replace("0X", "0x")),
        ("address", None),
        ("id", 7),
        ("crypto/cipher", "AES-128-CTR"),
        ("crypto/kdf", "Scrypt"),
    ],
)
def test_what_is_unambiguous_is_read(saved, place, value):
    assert opened(saved(changed(place, value))) == ADDRESS


@pytest.mark.parametrize("name", ["geth-scrypt", "web3py-pbkdf2"])
@pytest.mark.parametrize("password", ["battery staple", "", "correct horse ", "Correct horse"])
def test_a_wrong_password_is_told_from_a_broken_file(name, password):
    with pytest.raises(ValueError, match="the password is wrong"):
        opened(WALLETS / f"{name}.json", password)


@pytest.mark.parametrize(
    "name, said",
    [
        ("big-scrypt", "absurd work"),
        ("bad-scrypt", "power of two"),
        ("zero-pbkdf2", "parameter c must be 1"),
        ("short-salt", "dklen is 16"),
        ("eth2-bls", "validator's keystore"),
        ("v1-presale", "presale"),
    ],
)
def test_other_files_are_refused_by_what_they_are(name, said):
    with pytest.raises(ValueError, match=said):
        opened(WALLETS / f"{name}.json")


def test_every_case_has_its_test():
    tested = {"big-scrypt", "bad-scrypt", "zero-pbkdf2", "short-salt", "eth2-bls", "v1-presale"}
    for test in (test_every_form_of_a_version_3_keystore_opens, test_wallets_with_another_form_of_the_password_open):
        tested |= set(test.pytestmark[0].args[1])
    assert {path.stem for path in WALLETS.glob("*.json")} == tested


@pytest.mark.parametrize(
    "content, said",
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf \n", "empty"),
        (b"hello", "not JSON"),
        (b"[3]", "not an object"),
        (b"[" * 60_000, "cut off|not JSON"),
        (b"\x00\xff\x80", "not text"),
        (b" " * 65_537, "more than 65536 bytes"),
        ("{}".encode("utf-16"), "UTF-16"),
        (f"0x{'5e' * 32}\n".encode(), "bare key"),
        (b"test " * 11 + b"junk\n", "mnemonic phrase, not an encrypted key"),
        ({**good(), "Crypto": good("web3py-pbkdf2")["crypto"]}, "`crypto` appears twice"),
        *((json.dumps(good()).encode()[:cut], "cut off") for cut in (1, 40, 250, -2)),
    ],
)
def test_what_is_no_keystore_is_told(saved, content, said):
    with pytest.raises(ValueError, match=said):
        opened(saved(content))


def test_what_is_no_file_is_told(tmp_path):
    for path, said in ((tmp_path, "folder"), (tmp_path / "none.json", "no such file"), ("/dev/null", "neither a regular file nor a pipe")):
        with pytest.raises(ValueError, match=said):
            opened(path)


def test_a_keystore_is_read_through_a_pipe():
    read, write = os.pipe()
    try:
        os.write(write, (WALLETS / "geth-scrypt.json").read_bytes())
        os.close(write)
        assert keys.from_keystore(f"/dev/fd/{read}", PASSWORD).address == ADDRESS
    finally:
        os.close(read)


@pytest.mark.parametrize(
    "place, value, said",
    [
        ("version", 1, "version 1"),
        ("version", 4, "validator"),
        ("version", None, "version"),
        ("version", 3.5, "version"),
        ("version", True, "version"),
        ("address", "167e", "20 bytes"),
        ("address", "", "20 bytes"),
        ("address", 5, "not text"),
        ("crypto", "x", "not an object"),
        ("crypto/cipher", "aes-128-cbc", "aes-128-cbc"),
        ("crypto/cipherparams", None, "not an object"),
        ("crypto/cipherparams/iv", "99b6", "2 bytes instead of 16"),
        ("crypto/ciphertext", "zz", "not hex"),
        ("crypto/mac", "00" * 31, "31 bytes instead of 32"),
        ("crypto/mac", 7, "not text"),
        ("crypto/kdf", "argon2id", "argon2id"),
        ("crypto/kdf", "pbkdf2", "`prf` is missing"),
        ("crypto/kdfparams/n", 1, "power of two"),
        ("crypto/kdfparams/n", 4095, "power of two"),
        ("crypto/kdfparams/n", -4096, "whole number"),
        ("crypto/kdfparams/n", 4096.5, "whole number"),
        ("crypto/kdfparams/n", "4096", "whole number"),
        ("crypto/kdfparams/n", 1 << 63, "absurd work"),
        ("crypto/kdfparams/r", 0, "zero"),
        ("crypto/kdfparams/r", 2_049, "absurd work"),
        ("crypto/kdfparams/p", 1 << 30, "absurd work"),
        ("crypto/kdfparams/p", 65, "r and p 64 each"),
        ("crypto/kdfparams/r", 65, "r and p 64 each"),
        ("crypto/kdfparams/dklen", 64, "dklen is 64"),
        ("crypto/kdfparams/salt", "", "0 bytes"),
        ("crypto/kdfparams/salt", "00" * 129, "129 bytes"),
    ],
)
def test_every_field_is_checked_before_the_key_is_derived(saved, place, value, said):
    with pytest.raises(ValueError, match=said):
        opened(saved(changed(place, value)))


@pytest.mark.parametrize("r, p", [(1, 1 << 22), (1 << 22, 1), (1 << 11, 1 << 11)])
def test_little_work_in_many_blocks_is_absurd_too(saved, r, p):
    with pytest.raises(ValueError, match="absurd work"):
        opened(saved(changed("crypto/kdfparams", {**good()["crypto"]["kdfparams"], "n": 2, "r": r, "p": p})))


def test_scrypt_is_done_up_to_the_limits(saved):
    with pytest.raises(ValueError, match="the password is wrong"):
        opened(saved(changed("crypto/kdfparams", {**good()["crypto"]["kdfparams"], "n": 2, "r": 64, "p": 64})))


def test_iterations_have_a_limit(saved):
    for place, value, said in (("c", 10_000_001, "parameter c"), ("prf", "hmac-sha512", "hmac-sha512")):
        with pytest.raises(ValueError, match=said):
            opened(saved(changed(f"crypto/kdfparams/{place}", value, "web3py-pbkdf2")))


@pytest.mark.parametrize(
    "place, value",
    [
        # the MAC does not cover the IV: another one gives another key
        ("crypto/cipherparams/iv", "00b6b4bf9aaba3859d29ab72b948eb13"),
        ("address", "267E7b957B0C68C3eCBbCF8B54E4D2580dF9672d"),
    ],
)
def test_the_key_of_another_account_than_the_file_says_is_not_used(saved, place, value):
    with pytest.raises(ValueError, match="altered or mislabelled"):
        opened(saved(changed(place, value)))


@pytest.mark.parametrize("form", ["0x{}", "{}", "0X{}", "0x{}\n", "0x{}\r\n", " \t0x{} ", "\ufeff0x{}"])
@pytest.mark.parametrize("digits", [KEY, KEY.upper()])
def test_every_usual_form_of_a_key_is_one_account(monkeypatch, form, digits):
    monkeypatch.setenv("TRIBUTE_TEST_KEY", form.format(digits))
    assert keys.account("TRIBUTE_TEST_KEY").address == ADDRESS


@pytest.mark.parametrize("name", ["", " ", "MY-KEY", "key.json", "my key"])
def test_what_names_neither_a_variable_nor_a_file_is_told_without_asking_for_a_password(monkeypatch, tmp_path, name):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRIBUTE_KEYSTORE_PASSWORD", raising=False)
    with pytest.raises(ValueError, match="names no key: there is no environment variable and no keystore file"):
        keys.account(name)


def test_a_variable_may_have_any_name(monkeypatch):
    monkeypatch.setenv("MY-KEY", KEY)
    assert keys.account("MY-KEY").address == ADDRESS


@pytest.mark.parametrize(
    "text, said",
    [
        (f'"0x{KEY}"', "quotation marks"),
        (f"0x{KEY[2:]}", "62 hex digits"),
        (f"0x{KEY}0", "65 hex digits"),
        (f"0x0x{KEY}", "no hex digits"),
        ("test " * 11 + "junk", "mnemonic"),
        (f"0x{'0' * 64}", "zero"),
        ("0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", "order"),
        (f"0x{KEY[:32]} {KEY[32:]}", "white space"),
        ('{"version":3}', "keystore"),
        ("0x", "empty"),
        ("", "not set"),
    ],
)
def test_anything_else_is_refused_by_its_form_and_not_shown(monkeypatch, text, said):
    monkeypatch.setenv("TRIBUTE_TEST_KEY", text)
    with pytest.raises(ValueError, match=said) as refused:
        keys.account("TRIBUTE_TEST_KEY")
    assert "5e5e" not in f"{refused.value}"


@pytest.mark.parametrize(
    "key",
    [f"0x{KEY}", KEY, f"a{KEY[1:]}", f"0X{KEY.upper()}", f"0x{KEY[1:]}", f" '{KEY}'\n", "test " * 11 + "junk", "test " * 23 + "junk"],
)
def test_a_key_where_a_name_belongs_is_not_shown(key):
    for given in (keys.account, keys.from_environment, keys.from_keystore, Server.of):
        with pytest.raises(ValueError, match="looks like a key itself") as refused:
            given(key)
        assert not any(secret in str(refused.value).lower() for secret in ("5e5e", "junk"))


@pytest.mark.parametrize("key", [f"KEY=0x{KEY}", f"export K='{KEY}'", "junk," * 11 + "junk", '"' + "junk-" * 24 + '"', "junk_" * 12])
def test_a_key_with_more_around_it_where_a_variables_name_belongs_is_not_shown(key):
    for given in (keys.account, keys.from_environment):
        with pytest.raises(ValueError, match="looks like a key itself") as refused:
            given(key)
        assert not any(secret in str(refused.value) for secret in ("5e5e", "junk"))


@pytest.mark.parametrize("name", ["a b c d e f g h i j k l.json", f"sha256-{KEY}.json", "a-b_c.d e-f-g-h-i-j-k-l.json"])
def test_a_keystores_path_may_have_many_words_or_a_digest(tmp_path, monkeypatch, name):
    (tmp_path / name).write_bytes((WALLETS / "geth-scrypt.json").read_bytes())
    monkeypatch.setenv("TRIBUTE_KEYSTORE_PASSWORD", PASSWORD)
    assert keys.account(str(tmp_path / name)).address == ADDRESS
    monkeypatch.chdir(tmp_path)
    assert keys.account(name).address == keys.from_keystore(name).address == ADDRESS


@pytest.mark.parametrize(
    "written, typed",
    [
        ("Stra\u00dfe\u00b2\u2026 \ufb01", "Stra\u00dfe\u00b2\u2026 \ufb01"),  # geth: as it was typed
        ("Stra\u00dfe2... fi", "Stra\u00dfe\u00b2\u2026 \ufb01"),  # ethers: NFKC
        ("caf\u00e9\u00b2", "cafe\u0301\u00b2"),  # typed as NFD, written as NFC
    ],
)
def test_a_password_opens_in_the_forms_in_which_wallets_write_it(saved, written, typed):
    path = saved(Account.encrypt("0x" + KEY, written, kdf="pbkdf2", iterations=100))
    assert keys.from_keystore(path, typed).address == ADDRESS
    with pytest.raises(ValueError, match="the password is wrong"):
        keys.from_keystore(path, typed + "\u00e9")


@pytest.mark.parametrize("name", ["password-nfc", "password-nfkc"])
def test_wallets_with_another_form_of_the_password_open(name):
    assert keys.from_keystore(WALLETS / f"{name}.json", "Ka\u0308se\u00b2 \ufb01").address == ADDRESS


@pytest.mark.parametrize("end", ["\n", "\r\n", " "])
def test_white_space_at_a_passwords_end_is_told(end):
    with pytest.raises(ValueError, match="ends in white space"):
        opened(WALLETS / "web3py-pbkdf2.json", PASSWORD + end)


def test_a_password_in_another_encoding_is_told(monkeypatch):
    monkeypatch.setitem(os.environb, b"TRIBUTE_KEYSTORE_PASSWORD", b"caf\xe9")
    with pytest.raises(ValueError, match="not UTF-8"):
        keys.account(WALLETS / "geth-scrypt.json")


def test_a_keystores_password_comes_from_the_environment(monkeypatch):
    path = WALLETS / "geth-scrypt.json"
    monkeypatch.delenv("TRIBUTE_KEYSTORE_PASSWORD", raising=False)
    with pytest.raises(ValueError, match="TRIBUTE_KEYSTORE_PASSWORD"):
        keys.account(path)
    monkeypatch.setenv("TRIBUTE_KEYSTORE_PASSWORD", "")  # a password may be empty, if it is set
    with pytest.raises(ValueError, match="password is wrong"):
        keys.account(path)
    monkeypatch.setenv("TRIBUTE_KEYSTORE_PASSWORD", PASSWORD)
    assert keys.account(str(path)).address == ADDRESS
