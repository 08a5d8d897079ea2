//! `tribute claim watch`: claims fees while a client's escrow thaws, because when the thaw ends the client can take whatever
//! was not claimed. All its state comes from the chain and the service, so a restart, a reorganisation or an unreachable node
//! costs only time.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;
use tribute_chain::{Contracts, Follower, KeySource};
use tribute_client::{problem, Client};
use tribute_core::id::{SessionId, WeightsDigest};
use tribute_core::statement::SERVICE_SLOTS;
use tribute_problem::{field, Problem, Reason, Result};
use tribute_proto::v1;

use super::prove;
use crate::chain::{Connected, SenderArgs};
use crate::output::print;
use crate::server_args::AddressArgs;
use crate::signals::terminated;
use crate::CommandResult;

/// Longest back-off after a failure.
const SLOWEST: Duration = Duration::from_secs(60);

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    server: AddressArgs,
    /// Seconds between polls of the chain.
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0)]
    every: f64,
    /// Environment variable with the agent owner's key, which signs requests to the service. [default: the key that pays the
    /// gas; anybody may send a claim, because its payees are fixed]
    #[arg(long, value_name = "NAME")]
    owner_key_env: Option<String>,
    /// Poll once, claim what is due, and exit.
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    chain: SenderArgs,
}

/// A thawing session with unclaimed vouched answers.
struct Owed {
    session: SessionId,
    weights: WeightsDigest,
    answers: u64,
    /// Unix time, in seconds, from which the client can take the escrow.
    thaw_end: u64,
}

/// What has been logged already, and which sessions are backing off.
#[derive(Default)]
struct Seen {
    /// Sessions that this service does not serve for this owner.
    others: HashSet<SessionId>,
    /// When to retry a session, and its current back-off.
    later: HashMap<SessionId, (Instant, Duration)>,
    /// Thaws already logged, by session and end.
    told: HashSet<(SessionId, u64)>,
}

pub(super) async fn run(a: WatchArgs) -> CommandResult {
    // at any time: what was being sent is gone on with by the next process
    tokio::select! {
        () = terminated() => {
            tracing::info!("stopping");
            Ok(())
        }
        ended = watch(&a) => ended,
    }
}

async fn watch(a: &WatchArgs) -> CommandResult {
    let every = Duration::from_secs_f64(a.every.clamp(0.1, 3_600.0));
    let mut pause = every;
    let mut seen = Seen::default();
    let mut open: Option<(Client, Follower)> = None;
    let (mut looked, mut answers) = (false, false);
    tracing::info!("watching for thawing sessions");
    loop {
        match look(a, &mut open, &mut seen).await {
            Ok(()) if a.once => return Ok(()),
            Ok(()) => {
                if !answers {
                    tracing::info!("the node and the service answer");
                }
                (looked, answers, pause) = (true, true, every);
            }
            // bad arguments stay bad: no retry. Those that were good once are, and what they name may come back
            Err(problem) if a.once || (!looked && problem.reason == Reason::BadField) => return Err(problem),
            Err(problem) => {
                tracing::warn!(reason = problem.reason.text(), "{problem}; polling again in {} s", pause.as_secs_f64());
                pause = (pause * 2).clamp(every, SLOWEST.max(every));
                (open, answers) = (None, false);
            }
        }
        tokio::time::sleep(pause).await;
    }
}

async fn look(a: &WatchArgs, open: &mut Option<(Client, Follower)>, seen: &mut Seen) -> Result<()> {
    // reconnect each time: the address may lead to another node by now, or to the same node on another fork
    let c = &a.chain.connect().await?;
    let (client, follower) = match open {
        Some(both) => both,
        None => {
            let owner = match &a.owner_key_env {
                Some(name) => KeySource::Variable(name.clone()).load()?,
                None => c.wallet.signer().clone(),
            };
            let client = a.server.connect(owner).await?;
            open.insert((client, Follower::new(&c.contracts)))
        }
    };
    let followed = follower.follow(&c.contracts).await?;
    if followed.rebuilt {
        tracing::warn!("the chain was reorganised beyond the confirmed blocks; read all events again");
    }
    let thawing: Vec<(SessionId, u64)> =
        follower.tables().sessions.iter().filter(|(_, s)| s.thaw_end != 0).map(|(id, s)| (*id, s.thaw_end)).collect();
    // a session that stopped thawing may thaw again
    seen.told.retain(|told| thawing.contains(told));
    let mut by_weights: BTreeMap<WeightsDigest, Vec<Owed>> = BTreeMap::new();
    for (session, thaw_end) in thawing {
        if let Some(owed) = owed(&c.contracts, client, seen, session, thaw_end).await? {
            by_weights.entry(owed.weights).or_default().push(owed);
        }
    }
    for (weights, mut all) in by_weights {
        all.sort_by_key(|o| o.thaw_end);
        for batch in all.chunks(SERVICE_SLOTS) {
            claim_or_fewer(a, c, client, seen, &weights, batch).await?;
        }
    }
    Ok(())
}

