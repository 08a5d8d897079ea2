//! What data is worth, through the public command line: valued, verified, refused, paid by. The larger ones, with their times, are
//! behind `make values`.

use std::time::Instant;

use serde_json::{json, Value};
use tribute::offline::{verify_file, Options};
use tribute_client::{problem, Client};
use tribute_core::id::DatasetId;
use tribute_core::valuation::Valuation;
use tribute_problem::{Problem, Reason};
use tribute_proto::v1;
use tribute_testing::{World, ROOT};

/// Accounts: indices into the funded ones. Providers come from [`PROVIDER`] on.
const OWNER: usize = 0;
const TESTER: usize = 1;
const PROVIDER: usize = 2;
const CLIENT: usize = 5;
const ATTESTER: usize = 6;

/// A table, divided among providers, with the test set's rows.
struct Market {
    table: &'static str,
    link: &'static str,
    lambda: &'static str,
    k: &'static str,
    parts: Vec<std::ops::Range<usize>>,
    test: std::ops::Range<usize>,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a string")).to_owned()
}

/// An agent over all parts with its certificate, and the test set: the digest of its weights and the test set's id.
fn certified(w: &mut World, market: &Market) -> (String, String) {
    w.serve(&["--k", market.k]);
    let table = format!("{ROOT}/examples/{}", market.table);
    w.run(OWNER, &format!("schema infer {table} --name values --out @schema.json"));
    let register = |w: &World, account: usize, rows: &std::ops::Range<usize>, name: &str| {
        let rows = format!("{}..{}", rows.start, rows.end);
        let arguments = format!("dataset register {table} --rows {rows} --schema @schema.json --open-training");
        w.run(account, &format!("{arguments} --out @{name}.json"));
        text(&w.json(&format!("{name}.json"))["dataset_id"])
    };
    let ids: Vec<String> =
        market.parts.iter().enumerate().map(|(i, rows)| register(w, PROVIDER + i, rows, &format!("d{i}"))).collect();
    let listed: String = ids.iter().map(|id| format!(" --dataset {id}")).collect();
    w.run(OWNER, &format!("agent train --lambda {} --link {}{listed} --out @agent.json", market.lambda, market.link));
    let weights = text(&w.json("agent.json")["weights_digest"]);
    w.run(OWNER, &format!("agent prove-gradients {weights} --out @g.json"));
    w.run(OWNER, &format!("agent prove-optimum {weights} --out @o.json"));
    (weights, register(w, TESTER, &market.test, "test"))
}

