//! Tribute's client: everything that a program needs to use a service, and nothing that proves or stores.
//!
//! | module | holds |
//! |---|---|
//! | [`connection`] | a connection to a server: calls, uploads, waiting for jobs |
//! | [`authorizing`] | the channel underneath: signs calls, logs in to read |
//! | [`signing`] | what is signed: a call (EIP-712), a login (EIP-4361) |
//! | [`files`] | files read with errors that name them, written whole or not at all |
//! | [`wire`] | between messages and what they are about |
//! | [`session`] | the client's side of a prepaid session: its own transcript, and vouchers for it |

pub mod authorizing;
pub mod connection;
pub mod files;
pub mod session;
pub mod signing;
pub mod wire;

pub use connection::Client;
pub use wire::problem;
