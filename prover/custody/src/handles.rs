//! Commits with a tenant's secret, and releases committed columns to proofs.

use serde::{Deserialize, Serialize};
use tribute_circuits::columns::opening::open_record;
use tribute_circuits::columns::{
    commit_gradient, commit_records, commit_weights, sum_gradients, weights_blinding, Blinding, CommittedGroup, Secret,
};
use tribute_core::digest::Digest;
use tribute_core::head::Weights;
use tribute_core::hexed::AccountAddress;
use tribute_core::id::{DatasetId, GroupDigest, RequestId};
use tribute_core::layout::Layout;
use tribute_core::opening::{RecordClaim, RecordOpening};
use tribute_core::records::Records;
use tribute_core::I256;
use tribute_engine::srs::Srs;
use tribute_problem::{Problem, Reason, Result};

use crate::budget::{Counter, Lineage};
use crate::Custody;

/// Openings of each commitment of a dataset that one use of it allows another account: one proof for each chain, and proofs
/// that were broken off.
pub const OPENINGS_OF_A_USE: i64 = 8;

/// Commits with one tenant's secret without revealing it.
#[derive(Clone)]
pub struct Committer(Secret);

impl std::fmt::Debug for Committer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Committer")
    }
}

/// A commitment with its columns. Only [`Lent::spend_openings`](crate::Lent::spend_openings) releases these, salts included, to a proof.
#[derive(Clone, Debug)]
pub struct Committed {
    pub(crate) group: CommittedGroup,
    pub(crate) digest: GroupDigest,
    /// The commitments that an opening is charged to: this one, or every summand.
    pub(crate) charged: Vec<Charge>,
}

/// Openings to count: of a commitment, with the number of openings that its salts allow.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Charge {
    digest: GroupDigest,
    budget: u64,
    times: u64,
    whose: Whose,
}

/// Whom an opening is charged to.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Whose {
    /// The tenant that committed.
    Own,
    /// An account that a dataset is lent to, as well as its owner.
    Lent(DatasetId, AccountAddress),
    /// What the owner of the weights allotted to a participant of a training.
    Allotted(RequestId, AccountAddress),
}

/// Columns whose opening has been counted, so that a proof may use them.
#[derive(Clone, Debug)]
pub struct Opened(Vec<CommittedGroup>);

impl Charge {
    /// The charges for opening each of `committed` `times` more: for a sum, each of its summands.
    pub(crate) fn of(committed: &[&Committed], times: u64) -> Vec<Charge> {
        let charged = committed.iter().flat_map(|one| &one.charged);
        charged.map(|charge| Charge { times: charge.times * times, ..*charge }).collect()
    }
}

impl Committer {
    pub(crate) fn new(secret: Secret) -> Self {
        Committer(secret)
    }

    /// Commits to a shard's records.
    ///
    /// # Errors
    /// If they do not fit into one shard of the layout.
    pub fn records(&self, srs: &Srs, layout: &Layout, records: &Records) -> Result<Committed> {
        let group = commit_records(srs, layout, &self.0, records).map_err(Problem::internal)?;
        Ok(Committed::new(group, layout.opening_budget()))
    }

    /// Commits to weights.
    ///
    /// # Errors
    /// If their number differs from the layout's, or one is out of range.
    pub fn weights(&self, srs: &Srs, layout: &Layout, weights: &Weights) -> Result<Committed> {
        weights.check(layout).map_err(Problem::internal)?;
        Ok(Committed::new(commit_weights(srs, layout, &self.0, weights), layout.weights_opening_budget()))
    }

    /// The seeds of the random rows of a commitment to weights: for nodes that prove about these weights, and nobody else.
    #[must_use]
    pub fn weights_blinding(&self, srs: &Srs, layout: &Layout, weights: &Weights) -> Blinding {
        weights_blinding(srs, layout, &self.0, weights)
    }

    /// Commits to a gradient. `about` identifies what it is the gradient of, so that equal gradients of different
    /// things get different commitments.
    #[must_use]
    pub fn gradient(&self, srs: &Srs, layout: &Layout, about: &[Digest], gradient: &[I256]) -> Committed {
        let group = commit_gradient(srs, layout, &self.0, about, gradient);
        Committed::new(group, layout.weights_opening_budget())
    }
}

impl Committed {
    pub(crate) fn new(group: CommittedGroup, budget: u64) -> Self {
        let digest = GroupDigest::new(group.digest());
        Committed { digest, group, charged: vec![Charge { digest, budget, times: 1, whose: Whose::Own }] }
    }

