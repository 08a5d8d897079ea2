//! Every call of the life cycle, with its errors and events, on a real anvil.

use alloy::primitives::keccak256;
use tribute_chain::chain::code_hash;
use tribute_chain::claims::SkipReason;
use tribute_chain::sessions::NewSession;
use tribute_chain::timelock::{Operation, Progress};
use tribute_chain::voucher::voucher_digest;
use tribute_chain::{ChainError, NewCircuit, SignedVoucher, Voucher, U256};
use tribute_core::digest::keccak;
use tribute_core::id::{AgentId, CircuitId, DatasetId, KeyDigest, SessionId, ShardDigest, Transcript};
use tribute_testing::chain::{artifacts, gradient_points, points, weights, World, DATA_BPS, ESCROW, PRICE};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_datasets_to_withdrawals() {
    let w = World::new().await;
    let c = w.certified().await;
    let (one, two) = (w.open(&w.cleo, &c).await, w.open(&w.admin, &c).await);
    assert_eq!(w.contracts.session_id_of(w.cleo.address(), 0).await.unwrap(), one);

    let batch = w.batch(&c, &[(one, 120), (two, 80)]).await;
    let claimed = w.contracts.claim(std::slice::from_ref(&batch)).send(&w.olga).await.unwrap();
    let total = 200 * PRICE;
    let to_data = total * u128::from(DATA_BPS) / 10_000;
    assert_eq!(claimed.event.sessions.len(), 2);
    assert_eq!(claimed.event.sessions[0].count, 120);
    assert_eq!(claimed.event.fees[0].to_data, U256::from(to_data));
    assert_eq!((claimed.sent.status, claimed.sent.from), (1, w.olga.address()));

    let mut paid = U256::ZERO;
    for (owner, dataset) in [(&w.ada, c.datasets[0]), (&w.ben, c.datasets[1])] {
        let due = w.contracts.provider_due(&c.agent, c.version, &dataset).await.unwrap();
        let done = w.contracts.withdraw_provider(&c.agent, c.version, &dataset).send(owner).await.unwrap();
        assert_eq!(done.event, due);
        assert_eq!(w.balance(owner.address()).await, due);
        paid += due;
    }
    let fees = w.contracts.withdraw_owner(&c.agent, c.version).send(&w.olga).await.unwrap();
    assert_eq!(fees.event, U256::from(total - to_data));

    for (client, session, left) in [(&w.cleo, one, ESCROW - 120 * PRICE), (&w.admin, two, ESCROW - 80 * PRICE)] {
        w.contracts.request_thaw(&session, None).send(client).await.unwrap();
        let early = w.contracts.withdraw_thawed(&session).send(client).await.unwrap_err();
        assert_eq!(early.revert().unwrap().name, "NotThawed");
        w.chain.advance_time(61).await.unwrap();
        let done = w.contracts.withdraw_thawed(&session).send(client).await.unwrap();
        assert_eq!(done.event, U256::from(left));
    }
    let end = w.contracts.holdings().await.unwrap();
    let dust = U256::from(to_data) - paid;
    assert_eq!((end.held, end.escrow, end.rewards), (dust, U256::ZERO, dust));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_sent_twice_pays_once() {
    let w = World::new().await;
    let c = w.certified().await;
    let session = w.open(&w.cleo, &c).await;
    let batch = w.batch(&c, &[(session, 7)]).await;
    let claim = w.contracts.claim(std::slice::from_ref(&batch));
    claim.send(&w.ada).await.unwrap(); // anybody may: who is paid is fixed

    let before = w.contracts.holdings().await.unwrap();
    let again = claim.send(&w.olga).await.unwrap();
    assert!(again.event.sessions.is_empty() && again.event.fees.is_empty());
    let [skipped] = again.event.skipped.as_slice() else { panic!("{again:?}") };
    assert_eq!((skipped.session, skipped.reason), (session, SkipReason::StaleTranscript));
    assert_eq!(w.contracts.holdings().await.unwrap(), before);

    // the honest counterpart passes, which is reported as unexpected if a failure was expected
    let next = w.contracts.claim(&[w.batch(&c, &[(session, 3)]).await]);
    let error = next.send_expecting_revert(&w.olga, None).await.unwrap_err();
    assert!(matches!(error, ChainError::UnexpectedSuccess { .. }), "{error}");
    assert_eq!(w.contracts.session(&session).await.unwrap().count, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frauds_name_what_is_wrong() {
    let w = World::new().await;
    let c = w.certified().await;
    let session = w.open(&w.cleo, &c).await;

    // voucher_overcount: the right key signs one query more than is proven
    let mut batch = w.batch(&c, &[(session, 7)]).await;
    let voucher = &batch.vouchers[0];
    let more = Voucher { session, version: c.version, count: voucher.count() + 1, transcript: voucher.transcript() };
    batch.vouchers[0] = SignedVoucher::sign(&w.session_key, &w.contracts.session_domain(), more).unwrap();
    let claimed = w.contracts.claim(std::slice::from_ref(&batch)).send(&w.olga).await.unwrap();
    assert_eq!(claimed.event.skipped[0].reason, SkipReason::OtherCount);
    assert!(claimed.event.sessions.is_empty());

    // label_changed: a gradient over other records than the registered ones
    let version = w.closed(&c.agent, &c.datasets).await;
    let [point, ..] = gradient_points();
    let gradient = w.gradient(&c.agent, version, c.datasets[0], "ada, one label changed", &point, 1).await;
    let call = w.contracts.add_gradients(&c.agent, version, &[gradient]);
    let fraud = call.send_expecting_revert(&w.olga, None).await.unwrap();
    assert_eq!(fraud.revert.name, "WrongRecords");
    assert_eq!(fraud.revert.operand("expected"), Some(keccak256(points("ada", 9)).to_string().as_str()));

    // a proof that the verifier rejects
    let mut batch = w.batch(&c, &[(session, 7)]).await;
    *batch.proof.bytes.last_mut().unwrap() ^= 1;
    let fraud = w.contracts.claim(std::slice::from_ref(&batch)).send_expecting_revert(&w.olga, None).await.unwrap();
    assert_eq!(fraud.revert.name, "ProofRejected");
    assert_eq!(fraud.revert.declared_by, ["ProofGate"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_open_by_permit_and_for_another() {
    let w = World::new().await;
    let c = w.certified().await;
    let amount = U256::from(ESCROW);
    w.contracts.mint(w.cleo.address(), amount * U256::from(2)).unwrap().send(&w.admin).await.unwrap();
    let deadline = w.chain.time().await.unwrap() + 600;

    let without = w.contracts.open_session(&w.open_params(&c)).send(&w.cleo).await.unwrap_err();
    assert_eq!(without.revert().unwrap().name, "ERC20InsufficientAllowance");

    let permit = w.contracts.permit(&w.cleo, amount, deadline).await.unwrap();
    let opened = w.contracts.open_session_with_permit(&w.open_params(&c), &permit).send(&w.cleo).await.unwrap();
    assert_eq!(opened.event.client, w.cleo.address());

    // signed by Cleo, sent and paid for by Ada
    w.contracts.approve_escrow(amount).send(&w.cleo).await.unwrap();
    let (params, domain) = (w.open_params(&c), w.contracts.session_domain());
    let nonce = w.contracts.session_count(w.cleo.address()).await.unwrap();
    let signature = params.sign(w.cleo.signer(), &domain, nonce, deadline).unwrap();
    let digest = w.contracts.open_digest(w.cleo.address(), &params, nonce, deadline).await.unwrap();
    let parsed = alloy::primitives::Signature::from_raw(&signature).unwrap();
    assert_eq!(parsed.recover_address_from_prehash(&digest.into()).unwrap(), w.cleo.address());
    let cheaper = NewSession { price: 1, ..params };
    let call = w.contracts.open_session_for(w.cleo.address(), &cheaper, deadline, signature.clone());
    assert_eq!(call.send(&w.ada).await.unwrap_err().revert().unwrap().name, "AuthorisationInvalid");
    let call = w.contracts.open_session_for(w.cleo.address(), &params, deadline, signature);
    assert_eq!(call.send(&w.ada).await.unwrap().event.client, w.cleo.address());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn digests_and_contexts_are_the_contracts() {
    use tribute_core::context;
    let w = World::new().await;
    let c = w.certified().await;
    let session = w.open(&w.cleo, &c).await;
    let domain = w.contracts.session_domain();
    let weights = weights();
    let be = |f: ark_bn254::Fr| {
        use ark_ff::{BigInteger, PrimeField};
        U256::from_be_slice(&f.into_bigint().to_bytes_be())
    };

    let transcript = Transcript::new(U256::from(77).to_be_bytes());
    let voucher = Voucher { session, version: c.version, count: 5, transcript };
    let on_chain = w.contracts.voucher_digest(&session, c.version, 5, &transcript).await.unwrap();
    assert_eq!(voucher_digest(&domain, &voucher), on_chain);
    let core = context::voucher_digest(&domain, &session, c.version, 5, &transcript);
    assert_eq!(core, on_chain);

    let client = w.cleo.address().into();
    assert_eq!(context::session_id(&domain, &client, 0), session);
    assert_eq!(context::agent_id(&w.contracts.agent_domain(), &w.olga.address().into(), 0), c.agent);
    let first = context::first_transcript(&domain, &session, c.version, &weights);
    let first = Transcript::new(tribute_core::receipt::to_word(&first));
    assert_eq!(first, w.contracts.session(&session).await.unwrap().transcript);
    assert_eq!(first, w.contracts.first_transcript(&session, c.version, &weights).await.unwrap());
    let service = context::service_ctx(&domain, &[session]);
    assert_eq!(be(service), w.contracts.service_context(&[session]).await.unwrap());
    let optimum = context::optimum_ctx(
        &w.contracts.agent_domain(),
        &c.agent,
        c.version,
        &weights,
        &context::list_hash(c.datasets),
    );
    assert_eq!(be(optimum), w.contracts.optimum_context(&c.agent, c.version).await.unwrap());
    let shard = ShardDigest::new(keccak(&points("ben", 9)));
    let gradient = context::gradient_ctx(&w.contracts.agent_domain(), &w.olga.address().into(), &weights, &shard);
    assert_eq!(be(gradient), w.contracts.gradient_context(&c.agent, c.version, &c.datasets[1], 0).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verifiers_are_deployed_and_measured() {
    let w = World::with(tribute_chain::Options { log_window: 3, ..Default::default() }).await;
    // accepts anything of 64 bytes or more after burning some gas: CALLDATASIZE > 63 ? STOP : REVERT
    let runtime = [0x36, 0x60, 63, 0x10, 0x60, 9, 0x57, 0x5f, 0xfd, 0x5b, 0x00];
    let (verifier, _) = w.contracts.deploy_verifier_runtime(&w.admin, "sample", &runtime).await.unwrap();
    assert_eq!(w.chain.code(verifier.address).await.unwrap().as_ref(), runtime);
    let gas = w.contracts.verifier_gas(verifier.address, &[1; 5_000]).await.unwrap();
    // a cold account, and next to nothing
    assert!((2_600..2_800).contains(&gas.execution), "{gas:?}");
    assert!(gas.transaction > 21_000 + 16 * 5_000, "{gas:?}");
    let error = w.contracts.verifier_gas(verifier.address, &[1; 63]).await.unwrap_err();
    assert!(matches!(error, ChainError::VerifierRejected { .. }), "{error}");

    // an account that may not register the circuit pays for no verifier
    let creation = tribute_chain::circuits::creation_of(&runtime);
    let (circuit, hash) = (w.circuit(4), code_hash(&runtime));
    let before = w.chain.mined_nonce(w.ada.address()).await.unwrap();
    let stranger =
        w.contracts.ensure_circuit(&w.ada, "evaluation", &circuit, creation.clone(), &hash).await.unwrap_err();
    assert!(stranger.is_revert("AccessControlUnauthorizedAccount"), "{stranger}");
    let unsound = NewCircuit { input_count: 7, ..circuit.clone() };
    let refused =
        w.contracts.ensure_circuit(&w.admin, "evaluation", &unsound, creation.clone(), &hash).await.unwrap_err();
    assert!(refused.is_revert("WrongInputCount"), "{refused}");
    assert_eq!(w.chain.mined_nonce(w.ada.address()).await.unwrap(), before);

    // found again, and compared in every field: another proof length is another circuit
    let done = w.contracts.ensure_circuit(&w.admin, "evaluation", &circuit, creation.clone(), &hash).await.unwrap();
    let id = done.id;
    assert_eq!((id, done.sent.len(), done.announced), (circuit.id(&hash), 2, None));
    let again = w.contracts.ensure_circuit(&w.admin, "evaluation", &circuit, creation.clone(), &hash).await.unwrap();
    assert!(again.sent.is_empty());
    let longer = NewCircuit { proof_length: circuit.proof_length + 32, ..circuit.clone() };
    let error = w.contracts.check_circuit(&longer, &hash).await.unwrap_err();
    assert!(error.is_revert("UnknownCircuit"), "{error}");
    let dearer = NewCircuit { gas_cap: circuit.gas_cap + 1, ..circuit.clone() };
    assert!(w.contracts.check_circuit(&dearer, &hash).await.unwrap_err().to_string().contains("gas cap"));
    let raise = Operation::RaiseGasCap { circuit: id, cap: circuit.gas_cap + 1 };
    w.contracts.run(&raise)[0].send(&w.admin).await.unwrap();
    w.contracts.check_circuit(&dearer, &hash).await.unwrap();
    w.chain.mine(20).await.unwrap();
    assert_eq!(w.contracts.raised_gas_cap(&id).await.unwrap(), Some(circuit.gas_cap + 1));
    assert_eq!(w.contracts.raised_gas_cap(&w.circuits[0]).await.unwrap(), None);
    w.contracts.check_circuit(&circuit, &hash).await.unwrap();
    w.contracts.stop_circuit(&id).send(&w.admin).await.unwrap();
    assert!(w.contracts.check_circuit(&circuit, &hash).await.unwrap_err().to_string().contains("stopped"));
    let stopped =
        w.contracts.ensure_circuit(&w.admin, "evaluation", &circuit, creation.clone(), &hash).await.unwrap_err();
    assert!(stopped.to_string().contains("stopped"), "{stopped}");
    let error = w.contracts.deploy_verifier(&w.admin, "other", creation, &code_hash(b"other")).await.unwrap_err();
    assert!(matches!(error, ChainError::CodeDiffers { .. }), "{error}");
    assert!(w.contracts.find_circuit(&CircuitId::ZERO).await.unwrap().is_none());
    assert!(w.contracts.find_session(&SessionId::ZERO).await.unwrap().is_none());
    assert!(w.contracts.find_version(&AgentId::ZERO, 1).await.unwrap().is_none());
    assert!(w.contracts.find_dataset(&DatasetId::ZERO).await.unwrap().is_none());

    let again = w.contracts.register_circuit(&w.admin, &w.circuit(5), w.verifier).await.unwrap_err();
    assert_eq!(again.revert().unwrap().name, "CircuitExists");
    let stranger = w.contracts.register_circuit(&w.ada, &w.circuit(4), w.verifier).await.unwrap_err();
    assert_eq!(stranger.revert().unwrap().name, "AccessControlUnauthorizedAccount");
    assert_eq!(w.contracts.circuits().await.unwrap(), [&w.circuits[..], &[id]].concat());
    assert_eq!(w.contracts.circuit(&w.circuits[3]).await.unwrap(), w.circuit(5).info(w.verifier));
}

/// Circuits wait behind the timelock once it has a delay, and a stop does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_circuits_wait_and_stops_do_not() {
    let w = World::new().await;
    assert_eq!(w.contracts.circuit_delay().await.unwrap(), 0);
    w.contracts.run(&Operation::SetDelay(3_600))[0].send(&w.admin).await.unwrap();
    assert_eq!(w.contracts.circuit_delay().await.unwrap(), 3_600);
    let (info, salt) = (w.circuit(4).info(w.verifier), [1; 32]);
    let at_once = w.contracts.register_circuit(&w.admin, &w.circuit(4), w.verifier).await.unwrap_err();
    assert!(at_once.is_revert("TimelockInsufficientDelay"), "{at_once}");
    let add = Operation::AddCircuit(Box::new(info));
    let sooner = w.contracts.announce(&add, 3_599, salt).send(&w.admin).await.unwrap_err();
    assert!(sooner.is_revert("TimelockInsufficientDelay"), "{sooner}");

    let id = w.contracts.announce(&add, 3_600, salt).send(&w.admin).await.unwrap().event;
    let announced = w.contracts.announced().await.unwrap();
    assert_eq!((announced.len(), announced[0].id, &announced[0].operations), (1, id, &vec![add]));
    assert!(matches!(announced[0].progress, Progress::Waiting(_)), "what ran at once is not among them");
    let early = w.contracts.execute_batch(&announced[0]).send(&w.ada).await.unwrap_err();
    assert!(early.is_revert("TimelockUnexpectedOperationState"), "{early}");
    w.contracts.stop_circuit(&w.circuits[0]).send(&w.admin).await.unwrap();
    w.chain.advance_time(3_601).await.unwrap();
    w.contracts.execute_batch(&announced[0]).send(&w.ada).await.unwrap();
    assert!(w.contracts.find_circuit(&w.circuit(4).id(&w.verifier.code_hash)).await.unwrap().is_some());
    assert_eq!(w.contracts.announced().await.unwrap()[0].progress, Progress::Done);

    // with a delay, the call that adds a circuit at once announces it instead, and only once
    let creation = artifacts().load("CommittedVerifier").unwrap().creation;
    let (other, hash) =
        (NewCircuit { gas_cap: 7, verifying_key: KeyDigest::new([7; 32]), ..w.circuit(4) }, w.verifier.code_hash);
    let ensure = |wallet| w.contracts.ensure_circuit(wallet, "other", &other, creation.clone(), &hash);
    let before = w.chain.mined_nonce(w.ada.address()).await.unwrap();
    assert!(ensure(&w.ada).await.unwrap_err().is_revert("AccessControlUnauthorizedAccount"));
    assert_eq!(w.chain.mined_nonce(w.ada.address()).await.unwrap(), before, "no verifier was paid for");
    let done = ensure(&w.admin).await.unwrap();
    assert_eq!((done.sent.len(), ensure(&w.admin).await.unwrap().announced), (2, done.announced));
    w.chain.advance_time(3_601).await.unwrap();
    let announced = w.contracts.announced().await.unwrap().pop().unwrap();
    w.contracts.execute_batch(&announced).send(&w.ada).await.unwrap();
    assert_eq!(ensure(&w.ada).await.unwrap().announced, None);
}
