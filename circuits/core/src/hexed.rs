//! Bytes as text: `0x` and hex digits. JSON requires the prefix and lower-case digits, so that each value has one
//! spelling; input typed by people may omit the prefix and use upper-case digits. An address in mixed case carries a
//! checksum (EIP-55), which must be right.

use std::fmt;
use std::str::FromStr;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha3::{Digest, Keccak256};

/// `N` bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hex<const N: usize>(pub [u8; N]);

/// An Ethereum address.
pub type AccountAddress = Hex<ADDRESS>;

/// Length of an address in bytes.
const ADDRESS: usize = 20;

/// Any number of bytes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HexBytes(pub Vec<u8>);

/// Text or bytes that do not encode the expected number of bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadHex {
    /// Too few or too many digits.
    #[error("`{text}` is not {what}: it has {got} hex digits, {expected} are needed")]
    Digits {
        /// What was expected, with its article.
        what: String,
        /// The text given.
        text: String,
        /// Hex digits expected: two for each byte.
        expected: usize,
        /// Hex digits given.
        got: usize,
    },
    /// A character that is not a hex digit.
    #[error("`{text}` is not {what}: `{found}` is not a hex digit")]
    Digit {
        /// What was expected, with its article.
        what: String,
        /// The text given.
        text: String,
        /// The first character that is not a hex digit.
        found: char,
    },
    /// An address in mixed case whose checksum is wrong.
    #[error("`{text}` is no address: the case of its letters is not its checksum (EIP-55), so a digit is probably wrong; copy it again")]
    Checksum {
        /// The text given.
        text: String,
    },
    /// A spelling that JSON does not allow.
    #[error("`{text}` is not {what} in JSON's spelling: 0x and lower-case digits")]
    Spelling {
        /// What was expected, with its article.
        what: String,
        /// The text given.
        text: String,
    },
    /// Too few or too many bytes.
    #[error("{got} bytes are not {what}, which has {expected}")]
    Bytes {
        /// What was expected, with its article.
        what: String,
        /// Needed.
        expected: usize,
        /// Given.
        got: usize,
    },
}

/// Parses bytes that a person typed. `what` names the expected value, with its article, for the error.
pub(crate) fn typed<const N: usize>(what: &str, text: &str) -> Result<[u8; N], BadHex> {
    let (what, digits) = (what.to_owned(), digits(text));
    if let Some(found) = digits.chars().find(|c| !c.is_ascii_hexdigit()) {
        return Err(BadHex::Digit { what, text: text.into(), found });
    }
    let mut bytes = [0; N];
    hex::decode_to_slice(digits, &mut bytes).map_err(|_| BadHex::Digits {
        what,
        text: text.into(),
        expected: 2 * N,
        got: digits.len(),
    })?;
    Ok(bytes)
}

/// The text after `0x` or `0X`, which people may leave out.
#[must_use]
pub fn digits(text: &str) -> &str {
    text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text)
}

/// Whether the digits of an address are of one case, or in the mixed case that EIP-55 computes from them.
fn has_checksum(digits: &str) -> bool {
    let lower = digits.to_ascii_lowercase();
    let hash = hex::encode(Keccak256::digest(lower.as_bytes()));
    let right = digits.bytes().zip(hash.bytes()).all(|(digit, nibble)| match nibble {
        b'8'.. => !digit.is_ascii_lowercase(),
        _ => !digit.is_ascii_uppercase(),
    });
    right || digits == lower || digits == digits.to_ascii_uppercase()
}

/// Bytes of a protobuf message's field, which must number `N`.
pub(crate) fn sized<const N: usize>(what: &str, bytes: &[u8]) -> Result<[u8; N], BadHex> {
    bytes.try_into().map_err(|_| BadHex::Bytes { what: what.into(), expected: N, got: bytes.len() })
}

pub(crate) fn show(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "0x{}", hex::encode(bytes))
}

/// Deserialises bytes from JSON.
pub(crate) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(d: D, what: &str) -> Result<[u8; N], D::Error> {
    d.deserialize_str(Text(|text: &str| {
        let bytes = typed(what, text)?;
        if text == format!("0x{}", hex::encode(bytes)) {
            Ok(bytes)
        } else {
            Err(BadHex::Spelling { what: what.into(), text: text.into() })
        }
    }))
}

/// Parses the text inside the visitor, so that serde adds the position to an error.
struct Text<F>(F);

impl<T, E: fmt::Display, F: FnOnce(&str) -> Result<T, E>> Visitor<'_> for Text<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes in hex")
    }

    fn visit_str<R: Error>(self, text: &str) -> Result<T, R> {
        (self.0)(text).map_err(R::custom)
    }
}

fn any<const N: usize>() -> String {
    format!("{N} bytes in hex")
}

impl<const N: usize> Hex<N> {
    /// The bytes, as a protobuf field holds them.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        self.0.to_vec()
    }
}

impl<const N: usize> Default for Hex<N> {
    fn default() -> Self {
        Hex([0; N])
    }
}

impl<const N: usize> fmt::Display for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(&self.0, f)
    }
}

impl<const N: usize> fmt::Debug for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<const N: usize> FromStr for Hex<N> {
    type Err = BadHex;
    fn from_str(text: &str) -> Result<Self, BadHex> {
        let bytes = typed(&any::<N>(), text)?;
        match N == ADDRESS && !has_checksum(digits(text)) {
            true => Err(BadHex::Checksum { text: text.into() }),
            false => Ok(Hex(bytes)),
        }
    }
}

impl<const N: usize> TryFrom<&[u8]> for Hex<N> {
    type Error = BadHex;
    fn try_from(bytes: &[u8]) -> Result<Self, BadHex> {
        sized(&any::<N>(), bytes).map(Hex)
    }
}

impl<const N: usize> Serialize for Hex<N> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Hex<N> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        deserialize(d, &any::<N>()).map(Hex)
    }
}

impl<const N: usize> From<[u8; N]> for Hex<N> {
    fn from(bytes: [u8; N]) -> Self {
        Hex(bytes)
    }
}

impl fmt::Debug for HexBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Serialize for HexBytes {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&format_args!("0x{}", hex::encode(&self.0)))
    }
}

impl<'de> Deserialize<'de> for HexBytes {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_str(Text(|text: &str| {
            let digits = text.strip_prefix("0x").ok_or("hex starts with 0x")?;
            if digits.bytes().any(|b| b.is_ascii_uppercase()) {
                return Err("hex digits are lower-case".to_owned());
            }
            hex::decode(digits).map(HexBytes).map_err(|e| e.to_string())
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_mixed_case_needs_its_checksum() {
        // examples of EIP-55
        for address in [
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
            "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
        ] {
            let digits = &address[2..];
            let account: AccountAddress = address.parse().unwrap();
            assert_eq!(account.to_string(), address.to_lowercase());
            let (upper, lower) = (digits.to_uppercase(), digits.to_lowercase());
            for text in [digits.to_owned(), format!("0X{digits}"), format!("0x{upper}"), format!("0x{lower}")] {
                assert_eq!(text.parse(), Ok(account), "{text}");
            }
            // another digit, and another case of one letter
            for text in [address.replace("9", "8"), address.replacen(['B', 'D'], "b", 1)] {
                let wrong = BadHex::Checksum { text: text.clone() };
                assert_eq!(text.parse::<AccountAddress>(), Err(wrong), "{text}");
            }
        }
        // other lengths have none
        assert!("0xAbcd".parse::<Hex<2>>().is_ok());
    }
}
