//! Datasets: registration, growth, grants, views.

use alloy::primitives::{Address, U256};
use tribute_core::context::Terms;
use tribute_core::digest::Digest;
use tribute_core::id::{CircuitId, DatasetId, LayoutHash, SchemaId, ShardDigest, SrsDigest};
use tribute_core::proof::Proof;

use crate::abi::IDatasetRegistry::ShardProof;
use crate::abi::{bytes, digest, inputs, word, IDatasetRegistry as Abi};
use crate::call::Call;
use crate::contracts::Contracts;
use crate::error::Result;
use crate::state::GrantState;

impl From<Terms> for Abi::Terms {
    fn from(terms: Terms) -> Self {
        Abi::Terms {
            minDataBps: terms.min_data_bps,
            openTraining: terms.open_training,
            minShareBps: terms.min_share_bps,
            minPricePerQuery: terms.min_price,
            links: terms.links,
        }
    }
}

impl From<Abi::Terms> for Terms {
    fn from(terms: Abi::Terms) -> Self {
        Terms {
            min_data_bps: terms.minDataBps,
            open_training: terms.openTraining,
            min_share_bps: terms.minShareBps,
            min_price: terms.minPricePerQuery,
            links: terms.links,
        }
    }
}

/// A dataset to register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewDataset {
    /// Schema of its records.
    pub schema: SchemaId,
    /// Circuit of its shard proofs.
    pub circuit: CircuitId,
    /// The terms for training on it.
    pub terms: Terms,
}

impl NewDataset {
    pub(crate) fn params(&self) -> Abi::RegisterParams {
        Abi::RegisterParams { schemaId: word(&self.schema), circuitId: word(&self.circuit), terms: self.terms.into() }
    }
}

/// A dataset that was registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Its id.
    pub dataset: DatasetId,
    /// Its owner.
    pub owner: Address,
    /// Total number of records.
    pub records: u64,
}

/// The next version of a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extended {
    /// Its id.
    pub dataset: DatasetId,
    /// Id of the first version.
    pub root: DatasetId,
    /// Total number of records, including those of earlier versions.
    pub records: u64,
}

/// Current state of a dataset version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// Its current owner.
    pub owner: Address,
    /// Id of its first version.
    pub root: DatasetId,
    /// Schema of its records.
    pub schema: SchemaId,
    /// Circuit that admitted it.
    pub circuit: CircuitId,
    /// Hash of its layout.
    pub layout: LayoutHash,
    /// Digest of the SRS of its commitments.
    pub srs: SrsDigest,
    /// Its terms.
    pub terms: Terms,
    /// Total number of records.
    pub records: u64,
    /// Number of its shards; see [`Contracts::shard_digests`] for their digests.
    pub shards: u32,
}

/// What a dataset's owner grants to an owner of agents. The stricter of these and the dataset's own terms apply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GrantTerms {
    /// Number of agent versions that may still list the dataset.
    pub uses: u32,
    /// Unix time in seconds, inclusive, until which it is valid.
    pub expiry: u64,
    /// Links allowed, as in [`Terms`]; 0 allows all that the terms allow.
    pub links: u8,
    /// Least share of what goes to data providers, in basis points.
    pub min_share_bps: u16,
    /// Least part of the fees that goes to data providers, in basis points.
    pub min_data_bps: u16,
    /// Least price of a query, token units.
    pub min_price: u128,
    /// Whether it covers later versions of the dataset than the one named.
    pub covers_later: bool,
    /// Hash of the list that the agent version must have ([`tribute_core::context::list_hash`]), `None` for any.
    pub participants: Option<Digest>,
}

impl From<GrantTerms> for Abi::GrantTerms {
    fn from(terms: GrantTerms) -> Self {
        Abi::GrantTerms {
            uses: terms.uses,
            expiry: terms.expiry,
            links: terms.links,
            minShareBps: terms.min_share_bps,
            minDataBps: terms.min_data_bps,
            minPricePerQuery: terms.min_price,
            coversLater: terms.covers_later,
            participants: terms.participants.unwrap_or_default().into(),
        }
    }
}

impl From<Abi::GrantTerms> for GrantTerms {
    fn from(terms: Abi::GrantTerms) -> Self {
        GrantTerms {
            uses: terms.uses,
            expiry: terms.expiry,
            links: terms.links,
            min_share_bps: terms.minShareBps,
            min_data_bps: terms.minDataBps,
            min_price: terms.minPricePerQuery,
            covers_later: terms.coversLater,
            participants: digest(terms.participants),
        }
    }
}

/// Current state of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// What was granted; `uses` is the number left.
    pub terms: GrantTerms,
    /// Number of shards of the dataset version that it names.
    pub shards: u32,
    /// Counts the grants to this account.
    pub serial: u32,
}

pub(crate) fn shard_proof(proof: &Proof) -> ShardProof {
    ShardProof { inputs: inputs(proof), proof: bytes(proof) }
}