/// Values the agent, with the time it took, and verifies the file.
fn valued(w: &World, weights: &str, test: &str) -> Valuation {
    let start = Instant::now();
    let output = w.output(OWNER, &format!("agent value {weights} --test {test} --out @valuation.json"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.contains(" coalitions"), "{said}");
    let proving = start.elapsed();
    let start = Instant::now();
    let report = verify_file(&w.file("valuation.json"), &Options { allow_dev_srs: true, srs: None }).unwrap();
    println!("valued in {proving:.1?}, {} proofs verified in {:.1?}", report.proofs(), start.elapsed());
    println!("{said}");
    report.valuation().unwrap().clone()
}

fn thirds(
    table: &'static str,
    link: &'static str,
    k: &'static str,
    rows: usize,
    test: std::ops::Range<usize>,
) -> Market {
    Market { table, link, lambda: "0.01", k, parts: (0..3).map(|i| i * rows..(i + 1) * rows).collect(), test }
}

#[test]
fn three_owners_of_wines_are_valued() {
    let mut w = World::new();
    let (weights, test) = certified(&mut w, &thirds("wine.csv", "squared", "11", 45, 135..178));
    let told = w.run(OWNER, &format!("agent value {weights} --test {test} --estimate"));
    assert_eq!((told["coalitions"].as_u64(), told["gradients"].as_u64()), (Some(6), Some(9)));
    // six coalitions, and the agent's own evaluation
    assert_eq!(
        (told["test_set"]["dataset_id"].as_str(), told["test_set"]["openings"].as_u64()),
        (Some(&*test), Some(7))
    );
    let datasets = told["datasets"].as_array().unwrap();
    assert!(datasets.len() == 3 && datasets.iter().all(|d| d["openings"] == 3), "{told}");
    let left = |d: &Value| d["openings_left"].as_u64().unwrap();
    assert!(datasets.iter().chain([&told["test_set"]]).all(|d| left(d) > 7), "{told}");
    // six coalitions, each of one or two shards, and of three more proofs or as long as that
    let (seconds, memory) = (told["seconds_of_one_worker"].as_f64().unwrap(), told["memory_mb_of_a_worker"].as_u64());
    assert!(seconds > 0.0 && memory > Some(50) && told["existing"].is_null(), "{told}");

    let v = valued(&w, &weights, &test);
    assert_eq!((v.coalitions.len(), v.owners.len(), v.test.records), (7, 3, 43));
    assert!(v.values.iter().all(|value| value.numerator.0 > 0), "{:?}", v.values);
    assert_eq!(v.values.iter().map(|value| value.numerator.0).sum::<i128>(), 6 * v.utility());
    // the same command finds its job, and the same file
    let jobs = || w.says(OWNER, "job list --limit 1000");
    let before = jobs();
    assert!(before.contains("starts 1"), "{before}");
    assert_eq!(valued(&w, &weights, &test), v);
    assert_eq!(jobs(), before, "proven again");

    // what is done takes nothing; what was told before is what was opened
    let later = w.run(OWNER, &format!("agent value {weights} --test {test} --estimate"));
    assert!(later["existing"].is_string() && later["seconds_of_one_worker"].is_null(), "{later}");
    for (before, after) in datasets.iter().zip(later["datasets"].as_array().unwrap()) {
        assert_eq!((after["openings"].as_u64(), left(after)), (Some(0), left(before) - 3));
    }
    assert_eq!(left(&later["test_set"]), left(&told["test_set"]) - 7);

    // an owner of valued data has no test set, and a table that was trained on is none
    let own =
        format!("dataset register {ROOT}/examples/wine.csv --rows 135..178 --schema @schema.json --open-training");
    w.run(PROVIDER, &format!("{own} --out @own.json"));
    let own = text(&w.json("own.json")["dataset_id"]);
    let refused = w.fails(OWNER, &format!("agent value {weights} --test {own}"));
    assert!(refused.contains("registered the test set and one of the datasets"), "{refused}");
    let trained = text(&w.json("d0.json")["dataset_id"]);
    let refused = w.fails(OWNER, &format!("agent value {weights} --test {trained}"));
    assert!(refused.contains("was trained on it"), "{refused}");
    // a request of many jobs is refused before any of them is made
    let ask = |coalitions: &[&[u32]]| {
        let bytes = |hex: &str| hex::decode(hex.trim_start_matches("0x")).unwrap();
        let coalitions = coalitions.iter().map(|owners| v1::Coalition { owners: owners.to_vec() }).collect();
        let work = v1::ValuationWork { weights_digest: bytes(&weights), dataset_id: bytes(&test), coalitions };
        let request = v1::ValueAgentRequest { work: Some(work), options: None };
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let client = Client::connect(w.url(), w.key(OWNER).clone()).await.unwrap();
            let job = client.agents().value_agent(request).await.map_err(problem)?.into_inner().job.unwrap();
            let jobs = client.jobs().list_jobs(v1::ListJobsRequest::default()).await.unwrap().into_inner().jobs;
            let coalitions = jobs.into_iter().filter(|job| job.kind == "coalition").count();
            Ok::<_, Problem>((client.finish(&job.id, |_| {}).await?, coalitions))
        })
    };
    let refused = |coalitions: &[&[u32]]| -> Problem {
        let refused = ask(coalitions).unwrap_err();
        assert_eq!(refused.reason, Reason::BadField, "{refused}");
        refused
    };
    assert!(refused(&[&[0], &[1], &[0]]).message.contains("listed twice"));
    assert!(refused(&[&[0][..]; 10_000]).message.contains("10000 jobs in one request"));
    assert!(refused(&[]).message.contains("name at least one"));
    let wrong: [&[u32]; 5] = [&[], &[0, 1, 2], &[1, 0], &[0, 0], &[3]];
    for owners in wrong {
        let refused = refused(&[&[0], owners]);
        assert!(refused.message.contains("is not a coalition of some of 3 owners"), "{refused}");
    }
    // other valuations share their coalitions
    let (found, coalitions) = ask(&[&[0], &[1]]).unwrap();
    assert_eq!((found.title.as_str(), coalitions), ("valuation by 2 coalitions", 6));
    let beacon = "11".repeat(32);
    let refused = w.fails(OWNER, &format!("agent value {weights} --test {test} --permutations 30 --beacon 0x{beacon}"));
    assert!(refused.contains("every coalition is trained"), "{refused}");

    // what its owner deletes tests nothing any more
    w.says(TESTER, &format!("dataset forget {test}"));
    for asked in [format!("agent evaluate {weights} --dataset {test}"), format!("agent value {weights} --test {test}")]
    {
        let refused = w.fails(OWNER, &asked);
        assert!(refused.contains("were deleted from this server"), "{refused}");
    }
}

