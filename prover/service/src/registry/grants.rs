//! Training grants issued through this server. With a chain configured, grants of its dataset registry count too: the
//! chain counts agent versions that list a dataset, this server counts the training jobs it ran under the grant.

use sqlx::Row as _;
use tribute_core::hexed::AccountAddress;
use tribute_core::id::DatasetId;
use tribute_custody::OPENINGS_OF_A_USE;
use tribute_problem::{Problem, Reason, Result};
use tribute_store::db::{Database, Tx};

use super::Registry;
use crate::chain::ChainGrant;

impl Registry {
    /// Adds uses to a grant and sets its expiry (Unix seconds); returns the uses left.
    pub async fn grant(&self, dataset: DatasetId, grantee: AccountAddress, uses: u32, expiry: i64) -> Result<i64> {
        let row = sqlx::query(self.db.sql(
            "INSERT INTO grants (dataset, grantee, uses, expiry) VALUES ($1, $2, $3, $4)
             ON CONFLICT (dataset, grantee) DO UPDATE SET uses = grants.uses + excluded.uses, expiry = excluded.expiry
             RETURNING uses",
        ))
        .bind(dataset.to_string())
        .bind(grantee.to_string())
        .bind(i64::from(uses))
        .bind(expiry)
        .fetch_one(self.db.pool())
        .await?;
        Ok(row.try_get("uses")?)
    }

    /// Takes one use of a grant of this server, in the transaction that queues the job.
    ///
    /// # Errors
    /// [`Reason::NoGrant`] if there is no grant, it has expired or no use is left.
    pub async fn use_grant(&self, tx: &mut Tx, dataset: DatasetId, grantee: AccountAddress) -> Result<()> {
        let used = sqlx::query(self.db.sql(
            "UPDATE grants SET uses = uses - 1
             WHERE dataset = $1 AND grantee = $2 AND uses > 0 AND expiry * 1000 > {now}",
        ))
        .bind(dataset.to_string())
        .bind(grantee.to_string())
        .execute(&mut **tx)
        .await?
        .rows_affected();
        if used == 1 {
            return Ok(());
        }
        Err(no_grant(dataset, grantee))
    }

    /// Takes one use of an on-chain grant, in the transaction that queues the job; false if none was left. A grant
    /// allows as many jobs as it had uses on chain when it was first used here; agent versions that list the dataset
    /// afterwards do not reduce that number.
    pub async fn use_chain_grant(&self, tx: &mut Tx, grant: &ChainGrant, grantee: AccountAddress) -> Result<bool> {
        sqlx::query(self.db.sql(
            "INSERT INTO chain_grants (root, grantee, serial, uses, used) VALUES ($1, $2, $3, $4, 0)
             ON CONFLICT DO NOTHING",
        ))
        .bind(grant.root.to_string())
        .bind(grantee.to_string())
        .bind(i64::from(grant.serial))
        .bind(i64::from(grant.uses))
        .execute(&mut **tx)
        .await?;
        let used = sqlx::query(self.db.sql(
            "UPDATE chain_grants SET used = used + 1
             WHERE root = $1 AND grantee = $2 AND serial = $3 AND used < uses",
        ))
        .bind(grant.root.to_string())
        .bind(grantee.to_string())
        .bind(i64::from(grant.serial))
        .execute(&mut **tx)
        .await?
        .rows_affected();
        Ok(used == 1)
    }
}

/// What allowed an account that does not own a dataset to use it for a job.
#[derive(Clone, Copy, Debug)]
pub enum Use {
    /// The dataset's terms allow anyone.
    Open,
    /// A grant issued through this server.
    Server,
    /// A grant in the chain's dataset registry.
    Chain(ChainGrant),
}

impl Registry {
    /// Refuses an account that never had a grant for a dataset, before its request reveals anything else. Whether a use
    /// is left is checked only when one is taken, because resubmitting equal work takes none.
    ///
    /// # Errors
    /// [`Reason::NoGrant`].
    pub async fn check_granted(&self, dataset: DatasetId, grantee: AccountAddress) -> Result<()> {
        let known: i64 = sqlx::query_scalar(self.db.sql(
            "SELECT (SELECT COUNT(*) FROM grants WHERE dataset = $1 AND grantee = $2)
                + (SELECT COUNT(*) FROM job_grants WHERE dataset = $1 AND grantee = $2)",
        ))
        .bind(dataset.to_string())
        .bind(grantee.to_string())
        .fetch_one(self.db.pool())
        .await?;
        if known > 0 {
            return Ok(());
        }
        Err(no_grant(dataset, grantee))
    }

