//! Datasets: registration, growth, grants, views.

use alloy::primitives::{Address, U256};
use tribute_core::id::{DatasetId, LayoutHash, ShardDigest};
use tribute_core::proof::Proof;

use crate::abi::IDatasetRegistry::ShardProof;
use crate::abi::{bytes, inputs, word, IDatasetRegistry as Abi};
use crate::call::Call;
use crate::contracts::Contracts;
use crate::error::Result;

pub use crate::abi::IDatasetRegistry::{
    Dataset, DatasetExtended, DatasetRegistered, Grant, GrantTerms, RegisterParams, Terms, TrainingGranted,
};

impl From<tribute_core::context::Terms> for Terms {
    fn from(terms: tribute_core::context::Terms) -> Self {
        Terms {
            minDataBps: terms.min_data_bps,
            openTraining: terms.open_training,
            minShareBps: terms.min_share_bps,
            minPricePerQuery: terms.min_price,
            links: terms.links,
        }
    }
}

impl From<Terms> for tribute_core::context::Terms {
    fn from(terms: Terms) -> Self {
        tribute_core::context::Terms {
            min_data_bps: terms.minDataBps,
            open_training: terms.openTraining,
            min_share_bps: terms.minShareBps,
            min_price: terms.minPricePerQuery,
            links: terms.links,
        }
    }
}

fn shard_proof(proof: &Proof) -> ShardProof {
    ShardProof { inputs: inputs(proof), proof: bytes(proof) }
}

impl Contracts {
    /// Registers a dataset for the sender; one proof for each shard.
    pub fn register_dataset(
        &self,
        params: RegisterParams,
        shards: &[Proof],
    ) -> Call<Abi::registerCall, DatasetRegistered> {
        let action = format!("register a dataset of {} shard(s)", shards.len());
        let shards = shards.iter().map(shard_proof).collect();
        self.call(self.datasets_at(), action, &Abi::registerCall { params, shards }, |e| e.one())
    }

    /// Adds shards to the latest version of a dataset of the sender's: its next version.
    pub fn extend_dataset(&self, previous: &DatasetId, shards: &[Proof]) -> Call<Abi::extendCall, DatasetExtended> {
        let action = format!("extend dataset {previous} by {} shard(s)", shards.len());
        let call = Abi::extendCall { previousId: word(previous), shards: shards.iter().map(shard_proof).collect() };
        self.call(self.datasets_at(), action, &call, |e| e.one())
    }

    /// Lets `grantee` list the dataset in agent versions on these terms, in place of any grant before; 0 uses takes it
    /// back.
    pub fn grant_training(
        &self,
        dataset: &DatasetId,
        grantee: Address,
        terms: GrantTerms,
    ) -> Call<Abi::grantTrainingCall, TrainingGranted> {
        let action = format!("grant {grantee} {} training(s) on dataset {dataset}", terms.uses);
        let call = Abi::grantTrainingCall { datasetId: word(dataset), grantee, terms };
        self.call(self.datasets_at(), action, &call, |e| e.one())
    }

    /// [`Contracts::grant_training`] whose `expiry` is so many seconds from `now` on. In a journal, the same grant from
    /// another time on is the same call.
    pub fn grant_training_for(
        &self,
        dataset: &DatasetId,
        grantee: Address,
        terms: GrantTerms,
        now: u64,
    ) -> Call<Abi::grantTrainingCall, TrainingGranted> {
        let from_zero = Abi::grantTrainingCall { datasetId: word(dataset), grantee, terms: terms.clone() };
        let from_now = GrantTerms { expiry: now.saturating_add(terms.expiry), ..terms };
        self.grant_training(dataset, grantee, from_now).identified_as(&from_zero)
    }

    /// A dataset; reverts with `UnknownDataset`.
    pub async fn dataset(&self, dataset: &DatasetId) -> Result<Dataset> {
        self.chain.read(self.datasets_at(), &Abi::datasetCall { datasetId: word(dataset) }).await
    }

    /// A dataset, `None` if there is none of this id.
    pub async fn find_dataset(&self, dataset: &DatasetId) -> Result<Option<Dataset>> {
        Self::known(self.dataset(dataset).await, "UnknownDataset")
    }

    /// The digests of a dataset's shards, in order; reverts with `UnknownDataset`.
    pub async fn shard_digests(&self, dataset: &DatasetId) -> Result<Vec<ShardDigest>> {
        let call = Abi::shardDigestsCall { datasetId: word(dataset) };
        let digests = self.chain.read(self.datasets_at(), &call).await?;
        Ok(digests.into_iter().map(|digest| ShardDigest::new(digest.0)).collect())
    }

    /// A grant as it stands, expired or not.
    pub async fn training_grant(&self, dataset: &DatasetId, grantee: Address) -> Result<Grant> {
        self.chain.read(self.datasets_at(), &Abi::trainingGrantCall { datasetId: word(dataset), grantee }).await
    }

    /// Whether `account` may list the dataset in an agent version now, if link, price and data's part suit.
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
        records: u64,
    ) -> Result<U256> {
        let layout = word(layout);
        let call = Abi::shardContextCall { owner, params, layoutHash: layout, shardIndex: shard, records };
        self.chain.read(self.datasets_at(), &call).await
    }

    fn datasets_at(&self) -> Address {
        self.deployment.dataset_registry.address
    }
}