impl Contracts {
    /// Registers a dataset for the sender; one proof for each shard.
    pub fn register_dataset(&self, new: &NewDataset, shards: &[Proof]) -> Call<Abi::registerCall, Registered> {
        let action = format!("register a dataset of {} shard(s)", shards.len());
        let shards = shards.iter().map(shard_proof).collect();
        self.call(self.datasets_at(), action, &Abi::registerCall { params: new.params(), shards }, |e| {
            let e: Abi::DatasetRegistered = e.one()?;
            Ok(Registered { dataset: DatasetId::new(e.datasetId.0), owner: e.owner, records: e.records })
        })
    }

    /// Adds shards to the latest version of the sender's dataset, which creates its next version.
    pub fn extend_dataset(&self, previous: &DatasetId, shards: &[Proof]) -> Call<Abi::extendCall, Extended> {
        let action = format!("extend dataset {previous} by {} shard(s)", shards.len());
        let call = Abi::extendCall { previousId: word(previous), shards: shards.iter().map(shard_proof).collect() };
        self.call(self.datasets_at(), action, &call, |e| {
            let e: Abi::DatasetExtended = e.one()?;
            let (dataset, root) = (DatasetId::new(e.datasetId.0), DatasetId::new(e.root.0));
            Ok(Extended { dataset, root, records: e.records })
        })
    }

    /// Lets `grantee` list the dataset in agent versions on these terms, replacing any previous grant; 0 uses revokes
    /// it.
    pub fn grant_training(
        &self,
        dataset: &DatasetId,
        grantee: Address,
        terms: GrantTerms,
    ) -> Call<Abi::grantTrainingCall, GrantState> {
        let action = format!("grant {grantee} {} training(s) on dataset {dataset}", terms.uses);
        let call = Abi::grantTrainingCall { datasetId: word(dataset), grantee, terms: terms.into() };
        self.call(self.datasets_at(), action, &call, |e| {
            let e: Abi::TrainingGranted = e.one()?;
            Ok(GrantState { uses: e.terms.uses, expiry: e.terms.expiry, serial: e.serial })
        })
    }

    /// [`Contracts::grant_training`] with `expiry` given in seconds from `now`. A journal identifies the call
    /// independently of `now`.
    pub fn grant_training_for(
        &self,
        dataset: &DatasetId,
        grantee: Address,
        terms: GrantTerms,
        now: u64,
    ) -> Call<Abi::grantTrainingCall, GrantState> {
        let from_zero = Abi::grantTrainingCall { datasetId: word(dataset), grantee, terms: terms.into() };
        let from_now = GrantTerms { expiry: now.saturating_add(terms.expiry), ..terms };
        self.grant_training(dataset, grantee, from_now).identified_as(&from_zero)
    }

    /// A dataset; reverts with `UnknownDataset`.
    pub async fn dataset(&self, dataset: &DatasetId) -> Result<Dataset> {
        let d = self.chain.read(self.datasets_at(), &Abi::datasetCall { datasetId: word(dataset) }).await?;
        Ok(Dataset {
            owner: d.owner,
            root: DatasetId::new(d.root.0),
            schema: SchemaId::new(d.schemaId.0),
            circuit: CircuitId::new(d.circuitId.0),
            layout: LayoutHash::new(d.layoutHash.0),
            srs: SrsDigest::new(d.srsDigest.0),
            terms: d.terms.into(),
            records: d.records,
            shards: d.shards,
        })
    }

    /// A dataset; `None` if there is none of this id.
    pub async fn find_dataset(&self, dataset: &DatasetId) -> Result<Option<Dataset>> {
        Self::known(self.dataset(dataset).await, "UnknownDataset")
    }

    /// The digests of a dataset's shards, in order; reverts with `UnknownDataset`.
    pub async fn shard_digests(&self, dataset: &DatasetId) -> Result<Vec<ShardDigest>> {
        let call = Abi::shardDigestsCall { datasetId: word(dataset) };
        let digests = self.chain.read(self.datasets_at(), &call).await?;
        Ok(digests.into_iter().map(|digest| ShardDigest::new(digest.0)).collect())
    }

    /// Current state of a grant, expired or not.
    pub async fn training_grant(&self, dataset: &DatasetId, grantee: Address) -> Result<Grant> {
        let call = Abi::trainingGrantCall { datasetId: word(dataset), grantee };
        let grant = self.chain.read(self.datasets_at(), &call).await?;
        Ok(Grant { terms: grant.terms.into(), shards: grant.shards, serial: grant.serial })
    }

    /// Whether `account` may list the dataset in an agent version now, provided that link, price and data's part are
    /// acceptable.
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
        records: u64,
    ) -> Result<U256> {
        let (params, layout) = (new.params(), word(layout));
        let call = Abi::shardContextCall { owner, params, layoutHash: layout, shardIndex: shard, records };
        self.chain.read(self.datasets_at(), &call).await
    }

    pub(crate) fn datasets_at(&self) -> Address {
        self.deployment.dataset_registry.address
    }
}
