//! Encrypted keystore files: Web3 Secret Storage version 3. Wallets write it in many variants; unambiguous ones are
//! read, anything else is refused with an error that names it. Everything is checked before the expensive key
//! derivation.
//!
//! The MAC covers only the derived key and the ciphertext: a changed IV would silently yield another key. So if a file
//! states its address, the key must be that account's.

use std::io::Read;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use aes::cipher::{KeyIvInit, StreamCipher};
use aes::Aes128;
use alloy::primitives::{hex, keccak256, Address};
use alloy::signers::local::PrivateKeySigner;
use hmac::Hmac;
use serde_json::{Map, Value};
use sha2::Sha256;
use tribute_core::hexed::digits;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use crate::error::{ChainError, Result};

/// Largest keystore file, in bytes; real ones have some 500.
const MAX_FILE: u64 = 1 << 16;
/// Largest `n·r·p` of scrypt: 1 GiB of memory at p = 1, about ten seconds. Wallets use up to 2^21.
const MAX_SCRYPT: u64 = 1 << 23;
/// Largest r and largest p of scrypt: its first and last step take time proportional to `r·p`, whatever n is. Wallets use
/// up to 8.
const MAX_FACTOR: u32 = 64;
/// Maximum number of PBKDF2 iterations, about ten seconds. Wallets use up to 2^20.
const MAX_PBKDF2: u64 = 10_000_000;
/// Length of the derived key, in bytes: 16 for the cipher, 16 for the MAC.
const DERIVED: u64 = 32;

type Aes128Ctr = ctr::Ctr128BE<Aes128>;

/// Key derivation function and its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kdf {
    Scrypt { log_n: u8, r: u32, p: u32, salt: Vec<u8> },
    Pbkdf2 { rounds: u32, salt: Vec<u8> },
}

/// A keystore with all fields checked.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Keystore {
    address: Option<Address>,
    kdf: Kdf,
    iv: [u8; 16],
    ciphertext: [u8; 32],
    mac: [u8; 32],
}

/// Opens a keystore file.
///
/// # Errors
/// [`ChainError::WrongPassword`] if the file is well formed and the password is wrong, [`ChainError::Keystore`] for any
/// other problem. Neither shows the password or the key.
pub fn open(path: &Path, password: &str) -> Result<PrivateKeySigner> {
    let wrong = |cause: String| ChainError::Keystore { path: path.to_owned(), cause };
    let keystore = read(path).and_then(|bytes| parse(&bytes)).map_err(wrong)?;
    let Some(derived) = unlock(&keystore, password).map_err(wrong)? else {
        let ends_in_space = password.ends_with(char::is_whitespace);
        return Err(ChainError::WrongPassword { path: path.to_owned(), ends_in_space });
    };
    let mut key = Zeroizing::new(keystore.ciphertext);
    Aes128Ctr::new(derived[..16].into(), (&keystore.iv).into()).apply_keystream(&mut *key);
    let signer = PrivateKeySigner::from_slice(&*key)
        .map_err(|_| wrong("it opens, but what it holds is no private key".to_owned()))?;
    match keystore.address {
        Some(stated) if stated != signer.address() => Err(wrong(format!(
            "it says that it is of {stated}, but holds the key of {}: it was altered or mislabelled",
            signer.address()
        ))),
        _ => Ok(signer),
    }
}

/// The derived key; `None` if the password is wrong. Besides the password as it is given, the forms are tried in which wallets
/// encrypt: ethers normalises to NFKC, and keyboards write NFC.
fn unlock(keystore: &Keystore, password: &str) -> Result<Option<Zeroizing<[u8; 32]>>, String> {
    let mut tried: Vec<Zeroizing<String>> = Vec::new();
    for form in [password.to_owned(), password.nfkc().collect(), password.nfc().collect()].map(Zeroizing::new) {
        if tried.contains(&form) {
            continue;
        }
        let derived = derive(&keystore.kdf, form.as_bytes())?;
        if keccak256([&derived[16..], &keystore.ciphertext].concat()) == keystore.mac {
            return Ok(Some(derived));
        }
        tried.push(form);
    }
    Ok(None)
}

