//! The node in a dataset's entry: where its provider can be asked.

use clap::Args;
use serde_json::json;
use tribute_chain::dataset_node::{NodeEntry, NodeUrl};
use tribute_core::id::DatasetId;

use super::ChainArgs;
use crate::CommandResult;

/// A node, or none.
#[derive(Clone, Debug, Args)]
pub(crate) struct NewNodeArgs {
    /// URL by which agents' owners reach your `tribute serve`, http or https. It is public, for ever, and ties your account to
    /// this address.
    #[arg(value_name = "URL", required_unless_present = "none", conflicts_with = "none")]
    url: Option<NodeUrl>,
    /// Name no node any more. The earlier URL remains in the chain's history.
    #[arg(long)]
    none: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SetNodeArgs {
    /// The dataset's id. All its versions have the same node.
    dataset: DatasetId,
    #[command(flatten)]
    node: NewNodeArgs,
    #[command(flatten)]
    chain: ChainArgs,
}

impl NewNodeArgs {
    /// The node's URL; `None` for none.
    pub(super) fn url(&self) -> Option<&NodeUrl> {
        self.url.as_ref()
    }
}

pub(super) async fn set(a: SetNodeArgs) -> CommandResult {
    let c = a.chain.connect().await?;
    let url = a.node.url();
    let call = c.contracts.set_dataset_node(&a.dataset, url);
    let value = c.send(&call, |()| json!({ "dataset_id": a.dataset, "node": url })).await?;
    a.chain.emit(&value)
}

/// What a dataset's entry says about its node, for a result: the URL, or else why the text in the entry is none.
pub(super) fn told(entry: Option<&NodeEntry>) -> (Option<NodeUrl>, Option<String>) {
    match entry.map(NodeEntry::url) {
        None => (None, None),
        Some(Ok(url)) => (Some(url), None),
        Some(Err(bad)) => (None, Some(bad.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_url_or_why_it_is_none() {
        let entry = |text: &str| NodeEntry::new(text.to_owned());
        let url = "https://node.example";
        assert_eq!(told(entry("").as_ref()), (None, None));
        assert_eq!(told(entry(url).as_ref()), (Some(url.parse().unwrap()), None));
        let (none, why) = told(entry("file:///etc/passwd\u{7}").as_ref());
        assert_eq!(none, None);
        assert!(why.unwrap().starts_with("\"file:///etc/passwd\\u{7}\" is no URL of a node"));
    }
}
