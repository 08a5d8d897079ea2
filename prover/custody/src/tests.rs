use std::collections::HashMap;
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tempfile::TempDir;
use tribute_circuits::columns::CommittedGroup;
use tribute_core::head::Weights;
use tribute_core::hexed::Hex;
use tribute_core::id::{DatasetId, GroupDigest};
use tribute_core::layout::{Layout, Task};
use tribute_core::records::Records;
use tribute_core::I256;
use tribute_engine::halo2_proofs::arithmetic::best_multiexp;
use tribute_engine::halo2_proofs::halo2curves::bn256::{Fr, G1Affine};
use tribute_engine::halo2_proofs::halo2curves::group::Curve as _;
use tribute_engine::srs::Srs;

use super::*;

async fn store(folder: &Path) -> Custody {
    open_with(folder, &KeySource::in_folder(folder)).await.unwrap()
}

async fn open_with(folder: &Path, key: &KeySource) -> Result<Custody> {
    let db = Database::open(&format!("sqlite:{}", folder.join("t.db").display())).await.unwrap();
    let artefacts = Artefacts::in_folder(&folder.join("artefacts")).unwrap();
    Custody::open(db, artefacts, key).await
}

async fn spend(custody: &Custody, digest: GroupDigest, budget: u64) -> Result<()> {
    custody.spend_openings(&[&Committed::bare(digest, budget)]).await.map(|_| ())
}

/// Opens a commitment until that is refused; returns the number of openings.
async fn exhaust(custody: &Custody, digest: GroupDigest, budget: u64) -> u64 {
    let mut times = 0;
    loop {
        match spend(custody, digest, budget).await {
            Ok(()) => times += 1,
            Err(e) if e.reason == Reason::BudgetSpent => return times,
            Err(e) => panic!("{e}"),
        }
    }
}

#[tokio::test]
async fn what_is_sealed_opens_for_its_tenant_and_purpose_only() {
    let folder = tempfile::tempdir().unwrap();
    let custody = store(folder.path()).await;
    let id = custody.put("0xaa", "records", b"secret".to_vec()).await.unwrap();
    assert_eq!(custody.put("0xaa", "records", b"secret".to_vec()).await.unwrap(), id);
    assert_eq!(custody.get("0xaa", "records", &id).await.unwrap(), b"secret");
    assert!(custody.get("0xbb", "records", &id).await.is_err());
    assert!(custody.get("0xaa", "weights", &id).await.is_err());
    let raw = custody.artefacts.get(&id).await.unwrap();
    assert!(!raw.windows(6).any(|w| w == b"secret"));
    // reopening the store gives the same secrets
    let again = store(folder.path()).await;
    assert_eq!(again.secret("0xaa").await.unwrap(), custody.secret("0xaa").await.unwrap());
    assert_ne!(again.secret("0xaa").await.unwrap(), custody.secret("0xbb").await.unwrap());
}

#[tokio::test]
async fn what_is_lent_is_charged_to_its_uses_and_leaves_the_owner_a_reserve() {
    let folder = tempfile::tempdir().unwrap();
    let custody = store(folder.path()).await;
    let (digest, dataset) = (GroupDigest::new([7; 32]), DatasetId::new([8; 32]));
    let (ben, eve) = (Hex([2; 20]), Hex([3; 20]));
    let open = async |account| {
        custody.spend_openings(&[&Committed::bare(digest, 40).lent(dataset, account)]).await.map(|_| ())
    };
    let grant = async |account| {
        let mut tx = custody.db.begin().await.unwrap();
        custody.allow_use(&mut tx, dataset, account).await.unwrap();
        tx.commit().await.unwrap();
    };
    let left = async |lent| custody.openings_left(&digest, 40, lent).await.unwrap();
    assert_eq!((left(true).await, left(false).await), (30, 40));
    // without a use none; with one its openings, and no more; a refused opening counts nothing
    assert_eq!(open(ben).await.unwrap_err().reason, Reason::BudgetSpent);
    assert_eq!(custody.counter(&digest).await.unwrap(), None);
    grant(ben).await;
    for _ in 0..OPENINGS_OF_A_USE {
        open(ben).await.unwrap();
    }
    assert!(open(ben).await.unwrap_err().message.contains("another grant"));
    assert_eq!(custody.counter(&digest).await.unwrap().unwrap().used, 8);
    assert_eq!((left(true).await, left(false).await), (22, 32));
    // a use of another dataset is none of this one
    let other = Committed::bare(digest, 40).lent(DatasetId::new([9; 32]), ben);
    assert_eq!(custody.spend_openings(&[&other]).await.unwrap_err().reason, Reason::BudgetSpent);
    // others have their own; all of them together leave the owner the last quarter
    for _ in 0..4 {
        grant(eve).await;
    }
    for _ in 8..30 {
        open(eve).await.unwrap();
    }
    assert!(open(eve).await.unwrap_err().message.contains("its owner's alone"));
    assert_eq!((left(true).await, left(false).await), (0, 10));
    grant(ben).await;
    assert!(open(ben).await.is_err());
    assert_eq!(exhaust(&custody, digest, 40).await, 10);
}

