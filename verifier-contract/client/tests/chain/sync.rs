//! State rebuilt from events equals what the contracts' views say.

use tribute_chain::{Follower, Options, U256};
use tribute_testing::chain::{World, CONTRIBUTIONS};

/// Every table against the views.
async fn assert_equals_views(w: &World, follower: &Follower) {
    let tables = follower.tables();
    for (id, circuit) in &tables.circuits {
        let info = w.contracts.circuit(id).await.unwrap();
        assert_eq!((circuit.statement, circuit.verifier), (info.statement, info.verifier));
        assert_eq!(circuit.stopped, w.contracts.is_circuit_stopped(id).await.unwrap());
    }
    for (id, dataset) in &tables.datasets {
        let entry = w.contracts.dataset(id).await.unwrap();
        assert_eq!((dataset.owner, dataset.records), (entry.owner, entry.records));
        assert_eq!((dataset.schema, dataset.layout), (entry.schema, entry.layout));
        assert_eq!((dataset.root, dataset.circuit, dataset.terms), (entry.root, entry.circuit, entry.terms));
        let digests: Vec<_> = dataset.shards.iter().map(|s| s.digest).collect();
        assert_eq!(digests, w.contracts.shard_digests(id).await.unwrap());
        for (grantee, grant) in &dataset.grants {
            let stored = w.contracts.training_grant(id, *grantee).await.unwrap();
            assert_eq!((grant.uses, grant.expiry), (stored.terms.uses, stored.terms.expiry));
            assert_eq!(grant.serial, stored.serial);
        }
    }
    for (id, agent) in &tables.agents {
        assert_eq!(agent.owner, w.contracts.agent_owner(id).await.unwrap());
        assert_eq!(agent.versions.len() as u32, w.contracts.version_count(id).await.unwrap());
        for (number, version) in &agent.versions {
            let entry = w.contracts.version(id, *number).await.unwrap();
            assert_eq!((version.weights, version.model), (entry.weights, entry.model));
            assert_eq!(version.datasets, w.contracts.listed(id, *number).await.unwrap());
            assert_eq!((version.datasets.len() as u32, version.price), (entry.datasets, entry.price));
            let sums = w.contracts.sums(id, *number).await.unwrap();
            assert_eq!(version.certificate.is_some(), w.contracts.is_certified(id, *number).await.unwrap());
            if let Some(certificate) = &version.certificate {
                assert_eq!((certificate.total, certificate.positive), (sums.total, sums.positive));
            }
            for (dataset, contribution) in &version.contributions {
                let stored = w.contracts.contribution(id, *number, dataset).await.unwrap();
                assert_eq!(*contribution, stored.value);
            }
            assert_eq!(version.to_data, w.contracts.data_accrued(id, *number).await.unwrap());
            let owner_due = w.contracts.owner_due(id, *number).await.unwrap();
            assert_eq!(version.to_owner - version.owner_paid, owner_due);
        }
    }
    for (id, session) in &tables.sessions {
        let entry = w.contracts.session(id).await.unwrap();
        assert_eq!((session.client, session.session_key), (entry.client, entry.session_key));
        assert_eq!((session.count, session.transcript.to_be_bytes()), (entry.count, *entry.transcript.as_bytes()));
        assert_eq!(
            (session.remaining(), session.thaw_end),
            (U256::from(entry.remaining), entry.thawing.map_or(0, |t| t.end))
        );
    }
    let holdings = w.contracts.holdings().await.unwrap();
    assert_eq!((tables.escrow(), tables.rewards()), (holdings.escrow, holdings.rewards));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_add_up_to_the_views_at_every_step() {
    // tiny windows: most log requests end in the middle of the life cycle
    let w = World::with(Options { log_window: 3, ..Options::default() }).await;
    let mut follower = Follower::new(&w.contracts);
    follower.follow(&w.contracts).await.unwrap();
    assert_eq!(follower.tables().circuits.len(), 4);
    let c = w.certified().await;
    let session = w.open(&w.cleo, &c).await;
    follower.follow(&w.contracts).await.unwrap();
    assert_equals_views(&w, &follower).await;
    let version = &follower.tables().agents[&c.agent].versions[&c.version];
    assert_eq!(version.certificate.as_ref().unwrap().positive, U256::from(CONTRIBUTIONS.iter().sum::<u64>()));
    assert_eq!(version.gradients.len(), 2);

    // saved, and continued by another process
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.json");
    follower.save(&file).unwrap();
    let mut follower = Follower::load(&file).unwrap();

    w.contracts.claim(&[w.batch(&c, &[(session, 7)]).await]).send(&w.olga).await.unwrap();
    w.chain.mine(70).await.unwrap(); // settles what was read so far
    follower.follow(&w.contracts).await.unwrap();
    w.contracts.withdraw_owner(&c.agent, c.version).send(&w.olga).await.unwrap();
    w.contracts.withdraw_provider(&c.agent, c.version, &c.datasets[0]).send(&w.ada).await.unwrap();
    w.contracts.request_thaw(&session, None).send(&w.cleo).await.unwrap();
    w.chain.advance_time(61).await.unwrap();
    w.contracts.withdraw_thawed(&session).send(&w.cleo).await.unwrap();
    w.contracts.stop_circuit(&w.circuits[0]).send(&w.admin).await.unwrap();
    let step = follower.follow(&w.contracts).await.unwrap();
    assert!(!step.rebuilt && step.from > w.contracts.deployment().block && step.events < 12, "{step:?}");
    assert_equals_views(&w, &follower).await;
    assert!(follower.tables().circuits[&w.circuits[0]].stopped);

    // and from the beginning it is the same
    let mut fresh = Follower::new(&w.contracts);
    fresh.follow(&w.contracts).await.unwrap();
    assert_eq!(fresh.tables(), follower.tables());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reorganisation_takes_events_back() {
    let w = World::new().await;
    let c = w.certified().await;
    let session = w.open(&w.cleo, &c).await;
    let mut follower = Follower::new(&w.contracts);
    w.contracts.request_thaw(&session, None).send(&w.cleo).await.unwrap();
    follower.follow(&w.contracts).await.unwrap();
    assert_ne!(follower.tables().sessions[&session].thaw_end, 0);
    w.chain.reorganise(1).await.unwrap();
    let step = follower.follow(&w.contracts).await.unwrap();
    assert!(!step.rebuilt);
    assert_eq!(follower.tables().sessions[&session].thaw_end, 0);
    assert_equals_views(&w, &follower).await;

    // deeper than the blocks re-read each time: everything is read again
    w.contracts.request_thaw(&session, None).send(&w.cleo).await.unwrap();
    w.chain.mine(70).await.unwrap();
    follower.follow(&w.contracts).await.unwrap();
    assert_ne!(follower.tables().sessions[&session].thaw_end, 0);
    w.chain.reorganise(71).await.unwrap();
    let step = follower.follow(&w.contracts).await.unwrap();
    assert!(step.rebuilt, "{step:?}");
    assert_eq!(follower.tables().sessions[&session].thaw_end, 0);
    assert_equals_views(&w, &follower).await;
}
