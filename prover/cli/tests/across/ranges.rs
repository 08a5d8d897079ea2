//! A schema's ranges, from tables that stay with their owners, over gRPC.

use tribute_client::{problem, Client};
use tribute_core::schema::Schema;
use tribute_federation::{wire, RangesRequest};
use tribute_proto::v1;
use tribute_testing::data::WINE;

use crate::party::{part, Party};

const NO_WORKERS: &[&str] = &["--k", "14", "--workers", "0"];

/// Three providers with a third of the wines each, and an owner with a template from a few rows.
fn stage() -> (Vec<Party>, Party) {
    let providers: Vec<Party> = (0..3).map(|_| Party::with(NO_WORKERS)).collect();
    for (i, provider) in providers.iter().enumerate() {
        std::fs::write(provider.place.path().join("wine.csv"), part(i)).unwrap();
        provider.says(&["request", "list"]);
    }
    let owner = Party::with(NO_WORKERS);
    let (header, rows) = WINE.split_once('\n').unwrap();
    let few: Vec<&str> = rows.lines().step_by(20).collect();
    std::fs::write(owner.place.path().join("few.csv"), format!("{header}\n{}\n", few.join("\n"))).unwrap();
    std::fs::write(owner.place.path().join("all.csv"), WINE).unwrap();
    owner.says(&["schema", "infer", "few.csv", "--name", "wine", "--out", "template.json"]);
    (providers, owner)
}

fn ask(owner: &Party, providers: &[Party], more: &[&str]) -> String {
    let nodes: Vec<String> = providers.iter().map(|p| format!("{}/={}", p.link.url(), p.key.address())).collect();
    let mut ask = vec!["request", "schema", "ask", "--template", "template.json", "--purpose", "wines"];
    ask.extend(nodes.iter().flat_map(|node| ["--node", node]));
    ask.extend(more);
    owner.says(&ask)["request"].as_str().unwrap().to_owned()
}