/// The default file of the master key.
fn folder_key(folder: &Path) -> std::path::PathBuf {
    folder.join("master.key")
}

#[tokio::test]
async fn a_replaced_master_key_unseals_and_the_old_one_does_nothing_more() {
    let folder = tempfile::tempdir().unwrap();
    let old = store(folder.path()).await;
    let id = old.put("0xaa", "records", b"secret".to_vec()).await.unwrap();
    let next = folder.path().join("next key");
    let printed = KeySource::Run(format!("cat '{}'", next.display()));
    assert!(old.rotate(&printed).await.unwrap_err().message.contains("gives no key"));
    assert_eq!(old.rotate(&KeySource::File(next)).await.unwrap(), 1);

    // the process with the old key neither reads nor stores anything
    assert!(old.get("0xaa", "records", &id).await.is_err());
    let refused = old.put("0xbb", "records", b"more".to_vec()).await.unwrap_err();
    assert!(refused.message.contains("was replaced"), "{refused}");
    assert!(old.rotate(&KeySource::in_folder(folder.path())).await.unwrap_err().message.contains("was replaced"));
    assert!(open_with(folder.path(), &KeySource::in_folder(folder.path())).await.is_err());
    let new = open_with(folder.path(), &printed).await.unwrap();
    assert_eq!(new.get("0xaa", "records", &id).await.unwrap(), b"secret");
}

#[test]
fn a_key_comes_from_a_file_a_variable_or_a_command() {
    let parse = |text: &str| text.parse::<KeySource>();
    assert_eq!(parse("env:KEY"), Ok(KeySource::Env("KEY".into())));
    assert_eq!(parse("run:vault kv get key"), Ok(KeySource::Run("vault kv get key".into())));
    assert_eq!(parse("/etc/a.key"), Ok(KeySource::File("/etc/a.key".into())));
    assert!(parse("env:").is_err() && parse("run:").is_err());
    let key = hex::encode([7; 32]);
    assert_eq!(KeySource::Run(format!("echo {key}")).read().unwrap(), [7; 32]);
    for (source, expected) in [
        (KeySource::Run(format!("echo {key}0 # command")), "64 hex digits"),
        (KeySource::Run(format!("echo {key}; exit 3")), "exit status: 3"),
        (KeySource::Env("NO_SUCH_KEY".into()), "NO_SUCH_KEY is not set"),
    ] {
        let said = source.read().unwrap_err().message;
        assert!(said.contains(expected) && !said.contains(&key), "{said}");
    }
}

