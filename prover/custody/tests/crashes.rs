//! Counters of openings across two parties whose processes die anywhere: whatever was opened was counted before, at the node and at the
//! owner, and never more than was allotted.

use std::future::{poll_fn, Future};
use std::pin::pin;
use std::task::Poll;

use proptest::prelude::*;
use tribute_circuits::columns::masked::mask;
use tribute_circuits::columns::Blinding;
use tribute_core::head::Weights;
use tribute_core::hexed::{AccountAddress, Hex};
use tribute_core::id::{GroupDigest, RequestId};
use tribute_core::layout::{Layout, Task};
use tribute_core::I256;
use tribute_custody::across::{weights_of_another, OPENINGS_OF_A_SUM};
use tribute_custody::{Custody, KeySource};
use tribute_engine::srs::Srs;
use tribute_problem::Reason;
use tribute_store::artefacts::Artefacts;
use tribute_store::db::Database;

const REQUEST: RequestId = RequestId::new([4; 32]);
const PARTICIPANTS: [AccountAddress; 2] = [Hex([1; 20]), Hex([2; 20])];
const ALLOTTED: u64 = 3;

/// A party's data, and its process.
struct Party {
    folder: tempfile::TempDir,
    db: Database,
    custody: Custody,
}

impl Party {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (db, custody) = open(folder.path()).await;
        Party { folder, db, custody }
    }

    async fn restart(&mut self) {
        self.db.pool().close().await;
        (self.db, self.custody) = open(self.folder.path()).await;
    }

    async fn counted(&self, digest: GroupDigest) -> u64 {
        self.custody.counter(&digest).await.unwrap().map_or(0, |c| c.used)
    }

    /// Openings of the owner's weights that a participant here has counted.
    async fn counted_of_weights(&self, account: AccountAddress) -> u64 {
        let used: Option<i64> = sqlx::query_scalar(self.db.sql("SELECT used FROM allotments WHERE account = $1"))
            .bind(account.to_string())
            .fetch_optional(self.db.pool())
            .await
            .unwrap();
        used.unwrap_or_default() as u64
    }
}

async fn open(folder: &std::path::Path) -> (Database, Custody) {
    let db = Database::open(&format!("sqlite:{}", folder.join("t.db").display())).await.unwrap();
    let artefacts = Artefacts::in_folder(&folder.join("artefacts")).unwrap();
    let custody = Custody::open(db.clone(), artefacts, &KeySource::in_folder(folder)).await.unwrap();
    (db, custody)
}

/// Runs a step until it ends, or has been polled so often: then nothing of it goes on, as if its process had died.
async fn until_death<T>(polls: Option<usize>, step: impl Future<Output = T>) -> Option<T> {
    let mut step = pin!(step);
    let mut left = polls.unwrap_or(usize::MAX);
    poll_fn(|context| match left.checked_sub(1) {
        None => Poll::Ready(None),
        Some(fewer) => {
            left = fewer;
            step.as_mut().poll(context).map(Some)
        }
    })
    .await
}

/// A step of one party, for one of the two participants.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The owner allots openings and, if it lives, gives the blinding away.
    Allot,
    /// The node records what it was allotted.
    Accept,
    /// The node counts one opening and, if it lives, opens.
    Open,
    /// The node counts all openings of the sum and, if it lives, sends its column.
    Release,
}

fn steps() -> impl Strategy<Value = Vec<(Step, usize, Option<usize>)>> {
    use Step::{Accept, Allot, Open, Release};
    let step = prop_oneof![Just(Allot), Just(Accept), Just(Open), Just(Open), Just(Open), Just(Release)];
    proptest::collection::vec((step, 0..2usize, proptest::option::of(0..12usize)), 1..30)
}

async fn play(steps: Vec<(Step, usize, Option<usize>)>) {
    let (mut owner, mut node) = (Party::new().await, Party::new().await);
    let (layout, srs) = (Layout::new(10, 4, 5, 3, Task::Classes).unwrap(), Srs::development(10));
    let weights = Weights::new(5, 3, (0..18).map(|i| i * 1_000_003 - 7_000_000).collect()).unwrap();
    let committer = owner.custody.committer("0xaa").await.unwrap();
    let committed = committer.weights(&srs, &layout, &weights).unwrap();
    let blinding = committer.weights_blinding(&srs, &layout, &weights).to_bytes();
    let blinding = Blinding::from_bytes(&blinding).unwrap();
    let at_home = node.custody.committer("0xbb").await.unwrap();
    let masks = [(true, mask(&srs, &layout, [5; 32]))];
    let gradient: Vec<I256> = (0..18).map(|i| I256::from(i * 7_919) << 80).collect();
    let sums = [0u8, 1].map(|i| at_home.gradient(&srs, &layout, &[[i; 32]], &gradient));
    let there =
        PARTICIPANTS.map(|account| weights_of_another(&srs, &layout, &weights, &blinding, (REQUEST, account)).unwrap());

    let mut given = [false; 2];
    let (mut opened, mut released) = ([0; 2], [0; 2]);
    for (step, who, dies) in steps {
        let account = PARTICIPANTS[who];
        let lived = match step {
            Step::Allot => {
                let allot = owner.custody.allot(&committed, REQUEST, account, ALLOTTED);
                let lived = until_death(dies, allot).await.map(Result::unwrap);
                given[who] |= lived.is_some();
                lived.is_some()
            }
            Step::Accept if !given[who] => continue,
            Step::Accept => {
                let accept = async {
                    let mut tx = node.db.begin().await?;
                    node.custody.accept_allotment(&mut tx, REQUEST, account, committed.digest(), ALLOTTED).await?;
                    Ok::<_, tribute_problem::Problem>(tx.commit().await?)
                };
                until_death(dies, accept).await.map(Result::unwrap).is_some()
            }
            Step::Open => {
                let result = until_death(dies, node.custody.spend_openings(&[&there[who]])).await;
                let lived = result.is_some();
                match result {
                    Some(Ok(_)) => opened[who] += 1,
                    Some(Err(refused)) => assert_eq!(refused.reason, Reason::BudgetSpent),
                    None => {}
                }
                lived
            }
            Step::Release => {
                let result = until_death(dies, node.custody.release_masked(&sums[who], &masks)).await;
                let lived = result.is_some();
                match result {
                    Some(Ok(_)) => released[who] += 1,
                    Some(Err(refused)) => assert_eq!(refused.reason, Reason::BudgetSpent),
                    None => {}
                }
                lived
            }
        };
        if !lived {
            if matches!(step, Step::Allot) {
                owner.restart().await
            } else {
                node.restart().await
            };
        }
        // what was given away is counted at the owner, once for each participant
        let at_owner = owner.counted(committed.digest()).await;
        let known: u64 = given.iter().map(|given| if *given { ALLOTTED } else { 0 }).sum();
        assert!((known..=2 * ALLOTTED).contains(&at_owner) && at_owner % ALLOTTED == 0, "{at_owner}, {known} given");
        for (i, account) in PARTICIPANTS.into_iter().enumerate() {
            let counted = node.counted_of_weights(account).await;
            assert!(opened[i] <= counted && counted <= ALLOTTED, "{} opened, {counted} counted", opened[i]);
            assert!(counted == 0 || given[i]);
            assert!(released[i] * OPENINGS_OF_A_SUM <= node.counted(sums[i].digest()).await);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_opened_was_counted_before(steps in steps()) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(play(steps));
    }
}
