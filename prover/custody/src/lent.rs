//! What a proving process has of custody: the keys of the tenants whose data its job is about, and nobody else's. It has
//! neither the master key nor the database, and asks its worker to count openings.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tribute_circuits::columns::Secret;
use tribute_core::records::Records;
use tribute_engine::column::CommittedColumn;
use tribute_problem::{Problem, Reason, Result};
use tribute_store::artefacts::{ArtefactId, Artefacts};

use crate::across::{masked, OPENINGS_OF_A_SUM};
use crate::handles::{Charge, Committed, Committer, Opened};
use crate::sealing::{associated, seal, unseal};
use crate::Custody;

/// One tenant's keys, in hex.
#[derive(Clone, Serialize, Deserialize)]
struct Keys {
    data: String,
    columns: String,
}

/// The keys of some tenants, for one job's process. It is passed to the process through a pipe only.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Loan(BTreeMap<String, Keys>);

impl std::fmt::Debug for Loan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Custody {
    /// The keys that a job about these tenants' data needs.
    pub async fn lend<'a>(&self, tenants: impl IntoIterator<Item = &'a str>) -> Result<Loan> {
        let mut loan = Loan::default();
        for tenant in tenants {
            let (data, columns) = (self.data_key(tenant).await?, self.column_key(tenant).await?);
            loan.0.insert(tenant.into(), Keys { data: hex::encode(data), columns: hex::encode(columns) });
        }
        Ok(loan)
    }
}

/// Counts openings where the database is.
pub type Count = dyn Fn(Vec<Charge>) -> Result<()> + Send + Sync;

/// Custody as far as it was lent to this process.
#[derive(Clone)]
pub struct Lent {
    artefacts: Artefacts,
    loan: Loan,
    count: Arc<Count>,
}

impl std::fmt::Debug for Lent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Lent").field(&self.loan).finish()
    }
}

impl Lent {
    /// Custody of the lent keys. `count` counts openings durably before it returns.
    pub fn new(artefacts: Artefacts, loan: Loan, count: Arc<Count>) -> Self {
        Lent { artefacts, loan, count }
    }

    fn key(&self, tenant: &str, pick: impl Fn(&Keys) -> &str) -> Result<[u8; 32]> {
        let keys = self.loan.0.get(tenant);
        let keys = keys.ok_or_else(|| Problem::internal(format!("this job was not lent the keys of {tenant}")))?;
        let mut key = [0; 32];
        hex::decode_to_slice(pick(keys), &mut key).map_err(|_| Problem::internal("a lent key is not 32 bytes"))?;
        Ok(key)
    }

    /// Seals `plaintext` for a tenant and stores it.
    pub async fn put(&self, tenant: &str, purpose: &str, plaintext: &[u8]) -> Result<ArtefactId> {
        let key = self.key(tenant, |k| &k.data)?;
        self.artefacts.put(seal(&key, &associated(tenant, purpose), plaintext)?).await
    }

    /// Reads a private artefact of a tenant.
    pub async fn get(&self, tenant: &str, purpose: &str, id: &str) -> Result<Vec<u8>> {
        let key = self.key(tenant, |k| &k.data)?;
        unseal(&key, &associated(tenant, purpose), self.artefacts.get(id).await?)
    }

    /// Seals and stores records.
    pub async fn put_records(&self, tenant: &str, records: &Records) -> Result<ArtefactId> {
        self.put(tenant, "records", &records.to_bytes()).await
    }

    /// Reads and unseals records.
    pub async fn records(&self, tenant: &str, id: &str) -> Result<Records> {
        let bytes = self.get(tenant, "records", id).await?;
        Records::from_bytes(&bytes)
            .ok_or_else(|| Problem::new(Reason::ArtefactDamaged, format!("artefact {id} does not hold records")))
    }

    /// The committer of a tenant.
    pub fn committer(&self, tenant: &str) -> Result<Committer> {
        Ok(Committer::new(Secret::from_bytes(self.key(tenant, |k| &k.columns)?)))
    }

    /// Has one more opening of each commitment counted, and releases their columns for a proof. Blocks until it is
    /// counted, so it must not be called on a thread that serves futures.
    ///
    /// # Errors
    /// [`Reason::BudgetSpent`] if one has no opening left.
    pub fn spend_openings(&self, committed: &[&Committed]) -> Result<Opened> {
        (self.count)(Charge::of(committed, 1))?;
        Ok(Opened::of(committed))
    }

    /// Releases the sum of a participant's gradients under masks, as [`Custody::release_masked`] does. Blocks like
    /// [`Lent::spend_openings`].
    ///
    /// # Errors
    /// [`Reason::BudgetSpent`].
    pub fn release_masked(&self, sum: &Committed, masks: &[(bool, CommittedColumn)]) -> Result<Vec<u8>> {
        let masked = masked(sum, masks)?;
        (self.count)(Charge::of(&[sum], OPENINGS_OF_A_SUM))?;
        Ok(masked)
    }
}
