//! What a browser gets from a server: its page, calls from that page, and nothing for any other.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use prost::Message as _;
use tribute_proto::v1;
use tribute_testing::{program, Place, Served};

/// Sends one HTTP/1.1 request and returns status, headers in lower case, and body.
fn send(served: &Served, head: &str, body: &[u8]) -> (u16, String, Vec<u8>) {
    let address = served.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let head = head.replace("HOST", address).replace('\n', "\r\n");
    write!(stream, "{head}content-length: {}\r\nconnection: close\r\n\r\n", body.len()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let split = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&answer[..split]).to_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head, answer[split + 4..].to_vec())
}

fn framed(message: &impl prost::Message) -> Vec<u8> {
    let bytes = message.encode_to_vec();
    [&[0][..], &u32::try_from(bytes.len()).unwrap().to_be_bytes(), &bytes].concat()
}

/// The head of a gRPC-Web call, with more headers.
fn call(path: &str, more: &str) -> String {
    format!("POST {path} HTTP/1.1\nhost: HOST\ncontent-type: application/grpc-web+proto\nx-grpc-web: 1\n{more}")
}

const INFO: &str = "/tribute.v1.ServerService/GetServerInfo";
const CHECK: &str = "/tribute.v1.AuditService/CheckFile";

#[test]
fn its_own_page_may_call_and_another_sites_may_not() {
    let place = Place::new();
    let served = place.serve(&["--workers", "0"]);
    let own = format!("origin: {}\nsec-fetch-site: same-origin\n", served.url);
    let ask = |more: &str| send(&served, &call(INFO, more), &framed(&v1::GetServerInfoRequest {}));

    let (status, head, body) = ask(&own);
    assert_eq!(status, 200);
    assert!(head.contains("application/grpc-web"), "{head}");
    assert!(String::from_utf8_lossy(&body).contains("grpc-status:0"));
    for other in ["origin: http://evil.example\n", "origin: null\n", "sec-fetch-site: cross-site\n"] {
        let (status, head, body) = ask(other);
        assert_eq!(status, 403, "{other}");
        assert!(!head.contains("access-control-allow"), "{head}");
        assert!(!String::from_utf8_lossy(&body).contains("grpc-status:0"));
    }
    let preflight = format!("OPTIONS {INFO} HTTP/1.1\nhost: HOST\norigin: http://evil.example\n");
    assert_eq!(send(&served, &preflight, b"").0, 403);
    // a form of another site: no call at all
    let form = format!("POST {INFO} HTTP/1.1\nhost: HOST\ncontent-type: text/plain\norigin: http://evil.example\n");
    assert_eq!(send(&served, &form, &framed(&v1::GetServerInfoRequest {})).0, 400);
}

#[test]
fn the_page_cannot_be_framed_or_opened_under_a_strange_name() {
    let place = Place::new();
    let served = place.serve(&["--workers", "0"]);
    let (status, head, _) = send(&served, "GET / HTTP/1.1\nhost: HOST\n", b"");
    assert_eq!(status, 200);
    assert!(head.contains("frame-ancestors 'none'") && head.contains("x-frame-options: deny"), "{head}");
    assert!(head.contains("connect-src 'self';"), "{head}");
    let (_, head, _) = send(&served, "GET /?rpc=http%3A%2F%2F127.0.0.1%3A8545 HTTP/1.1\nhost: HOST\n", b"");
    assert!(head.contains("connect-src 'self' http://127.0.0.1:8545;"), "{head}");
    let (status, _, body) = send(&served, "GET / HTTP/1.1\nhost: evil.example:7410\n", b"");
    assert_eq!(status, 421);
    assert!(String::from_utf8_lossy(&body).contains("--name"));
    assert_eq!(send(&served, "GET /master.key HTTP/1.1\nhost: HOST\n", b"").0, 404);
}

#[test]
fn a_file_that_is_no_certificate_is_refused_in_words() {
    let place = Place::new();
    let served = place.serve(&["--workers", "0"]);
    let request = framed(&v1::CheckFileRequest { file_json: b"{\"format\": \"tribute\"}".to_vec() });
    let (status, _, body) = send(&served, &call(CHECK, ""), &request);
    assert_eq!(status, 200);
    // chunked: the message is found by its frame
    let start = body.windows(2).position(|w| w == b"\r\n").unwrap() + 2;
    let length = u32::from_be_bytes(body[start + 1..start + 5].try_into().unwrap()) as usize;
    let answer = v1::CheckFileResponse::decode(&body[start + 5..start + 5 + length]).unwrap();
    assert!(!answer.holds && !answer.refusal.is_empty(), "{answer:?}");
}

#[test]
fn shells_and_manuals_know_every_command() {
    let run = |arguments: &[&str]| {
        let output = Command::new(program()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["completions", shell]);
        assert!(script.contains("prove-gradients") && script.contains("serve"), "{shell}");
    }
    let folder = tempfile::tempdir().unwrap();
    run(&["man", "--out", folder.path().to_str().unwrap()]);
    let page = std::fs::read_to_string(folder.path().join("tribute-serve.1")).unwrap();
    assert!(page.contains("public\\-rpc"), "{page}");
    assert!(folder.path().join("tribute.1").exists() && folder.path().join("tribute-chain-certify.1").exists());
}
