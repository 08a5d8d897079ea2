//! Keystores as wallets write them, and files that only resemble them. The password is "correct horse",
//! except where the file is about the password.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{json, Value};
use tribute_chain::{keystore, ChainError, KeySource};

const PASSWORD: &str = "correct horse";
/// Secrets that no message may contain.
const KEY: &str = "5e5e5e";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wallets")
}

fn address() -> String {
    std::fs::read_to_string(folder().join("address.txt")).unwrap().trim().to_owned()
}

/// Opens the file, which must be quick.
fn open(path: &Path, password: &str) -> Result<String, ChainError> {
    let started = Instant::now();
    let opened = keystore::open(path, password).map(|signer| signer.address().to_string());
    assert!(started.elapsed() < Duration::from_secs(5), "{} took {:?}", path.display(), started.elapsed());
    if let Err(error) = &opened {
        let text = format!("{error} {error:?}");
        assert!(!text.contains(KEY) && !text.contains(PASSWORD), "{text}");
        assert!(text.contains(&*path.to_string_lossy()), "{text}");
    }
    opened
}

fn refused(path: &Path, says: &str) {
    let error = open(path, PASSWORD).unwrap_err();
    assert!(matches!(error, ChainError::Keystore { .. }), "{error}");
    assert!(error.to_string().contains(says), "{error}, expected {says:?}");
}

/// A keystore that opens, to be changed.
fn good(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(folder().join(name)).unwrap()).unwrap()
}

fn refused_bytes(bytes: &[u8], says: &str) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("k.json");
    std::fs::write(&path, bytes).unwrap();
    refused(&path, says);
}

fn opens(value: &Value) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("k.json");
    std::fs::write(&path, value.to_string()).unwrap();
    assert_eq!(open(&path, PASSWORD).unwrap(), address(), "{value}");
}

#[test]
fn every_form_of_a_version_3_keystore_opens() {
    for name in [
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
    ] {
        let path = folder().join(format!("{name}.json"));
        assert_eq!(open(&path, PASSWORD).unwrap(), address(), "{name}");
    }
    let change = |pointer: &str, value: Value| {
        let mut file = good("geth-scrypt.json");
        *file.pointer_mut(pointer).unwrap() = value;
        file
    };
    opens(&change("/address", json!(address().to_uppercase().replace("0X", "0x"))));
    opens(&change("/address", json!(address().to_lowercase())));
    opens(&change("/address", json!(address())));
    opens(&change("/address", Value::Null));
    opens(&change("/id", json!(7)));
    opens(&change("/crypto/cipher", json!("AES-128-CTR")));
    opens(&change("/crypto/kdf", json!("Scrypt")));
}

#[test]
fn scrypt_is_done_up_to_the_limits_and_many_blocks_are_absurd() {
    let with = |r: u32, p: u32| {
        let mut file = good("geth-scrypt.json");
        for (name, value) in [("n", 2), ("r", r), ("p", p)] {
            file["crypto"]["kdfparams"][name] = json!(value);
        }
        file.to_string()
    };
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("k.json");
    std::fs::write(&path, with(64, 64)).unwrap();
    let error = open(&path, PASSWORD).unwrap_err();
    assert!(matches!(error, ChainError::WrongPassword { .. }), "{error}");
    for (r, p) in [(1, 1 << 22), (1 << 22, 1), (1 << 11, 1 << 11)] {
        refused_bytes(with(r, p).as_bytes(), "absurd work");
    }
}

#[test]
fn a_wrong_password_is_told_from_a_broken_file() {
    for name in ["geth-scrypt.json", "web3py-pbkdf2.json"] {
        for password in ["battery staple", "", "correct horse ", "Correct horse"] {
            let error = open(&folder().join(name), password).unwrap_err();
            assert!(matches!(error, ChainError::WrongPassword { .. }), "{error}");
            assert!(error.to_string().contains("password"), "{error}");
        }
    }
}

