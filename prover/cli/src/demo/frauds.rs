//! Four frauds. Each is a mined transaction that the contracts reject without moving money, paired with an honest twin that
//! differs in one thing and passes.

use alloy::primitives::B256;
use alloy::sol_types::SolCall;
use serde::Serialize;
use tribute_chain::agents::Gradient;
use tribute_chain::claims::{Claim, SkipReason};
use tribute_chain::{Call, SignedVoucher, Voucher, Wallet};
use tribute_core::hexed::Hex;
use tribute_core::id::{AgentId, DatasetId, WeightsDigest};
use tribute_core::proof::Proof;
use tribute_custody::Custody;
use tribute_problem::{Problem, Reason, Result};
use tribute_service::registry::Registry;
use tribute_steps::child::{Ask, Message, Opening, Request, Task};
use tribute_steps::dataset::SourceBody;
use tribute_steps::gradient::GradientJob;
use tribute_steps::parent::Running;
use tribute_steps::place::{Known, Storage};
use tribute_steps::shape::Target;
use tribute_steps::work::{Outcome, Payload, Work};
use tribute_store::db::Database;

use super::files::Mined;
use super::ledger::Balances;
use super::stage::Stage;

/// Gas limit of a fraud: enough for any proof, so that it never fails for lack of gas.
const GAS: u64 = 8_000_000;

/// A rejected fraud.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Bounced {
    pub(super) name: &'static str,
    /// Name of the contract's error, or of the reason for which it skipped the claim.
    pub(super) error: String,
    pub(super) operands: Vec<(String, String)>,
    pub(super) tx: B256,
    pub(super) status: u8,
    pub(super) balances_unchanged: bool,
    /// The honest twin's transaction.
    pub(super) twin: B256,
}

/// The providers' consent, and the version that it stopped.
pub(super) struct Dilution {
    /// Least shares, in basis points.
    pub(super) least: Vec<u16>,
    /// Shares in the diluted version, the owner's own dataset last.
    pub(super) shares: Vec<f64>,
    pub(super) bounced: Bounced,
}

/// The fraud with a changed label, and its honest twin: the gradient of the true records.
pub(super) struct Changed {
    pub(super) bounced: Bounced,
    pub(super) honest: Mined,
}

impl Stage {
    /// Sends a call that must revert with `error` and leave every balance unchanged.
    async fn bounce<C: SolCall, T>(&self, name: &'static str, error: &str, call: &Call<C, T>) -> Result<Bounced> {
        let wallet = Wallet::new(self.chain(), self.parties.owner.key.clone());
        let before = Balances::read(&self.contracts, &self.parties).await?;
        let failed = call.send_expecting_revert(&wallet, Some(GAS)).await?;
        let after = Balances::read(&self.contracts, &self.parties).await?;
        if failed.revert.name != error || before != after {
            return Err(Problem::internal(format!(
                "{name}: expected {error} and no money moved, got {} (transaction {}, moved: {})",
                failed.revert,
                failed.sent.tx,
                before != after
            )));
        }
        Ok(Bounced {
            name,
            error: failed.revert.name,
            operands: failed.revert.operands,
            tx: failed.sent.tx,
            status: failed.sent.status,
            balances_unchanged: before == after,
            twin: B256::ZERO,
        })
    }

    /// Sends a claim; the contract must skip every slot for this reason and leave every balance unchanged.
    async fn skip(&self, name: &'static str, reason: SkipReason, claim: &Claim) -> Result<Bounced> {
        let wallet = Wallet::new(self.chain(), self.parties.owner.key.clone());
        let before = Balances::read(&self.contracts, &self.parties).await?;
        let done = self.contracts.claim(std::slice::from_ref(claim)).send(&wallet).await?;
        let after = Balances::read(&self.contracts, &self.parties).await?;
        let skipped = &done.event.skipped;
        let as_expected = skipped.len() == claim.vouchers.len()
            && skipped.iter().all(|s| s.reason == reason)
            && done.event.sessions.is_empty();
        if !as_expected || before != after {
            return Err(Problem::internal(format!(
                "{name}: expected {reason:?} and no money moved, got {skipped:?} (transaction {}, moved: {})",
                done.sent.tx,
                before != after
            )));
        }
        Ok(Bounced {
            name,
            error: format!("{reason:?}"),
            operands: skipped.iter().map(|s| ("slot".to_owned(), s.slot.to_string())).collect(),
            tx: done.sent.tx,
            status: done.sent.status,
            balances_unchanged: true,
            twin: B256::ZERO,
        })
    }