#[tokio::test]
async fn another_master_key_or_none_is_refused_and_no_key_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder_key(folder.path());
    let custody = store(folder.path()).await;
    let id = custody.put("0xaa", "records", b"secret".to_vec()).await.unwrap();
    drop(custody);

    let kept = folder.path().join("kept.key");
    std::fs::rename(&key, &kept).unwrap();
    let missing = open_with(folder.path(), &KeySource::File(key.clone())).await.unwrap_err();
    assert!(missing.message.contains("is missing") && missing.message.contains("--master-key"), "{missing}");
    assert!(!key.exists(), "a fresh key would seal secrets that the old one cannot unseal");

    std::fs::write(&key, hex::encode([7; 32])).unwrap();
    let wrong = open_with(folder.path(), &KeySource::File(key.clone())).await.unwrap_err();
    assert!(wrong.message.contains("fingerprint"), "{wrong}");
    assert!(!wrong.message.contains(&hex::encode([7; 32])), "a key is never shown");

    let custody = open_with(folder.path(), &KeySource::File(kept.clone())).await.unwrap();
    assert_eq!(custody.get("0xaa", "records", &id).await.unwrap(), b"secret");
}

#[tokio::test]
async fn the_budget_ends_and_a_refused_opening_counts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let custody = store(folder.path()).await;
    let (a, b) = (GroupDigest::new([1; 32]), GroupDigest::new([2; 32]));
    assert_eq!(exhaust(&custody, a, 3).await, 3);
    let both = [&Committed::bare(b, 3), &Committed::bare(a, 3)];
    assert_eq!(custody.spend_openings(&both).await.unwrap_err().reason, Reason::BudgetSpent);
    assert_eq!(custody.counter(&a).await.unwrap().unwrap().used, 3);
    assert_eq!(custody.counter(&b).await.unwrap(), None);
    spend(&custody, b, 3).await.unwrap();
    // counters are durable
    assert_eq!(exhaust(&store(folder.path()).await, a, 3).await, 0);
}

#[tokio::test]
async fn a_live_store_and_a_restored_one_share_the_budget() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (live, other) = (store(one.path()).await, store(two.path()).await);
    let secret = live.secret("0xaa").await.unwrap();
    // opened before the first backup, between two backups, after both
    let [before, between, after] = [[7; 32], [8; 32], [9; 32]].map(GroupDigest::new);
    let file = one.path().join("backup");
    spend(&live, before, 8).await.unwrap();
    live.backup(&file, &[5; 32]).await.unwrap();
    spend(&live, between, 8).await.unwrap();
    live.backup(&file, &[5; 32]).await.unwrap();
    let mut openings = HashMap::from([(before, 1), (between, 1), (after, 0)]);
    for (digest, times) in &mut openings {
        *times += exhaust(&live, *digest, 8).await;
        assert_eq!(*times, 6, "a quarter is reserved");
    }

    assert!(other.restore(&file, &[6; 32]).await.is_err(), "another key");
    other.restore(&file, &[5; 32]).await.unwrap();
    assert_eq!(other.secret("0xaa").await.unwrap(), secret);
    for (digest, times) in &mut openings {
        *times += exhaust(&other, *digest, 8).await;
        assert_eq!(*times, 8, "{digest:?}");
    }
    other.restore(&file, &[5; 32]).await.unwrap();
    assert_eq!(exhaust(&other, before, 8).await, 0, "restoring again resets nothing");
}

#[tokio::test]
async fn a_store_with_secrets_of_its_own_takes_no_backup_of_another() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (live, other) = (store(one.path()).await, store(two.path()).await);
    live.secret("0xaa").await.unwrap();
    let file = one.path().join("backup");
    live.backup(&file, &[5; 32]).await.unwrap();
    other.secret("0xbb").await.unwrap();
    let refused = other.restore(&file, &[5; 32]).await.unwrap_err();
    assert!(refused.message.contains("empty data folder"), "{refused}");
}

