//! Private keys: from an environment variable or an encrypted keystore file; never from arguments, never shown.

use std::env::VarError;
use std::path::{Path, PathBuf};

use alloy::primitives::hex;
use alloy::signers::local::PrivateKeySigner;
use tribute_core::hexed::digits;
use zeroize::Zeroizing;

use crate::error::{ChainError, Result};
use crate::keystore;

/// Fewest hex digits in a row that may be a private key, one with a digit or two missing included.
const KEY_DIGITS: usize = 60;

/// Where a key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// An environment variable with 64 hex digits, with or without 0x.
    Variable(String),
    /// An encrypted keystore file (Web3 Secret Storage version 3, as geth, cast, ethers and MyEtherWallet write it).
    Keystore {
        /// The file.
        path: PathBuf,
        /// Environment variable that holds its password.
        password_variable: String,
    },
}

impl KeySource {
    /// Loads the key.
    pub fn load(&self) -> Result<PrivateKeySigner> {
        match self {
            KeySource::Variable(name) => {
                if holds_secret(name) {
                    return Err(ChainError::KeyAsName { place: "the name of the key's variable" });
                }
                let text = variable(name)?.filter(|text| !text.is_empty());
                let text = text.ok_or_else(|| ChainError::KeyMissing { variable: name.clone() })?;
                parse(&text).map_err(|problem| ChainError::KeyInvalid { source_name: name.clone(), problem })
            }
            KeySource::Keystore { path, password_variable } => {
                if is_secret(path) && !path.exists() {
                    return Err(ChainError::KeyAsName { place: "the name of the keystore's file" });
                }
                let missing =
                    || ChainError::PasswordMissing { variable: password_variable.clone(), path: path.clone() };
                keystore::open(path, &variable(password_variable)?.ok_or_else(missing)?)
            }
        }
    }
}

fn variable(name: &str) -> Result<Option<Zeroizing<String>>> {
    match std::env::var(name) {
        Ok(text) => Ok(Some(Zeroizing::new(text))),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(ChainError::NotText { variable: name.to_owned() }),
    }
}

/// Whether there is a key or a mnemonic phrase in a path, which errors must not quote, whatever is around it. The words of
/// a path with folders or an ending are no phrase.
fn is_secret(path: &Path) -> bool {
    let name = path.to_string_lossy();
    let ends = path.extension().is_some_and(|ending| !ending.to_string_lossy().contains(char::is_whitespace));
    holds_key(&name) || (holds_phrase(&name) && !name.contains('/') && !ends)
}

/// Whether there is a key or a phrase in a variable's name, whatever is around it.
fn holds_secret(name: &str) -> bool {
    holds_key(name) || holds_phrase(name)
}

fn holds_key(name: &str) -> bool {
    name.split(|c: char| !c.is_ascii_hexdigit()).any(|run| run.len() >= KEY_DIGITS)
}

/// A text to show, without what may be a private key in it.
#[must_use]
pub fn without_keys(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
        let (digits, after) = rest.split_at(end);
        match digits.len() < KEY_DIGITS {
            true => shown.push_str(digits),
            false => shown.push_str(&format!("({} hex digits, not shown: they may be a key)", digits.len())),
        }
        let next = after.find(|c: char| c.is_ascii_hexdigit()).unwrap_or(after.len());
        shown.push_str(&after[..next]);
        rest = &after[next..];
    }
    shown
}

fn holds_phrase(name: &str) -> bool {
    name.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).count() >= 12
}