    /// The claim's proof with correctly signed vouchers that count one answer too many.
    pub(super) async fn voucher_overcount(&self, claim: &Claim) -> Result<Bounced> {
        let (mut claim, domain) = (claim.clone(), self.contracts.session_domain());
        for (voucher, client) in claim.vouchers.iter_mut().zip(&self.parties.clients) {
            let more = Voucher {
                session: voucher.session(),
                version: voucher.version(),
                count: voucher.count() + 1,
                transcript: voucher.transcript(),
            };
            *voucher = SignedVoucher::sign(&client.session.key, &domain, more)?;
        }
        self.skip("voucher_overcount", SkipReason::OtherCount, &claim).await
    }

    /// Replays the claim.
    pub(super) async fn claim_replayed(&self, claim: &Claim) -> Result<Bounced> {
        self.skip("claim_replayed", SkipReason::StaleTranscript, claim).await
    }

    /// Certifies a version in which a dataset gets less than its grant's least share.
    pub(super) async fn shares_diluted(&self, agent: &AgentId, version: u32, optimum: &Proof) -> Result<Bounced> {
        self.bounce("shares_diluted", "BelowLeastShare", &self.contracts.certify(agent, version, optimum)).await
    }

    /// Submits a gradient over altered records as that of the registered dataset; then the honest gradient.
    pub(super) async fn label_changed(
        &self,
        agent: &AgentId,
        version: u32,
        dataset: DatasetId,
        [altered, honest]: [&Proof; 2],
    ) -> Result<Changed> {
        let add = |proof: &Proof| {
            self.contracts.add_gradients(agent, version, &[Gradient { dataset, shard: 0, proof: proof.clone() }])
        };
        let bounced = self.bounce("label_changed", "WrongRecords", &add(altered)).await?;
        let wallet = Wallet::new(self.chain(), self.parties.owner.key.clone());
        let sent = add(honest).send(&wallet).await?.sent;
        let honest = Mined { tx: sent.tx, gas_used: sent.gas_used };
        Ok(Changed { bounced: Bounced { twin: honest.tx, ..bounced }, honest })
    }
}

/// Proves the gradient of the agent's own weights over another dataset in its first slot.
///
/// The service refuses such work, because the agent was not trained on those records. So this acts as a dishonest operator,
/// who gives its proving process a request that no honest service would make.
pub(super) async fn altered_gradient(
    storage: &Storage,
    stage: &Stage,
    weights: WeightsDigest,
    altered: DatasetId,
) -> Result<Proof> {
    let (database, artefacts) = (Database::open(&storage.database).await?, storage.workplace.artefacts()?);
    let custody = Custody::open(database.clone(), artefacts.clone(), &storage.master_key).await?;
    let registry = Registry::new(database);
    let missing = |what: &str| Problem::internal(format!("the service lost its {what}"));
    let mut agent = registry.agent(weights).await?.ok_or_else(|| missing("agent"))?.body;
    let dataset = registry.dataset(altered).await?.ok_or_else(|| missing("dataset"))?.body;
    let shard = dataset.shards.first().ok_or_else(|| missing("shard"))?;
    let source = agent.sources.first_mut().ok_or_else(|| missing("sources"))?;
    *source = SourceBody {
        dataset: dataset.id,
        root: dataset.root,
        owner: shard.owner,
        shard: 0,
        digest: shard.digest,
        count: shard.count,
        records: shard.records.clone(),
    };
    let domain = stage.contracts.agent_domain();
    let target = Target { chain_id: domain.chain_id, contract: Hex(domain.contract) };
    let work = Work::Gradient(GradientJob { agent: agent.into(), slot: 0, target });
    let loan = custody.lend(work.tenants().iter().map(String::as_str)).await?;
    let task = Task {
        job: "label_changed".into(),
        payload: Payload { srs: None, work },
        loan,
        needed: Vec::new(),
        trace: None,
    };
    let request =
        Request { task: Some(task), workplace: storage.workplace.clone(), known: Known::default(), memory_mb: None };
    match work_through(request, &custody).await? {
        Outcome::Gradient(gradient) => gradient.proof.load(&artefacts).await,
        _ => Err(Problem::internal("the proving process returned another kind of outcome")),
    }
}

/// Runs a request in a proving process.
async fn work_through(request: Request, custody: &Custody) -> Result<Outcome> {
    let mut child = Running::start(&std::env::current_exe()?, &request.workplace, None)?;
    child.tell(&Opening::Work(Box::new(request))).await?;
    while let Some(message) = child.next().await {
        match message {
            Message::Done(outcome) => return Ok(*outcome),
            Message::Failed(problem) | Message::Unfit(problem) => return Err(problem),
            Message::Ask(Ask::Open(charges)) => {
                child.answer(&custody.count_openings(&charges).await.map(|()| None)).await?;
            }
            Message::Ask(Ask::Find { .. } | Ask::Keep { .. }) => child.answer(&Ok(None)).await?,
            Message::Progress(_) | Message::Keys(..) | Message::Fit => {}
        }
    }
    Err(Problem::new(Reason::WorkerLost, "the proving process ended without a result"))
}