fn schema(party: &Party, file: &str) -> Schema {
    Schema::from_json(&std::fs::read_to_string(party.place.path().join(file)).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ranges_are_found_from_tables_that_stay_apart() {
    let (mut providers, owner) = stage();
    let id = ask(&owner, &providers, &[]);
    // with a slash at its end, a URL is the same node's
    let request =
        RangesRequest::parse(&std::fs::read(owner.place.path().join("schema-request.json")).unwrap()).unwrap();
    assert!(request.participants.iter().zip(&providers).all(|(seat, party)| seat.node == party.link.url()));
    let collect = ["request", "schema", "collect", "schema-request.json", "--patience", "60", "--out", "schema.json"];
    let refused = owner.fails(&collect);
    assert!(refused.contains("not approved yet by") && refused.contains(&providers[2].link.url()), "{refused}");

    // each sees and approves what becomes known
    let shown = providers[0].command(&["request", "show", &id]).output().unwrap();
    let shown = String::from_utf8_lossy(&shown.stderr).into_owned();
    assert!(shown.contains("mean and standard deviation over all participants' values"), "{shown}");
    assert!(providers[0].fails(&["request", "approve", &id]).contains("`tribute request schema approve"));
    let approve = ["request", "schema", "approve", &id, "wine.csv"];
    let more = [&approve[..], &["--least-participants", "4"]].concat();
    assert!(providers[0].fails(&more).contains("3 accounts take part, at least 4 are wanted"));
    // a table with a label that is no class of the template
    std::fs::write(
        providers[0].place.path().join("bad.csv"),
        String::from_utf8(part(0)).unwrap().replace(",2\n", ",7\n"),
    )
    .unwrap();
    let refused = providers[0].fails(&["request", "schema", "approve", &id, "bad.csv"]);
    assert!(refused.contains("bad.csv") && refused.contains('7'), "{refused}");
    for provider in &providers {
        assert_eq!(provider.says(&approve)["state"], "approved");
    }
    // again with the same table, and not with another
    assert_eq!(providers[0].says(&approve)["state"], "approved");
    std::fs::write(providers[0].place.path().join("other.csv"), part(1)).unwrap();
    let refused = providers[0].fails(&["request", "schema", "approve", &id, "other.csv"]);
    assert!(refused.contains("approved with the numbers of another table"), "{refused}");
    assert_eq!(providers[1].says(&["request", "list"])[0]["range"], "standard");

    // a node dies meanwhile; all answer once
    providers[1].restart();
    owner.says(&collect);
    let (found, expected) = (schema(&owner, "schema.json"), {
        owner.says(&["schema", "infer", "all.csv", "--name", "wine", "--range", "standard", "--out", "one-place.json"]);
        schema(&owner, "one-place.json")
    });
    for (a, b) in found.features().iter().zip(expected.features()) {
        let allowed = |x: f64| 5.0 * (-49f64).exp2() + 8.0 * f64::EPSILON * x.abs();
        assert!((a.lo - b.lo).abs() <= allowed(b.lo) && (a.hi - b.hi).abs() <= allowed(b.hi), "{a:?} {b:?}");
    }
    assert_eq!((found.name(), found.target(), found.features().len()), (expected.name(), expected.target(), 13));
    let first = std::fs::read(owner.place.path().join("schema.json")).unwrap();
    owner.says(&collect);
    assert_eq!(std::fs::read(owner.place.path().join("schema.json")).unwrap(), first, "the identical answers");
    let refused = providers[0].fails(&approve);
    assert!(refused.contains("this node has answered it"), "{refused}");
    // sums of the same features for the same owner could be subtracted
    let more = ask(&owner, &providers, &["--attempt", "1", "--out", "again.json"]);
    let approve_more = ["request", "schema", "approve", &more, "wine.csv"];
    let refused = providers[0].fails(&approve_more);
    assert!(refused.contains("has sums of") && refused.contains("--again"), "{refused}");
    assert_eq!(providers[0].says(&[&approve_more[..], &["--again"]].concat())["state"], "approved");
    let few = WINE.lines().take(4).collect::<Vec<_>>().join("\n");
    std::fs::write(providers[1].place.path().join("few.csv"), few).unwrap();
    let refused = providers[1].fails(&["request", "schema", "approve", &more, "few.csv"]);
    assert!(refused.contains("has 3 values of") && refused.contains("--least-values"), "{refused}");
    // a provider registers under it like under any other
    std::fs::write(providers[0].place.path().join("schema.json"), &first).unwrap();
    providers[0].says(&["dataset", "register", "wine.csv", "--schema", "schema.json", "--allow-clamped", "--dry-run"]);

    // for an account that the node does not know, nothing is stored
    let stranger = alloy::signers::local::PrivateKeySigner::random().address().to_string();
    let unknown = format!("{}={stranger}", providers[0].link.url());
    let known = format!("{}={}", providers[1].link.url(), providers[1].key.address());
    let template = ["request", "schema", "ask", "--template", "template.json", "--purpose", "wines"];
    let to = ["--out", "unknown.json", "--node", &unknown, "--node", &known];
    let refused = owner.fails(&[&template[..], &to[..]].concat());
    assert!(refused.contains("is not known at this node") && refused.contains("`tribute request list`"), "{refused}");

    // with other consents, which fit too, a node says nothing more
    let request = std::fs::read(owner.place.path().join("schema-request.json")).unwrap();
    let request = RangesRequest::parse(&request).unwrap();
    let node = Client::connect(&providers[0].link.url(), owner.key.clone()).await.unwrap();
    let account = providers[0].key.address().to_vec();
    let consent = |key: &alloy::signers::local::PrivateKeySigner| {
        let keys = tribute_federation::NodeKeys::random();
        wire::consent_message(
            &tribute_federation::Consent::sign(key, request.id(), keys.mask_key(), keys.answer_key()).unwrap(),
        )
    };
    let consents = providers.iter().map(|p| consent(&p.key)).collect();
    let asked = v1::AnswerRangesRequest { id: request.id().to_vec(), account, consents };
    let refused = problem(node.trainings().answer_ranges(asked).await.unwrap_err());
    assert!(refused.message.contains("an answer is given once"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn extremes_are_disclosed_only_by_who_says_so() {
    let (providers, owner) = stage();
    let id = ask(&owner, &providers, &["--range", "minmax", "--attempt", "1"]);
    let refused = providers[0].fails(&["request", "schema", "approve", &id, "wine.csv"]);
    assert!(refused.contains("values of single records") && refused.contains("--disclose-extremes"), "{refused}");
    for provider in &providers {
        provider.says(&["request", "schema", "approve", &id, "wine.csv", "--disclose-extremes"]);
    }
    owner.says(&["request", "schema", "collect", "schema-request.json", "--out", "schema.json"]);
    owner.says(&["schema", "infer", "all.csv", "--name", "wine", "--out", "one-place.json"]);
    assert_eq!(schema(&owner, "schema.json"), schema(&owner, "one-place.json"));

    // one declines: nothing is found, and the error says who and why
    let id = ask(&owner, &providers, &["--attempt", "2"]);
    providers[2].says(&["request", "decline", &id, "--reason", "no ranges from us"]);
    let refused = owner.fails(&["request", "schema", "collect", "schema-request.json"]);
    assert!(refused.contains(&providers[2].link.url()) && refused.contains("declined: no ranges from us"), "{refused}");
    // and quantiles cannot be asked for
    let asked = std::fs::read_to_string(owner.place.path().join("schema-request.json")).unwrap();
    let send = v1::AskTrainingRequest {
        request_json: asked.replace("\"standard\"", "\"quantile\"").into_bytes(),
        accounts: vec![providers[0].key.address().to_vec()],
    };
    let node = Client::connect(&providers[0].link.url(), owner.key.clone()).await.unwrap();
    let refused = problem(node.trainings().ask_training(send).await.unwrap_err());
    assert!(refused.message.contains("quantiles cannot be found from rows that stay apart"), "{refused}");
}
