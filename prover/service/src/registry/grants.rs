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

/// Refunds the grant uses of a job that ended without revealing anything about the data to its owner, and withdraws the
/// openings those uses allowed. Openings already spent stay counted.
pub(crate) async fn give_back(db: &Database, tx: &mut Tx, job: &str) -> Result<()> {
    for statement in [
        "UPDATE grants SET uses = uses + 1 WHERE EXISTS (SELECT 1 FROM job_grants g
            WHERE g.job = $1 AND g.kind = 'server' AND g.dataset = grants.dataset AND g.grantee = grants.grantee)",
        "UPDATE chain_grants SET used = used - 1 WHERE EXISTS (SELECT 1 FROM job_grants g
            WHERE g.job = $1 AND g.kind = 'chain' AND g.root = chain_grants.root AND g.grantee = chain_grants.grantee
                AND g.serial = chain_grants.serial)",
        "UPDATE allowances SET openings = openings - {of_a_use} WHERE EXISTS (SELECT 1 FROM job_grants g
            WHERE g.job = $1 AND g.lent = allowances.dataset AND g.grantee = allowances.account)",
        "DELETE FROM job_grants WHERE job = $1",
    ] {
        let statement = statement.replace("{of_a_use}", &OPENINGS_OF_A_USE.to_string());
        sqlx::query(db.sql(&statement)).bind(job).execute(&mut **tx).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tribute_core::hexed::Hex;

    use super::*;

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
}