    /// A commitment without columns, for tests of counters.
    #[cfg(test)]
    pub(crate) fn bare(digest: GroupDigest, budget: u64) -> Self {
        Committed {
            group: CommittedGroup { columns: Vec::new() },
            digest,
            charged: vec![Charge { digest, budget, times: 1, whose: Whose::Own }],
        }
    }

    /// The sum with another committed gradient. An opening of the sum reveals a functional of every summand, so it is
    /// charged to all of them.
    #[must_use]
    pub fn plus(self, other: &Committed) -> Committed {
        let group = sum_gradients([&self.group, &other.group]);
        let charged = [self.charged, other.charged.clone()].concat();
        Committed { digest: GroupDigest::new(group.digest()), group, charged }
    }

    /// The same commitment, of `dataset`, opened for `account`, to whom it is lent: the opening is also charged to what
    /// that account's uses of the dataset allow, and leaves the owner its reserve.
    #[must_use]
    pub fn lent(mut self, dataset: DatasetId, account: AccountAddress) -> Self {
        self.charged.iter_mut().for_each(|charged| charged.whose = Whose::Lent(dataset, account));
        self
    }

    /// The same commitment to somebody's weights, opened by a participant of a training, within what was allotted to it.
    #[must_use]
    pub(crate) fn allotted(mut self, request: RequestId, account: AccountAddress) -> Self {
        self.charged.iter_mut().for_each(|charged| charged.whose = Whose::Allotted(request, account));
        self
    }

    /// The digest that identifies the commitment.
    #[must_use]
    pub fn digest(&self) -> GroupDigest {
        self.digest
    }

    /// The commitments to its columns, each uncompressed as `x‖y`.
    #[must_use]
    pub fn points(&self) -> Vec<u8> {
        self.group.points()
    }

    /// Opens one record of a committed shard. This spends no opening, because the record's rows hold no salt.
    ///
    /// # Errors
    /// If the claim is about another commitment.
    pub fn open_record(&self, srs: &Srs, claim: &RecordClaim) -> Result<RecordOpening> {
        open_record(srs, &self.group, claim).map_err(Problem::internal)
    }
}

impl Opened {
    /// Releases columns whose opening has been counted.
    pub(crate) fn of(committed: &[&Committed]) -> Self {
        Opened(committed.iter().map(|one| one.group.clone()).collect())
    }

    /// The columns, in the order in which they were passed to [`Lent::spend_openings`](crate::Lent::spend_openings).
    #[must_use]
    pub fn groups(&self) -> &[CommittedGroup] {
        &self.0
    }

    /// The columns of exactly `N` commitments, in that order.
    pub fn exactly<const N: usize>(&self) -> Result<&[CommittedGroup; N]> {
        let miscounted = |_| Problem::internal("the number of openings differs from the number requested");
        self.0.as_slice().try_into().map_err(miscounted)
    }
}

impl Custody {
    /// The committer of a tenant.
    pub async fn committer(&self, tenant: &str) -> Result<Committer> {
        Ok(Committer::new(Secret::from_bytes(self.column_key(tenant).await?)))
    }

    /// Durably counts one more opening of each commitment (for a sum, of each summand), all or none, and releases their
    /// columns for a proof.
    ///
    /// # Errors
    /// [`Reason::BudgetSpent`] if one has no opening left.
    pub async fn spend_openings(&self, committed: &[&Committed]) -> Result<Opened> {
        self.count_openings(&Charge::of(committed, 1)).await?;
        Ok(Opened::of(committed))
    }