/// An agent of several owners certified on a chain, with a test set that is registered there, and a session.
struct Sold {
    w: World,
    agent: String,
    weights: String,
    datasets: Vec<String>,
    test: String,
    session: String,
}

/// Tokens that answers have brought to data, by 20 answers at 1,000 and 40 %.
const TO_DATA: u128 = 8_000;

/// Wines in these rows, of as many owners, and those of the test set.
fn sold(parts: &[std::ops::Range<usize>], tested: std::ops::Range<usize>) -> Sold {
    let mut w = World::with_chain();
    w.run(OWNER, "chain deploy --thaw-seconds 60 --challenge-seconds 60 --deployment @deployment.json");
    let (rpc, deployment) = (w.anvil().url().to_owned(), w.deployment().display().to_string());
    w.serve(&["--k", "15", "--rpc", &rpc, "--contracts", &deployment]);
    let wine = format!("{ROOT}/examples/wine.csv");
    w.run(OWNER, &format!("schema infer {wine} --out @schema.json"));
    w.run(OWNER, "circuits add --schema @schema.json --link softmax --out @circuits.json");
    let owner = w.key(OWNER).address();
    // one use to train, and one for each coalition with the dataset; the test set's are the agent's evaluation and all coalitions'
    let register = |w: &World, account: usize, rows: &std::ops::Range<usize>, uses: u32| {
        let rows = format!("{}..{}", rows.start, rows.end);
        w.run(account, &format!("dataset register {wine} --rows {rows} --schema @schema.json --out @d.json"));
        let id = text(&w.run(account, "chain register-dataset @d.json")["dataset_id"]);
        w.run(account, &format!("chain grant {id} --to {owner} --uses {uses}"));
        id
    };
    let all = 1 << parts.len();
    let datasets: Vec<String> =
        parts.iter().enumerate().map(|(i, rows)| register(&w, PROVIDER + i, rows, all / 2)).collect();
    let test = register(&w, TESTER, &tested, all - 1);
    let listed: String = datasets.iter().map(|id| format!(" --dataset {id}")).collect();
    w.run(OWNER, &format!("agent train --lambda 0.01{listed} --out @agent.json"));
    let weights = text(&w.json("agent.json")["weights_digest"]);
    let agent = text(&w.run(OWNER, "chain create-agent --name wine")["agent_id"]);
    let propose = "--trained @agent.json --circuits @circuits.json --data-bps 4000";
    w.run(OWNER, &format!("chain propose-version {agent} {propose}"));
    w.run(OWNER, &format!("agent prove-gradients {weights} --out @g.json"));
    w.run(OWNER, &format!("agent prove-optimum {weights} --agent-id {agent} --version 1 --out @o.json"));
    w.run(OWNER, &format!("chain submit-gradients {agent} --gradients @g.json"));
    w.run(OWNER, &format!("chain certify {agent} --optimum @o.json"));
    let client = w.key(CLIENT).address();
    w.run(OWNER, &format!("chain mint --to {client} --amount 50000"));
    let open = format!("chain open-session --agent {agent} --price 1000 --escrow 50000");
    let session = text(&w.run(CLIENT, &open)["session"]);
    w.run(CLIENT, &format!("session open {session} --weights {weights}"));
    Sold { w, agent, weights, datasets, test, session }
}

