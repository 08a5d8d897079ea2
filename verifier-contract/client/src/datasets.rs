//! Datasets: registration, grants, views.

use alloy::primitives::{Address, U256};
use tribute_core::context::Terms;
use tribute_core::id::{DatasetId, LayoutHash, SchemaId, ShardDigest, SrsDigest};
use tribute_core::proof::Proof;

use crate::abi::IDatasetRegistry::ShardProof;
use crate::abi::{bytes, inputs, word, IDatasetRegistry as Abi};
use crate::call::Call;
use crate::contracts::Contracts;
use crate::error::Result;
use crate::state::GrantState;

/// What a provider registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewDataset {
    /// What its records look like.
    pub schema: SchemaId,
    /// Under which terms it may train agents.
    pub terms: Terms,
}

impl NewDataset {
    fn params(&self) -> Abi::RegisterParams {
        Abi::RegisterParams {
            schemaId: word(&self.schema),
            minDataBps: self.terms.min_data_bps,
            openTraining: self.terms.open_training,
        }
    }
}

/// A dataset that was registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Its id.
    pub dataset: DatasetId,
    /// Its owner.
    pub owner: Address,
    /// Records in all.
    pub records: u64,
}

/// A dataset as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// Its owner.
    pub owner: Address,
    /// What its records look like.
    pub schema: SchemaId,
    /// Rows and columns.
    pub layout: LayoutHash,
    /// What its shards are committed under.
    pub srs: SrsDigest,
    /// Its terms.
    pub terms: Terms,
    /// Records in all.
    pub records: u64,
    /// Its shards, in order.
    pub shards: Vec<ShardDigest>,
}

impl Contracts {
    /// Registers a dataset for the sender; one proof for each shard.
    pub fn register_dataset(&self, new: &NewDataset, shards: &[Proof]) -> Call<Abi::registerCall, Registered> {
        let action = format!("register a dataset of {} shard(s)", shards.len());
        let shard = |p: &Proof| ShardProof { circuitId: word(&p.circuit), inputs: inputs(p), proof: bytes(p) };
        let shards = shards.iter().map(shard).collect();
        self.call(self.datasets_at(), action, &Abi::registerCall { params: new.params(), shards }, |e| {
            let e: Abi::DatasetRegistered = e.one()?;
            Ok(Registered { dataset: DatasetId::new(e.datasetId.0), owner: e.owner, records: e.records })
        })
    }

    /// Lets `grantee` propose `uses` agent versions on the dataset until `expiry` (Unix seconds); 0 uses takes it back.
    pub fn grant_training(
        &self,
        dataset: &DatasetId,
        grantee: Address,
        uses: u64,
        expiry: u64,
    ) -> Call<Abi::grantTrainingCall, GrantState> {
        let call = Abi::grantTrainingCall { datasetId: word(dataset), grantee, uses, expiry };
        let action = format!("grant {grantee} {uses} training(s) on dataset {dataset}");
        self.call(self.datasets_at(), action, &call, |e| {
            e.one().map(|e: Abi::TrainingGranted| GrantState { uses: e.uses, expiry: e.expiry })
        })
    }

    /// [`Contracts::grant_training`] from `now` on for `seconds`. In a journal, the same grant from another time on is
    /// the same call.
    pub fn grant_training_for(
        &self,
        dataset: &DatasetId,
        grantee: Address,
        uses: u64,
        now: u64,
        seconds: u64,
    ) -> Call<Abi::grantTrainingCall, GrantState> {
        let from_zero = Abi::grantTrainingCall { datasetId: word(dataset), grantee, uses, expiry: seconds };
        self.grant_training(dataset, grantee, uses, now.saturating_add(seconds)).identified_as(&from_zero)
    }

    /// A dataset; reverts with `UnknownDataset`.
    pub async fn dataset(&self, dataset: &DatasetId) -> Result<Dataset> {
        let d = self.chain.read(self.datasets_at(), &Abi::datasetCall { datasetId: word(dataset) }).await?;
        Ok(Dataset {
            owner: d.owner,
            schema: SchemaId::new(d.schemaId.0),
            layout: LayoutHash::new(d.layoutHash.0),
            srs: SrsDigest::new(d.srsDigest.0),
            terms: Terms { min_data_bps: d.minDataBps, open_training: d.openTraining },
            records: d.records,
            shards: d.shardDigests.iter().map(|digest| ShardDigest::new(digest.0)).collect(),
        })
    }

    /// A dataset, `None` if there is none of this id.
    pub async fn find_dataset(&self, dataset: &DatasetId) -> Result<Option<Dataset>> {
        Self::known(self.dataset(dataset).await, "UnknownDataset")
    }

    /// A grant as it stands, expired or not.
    pub async fn training_grant(&self, dataset: &DatasetId, grantee: Address) -> Result<GrantState> {
        let call = Abi::trainingGrantCall { datasetId: word(dataset), grantee };
        let grant = self.chain.read(self.datasets_at(), &call).await?;
        Ok(GrantState { uses: grant.uses, expiry: grant.expiry })
    }

    /// Whether `account` may propose an agent version on the dataset now.
    pub async fn may_train(&self, dataset: &DatasetId, account: Address) -> Result<bool> {
        self.chain.read(self.datasets_at(), &Abi::mayTrainCall { datasetId: word(dataset), account }).await
    }

    /// The context that a shard's proof must carry, as the contract computes it.
    pub async fn shard_context(
        &self,
        owner: Address,
        new: &NewDataset,
        layout: &LayoutHash,
        shard: u32,
        shards: u32,
        records: u64,
    ) -> Result<U256> {
        let layout = word(layout);
        let call = Abi::shardContextCall {
            owner,
            params: new.params(),
            layoutHash: layout,
            shardIndex: shard,
            shardCount: shards,
            records,
        };
        self.chain.read(self.datasets_at(), &call).await
    }

    fn datasets_at(&self) -> Address {
        self.deployment.dataset_registry.address
    }
}