    /// Durably counts openings, all or none.
    ///
    /// # Errors
    /// [`Reason::BudgetSpent`] if a commitment has no opening left.
    pub async fn count_openings(&self, charges: &[Charge]) -> Result<()> {
        let mut tx = self.db.begin().await?;
        let lineage = self.lineage(&mut tx, "{for_share}").await?;
        for charge in charges {
            self.spend(&mut tx, &lineage, charge).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Counts openings.
    pub(crate) async fn spend(
        &self,
        tx: &mut tribute_store::db::Tx,
        lineage: &Lineage,
        committed: &Charge,
    ) -> Result<()> {
        let times = committed.times;
        if let Whose::Allotted(request, account) = committed.whose {
            return self.spend_allotted(tx, committed.digest, request, account, times).await;
        }
        let name = hex::encode(committed.digest);
        let first = lineage.counter(committed.budget);
        sqlx::query(self.db.sql(
            "INSERT INTO openings (digest, budget, used, ends, reserved_to) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT DO NOTHING",
        ))
        .bind(&name)
        .bind(committed.budget as i64)
        .bind(first.used as i64)
        .bind(first.end as i64)
        .bind(first.reserved_to as i64)
        .execute(&mut **tx)
        .await?;
        let reserve = match committed.whose {
            Whose::Lent(dataset, account) => {
                self.spend_lent(tx, &name, dataset, account, times).await?;
                lineage.reserve(committed.budget)
            }
            _ => 0,
        };
        let spent = sqlx::query(
            self.db.sql("UPDATE openings SET used = used + $3 WHERE digest = $1 AND used + $3 <= ends - $2"),
        )
        .bind(&name)
        .bind(reserve as i64)
        .bind(times as i64)
        .execute(&mut **tx)
        .await?
        .rows_affected();
        if spent == 1 {
            return Ok(());
        }
        let budget = committed.budget;
        if reserve > 0 {
            return Err(Problem::new(
                Reason::BudgetSpent,
                format!("of commitment 0x{name} only the {reserve} openings are left that are its owner's alone"),
            )
            .with("commitment", &name)
            .with("reserve", reserve));
        }
        Err(Problem::new(
            Reason::BudgetSpent,
            format!(
                "commitment 0x{name} has no opening left in this store, of the {budget} that its salts \
                 allow: to continue, register the data again with a profile of larger k"
            ),
        )
        .with("commitment", &name)
        .with("budget", budget))
    }

    /// Charges an opening of a dataset's commitment to the account that it is lent to.
    async fn spend_lent(
        &self,
        tx: &mut tribute_store::db::Tx,
        name: &str,
        dataset: DatasetId,
        account: AccountAddress,
        times: u64,
    ) -> Result<()> {
        sqlx::query(
            self.db.sql("INSERT INTO openings_by (digest, account, used) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING"),
        )
        .bind(name)
        .bind(account.to_string())
        .execute(&mut **tx)
        .await?;
        let spent = sqlx::query(self.db.sql(
            "UPDATE openings_by SET used = used + $4 WHERE digest = $1 AND account = $2
                AND used + $4 <= (SELECT openings FROM allowances WHERE dataset = $3 AND account = $2)",
        ))
        .bind(name)
        .bind(account.to_string())
        .bind(dataset.to_string())
        .bind(times as i64)
        .execute(&mut **tx)
        .await?
        .rows_affected();
        if spent == 1 {
            return Ok(());
        }
        Err(Problem::new(
            Reason::BudgetSpent,
            format!(
                "{account} has opened dataset {dataset} as often as its uses of it allow, {OPENINGS_OF_A_USE} times for each \
                 use: with another grant it may go on"
            ),
        )
        .with("commitment", name)
        .with("dataset", dataset)
        .with("account", account))
    }

    /// Lets an account open each commitment of a dataset as often as one more use of it needs, in the transaction that counts
    /// the use.
    pub async fn allow_use(
        &self,
        tx: &mut tribute_store::db::Tx,
        dataset: DatasetId,
        account: AccountAddress,
    ) -> Result<()> {
        sqlx::query(self.db.sql(
            "INSERT INTO allowances (dataset, account, openings) VALUES ($1, $2, $3)
             ON CONFLICT (dataset, account) DO UPDATE SET openings = allowances.openings + excluded.openings",
        ))
        .bind(dataset.to_string())
        .bind(account.to_string())
        .bind(OPENINGS_OF_A_USE)
        .execute(&mut **tx)
        .await?;
        Ok(())
    }

    /// How often a commitment with this budget may still be opened in this store: by its owner, or by somebody whom it is lent
    /// to, who leaves the owner its reserve.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn openings_left(&self, digest: &GroupDigest, budget: u64, lent: bool) -> Result<u64> {
        let mut connection = self.db.pool().acquire().await?;
        let lineage = self.lineage(&mut connection, "").await?;
        drop(connection);
        let counter = self.counter(digest).await?.unwrap_or_else(|| lineage.counter(budget));
        let reserve = if lent { lineage.reserve(budget) } else { 0 };
        Ok(counter.end.saturating_sub(counter.used + reserve))
    }

    /// The counter of a commitment in this store; `None` if it was never opened here.
    pub async fn counter(&self, digest: &GroupDigest) -> Result<Option<Counter>> {
        let row: Option<(i64, i64, i64)> =
            sqlx::query_as(self.db.sql("SELECT used, ends, reserved_to FROM openings WHERE digest = $1"))
                .bind(hex::encode(digest))
                .fetch_optional(self.db.pool())
                .await?;
        let n = i64::unsigned_abs;
        Ok(row.map(|(used, end, to)| Counter { used: n(used), end: n(end), reserved_to: n(to) }))
    }
}
