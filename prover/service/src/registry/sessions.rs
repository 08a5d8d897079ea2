//! Sessions that this server serves: their answers, transcripts and vouchers.

use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use tribute_chain::SignedVoucher;
use tribute_core::hexed::AccountAddress;
use tribute_core::id::{AgentId, SessionId, Transcript, WeightsDigest};
use tribute_problem::{Problem, Reason, Result};
use tribute_steps::shape::Target;

use super::Registry;

/// The part of a session that is fixed when it is opened.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SessionBody {
    /// Session id.
    pub id: SessionId,
    /// Digest of the weights of the agent that serves it.
    pub weights_digest: WeightsDigest,
    /// Owner of that agent; queries are sealed for this account.
    pub agent_owner: AccountAddress,
    /// On-chain id of the agent.
    pub agent_id: AgentId,
    /// Version of the agent.
    pub version: u32,
    /// Account that pays.
    pub client: AccountAddress,
    /// Account that signs vouchers.
    pub session_key: AccountAddress,
    /// Token base units per answer.
    pub price: u128,
    /// Chain and address of the session escrow.
    pub target: Target,
    /// Transcript before the first answer.
    pub first_transcript: Transcript,
}

/// A session with its current state.
#[derive(Clone, Debug)]
pub struct SessionRow {
    /// The part fixed at opening.
    pub body: SessionBody,
    /// Number of answers given.
    pub count: u64,
    /// Transcript after those answers.
    pub transcript: Transcript,
    /// The voucher that covers the most answers, if there is any.
    pub voucher: Option<SignedVoucher>,
}

impl SessionRow {
    /// Number of answers covered by the voucher.
    #[must_use]
    pub fn vouched(&self) -> u64 {
        self.voucher.as_ref().map_or(0, SignedVoucher::count)
    }
}

/// An answered query.
#[derive(Clone, Debug)]
pub struct AnswerRow {
    /// Salt and features, sealed for the agent's owner, in hex.
    pub sealed_query: String,
    /// The answered class.
    pub answer: u16,
    /// Transcript after this answer.
    pub transcript: Transcript,
}

impl Registry {
    /// Lets sessions of an agent have scores beside answers, or no longer.
    pub async fn show_scores(&self, agent: WeightsDigest, show: bool) -> Result<()> {
        let change = match show {
            true => "INSERT INTO scores_shown (weights_digest) VALUES ($1) ON CONFLICT DO NOTHING",
            false => "DELETE FROM scores_shown WHERE weights_digest = $1",
        };
        sqlx::query(self.db.sql(change)).bind(agent.to_string()).execute(self.db.pool()).await?;
        Ok(())
    }

    /// Whether sessions of an agent have scores beside answers.
    pub async fn shows_scores(&self, agent: WeightsDigest) -> Result<bool> {
        let select = "SELECT COUNT(*) FROM scores_shown WHERE weights_digest = $1";
        let shown: i64 =
            sqlx::query_scalar(self.db.sql(select)).bind(agent.to_string()).fetch_one(self.db.pool()).await?;
        Ok(shown > 0)
    }

    /// Starts serving a session. No effect if it is served already.
    pub async fn open_session(&self, body: &SessionBody) -> Result<()> {
        sqlx::query(self.db.sql(
            "INSERT INTO sessions (id, weights_digest, body, count, transcript, voucher_count, created_ms)
             VALUES ($1, $2, $3, 0, $4, 0, {now}) ON CONFLICT DO NOTHING",
        ))
        .bind(body.id.to_string())
        .bind(body.weights_digest.to_string())
        .bind(serde_json::to_string(body)?)
        .bind(body.first_transcript.to_string())
        .execute(self.db.pool())
        .await?;
        Ok(())
    }

    /// A session by id.
    pub async fn session(&self, id: SessionId) -> Result<Option<SessionRow>> {
        let row = sqlx::query(self.db.sql("SELECT body, count, transcript, voucher FROM sessions WHERE id = $1"))
            .bind(id.to_string())
            .fetch_optional(self.db.pool())
            .await?;
        let Some(row) = row else { return Ok(None) };
        let (body, transcript): (String, String) = (row.try_get("body")?, row.try_get("transcript")?);
        let voucher: Option<String> = row.try_get("voucher")?;
        Ok(Some(SessionRow {
            body: serde_json::from_str(&body)?,
            count: row.try_get::<i64, _>("count")?.unsigned_abs(),
            transcript: transcript.parse().map_err(Problem::internal)?,
            voucher: voucher.as_deref().map(serde_json::from_str).transpose()?,
        }))
    }

    /// Records the answer at `position`.
    ///
    /// # Errors
    /// [`Reason::ForkedTranscript`] if `position` is not the session's next one.
    pub async fn add_answer(&self, session: SessionId, position: u64, answer: &AnswerRow) -> Result<()> {
        let mut tx = self.db.begin().await?;
        let moved = sqlx::query(
            self.db.sql("UPDATE sessions SET count = count + 1, transcript = $3 WHERE id = $1 AND count = $2"),
        )
        .bind(session.to_string())
        .bind(position as i64)
        .bind(answer.transcript.to_string())
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if moved != 1 {
            return Err(Problem::new(
                Reason::ForkedTranscript,
                format!("session {session}: another query was answered at position {position} at the same time"),
            )
            .with("session", session)
            .with("position", position));
        }
        sqlx::query(self.db.sql(
            "INSERT INTO answers (session, position, sealed_query, answer, transcript) VALUES ($1, $2, $3, $4, $5)",
        ))
        .bind(session.to_string())
        .bind(position as i64)
        .bind(&answer.sealed_query)
        .bind(i64::from(answer.answer))
        .bind(answer.transcript.to_string())
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// The answers of a session at positions `from..to`, in order.
    pub async fn answers(&self, session: SessionId, from: u64, to: u64) -> Result<Vec<AnswerRow>> {
        let rows = sqlx::query(self.db.sql(
            "SELECT sealed_query, answer, transcript FROM answers
             WHERE session = $1 AND position >= $2 AND position < $3 ORDER BY position",
        ))
        .bind(session.to_string())
        .bind(from as i64)
        .bind(to as i64)
        .fetch_all(self.db.pool())
        .await?;
        rows.iter()
            .map(|row| {
                let transcript: String = row.try_get("transcript")?;
                Ok(AnswerRow {
                    sealed_query: row.try_get("sealed_query")?,
                    answer: row.try_get::<i64, _>("answer")? as u16,
                    transcript: transcript.parse().map_err(Problem::internal)?,
                })
            })
            .collect()
    }

    /// The transcript after `count` answers; `None` if there are fewer.
    pub async fn transcript_at(&self, session: &SessionRow, count: u64) -> Result<Option<Transcript>> {
        if count == 0 {
            return Ok(Some(session.body.first_transcript));
        }
        Ok(self.answers(session.body.id, count - 1, count).await?.pop().map(|a| a.transcript))
    }

    /// Stores a voucher that was already checked, if it covers more answers than the current one.
    pub async fn put_voucher(&self, voucher: &SignedVoucher) -> Result<()> {
        sqlx::query(
            self.db.sql("UPDATE sessions SET voucher = $3, voucher_count = $2 WHERE id = $1 AND voucher_count < $2"),
        )
        .bind(voucher.session().to_string())
        .bind(voucher.count() as i64)
        .bind(serde_json::to_string(voucher)?)
        .execute(self.db.pool())
        .await?;
        Ok(())
    }
}
