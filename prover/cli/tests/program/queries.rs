//! Queries: over streams, and by many clients at a time. `make load` writes the figures to `benches/RESULTS.md`; the default
//! sizes are small.

use std::time::{Duration, Instant};

use alloy::signers::local::PrivateKeySigner;
use tribute_chain::{SignedVoucher, Voucher};
use tribute_client::asking::QueryStream;
use tribute_client::session::{ClientSession, Known};
use tribute_client::signing::Content;
use tribute_client::{problem, wire, Client};
use tribute_core::context::Domain;
use tribute_core::id::{SessionId, Transcript};
use tribute_core::schema::{Schema, Target};
use tribute_problem::Reason;
use tribute_proto::v1;
use tribute_testing::data::WINE_FILE;
use tribute_testing::market::{certified, open, text, CLIENT};
use tribute_testing::World;

/// The rules are those of single queries; a refusal ends the stream, and the next query opens another.
async fn streams_follow_the_rules(w: &World, weights: &str, agent: &str) {
    let id = open(w, agent, weights, 100_000, None);
    let client = Client::connect(w.url(), w.key(CLIENT).clone()).await.unwrap();
    let get = v1::GetSessionRequest { session: hex::decode(id.trim_start_matches("0x")).unwrap() };
    let session = client.sessions().get_session(get).await.unwrap().into_inner();
    let number = SessionId::try_from(&*session.id).unwrap();
    let mut state = ClientSession::open(&w.file("streamed.json"), number, &session).unwrap();
    let mut stream = QueryStream::new(&client);
    let mut answers = Vec::new();
    for i in 0..4 {
        answers.push(state.ask_over(&mut stream, vec![i * 50; 13]).await.unwrap());
    }
    // single queries go on where the stream stopped, and the stream where they did; equal questions have equal answers
    assert_eq!(state.ask(&client, vec![0; 13]).await.unwrap(), answers[0]);
    assert_eq!(state.ask_over(&mut stream, vec![50; 13]).await.unwrap(), answers[1]);

    let bare = v1::QueryRequest {
        session: session.id.clone(),
        query: Some(v1::query_request::Query::Quantised(vec![100; 13])),
        salt: [vec![0], vec![7; 31]].concat(),
        position: state.count,
        voucher: None,
    };
    assert_eq!(stream.exchange(bare.clone()).await.unwrap_err().reason, Reason::BadVoucher);
    let ahead = v1::QueryRequest { position: state.count + 1, ..bare.clone() };
    assert_eq!(stream.exchange(ahead).await.unwrap_err().reason, Reason::ForkedTranscript);
    let empty = v1::QueryRequest { query: None, ..bare.clone() };
    assert_eq!(stream.exchange(empty).await.unwrap_err().reason, Reason::BadQuery);
    let stranger = Client::connect(w.url(), PrivateKeySigner::random()).await.unwrap();
    let refused = QueryStream::new(&stranger).exchange(bare.clone()).await.unwrap_err();
    assert_eq!(refused.reason, Reason::NotAllowed);
    // the first message is the signed one
    let mut forged = tonic::Request::new(tokio_stream::once(bare));
    forged.extensions_mut().insert(Content::of(b"another message"));
    let refused = client.sessions().query_stream(forged).await.unwrap_err();
    assert_eq!(problem(refused).reason, Reason::BadSignature);
    state.ask_over(&mut stream, vec![100; 13]).await.unwrap();
    assert_eq!(state.count, 7);
}

/// A server that names answers otherwise, or speaks of another session, would sell other answers than the agent's.
async fn a_lying_server_is_not_asked(w: &World, weights: &str, agent: &str) {
    let id = open(w, agent, weights, 100_000, None);
    let client = Client::connect(w.url(), w.key(CLIENT).clone()).await.unwrap();
    let number: SessionId = id.parse().unwrap();
    let get = v1::GetSessionRequest { session: number.to_vec() };
    let honest = client.sessions().get_session(get).await.unwrap().into_inner();
    let file = w.file("lied.json");
    let another = ClientSession::open(&file, SessionId::new([7; 32]), &honest).unwrap_err();
    assert_eq!(another.reason, Reason::ChainDiffers, "{another}");

    let mut schema: serde_json::Value = serde_json::from_slice(&honest.schema_json).unwrap();
    schema["target"]["classes"].as_array_mut().unwrap().reverse();
    let swapped = serde_json::to_vec(&schema).unwrap();
    let lied = v1::Session { schema_json: swapped.clone(), ..honest.clone() };
    let known = Known {
        source: "the chain".into(),
        schema: Schema::from_json(std::str::from_utf8(&honest.schema_json).unwrap()).unwrap().id(),
        version: None,
        escrow: None,
    };
    let refused = ClientSession::open(&file, number, &lied).unwrap().check(&known).unwrap_err();
    assert!(refused.message.contains("schema") && refused.message.contains("the chain says"), "{refused}");
    // labels are the schema's, whatever the server calls them; and the schema stays the one that the session began with
    let mut state = ClientSession::open(&file, number, &honest).unwrap();
    state.check(&known).unwrap();
    let class = state.ask(&client, vec![9; 13]).await.unwrap();
    let Target::Classes(labels) = state.schema.target() else { panic!() };
    assert_eq!(state.answers[0].label, labels[usize::from(class)]);
    assert_eq!(ClientSession::open(&file, number, &lied).unwrap_err().reason, Reason::ChainDiffers);

    // the command compares with the chain, a certificate and a schema, and says with what it did
    std::fs::write(w.file("swapped.json"), swapped).unwrap();
    let query = format!(
        "session query {id} --csv {WINE_FILE} --rows 90..91 --state @lied.json --certificate @certificate.json"
    );
    let refused = w.fails(CLIENT, &format!("{query} --schema @swapped.json"));
    assert!(refused.contains("do not ask it"), "{refused}");
    let asked = w.run(CLIENT, &format!("{query} --schema @schema.json"));
    assert_eq!(asked["compared_with"].as_array().unwrap().len(), 3, "{asked}");
}

