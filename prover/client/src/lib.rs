//! Tribute's client: everything a program needs to use a service, without any proving or storage code.
//!
//! | module | holds |
//! |---|---|
//! | [`connection`] | a connection to a server: calls, uploads, waiting for jobs |
//! | [`authorizing`] | the underlying channel: signs calls, logs in for read-only calls |
//! | [`signing`] | the signed data: calls (EIP-712) and logins (EIP-4361) |
//! | [`files`] | reading files with errors that name them, and writing files atomically |
//! | [`wire`] | conversions between messages and domain types |
//! | [`session`] | the client's side of a prepaid session: its transcript and vouchers |

pub mod asking;
pub mod authorizing;
pub mod connection;
pub mod files;
pub mod session;
pub mod signing;
pub mod wire;

pub use connection::{Client, Tls};
pub use wire::problem;
