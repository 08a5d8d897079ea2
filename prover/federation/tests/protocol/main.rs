//! The protocol between an owner and nodes, without network: honest trainings, and everything that a dishonest owner or node may
//! try.

mod crashes;
mod dishonest;
mod honest;
mod large;
mod ranges;
mod setting;
