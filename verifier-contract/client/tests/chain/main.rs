//! The client against a real anvil. One binary, since linking Alloy is what takes time.

mod common;
mod deployment;
mod lifecycle;
mod proxy;
mod quirks;
mod resuming;
mod sending;
mod sync;
mod tls;
