//! Forgeries, each with a real proof. The honest twin is accepted, natively and by the EVM verifier; the forgery is refused
//! by both; and the same forgery is *accepted* once the gate that guards against it is taken out, so that no gate is
//! decorative: [`record`] holds the outcomes against the design's list ([`list`]) and against all gates of all circuits.
//!
//! Where a forgery concerns structure and not one gate, the test says what guards against it instead.

#[path = "../service/agent.rs"]
mod agent;
#[path = "../support/mod.rs"]
mod support;

mod columns;
mod contribution;
mod dataset;
mod evaluation;
mod gradient;
mod harness;
mod link;
mod list;
mod lookup;
mod optimum;
mod product;
mod receipts;
mod record;
mod runs;
mod service;
