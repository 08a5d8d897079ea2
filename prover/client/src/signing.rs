//! Authenticating calls: the `authorization` metadata, as specified in docs/authentication.md.
//!
//! A call that changes something carries an EIP-712 signature over the server's name as the client knows it, the method
//! and the message's raw bytes, so the server can check it before decoding the message. The server's name and instance
//! make it invalid at any other server, and its nonce prevents replays at the same one.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use alloy::primitives::{eip191_hash_message, Address, B256};
use alloy::signers::local::PrivateKeySigner;
use alloy::signers::SignerSync as _;
use sha2::{Digest as _, Sha256};
use tribute_core::digest::{keccak, Digest, Words};
use tribute_core::hexed::AccountAddress;
use tribute_core::id::{Instance, Nonce};
use tribute_problem::{Problem, Reason, Result};

/// Time from signing a call to its deadline, seconds.
const VALIDITY: u64 = 300;
/// Scheme of a signed call's `authorization`.
const SCHEME: &str = "Tribute ";
/// Time from a challenge to the Expiration Time of its login message, seconds.
pub const LOGIN_VALIDITY: u64 = 300;

/// Length and SHA-256 of what is sent: of the message of a unary call, or of the whole file of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// Length in bytes.
    pub length: u64,
    /// SHA-256 of the bytes.
    pub sha256: [u8; 32],
}

impl Content {
    /// Length and SHA-256 of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Content { length: bytes.len() as u64, sha256: Sha256::digest(bytes).into() }
    }
}

/// The `authorization` of a signed call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization {
    /// Account that signed.
    pub signer: AccountAddress,
    /// The server's host and port as the client knows them.
    pub server: String,
    /// Length and SHA-256 of what is sent.
    pub content: Content,
    /// 32 bytes that the signer has never used with this server.
    pub nonce: Nonce,
    /// Unix seconds after which the call is invalid.
    pub deadline: u64,
    /// 65 bytes: r, s, v.
    pub signature: Vec<u8>,
}

impl Authorization {
    /// Signs a call of `method` (a gRPC path) for the server `instance`, which the client knows as `server`.
    pub fn sign(
        key: &PrivateKeySigner,
        server: &str,
        instance: &Instance,
        method: &str,
        content: Content,
    ) -> Result<Self> {
        let mut signed = Authorization {
            signer: key.address().into_array().into(),
            server: server.into(),
            content,
            nonce: Nonce::new(rand::random()),
            deadline: unix_seconds() + VALIDITY,
            signature: Vec::new(),
        };
        let digest = B256::from(signed.digest(instance, method));
        signed.signature = key.sign_hash_sync(&digest).map_err(Problem::internal)?.as_bytes().to_vec();
        Ok(signed)
    }

    /// The EIP-712 digest that is signed.
    #[must_use]
    pub fn digest(&self, instance: &Instance, method: &str) -> Digest {
        let separator = Words::new()
            .word(&keccak(b"EIP712Domain(string name,string version,bytes32 salt)"))
            .word(&keccak(b"Tribute Service"))
            .word(&keccak(b"2"))
            .word(instance.as_bytes())
            .keccak();
        let message = Words::new()
            .word(&keccak(
                b"Call(string server,string method,uint64 length,bytes32 sha256,bytes32 nonce,uint64 deadline)",
            ))
            .word(&keccak(self.server.as_bytes()))
            .word(&keccak(method.as_bytes()))
            .uint(u128::from(self.content.length))
            .word(&self.content.sha256)
            .word(self.nonce.as_bytes())
            .uint(u128::from(self.deadline))
            .keccak();
        keccak(&[&[0x19, 0x01][..], &separator, &message].concat())
    }

    /// The value of the `authorization` metadata.
    #[must_use]
    pub fn header(&self) -> String {
        let mut text = String::from(SCHEME);
        let Content { length, sha256 } = self.content;
        // writing to a string cannot fail
        let _ = write!(
            text,
            "signer={},server={},length={length},sha256={},nonce={},deadline={},signature={}",
            self.signer,
            self.server,
            hex::encode(sha256),
            hex::encode(self.nonce.as_bytes()),
            self.deadline,
            hex::encode(&self.signature),
        );
        text
    }

