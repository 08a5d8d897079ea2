//! Fixed-size bytes that read and print as `0x…` in JSON, tables and on the command line.

use std::fmt;
use std::str::FromStr;

use serde::{de::Error as _, Deserialize, Deserializer, Serialize, Serializer};

use crate::{Problem, Result};

/// `N` bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hex<const N: usize>(pub [u8; N]);

/// A digest or identifier.
pub type Hex32 = Hex<32>;
/// An Ethereum address.
pub type Hex20 = Hex<20>;

impl<const N: usize> Default for Hex<N> {
    fn default() -> Self {
        Hex([0; N])
    }
}

impl<const N: usize> fmt::Display for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(self.0))
    }
}

impl<const N: usize> fmt::Debug for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text that is not `N` bytes in hex.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {bytes} bytes in hex (0x and {} digits)", bytes * 2)]
pub struct NotHex {
    text: String,
    bytes: usize,
}

impl<const N: usize> FromStr for Hex<N> {
    type Err = NotHex;
    fn from_str(text: &str) -> std::result::Result<Self, NotHex> {
        let mut bytes = [0; N];
        hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(text), &mut bytes)
            .map_err(|_| NotHex { text: text.into(), bytes: N })?;
        Ok(Hex(bytes))
    }
}

impl<const N: usize> Serialize for Hex<N> {
    fn serialize<S: Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Hex<N> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(D::Error::custom)
    }
}

impl<const N: usize> From<[u8; N]> for Hex<N> {
    fn from(bytes: [u8; N]) -> Self {
        Hex(bytes)
    }
}

impl<const N: usize> Hex<N> {
    /// A request's bytes field, or which field has the wrong length.
    pub fn from_field(name: &str, bytes: &[u8]) -> Result<Self> {
        match bytes.try_into() {
            Ok(bytes) => Ok(Hex(bytes)),
            Err(_) => Err(Problem::field(name, format!("{} bytes, expected {N}", bytes.len()))),
        }
    }
    /// The bytes as a request's field.
    #[must_use]
    pub fn to_field(self) -> Vec<u8> {
        self.0.to_vec()
    }
}
