//! Training across nodes: the protocol, without network and database.
//!
//! Several accounts, each with its datasets on its own node, train one agent with an owner. In every round each node computes
//! sums over its own records, as fixed-point integers, and adds masks that it shares with each other node. Only the sum over all
//! nodes can be read. The owner collects the answers and hands them to every node, and each node computes the next query from
//! their sum. So nobody chooses a query, and nobody but a node itself sees what its records contribute.
//!
//! | module | contents |
//! |---|---|
//! | [`request`] | the terms: the agent, the loss, the participants with their shards, the caps |
//! | [`consent`] | a participant's signature under a request, with the keys of its node |
//! | [`numbers`] | sums as fixed-point integers, with ranges that honest sums keep |
//! | [`mask`] | pairwise masks that cancel in the sum, and those of the committed columns |
//! | [`query`] | what a round asks |
//! | [`rule`] | the next query, from the sums so far: Newton's method, with conjugate gradients for large models, in arithmetic that is the same on every machine |
//! | [`answer`] | a node's signed answer, and the sum of all nodes' |
//! | [`node`] | a node's side: one stored answer for each round, refusals |
//! | [`owner`] | the owner's side, which can be resumed at any point |
//! | [`ranges`] | before a training: a schema's ranges, from rows that stay apart |
//! | [`asked`] | a request of either kind |
//! | [`refusal`] | why something is refused |
//! | [`wire`] | conversions between messages and these types |
//!
//! What each party learns is in `docs/privacy.md`.

pub mod answer;
pub mod asked;
pub mod consent;
pub mod mask;
pub mod node;
pub mod numbers;
pub mod owner;
pub mod query;
pub mod ranges;
pub mod refusal;
pub mod request;
pub mod rule;
pub mod wire;

pub use answer::Answer;
pub use asked::Asked;
pub use consent::{Consent, NodeKeys};
pub use node::Node;
pub use owner::Owner;
pub use query::Query;
pub use ranges::RangesRequest;
pub use refusal::Refusal;
pub use request::{Lot, Participant, Request, ShardOf};
