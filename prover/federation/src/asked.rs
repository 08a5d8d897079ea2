//! A request of either kind, as nodes hold them.

use serde::Deserialize;
use tribute_core::digest::keccak;
use tribute_core::hexed::AccountAddress;
use tribute_core::id::RequestId;

use crate::ranges::RangesRequest;
use crate::refusal::Refusal;
use crate::request::{check_program, Request};

/// What is asked.
#[derive(Clone, Debug)]
pub enum Asked {
    /// A training.
    Training(Box<Request>),
    /// A schema's ranges.
    Ranges(Box<RangesRequest>),
    /// One that this version of the program cannot read: another one stored it.
    Other(Box<OtherVersion>),
}

/// A request that another version of the program stored. It can be listed and declined.
#[derive(Clone, Debug)]
pub struct OtherVersion {
    json: Vec<u8>,
    /// The version; empty if the request does not say.
    pub program: String,
    /// Who asks; zero if the request does not say.
    pub owner: AccountAddress,
    /// Why it cannot be read.
    pub refusal: Refusal,
}

impl Asked {
    /// Parses and checks a request of either kind.
    ///
    /// # Errors
    /// If it is not the canonical JSON of one.
    pub fn parse(json: &[u8]) -> Result<Self, Refusal> {
        match Asked::stored(json) {
            Asked::Other(other) => Err(other.refusal),
            asked => Ok(asked),
        }
    }

    /// A request as a node stored it, maybe with another version of the program.
    #[must_use]
    pub fn stored(json: &[u8]) -> Self {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Header {
            program: String,
            owner: AccountAddress,
        }
        let refusal = match Asked::read(json) {
            Ok(asked) => return asked,
            Err(refusal) => refusal,
        };
        let Header { program, owner } = serde_json::from_slice(json).unwrap_or_default();
        // another version says more than the first field that differs
        let refusal = if program.is_empty() { refusal } else { check_program(&program).err().unwrap_or(refusal) };
        Asked::Other(Box::new(OtherVersion { json: json.to_vec(), program, owner, refusal }))
    }

    fn read(json: &[u8]) -> Result<Self, Refusal> {
        #[derive(Deserialize)]
        struct Kind {
            template: Option<serde::de::IgnoredAny>,
        }
        Ok(match serde_json::from_slice(json) {
            Ok(Kind { template: Some(_) }) => Asked::Ranges(Box::new(RangesRequest::parse(json)?)),
            _ => Asked::Training(Box::new(Request::parse(json)?)),
        })
    }

    /// The canonical JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        match self {
            Asked::Training(request) => request.to_json(),
            Asked::Ranges(request) => request.to_json(),
            Asked::Other(request) => request.json.clone(),
        }
    }

    /// Identifies the request.
    #[must_use]
    pub fn id(&self) -> RequestId {
        match self {
            Asked::Training(request) => request.id(),
            Asked::Ranges(request) => request.id(),
            Asked::Other(request) => RequestId::new(keccak(&request.json)),
        }
    }

    /// Who asks.
    #[must_use]
    pub fn owner(&self) -> AccountAddress {
        match self {
            Asked::Training(request) => request.owner,
            Asked::Ranges(request) => request.owner,
            Asked::Other(request) => request.owner,
        }
    }
}