fn derive(kdf: &Kdf, password: &[u8]) -> Result<Zeroizing<[u8; 32]>, String> {
    let mut derived = Zeroizing::new([0; 32]);
    match kdf {
        Kdf::Scrypt { log_n, r, p, salt } => {
            let params = scrypt::Params::new(*log_n, *r, *p).map_err(|e| format!("scrypt parameters: {e}"))?;
            scrypt::scrypt(password, salt, &params, &mut *derived).map_err(|e| format!("scrypt: {e}"))?;
        }
        Kdf::Pbkdf2 { rounds, salt } => pbkdf2::pbkdf2::<Hmac<Sha256>>(password, salt, *rounds, &mut *derived),
    }
    Ok(derived)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let about = std::fs::metadata(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => "no such file".to_owned(),
        _ => e.to_string(),
    })?;
    if about.is_dir() {
        return Err("it is a folder: name the keystore file inside".to_owned());
    }
    // a pipe, as a shell's `<(command)`
    if !about.is_file() && !about.file_type().is_fifo() {
        return Err("it is neither a regular file nor a pipe".to_owned());
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|e| e.to_string())?;
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    match bytes.len() as u64 > MAX_FILE {
        true => Err(format!("it has more than {MAX_FILE} bytes: no keystore is that large")),
        false => Ok(bytes),
    }
}

fn parse(bytes: &[u8]) -> Result<Keystore, String> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err("it is UTF-16 text: save it as UTF-8".to_owned());
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not text".to_owned())?;
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    if text.split_whitespace().count() >= 12 && text.chars().all(|c| c.is_alphabetic() || c.is_whitespace()) {
        let problem =
            "it holds a mnemonic phrase, not an encrypted key: derive the account's private key from it first";
        return Err(problem.to_owned());
    }
    if text.len() <= 66 && text.trim_start_matches("0x").bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err("it holds a bare key, not an encrypted one: give that in the environment variable".to_owned());
    }
    let value: Value = serde_json::from_str(text).map_err(|e| match e.is_eof() {
        true => "it is cut off: its JSON does not end".to_owned(),
        false => format!("it is not JSON (line {}, column {})", e.line(), e.column()),
    })?;
    let file = value.as_object().ok_or("it is JSON, but not an object")?;
    refuse_other_kinds(file)?;
    let address = match lookup(file, "address")? {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(address(text)?),
        Some(_) => return Err("its address is not text".to_owned()),
    };
    let crypto = object(file, "crypto")?;
    let cipher = text_of(crypto, "cipher")?;
    if !cipher.eq_ignore_ascii_case("aes-128-ctr") {
        return Err(format!("its cipher is {cipher:?}: only aes-128-ctr is read"));
    }
    Ok(Keystore {
        address,
        kdf: kdf(crypto)?,
        iv: bytes_of(object(crypto, "cipherparams")?, "iv")?,
        ciphertext: bytes_of(crypto, "ciphertext")?,
        mac: bytes_of(crypto, "mac")?,
    })
}

/// Checks the version, and recognises other kinds of files mistaken for such a keystore.
fn refuse_other_kinds(file: &Map<String, Value>) -> Result<(), String> {
    if file.contains_key("encseed") {
        return Err("it is a wallet of Ethereum's presale: import it into geth and use the keystore that geth writes"
            .to_owned());
    }
    let version = lookup(file, "version")?.unwrap_or(&Value::Null);
    let number = version.as_u64().or_else(|| version.as_str()?.parse().ok());
    if file.contains_key("pubkey") || number == Some(4) {
        return Err(
            "it is a validator's keystore (EIP-2335, a BLS key): such a key cannot sign transactions".to_owned()
        );
    }
    match number {
        Some(3) => Ok(()),
        Some(other) => Err(format!("it is of version {other}: only version 3 is read; import it into geth and use the keystore that geth writes")),
        None => Err("its field `version` is missing or not 3".to_owned()),
    }
}