/// A client that keeps nothing on its disk, so that what is measured is the service.
struct Asker {
    client: Client,
    stream: QueryStream,
    session: SessionId,
    domain: Domain,
    position: u64,
    voucher: Option<v1::Voucher>,
}

impl Asker {
    /// With a session and a key of its own.
    async fn new(w: &World, weights: &str, agent: &str) -> Self {
        let key = PrivateKeySigner::random();
        let id = open(w, agent, weights, 2_000_000, Some(key.address()));
        let deployment = w.json("deployment.json");
        let escrow = text(&deployment["session_escrow"]["address"]);
        let mut contract = [0; 20];
        hex::decode_to_slice(escrow.trim_start_matches("0x"), &mut contract).unwrap();
        let client = Client::connect(w.url(), key).await.unwrap();
        Asker {
            stream: QueryStream::new(&client),
            client,
            session: id.parse().unwrap(),
            domain: Domain { chain_id: deployment["chain_id"].as_u64().unwrap(), contract },
            position: 0,
            voucher: None,
        }
    }

    /// Asks `count` queries, one after the other, and returns how long each took.
    async fn ask(&mut self, count: usize, streamed: bool) -> Vec<Duration> {
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let start = Instant::now();
            let query = v1::QueryRequest {
                session: self.session.to_vec(),
                query: Some(v1::query_request::Query::Quantised(rand::random::<[u8; 13]>().to_vec())),
                salt: [vec![0], rand::random::<[u8; 31]>().to_vec()].concat(),
                position: self.position,
                voucher: self.voucher.take(),
            };
            let answer = if streamed {
                self.stream.exchange(query).await.unwrap()
            } else {
                self.client.sessions().query(query).await.unwrap().into_inner()
            };
            self.position += 1;
            let transcript: Transcript = answer.transcript[..].try_into().unwrap();
            let voucher = Voucher { session: self.session, version: 1, count: self.position, transcript };
            let signed = SignedVoucher::sign(self.client.key().unwrap(), &self.domain, voucher).unwrap();
            self.voucher = Some(wire::voucher(&signed));
            times.push(start.elapsed());
        }
        times
    }
}

/// All askers at a time. Prints what it measured.
async fn all_ask(askers: Vec<Asker>, each: usize, streamed: bool) -> Vec<Asker> {
    let (clients, start) = (askers.len(), Instant::now());
    let tasks: Vec<_> = askers
        .into_iter()
        .map(|mut asker| {
            tokio::spawn(async move {
                let times = asker.ask(each, streamed).await;
                (asker, times)
            })
        })
        .collect();
    let (mut askers, mut times) = (Vec::new(), Vec::new());
    for task in tasks {
        let (asker, took) = task.await.unwrap();
        askers.push(asker);
        times.extend(took);
    }
    let rate = times.len() as f64 / start.elapsed().as_secs_f64();
    times.sort();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    let way = if streamed { "streams" } else { "single calls" };
    let line = serde_json::json!({
        "what": "queries", "clients": clients, "way": way, "p50_ms": at(50), "p99_ms": at(99), "rate": rate,
    });
    println!("load: {line}");
    askers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_over_streams_and_by_many_clients() {
    let (w, _, weights, agent) = certified();
    streams_follow_the_rules(&w, &weights, &agent).await;
    a_lying_server_is_not_asked(&w, &weights, &agent).await;
    let load: &[(usize, usize)] =
        if std::env::var_os("TRIBUTE_LOAD").is_some() { &[(1, 400), (16, 100), (128, 20)] } else { &[(1, 5), (4, 5)] };
    let mut askers = Vec::new();
    for &(clients, each) in load {
        while askers.len() < clients {
            askers.push(Asker::new(&w, &weights, &agent).await);
        }
        for streamed in [false, true] {
            askers = all_ask(askers, each, streamed).await;
        }
    }
    // every answer was counted once, whoever asked at the same time
    for asker in &askers {
        let get = v1::GetSessionRequest { session: asker.session.to_vec() };
        let session = asker.client.sessions().get_session(get).await.unwrap().into_inner();
        assert_eq!(session.count, asker.position);
    }
}