/// The claim that a thawing session allows now; `None` if there is none or it is backing off.
async fn owed(
    contracts: &Contracts,
    client: &Client,
    seen: &mut Seen,
    session: SessionId,
    thaw_end: u64,
) -> Result<Option<Owed>> {
    if seen.later.get(&session).is_some_and(|(at, _)| *at > Instant::now()) {
        return Ok(None);
    }
    let request = v1::GetSessionRequest { session: session.to_vec() };
    let served = match client.sessions().get_session(request).await.map_err(problem) {
        Ok(served) => served.into_inner(),
        Err(p) if matches!(p.reason, Reason::NotFound | Reason::NotAllowed) => {
            if seen.others.insert(session) {
                tracing::info!(%session, "thawing, but not served here for this owner: ignored");
            }
            return Ok(None);
        }
        Err(p) => return Err(p),
    };
    // the service may have read an older block: the contract's current state decides
    let stored = contracts.session(&session).await?;
    let vouched = served.voucher.as_ref().map_or(0, |v| v.count);
    let answers = vouched.saturating_sub(stored.count);
    let left = thaw_end.saturating_sub(contracts.chain().time().await?);
    let new = seen.told.insert((session, thaw_end));
    if answers == 0 || stored.remaining < stored.price {
        if new {
            tracing::info!(%session, thaw_end, "thawing, with nothing to claim");
        }
        return Ok(None);
    }
    let amount = stored.price.saturating_mul(answers.into()).min(stored.remaining);
    if new {
        tracing::info!(%session, answers, %amount, seconds_left = left, "thawing with unclaimed answers: proving them");
    }
    if left == 0 {
        tracing::warn!(%session, "the thaw has ended: the client can take the escrow at any moment");
    }
    let weights = field("weights_digest", &served.weights_digest)?;
    Ok(Some(Owed { session, weights, answers, thaw_end }))
}

/// Claims the sessions together, or one by one if one proof cannot hold all answers or one session makes it fail.
async fn claim_or_fewer(
    a: &WatchArgs,
    c: &Connected,
    client: &Client,
    seen: &mut Seen,
    weights: &WeightsDigest,
    batch: &[Owed],
) -> Result<()> {
    if batch.len() > 1 {
        match claim(a, c, client, seen, weights, batch).await {
            Ok(()) => return Ok(()),
            Err(p) if p.reason == Reason::ChainUnavailable => return Err(p),
            Err(p) => tracing::warn!(reason = p.reason.text(), "{p}; claiming one by one"),
        }
    }
    for owed in batch {
        match claim(a, c, client, seen, weights, std::slice::from_ref(owed)).await {
            Ok(()) => {}
            Err(p) if p.reason == Reason::ChainUnavailable => return Err(p),
            Err(p) => {
                let pause =
                    seen.later.get(&owed.session).map_or(Duration::from_secs(1), |(_, p)| (*p * 2).min(SLOWEST));
                seen.later.insert(owed.session, (Instant::now() + pause, pause));
                tracing::warn!(session = %owed.session, thaw_end = owed.thaw_end, reason = p.reason.text(),
                    "{p}; retrying in {} s", pause.as_secs());
            }
        }
    }
    Ok(())
}

async fn claim(
    a: &WatchArgs,
    c: &Connected,
    client: &Client,
    seen: &mut Seen,
    weights: &WeightsDigest,
    batch: &[Owed],
) -> Result<()> {
    let sessions: Vec<SessionId> = batch.iter().map(|o| o.session).collect();
    let began = Instant::now();
    let claim = prove(client, weights, &sessions, None).await?.claim();
    tracing::info!(sessions = sessions.len(), seconds = began.elapsed().as_secs_f64(), "proven");
    let done = c.contracts.claim(std::slice::from_ref(&claim)).send(&c.wallet).await?;
    for s in &done.event.sessions {
        seen.later.remove(&s.session);
        tracing::info!(session = %s.session, count = s.count, paid = s.paid, amount = %s.amount, tx = %done.sent.tx, "claimed");
        if a.chain.read.node.json {
            let line = json!({
                "session": s.session, "count": s.count, "paid": s.paid, "amount": s.amount.to_string(), "tx": done.sent,
            });
            // what is owed is claimed whether or not anybody reads of it
            if let Err(problem) = print(format_args!("{line}\n")) {
                tracing::warn!(%line, "{problem}");
            }
        }
    }
    if let Some(skipped) = done.event.skipped.first() {
        let message = format!("session {} was not paid: {}", skipped.session, skipped.reason.text());
        return Err(Problem::new(Reason::Reverted, message));
    }
    let answers: u64 = batch.iter().map(|o| o.answers).sum();
    tracing::info!(answers, "nothing is left to claim from these sessions");
    Ok(())
}