    /// Refuses an account without a use left of a grant of this server.
    ///
    /// # Errors
    /// [`Reason::NoGrant`].
    pub async fn check_use_left(&self, dataset: DatasetId, grantee: AccountAddress) -> Result<()> {
        let left: i64 = sqlx::query_scalar(self.db.sql(
            "SELECT COUNT(*) FROM grants WHERE dataset = $1 AND grantee = $2 AND uses > 0 AND expiry * 1000 > {now}",
        ))
        .bind(dataset.to_string())
        .bind(grantee.to_string())
        .fetch_one(self.db.pool())
        .await?;
        if left > 0 {
            return Ok(());
        }
        Err(no_grant(dataset, grantee))
    }

    /// Records what a job used, for [`give_back`]; `lent` is the first version of the dataset, by whose id its openings are
    /// allowed.
    pub async fn record_use(
        &self,
        tx: &mut Tx,
        job: &str,
        dataset: DatasetId,
        grantee: AccountAddress,
        by: Use,
        lent: DatasetId,
    ) -> Result<()> {
        let (kind, root, serial) = match by {
            Use::Open => ("open", String::new(), 0),
            Use::Server => ("server", String::new(), 0),
            Use::Chain(grant) => ("chain", grant.root.to_string(), grant.serial),
        };
        sqlx::query(
            self.db.sql(
                "INSERT INTO job_grants (job, dataset, grantee, kind, root, serial, lent) VALUES ($1, $2, $3, $4, $5, $6, $7)",
            ),
        )
        .bind(job)
        .bind(dataset.to_string())
        .bind(grantee.to_string())
        .bind(kind)
        .bind(root)
        .bind(i64::from(serial))
        .bind(lent.to_string())
        .execute(&mut **tx)
        .await?;
        Ok(())
    }
}

fn no_grant(dataset: DatasetId, grantee: AccountAddress) -> Problem {
    Problem::new(
        Reason::NoGrant,
        format!("{grantee} may not use dataset {dataset}: its owner has to grant it (`tribute dataset grant`)"),
    )
    .with("dataset", dataset)
    .with("grantee", grantee)
}

/// Whether a job that ended without success gives back its uses: if it never `started`, or failed for a `reason` that records
/// cannot influence. Any other end tells something of them, if only by when it came: whoever may cancel a job as soon as it
/// has shown how long training takes, or have it refused with what was found, could ask as often as he likes.
pub(crate) fn is_given_back(started: bool, reason: Option<Reason>) -> bool {
    !started
        || matches!(
            reason,
            Some(
                Reason::WorkerLost
                    | Reason::StorageFailed
                    | Reason::StorageUnavailable
                    | Reason::ArtefactDamaged
                    | Reason::ToolMissing
                    | Reason::NotReady
                    | Reason::Internal
                    // models are read without the records of others
                    | Reason::BadModel
            )
        )
}

