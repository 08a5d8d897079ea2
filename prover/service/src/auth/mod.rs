//! Authentication of callers, before their messages are decoded. docs/authentication.md specifies the protocol.
//!
//! | module | holds |
//! |---|---|
//! | [`gate`] | the layer in front of every service: limits, hashes, authenticates |
//! | [`signed`] | signed calls and their nonces |
//! | [`tokens`] | logins and the tokens they issue |
//! | [`api_keys`] | keys of accounts for programs that only read |
//! | [`accounts`] | the allowlist of accounts |
//! | `turns` | shares of the server among accounts |

pub mod accounts;
pub mod api_keys;
pub mod gate;
mod messages;
pub mod signed;
pub mod tokens;
mod turns;

pub(crate) use turns::{off_thread, Inside};

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tonic::Request;
use tribute_chain::StrictSignature;
use tribute_core::digest::Digest;
use tribute_core::hexed::{AccountAddress, Hex};
use tribute_core::id::Instance;
use tribute_problem::{Problem, Reason, Result};
use tribute_store::db::Database;

/// Request extension with the account that made a call, inserted by the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller(pub AccountAddress);

/// The account that made a call.
///
/// # Errors
/// [`Reason::BadSignature`] if the call has no [`Caller`], which the gate rules out for calls that need one.
pub(crate) fn caller<T>(request: &Request<T>) -> Result<AccountAddress> {
    let caller = request.extensions().get::<Caller>();
    Ok(caller.ok_or_else(|| Problem::new(Reason::BadSignature, "the call is not authorized"))?.0)
}

/// The place of a call that takes its turns by itself.
///
/// # Errors
/// [`Reason::Internal`] if the gate gave it none.
pub(crate) fn place<T>(request: &Request<T>) -> Result<Arc<Inside>> {
    let place = request.extensions().get::<Arc<Inside>>().cloned();
    place.ok_or_else(|| Problem::internal("a call that takes its own turns came without its place"))
}

/// The stored form of a token or key: reading the database yields no usable token.
fn hash(token: &str) -> String {
    hex::encode(Sha256::digest(token))
}

/// Recovers the account that signed `digest` from the 65-byte `signature`; `None` if the signature is invalid.
#[must_use]
pub fn recover(signature: &[u8], digest: &Digest) -> Option<AccountAddress> {
    // strict: a signature has exactly one accepted encoding
    let signer = StrictSignature::parse(signature).ok()?.signer(digest)?;
    Some(Hex(signer.into_array()))
}

/// The server's identity, which signatures are bound to.
#[derive(Clone, Debug)]
pub struct Here {
    /// 32 random bytes generated when the database is first opened.
    pub instance: Instance,
    /// `host:port` names by which clients may reach it, in lower case.
    pub names: Vec<String>,
}

impl Here {
    /// The server that owns `db`. If `names` is empty, it is known by the address it listens on (unless that means all
    /// interfaces) and, if it listens on loopback or on all interfaces, by `localhost` and the loopback addresses.
    pub async fn open(db: &Database, names: &[String], listens: SocketAddr) -> Result<Self> {
        let fresh = Instance::new(rand::random()).to_string();
        let instance = db.kept("instance", &fresh).await?.parse().map_err(Problem::internal)?;
        let names = if names.is_empty() { usual_names(listens) } else { names.to_vec() };
        Ok(Here { instance, names: names.into_iter().map(|n| n.to_ascii_lowercase()).collect() })
    }

    /// Refuses a call signed for a server of another name; otherwise that server could replay its clients' calls here.
    pub(crate) fn check_name(&self, server: &str) -> Result<()> {
        if self.names.iter().any(|name| name == server) {
            return Ok(());
        }
        Err(Problem::new(
            Reason::BadSignature,
            format!(
                "signed for the server `{server}`, and this one is known as {}: call it so, or have its operator add the \
                 name (`tribute serve --name`)",
                self.names.join(", ")
            ),
        )
        .with("server", server))
    }
}

fn usual_names(listens: SocketAddr) -> Vec<String> {
    let port = listens.port();
    let own = match listens.ip() {
        ip if ip.is_unspecified() => None,
        IpAddr::V6(ip) => Some(format!("[{ip}]:{port}")),
        IpAddr::V4(ip) => Some(format!("{ip}:{port}")),
    };
    let local = listens.ip().is_loopback() || listens.ip().is_unspecified();
    let mut names: Vec<String> = own.into_iter().collect();
    if local {
        names.extend(["localhost", "127.0.0.1", "[::1]"].map(|host| format!("{host}:{port}")));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_server_of_this_machine_is_localhost() {
        let names = |text: &str| usual_names(text.parse().unwrap());
        assert!(names("127.0.0.1:7").contains(&"localhost:7".to_owned()));
        assert!(names("0.0.0.0:7").contains(&"127.0.0.1:7".to_owned()));
        assert!(!names("0.0.0.0:7").contains(&"0.0.0.0:7".to_owned()));
        assert_eq!(names("192.0.2.1:7"), ["192.0.2.1:7"]);
        assert_eq!(names("[2001:db8::1]:7"), ["[2001:db8::1]:7"]);
    }
}
