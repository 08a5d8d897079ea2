//! Signed calls and their nonces.
//!
//! A nonce is stored until its call's deadline has passed; after that the deadline alone refuses a replay. Setting the
//! clock back must not revive calls whose nonces have been deleted, so the database keeps the floor: the latest time up
//! to which nonces were deleted. A deadline below the floor is refused, whatever the clock says.

use std::time::Instant;

use tribute_client::signing::{unix_seconds, Authorization};
use tribute_core::hexed::AccountAddress;
use tribute_core::id::Nonce;
use tribute_problem::{Problem, Reason, Result};
use tribute_store::db::Database;

use super::{recover, Here};

/// Latest allowed deadline, seconds from now.
pub const MAX_AHEAD: u64 = 3600;
/// How long a nonce is kept past its deadline, seconds: clocks of other servers on the same database may be behind.
const SLACK: u64 = 60;

/// Parses and checks the authorization of a call to `method`: server name, deadline and signature. The nonce is not used
/// up yet.
///
/// # Errors
/// [`Reason::BadSignature`], [`Reason::RequestExpired`].
pub fn check(header: &str, here: &Here, method: &str) -> Result<Authorization> {
    let signed = Authorization::parse(header)?;
    here.check_name(&signed.server)?;
    let now = unix_seconds();
    if signed.deadline < now || signed.deadline > now + MAX_AHEAD {
        return Err(expired(signed.deadline, now, "is past, or more than an hour ahead of the server's clock"));
    }
    let actual = recover(&signed.signature, &signed.digest(&here.instance, method));
    if actual != Some(signed.signer) {
        return Err(Problem::new(
            Reason::BadSignature,
            format!("the signature is not {}'s for this call of {method} at this server", signed.signer),
        )
        .with("signer", signed.signer)
        .with("recovered", actual.map_or("none".into(), |a| a.to_string())));
    }
    Ok(signed)
}

fn expired(deadline: u64, now: u64, why: &str) -> Problem {
    Problem::new(Reason::RequestExpired, format!("the call's deadline {deadline} {why} ({now}): set the clocks"))
        .with("deadline", deadline)
        .with("now", now)
}

/// The store of used nonces.
#[derive(Clone, Debug)]
pub struct Nonces {
    db: Database,
    /// Wall clock (Unix seconds) and monotonic clock when the process started.
    started: (u64, Instant),
}

const FLOOR: &str = "nonce_floor";

impl Nonces {
    /// Opens the store in `db`.
    pub async fn open(db: Database) -> Result<Self> {
        db.kept(FLOOR, "0").await?;
        Ok(Nonces { db, started: (unix_seconds(), Instant::now()) })
    }

    /// Uses a nonce up, durably.
    ///
    /// # Errors
    /// [`Reason::NonceReplayed`] if it was used before, [`Reason::RequestExpired`] if the deadline is below the floor.
    pub async fn use_up(&self, signer: AccountAddress, nonce: &Nonce, deadline: u64) -> Result<()> {
        let mut tx = self.db.begin().await?;
        // shared lock: `forget` waits for this transaction, so the floor holds for the new row too
        let floor: String = sqlx::query_scalar(self.db.sql("SELECT value FROM server WHERE name = $1 {for_share}"))
            .bind(FLOOR)
            .fetch_one(&mut *tx)
            .await?;
        let floor: u64 = floor.parse().map_err(Problem::internal)?;
        if deadline < floor {
            return Err(expired(deadline, floor, "lies before what this server has forgotten already"));
        }
        let fresh = sqlx::query(
            self.db.sql("INSERT INTO nonces (signer, nonce, deadline) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"),
        )
        .bind(signer.to_string())
        .bind(nonce.to_string())
        .bind(deadline as i64)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if fresh == 0 {
            return Err(Problem::new(Reason::NonceReplayed, format!("{signer} has used the nonce {nonce} before"))
                .with("signer", signer)
                .with("nonce", nonce));
        }
        tx.commit().await?;
        Ok(())
    }

    /// Deletes the nonces of expired calls. The wall clock is trusted only as far as the monotonic clock has advanced
    /// since the start; otherwise one jump forward would refuse every call until the time it showed.
    pub async fn forget(&self) -> Result<()> {
        let (wall, instant) = self.started;
        self.forget_before(unix_seconds().min(wall + instant.elapsed().as_secs()).saturating_sub(SLACK)).await
    }

