//! A contract's error, decoded: name, operands, meaning and advice.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use alloy::dyn_abi::{DynSolValue, JsonAbiExt};
use alloy::json_abi::Error as AbiError;
use alloy::primitives::{hex, Bytes, Selector, U256};
use serde::{Deserialize, Serialize};

use crate::abi::{contracts, LIBRARY_ERRORS};
use crate::advice;
use crate::wording::printable;

/// A decoded revert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revert {
    /// Name of the error; `Unknown` if none of our contracts declares it, `Nothing` if no data was returned.
    pub name: String,
    /// Contracts that declare it.
    pub declared_by: Vec<String>,
    /// Operands by name, in order, with control characters escaped.
    pub operands: Vec<(String, String)>,
    /// What to do about it.
    pub advice: String,
    /// The raw data.
    pub data: Bytes,
}

impl Revert {
    /// An operand by name.
    #[must_use]
    pub fn operand(&self, name: &str) -> Option<&str> {
        self.operands.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

impl fmt::Display for Revert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operands: Vec<String> = self.operands.iter().map(|(n, v)| format!("{n}: {v}")).collect();
        write!(f, "{}({})", self.name, operands.join(", "))?;
        if !self.advice.is_empty() {
            write!(f, ": {}", self.advice)?;
        }
        Ok(())
    }
}

/// Decoder of every custom error of the contracts and their libraries.
#[derive(Debug)]
pub struct ErrorDecoder {
    by_selector: BTreeMap<Selector, Vec<(String, AbiError)>>,
}

impl ErrorDecoder {
    /// The decoder of all contracts.
    #[must_use]
    pub fn shared() -> &'static ErrorDecoder {
        static SHARED: LazyLock<ErrorDecoder> = LazyLock::new(ErrorDecoder::new);
        &SHARED
    }

    fn new() -> Self {
        let mut decoder = ErrorDecoder { by_selector: BTreeMap::new() };
        for (contract, abi) in contracts() {
            for error in abi.errors() {
                decoder.add(contract, error.clone());
            }
        }
        for declaration in LIBRARY_ERRORS {
            if let Ok(error) = AbiError::parse(declaration) {
                decoder.add("OpenZeppelin", error);
            }
        }
        decoder
    }

    fn add(&mut self, contract: &str, error: AbiError) {
        self.by_selector.entry(error.selector()).or_default().push((contract.to_owned(), error));
    }

    /// Names of all errors known, each once.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.by_selector.values().flatten().map(|(_, error)| error.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Decodes revert data; never fails, since any bytes can be returned.
    #[must_use]
    pub fn decode(&self, data: &[u8]) -> Revert {
        let raw = Bytes::copy_from_slice(data);
        if data.is_empty() {
            return named("Nothing", Vec::new(), raw);
        }
        if let Some(text) = solidity_message(data) {
            return named("Error", vec![("message".to_owned(), text)], raw);
        }
        if let Some(code) = solidity_panic(data) {
            return named("Panic", vec![("code".to_owned(), code)], raw);
        }
        let candidates = data.get(..4).and_then(|s| self.by_selector.get(&Selector::from_slice(s)));
        let decoded = candidates.and_then(|all| {
            let (_, error) = all.first()?;
            let values = error.abi_decode_input(data.get(4..)?).ok()?;
            let names = error.inputs.iter().map(|input| input.name.clone());
            let operands = names.zip(values.iter().map(show)).collect();
            let mut revert = named(&error.name, operands, raw.clone());
            revert.declared_by = all.iter().map(|(contract, _)| contract.clone()).collect();
            Some(revert)
        });
        decoded.unwrap_or_else(|| named("Unknown", vec![("data".to_owned(), hex::encode_prefixed(data))], raw))
    }
}

fn named(name: &str, operands: Vec<(String, String)>, data: Bytes) -> Revert {
    Revert {
        name: name.to_owned(),
        declared_by: Vec::new(),
        operands: operands.into_iter().map(|(name, value)| (name, printable(&value))).collect(),
        advice: advice::of(name).unwrap_or_default().to_owned(),
        data,
    }
}

/// `Error(string)`, what `require(.., "text")` reverts with.
fn solidity_message(data: &[u8]) -> Option<String> {
    use alloy::sol_types::{Revert as Message, SolError};
    Message::abi_decode(data).ok().map(|m| m.reason)
}

