//! Requests to train across nodes and for schemas' ranges, as a node holds them for its participants, and the one answer to each
//! round.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use tokio::runtime::Handle;
use tribute_core::hexed::AccountAddress;
use tribute_core::id::RequestId;
use tribute_custody::Custody;
use tribute_federation::node::{Store, Stored};
use tribute_federation::request::MOST_PARTICIPANTS;
use tribute_federation::{Answer, Asked, Consent, NodeKeys, RangesRequest, Request};
use tribute_problem::{Problem, Reason, Result};
use tribute_store::db::{Database, Tx};

/// Purpose under which a node's keys and answers are sealed for the participant.
const SEALED: &str = "training";
/// Requests that may wait for one account.
const WAITING: i64 = 100;
/// Participants at this node for whom one owner's requests may wait: those of the largest request.
const WAITING_OF_OWNER: i64 = MOST_PARTICIPANTS as i64;

/// What a participant has said to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Nothing yet.
    Asked,
    /// Approved.
    Approved,
    /// Declined, or withdrawn.
    Declined,
}

/// A stored answer to a request for ranges.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RangesAnswer {
    /// The consents that it was given for.
    pub consents: Vec<Consent>,
    /// The answer.
    pub answer: Answer,
}

/// A request to one participant: of any kind, or of the kind `R`.
#[derive(Clone, Debug)]
pub struct RequestRow<R = Asked> {
    /// Its id.
    pub id: RequestId,
    /// The participant.
    pub account: AccountAddress,
    /// The request.
    pub request: R,
    /// What the participant has said.
    pub said: Said,
    /// Why it was declined.
    pub reason: String,
    /// The consent, once approved.
    pub consent: Option<Consent>,
    /// The least share with which it is approved, in basis points.
    pub least_share_bps: u32,
    /// The job that proves the gradients, once queued.
    pub job: Option<String>,
    /// Unix milliseconds.
    pub created_ms: i64,
}

impl RequestRow {
    /// The request, which must be to train.
    pub fn training(self) -> Result<RequestRow<Request>> {
        let id = self.id;
        self.of(|asked| match asked {
            Asked::Training(request) => Ok(*request),
            Asked::Ranges(_) => Err(Problem::field("id", format!("request {id} is for ranges, not to train"))),
            Asked::Other(other) => Err(other.refusal.into()),
        })
    }

    /// The request, which must be for ranges.
    pub fn ranges(self) -> Result<RequestRow<RangesRequest>> {
        let id = self.id;
        self.of(|asked| match asked {
            Asked::Ranges(request) => Ok(*request),
            Asked::Training(_) => Err(Problem::field("id", format!("request {id} is to train, not for ranges"))),
            Asked::Other(other) => Err(other.refusal.into()),
        })
    }

    fn of<R>(self, pick: impl FnOnce(Asked) -> Result<R>) -> Result<RequestRow<R>> {
        let RequestRow { id, account, request, said, reason, consent, least_share_bps, job, created_ms } = self;
        let request = pick(request)?;
        Ok(RequestRow { id, account, request, said, reason, consent, least_share_bps, job, created_ms })
    }
}

/// The tables of requests and rounds.
#[derive(Clone, Debug)]
pub struct Trainings {
    db: Database,
    custody: Custody,
}

const COLUMNS: &str = "id, account, body, state, reason, consent, least_share, proofs, created_ms";

impl Trainings {
    /// The tables in `db`.
    #[must_use]
    pub fn new(db: Database, custody: Custody) -> Self {
        Trainings { db, custody }
    }

