//! Who sends a request: checks the signatures that [`tribute_client::signing`] makes, and that none is used twice.

use tribute_chain::StrictSignature;
use tribute_client::signing::{body_hash, request_digest, unix_seconds};
use tribute_core::digest::Digest;
use tribute_core::hexed::{Hex, Hex20};
use tribute_core::id::{Instance, Nonce};
use tribute_problem::{field, Problem, Reason, Result};
use tribute_proto::SignedRequest;
use tribute_store::db::Database;

/// Furthest a deadline may lie ahead, seconds.
pub const MAX_AHEAD: u64 = 3600;

/// The account that signed `digest` with the 65 bytes `signature`, if any did.
#[must_use]
pub fn recover(signature: &[u8], digest: &Digest) -> Option<Hex20> {
    // one signature, one encoding
    let signer = StrictSignature::parse(signature).ok()?.signer(digest)?;
    Some(Hex(signer.into_array()))
}

/// Checks requests and remembers their nonces.
#[derive(Clone, Debug)]
pub struct Gatekeeper {
    db: Database,
    instance: Instance,
}

impl Gatekeeper {
    /// The gatekeeper of the server that owns `db`; its instance is made at the first start.
    pub async fn open(db: Database) -> Result<Self> {
        sqlx::query(db.sql("INSERT INTO server (name, value) VALUES ('instance', $1) ON CONFLICT DO NOTHING"))
            .bind(Instance::new(rand::random()).to_string())
            .execute(db.pool())
            .await?;
        let text: String =
            sqlx::query_scalar(db.sql("SELECT value FROM server WHERE name = 'instance'")).fetch_one(db.pool()).await?;
        let instance = text.parse().map_err(Problem::internal)?;
        Ok(Gatekeeper { db, instance })
    }

    /// Salt of the requests' EIP-712 domain.
    #[must_use]
    pub fn instance(&self) -> Instance {
        self.instance
    }

    /// The account that sent `request`, or why it is not believed.
    pub async fn admit<R: SignedRequest>(&self, request: &R) -> Result<Hex20> {
        let auth = request.auth().ok_or_else(|| {
            Problem::new(Reason::BadSignature, format!("{} must be signed: its field `auth` is empty", R::METHOD))
        })?;
        let signer: Hex20 = field("auth.signer", &auth.signer)?;
        let nonce: Nonce = field("auth.nonce", &auth.nonce)?;
        let now = unix_seconds();
        if auth.deadline < now || auth.deadline > now + MAX_AHEAD {
            return Err(Problem::new(
                Reason::RequestExpired,
                format!(
                    "the request's deadline {} is past or more than {MAX_AHEAD} s ahead of the server's clock {now}",
                    auth.deadline
                ),
            )
            .with("deadline", auth.deadline)
            .with("now", now));
        }
        let digest = request_digest(&self.instance, R::METHOD, &body_hash(request), &nonce, auth.deadline);
        let actual = recover(&auth.signature, &digest);
        if actual != Some(signer) {
            return Err(Problem::new(
                Reason::BadSignature,
                format!("the signature on {} is not {signer}'s for this request and this server", R::METHOD),
            )
            .with("signer", signer)
            .with("recovered", actual.map_or("none".into(), |a| a.to_string())));
        }
        self.use_nonce(signer, nonce, auth.deadline).await?;
        Ok(signer)
    }

    async fn use_nonce(&self, signer: Hex20, nonce: Nonce, deadline: u64) -> Result<()> {
        let fresh = sqlx::query(
            self.db.sql("INSERT INTO nonces (signer, nonce, deadline) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"),
        )
        .bind(signer.to_string())
        .bind(nonce.to_string())
        .bind(deadline as i64)
        .execute(self.db.pool())
        .await?
        .rows_affected();
        if fresh == 0 {
            return Err(Problem::new(Reason::NonceReplayed, format!("{signer} has used the nonce {nonce} before"))
                .with("signer", signer)
                .with("nonce", nonce));
        }
        Ok(())
    }

