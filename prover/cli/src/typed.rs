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

#[cfg(test)]
mod tests {
    use super::*;

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
