//! Ranges from rows that stay apart are those of all rows in one place.

use alloy::signers::local::PrivateKeySigner;
use tribute_core::schema::{Feature, Schema, Target};
use tribute_federation::ranges::{answer, numbers, numeric, schema, Seat};
use tribute_federation::request::PROGRAM;
use tribute_federation::{Answer, Consent, NodeKeys, RangesRequest, Refusal};
use tribute_records::{Options, Predicts, Range, Source};

/// The ends of standard ranges may differ by this, and by a few last bits.
fn allowed(x: f64) -> f64 {
    5.0 * (-49f64).exp2() + 8.0 * f64::EPSILON * x.abs()
}

/// A table of wines, one value missing and one column of categories, whose schema is inferred.
fn table() -> String {
    let wine = include_str!("../../../../examples/wine.csv");
    let (header, rows) = wine.split_once('\n').unwrap();
    let row = |(i, row): (usize, &str)| {
        let cut = row.split_once(',').unwrap().1;
        let first = if i == 7 { "" } else { row.split(',').next().unwrap() };
        format!("{},{first},{cut}\n", ["oak", "steel", "clay"][i % 3])
    };
    format!("cask,{header}\n{}", rows.lines().enumerate().map(row).collect::<String>())
}

fn options() -> Options {
    let kinds = tribute_records::Kind::ALL.iter().copied().collect();
    Options { one_hot: vec!["cask".into()], accept: kinds, ..Options::default() }
}

fn source(text: &str) -> Source {
    Source::from_bytes("wine.csv", text.as_bytes().to_vec(), &options()).unwrap()
}

fn inferred(range: Range) -> Schema {
    source(&table()).infer("wine", Predicts::Classes, range, &options()).unwrap().into_schema().unwrap()
}

/// The names, classes and categories alone.
fn template() -> Schema {
    let all = inferred(Range::MinMax);
    let mut features = all.features().to_vec();
    for i in numeric(&all) {
        features[i] = Feature { name: features[i].name.clone(), lo: 0.0, hi: 1.0 };
    }
    let made = Schema::new("wine".into(), features, all.target().clone(), None).unwrap();
    made.with_categories(all.categories().to_vec()).unwrap()
}

struct Setting {
    request: RangesRequest,
    accounts: Vec<PrivateKeySigner>,
    keys: Vec<NodeKeys>,
    numbers: Vec<Vec<u8>>,
}

impl Setting {
    fn new(range: Range) -> Self {
        let accounts: Vec<PrivateKeySigner> = (0..3).map(|_| PrivateKeySigner::random()).collect();
        let seat =
            |key: &PrivateKeySigner| Seat { account: key.address().into_array().into(), node: "http://n".into() };
        let request = RangesRequest {
            program: PROGRAM.into(),
            owner: PrivateKeySigner::random().address().into_array().into(),
            attempt: 0,
            purpose: "wines".into(),
            template: template().canonical(),
            range,
            participants: accounts.iter().map(seat).collect(),
        };
        let numbers = (0..3).map(|i| numbers(&request, &values(i)).unwrap()).collect();
        Setting { request, accounts, keys: (0..3).map(|_| NodeKeys::random()).collect(), numbers }
    }

    fn consents(&self) -> Vec<Consent> {
        let sign = |(key, node): (&PrivateKeySigner, &NodeKeys)| {
            Consent::sign(key, self.request.id(), node.mask_key(), node.answer_key()).unwrap()
        };
        self.accounts.iter().zip(&self.keys).map(sign).collect()
    }

    fn answer(&self, i: usize) -> Result<Answer, Refusal> {
        let account = self.request.participants[i].account;
        answer(&self.request, account, &self.keys[i], &self.consents(), &self.numbers[i])
    }

    fn answers(&self) -> Vec<Answer> {
        (0..3).map(|i| self.answer(i).unwrap()).collect()
    }
}

/// Very unequal parts: the last has one row.
fn values(part: usize) -> Vec<Vec<f64>> {
    let all = table();
    let (header, rows) = all.split_once('\n').unwrap();
    let own = |i: usize| if i == 100 { 2 } else { usize::from(i % 5 == 0) };
    let rows: Vec<&str> = rows.lines().enumerate().filter(|(i, _)| own(*i) == part).map(|(_, row)| row).collect();
    let text = format!("{header}\n{}\n", rows.join("\n"));
    source(&text).spread(&template(), &Options { one_hot: Vec::new(), ..options() }).unwrap().into_values().unwrap()
}

#[test]
fn standard_ranges_are_those_of_all_rows_in_one_place() {
    let setting = Setting::new(Range::Standard);
    let found = schema(&setting.request, &setting.consents(), &setting.answers()).unwrap();
    let expected = inferred(Range::Standard);
    assert_eq!(found.features().len(), 16);
    for (a, b) in found.features().iter().zip(expected.features()) {
        assert_eq!(a.name, b.name);
        assert!((a.lo - b.lo).abs() <= allowed(b.lo) && (a.hi - b.hi).abs() <= allowed(b.hi), "{a:?} {b:?}");
    }
    assert_eq!((found.target(), found.categories()), (expected.target(), expected.categories()));
}

#[test]
fn disclosed_extremes_are_those_of_all_rows_in_one_place() {
    let setting = Setting::new(Range::MinMax);
    let found = schema(&setting.request, &setting.consents(), &setting.answers()).unwrap();
    assert_eq!(found, inferred(Range::MinMax));
}

