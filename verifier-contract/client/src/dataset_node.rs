//! The node in a dataset's entry: where its provider can be asked.
//!
//! The registry stores any text of at most 255 bytes. So whoever reads it has a [`NodeEntry`], and only [`NodeEntry::url`]
//! makes a URL of it.

use std::fmt;
use std::str::FromStr;

use reqwest::Url;
use serde::{Deserialize, Serialize};
use tribute_core::id::DatasetId;

use crate::abi::{word, IDatasetRegistry as Abi};
use crate::call::Call;
use crate::contracts::Contracts;
use crate::error::Result;

/// Most bytes of a node's URL in the registry.
pub const MOST_BYTES: usize = 255;

/// URL of a provider's `tribute serve`: `http` or `https`, in visible ASCII, with a host and without user and password, at most
/// [`MOST_BYTES`] bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeUrl(String);

/// A text that is no URL of a node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no URL of a node: {fault}")]
pub struct BadNodeUrl {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub fault: NodeFault,
}

/// What keeps a text from being a node's URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeFault {
    /// It is too long.
    #[error("it has {0} bytes, at most {most} are stored", most = MOST_BYTES)]
    TooLong(usize),
    /// It has a space, a control character, a backslash or a character beyond ASCII.
    #[error("it has the character {0:?}, which URLs have only encoded")]
    Character(char),
    /// It has another scheme.
    #[error("it must begin with http:// or https://")]
    Scheme,
    /// It has a user or a password.
    #[error("everybody would read the user or password in it")]
    User,
    /// Its host or port cannot be read.
    #[error("its host or port cannot be read")]
    Host,
}

/// What is wrong with a text, if anything.
fn fault(text: &str) -> Option<NodeFault> {
    if text.len() > MOST_BYTES {
        return Some(NodeFault::TooLong(text.len()));
    }
    // a backslash is a slash to browsers and an error to others
    if let Some(c) = text.chars().find(|c| !c.is_ascii_graphic() || *c == '\\') {
        return Some(NodeFault::Character(c));
    }
    let Some(rest) = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")) else {
        return Some(NodeFault::Scheme);
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Some(NodeFault::User);
    }
    if authority.is_empty() || Url::parse(text).is_err() {
        return Some(NodeFault::Host);
    }
    None
}

impl NodeUrl {
    /// The URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for NodeUrl {
    type Err = BadNodeUrl;

    fn from_str(text: &str) -> Result<Self, BadNodeUrl> {
        NodeUrl::try_from(text.to_owned())
    }
}

impl TryFrom<String> for NodeUrl {
    type Error = BadNodeUrl;

    fn try_from(text: String) -> Result<Self, BadNodeUrl> {
        match fault(&text) {
            None => Ok(NodeUrl(text)),
            Some(fault) => Err(BadNodeUrl { text, fault }),
        }
    }
}

impl From<NodeUrl> for String {
    fn from(url: NodeUrl) -> String {
        url.0
    }
}

/// The text about its node in a dataset's entry, as the owner wrote it and nobody has checked it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeEntry(String);

impl NodeEntry {
    /// The entry with this text; `None` if there is none.
    #[must_use]
    pub fn new(text: String) -> Option<Self> {
        (!text.is_empty()).then_some(NodeEntry(text))
    }

    /// The node's URL.
    ///
    /// # Errors
    /// If the text is no such URL. The error shows it with everything escaped that a terminal could obey.
    pub fn url(&self) -> Result<NodeUrl, BadNodeUrl> {
        self.0.parse()
    }
}

/// A node in the contracts' form, where no node is an empty text.
pub(crate) fn text(node: Option<&NodeUrl>) -> String {
    node.map(ToString::to_string).unwrap_or_default()
}

impl Contracts {
    /// Sets the node in a dataset's entry; `None` takes it back. Only its owner.
    pub fn set_dataset_node(&self, dataset: &DatasetId, node: Option<&NodeUrl>) -> Call<Abi::setNodeCall, ()> {
        let action = node.map_or_else(
            || format!("name no node of dataset {dataset}"),
            |url| format!("name {url} as the node of dataset {dataset}"),
        );
        let call = Abi::setNodeCall { datasetId: word(dataset), node: text(node) };
        self.call(self.datasets_at(), action, &call, |e| e.one().map(|_: Abi::NodeSet| ()))
    }

    /// What a dataset's entry says about its node; reverts with `UnknownDataset`.
    pub async fn dataset_node(&self, dataset: &DatasetId) -> Result<Option<NodeEntry>> {
        let call = Abi::nodeOfCall { datasetId: word(dataset) };
        self.chain.read(self.datasets_at(), &call).await.map(NodeEntry::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_nodes_are_taken_as_they_are() {
        let longest = format!("https://node.example/{}", "a".repeat(MOST_BYTES - 21));
        assert_eq!(longest.len(), MOST_BYTES);
        for url in [
            "http://127.0.0.1:7410",
            "https://node.example",
            "https://node.example:8443/",
            "http://[::1]:7410",
            "https://node.example/tribute@home",
            &longest,
        ] {
            let parsed: NodeUrl = url.parse().unwrap();
            assert_eq!(parsed.as_str(), url);
            assert_eq!(NodeEntry::new(url.to_owned()).unwrap().url(), Ok(parsed));
        }
    }

    #[test]
    fn other_texts_are_refused_with_the_reason() {
        let long = format!("https://node.example/{}", "a".repeat(MOST_BYTES - 20));
        for (text, fault) in [
            (long.as_str(), NodeFault::TooLong(256)),
            ("ftp://node.example", NodeFault::Scheme),
            ("javascript:alert(1)", NodeFault::Scheme),
            ("HTTPS://node.example", NodeFault::Scheme),
            ("node.example:7410", NodeFault::Scheme),
            ("", NodeFault::Scheme),
            ("https://me:secret@node.example", NodeFault::User),
            ("https://node.example@evil.example/", NodeFault::User),
            ("https://@node.example", NodeFault::User),
            ("https://node.example/\u{1b}[2J", NodeFault::Character('\u{1b}')),
            ("https://node.example\n", NodeFault::Character('\n')),
            ("https://node.example/a b", NodeFault::Character(' ')),
            ("https://node.example\\@evil.example", NodeFault::Character('\\')),
            ("https://nod\u{435}.example", NodeFault::Character('\u{435}')),
            ("https://node.example/\u{202e}moc", NodeFault::Character('\u{202e}')),
            ("https://", NodeFault::Host),
            ("https:///node.example", NodeFault::Host),
            ("https://node.example:70000", NodeFault::Host),
        ] {
            let bad = text.parse::<NodeUrl>().unwrap_err();
            assert_eq!(bad, BadNodeUrl { text: text.to_owned(), fault });
            assert!(!bad.to_string().contains(['\u{1b}', '\n', '\u{202e}']), "{bad:?}");
        }
        assert_eq!(NodeEntry::new(String::new()), None);
        let entry = NodeEntry::new("\u{1b}]0;x".to_owned()).unwrap();
        let told = entry.url().unwrap_err().to_string();
        assert!(told.starts_with("\"\\u{1b}]0;x\" is no URL of a node: it has the character '\\u{1b}'"), "{told}");
    }

    #[test]
    fn a_file_with_another_text_is_refused() {
        let read = |json: &str| serde_json::from_str::<NodeUrl>(json);
        let url = read("\"https://node.example\"").unwrap();
        assert_eq!(serde_json::to_string(&url).unwrap(), "\"https://node.example\"");
        assert!(read("\"https://me@node.example\"").unwrap_err().to_string().contains("user or password"));
    }
}
