//! Steps with money in them: sessions, answers, the claim between two frauds, withdrawals, refunds.

use futures::future::{join_all, try_join_all};
use serde_json::Value;
use tokio::try_join;
use tribute_problem::{Problem, Result};

use crate::proof_file::ClaimFile;

use super::files::{self, Agent, Dataset, Opened, Paid};
use super::frauds::Bounced;
use super::ledger::{Balances, Ledger};
use super::life::{Life, Session, Version};
use super::stage::THAW;
use super::steps::Failure;

/// Price of an answer, in the token's base units. Not round, so that dividing it by shares leaves dust.
const PRICE: u128 = 12_345;

impl Life<'_> {
    pub(super) async fn open_sessions(&self, version: &Version, agent: &Agent) -> Result<Vec<Session>, Failure> {
        let digest = agent.weights_digest.to_string();
        let digest = &digest;
        let clients = self.stage.parties.clients.iter().zip(self.plan.queries);
        self.steps
            .run("sessions", "two clients open prepaid sessions", 2, |bar| async move {
                let (bar, shell) = (&bar, &self.stage.shell);
                try_join_all(clients.map(|(client, queries)| async move {
                    // a quarter more than the queries cost, so that there is something to refund
                    let escrowed = PRICE * (queries + queries.div_ceil(4)) as u128;
                    let (price, escrow) = (PRICE.to_string(), escrowed.to_string());
                    let (account, number) = (client.wallet.address().to_string(), version.number.to_string());
                    let who = Some(&client.wallet);
                    shell.run(who, &["chain", "mint", "--to", &account, "--amount", &escrow]).await?;
                    let key = client.session.address().to_string();
                    let open = [
                        "chain",
                        "open-session",
                        "--agent",
                        &version.agent_id,
                        "--version",
                        &number,
                        "--price",
                        &price,
                        "--escrow",
                        &escrow,
                        "--session-key",
                        &key,
                    ];
                    let opened: Opened = shell.json(who, &open).await?;
                    let id = opened.session.to_string();
                    shell.run(who, &["session", "open", &id, "--weights", digest]).await?;
                    bar.done(&client.wallet.name);
                    Ok(Session {
                        id: opened.session,
                        count: 0,
                        right: 0,
                        escrowed,
                        claimed: 0,
                        refunded: 0,
                        voucher: Value::Null,
                    })
                }))
                .await
            })
            .await
    }

    /// The balances before the clients paid into escrow.
    pub(super) async fn funded_balances(&self, sessions: &[Session]) -> Result<Balances, Failure> {
        let now = Balances::read(&self.stage.contracts, &self.stage.parties).await;
        now.map(|b| b.before_escrow(sessions.iter().map(|s| s.escrowed)))
            .map_err(|problem| Failure { step: "sessions", problem })
    }

    pub(super) async fn queries(&self, mut sessions: Vec<Session>) -> Result<Vec<Session>, Failure> {
        let total: usize = self.plan.queries.iter().sum();
        let about = format!("{total} queries answered by onnxruntime, receipts and vouchers signed");
        self.steps
            .run("queries", &about, 2, |bar| async move {
                let (bar, shell) = (&bar, &self.stage.shell);
                let clients = self.stage.parties.clients.iter().zip(&mut sessions).enumerate();
                try_join_all(clients.map(|(i, (client, session))| async move {
                    let (csv, state) = (format!("data/client-{}.csv", i + 1), format!("steps/session-{}.json", i + 1));
                    let id = session.id.to_string();
                    let args = ["session", "query", &id, "--csv", &csv, "--state", &state];
                    let args = [&args[..], self.plan.form().as_slice()].concat();
                    let queried: files::Queried = shell.json(Some(&client.session), &args).await?;
                    (session.count, session.right, session.voucher) = (queried.count, queried.right, queried.voucher);
                    bar.done(&client.wallet.name);
                    Ok::<_, Problem>(())
                }))
                .await?;
                Ok(sessions)
            })
            .await
    }

    pub(super) async fn prove_service(&self, agent: &Agent, sessions: &[Session]) -> Result<ClaimFile, Failure> {
        let digest = agent.weights_digest.to_string();
        self.steps
            .run("service proof", "answers of both sessions proven", 1, |_| async move {
                let ids: Vec<String> = sessions.iter().map(|s| s.id.to_string()).collect();
                let mut args = vec!["claim", "prove", "--weights", &digest, "--out", "steps/claim.json"];
                args.extend(ids.iter().flat_map(|id| ["--session", id.as_str()]));
                self.stage.shell.run(Some(&self.stage.parties.owner), &args).await?;
                files::read(&self.at("steps/claim.json"))
            })
            .await
    }

    /// The honest claim, preceded by the same proof with overcounting vouchers and followed by a replay.
    pub(super) async fn claim(&self, claim: &ClaimFile) -> Result<(files::Claimed, Bounced, Bounced), Failure> {
        self.steps
            .run("claim", "fees claimed; two fraudulent claims rejected", 3, |bar| async move {
                let claim = claim.claim();
                let overcount = self.stage.voucher_overcount(&claim).await?;
                bar.done("voucher_overcount rejected");
                let args = ["chain", "claim", "steps/claim.json"];
                let claimed: files::Claimed = self.stage.shell.json(Some(&self.stage.parties.owner), &args).await?;
                bar.done("claimed");
                let replayed = self.stage.claim_replayed(&claim).await?;
                let twin = claimed.tx.tx;
                Ok((claimed, Bounced { twin, ..overcount }, Bounced { twin, ..replayed }))
            })
            .await
    }

    /// Everybody withdraws what they are owed.
    pub(super) async fn withdraw(
        &self,
        version: &Version,
        datasets: &[Dataset],
        claimed: &files::Claimed,
        sessions: &mut [Session],
        before: &Balances,
    ) -> Result<(Ledger, Vec<(String, i128)>), Failure> {
        let (shell, parties) = (&self.stage.shell, &self.stage.parties);
        let units = 3 + datasets.len() as u64;
        self.steps
            .run("withdrawals", "providers, owner and clients withdraw", units, |bar| async move {
                let bar = &bar;
                let number = version.number.to_string();
                let number = &number;
                let providers =
                    try_join_all(parties.providers.iter().zip(datasets).map(|(provider, dataset)| async move {
                        let id = dataset.dataset_id.to_string();
                        let args =
                            ["chain", "withdraw", "--agent", &version.agent_id, "--version", number, "--dataset", &id];
                        let paid: Paid = shell.json(Some(provider), &args).await?;
                        bar.done(&provider.name);
                        Ok::<_, Problem>(paid.amount)
                    }));
                let owner = async {
                    let args = ["chain", "withdraw", "--agent", &version.agent_id, "--version", number];
                    let paid: Paid = shell.json(Some(&parties.owner), &args).await?;
                    bar.done(&parties.owner.name);
                    Ok(paid.amount)
                };
                let thaws =
                    try_join_all(parties.clients.iter().zip(sessions.iter()).map(|(client, session)| async move {
                        let id = session.id.to_string();
                        shell.run(Some(&client.wallet), &["chain", "thaw", &id]).await
                    }));
                let (paid_providers, paid_owner, _) = try_join!(providers, owner, thaws)?;
                self.stage.wait_on_chain(THAW + 1).await?;
                let refunds =
                    join_all(parties.clients.iter().zip(sessions.iter()).map(|(client, session)| async move {
                        let id = session.id.to_string();
                        let paid: Result<Paid> = shell.json(Some(&client.wallet), &["chain", "refund", &id]).await;
                        bar.done(&client.wallet.name);
                        paid
                    }))
                    .await;
                for (session, refund) in sessions.iter_mut().zip(refunds) {
                    session.refunded = refund?.amount;
                    let amounts = claimed.sessions.iter().filter(|c| c.session == session.id).map(|c| c.amount);
                    session.claimed = amounts.sum();
                }
                let after = Balances::read(&self.stage.contracts, parties).await?;
                let escrowed: u128 = sessions.iter().map(|s| s.escrowed).sum();
                let taken: u128 = sessions.iter().map(|s| s.claimed).sum();
                let to_data: u128 = claimed.fees.iter().map(|f| f.to_data).sum();
                let ledger = Ledger {
                    escrowed,
                    paid_owner,
                    refundable: escrowed - taken,
                    dust: to_data - paid_providers.iter().sum::<u128>(),
                    paid_providers,
                };
                let changes = after.since(before);
                settle(&ledger, &changes, &after)?;
                Ok((ledger, changes))
            })
            .await
    }
}

/// Fails unless the ledger, the balances' changes and the escrow contract's books agree.
fn settle(ledger: &Ledger, changes: &[(String, i128)], after: &Balances) -> Result<()> {
    let moved: i128 = changes.iter().map(|(_, n)| n).sum();
    let (held, owed) = after.escrow();
    if ledger.sum() == 0 && moved == 0 && held == owed && held == ledger.dust as i128 {
        return Ok(());
    }
    Err(Problem::internal(format!(
        "the books do not balance: the ledger sums to {}, all changes to {moved}; the escrow contract holds {held}, owes {owed}, dust is {}",
        ledger.sum(),
        ledger.dust
    )))
}
