//! The client against a real anvil. One binary, since linking Alloy is what takes time.

mod deployment;
mod fate;
mod fees;
mod lifecycle;
mod payer;
mod proxy;
mod quirks;
mod records;
mod resuming;
mod sending;
mod sync;
mod tls;
