//! Logins (EIP-4361) and the tokens they issue for read-only calls.

use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use tribute_client::signing::{login_digest, unix_seconds, Login, LOGIN_VALIDITY};
use tribute_core::hexed::AccountAddress;
use tribute_core::id::Nonce;
use tribute_problem::{Problem, Reason, Result};
use tribute_store::db::Database;

use super::api_keys::Role;
use super::signed::Nonces;
use super::{hash, recover, Here};

/// Lifetime of a token, seconds.
pub const LIFETIME: u64 = 900;
/// Maximum number of tokens per account; another login revokes the oldest.
const MOST: i64 = 16;
/// How far a challenge's time may be ahead of this server's clock, seconds: another server on the same database may have
/// issued it.
const AHEAD: u64 = 60;

/// Issues and checks tokens.
#[derive(Clone)]
pub struct Tokens {
    db: Database,
    here: Here,
    /// Chain id that login messages must name.
    chain_id: u64,
    nonces: Nonces,
    /// HMAC key that authenticates challenges, so that none needs to be stored.
    key: [u8; 32],
}

impl Tokens {
    /// Opens the tokens in `db`.
    pub async fn open(db: Database, here: Here, chain_id: u64, nonces: Nonces) -> Result<Self> {
        let text = db.kept("challenge_key", &hex::encode(rand::random::<[u8; 32]>())).await?;
        let mut key = [0; 32];
        hex::decode_to_slice(&text, &mut key).map_err(Problem::internal)?;
        Ok(Tokens { db, here, chain_id, nonces, key })
    }

    /// A login nonce and the time it was issued (Unix seconds). The nonce is that time (8 bytes), 8 random bytes and a
    /// 16-byte tag over both, in hex.
    pub fn challenge(&self) -> Result<(String, u64)> {
        let now = unix_seconds();
        let head = [now.to_be_bytes(), rand::random()].concat();
        let tag = self.mac(&head)?.finalize().into_bytes();
        Ok((hex::encode([&head[..], &tag[..16]].concat()), now))
    }

    fn mac(&self, head: &[u8]) -> Result<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).map_err(Problem::internal)?;
        mac.update(head);
        Ok(mac)
    }

    /// Checks a signed login message; returns a new token and its expiry (Unix seconds).
    ///
    /// # Errors
    /// [`Reason::BadSignature`], [`Reason::RequestExpired`], [`Reason::NonceReplayed`], or the error of `admits`.
    pub async fn login(
        &self,
        message: &str,
        signature: &[u8],
        admits: impl FnOnce(AccountAddress) -> Result<()>,
    ) -> Result<(String, u64)> {
        let (account, nonce, issued) = self.read(message)?;
        if recover(signature, &login_digest(message)) != Some(account) {
            let message = format!("the login's message is not signed by {account}");
            return Err(Problem::new(Reason::BadSignature, message).with("signer", account));
        }
        admits(account)?;
        let now = unix_seconds();
        let ends = issued.saturating_add(LOGIN_VALIDITY);
        if now > ends || issued > now + AHEAD {
            let message = format!("the login was good until {ends}, it is {now}: ask for another challenge");
            return Err(Problem::new(Reason::RequestExpired, message).with("deadline", ends).with("now", now));
        }
        self.nonces.use_up(account, &nonce, ends).await?;
        let token = hex::encode(rand::random::<[u8; 32]>());
        let expires = now + LIFETIME;
        sqlx::query(self.db.sql("INSERT INTO tokens (hash, account, expires) VALUES ($1, $2, $3)"))
            .bind(hash(&token))
            .bind(account.to_string())
            .bind(expires as i64)
            .execute(self.db.pool())
            .await?;
        sqlx::query(self.db.sql(
            "DELETE FROM tokens WHERE account = $1 AND hash NOT IN
                (SELECT hash FROM tokens WHERE account = $1 ORDER BY expires DESC, hash LIMIT $2)",
        ))
        .bind(account.to_string())
        .bind(MOST)
        .execute(self.db.pool())
        .await?;
        Ok((token, expires))
    }

    /// Parses account, nonce and time of a login message, which must be exactly the text generated from them.
    fn read(&self, message: &str) -> Result<(AccountAddress, Nonce, u64)> {
        let wrong = || {
            Problem::new(
                Reason::BadSignature,
                "message: not this server's login (EIP-4361); docs/authentication.md has its form",
            )
        };
        let mut lines = message.lines();
        let server = lines.next().and_then(|l| l.split_once(' ')).ok_or_else(wrong)?.0;
        self.here.check_name(server)?;
        let account: AccountAddress = lines.next().and_then(|l| l.parse().ok()).ok_or_else(wrong)?;
        let nonce = message.lines().find_map(|l| l.strip_prefix("Nonce: ")).ok_or_else(wrong)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(nonce, &mut bytes).map_err(|_| wrong())?;
        let (head, tag) = bytes.split_at(16);
        let (issued, _) = head.split_first_chunk::<8>().ok_or_else(wrong)?;
        self.mac(head)?
            .verify_truncated_left(tag)
            .map_err(|_| Problem::new(Reason::BadSignature, "nonce: this server gave no such challenge"))?;
        let issued = u64::from_be_bytes(*issued);
        let (instance, chain_id) = (&self.here.instance, self.chain_id);
        let says = |scheme| Login { server, scheme, instance, account, chain_id, nonce, issued }.text() == message;
        if !says("https") && !says("http") {
            return Err(wrong());
        }
        Ok((account, Nonce::new(bytes), issued))
    }

    /// The account that a token or an [API key](super::api_keys) was given to, and what it allows.
    ///
    /// # Errors
    /// [`Reason::BadToken`].
    pub async fn holder(&self, token: &str) -> Result<(AccountAddress, Role)> {
        let found: Option<(String, String)> = sqlx::query_as(self.db.sql(
            "SELECT account, 'reader' AS role FROM tokens WHERE hash = $1 AND expires > $2
             UNION ALL SELECT account, role FROM api_keys WHERE hash = $1 AND expires > $2",
        ))
        .bind(hash(token))
        .bind(unix_seconds() as i64)
        .fetch_optional(self.db.pool())
        .await?;
        let ended = || {
            Problem::new(
                Reason::BadToken,
                "the token or key has ended, was revoked or was never given: log in again, or make another key",
            )
        };
        let (account, role) = found.ok_or_else(ended)?;
        Ok((account.parse().map_err(Problem::internal)?, Role::of(&role)?))
    }

    /// Revokes a token or an API key.
    pub async fn end(&self, token: &str) -> Result<()> {
        for delete in ["DELETE FROM tokens WHERE hash = $1", "DELETE FROM api_keys WHERE hash = $1"] {
            sqlx::query(self.db.sql(delete)).bind(hash(token)).execute(self.db.pool()).await?;
        }
        Ok(())
    }

    /// Deletes what has expired.
    pub async fn forget(&self) -> Result<()> {
        for delete in ["DELETE FROM tokens WHERE expires < $1", "DELETE FROM api_keys WHERE expires < $1"] {
            sqlx::query(self.db.sql(delete)).bind(unix_seconds() as i64).execute(self.db.pool()).await?;
        }
        Ok(())
    }
}

/// Extracts the token from a call's `authorization`.
///
/// # Errors
/// [`Reason::BadToken`].
pub fn bearer(header: &str) -> Result<&str> {
    header.strip_prefix("Bearer ").ok_or_else(|| {
        Problem::new(Reason::BadToken, "authorization: this call needs `Bearer` and a token: log in (LoginService)")
    })
}
