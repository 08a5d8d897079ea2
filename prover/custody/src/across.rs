//! What leaves custody in a training across nodes: the blinding of the owner's weights with a number of openings, and a
//! participant's gradients under masks.

use tribute_circuits::columns::masked::{to_bytes, under_masks};
use tribute_circuits::columns::{commit_weights_blinded, Blinding, CommittedGroup};
use tribute_core::head::Weights;
use tribute_core::hexed::AccountAddress;
use tribute_core::id::{GroupDigest, RequestId};
use tribute_core::layout::Layout;
use tribute_engine::column::CommittedColumn;
use tribute_engine::srs::Srs;
use tribute_problem::{Problem, Reason, Result};
use tribute_store::db::Tx;

use crate::handles::{Charge, Committed, OPENINGS_OF_A_USE};
use crate::Custody;

/// Openings of the sum of all gradients that a participant allows when its gradients leave under masks: the owner may prove the
/// optimum for several chains, and a proof may break off.
pub const OPENINGS_OF_A_SUM: u64 = OPENINGS_OF_A_USE as u64;

/// Somebody's weights with their blinding, as a participant of a training commits to them.
///
/// # Errors
/// If their number differs from the layout's.
pub fn weights_of_another(
    srs: &Srs,
    layout: &Layout,
    weights: &Weights,
    blinding: &Blinding,
    (request, account): (RequestId, AccountAddress),
) -> Result<Committed> {
    weights.check(layout).map_err(Problem::internal)?;
    let group = commit_weights_blinded(srs, layout, blinding, weights);
    Ok(Committed::new(group, 0).allotted(request, account))
}

/// The sum of all participants' gradients. Each has counted [`OPENINGS_OF_A_SUM`] openings of it.
#[must_use]
pub fn sum_of_all(group: CommittedGroup) -> Committed {
    Committed::new(group, OPENINGS_OF_A_SUM)
}

/// The sum of a participant's gradients under masks, as bytes, which leave when its openings have been counted.
pub(crate) fn masked(sum: &Committed, masks: &[(bool, CommittedColumn)]) -> Result<Vec<u8>> {
    if masks.is_empty() {
        return Err(Problem::internal("a gradient without masks never leaves"));
    }
    Ok(to_bytes(&under_masks(&sum.group, masks)))
}

impl Custody {
    /// Releases the sum of a participant's gradients under masks, as bytes. All openings of the total sum that the owner may make
    /// are counted against each of them first.
    ///
    /// # Errors
    /// [`Reason::BudgetSpent`].
    pub async fn release_masked(&self, sum: &Committed, masks: &[(bool, CommittedColumn)]) -> Result<Vec<u8>> {
        let masked = masked(sum, masks)?;
        self.count_openings(&Charge::of(&[sum], OPENINGS_OF_A_SUM)).await?;
        Ok(masked)
    }

    /// Gives a participant a number of openings of own weights: counted here, durably, before the participant learns of them, and
    /// once however often it is asked.
    ///
    /// # Errors
    /// [`Reason::BudgetSpent`], or if the participant was given openings of other weights under this request.
    pub async fn allot(
        &self,
        weights: &Committed,
        request: RequestId,
        account: AccountAddress,
        openings: u64,
    ) -> Result<()> {
        let mut tx = self.db.begin().await?;
        let lineage = self.lineage(&mut tx, "{for_share}").await?;
        let fresh = self.insert_allotment(&mut tx, "allotted", request, account, weights.digest, openings).await?;
        if fresh {
            for charge in Charge::of(&[weights], openings) {
                self.spend(&mut tx, &lineage, &charge).await?;
            }
        }
        tx.commit().await?;
        Ok(())
    }

    /// Records what the owner of weights allotted to a participant here. Repeating it changes nothing.
    ///
    /// # Errors
    /// If openings of other weights were recorded under this request: a training has one result.
    pub async fn accept_allotment(
        &self,
        tx: &mut Tx,
        request: RequestId,
        account: AccountAddress,
        weights: GroupDigest,
        openings: u64,
    ) -> Result<()> {
        self.insert_allotment(tx, "allotments", request, account, weights, openings).await.map(|_| ())
    }

    /// Inserts a row into one of the two tables; false if it is there already.
    async fn insert_allotment(
        &self,
        tx: &mut Tx,
        table: &str,
        request: RequestId,
        account: AccountAddress,
        weights: GroupDigest,
        openings: u64,
    ) -> Result<bool> {
        let (columns, used) = if table == "allotted" { ("", "") } else { (", used", ", 0") };
        let insert = format!(
            "INSERT INTO {table} (request, account, digest, openings{columns}) VALUES ($1, $2, $3, $4{used}) ON CONFLICT DO NOTHING"
        );
        let fresh = sqlx::query(self.db.sql(&insert))
            .bind(request.to_string())
            .bind(account.to_string())
            .bind(weights.to_string())
            .bind(openings as i64)
            .execute(&mut **tx)
            .await?
            .rows_affected();
        let select = format!("SELECT digest, openings FROM {table} WHERE request = $1 AND account = $2");
        let (digest, known): (String, i64) = sqlx::query_as(self.db.sql(&select))
            .bind(request.to_string())
            .bind(account.to_string())
            .fetch_one(&mut **tx)
            .await?;
        if digest != weights.to_string() || known.unsigned_abs() != openings {
            return Err(Problem::new(
                Reason::NotAllowed,
                format!(
                    "{account} has {known} openings of weights {digest} under request {request}, and gets no others"
                ),
            )
            .with("request", request)
            .with("account", account));
        }
        Ok(fresh == 1)
    }

    /// Counts openings against an allotment.
    pub(crate) async fn spend_allotted(
        &self,
        tx: &mut Tx,
        weights: GroupDigest,
        request: RequestId,
        account: AccountAddress,
        times: u64,
    ) -> Result<()> {
        let spent = sqlx::query(self.db.sql(
            "UPDATE allotments SET used = used + $4
             WHERE request = $1 AND account = $2 AND digest = $3 AND used + $4 <= openings",
        ))
        .bind(request.to_string())
        .bind(account.to_string())
        .bind(weights.to_string())
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
                "the agent's owner allotted no further opening of weights {weights} to {account} under request {request}: to \
                 train, it asks again with a further --attempt and more --openings; to evaluate, it lends the weights again with a \
                 further --lending"
            ),
        )
        .with("request", request)
        .with("account", account))
    }
}