/// Refunds the grant uses of a job, and withdraws the openings those uses allowed. Openings already spent stay counted.
pub(crate) async fn give_back(db: &Database, tx: &mut Tx, job: &str) -> Result<()> {
    // versions of one dataset have one root: a job may have used it several times
    for (statement, uses) in [
        (
            "UPDATE grants SET uses = uses + {uses} WHERE {uses} > 0",
            "g.kind = 'server' AND g.dataset = grants.dataset AND g.grantee = grants.grantee",
        ),
        (
            "UPDATE chain_grants SET used = used - {uses} WHERE {uses} > 0",
            "g.kind = 'chain' AND g.root = chain_grants.root AND g.grantee = chain_grants.grantee
                AND g.serial = chain_grants.serial",
        ),
        (
            "UPDATE allowances SET openings = openings - {of_a_use} * {uses} WHERE {uses} > 0",
            "g.lent = allowances.dataset AND g.grantee = allowances.account",
        ),
    ] {
        let uses = format!("(SELECT COUNT(*) FROM job_grants g WHERE g.job = $1 AND {uses})");
        let statement = statement.replace("{uses}", &uses).replace("{of_a_use}", &OPENINGS_OF_A_USE.to_string());
        sqlx::query(db.sql(&statement)).bind(job).execute(&mut **tx).await?;
    }
    sqlx::query(db.sql("DELETE FROM job_grants WHERE job = $1")).bind(job).execute(&mut **tx).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tribute_core::hexed::Hex;
    use tribute_custody::{Custody, KeySource};
    use tribute_store::artefacts::Artefacts;

    use super::*;
    use crate::jobs::queue::Queue;
    use crate::jobs::{Lease, NewJob, State};

    #[tokio::test]
    async fn a_chain_grant_allows_as_many_trainings_as_it_had_uses() {
        let folder = tempfile::tempdir().unwrap();
        let file = format!("sqlite:{}", folder.path().join("t.db").display());
        let registry = Registry::new(Database::open(&file).await.unwrap());
        let (ada, ben) = (Hex([1; 20]), Hex([2; 20]));
        let grant = |root: u8, serial, uses| ChainGrant { root: DatasetId::new([root; 32]), serial, uses };
        let used = async |grant: ChainGrant, grantee| {
            let mut tx = registry.db.begin().await.unwrap();
            let used = registry.use_chain_grant(&mut tx, &grant, grantee).await.unwrap();
            tx.commit().await.unwrap();
            used
        };
        assert!(used(grant(7, 1, 2), ada).await);
        // a version has listed the dataset since: one use is left on chain, and one job here
        assert!(used(grant(7, 1, 1), ada).await);
        assert!(!used(grant(7, 1, 1), ada).await);
        // an abandoned version returns its use on chain, but the records were read here all the same
        assert!(!used(grant(7, 1, 2), ada).await);
        // grants of other accounts, of other datasets and later grants are counted separately
        assert!(used(grant(7, 1, 1), ben).await);
        assert!(used(grant(8, 1, 1), ada).await);
        assert!(used(grant(7, 2, 1), ada).await);
        assert!(!used(grant(7, 2, 1), ada).await);
        // a transaction that is not committed takes no use
        let mut tx = registry.db.begin().await.unwrap();
        assert!(registry.use_chain_grant(&mut tx, &grant(9, 1, 1), ada).await.unwrap());
        drop(tx);
        assert!(used(grant(9, 1, 1), ada).await);
    }

    /// A queue whose jobs use the dataset `[7; 32]` in two versions, one by a grant of this server, one by one of the chain.
    struct Lent {
        registry: Registry,
        queue: Queue,
        custody: Custody,
        jobs: i64,
        _folder: tempfile::TempDir,
    }

    const ADA: AccountAddress = Hex([1; 20]);
    const ROOT: DatasetId = DatasetId::new([7; 32]);
    const LATER: DatasetId = DatasetId::new([8; 32]);
    const OF_CHAIN: ChainGrant = ChainGrant { root: ROOT, serial: 1, uses: 100 };

    impl Lent {
        async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let db = Database::open(&format!("sqlite:{}", folder.path().join("t.db").display())).await.unwrap();
            let artefacts = Artefacts::in_folder(&folder.path().join("artefacts")).unwrap();
            let key = KeySource::File(folder.path().join("key"));
            let custody = Custody::open(db.clone(), artefacts, &key).await.unwrap();
            let registry = Registry::new(db.clone());
            registry.grant(ROOT, ADA, 100, 4_000_000_000).await.unwrap();
            Lent { registry, queue: Queue::new(db), custody, jobs: 0, _folder: folder }
        }

        /// A job that takes one use of each version.
        async fn job(&mut self, deadline_ms: Option<i64>) -> String {
            self.jobs += 1;
            let new = NewJob {
                tenant: ADA.to_string(),
                kind: "train".into(),
                payload: self.jobs.to_string(),
                priority: 0,
                weight_mb: 1,
                deadline_ms,
            };
            let mut tx = self.queue.database().begin().await.unwrap();
            let id = self.queue.insert(&mut tx, &new).await.unwrap().0.id;
            self.registry.use_grant(&mut tx, ROOT, ADA).await.unwrap();
            assert!(self.registry.use_chain_grant(&mut tx, &OF_CHAIN, ADA).await.unwrap());
            for (dataset, by) in [(ROOT, Use::Server), (LATER, Use::Chain(OF_CHAIN))] {
                self.registry.record_use(&mut tx, &id, dataset, ADA, by, ROOT).await.unwrap();
                self.custody.allow_use(&mut tx, ROOT, ADA).await.unwrap();
            }
            tx.commit().await.unwrap();
            id
        }

        /// Uses left of this server, uses taken of the chain's, openings allowed.
        async fn counts(&self) -> (i64, i64, i64) {
            let counts =
                "SELECT (SELECT uses FROM grants), (SELECT used FROM chain_grants), (SELECT openings FROM allowances)";
            sqlx::query_as(counts).fetch_one(self.queue.database().pool()).await.unwrap()
        }

        async fn lease(&self) -> Lease {
            self.queue.lease("w", 30_000, i64::MAX).await.unwrap().unwrap()
        }
    }

    /// The reasons that give uses back once a job has run. A new reason is one of them only if no record can bring it about.
    const HARMLESS: [Reason; 8] = [
        Reason::WorkerLost,
        Reason::StorageFailed,
        Reason::StorageUnavailable,
        Reason::ArtefactDamaged,
        Reason::ToolMissing,
        Reason::NotReady,
        Reason::Internal,
        Reason::BadModel,
    ];

    #[tokio::test]
    async fn a_use_is_given_back_only_if_records_could_not_decide_the_end() {
        let mut lent = Lent::new().await;
        let (mut left, mut taken, mut openings) = (100, 0, 0);
        for reason in Reason::ALL {
            let id = lent.job(None).await;
            assert_eq!(lent.counts().await, (left - 1, taken + 1, openings + 2 * OPENINGS_OF_A_USE));
            // the last attempt
            let last = "UPDATE jobs SET attempts = max_attempts - 1 WHERE id = $1";
            sqlx::query(last).bind(&id).execute(lent.queue.database().pool()).await.unwrap();
            let lease = lent.lease().await;
            let problem = Problem::new(*reason, "its gradient has a norm of 1.234e-5");
            assert_eq!(lent.queue.fail(&lease, &problem).await.unwrap(), Ok(State::Failed));
            if !HARMLESS.contains(reason) {
                (left, taken, openings) = (left - 1, taken + 1, openings + 2 * OPENINGS_OF_A_USE);
            }
            assert_eq!(lent.counts().await, (left, taken, openings), "{}", reason.text());
        }
    }

    /// Whoever could see how far a job has come, stop it and have the use back could measure others' records by the clock.
    #[tokio::test]
    async fn a_job_that_was_stopped_gives_back_its_use_only_if_it_never_ran() {
        let mut lent = Lent::new().await;
        let before = (100, 0, 0);
        let after = (99, 1, 2 * OPENINGS_OF_A_USE);

        let waiting = lent.job(None).await;
        lent.queue.cancel(&waiting).await.unwrap();
        assert_eq!(lent.counts().await, before);
        let late = lent.queue.database().now_ms().await.unwrap() + 1;
        lent.job(Some(late)).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        lent.queue.recover().await.unwrap();
        assert_eq!(lent.counts().await, before);

        let running = lent.job(None).await;
        let lease = lent.lease().await;
        lent.queue.cancel(&running).await.unwrap();
        lent.queue.stopped(&lease).await.unwrap().unwrap();
        assert_eq!(lent.counts().await, after);
        // also back in the queue
        let back = lent.job(None).await;
        let lease = lent.lease().await;
        lent.queue.release(&lease, "gone", true).await.unwrap().unwrap();
        lent.queue.cancel(&back).await.unwrap();
        assert_eq!(lent.counts().await, (98, 2, 4 * OPENINGS_OF_A_USE));
        let db = lent.queue.database().clone();
        let late = lent.job(Some(db.now_ms().await.unwrap() + 60_000)).await;
        lent.lease().await;
        // the time passes while it runs
        let passed = "UPDATE jobs SET deadline = deadline - 60001 WHERE id = $1";
        sqlx::query(passed).bind(&late).execute(db.pool()).await.unwrap();
        lent.queue.recover().await.unwrap();
        assert_eq!(lent.counts().await, (97, 3, 6 * OPENINGS_OF_A_USE));
    }

    /// A whole that is stopped takes nothing for what it has not begun; what it has begun is not told apart from work of its own.
    #[tokio::test]
    async fn of_the_parts_of_a_stopped_job_only_one_that_had_begun_keeps_its_uses() {
        let mut lent = Lent::new().await;
        let parts = [lent.job(None).await, lent.job(None).await];
        let whole = NewJob {
            tenant: ADA.to_string(),
            kind: "valuation".into(),
            payload: "whole".into(),
            priority: 0,
            weight_mb: 1,
            deadline_ms: None,
        };
        let mut tx = lent.queue.database().begin().await.unwrap();
        let whole = lent.queue.insert(&mut tx, &whole).await.unwrap().0.id;
        lent.queue.make_wait(&mut tx, &whole, &parts, &[]).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(lent.counts().await, (98, 2, 4 * OPENINGS_OF_A_USE));

        let begun = lent.lease().await;
        assert!(parts.contains(&begun.job.id));
        lent.queue.cancel(&whole).await.unwrap();
        let kept = (99, 1, 2 * OPENINGS_OF_A_USE);
        assert_eq!(lent.counts().await, kept);
        lent.queue.stopped(&begun).await.unwrap().unwrap();
        assert_eq!(lent.counts().await, kept);
    }
}
