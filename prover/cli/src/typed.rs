//! Values that people type and several commands take.

use tribute_core::hexed::{AccountAddress, BadHex};

/// The address of somebody: not zero, which is nobody's.
pub(crate) fn somebody(text: &str) -> Result<AccountAddress, String> {
    let account: AccountAddress = text.parse().map_err(|e: BadHex| e.to_string())?;
    match account == AccountAddress::default() {
        true => Err("the zero address belongs to nobody".to_owned()),
        false => Ok(account),
    }
}

/// An amount of a coin or a token in its smallest unit.
pub(crate) fn units(text: &str) -> Result<u128, String> {
    text.parse().map_err(|_| {
        "expected a whole number below 2^128 of the smallest unit (wei, or the token's base unit), digits only"
            .to_owned()
    })
}

/// Fewest hex digits in a row that may be a private key, one with a digit or two missing included.
const KEY_DIGITS: usize = 60;

/// A text to show, without what may be a private key in it.
pub(crate) fn without_keys(text: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn nobody_is_refused() {
        assert!(somebody(&format!("0x{}", "0".repeat(40))).unwrap_err().contains("nobody"));
        assert!(somebody(&format!("0x{}1", "0".repeat(39))).is_ok());
        let error = somebody("0x70997970c51812dc3A010C7d01b50e0d17dc79C8").unwrap_err();
        assert!(error.contains("EIP-55"), "{error}");
    }

    #[test]
    fn an_amount_is_digits() {
        assert_eq!(units("340282366920938463463374607431768211455"), Ok(u128::MAX));
        for text in ["1.5", "1ether", "-1", "1e18", "1_000", "", "340282366920938463463374607431768211456"] {
            assert!(units(text).unwrap_err().contains("smallest unit"), "{text}");
        }
    }
}
