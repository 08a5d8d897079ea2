//! Further records for a dataset that is registered here: they become shards of its next version.

use tribute_core::hexed::AccountAddress;
use tribute_core::id::DatasetId;
use tribute_core::numbers::COUNT_LIMIT_BITS;
use tribute_core::records::Records;
use tribute_problem::{field, Problem, Reason, Result};
use tribute_proto::v1;
use tribute_steps::dataset::{DatasetBody, EarlierVersion};
use tribute_store::artefacts::ArtefactId;

use super::admission::Admission;
use crate::registry::Dated;

/// Most shards of a dataset, in its registry.
const SHARDS_MOST: usize = u16::MAX as usize;

impl Admission {
    /// A version that belongs to the caller: by the chain's registry, if that knows it, otherwise by this server's.
    ///
    /// # Errors
    /// [`Reason::NotFound`] for others; [`Reason::NotAllowed`] for who has transferred it.
    pub(crate) async fn own_version(&self, caller: AccountAddress, id: &[u8]) -> Result<Dated<DatasetBody>> {
        let id: DatasetId = field("dataset_id", id)?;
        let found = self.registry.dataset(id).await?.ok_or_else(|| Problem::not_found("dataset", id))?;
        let registered = found.body.owner;
        match self.owner_now(&found.body).await? {
            owner if owner == caller => Ok(found),
            owner if registered == caller => {
                let message = format!("dataset {id} was transferred to {owner}, who alone can extend and grant it");
                Err(Problem::new(Reason::NotAllowed, message).with("dataset", id).with("owner", owner))
            }
            _ => Err(Problem::not_found("dataset", id)),
        }
    }

    /// A dataset's owner: by the chain that it is registered on, if that is this server's, and otherwise who registered it here.
    pub(super) async fn owner_now(&self, dataset: &DatasetBody) -> Result<AccountAddress> {
        let on_chain = match &self.chain {
            Some(chain) if chain.contracts().datasets() == dataset.target => chain.dataset_owner(dataset.id).await?,
            _ => None,
        };
        Ok(on_chain.unwrap_or(dataset.owner))
    }

    /// The version that work extends, if it names one.
    pub(super) async fn extended(&self, caller: AccountAddress, w: &v1::DatasetWork) -> Result<Option<DatasetBody>> {
        if w.extends.is_empty() {
            return Ok(None);
        }
        let given = [
            ("schema_json", !w.schema_json.is_empty()),
            ("profile", w.profile.is_some()),
            ("context", w.context.is_some()),
            ("terms", w.terms.is_some()),
        ];
        if let Some((name, _)) = given.iter().find(|(_, given)| *given) {
            return Err(Problem::field(name, "leave it out: a dataset has the same in all its versions"));
        }
        let version = self.own_version(caller, &w.extends).await?.body;
        self.registry.check_kept(version.id).await?;
        if let Some(shard) = version.shards.iter().find(|s| s.proof.circuit.srs_digest != self.srs) {
            let message = format!(
                "dataset {} is committed under SRS {}, this server's is {}: register all its records anew",
                version.id, shard.proof.circuit.srs_digest, self.srs
            );
            return Err(Problem::new(Reason::NotReady, message).with("dataset", version.id));
        }
        Ok(Some(version))
    }
}

impl Admission {
    /// Checks that a dataset stays within what circuits and contracts can count.
    pub(super) fn check_size(earlier: Option<&DatasetBody>, records: u64, shards: usize) -> Result<()> {
        let (before, held) = earlier.map_or((0, 0), |version| (version.count, version.shards.len()));
        let (records, shards) = (before + records, held + shards);
        if records >> COUNT_LIMIT_BITS != 0 {
            let message =
                format!("the dataset would have {records} records, at most 2^{COUNT_LIMIT_BITS} - 1 can be counted");
            return Err(Problem::field("records", message).with("records", records));
        }
        if shards > SHARDS_MOST {
            let message =
                format!("the dataset would have {shards} shards, at most {SHARDS_MOST}: use a profile of larger k");
            return Err(Problem::field("records", message).with("shards", shards));
        }
        Ok(())
    }

    /// The part of `version` that an extension's job needs, once its new shards, stored as `added`, are known to be new.
    ///
    /// # Errors
    /// [`Reason::BadRecord`] if a shard stands in the dataset already, which no registry would accept, or the table begins
    /// with all of the dataset's records.
    pub(super) async fn extend(
        &self,
        version: DatasetBody,
        records: &Records,
        added: &[ArtefactId],
    ) -> Result<EarlierVersion> {
        let refused = |message: String| Problem::new(Reason::BadRecord, message).with("dataset", version.id);
        if self.starts_with(&version, records).await? {
            let (n, all) = (version.count, records.len());
            let message = format!(
                "the table begins with the {n} records that dataset {} already has: send only the further ones (`--rows {n}..{all}`)",
                version.id
            );
            return Err(refused(message).with("records", n));
        }
        // equal records of one owner are equal artefacts, and would have equal commitments
        for (j, artefact) in added.iter().enumerate() {
            if let Some(i) = version.shards.iter().position(|shard| shard.records == *artefact) {
                let count = version.shards[i].count;
                let message = format!(
                    "{count} of the table's records are, one by one, those of shard {i} of dataset {}: each shard stands in \
                     one dataset, once",
                    version.id
                );
                return Err(refused(message).with("shard", i));
            }
            if let Some(i) = added[..j].iter().position(|other| other == artefact) {
                let first = version.shards.len();
                let message = format!("the table's records make the same shard twice, {} and {}", first + i, first + j);
                return Err(refused(message));
            }
        }
        Ok(EarlierVersion { id: version.id, root: version.root, shards: version.shards })
    }

    /// Whether records begin with all those of a version, as when the whole table is exported again. What an earlier owner
    /// committed is compared with nothing.
    async fn starts_with(&self, version: &DatasetBody, records: &Records) -> Result<bool> {
        if version.count > records.len() as u64 || version.shards.iter().any(|s| s.owner != version.owner) {
            return Ok(false);
        }
        let mut at = 0;
        for shard in &version.shards {
            let held = self.custody.records(&shard.owner.to_string(), &shard.records).await?;
            if records.slice(at..at + held.len()) != held {
                return Ok(false);
            }
            at += held.len();
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dataset_ends_where_counting_ends() {
        let most = (1 << COUNT_LIMIT_BITS) - 1;
        Admission::check_size(None, most, 1).unwrap();
        assert!(Admission::check_size(None, most + 1, 1).unwrap_err().message.contains("can be counted"));
        Admission::check_size(None, 1, SHARDS_MOST).unwrap();
        assert!(Admission::check_size(None, 1, SHARDS_MOST + 1).unwrap_err().message.contains("65536 shards"));
    }
}
