//! What a dishonest owner or node tries, one rule each, and how it is refused.

use alloy::signers::local::PrivateKeySigner;
use tribute_core::hexed::Hex;
use tribute_core::id::{AgentId, DatasetId};
use tribute_core::link::Link;
use tribute_federation::answer::digest;
use tribute_federation::node::Call;
use tribute_federation::numbers::{Format, Sums};
use tribute_federation::query::Asks;
use tribute_federation::request::PROGRAM;
use tribute_federation::rule::Next;
use tribute_federation::{Answer, Consent, NodeKeys, Owner, Query, Refusal, Request};
use tribute_inference::train::{part, Curvature, Part};

use crate::setting::{Diary, Setting};

/// A setting after one honest round, with the call for the next one.
fn after_one_round(diary: &Diary) -> (Setting, Call) {
    let setting = Setting::wine();
    let mut owner = setting.owner(diary);
    let Next::Ask(query) = setting.round(&mut owner).unwrap() else { panic!() };
    let call = owner.call(&query);
    drop(owner);
    (setting, call)
}

/// What small models are asked at every point.
const WHOLE: Asks = Asks::Point(Some(Curvature::Coupled));

/// A query of a small model.
fn at(round: u32, weights: Vec<i64>) -> Query {
    Query { round, weights, asks: WHOLE }
}

#[test]
fn two_weights_in_one_round() {
    let diary = Diary::default();
    let (setting, call) = after_one_round(&diary);
    setting.ask(0, &call).unwrap();
    let other = at(1, vec![1; 42]);
    let refused = setting.ask(0, &Call { query: other.digest(), ..call.clone() }).unwrap_err();
    assert_eq!(refused, Refusal::Answered { round: 1 });
    // and the first keeps its bytes
    assert_eq!(setting.ask(0, &call).unwrap(), setting.ask(0, &call).unwrap());
}

#[test]
fn a_jump_to_chosen_weights() {
    let diary = Diary::default();
    let (setting, call) = after_one_round(&diary);
    let chosen = at(1, vec![1 << 40; 42]);
    let refused = setting.ask(0, &Call { query: chosen.digest(), ..call }).unwrap_err();
    assert_eq!(refused, Refusal::Deviates { round: 1 });
    // in the first round, too
    let fresh = Setting::wine();
    let diary = Diary::default();
    let owner = fresh.owner(&diary);
    let Next::Ask(query) = owner.next() else { panic!() };
    let chosen = at(0, vec![1; 42]);
    let call = Call { query: chosen.digest(), ..owner.call(&query) };
    assert_eq!(fresh.ask(0, &call).unwrap_err(), Refusal::Deviates { round: 0 });
    assert!(fresh.stores[0].last.borrow().is_none(), "nothing is stored for what is refused");
}

#[test]
fn a_round_without_one_node() {
    let diary = Diary::default();
    let (setting, call) = after_one_round(&diary);
    let without = Call { previous: call.previous[..2].to_vec(), ..call.clone() };
    let refused = setting.ask(0, &without).unwrap_err();
    assert!(matches!(refused, Refusal::Answer { account, .. } if account == setting.request.participants[2].account));
    // with another's answer twice in its place
    let mut twice = call.clone();
    twice.previous[2] = twice.previous[1].clone();
    assert!(matches!(setting.ask(0, &twice).unwrap_err(), Refusal::Answer { round: 0, .. }));
    let mut more = call;
    more.previous.push(more.previous[0].clone());
    assert!(matches!(setting.ask(0, &more).unwrap_err(), Refusal::Ended(_)));
}

#[test]
fn rounds_are_not_replayed_skipped_or_reordered() {
    let diary = Diary::default();
    let (setting, call) = after_one_round(&diary);
    let ask = |round| setting.ask(0, &Call { round, ..call.clone() }).unwrap_err();
    assert_eq!(ask(2), Refusal::Order { asked: 2, next: 1 });
    setting.ask(0, &call).unwrap();
    let first = at(0, vec![0; 42]).digest();
    let replayed = Call { round: 0, query: first, consents: setting.consents(), previous: Vec::new() };
    assert_eq!(setting.ask(0, &replayed).unwrap_err(), Refusal::Order { asked: 0, next: 2 });
    // a node that has answered nothing takes no later round
    let fresh = Setting::wine();
    assert_eq!(fresh.ask(0, &call).unwrap_err(), Refusal::Order { asked: 1, next: 0 });
}