#[test]
fn a_password_opens_what_a_wallet_encrypted_with_another_form_of_it() {
    // composed or not, with a superscript and a ligature, which NFKC replaces
    for name in ["password-nfkc.json", "password-nfc.json"] {
        let path = folder().join(name);
        assert_eq!(open(&path, "Ka\u{308}se\u{b2} \u{fb01}").unwrap(), address(), "{name}");
        let error = open(&path, "Kase2 fi\n").unwrap_err();
        assert!(matches!(error, ChainError::WrongPassword { ends_in_space: true, .. }), "{error}");
        assert!(error.to_string().contains("white space"), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn a_keystore_may_come_through_a_pipe() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let written = path.clone();
    let writer = std::thread::spawn(move || std::fs::write(written, good("web3py-pbkdf2.json").to_string()));
    assert_eq!(open(&path, PASSWORD).unwrap(), address());
    writer.join().unwrap().unwrap();
}

#[test]
fn other_files_are_refused_by_what_they_are() {
    for (name, says) in [
        ("big-scrypt", "absurd work"),
        ("bad-scrypt", "power of two"),
        ("zero-pbkdf2", "parameter c must be 1"),
        ("short-salt", "dklen is 16"),
        ("eth2-bls", "validator's keystore"),
        ("v1-presale", "presale"),
    ] {
        refused(&folder().join(format!("{name}.json")), says);
    }
    refused(&folder(), "folder");
    refused(&folder().join("none.json"), "no such file");
    refused(Path::new("/dev/null"), "neither a regular file nor a pipe");
    let whole = std::fs::read(folder().join("geth-scrypt.json")).unwrap();
    for cut in [1, 40, whole.len() / 2, whole.len() - 2] {
        refused_bytes(&whole[..cut], "cut off");
    }
    refused_bytes(b"", "empty");
    refused_bytes(b"\xef\xbb\xbf \n", "empty");
    refused_bytes(b"hello", "not JSON");
    refused_bytes(b"[3]", "not an object");
    refused_bytes(b"\x00\xff\x80", "not text");
    refused_bytes(&vec![b' '; (1 << 16) + 1], "more than 65536 bytes");
    let utf16: Vec<u8> = [0xfeff_u16].into_iter().chain("{}".encode_utf16()).flat_map(u16::to_le_bytes).collect();
    refused_bytes(&utf16, "UTF-16");
    refused_bytes(format!("0x{}\n", "5e".repeat(32)).as_bytes(), "bare key");
    refused_bytes("test ".repeat(11).as_bytes(), "not JSON");
    refused_bytes(format!("{}junk\n", "test ".repeat(11)).as_bytes(), "mnemonic phrase");
}

#[test]
fn every_field_is_checked_before_the_key_is_derived() {
    for (base, pointer, value, says) in [
        ("geth-scrypt", "/version", json!(1), "version 1"),
        ("geth-scrypt", "/version", json!(4), "validator"),
        ("geth-scrypt", "/version", Value::Null, "version"),
        ("geth-scrypt", "/version", json!(3.5), "version"),
        ("geth-scrypt", "/address", json!("167e"), "20 bytes"),
        ("geth-scrypt", "/address", json!(""), "20 bytes"),
        ("geth-scrypt", "/address", json!(5), "not text"),
        ("geth-scrypt", "/crypto", json!("x"), "not an object"),
        ("geth-scrypt", "/crypto/cipher", json!("aes-128-cbc"), "aes-128-cbc"),
        ("geth-scrypt", "/crypto/cipherparams", Value::Null, "not an object"),
        ("geth-scrypt", "/crypto/cipherparams/iv", json!("99b6"), "2 bytes instead of 16"),
        ("geth-scrypt", "/crypto/cipherparams/iv", json!(""), "0 bytes instead of 16"),
        ("geth-scrypt", "/crypto/ciphertext", json!("1a34"), "2 bytes instead of 32"),
        ("geth-scrypt", "/crypto/ciphertext", json!("zz"), "not hex"),
        ("geth-scrypt", "/crypto/mac", json!("00".repeat(31)), "31 bytes instead of 32"),
        ("geth-scrypt", "/crypto/mac", json!("00".repeat(33)), "33 bytes instead of 32"),
        ("geth-scrypt", "/crypto/mac", json!(7), "not text"),
        ("geth-scrypt", "/crypto/kdf", json!("argon2id"), "argon2id"),
        ("geth-scrypt", "/crypto/kdfparams/n", json!(0), "power of two"),
        ("geth-scrypt", "/crypto/kdfparams/n", json!(1), "power of two"),
        ("geth-scrypt", "/crypto/kdfparams/n", json!(4095), "power of two"),
        ("geth-scrypt", "/crypto/kdfparams/n", json!(-4096), "whole number"),
        ("geth-scrypt", "/crypto/kdfparams/n", json!(4096.5), "whole number"),
        ("geth-scrypt", "/crypto/kdfparams/n", json!("4096"), "whole number"),
        ("geth-scrypt", "/crypto/kdfparams/n", json!(1_u64 << 63), "absurd work"),
        ("geth-scrypt", "/crypto/kdfparams/r", json!(0), "zero"),
        ("geth-scrypt", "/crypto/kdfparams/p", json!(0), "zero"),
        ("geth-scrypt", "/crypto/kdfparams/r", json!(u64::MAX), "absurd work"),
        ("geth-scrypt", "/crypto/kdfparams/p", json!(1 << 30), "absurd work"),
        ("geth-scrypt", "/crypto/kdfparams/p", json!(65), "r and p 64 each"),
        ("geth-scrypt", "/crypto/kdfparams/r", json!(65), "r and p 64 each"),
        ("geth-scrypt", "/crypto/kdfparams/r", json!(2_049), "absurd work"),
        ("geth-scrypt", "/crypto/kdfparams/dklen", json!(31), "dklen is 31"),
        ("geth-scrypt", "/crypto/kdfparams/dklen", json!(64), "dklen is 64"),
        ("geth-scrypt", "/crypto/kdfparams/dklen", json!(u64::MAX), "dklen"),
        ("geth-scrypt", "/crypto/kdfparams/salt", json!(""), "0 bytes"),
        ("geth-scrypt", "/crypto/kdfparams/salt", json!("00".repeat(129)), "129 bytes"),
        ("web3py-pbkdf2", "/crypto/kdfparams/c", json!(10_000_001), "parameter c"),
        ("web3py-pbkdf2", "/crypto/kdfparams/c", json!(u64::MAX), "parameter c"),
        ("web3py-pbkdf2", "/crypto/kdfparams/prf", json!("hmac-sha512"), "hmac-sha512"),
        ("web3py-pbkdf2", "/crypto/kdf", json!("scrypt"), "`n` is missing"),
    ] {
        let mut file = good(&format!("{base}.json"));
        *file.pointer_mut(pointer).unwrap() = value;
        refused_bytes(file.to_string().as_bytes(), says);
    }
    for (map, name) in [("", "version"), ("", "crypto"), ("/crypto", "mac"), ("/crypto/kdfparams", "salt")] {
        let mut file = good("geth-scrypt.json");
        file.pointer_mut(map).unwrap().as_object_mut().unwrap().remove(name);
        refused_bytes(file.to_string().as_bytes(), name);
    }
    let mut twice = good("geth-scrypt.json");
    twice["Crypto"] = good("web3py-pbkdf2.json")["crypto"].clone();
    refused_bytes(twice.to_string().as_bytes(), "twice");
}

#[test]
fn the_key_of_another_account_than_the_file_says_is_not_used() {
    // the MAC does not cover the IV: another one gives another key
    let mut altered = good("geth-scrypt.json");
    altered["crypto"]["cipherparams"]["iv"] = json!("00b6b4bf9aaba3859d29ab72b948eb13");
    refused_bytes(altered.to_string().as_bytes(), "altered or mislabelled");
    let mut mislabelled = good("geth-scrypt.json");
    mislabelled["address"] = json!("267E7b957B0C68C3eCBbCF8B54E4D2580dF9672d");
    refused_bytes(mislabelled.to_string().as_bytes(), "altered or mislabelled");
}

#[test]
fn keys_come_from_variables_and_keystores_and_are_never_shown() {
    let variable = |name: &str| KeySource::Variable(name.to_owned()).load();
    let missing = variable("TRIBUTE_TEST_NO_SUCH_KEY").unwrap_err();
    assert!(matches!(missing, ChainError::KeyMissing { .. }), "{missing}");
    std::env::set_var("TRIBUTE_TEST_BAD_KEY", format!("0x{}zz", "5e".repeat(31)));
    let bad = variable("TRIBUTE_TEST_BAD_KEY").unwrap_err();
    assert!(matches!(bad, ChainError::KeyInvalid { .. }), "{bad}");
    assert!(bad.to_string().contains("TRIBUTE_TEST_BAD_KEY") && !format!("{bad} {bad:?}").contains(KEY), "{bad}");
    std::env::set_var("TRIBUTE_TEST_GOOD_KEY", format!("0x00{}", "5e".repeat(31)));
    let signer = variable("TRIBUTE_TEST_GOOD_KEY").unwrap();
    assert_eq!(signer.address().to_string(), address());
    assert!(!format!("{signer:?}").contains(KEY), "{signer:?}");

    let path = folder().join("geth-scrypt.json");
    let keystore =
        |variable: &str| KeySource::Keystore { path: path.clone(), password_variable: variable.to_owned() }.load();
    let missing = keystore("TRIBUTE_TEST_NO_SUCH_PASSWORD").unwrap_err();
    assert!(matches!(&missing, ChainError::PasswordMissing { .. }), "{missing}");
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        std::env::set_var("TRIBUTE_TEST_NO_TEXT", std::ffi::OsStr::from_bytes(b"\xe4"));
        for error in [variable("TRIBUTE_TEST_NO_TEXT").unwrap_err(), keystore("TRIBUTE_TEST_NO_TEXT").unwrap_err()] {
            assert!(matches!(error, ChainError::NotText { .. }), "{error}");
        }
    }
    // a password may be empty, if it is set
    std::env::set_var("TRIBUTE_TEST_PASSWORD", "");
    let wrong = keystore("TRIBUTE_TEST_PASSWORD").unwrap_err();
    assert!(matches!(&wrong, ChainError::WrongPassword { .. }), "{wrong}");
    std::env::set_var("TRIBUTE_TEST_PASSWORD", PASSWORD);
    assert_eq!(keystore("TRIBUTE_TEST_PASSWORD").unwrap().address().to_string(), address());
}
