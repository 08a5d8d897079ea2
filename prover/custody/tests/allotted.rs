//! What leaves custody in a training across nodes, and what is counted before it does.

use tribute_circuits::columns::masked::{from_bytes, mask, matches, unmasked_sum};
use tribute_circuits::columns::Blinding;
use tribute_core::head::Weights;
use tribute_core::hexed::Hex;
use tribute_core::id::{GroupDigest, RequestId};
use tribute_core::layout::{Layout, Task};
use tribute_core::I256;
use tribute_custody::across::{sum_of_all, weights_of_another, OPENINGS_OF_A_SUM};
use tribute_custody::{Committed, Custody, KeySource};
use tribute_engine::halo2_proofs::halo2curves::bn256::{Fr, G1Affine};
use tribute_engine::srs::Srs;
use tribute_problem::Reason;
use tribute_store::artefacts::Artefacts;
use tribute_store::db::Database;

struct Store {
    _folder: tempfile::TempDir,
    db: Database,
    custody: Custody,
}

async fn store() -> Store {
    let folder = tempfile::tempdir().unwrap();
    let db = Database::open(&format!("sqlite:{}", folder.path().join("t.db").display())).await.unwrap();
    let artefacts = Artefacts::in_folder(&folder.path().join("artefacts")).unwrap();
    let custody = Custody::open(db.clone(), artefacts, &KeySource::in_folder(folder.path())).await.unwrap();
    Store { _folder: folder, db, custody }
}

async fn used(store: &Store, digest: GroupDigest) -> u64 {
    store.custody.counter(&digest).await.unwrap().map_or(0, |c| c.used)
}

fn layout() -> Layout {
    Layout::new(10, 4, 5, 3, Task::Classes).unwrap()
}

fn weights() -> Weights {
    Weights::new(5, 3, (0..18).map(|i| i * 1_000_003 - 7_000_000).collect()).unwrap()
}

const REQUEST: RequestId = RequestId::new([4; 32]);

#[tokio::test]
async fn openings_of_weights_are_counted_by_their_owner_before_a_node_has_them() {
    let (owner, node) = (store().await, store().await);
    let (layout, srs) = (layout(), Srs::development(10));
    let committer = owner.custody.committer("0xaa").await.unwrap();
    let committed = committer.weights(&srs, &layout, &weights()).unwrap();
    let (ada, ben) = (Hex([1; 20]), Hex([2; 20]));
    owner.custody.allot(&committed, REQUEST, ada, 3).await.unwrap();
    assert_eq!(used(&owner, committed.digest()).await, 3);
    // asked again it is counted once, for another participant again; no other number, and no other weights
    owner.custody.allot(&committed, REQUEST, ada, 3).await.unwrap();
    owner.custody.allot(&committed, REQUEST, ben, 3).await.unwrap();
    assert_eq!(used(&owner, committed.digest()).await, 6);
    assert_eq!(owner.custody.allot(&committed, REQUEST, ada, 4).await.unwrap_err().reason, Reason::NotAllowed);
    let other = committer.weights(&srs, &layout, &Weights::zero(5, 3)).unwrap();
    assert_eq!(owner.custody.allot(&other, REQUEST, ada, 3).await.unwrap_err().reason, Reason::NotAllowed);
    // more than the salts hide is refused, and counts nothing
    let most = layout.weights_opening_budget();
    let refused = owner.custody.allot(&committed, RequestId::new([5; 32]), ada, most).await.unwrap_err();
    assert_eq!((refused.reason, used(&owner, committed.digest()).await), (Reason::BudgetSpent, 6));

    // the node has the same commitment from the blinding, and opens it as often as it may
    let blinding = committer.weights_blinding(&srs, &layout, &weights()).to_bytes();
    assert_eq!(blinding.len(), Blinding::BYTES);
    let blinding = Blinding::from_bytes(&blinding).unwrap();
    let there = weights_of_another(&srs, &layout, &weights(), &blinding, (REQUEST, ada)).unwrap();
    assert_eq!(there.digest(), committed.digest());
    let open = async || node.custody.spend_openings(&[&there]).await.map(|_| ());
    assert_eq!(open().await.unwrap_err().reason, Reason::BudgetSpent);
    for _ in 0..2 {
        let mut tx = node.db.begin().await.unwrap();
        node.custody.accept_allotment(&mut tx, REQUEST, ada, there.digest(), 3).await.unwrap();
        tx.commit().await.unwrap();
    }
    for _ in 0..3 {
        open().await.unwrap();
    }
    let refused = open().await.unwrap_err();
    assert!(refused.reason == Reason::BudgetSpent && refused.message.contains("a further --lending"), "{refused}");
    let mut tx = node.db.begin().await.unwrap();
    let refused = node.custody.accept_allotment(&mut tx, REQUEST, ada, other.digest(), 3).await.unwrap_err();
    assert_eq!(refused.reason, Reason::NotAllowed);
}

