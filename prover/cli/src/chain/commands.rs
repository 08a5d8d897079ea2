//! The commands of `tribute chain`.

use clap::Subcommand;

use super::{
    agent, check, cost, data, draw, evaluation, export, find, guard, money, node, own, relay, session, sign, status,
    version, watch, weights, withdraw,
};
use crate::CommandResult;

#[derive(Debug, Subcommand)]
pub(crate) enum ChainCommand {
    /// Deploy the contracts and write their addresses to a file. If interrupted, run it again to continue.
    Deploy(money::DeployArgs),
    /// Show the state on chain: contracts compared with the local build, circuits, datasets, agents, sessions, money.
    Status(status::StatusArgs),
    /// Report the contracts' events as they happen, and every event that a reorganisation removes.
    Watch(watch::WatchArgs),
    /// Write the events between two blocks as tables, in CSV and JSON: datasets, grants, certificates, payments.
    Export(export::ExportArgs),
    /// Estimate what this chain's transactions would cost on another chain.
    Cost(cost::CostArgs),
    /// Mint test tokens (only with the test token).
    Mint(money::MintArgs),
    /// Send the chain's coin, for gas. Where there is a file with the contracts' addresses, on their chain only.
    Fund(money::FundArgs),
    /// Show token balances and the escrow contract's holdings.
    Balance(money::BalanceArgs),
    /// Register a proven dataset, as `tribute dataset register` wrote it.
    RegisterDataset(data::RegisterArgs),
    /// Add further shards to a dataset as its next version.
    ExtendDataset(data::ExtendArgs),
    /// Show a dataset: its owner, its terms, and the effective terms of each grant.
    Dataset(data::ShowArgs),
    /// Let an agent owner train on a dataset; replaces any earlier grant to that account.
    Grant(data::GrantArgs),
    /// Revoke a grant. Versions that already listed the dataset keep it.
    Revoke(data::RevokeArgs),
    /// Create an agent.
    CreateAgent(agent::CreateArgs),
    /// Set an agent's metadata: its service and description. Replaces the earlier metadata.
    SetMetadata(find::SetMetadataArgs),
    /// Find agents to query: price, service and certification.
    FindAgents(find::FindArgs),
    /// Show an agent: metadata, price and versions.
    Agent(find::ShowArgs),
    /// Propose a version of an agent: its weights, datasets, circuits and terms.
    ProposeVersion(agent::ProposeArgs),
    /// Add datasets to a draft version.
    AddDatasets(version::AddDatasetsArgs),
    /// Close a draft version: its list of datasets is then final.
    CloseVersion(version::StepArgs),
    /// Adopt a closed version that an earlier owner of the agent proposed; it cannot be certified without this.
    AdoptVersion(version::StepArgs),
    /// Show a version: its datasets, missing gradients, and why it cannot be certified yet.
    Version(version::ShowArgs),
    /// Abandon an uncertified version and return its uses of grants. If interrupted, run it again to return the rest.
    AbandonVersion(version::StepArgs),
    /// Submit the gradient proofs of a version.
    SubmitGradients(agent::GradientsArgs),
    /// Submit the optimum proof, which certifies the version.
    Certify(agent::CertifyArgs),
    /// Compare a certificate with the chain: the version, its datasets, and who owned each shard when it was added.
    CheckCertificate(check::CheckArgs),
    /// Submit the proofs of an evaluation, so that contracts can read the accuracy.
    SubmitEvaluation(evaluation::EvaluationArgs),
    /// Open a prepaid session with an agent version.
    OpenSession(session::OpenArgs),
    /// Show a session.
    Session(session::ShowArgs),
    /// Add to a session's escrow; anybody may do this.
    TopUp(session::TopUpArgs),
    /// Start to thaw a session's escrow, or part of it; it can be withdrawn after the thaw period.
    Thaw(session::ThawArgs),
    /// Cancel a thaw.
    CancelThaw(session::CloseArgs),
    /// Withdraw the thawed part of a session's escrow.
    Refund(session::CloseArgs),
    /// Claim the fees of proven answers, as `tribute claim prove` wrote them.
    Claim(session::ClaimArgs),
    /// Withdraw your earnings: those of all your datasets and agents, or of one of them.
    Withdraw(withdraw::WithdrawArgs),
    /// Show what a version pays its datasets by: shares or agreed weights, and what waits for its challenge period.
    Weights(weights::ShowArgs),
    /// Commit to a sampled valuation of a version: its test set and number of permutations. Once for each version.
    CommitValuation(draw::CommitArgs),
    /// Show the beacon of a committed valuation, for `tribute agent value --beacon`. Waits for its block, and fixes it if nobody has.
    Beacon(version::StepArgs),
    /// Write the weights that follow from a valuation to a file, for the datasets' owners to sign. Sends nothing.
    ProposeWeights(weights::ProposeArgs),
    /// Submit the owners' signatures on weights. If all signed they are in force at once, otherwise after a challenge period.
    InstallWeights(weights::InstallArgs),
    /// Bring weights into force whose challenge period is over.
    EnforceWeights(version::StepArgs),
    /// Accept valuations of your dataset beforehand, on a test set and by an attester that you name; or withdraw that.
    AcceptValuations(weights::AcceptArgs),
    /// Object to the weights proposed for a version, as owner of one of its datasets: it continues to pay as it does.
    ObjectWeights(weights::ObjectArgs),
    /// Set the address that receives a dataset's rewards or an agent's fees.
    Payout(own::PayoutArgs),
    /// Name the node at which agents' owners can ask for a dataset, in its entry; or take that back.
    SetNode(node::SetNodeArgs),
    /// Offer a dataset, an agent or the escrow contract to a new owner.
    Transfer(own::TransferArgs),
    /// Accept a dataset, an agent or the escrow contract that was offered to you.
    Accept(own::AcceptArgs),
    /// Sign a message for somebody else to submit, and write it to a file; the signer needs no coin.
    #[command(subcommand)]
    Sign(sign::SignCommand),
    /// Check signed messages and submit them.
    Relay(relay::RelayArgs),
    /// Cancel the nonce of a signed message, which makes the message invalid.
    CancelNonce(relay::CancelNonceArgs),
    /// Stop a circuit permanently (guardian only). It can never be restarted, only replaced by a different circuit.
    Stop(guard::StopArgs),
    /// Stop a circuit permanently, with a proof that a sound circuit cannot have; anybody may do this.
    StopUnsound(guard::StopUnsoundArgs),
    /// Pause new sessions and top-ups (escrow contract's owner only). Claims and refunds continue.
    Pause(guard::PauseArgs),
    /// Allow new sessions and top-ups again.
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
        ChainCommand::CheckCertificate(a) => check::run(a).await,
        ChainCommand::SubmitEvaluation(a) => evaluation::submit_evaluation(a).await,
        ChainCommand::OpenSession(a) => session::open(a).await,
        ChainCommand::Session(a) => session::show(a).await,
        ChainCommand::TopUp(a) => session::top_up(a).await,
        ChainCommand::Thaw(a) => session::thaw(a).await,
        ChainCommand::CancelThaw(a) => session::cancel_thaw(a).await,
        ChainCommand::Refund(a) => session::refund(a).await,
        ChainCommand::Claim(a) => session::claim(a).await,
        ChainCommand::Withdraw(a) => withdraw::run(a).await,
        ChainCommand::Weights(a) => weights::show(a).await,
        ChainCommand::CommitValuation(a) => draw::commit(a).await,
        ChainCommand::Beacon(a) => draw::beacon(a).await,
        ChainCommand::ProposeWeights(a) => weights::propose(a).await,
        ChainCommand::InstallWeights(a) => weights::install(a).await,
        ChainCommand::EnforceWeights(a) => weights::enforce(a).await,
        ChainCommand::AcceptValuations(a) => weights::accept(a).await,
        ChainCommand::ObjectWeights(a) => weights::object(a).await,
        ChainCommand::Payout(a) => own::payout(a).await,
        ChainCommand::SetNode(a) => node::set(a).await,
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
    use tribute_chain::abi::contracts;

    /// `docs/chain.md` must list every state-changing function, with its command or why there is none.
    #[test]
    fn every_function_that_changes_something_is_on_the_page() {
        let page = include_str!("../../../../docs/chain.md");
        for (contract, abi) in contracts() {
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
