//! Forgeries, each with a real proof. The honest twin is accepted natively and by the EVM verifier; the forgery is
//! rejected by both; and the same forgery is *accepted* once the gate that guards against it is removed, so that no
//! gate is decorative. [`record`] compares the outcomes with the list of attacks ([`list`]) and with all gates of all
//! circuits.
//!
//! If a forgery concerns the structure rather than one gate, the test says what guards against it instead.

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