impl Sold {
    /// Asks 20 queries and claims their fees.
    fn earn(&self, claim: &str) {
        let Sold { w, weights, session, .. } = self;
        w.run(
            CLIENT,
            &format!("session query {session} --csv {ROOT}/examples/wine.csv --rows 150..170 --state @s.json"),
        );
        w.run(OWNER, &format!("claim prove --weights {weights} --session {session} --out @{claim}.json"));
        w.run(OWNER, &format!("chain claim @{claim}.json"));
    }

    /// What the version pays its datasets by, and both parts of [`TO_DATA`].
    fn divided(&self) -> (String, [u128; 2]) {
        let shown = self.w.run(CLIENT, &format!("chain weights {}", self.agent));
        let amount = |d: &Value, field: &str| text(&d[field]).parse::<u128>().unwrap();
        let part = |i: usize| {
            let dataset = &shown["datasets"][i];
            assert_eq!(text(&dataset["dataset_id"]), self.datasets[i]);
            TO_DATA * amount(dataset, "weight") / amount(dataset, "of")
        };
        (text(&shown["pays_by"]), [part(0), part(1)])
    }
}

/// Sells a dataset.
fn sells(w: &World, dataset: &str, from: usize, to: usize) {
    w.run(from, &format!("chain transfer --dataset {dataset} --to {}", w.key(to).address()));
    w.run(to, &format!("chain accept --dataset {dataset}"));
}

/// Where the chain differs from a file that claims these permutations.
fn claims_a_draw(w: &World, valuation: &Valuation, beacon: &str, permutations: u32) -> Vec<String> {
    let mut claimed = serde_json::to_value(valuation).unwrap();
    claimed["sampling"] = json!({ "beacon": beacon, "permutations": permutations });
    let mut claimed: Valuation = serde_json::from_value(claimed).unwrap();
    claimed.checksum = tribute_core::certificate::Hex(claimed.expected_checksum());
    std::fs::write(w.file("drawn.json"), claimed.to_json()).unwrap();
    let told = w.output(CLIENT, "chain check-certificate @drawn.json --json");
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(told["sampled"]["permutations"], permutations);
    told["differences"].as_array().unwrap().iter().map(|found| text(&found["what"])).collect()
}

