use super::*;

fn console() -> Console {
    Console::new(&["here:7410".into(), "tribute.example:443".into()], Some("https://node.example/key?a=b"))
}

fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

fn status(headers: &[(&str, &str)]) -> Option<StatusCode> {
    console().answer(&request("POST", "/tribute.v1.JobService/Submit", headers)).map(|r| r.status())
}

const CALL: (&str, &str) = ("content-type", "application/grpc-web+proto");

#[test]
fn calls_of_other_sites_are_refused() {
    assert_eq!(status(&[CALL]), None);
    assert_eq!(status(&[("content-type", "application/grpc")]), None);
    for own in ["http://here:7410", "https://tribute.example", "https://TRIBUTE.example:443"] {
        assert_eq!(status(&[CALL, ("origin", own), ("sec-fetch-site", "same-origin")]), None, "{own}");
    }
    let refused = Some(StatusCode::FORBIDDEN);
    for other in ["http://evil.example", "http://here:7411", "http://tribute.example", "null", "https://here:7410.evil"]
    {
        assert_eq!(status(&[CALL, ("origin", other)]), refused, "{other}");
    }
    for site in ["cross-site", "same-site", "none"] {
        assert_eq!(status(&[CALL, ("origin", "http://here:7410"), ("sec-fetch-site", site)]), refused, "{site}");
    }
    let asked = console().answer(&request("OPTIONS", "/tribute.v1.JobService/Submit", &[("origin", "http://evil")]));
    let asked = asked.unwrap();
    assert_eq!(asked.status(), StatusCode::FORBIDDEN);
    assert!(asked.headers().keys().all(|name| !name.as_str().starts_with("access-control")));
}

fn policy(path: &str) -> String {
    let response = console().answer(&request("GET", path, &[("host", "here:7410")])).unwrap();
    response.headers()["content-security-policy"].to_str().unwrap().to_owned()
}

fn connections(path: &str) -> String {
    let policy = policy(path);
    let part = policy.split("; ").find(|p| p.starts_with("connect-src")).unwrap();
    part.to_owned()
}

#[test]
fn the_page_connects_to_this_server_and_the_chosen_node() {
    assert_eq!(connections("/"), "connect-src 'self' https://node.example");
    assert_eq!(
        connections("/?rpc=http%3A%2F%2F127.0.0.1%3A8545%2Fx"),
        "connect-src 'self' http://127.0.0.1:8545 https://node.example"
    );
    for hostile in
        ["*", "http://*", "ws://node", "http://a;script-src%20*", "http://a%20b", "http://", "%zz", "javascript:1"]
    {
        assert_eq!(connections(&format!("/?rpc={hostile}")), "connect-src 'self' https://node.example", "{hostile}");
    }
    assert!(policy("/").contains("frame-ancestors 'none'"));
    assert!(policy("/").contains("script-src 'self';"));
}

#[test]
fn an_unknown_name_gets_no_page() {
    let at = |host: &str| console().answer(&request("GET", "/", &[("host", host)])).unwrap().status();
    assert_eq!(at("here:7410"), StatusCode::OK);
    assert_eq!(at("tribute.example"), StatusCode::OK);
    // a name that points here, from a hostile DNS
    assert_eq!(at("evil.example:7410"), StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(at("here:7411"), StatusCode::MISDIRECTED_REQUEST);
}

#[test]
fn no_page_is_framed_guessed_at_or_found_outside_the_bundle() {
    for path in ["/", "/../Cargo.toml", "/%2e%2e/Cargo.toml", "/assets/", "/nothing"] {
        let response = console().answer(&request("GET", path, &[("host", "here:7410")])).unwrap();
        assert_eq!(response.status(), if path == "/" { StatusCode::OK } else { StatusCode::NOT_FOUND }, "{path}");
        assert_eq!(response.headers()["x-frame-options"], "DENY");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    }
}

#[test]
fn a_file_is_sent_packed_to_those_who_take_it_and_once() {
    let Some(file) = FILES.iter().find(|f| f.gzip.is_some()) else {
        return; // built without the bundle
    };
    let get = |headers: &[(&str, &str)]| {
        console().answer(&request("GET", file.path, &[&[("host", "here:7410")], headers].concat())).unwrap()
    };
    assert_eq!(get(&[("accept-encoding", "br, gzip")]).headers()["content-encoding"], "gzip");
    assert!(get(&[("accept-encoding", "gzip;q=0")]).headers().get("content-encoding").is_none());
    assert!(get(&[]).headers().get("content-encoding").is_none());
    assert_eq!(get(&[("if-none-match", file.etag)]).status(), StatusCode::NOT_MODIFIED);
}

#[test]
fn a_program_without_the_bundle_says_so_in_one_sentence() {
    let response = console().absent(None);
    assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
    assert!(response.headers()["content-security-policy"].to_str().unwrap().contains("frame-ancestors 'none'"));
    let index = console().answer(&request("GET", "/", &[("host", "here:7410")])).unwrap();
    assert_eq!(index.headers().contains_key("etag"), is_embedded(), "a bundle's page has its own tag");
    assert!(ABSENT.contains("scripts/console.sh") && !ABSENT.contains(". "));
}