/// A sum reveals a functional of every summand, so all of them are charged, and it is not opened unless all have
/// openings left.
#[tokio::test]
async fn an_opening_of_a_sum_is_charged_to_every_summand() {
    let folder = tempfile::tempdir().unwrap();
    let custody = store(folder.path()).await;
    let layout = Layout::new(10, 4, 5, 3, Task::Classes).unwrap();
    let srs = Srs::development(10);
    let committer = custody.committer("0xaa").await.unwrap();
    let of = |seed: i64| -> Vec<I256> {
        (0..layout.weights() as i64).map(|i| I256::from(i * 7_919 - seed * 104_729) << 80).collect()
    };
    let gradients: Vec<Committed> =
        (1..4).map(|i| committer.gradient(&srs, &layout, &[[i as u8; 32]], &of(i))).collect();
    let sum = gradients[0].clone().plus(&gradients[1]).plus(&gradients[2]);

    let opened = custody.spend_openings(&[&sum]).await.unwrap();
    let [group] = opened.groups() else { panic!() };
    let summands = custody.spend_openings(&gradients.iter().collect::<Vec<_>>()).await.unwrap();
    // the sum's rows are the sums of the summands' rows, and so is its commitment
    let values = |g: &CommittedGroup| g.columns[0].values.clone();
    for row in 0..layout.usable() {
        let added = summands.groups().iter().fold(Fr::from(0), |sum, g| sum + values(g)[row]);
        assert_eq!(values(group)[row], added, "row {row}");
    }
    assert_eq!(group.columns[0].point, commit_values(&srs, &values(group)));

    let used = async |digest: GroupDigest| custody.counter(&digest).await.unwrap().map(|c| c.used);
    for gradient in &gradients {
        assert_eq!(used(gradient.digest()).await, Some(2), "once for the sum, once for itself");
    }
    assert_eq!(used(sum.digest()).await, None, "the sum has no salts of its own");

    // open one summand by itself until it has no openings left: then the sum is refused, and the others are not
    // charged
    let budget = layout.weights_opening_budget();
    let mut times = 2;
    while custody.spend_openings(&[&gradients[1]]).await.is_ok() {
        times += 1;
    }
    assert_eq!(used(gradients[1].digest()).await, Some(times));
    assert_eq!(custody.spend_openings(&[&sum]).await.unwrap_err().reason, Reason::BudgetSpent);
    assert_eq!((used(gradients[0].digest()).await, used(gradients[2].digest()).await), (Some(2), Some(2)));

    // only the values' own rows of weights and gradients are read: nearly every other row is a salt
    let weights = committer.weights(&srs, &layout, &Weights::zero(5, 3)).unwrap();
    let records = committer.records(&srs, &layout, &Records::new(5)).unwrap();
    custody.spend_openings(&[&weights, &records]).await.unwrap();
    let budget_of = async |digest: GroupDigest| -> i64 {
        let query = sqlx::query_scalar("SELECT budget FROM openings WHERE digest = $1").bind(hex::encode(digest));
        query.fetch_one(custody.db.pool()).await.unwrap()
    };
    assert_eq!(budget_of(weights.digest()).await, budget as i64);
    assert_eq!(budget_of(gradients[0].digest()).await, budget as i64);
    assert_eq!(budget_of(records.digest()).await, layout.opening_budget() as i64);
    assert!(budget > 10 * layout.opening_budget(), "{budget}");
}

fn commit_values(srs: &Srs, values: &[Fr]) -> G1Affine {
    best_multiexp(values, srs.lagrange_basis()).to_affine()
}

/// Events in a family of stores that descend from one another.
#[derive(Clone, Debug)]
enum Action {
    /// Opens a commitment a number of times: store, commitment, times.
    Open(usize, u8, u64),
    /// A store makes a backup; the family keeps the newest of each reserve.
    Backup(usize),
    /// A backup is restored into a new store, unless its reserve has been restored before.
    RestoreNew(usize),
    /// A backup is restored again into the store that owns its reserve.
    RestoreAgain(usize),
    /// A copy of a store's database is made.
    Copy(usize),
    /// A store is lost; its old copy takes over, restoring the store's newest backup unless that has been restored
    /// already.
    Lose(usize),
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => (any::<usize>(), 0..4u8, 1..12u64).prop_map(|(s, c, n)| Action::Open(s, c, n)),
        2 => any::<usize>().prop_map(Action::Backup),
        2 => any::<usize>().prop_map(Action::RestoreNew),
        1 => any::<usize>().prop_map(Action::RestoreAgain),
        1 => any::<usize>().prop_map(Action::Copy),
        1 => any::<usize>().prop_map(Action::Lose),
    ]
}