/// Where the chain differs from a file that names another owner of the test set.
fn claims_another_tester(w: &World, valuation: &Valuation) -> String {
    let mut claimed = valuation.clone();
    claimed.test.shards[0].owner = tribute_core::certificate::Hex(w.key(CLIENT).address().into_array());
    claimed.checksum = tribute_core::certificate::Hex(claimed.expected_checksum());
    std::fs::write(w.file("claimed.json"), claimed.to_json()).unwrap();
    let told = w.output(CLIENT, "chain check-certificate @claimed.json --json");
    assert!(!told.status.success());
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    text(&told["differences"][0]["what"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn valued_and_signed_by_all_a_version_pays_by_value_and_one_refusal_keeps_shares() {
    let s = sold(&[0..60, 60..110], 110..150);
    let Sold { w, agent, weights, datasets, test, .. } = &s;
    let value = format!("agent value {weights} --test {test} --out @valuation.json");
    // whoever buys the test set has no data that it would value
    sells(w, test, TESTER, PROVIDER + 1);
    let refused = w.fails(OWNER, &value);
    assert!(refused.contains("owns or registered the test set"), "{refused}");
    sells(w, test, PROVIDER + 1, TESTER);
    w.run(OWNER, &value);
    let valuation = Valuation::from_json(&std::fs::read(w.file("valuation.json")).unwrap()).unwrap();
    let attester = w.key(ATTESTER).address();
    let sign = "--valuation @valuation.json --allow-dev-srs";
    let propose = format!("chain propose-weights {sign} --out @weights.json");
    assert!(w.fails(OWNER, &propose.replace(" --allow-dev-srs", "")).contains("development SRS"));

    // both owners accepted an attester beforehand, on this test set; then one refuses what it vouches for
    for (i, id) in datasets.iter().enumerate() {
        let terms = format!("--to {} --attester {attester} --test-set {test}", w.key(OWNER).address());
        w.run(PROVIDER + i, &format!("chain accept-valuations {id} {terms}"));
    }
    w.run(OWNER, &format!("{propose} --attester {attester}"));
    let attest = format!("chain sign attest-weights @weights.json {sign} --out @attest.json");
    assert!(w.fails(ATTESTER, &attest.replace(" --allow-dev-srs", "")).contains("development SRS"));
    assert!(w.fails(OWNER, &attest).contains("the weights name"));
    w.says(ATTESTER, &attest);
    assert_eq!(w.run(CLIENT, "chain install-weights @attest.json")["installed"][0]["state"], "waits");
    w.run(PROVIDER + 1, &format!("chain object-weights {agent} --dataset {}", datasets[1]));
    w.anvil().connect().await.unwrap().advance_time(61).await.unwrap();
    assert!(w.fails(CLIENT, &format!("chain enforce-weights {agent}")).contains("NothingWaits"));
    s.earn("first");
    let (pays_by, by_share) = s.divided();
    assert_eq!(pays_by, "shares");

    // the file says of the test set and the datasets what the chain has
    let compared = w.run(CLIENT, "chain check-certificate @valuation.json");
    assert_eq!(compared["agrees"], true, "{compared}");
    assert_eq!(compared["sampled"], Value::Null);
    assert_eq!(claims_another_tester(w, &valuation), "test.shards[0].owner");

    // permutations count only if the chain drew them: by one commitment, and the beacon that followed
    let ground = format!("0x{}", "07".repeat(32));
    assert_eq!(claims_a_draw(w, &valuation, &ground, 100), ["sampling"]);
    w.run(OWNER, &format!("chain commit-valuation {agent} --test-set {test} --permutations 100"));
    assert_eq!(claims_a_draw(w, &valuation, &ground, 100), ["sampling.beacon"]);
    w.anvil().connect().await.unwrap().mine(101).await.unwrap();
    let beacon = text(&w.run(CLIENT, &format!("chain beacon {agent}"))["beacon"]);
    assert!(claims_a_draw(w, &valuation, &beacon, 100).is_empty());
    assert_eq!(claims_a_draw(w, &valuation, &ground, 100), ["sampling.beacon"]);
    assert_eq!(claims_a_draw(w, &valuation, &beacon, 101), ["sampling.permutations"]);

    // proposed again, and signed by both; weights that do not follow from the valuation are not
    w.run(OWNER, &propose);
    let proposed = w.json("weights.json");
    let followed = valuation.weights().unwrap();
    for (i, (id, weight)) in followed.iter().enumerate() {
        assert_eq!(proposed["weights"][i], json!({ "dataset_id": id, "weight": weight.to_string() }));
    }
    let digest = format!("0x{}", hex::encode(valuation.digest()));
    assert_eq!((text(&proposed["valuation"]), text(&proposed["test_set"])), (digest, test.clone()));
    let mut shifted = proposed.clone();
    shifted["weights"][0]["weight"] = json!((followed[0].1 + 1).to_string());
    shifted["weights"][1]["weight"] = json!((followed[1].1 - 1).to_string());
    std::fs::write(w.file("shifted.json"), shifted.to_string()).unwrap();
    let refused = w.fails(PROVIDER, &format!("chain sign agree-weights @shifted.json {sign} --out @x.json"));
    assert!(refused.contains("do not follow from it"), "{refused}");
    shifted["valuation"] = json!(format!("0x{}", "22".repeat(32)));
    std::fs::write(w.file("shifted.json"), shifted.to_string()).unwrap();
    let refused = w.fails(PROVIDER, &format!("chain sign agree-weights @shifted.json {sign} --out @x.json"));
    assert!(refused.contains("but the weights name"), "{refused}");
    let again = format!("chain sign agree-weights @weights.json {sign} --out @x.json");
    assert!(w.fails(PROVIDER, &again.replace(" --allow-dev-srs", "")).contains("development SRS"));
    for i in [0, 1] {
        w.says(PROVIDER + i, &format!("chain sign agree-weights @weights.json {sign} --out @signed{i}.json"));
    }
    let installed = w.run(CLIENT, "chain install-weights @signed0.json @signed1.json");
    assert_eq!(installed["installed"][0]["state"], "in-force");
    s.earn("second");
    let (pays_by, by_value) = s.divided();
    assert_eq!(pays_by, "agreed weights");
    assert_ne!(by_share, by_value, "the test could not tell them apart");

    // earned by shares before, by values since
    for i in [0, 1] {
        let paid = w.run(PROVIDER + i, "chain withdraw");
        assert_eq!(text(&paid["withdrawals"][0]["amount"]), (by_share[i] + by_value[i]).to_string());
    }

    // weights of a round that is over are not vouched for, nor a file that no longer says what each owner's data is worth
    assert!(w.fails(PROVIDER, &again).contains("are for round 2, and it is round 3 by now"));
    // nor one whose test set was sold to somebody with data that it values, or the other way round; nothing else is wrong with
    // the weights, which are of the open round
    w.run(OWNER, &propose);
    let both = "owns or registered the test set";
    sells(w, test, TESTER, PROVIDER);
    for command in [&propose, &again] {
        let refused = w.fails(PROVIDER, command);
        assert!(refused.contains(both), "{refused}");
    }
    let told = w.output(CLIENT, "chain check-certificate @valuation.json --json");
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert!(text(&told["differences"][0]["what"]).contains("test set and a dataset"), "{told}");
    sells(w, test, PROVIDER, TESTER);
    sells(w, &datasets[1], PROVIDER + 1, TESTER);
    let refused = w.fails(OWNER, &propose);
    assert!(refused.contains(both), "{refused}");
    sells(w, &datasets[1], TESTER, PROVIDER);
    let refused = w.fails(OWNER, &propose);
    assert!(refused.contains("as two owners', and they belong to one now"), "{refused}");
    let told = w.output(CLIENT, "chain check-certificate @valuation.json --json");
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    let [difference] = told["differences"].as_array().unwrap().as_slice() else { panic!("{told}") };
    assert_eq!(difference["what"], "whose the datasets are");
}

/// Seven owners, so permutations are drawn: weights follow only from those that the chain drew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "some minutes: make values"]
async fn a_sampled_valuation_is_signed_only_with_the_chains_draw() {
    let parts: Vec<_> = (0..7).map(|i| i * 20..(i + 1) * 20).collect();
    let Sold { w, agent, weights, test, .. } = &sold(&parts, 140..178);
    let drawn = |beacon: &str, permutations: u32, file: &str| {
        let draw = format!("--permutations {permutations} --beacon {beacon}");
        w.run(OWNER, &format!("agent value {weights} --test {test} {draw} --out @{file}"));
        Valuation::from_json(&std::fs::read(w.file(file)).unwrap()).unwrap()
    };
    let propose = |file: &str| format!("chain propose-weights --valuation @{file} --out @weights.json --allow-dev-srs");
    let attester = w.key(ATTESTER).address();
    let refused = |file: &str, what: &str| {
        let refused = w.fails(OWNER, &propose(file));
        assert!(refused.contains(what), "{refused}");
    };

    // the best of many beacons could be shown, so one that nobody committed to counts for nothing
    let ground = format!("0x{}", "07".repeat(32));
    let by_choice = drawn(&ground, 100, "ground.json");
    refused("ground.json", "not committed to");
    w.run(OWNER, &format!("chain commit-valuation {agent} --test-set {test} --permutations 100"));
    refused("ground.json", "not fixed yet");
    w.anvil().connect().await.unwrap().mine(101).await.unwrap();
    let beacon = text(&w.run(CLIENT, &format!("chain beacon {agent}"))["beacon"]);
    refused("ground.json", "sampling.beacon");
    drawn(&beacon, 101, "more.json");
    refused("more.json", "sampling.permutations");

    let valuation = drawn(&beacon, 100, "valuation.json");
    let output = w.output(OWNER, &format!("{} --attester {attester}", propose("valuation.json")));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.contains("100 permutations of 7 owners"), "{said}");
    let attest = |file: &str| {
        format!("chain sign attest-weights @weights.json --valuation @{file} --allow-dev-srs --out @attest.json")
    };
    let output = w.output(ATTESTER, &attest("valuation.json"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.contains("the widest interval is ±"), "{said}");
    // weights that follow from the other draw, as if they had been proposed
    let mut weights = w.json("weights.json");
    assert_eq!(text(&weights["valuation"]), format!("0x{}", hex::encode(valuation.digest())));
    let one = |(id, weight): (DatasetId, u64)| json!({ "dataset_id": id, "weight": weight.to_string() });
    weights["weights"] = by_choice.weights().unwrap().into_iter().map(one).collect();
    weights["valuation"] = json!(format!("0x{}", hex::encode(by_choice.digest())));
    std::fs::write(w.file("weights.json"), weights.to_string()).unwrap();
    let refused = w.fails(ATTESTER, &attest("ground.json"));
    assert!(refused.contains("sampling.beacon"), "{refused}");
}

#[test]
#[ignore = "some minutes: make values"]
fn three_owners_of_digits() {
    let mut w = World::new();
    let (weights, test) = certified(&mut w, &thirds("digits.csv.gz", "softmax", "15", 532, 1597..1797));
    let v = valued(&w, &weights, &test);
    let parts = v.parts();
    assert!(parts.iter().all(|part| (part - 1.0 / 3.0).abs() < 0.05), "{parts:?}");
}

#[test]
#[ignore = "some minutes: make values"]
fn three_owners_of_wines_under_softmax() {
    let mut w = World::new();
    let (weights, test) = certified(&mut w, &thirds("wine.csv", "softmax", "15", 45, 135..178));
    valued(&w, &weights, &test);
}

#[test]
#[ignore = "many minutes: make values"]
fn six_owners_of_digits() {
    let mut w = World::new();
    let parts = (0..6).map(|i| i * 250..(i + 1) * 250).collect();
    let market = Market { table: "digits.csv.gz", link: "softmax", lambda: "0.01", k: "15", parts, test: 1597..1797 };
    let (weights, test) = certified(&mut w, &market);
    let v = valued(&w, &weights, &test);
    assert_eq!((v.coalitions.len(), v.proofs()), (63, 6 * 2 + 1 + 1 + 63 + 62 + 186));
}

/// Forty orders of twelve owners, drawn by a beacon, against the exact values, which were computed from all 4,095 coalitions
/// without proofs: `inference/tests/suite/values.rs`. Datasets' ids are random, and with them the orders.
#[test]
#[ignore = "many minutes: make values"]
fn forty_orders_of_twelve_owners() {
    let mut w = World::new();
    let parts = (0..12).map(|i| i * 11..(i + 1) * 11).collect();
    let market = Market { table: "wine.csv", link: "squared", lambda: "0.1", k: "13", parts, test: 140..178 };
    let (weights, test) = certified(&mut w, &market);
    let refused = w.fails(OWNER, &format!("agent value {weights} --test {test}"));
    assert!(refused.contains("4095 coalitions: draw some of them"), "{refused}");
    let v = valued(&w, &weights, &format!("{test} --permutations 40 --beacon 0x{}", "5e".repeat(32)));
    let exact: Value =
        serde_json::from_slice(include_bytes!("../../../../inference/tests/fixtures/twelve_owners.json")).unwrap();
    assert_eq!(exact["uniform_loss"], v.uniform_loss);
    assert_eq!(exact["agents_loss"], v.coalitions.last().unwrap().loss);
    println!("{} coalitions", v.coalitions.len());
    let inside = |i: usize| {
        let exact = text(&exact["numerators"][i]).parse::<f64>().unwrap() / exact["denominator"].as_f64().unwrap();
        let (value, half) = (v.values[i].numerator.0 as f64 / v.denominator as f64, v.values[i].half_width);
        println!("owner {i}: exact {exact:.0}, sampled {value:.0} ± {half}");
        (value - exact).abs() <= half as f64
    };
    let inside = (0..12).filter(|i| inside(*i)).count();
    assert_eq!(inside, 12, "intervals that contain the exact value");
}