/// `Panic(uint256)`: overflow, division by zero and the like.
fn solidity_panic(data: &[u8]) -> Option<String> {
    use alloy::sol_types::{Panic, SolError};
    Panic::abi_decode(data).ok().map(|p| p.to_string())
}

pub(crate) fn show(value: &DynSolValue) -> String {
    match value {
        DynSolValue::Address(a) => a.to_string(),
        DynSolValue::Bool(b) => b.to_string(),
        DynSolValue::Uint(u, _) if *u > U256::from(u128::MAX) => format!("{u:#066x}"),
        DynSolValue::Uint(u, _) => u.to_string(),
        DynSolValue::Int(i, _) => i.to_string(),
        DynSolValue::FixedBytes(word, size) => hex::encode_prefixed(&word[..*size]),
        DynSolValue::Bytes(bytes) => hex::encode_prefixed(bytes),
        DynSolValue::String(s) => s.clone(),
        DynSolValue::Array(values) | DynSolValue::FixedArray(values) | DynSolValue::Tuple(values) => {
            format!("[{}]", values.iter().map(show).collect::<Vec<_>>().join(", "))
        }
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::{IAgentRegistry, IProofGate, ISessionEscrow};
    use alloy::primitives::B256;
    use alloy::sol_types::SolError;

    #[test]
    fn names_operands_and_advice() {
        let error = ISessionEscrow::NotThawed { session: B256::repeat_byte(7), thawEnd: 5 };
        let revert = ErrorDecoder::shared().decode(&error.abi_encode());
        assert_eq!(revert.name, "NotThawed");
        assert_eq!(revert.declared_by, ["SessionEscrow"]);
        assert_eq!(revert.operand("thawEnd"), Some("5"));
        assert_eq!(revert.operand("session"), Some(B256::repeat_byte(7).to_string().as_str()));
        let error = ISessionEscrow::WrongContext { expected: U256::from(1), proven: U256::MAX };
        let revert = ErrorDecoder::shared().decode(&error.abi_encode());
        assert_eq!(revert.operand("proven"), Some(format!("0x{}", "f".repeat(64)).as_str()));
    }

    #[test]
    fn a_negative_operand_keeps_its_sign() {
        let error = IAgentRegistry::SumBelowOptimum { total: alloy::primitives::I256::try_from(-2048).unwrap() };
        let revert = ErrorDecoder::shared().decode(&error.abi_encode());
        assert_eq!(revert.operand("total"), Some("-2048"));
    }

    #[test]
    fn every_error_has_advice() {
        let decoder = ErrorDecoder::shared();
        let silent: Vec<&str> = decoder.names().into_iter().filter(|n| advice::of(n).is_none()).collect();
        assert!(silent.is_empty(), "no advice for {silent:?}");
        assert!(decoder.names().len() > 80);
    }

    #[test]
    fn every_library_error_parses() {
        for declaration in LIBRARY_ERRORS {
            assert!(AbiError::parse(declaration).is_ok(), "{declaration}");
        }
    }

    #[test]
    fn anything_else_is_shown_as_it_is() {
        let decoder = ErrorDecoder::shared();
        assert_eq!(decoder.decode(&[]).name, "Nothing");
        assert_eq!(decoder.decode(&[1, 2, 3]).operand("data"), Some("0x010203"));
        assert_eq!(decoder.decode(&[0xde, 0xad, 0xbe, 0xef, 1]).name, "Unknown");
        // known selector, truncated operands
        let whole = ISessionEscrow::NothingToWithdraw {}.abi_encode();
        assert_eq!(decoder.decode(&whole).name, "NothingToWithdraw");
        let cut = IProofGate::UnknownCircuit { circuitId: B256::ZERO }.abi_encode();
        assert_eq!(decoder.decode(&cut[..20]).name, "Unknown");
        let text = alloy::sol_types::Revert { reason: "no".to_owned() };
        assert_eq!(decoder.decode(&text.abi_encode()).operand("message"), Some("no"));
        // a token's words give a terminal no orders
        let orders = alloy::sol_types::Revert { reason: "\u{1b}[2J".to_owned() };
        assert_eq!(decoder.decode(&orders.abi_encode()).operand("message"), Some("\\u{1b}[2J"));
    }
}