#[tokio::test]
async fn gradients_leave_under_masks_which_anybody_can_check() {
    let (layout, srs) = (layout(), Srs::development(10));
    let gradient = |seed: i64| -> Vec<I256> { (0..18).map(|i| I256::from(i * 7_919 - seed * 104_729) << 80).collect() };
    let seed = |a: u8, b: u8| [a.min(b) * 16 + a.max(b); 32];
    let mut sent = Vec::new();
    let mut all: Option<Committed> = None;
    for own in 0..3u8 {
        let store = store().await;
        let committer = store.custody.committer("0xaa").await.unwrap();
        // two shards each
        let shards: Vec<Committed> = (0..2)
            .map(|i| committer.gradient(&srs, &layout, &[[own * 2 + i; 32]], &gradient(i64::from(own * 2 + i))))
            .collect();
        let sum = shards[0].clone().plus(&shards[1]);
        assert!(store.custody.release_masked(&sum, &[]).await.is_err(), "nothing leaves without masks");
        let others: Vec<u8> = (0..3).filter(|o| *o != own).collect();
        let masks: Vec<_> = others.iter().map(|o| (own < *o, mask(&srs, &layout, seed(own, *o)))).collect();
        let bytes = store.custody.release_masked(&sum, &masks).await.unwrap();
        for shard in &shards {
            assert_eq!(used(&store, shard.digest()).await, OPENINGS_OF_A_SUM);
        }
        let rows = from_bytes(&layout, &bytes).unwrap();
        let points: Vec<G1Affine> = shards.iter().map(|s| point(&s.points())).collect();
        let masks: Vec<(bool, G1Affine)> = masks.iter().map(|(adds, m)| (*adds, m.point)).collect();
        assert!(matches(&srs, &rows, &points, &masks));
        // any other row, gradient or mask is noticed
        let mut wrong = rows.clone();
        wrong[700] += Fr::one();
        assert!(!matches(&srs, &wrong, &points, &masks));
        assert!(!matches(&srs, &rows, &points[..1], &masks));
        assert!(!matches(&srs, &rows, &points, &[(!masks[0].0, masks[0].1), masks[1]]));
        sent.push(rows);
        all = Some(match all {
            None => sum,
            Some(all) => all.plus(&sum),
        });
    }
    // the masks cancel in the sum over all, and in no other
    let sum = sum_of_all(unmasked_sum(&srs, &sent));
    assert_eq!(sum.digest(), all.unwrap().digest());
    assert_ne!(sum_of_all(unmasked_sum(&srs, &sent[..2])).digest(), sum.digest());
    let owner = store().await;
    for _ in 0..OPENINGS_OF_A_SUM {
        owner.custody.spend_openings(&[&sum]).await.unwrap();
    }
    assert_eq!(owner.custody.spend_openings(&[&sum]).await.unwrap_err().reason, Reason::BudgetSpent);
    // what is no column is refused
    assert!(from_bytes(&layout, &[0; 31]).is_none());
    assert!(from_bytes(&layout, &vec![0xff; 1024 * 32]).is_none());
}

fn point(bytes: &[u8]) -> G1Affine {
    tribute_engine::field::point_from_bytes(bytes.try_into().unwrap()).unwrap()
}