#[test]
fn an_answer_is_for_its_round_request_and_participant() {
    let diary = Diary::default();
    let (setting, call) = after_one_round(&diary);
    let forged = |change: &dyn Fn(&mut Answer)| {
        let mut call = call.clone();
        change(&mut call.previous[1]);
        match setting.ask(0, &call).unwrap_err() {
            Refusal::Answer { account, round: 0, .. } => assert_eq!(account, setting.request.participants[1].account),
            other => panic!("{other}"),
        }
    };
    // a number changed on the way
    forged(&|a| a.numbers[5] ^= 1);
    forged(&|a| a.signature.0[3] ^= 1);
    // signed by a key that is not the consent's
    forged(&|a| {
        let query = at(0, vec![0; 42]).digest();
        a.signature = NodeKeys::random().sign(&digest(setting.request.id(), &query, &a.numbers)).unwrap();
    });
    // signed by the right key for another round
    forged(&|a| {
        let query = at(3, vec![0; 42]).digest();
        a.signature = setting.keys[1].sign(&digest(setting.request.id(), &query, &a.numbers)).unwrap();
    });
    // too short, though signed
    forged(&|a| {
        let query = at(0, vec![0; 42]).digest();
        a.numbers.pop();
        a.signature = setting.keys[1].sign(&digest(setting.request.id(), &query, &a.numbers)).unwrap();
    });
    // a node knows its own answer, even if its key signed another
    let mut own = call.clone();
    own.previous[0].numbers[0] ^= 1;
    let query = at(0, vec![0; 42]).digest();
    let signed = setting.keys[0].sign(&digest(setting.request.id(), &query, &own.previous[0].numbers)).unwrap();
    own.previous[0].signature = signed;
    let refused = setting.ask(0, &own).unwrap_err();
    assert!(refused.to_string().contains("not the one that this node gave"), "{refused}");
}

#[test]
fn participants_are_not_exchanged() {
    let setting = Setting::wine();
    let diary = Diary::default();
    let owner = setting.owner(&diary);
    let Next::Ask(query) = owner.next() else { panic!() };
    let call = owner.call(&query);
    let with = |consents: Vec<Consent>| setting.ask(0, &Call { consents, ..call.clone() }).unwrap_err();
    let good = setting.consents();
    // another account in the third one's place
    let stranger = PrivateKeySigner::random();
    let keys = NodeKeys::random();
    let consent = Consent::sign(&stranger, setting.request.id(), keys.mask_key(), keys.answer_key()).unwrap();
    assert!(matches!(with(vec![good[0].clone(), good[1].clone(), consent]), Refusal::Consent { .. }));
    // left out, exchanged, added
    assert!(matches!(with(good[..2].to_vec()), Refusal::Consent { why: "is missing", .. }));
    assert!(matches!(with(vec![good[0].clone(), good[2].clone(), good[1].clone()]), Refusal::Consent { .. }));
    assert!(matches!(with([&good[..], &good[..1]].concat()), Refusal::Consent { why: "is of no participant", .. }));
    // keys that the account did not sign: the owner's own in its place would uncover the third one's masks
    let mut swapped = good.clone();
    swapped[2].mask_key = keys.mask_key();
    assert!(matches!(with(swapped), Refusal::Consent { why: "is not signed by that account", .. }));
    // the third one signs the second one's key
    let copied =
        Consent::sign(&setting.accounts[2], setting.request.id(), good[1].mask_key, keys.answer_key()).unwrap();
    let refused = with(vec![good[0].clone(), good[1].clone(), copied]);
    assert!(matches!(refused, Refusal::Consent { why: "repeats another participant's key", .. }));
    // a key of small order, whose shared secret everybody knows
    for point in [[0; 32], {
        let mut one = [0; 32];
        one[0] = 1;
        one
    }] {
        let weak = Consent::sign(&setting.accounts[2], setting.request.id(), Hex(point), keys.answer_key()).unwrap();
        let refused = with(vec![good[0].clone(), good[1].clone(), weak]);
        assert!(
            matches!(refused, Refusal::Consent { why: "its key for the masks is of small order", .. }),
            "{refused}"
        );
    }
    // consents that this node's account gave with other keys
    let other = Consent::sign(&setting.accounts[0], setting.request.id(), keys.mask_key(), keys.answer_key()).unwrap();
    let refused = with(vec![other, good[1].clone(), good[2].clone()]);
    assert!(matches!(refused, Refusal::OtherKeys { .. }));
    assert!(setting.stores[0].last.borrow().is_none());
    setting.ask(0, &call).unwrap();
}

