//! A request of either kind, as nodes hold them.

use serde::Deserialize;
use tribute_core::hexed::AccountAddress;
use tribute_core::id::RequestId;

use crate::ranges::RangesRequest;
use crate::refusal::Refusal;
use crate::request::Request;

/// What is asked.
#[derive(Clone, Debug)]
pub enum Asked {
    /// A training.
    Training(Box<Request>),
    /// A schema's ranges.
    Ranges(Box<RangesRequest>),
}

impl Asked {
    /// Parses and checks a request of either kind.
    ///
    /// # Errors
    /// If it is not the canonical JSON of one.
    pub fn parse(json: &[u8]) -> Result<Self, Refusal> {
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
        }
    }

    /// Identifies the request.
    #[must_use]
    pub fn id(&self) -> RequestId {
        match self {
            Asked::Training(request) => request.id(),
            Asked::Ranges(request) => request.id(),
        }
    }

    /// Who asks.
    #[must_use]
    pub fn owner(&self) -> AccountAddress {
        match self {
            Asked::Training(request) => request.owner,
            Asked::Ranges(request) => request.owner,
        }
    }
}
