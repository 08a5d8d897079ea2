//! The commands of `tribute chain`.

use clap::Subcommand;

use super::{
    agent, cost, data, evaluation, export, find, guard, money, own, relay, session, sign, status, version, watch,
    withdraw,
};
use crate::CommandResult;

#[derive(Debug, Subcommand)]
pub(crate) enum ChainCommand {
    /// Deploy the contracts and write where they stand. Interrupted, the same command goes on where it stopped.
    Deploy(money::DeployArgs),
    /// What stands on chain: contracts compared with the local build, circuits, datasets, agents, sessions, money.
    Status(status::StatusArgs),
    /// Report every event of the contracts as it happens, and every one that a reorganisation removes.
    Watch(watch::WatchArgs),
    /// Write what happened between two blocks as tables, CSV and JSON: grants, certificates, payments.
    Export(export::ExportArgs),
    /// What the transactions made here would cost on another chain.
    Cost(cost::CostArgs),
    /// Mint test tokens (only with the test token).
    Mint(money::MintArgs),
    /// Send the chain's coin, for gas.
    Fund(money::FundArgs),
    /// Token balances, and what the escrow contract holds.
    Balance(money::BalanceArgs),
    /// Register a proven dataset, as `tribute dataset register` wrote it.
    RegisterDataset(data::RegisterArgs),
    /// Add a dataset's further shards: its next version.
    ExtendDataset(data::ExtendArgs),
    /// Show a dataset: its owner, its terms, and what each grant comes to.
    Dataset(data::ShowArgs),
    /// Let an agent owner train on a dataset, in place of any grant to that account before.
    Grant(data::GrantArgs),
    /// Take a grant back. Versions that listed the dataset keep it.
    Revoke(data::RevokeArgs),
    /// Create an agent.
    CreateAgent(agent::CreateArgs),
    /// Say where clients find an agent and what it does, in place of what was said before.
    SetMetadata(find::SetMetadataArgs),
    /// Find agents to ask: what they cost, who serves them, where they stand.
    FindAgents(find::FindArgs),
    /// Show an agent: what its owner says of it, what it costs, its versions.
    Agent(find::ShowArgs),
    /// Propose a version of an agent: its weights, datasets, circuits and terms.
    ProposeVersion(agent::ProposeArgs),
    /// List further datasets in a draft.
    AddDatasets(version::AddDatasetsArgs),
    /// Make a draft's list final.
    CloseVersion(version::StepArgs),
    /// Stand by a closed version that an earlier owner of the agent proposed: without that it is not certified.
    AdoptVersion(version::StepArgs),
    /// Show a version: what it lists, what is missing, why it could not be certified now.
    Version(version::ShowArgs),
    /// Give up a version that is not certified, and give its uses of grants back. Run it again to give back what is left.
    AbandonVersion(version::StepArgs),
    /// Bring the gradient proofs of a version.
    SubmitGradients(agent::GradientsArgs),
    /// Bring the optimum proof: the version is certified.
    Certify(agent::CertifyArgs),
    /// Bring the proofs of an evaluation: contracts can read the accuracy then.
    SubmitEvaluation(evaluation::EvaluationArgs),
    /// Open a prepaid session with an agent version.
    OpenSession(session::OpenArgs),
    /// Show a session.
    Session(session::ShowArgs),
    /// Add to a session's escrow; anybody may.
    TopUp(session::TopUpArgs),
    /// Ask for a session's escrow back, or a part of it, after the thaw period.
    Thaw(session::ThawArgs),
    /// Take a request for a thaw back.
    CancelThaw(session::CloseArgs),
    /// Take back what has thawed of a session's escrow.
    Refund(session::CloseArgs),
    /// Claim the fees of proven answers, as `tribute claim prove` wrote them.
    Claim(session::ClaimArgs),
    /// Take what you earned: everything that your datasets and agents are owed, or what one of them is.
    Withdraw(withdraw::WithdrawArgs),
    /// Say where a dataset's rewards or an agent's fees go.
    Payout(own::PayoutArgs),
    /// Offer a dataset, an agent or the escrow contract to a new owner.
    Transfer(own::TransferArgs),
    /// Accept what was offered to you.
    Accept(own::AcceptArgs),
    /// Sign a message that somebody else brings to the chain: no coin is needed. It is written to a file.
    #[command(subcommand)]
    Sign(sign::SignCommand),
    /// Bring signed messages to the chain, after checking them.
    Relay(relay::RelayArgs),
    /// Take the nonce of a signed message back: it counts no more.
    CancelNonce(relay::CancelNonceArgs),
    /// Stop a circuit for good; only the guardian. There is no way back: a circuit that differs takes its place.
    Stop(guard::StopArgs),
    /// Stop a circuit for good, by a proof of it that no sound circuit has; anybody.
    StopUnsound(guard::StopUnsoundArgs),
    /// Pause new sessions and top-ups; only the escrow contract's owner. Claims and refunds go on.
    Pause(guard::PauseArgs),
    /// Allow new sessions again.
    Unpause(guard::PauseArgs),
    #[command(subcommand)]
    Timelock(guard::TimelockCommand),
}