    /// Parses the exact output of [`Authorization::header`]: every authorization has a single encoding.
    ///
    /// # Errors
    /// [`Reason::BadSignature`].
    pub fn parse(header: &str) -> Result<Self> {
        let parsed = header.strip_prefix(SCHEME).and_then(|fields| {
            let mut fields = fields.split(',');
            let mut next = |name: &str| fields.next()?.strip_prefix(name)?.strip_prefix('=');
            Some(Authorization {
                signer: next("signer")?.parse().ok()?,
                server: next("server")?.to_owned(),
                content: Content {
                    length: next("length")?.parse().ok()?,
                    sha256: hex::decode(next("sha256")?).ok()?.try_into().ok()?,
                },
                nonce: Nonce::new(hex::decode(next("nonce")?).ok()?.try_into().ok()?),
                deadline: next("deadline")?.parse().ok()?,
                signature: hex::decode(next("signature")?).ok()?,
            })
        });
        parsed.filter(|a| a.header() == header).ok_or_else(|| {
            Problem::new(
                Reason::BadSignature,
                "authorization: not of the form `Tribute signer=…,server=…,length=…,sha256=…,nonce=…,deadline=…,\
                 signature=…` that this call needs",
            )
        })
    }
}

/// The fields of a login message (EIP-4361).
#[derive(Clone, Copy, Debug)]
pub struct Login<'a> {
    /// The server's host and port as the client knows them.
    pub server: &'a str,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// The server's instance.
    pub instance: &'a Instance,
    /// Account that logs in.
    pub account: AccountAddress,
    /// EIP-155 id of the server's chain; 1 if it has none.
    pub chain_id: u64,
    /// Nonce of the challenge.
    pub nonce: &'a str,
    /// Server time when it issued the challenge, Unix seconds.
    pub issued: u64,
}

impl Login<'_> {
    /// The text to sign. The server compares it byte for byte.
    #[must_use]
    pub fn text(&self) -> String {
        format!(
            "{server} wants you to sign in with your Ethereum account:\n{account}\n\n\
             Read what is yours on this Tribute server.\n\n\
             URI: {scheme}://{server}\nVersion: 1\nChain ID: {chain}\nNonce: {nonce}\nIssued At: {issued}\n\
             Expiration Time: {expires}\nRequest ID: {instance}",
            server = self.server,
            scheme = self.scheme,
            account = Address::from(self.account.0).to_checksum(None),
            chain = self.chain_id,
            nonce = self.nonce,
            issued = rfc3339(self.issued),
            expires = rfc3339(self.issued.saturating_add(LOGIN_VALIDITY)),
            instance = self.instance,
        )
    }
}

/// The EIP-191 digest of a login message.
#[must_use]
pub fn login_digest(text: &str) -> Digest {
    eip191_hash_message(text).0
}

/// Formats Unix seconds in UTC, such as `2026-11-29T03:25:57Z`.
fn rfc3339(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // days since 1 March of year 0, in eras of 400 years, so that a leap day is the last day of its year
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = 400 * era + year + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

/// Current Unix time by this machine's clock, seconds.
#[must_use]
pub fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authorization_has_one_text() {
        let key = PrivateKeySigner::random();
        let signed =
            Authorization::sign(&key, "host:1", &Instance::new([1; 32]), "/a/b", Content::of(b"message")).unwrap();
        let text = signed.header();
        assert_eq!(Authorization::parse(&text).unwrap(), signed);
        for wrong in [
            text.replace("Tribute ", "tribute "),
            text.replace(",length=7", ",length=07"),
            text.replace(",length=7", ", length=7"),
            text.replace(",length=7", ""),
            format!("{text},"),
            text.replace("signer=0x", "signer="),
            text.replace("deadline=", "deadline=+"),
            String::new(),
        ] {
            assert_eq!(Authorization::parse(&wrong).unwrap_err().reason, Reason::BadSignature, "{wrong}");
        }
    }

    #[test]
    fn times_are_written_as_the_calendar_has_them() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_200, "2024-03-01T00:00:00Z"),
            (1_795_922_757, "2026-11-29T03:25:57Z"),
            (4_102_444_799, "2099-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
        }
    }
}