/// Reads a private key: 64 hex digits of either case, with or without 0x, white space and a byte order mark around them.
/// The error says what is unusual without showing any of it.
pub fn parse(text: &str) -> Result<PrivateKeySigner, String> {
    let trimmed = text.trim_start_matches('\u{feff}').trim();
    let digits = digits(trimmed);
    if digits.is_empty() {
        return Err("it is empty".to_owned());
    }
    if digits.starts_with(['"', '\'']) {
        return Err("there are quotation marks around it: remove them".to_owned());
    }
    if digits.split_whitespace().count() >= 12 {
        return Err("it looks like a mnemonic phrase: derive the account's private key from it first".to_owned());
    }
    if digits.contains(char::is_whitespace) {
        return Err("there is white space inside".to_owned());
    }
    if digits.starts_with('{') {
        return Err("it looks like a keystore: save it in a file and name that".to_owned());
    }
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err("it has characters that are no hex digits".to_owned());
    }
    if digits.len() != 64 {
        let count = digits.len();
        return Err(format!(
            "it has {count} hex digits instead of 64; leading zeros belong to a key, and decimal is not read"
        ));
    }
    let bytes = Zeroizing::new(hex::decode(digits).map_err(|_| "it is not hex".to_owned())?);
    PrivateKeySigner::from_slice(&bytes).map_err(|_| "it is zero, or not below the curve's order".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "005e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e";
    const ADDRESS: &str = "0x167E7b957B0C68C3eCBbCF8B54E4D2580dF9672d";

    #[test]
    fn every_usual_form_is_one_account() {
        let upper = KEY.to_uppercase();
        for text in [
            format!("0x{KEY}"),
            KEY.to_owned(),
            format!("0x{upper}"),
            format!("0X{KEY}"),
            format!("0x{KEY}\n"),
            format!("0x{KEY}\r\n"),
            format!(" \t0x{KEY} "),
            format!("\u{feff}0x{KEY}"),
        ] {
            assert_eq!(parse(&text).unwrap().address().to_string(), ADDRESS, "{text:?}");
        }
    }

    #[test]
    fn a_key_in_the_place_of_a_name_is_not_shown() {
        let phrase = "test test test test test test test test test test test junk";
        for secret in [KEY.to_owned(), format!("0x{KEY}"), format!("0X{}", &KEY[2..]), phrase.to_owned()] {
            let password_variable = "NO_SUCH_PASSWORD".to_owned();
            for source in [
                KeySource::Variable(secret.clone()),
                KeySource::Keystore { path: PathBuf::from(&secret), password_variable },
            ] {
                let error = source.load().unwrap_err();
                assert!(matches!(error, ChainError::KeyAsName { .. }), "{secret}");
                assert!(
                    error.to_string().contains("not shown") && !format!("{error} {error:?}").contains(&secret[4..])
                );
            }
        }
        for secret in [
            format!("\"0x{KEY}\""),
            format!("TRIBUTE_KEY=0x{KEY}"),
            format!("./0x{KEY}"),
            format!("KEY='0x{KEY}'"),
            format!("'{phrase}'"),
            format!("PHRASE={phrase}"),
            phrase.replace(' ', ","),
            phrase.replace(' ', "\n"),
            phrase.replace(' ', " 1. "),
        ] {
            let (path, password_variable) = (PathBuf::from(&secret), "NO_SUCH_PASSWORD".to_owned());
            for source in [KeySource::Variable(secret.clone()), KeySource::Keystore { path, password_variable }] {
                let error = source.load().unwrap_err();
                assert!(matches!(error, ChainError::KeyAsName { .. }), "{secret}: {error}");
            }
        }
        for name in ["TRIBUTE_KEY_THAT_IS_NOT_SET", "ab12"] {
            assert!(!holds_secret(name), "{name}");
        }
        for path in ["a b c d e f g h i j k l.json", "./my keys/of a b c d e f g h i/k", "UTC--2026-01-01--0123abcd"] {
            assert!(!is_secret(Path::new(path)), "{path}");
        }
        // a file that is there is no key, whatever its name
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(KEY);
        std::fs::write(&path, "{").unwrap();
        let error = KeySource::Keystore { path, password_variable: "PATH".to_owned() }.load().unwrap_err();
        assert!(matches!(error, ChainError::Keystore { .. }), "{error}");
    }

    #[test]
    fn what_may_be_a_key_is_not_shown() {
        let key = "5e".repeat(32);
        for (text, shown) in [
            (format!("`0x{key}` is no address"), "`0x(64 hex digits, not shown: they may be a key)` is no address"),
            (
                format!("KEY={}, {key}f", &key[4..]),
                "KEY=(60 hex digits, not shown: they may be a key), (65 hex digits, not shown: they may be a key)",
            ),
            (format!("é{}é", &key[5..]), &format!("é{}é", &key[5..])),
            ("0x70997970c51812dc3a010c7d01b50e0d17dc79c8".into(), "0x70997970c51812dc3a010c7d01b50e0d17dc79c8"),
            (String::new(), ""),
        ] {
            assert_eq!(without_keys(&text), shown);
        }
    }

    #[test]
    fn anything_else_is_refused_by_its_form_and_not_shown() {
        let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
        let (first, second) = KEY.split_at(32);
        for (text, says) in [
            (format!("\"0x{KEY}\""), "quotation marks"),
            (format!("0x{}", &KEY[2..]), "62 hex digits"),
            (format!("0x{KEY}0"), "65 hex digits"),
            (format!("0x0x{KEY}"), "no hex digits"),
            ("166734932418929570616048906109323886921068911742803508267601300501590597214".to_owned(), "decimal"),
            ("test test test test test test test test test test test junk".to_owned(), "mnemonic"),
            (format!("0x{}", "0".repeat(64)), "zero"),
            (format!("0x{order}"), "order"),
            (format!("0x{first} {second}"), "white space"),
            (format!("0x{}g", &KEY[1..]), "no hex digits"),
            ("{\"version\": 3}".to_owned(), "white space"),
            ("{\"version\":3}".to_owned(), "keystore"),
            ("0x".to_owned(), "empty"),
            (" ".to_owned(), "empty"),
        ] {
            let problem = parse(&text).unwrap_err();
            assert!(problem.contains(says), "{text:?}: {problem}");
            assert!(!problem.contains("5e5e"), "{problem}");
        }
        // the order minus one is a valid key
        assert!(parse(&order.replace("4141", "4140")).is_ok());
    }
}