fn kdf(crypto: &Map<String, Value>) -> Result<Kdf, String> {
    let (name, params) = (text_of(crypto, "kdf")?, object(crypto, "kdfparams")?);
    let salt = hex_of(params, "salt")?;
    if !(8..=128).contains(&salt.len()) {
        return Err(format!("its salt has {} bytes: wallets write 16 or 32", salt.len()));
    }
    let dklen = number(params, "dklen")?;
    if dklen != DERIVED {
        return Err(format!("its dklen is {dklen}: the derived key must have {DERIVED} bytes"));
    }
    match name.to_ascii_lowercase().as_str() {
        "scrypt" => {
            let (n, r, p) = (number(params, "n")?, number(params, "r")?, number(params, "p")?);
            if n < 2 || !n.is_power_of_two() {
                return Err(format!("its scrypt parameter n is {n}: it must be a power of two above one"));
            }
            if r == 0 || p == 0 {
                return Err("its scrypt parameters r and p must not be zero".to_owned());
            }
            let cost = n.checked_mul(r).and_then(|nr| nr.checked_mul(p)).filter(|cost| *cost <= MAX_SCRYPT);
            let factor = |value: u64| u32::try_from(value).ok().filter(|value| *value <= MAX_FACTOR);
            let (Some(_), Some(r), Some(p)) = (cost, factor(r), factor(p)) else {
                return Err(format!(
                    "its scrypt parameters n = {n}, r = {r}, p = {p} ask for absurd work: n·r·p may be {MAX_SCRYPT}, \
                     r and p {MAX_FACTOR} each"
                ));
            };
            Ok(Kdf::Scrypt { log_n: n.trailing_zeros() as u8, r, p, salt })
        }
        "pbkdf2" => {
            let prf = text_of(params, "prf")?;
            if !prf.eq_ignore_ascii_case("hmac-sha256") {
                return Err(format!("its PBKDF2 function is {prf:?}: only hmac-sha256 is read"));
            }
            let rounds = number(params, "c")?;
            let rounds = u32::try_from(rounds).ok().filter(|c| (1..=MAX_PBKDF2).contains(&u64::from(*c)));
            let rounds = rounds.ok_or_else(|| format!("its PBKDF2 parameter c must be 1 to {MAX_PBKDF2}"))?;
            Ok(Kdf::Pbkdf2 { rounds, salt })
        }
        _ => Err(format!("its key derivation is {name:?}: only scrypt and pbkdf2 are read")),
    }
}

/// A field by its case-insensitive name: MyEtherWallet and old geth write `Crypto`.
fn lookup<'a>(map: &'a Map<String, Value>, name: &str) -> Result<Option<&'a Value>, String> {
    let mut found = map.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    match (found.next(), found.next()) {
        (value, None) => Ok(value),
        _ => Err(format!("its field `{name}` appears twice")),
    }
}

fn field<'a>(map: &'a Map<String, Value>, name: &str) -> Result<&'a Value, String> {
    lookup(map, name)?.ok_or_else(|| format!("its field `{name}` is missing"))
}

fn object<'a>(map: &'a Map<String, Value>, name: &str) -> Result<&'a Map<String, Value>, String> {
    field(map, name)?.as_object().ok_or_else(|| format!("its field `{name}` is not an object"))
}

fn text_of<'a>(map: &'a Map<String, Value>, name: &str) -> Result<&'a str, String> {
    field(map, name)?.as_str().ok_or_else(|| format!("its field `{name}` is not text"))
}

fn number(map: &Map<String, Value>, name: &str) -> Result<u64, String> {
    field(map, name)?.as_u64().ok_or_else(|| format!("its field `{name}` is not a whole number"))
}

fn hex_of(map: &Map<String, Value>, name: &str) -> Result<Vec<u8>, String> {
    let text = text_of(map, name)?;
    hex::decode(digits(text)).map_err(|_| format!("its field `{name}` is not hex"))
}

fn bytes_of<const N: usize>(map: &Map<String, Value>, name: &str) -> Result<[u8; N], String> {
    let bytes = hex_of(map, name)?;
    let found = bytes.len();
    bytes.try_into().map_err(|_| format!("its field `{name}` has {found} bytes instead of {N}"))
}

/// An address in any case, with or without 0x. The checksum is not verified, because the address is compared with the
/// key's.
fn address(text: &str) -> Result<Address, String> {
    let bytes = hex::decode(digits(text)).ok().and_then(|bytes| <[u8; 20]>::try_from(bytes).ok());
    bytes.map(Address::from).ok_or_else(|| "its address is not 20 bytes in hex".to_owned())
}
