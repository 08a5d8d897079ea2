//! Datasets: registration, grants, views.

use alloy::primitives::{Address, U256};
use tribute_core::id::{DatasetId, LayoutHash};
use tribute_core::proof::Proof;

use crate::abi::IDatasetRegistry::ShardProof;
use crate::abi::{bytes, inputs, word, IDatasetRegistry as Abi};
use crate::call::Call;
use crate::contracts::Contracts;
use crate::error::Result;

pub use crate::abi::IDatasetRegistry::{Dataset, DatasetRegistered, Grant, RegisterParams, TrainingGranted};

impl Contracts {
    /// Registers a dataset for the sender; one proof for each shard.
    pub fn register_dataset(
        &self,
        params: RegisterParams,
        shards: &[Proof],
    ) -> Call<Abi::registerCall, DatasetRegistered> {
        let action = format!("register a dataset of {} shard(s)", shards.len());
        let shard = |p: &Proof| ShardProof { circuitId: word(&p.circuit), inputs: inputs(p), proof: bytes(p) };
        let shards = shards.iter().map(shard).collect();
        self.call(self.datasets_at(), action, &Abi::registerCall { params, shards }, |e| e.one())
    }

    /// Lets `grantee` propose `uses` agent versions on the dataset until `expiry` (Unix seconds); 0 uses takes it back.
    pub fn grant_training(
        &self,
        dataset: &DatasetId,
        grantee: Address,
        uses: u64,
        expiry: u64,
    ) -> Call<Abi::grantTrainingCall, TrainingGranted> {
        let call = Abi::grantTrainingCall { datasetId: word(dataset), grantee, uses, expiry };
        let action = format!("grant {grantee} {uses} training(s) on dataset {dataset}");
        self.call(self.datasets_at(), action, &call, |e| e.one())
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
    ) -> Call<Abi::grantTrainingCall, TrainingGranted> {
        let from_zero = Abi::grantTrainingCall { datasetId: word(dataset), grantee, uses, expiry: seconds };
        self.grant_training(dataset, grantee, uses, now.saturating_add(seconds)).identified_as(&from_zero)
    }

    /// A dataset; reverts with `UnknownDataset`.
    pub async fn dataset(&self, dataset: &DatasetId) -> Result<Dataset> {
        self.chain.read(self.datasets_at(), &Abi::datasetCall { datasetId: word(dataset) }).await
    }

    /// A dataset, `None` if there is none of this id.
    pub async fn find_dataset(&self, dataset: &DatasetId) -> Result<Option<Dataset>> {
        Self::known(self.dataset(dataset).await, "UnknownDataset")
    }

    /// A grant as it stands, expired or not.
    pub async fn training_grant(&self, dataset: &DatasetId, grantee: Address) -> Result<Grant> {
        self.chain.read(self.datasets_at(), &Abi::trainingGrantCall { datasetId: word(dataset), grantee }).await
    }

    /// Whether `account` may propose an agent version on the dataset now.
    pub async fn may_train(&self, dataset: &DatasetId, account: Address) -> Result<bool> {
        self.chain.read(self.datasets_at(), &Abi::mayTrainCall { datasetId: word(dataset), account }).await
    }

    /// The context that a shard's proof must carry, as the contract computes it.
    pub async fn shard_context(
        &self,
        owner: Address,
        params: RegisterParams,
        layout: &LayoutHash,
        shard: u32,
        shards: u32,
        records: u64,
    ) -> Result<U256> {
        let layout = word(layout);
        let call =
            Abi::shardContextCall { owner, params, layoutHash: layout, shardIndex: shard, shardCount: shards, records };
        self.chain.read(self.datasets_at(), &call).await
    }

    fn datasets_at(&self) -> Address {
        self.deployment.dataset_registry.address
    }
}
