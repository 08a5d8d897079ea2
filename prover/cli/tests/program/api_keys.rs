//! Keys of accounts for programs that only read: each role's calls and no others, until the key is revoked.

use prost::Message as _;
use tonic::Code;
use tribute_client::{problem, Client, Tls};
use tribute_core::hexed::Hex;
use tribute_problem::Reason;
use tribute_proto::v1::{self, KeyRole};
use tribute_proto::{Access, CALLS};
use tribute_service::auth::api_keys::ApiKeys;
use tribute_store::db::Database;
use tribute_testing::calls::{calibrate, connect, submit};
use tribute_testing::stores::Postgres;
use tribute_testing::{program, raw, Place};

async fn created(client: &Client, name: &str, role: KeyRole) -> String {
    let request = v1::CreateKeyRequest { name: name.into(), role: role.into(), days: 30 };
    client.logins().create_key(request).await.unwrap().into_inner().key
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_allows_what_its_role_says_and_no_more() {
    let place = Place::new();
    let served = place.serve(&["--workers", "0"]);
    let (client, other) = (connect(&served.url).await, connect(&served.url).await);
    let job = submit(&client, calibrate(10, 1, "")).await;
    let watcher = created(&client, "ci", KeyRole::Watcher).await;
    let reader = created(&client, "board", KeyRole::Reader).await;
    assert!(watcher.starts_with("tribute_") && watcher != reader);

    // every call that is not public, with each key
    let channel = raw::channel(&served.url).await;
    for call in CALLS.iter().filter(|c| c.access != Access::Public && !c.path.ends_with("/Logout")) {
        for (key, allowed) in [(&watcher, call.watcher), (&reader, call.access == Access::Read)] {
            let answer = raw::call(&channel, call.path, Vec::new(), Some(&format!("Bearer {key}"))).await;
            let refused = answer.err().map(|status| (status.code(), problem(status).reason));
            match (allowed, call.access) {
                // it gets as far as its message
                (true, _) => assert!(
                    !matches!(refused, Some((Code::Unauthenticated, _) | (_, Reason::BadToken))),
                    "{}: {refused:?}",
                    call.path
                ),
                (false, Access::Read) => {
                    assert_eq!(refused, Some((Code::PermissionDenied, Reason::NotAllowed)), "{}", call.path);
                }
                (false, _) => assert_eq!(refused.unwrap().0, Code::Unauthenticated, "{}", call.path),
            }
        }
    }
    let program_of = async |key: &str| Client::connect_to_read(&served.url, key.into(), &Tls::default()).await.unwrap();
    let watching = program_of(&watcher).await;
    let found = watching.jobs().list_jobs(v1::ListJobsRequest::default()).await.unwrap().into_inner().jobs;
    assert_eq!((found.len(), &found[0].id), (1, &job.id));
    let refused = watching.datasets().list_datasets(v1::ListDatasetsRequest::default()).await.map_err(problem);
    assert_eq!(refused.unwrap_err().reason, Reason::NotAllowed);
    let cancel = v1::CancelJobRequest { job: job.id.clone() };
    assert_eq!(watching.jobs().cancel_job(cancel).await.map_err(problem).unwrap_err().reason, Reason::NotAllowed);
    program_of(&reader).await.datasets().list_datasets(v1::ListDatasetsRequest::default()).await.unwrap();

    // what is listed does not let anybody in, and is the account's own
    let listed = client.logins().list_keys(v1::ListKeysRequest {}).await.unwrap().into_inner();
    let names: Vec<(&str, KeyRole)> = listed.keys.iter().map(|k| (k.name.as_str(), k.role())).collect();
    assert_eq!(names, [("board", KeyRole::Reader), ("ci", KeyRole::Watcher)]);
    let text = String::from_utf8_lossy(&listed.encode_to_vec()).into_owned();
    assert!(!text.contains(&watcher) && !text.contains(&reader));
    let theirs = other.logins().list_keys(v1::ListKeysRequest {}).await.unwrap().into_inner();
    assert!(theirs.keys.is_empty());
    let revoke = |name: &str| v1::RevokeKeyRequest { name: name.into() };
    let foreign = other.logins().revoke_key(revoke("ci")).await.map_err(problem).unwrap_err();
    assert_eq!(foreign.reason, Reason::NotFound);

    // revoked by its account, and by itself
    client.logins().revoke_key(revoke("ci")).await.unwrap();
    let gone = watching.jobs().list_jobs(v1::ListJobsRequest::default()).await.map_err(problem).unwrap_err();
    assert_eq!(gone.reason, Reason::BadToken);
    let reading = program_of(&reader).await;
    reading.logins().logout(v1::LogoutRequest {}).await.unwrap();
    let gone = reading.jobs().list_jobs(v1::ListJobsRequest::default()).await.map_err(problem).unwrap_err();
    assert_eq!(gone.reason, Reason::BadToken);

    // nonsense, a name that is taken, and too many
    for (name, role, days) in [
        ("", KeyRole::Reader, 30),
        ("a name", KeyRole::Reader, 30),
        ("a", KeyRole::Unspecified, 30),
        ("a", KeyRole::Reader, 0),
        ("a", KeyRole::Reader, 367),
    ] {
        let request = v1::CreateKeyRequest { name: name.into(), role: role.into(), days };
        let refused = client.logins().create_key(request).await.map_err(problem).unwrap_err();
        assert_eq!(refused.reason, Reason::BadField, "{name} {days}");
    }
    for number in 0..16 {
        created(&client, &format!("key-{number}"), KeyRole::Reader).await;
    }
    let one_more = |name: &str| v1::CreateKeyRequest { name: name.into(), role: KeyRole::Reader.into(), days: 366 };
    let full = client.logins().create_key(one_more("more")).await.map_err(problem).unwrap_err();
    assert_eq!(full.reason, Reason::QuotaSpent);
    client.logins().revoke_key(revoke("key-3")).await.unwrap();
    let taken = client.logins().create_key(one_more("key-4")).await.map_err(problem).unwrap_err();
    assert!(taken.reason == Reason::BadField && taken.message.contains("key-4"), "{taken}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_watches_with_a_key_alone() {
    let place = Place::new();
    let served = place.serve(&["--workers", "0"]);
    let run = |arguments: &[&str], key: &str| {
        let mut command = std::process::Command::new(program());
        command.args(arguments).args(["--server", &served.url]);
        command.env("KEY", "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80").env("API_KEY", key);
        let ended = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (ended.status.success(), text(ended.stdout), text(ended.stderr))
    };
    let (made, key, said) = run(&["api-key", "create", "ci", "--role", "watcher", "--key-env", "KEY"], "");
    assert!(made && key.starts_with("tribute_"), "{said}");
    let (listed, _, said) = run(&["job", "list", "--api-key-env", "API_KEY"], key.trim());
    assert!(listed, "{said}");
    let (calibrated, _, said) = run(&["job", "calibrate", "--api-key-env", "API_KEY"], key.trim());
    assert!(!calibrated && said.contains("an API key only reads"), "{said}");
    let (listed, names, said) = run(&["api-key", "list", "--key-env", "KEY"], "");
    assert!(listed && names.contains("ci") && names.contains("watcher"), "{names}{said}");
    assert!(run(&["api-key", "revoke", "ci", "--key-env", "KEY"], "").0);
    let (listed, _, said) = run(&["job", "list", "--api-key-env", "API_KEY"], key.trim());
    assert!(!listed && said.contains("BAD_TOKEN"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_has_at_most_sixteen_keys_however_many_are_made_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let postgres = Postgres::start();
    let mut urls = vec![format!("sqlite:{}", folder.path().join("t.db").display())];
    if let Some(postgres) = &postgres {
        // a server's default may be another isolation: then a call that waited for the others would not see their keys
        let database = Database::open(&postgres.url).await.unwrap();
        let stricter = "ALTER ROLE postgres SET default_transaction_isolation TO 'repeatable read'";
        sqlx::query(stricter).execute(database.pool()).await.unwrap();
        database.close().await;
        urls.push(postgres.url.clone());
    }
    for url in urls {
        let keys = ApiKeys::new(Database::open(&url).await.unwrap());
        // an account of which the service has nothing yet
        let account = Hex([7; 20]);
        let create = |number| {
            let keys = keys.clone();
            tokio::spawn(async move { keys.create(account, &format!("key-{number}"), KeyRole::Reader, 30).await })
        };
        let calls: Vec<_> = (0..32).map(create).collect();
        let mut made = 0;
        for call in calls {
            match call.await.unwrap() {
                Ok(_) => made += 1,
                Err(refused) => assert_eq!(refused.reason, Reason::QuotaSpent, "{refused}"),
            }
        }
        assert_eq!((made, keys.list(account).await.unwrap().len()), (16, 16), "{url}");
    }
}