pub(crate) async fn run(command: ChainCommand) -> CommandResult {
    match command {
        ChainCommand::Deploy(a) => money::deploy(a).await,
        ChainCommand::Export(a) => export::run(a).await,
        ChainCommand::Cost(a) => cost::run(a).await,
        ChainCommand::Mint(a) => money::mint(a).await,
        ChainCommand::Fund(a) => money::fund(a).await,
        ChainCommand::Balance(a) => money::balance(a).await,
        ChainCommand::RegisterDataset(a) => data::register(a).await,
        ChainCommand::ExtendDataset(a) => data::extend(a).await,
        ChainCommand::Dataset(a) => data::show(a).await,
        ChainCommand::Grant(a) => data::grant(a).await,
        ChainCommand::Revoke(a) => data::revoke(a).await,
        ChainCommand::CreateAgent(a) => agent::create(a).await,
        ChainCommand::SetMetadata(a) => find::set_metadata(a).await,
        ChainCommand::FindAgents(a) => find::find(a).await,
        ChainCommand::Agent(a) => find::show(a).await,
        ChainCommand::ProposeVersion(a) => agent::propose(a).await,
        ChainCommand::AddDatasets(a) => version::add_datasets(a).await,
        ChainCommand::CloseVersion(a) => version::close(a).await,
        ChainCommand::AdoptVersion(a) => version::adopt(a).await,
        ChainCommand::Version(a) => version::show(a).await,
        ChainCommand::AbandonVersion(a) => version::abandon(a).await,
        ChainCommand::SubmitGradients(a) => agent::gradients(a).await,
        ChainCommand::Certify(a) => agent::certify(a).await,
        ChainCommand::SubmitEvaluation(a) => evaluation::submit_evaluation(a).await,
        ChainCommand::OpenSession(a) => session::open(a).await,
        ChainCommand::Session(a) => session::show(a).await,
        ChainCommand::TopUp(a) => session::top_up(a).await,
        ChainCommand::Thaw(a) => session::thaw(a).await,
        ChainCommand::CancelThaw(a) => session::cancel_thaw(a).await,
        ChainCommand::Refund(a) => session::refund(a).await,
        ChainCommand::Claim(a) => session::claim(a).await,
        ChainCommand::Withdraw(a) => withdraw::run(a).await,
        ChainCommand::Payout(a) => own::payout(a).await,
        ChainCommand::Transfer(a) => own::transfer(a).await,
        ChainCommand::Accept(a) => own::accept(a).await,
        ChainCommand::Sign(command) => sign::run(command).await,
        ChainCommand::Relay(a) => relay::run(a).await,
        ChainCommand::CancelNonce(a) => relay::cancel_nonce(a).await,
        ChainCommand::Stop(a) => guard::stop(a).await,
        ChainCommand::StopUnsound(a) => guard::stop_unsound(a).await,
        ChainCommand::Pause(a) => guard::pause(a).await,
        ChainCommand::Unpause(a) => guard::unpause(a).await,
        ChainCommand::Timelock(command) => guard::timelock(command).await,
        ChainCommand::Status(a) => status::run(a).await,
        ChainCommand::Watch(a) => watch::run(a).await,
    }
}

#[cfg(test)]
mod tests {
    use alloy::json_abi::StateMutability;
    use tribute_chain::abi::{
        IAgentRegistry, ICircuitTimelock, IDatasetRegistry, IEvaluations, IProofGate, ISessionEscrow,
    };

    /// The page says of every function that changes something which command reaches it, or why none does.
    #[test]
    fn every_function_that_changes_something_is_on_the_page() {
        let page = include_str!("../../../../docs/chain.md");
        let contracts = [
            ("ProofGate", IProofGate::abi::contract()),
            ("DatasetRegistry", IDatasetRegistry::abi::contract()),
            ("AgentRegistry", IAgentRegistry::abi::contract()),
            ("SessionEscrow", ISessionEscrow::abi::contract()),
            ("Evaluations", IEvaluations::abi::contract()),
            ("CircuitTimelock", ICircuitTimelock::abi::contract()),
        ];
        for (contract, abi) in contracts {
            let row = page.lines().filter(|line| line.starts_with(&format!("| `{contract}` |")));
            let rows: Vec<&str> = row.collect();
            let reads = [StateMutability::View, StateMutability::Pure];
            for function in abi.functions().filter(|f| !reads.contains(&f.state_mutability)) {
                let named = format!("`{}`", function.name);
                assert!(rows.iter().any(|row| row.contains(&named)), "{contract}.{} is on no row", function.name);
            }
        }
    }
}
