//! Values of JSON-RPC, as nodes write and read them.

use alloy::primitives::U256;
use serde::de::{DeserializeOwned, Deserializer, Error as _};
use serde::Deserialize as _;
use serde_json::Value;

/// A block number as JSON-RPC writes it.
pub(crate) fn quantity(number: u64) -> String {
    format!("{number:#x}")
}

/// A number, at most the largest of its type.
pub(crate) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    U256::deserialize(deserializer).map(|number| number.saturating_to())
}

/// The same, unless it is missing.
pub(crate) fn optional_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(unless_empty::<_, U256>(deserializer)?.map(|number| number.saturating_to()))
}

/// A value that some nodes leave empty instead of null.
pub(crate) fn unless_empty<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::String(text) if text.is_empty() || text == "0x" => Ok(None),
        value => serde_json::from_value(value).map(Some).map_err(D::Error::custom),
    }
}