    /// The database underneath.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.db
    }

    /// Makes an account known here, so that requests can be left for it.
    pub async fn meet(&self, account: AccountAddress) -> Result<()> {
        // the first seal makes the account's secret
        self.custody.seal(&account.to_string(), SEALED, &[]).await.map(drop)
    }

    /// Whether an account has called this node before, or has a dataset here.
    pub async fn knows(&self, account: AccountAddress) -> Result<bool> {
        let rows: i64 = sqlx::query_scalar(self.db.sql(
            "SELECT (SELECT COUNT(*) FROM tenants WHERE address = $1) + (SELECT COUNT(*) FROM datasets WHERE owner = $1)",
        ))
        .bind(account.to_string())
        .fetch_one(self.db.pool())
        .await?;
        Ok(rows > 0)
    }

    /// Leaves a request for a participant. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`Reason::QuotaSpent`] if too many others wait for that account, or of that owner.
    pub async fn ask(&self, request: &Asked, account: AccountAddress) -> Result<()> {
        let mut tx = self.db.begin().await?;
        let waiting: i64 = sqlx::query_scalar(
            self.db.sql("SELECT COUNT(*) FROM requests WHERE account = $1 AND state = 'asked' AND id <> $2"),
        )
        .bind(account.to_string())
        .bind(request.id().to_string())
        .fetch_one(&mut *tx)
        .await?;
        if waiting >= WAITING {
            let text = format!("{waiting} requests wait for {account} already: it has to decline some first");
            return Err(Problem::new(Reason::QuotaSpent, text).with("account", account));
        }
        let of_owner: i64 = sqlx::query_scalar(self.db.sql(
            "SELECT COUNT(*) FROM requests WHERE owner = $1 AND state = 'asked' AND NOT (id = $2 AND account = $3)",
        ))
        .bind(request.owner().to_string())
        .bind(request.id().to_string())
        .bind(account.to_string())
        .fetch_one(&mut *tx)
        .await?;
        if of_owner >= WAITING_OF_OWNER {
            let text = format!(
                "requests of {} wait for {of_owner} participants at this node already: some have to approve or decline first",
                request.owner()
            );
            return Err(Problem::new(Reason::QuotaSpent, text).with("owner", request.owner()));
        }
        sqlx::query(self.db.sql(
            "INSERT INTO requests (id, account, owner, body, state, reason, created_ms)
             VALUES ($1, $2, $3, $4, 'asked', '', {now}) ON CONFLICT DO NOTHING",
        ))
        .bind(request.id().to_string())
        .bind(account.to_string())
        .bind(request.owner().to_string())
        .bind(String::from_utf8(request.to_json()).map_err(Problem::internal)?)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// A request to a participant.
    pub async fn get(&self, id: RequestId, account: AccountAddress) -> Result<Option<RequestRow>> {
        let select = format!("SELECT {COLUMNS} FROM requests WHERE id = $1 AND account = $2");
        let row = sqlx::query(self.db.sql(&select))
            .bind(id.to_string())
            .bind(account.to_string())
            .fetch_optional(self.db.pool())
            .await?;
        row.as_ref().map(request_row).transpose()
    }

    /// The requests to a participant, newest first.
    pub async fn list(
        &self,
        account: AccountAddress,
        after: Option<(i64, String)>,
        limit: i64,
    ) -> Result<Vec<RequestRow>> {
        let (at, id) = after.unwrap_or((i64::MAX, String::new()));
        let select = format!(
            "SELECT {COLUMNS} FROM requests
             WHERE account = $1 AND (created_ms < $2 OR (created_ms = $2 AND id < $3))
             ORDER BY created_ms DESC, id DESC LIMIT $4"
        );
        let rows = sqlx::query(self.db.sql(&select))
            .bind(account.to_string())
            .bind(at)
            .bind(id)
            .bind(limit)
            .fetch_all(self.db.pool())
            .await?;
        rows.iter().map(request_row).collect()
    }

    /// The node's keys for a request, made when they are first needed.
    pub async fn keys(&self, id: RequestId, account: AccountAddress) -> Result<NodeKeys> {
        let fresh = self.sealed(account, NodeKeys::random().to_bytes().as_slice()).await?;
        sqlx::query(
            self.db.sql("UPDATE requests SET sealed_keys = $3 WHERE id = $1 AND account = $2 AND sealed_keys IS NULL"),
        )
        .bind(id.to_string())
        .bind(account.to_string())
        .bind(fresh)
        .execute(self.db.pool())
        .await?;
        let sealed: String =
            sqlx::query_scalar(self.db.sql("SELECT sealed_keys FROM requests WHERE id = $1 AND account = $2"))
                .bind(id.to_string())
                .bind(account.to_string())
                .fetch_one(self.db.pool())
                .await?;
        let bytes = self.opened(account, &sealed).await?;
        let bytes: &[u8; 64] = bytes.as_slice().try_into().map_err(|_| Problem::internal("a node's keys are cut"))?;
        NodeKeys::from_bytes(bytes).ok_or_else(|| Problem::internal("a node's keys are no keys"))
    }

    /// Stores a participant's consent: to a training with the least share, in basis points; to ranges with its numbers, once.
    /// False if the request is not in a state to be approved: declined, or approved with numbers already.
    pub async fn approve(&self, consent: &Consent, least_share_bps: u32, numbers: Option<&[u8]>) -> Result<bool> {
        let sealed = match numbers {
            Some(numbers) => Some(self.sealed(consent.account, numbers).await?),
            None => None,
        };
        // numbers that were answered with are forgotten, and no others take their place
        let open = if numbers.is_some() { "state = 'asked'" } else { "state <> 'declined'" };
        let update = format!(
            "UPDATE requests SET state = 'approved', reason = '', consent = $3, sealed_numbers = $4, least_share = $5
             WHERE id = $1 AND account = $2 AND {open}"
        );
        let updated = sqlx::query(self.db.sql(&update))
            .bind(consent.request.to_string())
            .bind(consent.account.to_string())
            .bind(serde_json::to_string(consent)?)
            .bind(sealed)
            .bind(i64::from(least_share_bps))
            .execute(self.db.pool())
            .await?
            .rows_affected();
        Ok(updated == 1)
    }

    /// Declines a request for good.
    pub async fn decline(&self, id: RequestId, account: AccountAddress, reason: &str) -> Result<()> {
        sqlx::query(self.db.sql(
            "UPDATE requests SET state = 'declined', reason = $3, sealed_numbers = NULL WHERE id = $1 AND account = $2",
        ))
        .bind(id.to_string())
        .bind(account.to_string())
        .bind(reason)
        .execute(self.db.pool())
        .await?;
        Ok(())
    }

    /// A participant's numbers for a request for ranges, which it approved; `None` once they were answered with.
    pub async fn numbers(&self, id: RequestId, account: AccountAddress) -> Result<Option<Vec<u8>>> {
        let sealed: Option<String> =
            sqlx::query_scalar(self.db.sql("SELECT sealed_numbers FROM requests WHERE id = $1 AND account = $2"))
                .bind(id.to_string())
                .bind(account.to_string())
                .fetch_one(self.db.pool())
                .await?;
        let Some(sealed) = sealed else { return Ok(None) };
        self.opened(account, &sealed).await.map(Some)
    }

    /// The answer to a request for ranges, if it was given.
    pub async fn ranges_answer(&self, id: RequestId, account: AccountAddress) -> Result<Option<RangesAnswer>> {
        self.load(id, account).await
    }

    /// Stores the answer to a request for ranges, unless there is one already: the one that is stored. The numbers are forgotten.
    pub async fn keep_ranges_answer(
        &self,
        id: RequestId,
        account: AccountAddress,
        answer: &RangesAnswer,
    ) -> Result<RangesAnswer> {
        let tenant = account.to_string();
        let sealed = self.sealed(account, &serde_json::to_vec(answer)?).await?;
        let mut tx = self.db.begin().await?;
        sqlx::query(self.db.sql(
            "INSERT INTO rounds (request, account, round, body, factors) VALUES ($1, $2, 0, $3, '') ON CONFLICT DO NOTHING",
        ))
        .bind(id.to_string())
        .bind(&tenant)
        .bind(sealed)
        .execute(&mut *tx)
        .await?;
        sqlx::query(self.db.sql("UPDATE requests SET sealed_numbers = NULL WHERE id = $1 AND account = $2"))
            .bind(id.to_string())
            .bind(&tenant)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        let kept = self.ranges_answer(id, account).await?;
        kept.ok_or_else(|| Problem::internal("a stored answer vanished"))
    }

    /// Notes the job that proves a participant's gradients.
    pub async fn note_job(&self, tx: &mut Tx, id: RequestId, account: AccountAddress, job: &str) -> Result<()> {
        sqlx::query(self.db.sql("UPDATE requests SET proofs = $3 WHERE id = $1 AND account = $2"))
            .bind(id.to_string())
            .bind(account.to_string())
            .bind(job)
            .execute(&mut **tx)
            .await?;
        Ok(())
    }

    /// Number of rounds answered.
    pub async fn rounds(&self, id: RequestId, account: AccountAddress) -> Result<u32> {
        let rounds: i64 =
            sqlx::query_scalar(self.db.sql("SELECT COUNT(*) FROM rounds WHERE request = $1 AND account = $2"))
                .bind(id.to_string())
                .bind(account.to_string())
                .fetch_one(self.db.pool())
                .await?;
        Ok(rounds as u32)
    }

    /// Other requests of which rounds were answered for a participant.
    pub async fn answered_before(&self, id: RequestId, account: AccountAddress) -> Result<Vec<RequestId>> {
        let rows: Vec<String> = sqlx::query_scalar(
            self.db.sql("SELECT DISTINCT request FROM rounds WHERE account = $1 AND request <> $2 ORDER BY request"),
        )
        .bind(account.to_string())
        .bind(id.to_string())
        .fetch_all(self.db.pool())
        .await?;
        rows.iter().map(|text| text.parse().map_err(Problem::internal)).collect()
    }

    /// The JSON of an owner's other requests that a participant has approved, or that were answered for it.
    pub async fn others_of_owner(
        &self,
        id: RequestId,
        account: AccountAddress,
        owner: AccountAddress,
    ) -> Result<Vec<String>> {
        let select = "SELECT body FROM requests WHERE account = $1 AND owner = $2 AND id <> $3 AND (state = 'approved'
             OR EXISTS (SELECT 1 FROM rounds WHERE rounds.request = requests.id AND rounds.account = requests.account))";
        let bodies = sqlx::query_scalar(self.db.sql(select))
            .bind(account.to_string())
            .bind(owner.to_string())
            .bind(id.to_string())
            .fetch_all(self.db.pool())
            .await?;
        Ok(bodies)
    }

    /// The rounds of one participant, for a thread outside the runtime.
    #[must_use]
    pub fn store(&self, id: RequestId, account: AccountAddress) -> Rounds {
        Rounds { trainings: self.clone(), id, account, runtime: Handle::current() }
    }

    /// Seals what is stored for an account.
    async fn sealed(&self, account: AccountAddress, plain: &[u8]) -> Result<String> {
        self.custody.seal(&account.to_string(), SEALED, plain).await.map(hex::encode)
    }

    /// What was sealed.
    async fn opened(&self, account: AccountAddress, sealed: &str) -> Result<Vec<u8>> {
        let sealed = hex::decode(sealed).map_err(Problem::internal)?;
        self.custody.unseal(&account.to_string(), SEALED, &sealed).await
    }

    /// What was stored last.
    async fn load<T: DeserializeOwned>(&self, id: RequestId, account: AccountAddress) -> Result<Option<T>> {
        let body: Option<String> = sqlx::query_scalar(
            self.db.sql("SELECT body FROM rounds WHERE request = $1 AND account = $2 ORDER BY round DESC LIMIT 1"),
        )
        .bind(id.to_string())
        .bind(account.to_string())
        .fetch_optional(self.db.pool())
        .await?;
        let Some(body) = body else { return Ok(None) };
        Ok(Some(serde_json::from_slice(&self.opened(account, &body).await?)?))
    }

    async fn load_factors(&self, id: RequestId, account: AccountAddress, round: u32) -> Result<Vec<u8>> {
        let factors: String = sqlx::query_scalar(
            self.db.sql("SELECT factors FROM rounds WHERE request = $1 AND account = $2 AND round = $3"),
        )
        .bind(id.to_string())
        .bind(account.to_string())
        .bind(i64::from(round))
        .fetch_one(self.db.pool())
        .await?;
        self.opened(account, &factors).await
    }

    /// Stores a round; false if it is stored already. Of the rounds before only that they were answered is kept: they are
    /// never asked again. Factors are kept until a round has others.
    async fn store_round(
        &self,
        id: RequestId,
        account: AccountAddress,
        next: &Stored,
        factors: Option<&[u8]>,
    ) -> Result<bool> {
        let tenant = account.to_string();
        let sealed = self.sealed(account, &serde_json::to_vec(next)?).await?;
        let sealed_factors = match factors {
            Some(factors) => self.sealed(account, factors).await?,
            None => String::new(),
        };
        let round = i64::from(next.rule.round());
        let mut tx = self.db.begin().await?;
        let fresh = sqlx::query(self.db.sql(
            "INSERT INTO rounds (request, account, round, body, factors) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        ))
        .bind(id.to_string())
        .bind(&tenant)
        .bind(round)
        .bind(sealed)
        .bind(sealed_factors)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if fresh == 1 {
            let forget = if factors.is_some() {
                "UPDATE rounds SET body = '', factors = '' WHERE request = $1 AND account = $2 AND round < $3"
            } else {
                "UPDATE rounds SET body = '' WHERE request = $1 AND account = $2 AND round < $3 AND body <> ''"
            };
            sqlx::query(self.db.sql(forget)).bind(id.to_string()).bind(&tenant).bind(round).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(fresh == 1)
    }
}

/// The rounds of one participant.
#[derive(Debug)]
pub struct Rounds {
    trainings: Trainings,
    id: RequestId,
    account: AccountAddress,
    runtime: Handle,
}

impl Store for Rounds {
    fn load(&self) -> Result<Option<Stored>, String> {
        self.runtime.block_on(self.trainings.load(self.id, self.account)).map_err(|p| p.message)
    }

    fn factors(&self, round: u32) -> Result<Vec<u8>, String> {
        self.runtime.block_on(self.trainings.load_factors(self.id, self.account, round)).map_err(|p| p.message)
    }

    fn store(&self, next: &Stored, factors: Option<&[u8]>) -> Result<Option<Stored>, String> {
        match self.runtime.block_on(self.trainings.store_round(self.id, self.account, next, factors)) {
            Ok(true) => Ok(None),
            Ok(false) => self.load(),
            Err(p) => Err(p.message),
        }
    }
}

fn request_row(row: &sqlx::any::AnyRow) -> Result<RequestRow> {
    let text = |column: &str| -> Result<String> { Ok(row.try_get(column)?) };
    let consent: Option<String> = row.try_get("consent")?;
    let least_share: i64 = row.try_get("least_share")?;
    Ok(RequestRow {
        id: text("id")?.parse().map_err(Problem::internal)?,
        account: text("account")?.parse().map_err(Problem::internal)?,
        request: Asked::stored(text("body")?.as_bytes()),
        said: match text("state")?.as_str() {
            "approved" => Said::Approved,
            "declined" => Said::Declined,
            _ => Said::Asked,
        },
        reason: text("reason")?,
        consent: consent.as_deref().map(serde_json::from_str).transpose()?,
        least_share_bps: u32::try_from(least_share).map_err(Problem::internal)?,
        job: row.try_get("proofs")?,
        created_ms: row.try_get("created_ms")?,
    })
}