/// Every term is in the id, so a consent is to these terms alone.
#[test]
fn a_consent_is_to_one_request() {
    let setting = Setting::wine();
    type Change = fn(&mut Request);
    let changes: [Change; 17] = [
        |r| r.chain_id += 1,
        |r| r.agent_registry = Hex([1; 20]),
        |r| r.owner = Hex([1; 20]),
        |r| r.agent = AgentId::new([1; 32]),
        |r| r.version += 1,
        |r| r.attempt += 1,
        |r| r.purpose.push('!'),
        |r| r.k = 14,
        |r| r.columns = 4,
        |r| r.intercept_scale = 1,
        |r| r.lambda += 1,
        |r| r.link = tribute_core::link::Link::Logistic,
        |r| r.price = "1".into(),
        |r| r.rounds += 1,
        |r| r.openings += 1,
        |r| r.participants.swap(0, 1),
        |r| r.participants[2].datasets[0].dataset = DatasetId::new([7; 32]),
    ];
    for (i, change) in changes.iter().enumerate() {
        let mut request = setting.request.clone();
        change(&mut request);
        assert_ne!(request.id(), setting.request.id(), "change {i}");
        let refused = Owner::open(&request, setting.consents(), &Diary::default()).unwrap_err();
        assert!(matches!(refused, Refusal::Consent { .. }), "change {i}: {refused}");
    }
}

#[test]
fn requests_that_cannot_be_trained_are_refused_by_field() {
    let setting = Setting::wine();
    let refused = |change: &dyn Fn(&mut Request)| {
        let mut request = setting.request.clone();
        change(&mut request);
        match Request::parse(&request.to_json()).unwrap_err() {
            Refusal::Request { field, .. } => field,
            other => panic!("{other}"),
        }
    };
    assert_eq!(Request::parse(&setting.request.to_json()).unwrap(), setting.request);
    assert_eq!(refused(&|r| r.participants.truncate(1)), "participants");
    assert_eq!(refused(&|r| r.participants[1].account = r.participants[0].account), "participants");
    assert_eq!(
        refused(&|r| r.participants[1].datasets[0].dataset = r.participants[0].datasets[0].dataset),
        "participants"
    );
    assert_eq!(refused(&|r| r.participants[1].datasets.clear()), "participants");
    assert_eq!(refused(&|r| r.participants[1].datasets[0].shards[0].records = 1 << 26), "participants");
    assert_eq!(refused(&|r| r.rounds = 0), "rounds");
    assert_eq!(refused(&|r| r.openings = 0), "openings");
    assert_eq!(refused(&|r| r.lambda = 0), "loss");
    assert_eq!(refused(&|r| r.k = 3), "layout");
    assert_eq!(refused(&|r| r.price = "01".into()), "price");
    assert_eq!(refused(&|r| r.schema.push(' ')), "schema");
    let spaced = String::from_utf8(setting.request.to_json()).unwrap().replacen(',', ", ", 1);
    assert!(matches!(Request::parse(spaced.as_bytes()), Err(Refusal::Request { field: "JSON", .. })));
}

#[test]
fn rounds_end_at_the_cap() {
    let mut setting = Setting::wine();
    setting.request.rounds = 2;
    assert_eq!(setting.train().unwrap_err(), Refusal::Rounds { rounds: 2 });
    // the node holds the cap, too
    let diary = Diary::default();
    let (mut setting, call) = after_one_round(&diary);
    let id = setting.request.id();
    setting.request.rounds = 1;
    assert_ne!(setting.request.id(), id);
    assert!(setting.ask(0, &call).is_err());
}