struct Member {
    folder: TempDir,
    custody: Custody,
    copy: Option<TempDir>,
    backup: Option<String>,
}

impl Member {
    async fn new(folder: TempDir) -> Self {
        let custody = store(folder.path()).await;
        Member { folder, custody, copy: None, backup: None }
    }
}

/// Runs a history of events; panics if a commitment is opened more often than its budget allows.
async fn run(actions: Vec<Action>) {
    const BUDGET: u64 = 23;
    let files = tempfile::tempdir().unwrap();
    let mut members = vec![Member::new(tempfile::tempdir().unwrap()).await];
    members[0].custody.secret("0xaa").await.unwrap();
    let mut opened: HashMap<u8, u64> = HashMap::new();
    // reserves, by the lineage of the store that restores them, and the stores that did
    let mut reserves: Vec<String> = Vec::new();
    let mut taken: HashMap<String, usize> = HashMap::new();
    for action in actions {
        match action {
            Action::Open(store, commitment, times) => {
                let store = store % members.len();
                for _ in 0..times {
                    match spend(&members[store].custody, GroupDigest::new([commitment; 32]), BUDGET).await {
                        Ok(()) => *opened.entry(commitment).or_default() += 1,
                        Err(e) => assert_eq!(e.reason, Reason::BudgetSpent, "{e}"),
                    }
                }
            }
            Action::Backup(store) => {
                let store = store % members.len();
                let mut tx = members[store].custody.db.begin().await.unwrap();
                let name = members[store].custody.lineage(&mut tx, "").await.unwrap().restored().text();
                tx.commit().await.unwrap();
                members[store].custody.backup(&files.path().join(&name), &[1; 32]).await.unwrap();
                members[store].backup = Some(name.clone());
                if !reserves.contains(&name) {
                    reserves.push(name);
                }
            }
            Action::RestoreNew(reserve) if !reserves.is_empty() => {
                let name = reserves[reserve % reserves.len()].clone();
                if !taken.contains_key(&name) && members.len() < 5 {
                    let fresh = Member::new(tempfile::tempdir().unwrap()).await;
                    fresh.custody.restore(&files.path().join(&name), &[1; 32]).await.unwrap();
                    taken.insert(name, members.len());
                    members.push(fresh);
                }
            }
            Action::RestoreAgain(reserve) if !reserves.is_empty() => {
                let name = &reserves[reserve % reserves.len()];
                if let Some(store) = taken.get(name) {
                    members[*store].custody.restore(&files.path().join(name), &[1; 32]).await.unwrap();
                }
            }
            Action::Copy(store) => {
                let store = store % members.len();
                let copy = tempfile::tempdir().unwrap();
                let target = copy.path().join("t.db").display().to_string();
                let vacuum = members[store].custody.db.sql("VACUUM INTO $1");
                sqlx::query(vacuum).bind(target).execute(members[store].custody.db.pool()).await.unwrap();
                let key = folder_key(members[store].folder.path());
                std::fs::copy(key, folder_key(copy.path())).unwrap();
                members[store].copy = Some(copy);
            }
            Action::Lose(store) => {
                let store = store % members.len();
                let Some(name) = members[store].backup.clone().filter(|name| !taken.contains_key(name)) else {
                    continue;
                };
                let Some(copy) = members[store].copy.take() else { continue };
                let old = Member::new(copy).await;
                old.custody.restore(&files.path().join(&name), &[1; 32]).await.unwrap();
                taken.insert(name, store);
                members[store] = old;
            }
            Action::RestoreNew(_) | Action::RestoreAgain(_) => {}
        }
        for (commitment, times) in &opened {
            assert!(*times <= BUDGET, "commitment {commitment} was opened {times} times of {BUDGET}");
        }
    }
}

#[test]
fn no_history_of_backups_and_restores_opens_more_often_than_the_salts_allow() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 32, failure_persistence: None, ..Config::default() });
    runner
        .run(&prop::collection::vec(action(), 1..30), |actions| {
            runtime.block_on(run(actions));
            Ok(())
        })
        .unwrap();
}