    async fn forget_before(&self, time: u64) -> Result<()> {
        let mut tx = self.db.begin().await?;
        let raised = sqlx::query(
            self.db.sql("UPDATE server SET value = $2 WHERE name = $1 AND CAST(value AS BIGINT) < CAST($2 AS BIGINT)"),
        )
        .bind(FLOOR)
        .bind(time.to_string())
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if raised == 1 {
            sqlx::query(self.db.sql("DELETE FROM nonces WHERE deadline < $1"))
                .bind(time as i64)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::U256;
    use alloy::signers::local::PrivateKeySigner;
    use tribute_client::signing::Content;
    use tribute_core::id::Instance;

    use super::*;

    fn here() -> Here {
        Here { instance: Instance::new([1; 32]), names: vec!["here:1".into(), "also:2".into()] }
    }

    fn signed(key: &PrivateKeySigner) -> Authorization {
        Authorization::sign(key, "here:1", &here().instance, "/a/B", Content::of(b"m")).unwrap()
    }

    fn reason(a: &Authorization) -> Reason {
        check(&a.header(), &here(), "/a/B").unwrap_err().reason
    }

    #[test]
    fn whatever_is_changed_the_signature_fails() {
        let key = PrivateKeySigner::random();
        let good = signed(&key);
        check(&good.header(), &here(), "/a/B").unwrap();

        let with = |change: &dyn Fn(&mut Authorization)| {
            let mut other = good.clone();
            change(&mut other);
            reason(&other)
        };
        assert_eq!(with(&|a| a.signer.0[0] ^= 1), Reason::BadSignature);
        assert_eq!(with(&|a| a.server = "also:2".into()), Reason::BadSignature);
        assert_eq!(with(&|a| a.server = "elsewhere:1".into()), Reason::BadSignature);
        assert_eq!(with(&|a| a.content.length += 1), Reason::BadSignature);
        assert_eq!(with(&|a| a.content.sha256[0] ^= 1), Reason::BadSignature);
        assert_eq!(with(&|a| a.nonce = Nonce::new([7; 32])), Reason::BadSignature);
        assert_eq!(with(&|a| a.deadline += 1), Reason::BadSignature);
        assert_eq!(with(&|a| a.deadline = unix_seconds() - 1), Reason::RequestExpired);
        assert_eq!(with(&|a| a.deadline = unix_seconds() + MAX_AHEAD + 60), Reason::RequestExpired);
        // the recovery byte as 0 or 1, which some libraries write, and the malleated signature with the high s
        assert_eq!(with(&|a| a.signature[64] -= 27), Reason::BadSignature);
        let order =
            U256::from_str_radix("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", 16).unwrap();
        let twin = |a: &mut Authorization| {
            let s = order - U256::from_be_slice(&a.signature[32..64]);
            a.signature[32..64].copy_from_slice(&s.to_be_bytes::<32>());
            a.signature[64] ^= 27 ^ 28;
        };
        assert_eq!(with(&twin), Reason::BadSignature);
        // another method, another server
        assert_eq!(check(&good.header(), &here(), "/a/C").unwrap_err().reason, Reason::BadSignature);
        let there = Here { instance: Instance::new([2; 32]), ..here() };
        assert_eq!(check(&good.header(), &there, "/a/B").unwrap_err().reason, Reason::BadSignature);
    }

    #[tokio::test]
    async fn a_nonce_is_used_once_whatever_the_clock_does() {
        let folder = tempfile::tempdir().unwrap();
        let db = Database::open(&format!("sqlite:{}", folder.path().join("t.db").display())).await.unwrap();
        let nonces = Nonces::open(db.clone()).await.unwrap();
        let (account, nonce, now) = (AccountAddress::default(), Nonce::new([3; 32]), unix_seconds());
        let again = async |nonces: &Nonces| nonces.use_up(account, &nonce, now + 100).await.unwrap_err().reason;
        nonces.use_up(account, &nonce, now + 100).await.unwrap();
        assert_eq!(again(&nonces).await, Reason::NonceReplayed);
        nonces.forget().await.unwrap();
        assert_eq!(again(&nonces).await, Reason::NonceReplayed);

        // the clock ran past the deadline and was set back: the nonce is deleted and its deadline stays void
        nonces.forget_before(now + 200).await.unwrap();
        let rows: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM nonces").fetch_one(db.pool()).await.unwrap();
        assert_eq!(rows, 0);
        assert_eq!(again(&nonces).await, Reason::RequestExpired);
        // also after a restart, and after deleting nonces by the corrected clock
        let nonces = Nonces::open(db).await.unwrap();
        nonces.forget().await.unwrap();
        assert_eq!(again(&nonces).await, Reason::RequestExpired);
        nonces.use_up(account, &Nonce::new([4; 32]), now + 201).await.unwrap();
    }

    #[tokio::test]
    async fn a_clock_that_jumps_ahead_makes_nothing_void() {
        let folder = tempfile::tempdir().unwrap();
        let db = Database::open(&format!("sqlite:{}", folder.path().join("t.db").display())).await.unwrap();
        let mut nonces = Nonces::open(db).await.unwrap();
        // as if the wall clock had since jumped an hour ahead
        nonces.started.0 -= 3600;
        nonces.forget().await.unwrap();
        nonces.use_up(AccountAddress::default(), &Nonce::new([3; 32]), unix_seconds() - 3600).await.unwrap();
    }
}