    /// Forgets nonces whose requests have expired anyway.
    pub async fn forget_expired(&self) -> Result<()> {
        sqlx::query(self.db.sql("DELETE FROM nonces WHERE deadline < $1"))
            .bind(unix_seconds() as i64 - 60)
            .execute(self.db.pool())
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::U256;
    use alloy::signers::local::PrivateKeySigner;
    use tribute_client::signing::sign;
    use tribute_proto::v1;

    use super::*;

    fn request() -> v1::GetJobRequest {
        v1::GetJobRequest { auth: None, job: "j".into() }
    }

    async fn gate(folder: &std::path::Path) -> Gatekeeper {
        Gatekeeper::open(Database::open(&format!("sqlite:{}", folder.join("t.db").display())).await.unwrap())
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_signed_request_passes_once() {
        let folder = tempfile::tempdir().unwrap();
        let (gate, key) = (gate(folder.path()).await, PrivateKeySigner::random());
        let mut r = request();
        sign(&mut r, &gate.instance(), &key).unwrap();
        assert_eq!(gate.admit(&r).await.unwrap().0, key.address().into_array());
        assert_eq!(gate.admit(&r).await.unwrap_err().reason, Reason::NonceReplayed);
    }

    #[tokio::test]
    async fn whatever_is_changed_the_signature_fails() {
        let folder = tempfile::tempdir().unwrap();
        let (gate, key) = (gate(folder.path()).await, PrivateKeySigner::random());
        let mut good = request();
        sign(&mut good, &gate.instance(), &key).unwrap();
        let reason = |r: v1::GetJobRequest| {
            let gate = gate.clone();
            async move { gate.admit(&r).await.unwrap_err().reason }
        };

        assert_eq!(reason(request()).await, Reason::BadSignature);
        let mut other = good.clone();
        other.job = "k".into();
        assert_eq!(reason(other).await, Reason::BadSignature);
        let mut other = good.clone();
        other.auth.as_mut().unwrap().signer[0] ^= 1;
        assert_eq!(reason(other).await, Reason::BadSignature);
        let mut other = good.clone();
        other.auth.as_mut().unwrap().deadline += 1;
        assert_eq!(reason(other).await, Reason::BadSignature);
        let mut other = good.clone();
        other.auth.as_mut().unwrap().deadline = unix_seconds() - 1;
        assert_eq!(reason(other).await, Reason::RequestExpired);
        let mut other = good.clone();
        other.auth.as_mut().unwrap().deadline = unix_seconds() + MAX_AHEAD + 60;
        assert_eq!(reason(other).await, Reason::RequestExpired);
        // the twin signature with the high s
        let mut other = good.clone();
        let auth = other.auth.as_mut().unwrap();
        let order =
            U256::from_str_radix("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", 16).unwrap();
        let s = order - U256::from_be_slice(&auth.signature[32..64]);
        auth.signature[32..64].copy_from_slice(&s.to_be_bytes::<32>());
        auth.signature[64] ^= 27 ^ 28;
        assert_eq!(reason(other).await, Reason::BadSignature);
        // the recovery byte as some libraries write it
        let mut other = good.clone();
        other.auth.as_mut().unwrap().signature[64] -= 27;
        assert_eq!(reason(other).await, Reason::BadSignature);
        // signed for another server, and the same message signed for another method
        let mut other = request();
        sign(&mut other, &Instance::new([9; 32]), &key).unwrap();
        assert_eq!(reason(other).await, Reason::BadSignature);
        let mut cancel = v1::CancelJobRequest { auth: None, job: "j".into() };
        sign(&mut cancel, &gate.instance(), &key).unwrap();
        let other = v1::GetJobRequest { auth: cancel.auth, job: "j".into() };
        assert_eq!(reason(other).await, Reason::BadSignature);

        // refused ones used up no nonce
        gate.admit(&good).await.unwrap();
    }
}