#[test]
fn masked_sums_look_like_noise_and_need_everybody() {
    let setting = Setting::new(Range::Standard);
    let consents = setting.consents();
    let answers = setting.answers();
    for (answer, plain) in answers.iter().zip(&setting.numbers) {
        assert_eq!(answer.numbers.len(), plain.len());
        let same = answer.numbers.iter().zip(plain).filter(|(a, b)| a == b).count();
        assert!(same < plain.len() / 20, "{same} of {} bytes are those of the plain sums", plain.len());
    }
    assert_eq!(setting.answers(), answers, "asked again, a node says the same");
    let refused = schema(&setting.request, &consents, &answers[..2]).unwrap_err();
    assert!(matches!(&refused, Refusal::Answer { account, .. } if *account == consents[2].account), "{refused}");
    // another's answer in its place, and a changed one
    let mut exchanged = answers.clone();
    exchanged[1] = answers[2].clone();
    let refused = schema(&setting.request, &consents, &exchanged).unwrap_err();
    assert!(matches!(&refused, Refusal::Answer { account, .. } if *account == consents[1].account), "{refused}");
    // a node that lies makes the sums impossible, and is not known
    let mut other = setting.numbers[0].clone();
    other[31] ^= 0x40;
    let account = setting.request.participants[0].account;
    let mut lied = answers;
    lied[0] = answer(&setting.request, account, &setting.keys[0], &consents, &other).unwrap();
    let refused = schema(&setting.request, &consents, &lied).unwrap_err().to_string();
    assert!(refused.contains("cannot be told from a sum"), "{refused}");
}

/// Nobody joins, leaves, or is exchanged without a new request.
#[test]
fn sums_are_for_the_participants_of_the_request() {
    let setting = Setting::new(Range::Standard);
    let ask = |consents: &[Consent]| {
        let account = setting.request.participants[0].account;
        answer(&setting.request, account, &setting.keys[0], consents, &setting.numbers[0]).unwrap_err()
    };
    let consents = setting.consents();
    assert!(matches!(ask(&consents[..2]), Refusal::Consent { .. }));
    let mut swapped = consents.clone();
    swapped.swap(1, 2);
    assert!(matches!(ask(&swapped), Refusal::Consent { .. }));
    let stranger = PrivateKeySigner::random();
    let node = NodeKeys::random();
    let mut joined = consents.clone();
    joined[2] = Consent::sign(&stranger, setting.request.id(), node.mask_key(), node.answer_key()).unwrap();
    assert!(matches!(ask(&joined), Refusal::Consent { .. }));
    let mut other = consents.clone();
    other[0] = Consent::sign(&setting.accounts[0], setting.request.id(), node.mask_key(), node.answer_key()).unwrap();
    assert!(matches!(ask(&other), Refusal::OtherKeys { .. }));
    // with the keys of another attempt masks do not cancel, and nothing is asked twice under one
    let mut again = setting.request.clone();
    again.attempt = 1;
    assert_ne!(again.id(), setting.request.id());
    assert!(matches!(
        answer(&again, again.participants[0].account, &setting.keys[0], &consents, &setting.numbers[0]),
        Err(Refusal::Consent { .. })
    ));
}

#[test]
fn what_has_no_ranges_is_refused_by_name() {
    let setting = Setting::new(Range::Standard);
    let refused = |change: &dyn Fn(&mut RangesRequest)| {
        let mut request = setting.request.clone();
        change(&mut request);
        RangesRequest::parse(&request.to_json()).unwrap_err().to_string()
    };
    assert_eq!(RangesRequest::parse(&setting.request.to_json()).unwrap(), setting.request);
    let text = refused(&|r| r.range = Range::Quantile);
    assert!(text.contains("quantiles cannot be found from rows that stay apart"), "{text}");
    assert!(refused(&|r| r.participants.truncate(1)).contains("1 take part"));
    assert!(refused(&|r| r.participants[1] = r.participants[0].clone()).contains("is listed twice"));
    assert!(refused(&|r| r.template.push(' ')).contains("not canonical"));

    // values that fixed-point numbers do not hold
    let mut values = values(0);
    let mut with = |x: f64| {
        values[3][5] = x;
        numbers(&setting.request, &values)
    };
    assert!(with(1.7e13).is_ok());
    for x in [1.8e13, -1e300, f64::NAN, f64::INFINITY] {
        let refused = with(x).unwrap_err();
        assert!(matches!(&refused, Refusal::Values { .. }), "{refused}");
        assert!(refused.to_string().contains("divide the column"), "{refused}");
    }
    values[3] = vec![1e-16, 2e-16];
    let refused = numbers(&setting.request, &values).unwrap_err().to_string();
    assert!(refused.contains("multiply the column"), "{refused}");
    // what nobody has a value of, and what does not vary
    let mut empty = setting;
    for part in 0..3 {
        let mut values = self::values(part);
        values[2] = vec![36.6; part];
        values[3] = Vec::new();
        empty.numbers[part] = numbers(&empty.request, &values).unwrap();
    }
    let refused = schema(&empty.request, &empty.consents(), &empty.answers()).unwrap_err().to_string();
    assert!(refused.contains("no participant has a value of it"), "{refused}");
    for part in 0..3 {
        let mut values = self::values(part);
        values[2] = vec![36.6; part];
        empty.numbers[part] = numbers(&empty.request, &values).unwrap();
    }
    let found = schema(&empty.request, &empty.consents(), &empty.answers()).unwrap();
    let constant = &found.features()[numeric(&found).nth(2).unwrap()];
    assert!((constant.lo - 36.6).abs() < 1e-13 && (constant.hi - 37.6).abs() < 1e-13, "{constant:?}");
    assert!(matches!(found.target(), Target::Classes(_)));
}