/// A node that lies makes the fit fail, and nothing else: the sum cannot be, or no step helps.
#[test]
fn numbers_that_no_data_has_are_noticed_in_the_sum() {
    let setting = Setting::wine();
    let diary = Diary::default();
    let mut owner = setting.owner(&diary);
    let Next::Ask(query) = owner.next() else { panic!() };
    let call = owner.call(&query);
    for i in 0..2 {
        owner.accept(i, setting.ask(i, &call).unwrap()).unwrap();
    }
    let mut lie = setting.ask(2, &call).unwrap();
    let format = Format::of(&setting.request, &WHOLE).unwrap();
    let mut numbers = format.read(&lie.numbers).unwrap();
    numbers.narrow[0] = numbers.narrow[0].wrapping_sub(1 << 62);
    lie.numbers = numbers.to_bytes();
    lie.signature = setting.keys[2].sign(&digest(setting.request.id(), &query.digest(), &lie.numbers)).unwrap();
    owner.accept(2, lie).unwrap();
    let refused = owner.advance().unwrap_err();
    assert!(matches!(refused, Refusal::Impossible { round: 0, what: "a second derivative", .. }), "{refused}");
    assert_eq!(owner.missing().len(), 0);
}

/// A node whose own sums are none sends nothing, and says that it is itself the cause.
#[test]
fn sums_that_are_none_stop_at_their_node() {
    let setting = Setting::wine();
    let format = Format::of(&setting.request, &WHOLE).unwrap();
    let records = setting.request.participants[0].records();
    let schema = setting.request.schema().unwrap();
    let zero = vec![0.0; (schema.features().len() + 1) * schema.classes()];
    let whole = part(&schema, &setting.records[0], &setting.request.loss(), &zero, Some(Curvature::of(Link::Softmax)));
    assert!(format.encode(0, records, &Sums::Point(whole.clone())).is_ok());
    let refused = |what: &str, change: &dyn Fn(&mut Part)| {
        let mut changed = whole.clone();
        change(&mut changed);
        let refused = format.encode(3, records, &Sums::Point(changed)).unwrap_err();
        let text = refused.to_string();
        assert!(matches!(refused, Refusal::Own { round: 3, .. }), "{text}");
        assert!(text.contains("this node computed") && text.contains(what), "{text}");
    };
    refused("a loss of NaN", &|p| p.loss = f64::NAN);
    refused("a loss of inf", &|p| p.loss = f64::INFINITY);
    refused("a gradient of NaN", &|p| p.gradient[5] = f64::NAN);
    refused("a gradient of", &|p| p.gradient[5] = 1.01 * records as f64);
    refused("a second derivative of NaN", &|p| p.curvature[7] = f64::NAN);
    refused("a second derivative of", &|p| p.curvature[7] = -1.0);
}

/// Nodes compute each query bit for bit, so they need one version of the program.
#[test]
fn another_version_of_the_program_is_refused_by_name() {
    let mut request = Setting::wine().request;
    request.check_program().unwrap();
    request.program = "0.0.9".into();
    let refused = Request::parse(&request.to_json()).unwrap().check_program().unwrap_err();
    let text = refused.to_string();
    assert!(matches!(refused, Refusal::Request { field: "program", .. }), "{text}");
    assert!(text.contains("version 0.0.9") && text.contains(&format!("this is {PROGRAM}")), "{text}");
}

/// Nodes that were told different things have masks that do not cancel.
#[test]
fn masks_cancel_only_between_equal_queries() {
    let setting = Setting::wine();
    let consents = setting.consents();
    let masks =
        |i: usize| tribute_federation::mask::Masks::new(setting.request.id(), i, &setting.keys[i], &consents).unwrap();
    let format = Format::of(&setting.request, &WHOLE).unwrap();
    let sum = |queries: [&[u8; 32]; 3]| {
        let mut total = tribute_federation::numbers::Numbers::zero(&format);
        for (i, query) in queries.into_iter().enumerate() {
            let mut one = tribute_federation::numbers::Numbers::zero(&format);
            masks(i).apply(query, &mut one);
            total.add(&one);
        }
        total
    };
    let zero = tribute_federation::numbers::Numbers::zero(&format);
    assert_eq!(sum([&[1; 32]; 3]), zero);
    let mixed = sum([&[1; 32], &[1; 32], &[2; 32]]);
    assert!(mixed.wide.iter().all(|x| *x != 0) && mixed.narrow.iter().all(|x| *x != 0));
}
