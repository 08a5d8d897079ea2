"""Nodes and gateways with quirks: whatever they answer, a call ends in exactly one transaction or in an error that says what is wrong."""

import re
import subprocess
import sys
import time
from base64 import b64encode
from email.utils import formatdate
from types import SimpleNamespace

import pytest
from eth_abi.abi import encode
from eth_account.typed_transactions import TypedTransaction
from hexbytes import HexBytes
from web3 import Web3

from tribute import _fees, _node, _refusal, _sending, errors
from tribute._encoding import address_of
from tribute.chain import Chain
from tribute.client import Client

from conftest import ROOT, account
from fake_node import CHAIN_ID, CLOSE, EMPTY_BLOCKS, Http, error, fake_node

SEND = "eth_sendRawTransaction"
RECEIPT, BY_HASH, COUNT, BLOCK = (
    "eth_getTransactionReceipt",
    "eth_getTransactionByHash",
    "eth_getTransactionCount",
    "eth_getBlockByNumber",
)
PAGE = b"<!DOCTYPE html><html><title>Just a moment...</title></html>"
ALREADY = [
    "AlreadyKnown",
    "Known transaction",
    "already known",
    "Transaction with the same hash was already imported.",
    "ALREADY_EXISTS: already known",
    "known transaction: " + "ab" * 32,
    "tx already in mempool",
]


@pytest.fixture
def node():
    with fake_node() as node:
        yield node


@pytest.fixture
def quick(monkeypatch):
    """Short waits."""
    for name, seconds in (("RESEND", 0.05), ("RECEIPT_LAG", 0.1), ("REFUSAL_PATIENCE", 0.5), ("CLEAR_REFUSAL_PATIENCE", 0.5)):
        monkeypatch.setattr(_sending, name, seconds)


def connected(node):
    info = SimpleNamespace(
        chain_id=CHAIN_ID, session_escrow=b"\x11" * 20, agent_registry=b"\x12" * 20, dataset_registry=b"\x13" * 20
    )
    return Chain(node.url, SimpleNamespace(account=account(1), info=info))


def paid(node):
    """Sends a transaction."""
    chain = connected(node)
    return chain.send(chain.token.functions.mint(chain.account.address, 5))


def logged(event):
    """A log of this event, with operands of zero."""
    inputs = event().abi["inputs"]
    indexed = sum(field["indexed"] for field in inputs)
    types = [field["type"] for field in inputs if not field["indexed"]]
    nothing = {"string": "", "bytes32": bytes(32), "address": bytes(20)}
    data = HexBytes(encode(types, [nothing.get(kind, 0) for kind in types])).to_0x_hex()
    return {"address": event.address, "topics": [event().topic, *["0x" + "00" * 32] * indexed], "data": data}


def on_send(answer, times=10**6):
    return lambda method, params, n: answer if method == SEND and n < times else None


@pytest.mark.parametrize(
    "words",
    [
        *ALREADY,
        # of a second node, or of the same one when it was asked twice
        "nonce too low",
        "OldNonce",
        "replacement transaction underpriced",
        "insufficient funds for gas * price + value",
        "transaction underpriced",
        # unknown words
        "Internal error",
        "",
    ],
)
def test_a_transaction_that_the_node_already_has_is_followed_to_its_receipt(node, words):
    node.after = on_send(error(-32000, words))
    assert paid(node).block == 1 and len(node.pool) == 1 and node.count(SEND) == 1


@pytest.mark.parametrize("answer", [CLOSE, Http(504, PAGE), Http(200, PAGE), error(-32603, "upstream request timeout")])
def test_answers_that_get_lost_after_the_node_took_it_do_no_harm(node, answer):
    node.after = on_send(answer, 1)
    assert paid(node).block == 1 and len(node.pool) == 1


def test_lost_and_then_already_known(node):
    node.mining = False
    node.after = lambda method, params, n: (CLOSE if n == 0 else error(-32000, "AlreadyKnown")) if method == SEND else None

    def mined_late(method, params, n):
        node.mining = node.mining or node.count(SEND) > 1

    node.before = mined_late
    assert paid(node).block == 1 and len(node.pool) == 1 and node.count(SEND) == 2


@pytest.mark.parametrize("answer", [CLOSE, Http(502, b"Bad Gateway"), error(-32603, "Internal error"), Http(429, b"slow down")])
def test_a_transaction_that_never_reached_the_node_is_sent_again(node, answer):
    node.before = on_send(answer, 1)
    assert paid(node).block == 1 and len(node.pool) == 1 and node.count(SEND) == 2


def test_reads_are_repeated_over_broken_connections(node):
    broken = {"eth_estimateGas": CLOSE, "eth_feeHistory": Http(502, b"Bad Gateway")}
    node.before = lambda method, params, n: broken.get(method) if n == 0 else None
    paid(node)
    assert node.count("eth_estimateGas") == node.count("eth_feeHistory") == 2


def five_a_second(refusal):
    window: list[float] = []

    def limited(method, params, n):
        now = time.monotonic()
        window[:] = [at for at in window if now - at < 1.0]
        if len(window) >= 5:
            return refusal
        window.append(now)

    return limited


@pytest.mark.parametrize(
    "refusal",
    [
        Http(429, {"id": 1, **error(429, "Your app has exceeded its compute units per second capacity")}, retry_after="1"),
        Http(429, b"Too Many Requests"),
        Http(503, b"", retry_after="1"),
        error(-32007, "5/second request limit reached - reduce calls per second or upgrade"),
        error(-32005, "project ID request rate exceeded"),
    ],
    ids=["429", "429 without JSON", "503", "-32007", "-32005"],
)
def test_a_node_that_limits_requests_is_waited_for(node, refusal):
    node.before = five_a_second(refusal)
    assert paid(node).block == 1 and len(node.pool) == 1


@pytest.mark.parametrize(
    "refusal",
    [
        Http(429, b"", retry_after="2"),
        Http(503, b"", retry_after="2.5"),
        error(-32005, "daily request count exceeded, request rate limited", {"rate": {"backoff_seconds": 2}}),
    ],
)
def test_a_node_that_says_how_long_to_wait_is_not_asked_before(node, refusal):
    node.before = lambda method, params, n: refusal if method == "eth_feeHistory" and n == 0 else None
    paid(node)
    times = [at for at, _ in node.seen]
    assert 2.0 <= max(b - a for a, b in zip(times, times[1:])) < 4.0


@pytest.mark.parametrize(
    "refusal",
    [
        Http(429, b"", retry_after="0"),
        error(-32005, "request rate limited", {"rate": {"backoff_seconds": 0}}),
        {"error": "Too many requests, slow down"},
        {"error": {"code": "-32005", "message": "slow down"}},
        Http(429, b"", retry_after="\u00b2"),
        Http(503, b"", retry_after="soon"),
        Http(503, b"", retry_after=""),
        Http(503, b"", retry_after=formatdate(0, usegmt=True)),
    ],
    ids=["no pause", "no seconds", "text", "code as text", "no number", "no time", "nothing", "a date that is past"],
)
def test_a_node_that_limits_requests_without_a_usable_pause_is_asked_with_growing_ones(node, monkeypatch, refusal):
    monkeypatch.setattr(_node, "PATIENCE", 1.0)
    node.before = lambda *_: refusal
    with pytest.raises(errors.ChainUnavailable, match="limits requests"):
        connected(node)
    assert node.count("eth_chainId") <= 3
    monkeypatch.setattr(_node, "PATIENCE", 60.0)
    node.before = lambda method, params, n: refusal if method == "eth_feeHistory" and n == 0 else None
    assert paid(node).block == 1


def test_a_redirect_that_loses_the_request_is_told_without_its_path(node):
    node.before = lambda *_: Http(301, b"", location=f"{node.url}/v3/SECRET")
    with pytest.raises(errors.ChainUnavailable, match=f"redirects eth_chainId to {node.url}: give the URL") as told:
        connected(node)
    assert "SECRET" not in str(told.value)
    node.before = lambda method, params, n: Http(308, b"", location=node.url) if method == "eth_feeHistory" and n == 0 else None
    assert paid(node).block == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("place", ["http://127.0.0.1:1/v3/SECRET", "/v3/SECRET", "http://[SECRET/", "ftp://other/SECRET"])
def test_a_redirect_that_cannot_be_followed_is_told_as_one(node, status, place):
    node.before = lambda *_: Http(status, b"", location=place)
    with pytest.raises(errors.ChainUnavailable, match=f"^{node.url} redirects eth_chainId to ") as told:
        connected(node)
    assert "SECRET" not in str(told.value) and (node.count("eth_chainId") == 1 or place.startswith("/"))
    assert ("give the URL" in str(told.value)) == (status < 304)


@pytest.mark.parametrize("change", [{"error": None}, {"jsonrpc": None}, {"id": None}, {"id": "7"}, {"extra": [1]}], ids=str)
def test_what_nodes_write_around_a_result_does_not_matter(node, change):
    node.after = lambda method, params, n: {"result": node._result(method, params)} | change if method != SEND else None
    assert paid(node).block == 1 and len(node.pool) == 1


@pytest.mark.parametrize(
    "method, result",
    [
        *(("eth_estimateGas", result) for result in ("0x", None, 50_000, "0x1_0")),
        *(("eth_call", result) for result in (None, 7, "0xz", {})),
        *(("eth_getBlockByNumber", result) for result in ("0x1", ["0x1"])),
        *((COUNT, result) for result in ("-0x1", "0x-1", " 0x5 ", "5", True)),
    ],
)
def test_a_malformed_result_is_told(node, method, result):
    chain = connected(node)
    node.before = lambda asked, *_: {"result": result} if asked == method else None
    with pytest.raises(errors.ChainUnavailable, match=f"answers {method} with .* belongs: use another node"):
        chain.send(chain.token.functions.mint(chain.account.address, 5))
        chain.is_certified(bytes(32), 1)
    assert not node.pool or method == "eth_call"


def test_the_time_limit_is_that_of_the_whole_answer(node, monkeypatch):
    monkeypatch.setattr(_node, "REQUEST_TIMEOUT", 0.5)
    node.before = lambda method, params, n: Http(200, {"id": 1, "result": "0x7a69"}, pause=0.1) if n == 0 else None
    began = time.monotonic()
    with pytest.raises(errors.ChainUnavailable, match="did not answer eth_chainId within"):
        connected(node)
    assert time.monotonic() - began < 5
    asking = _node.Node(node.url)
    node.before = lambda method, params, n: Http(200, {"id": 1, "result": "0x7a69"}, pause=0.1) if n == 1 else None
    with pytest.raises(errors.ChainUnavailable, match="did not answer eth_chainId within"):
        asking.ask_number("eth_chainId", [])
    monkeypatch.setattr(_node, "REQUEST_TIMEOUT", 60)
    assert asking.ask_number("eth_chainId", []) == CHAIN_ID


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_local_node_is_asked_without_a_proxy(node, monkeypatch, name):
    monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    for host in ("127.0.0.1", "localhost"):
        assert _node.Node(node.url.replace("127.0.0.1", host)).ask_number("eth_chainId", []) == CHAIN_ID
    with pytest.raises(errors.ChainUnavailable, match="no node answers at http://node.example: .*refused"):
        _node.Node("http://node.example").ask("eth_chainId", [])


@pytest.mark.parametrize("status", [429, 503])
def test_a_node_that_says_until_when_to_wait_is_waited_for(node, status):
    until = int(time.time()) + 4
    node.before = lambda *_: Http(status, b"", retry_after=formatdate(until, usegmt=True)) if time.time() < until else None
    _node.Node(node.url).ask("eth_chainId", [])
    assert time.time() >= until and node.count("eth_chainId") == 2


@pytest.mark.parametrize("answer", [Http(503, b"busy"), Http(503, PAGE.replace(b"Just a moment...", b"503 Service Unavailable"))])
def test_a_node_that_is_unavailable_is_told_as_that(node, answer):
    node.before = lambda *_: answer
    with pytest.raises(errors.ChainUnavailable, match="is unavailable and did not answer eth_chainId .*503.*: try again later"):
        connected(node)


def test_a_node_that_goes_on_limiting_requests_is_told(node, monkeypatch):
    monkeypatch.setattr(_node, "PATIENCE", 1.0)
    node.before = lambda *_: error(-32005, "project ID request rate exceeded")
    with pytest.raises(errors.ChainUnavailable, match=r"limits requests .*project ID request rate exceeded"):
        connected(node)
    # longer than we wait: an error at once
    node.before = lambda *_: Http(429, b"", retry_after="3600")
    began = time.monotonic()
    with pytest.raises(errors.ChainUnavailable, match="pause of 3600 s"):
        connected(node)
    assert time.monotonic() - began < 5.0


@pytest.mark.parametrize(
    "answer, said",
    [
        (Http(200, PAGE), "web page titled 'Just a moment...'"),
        (Http(403, PAGE), "web page"),
        (Http(401, {"id": 1, **error(-32000, "Must be authenticated!")}), "key or a login .*Must be authenticated!"),
        (Http(403, b"forbidden"), "key or a login"),
        (Http(401, b'{"error":"no"}'), "key or a login"),
        (error(-32000, "Unauthorized: invalid project id"), "key or a login"),
        (Http(200, b"{}"), "no answer of JSON-RPC"),
        (Http(200, b"teapot"), "no answer of JSON-RPC"),
        (Http(500, b"oops"), "HTTP status 500"),
        (error(-32601, "the method does not exist"), r"refused eth_chainId: the method does not exist \(code -32601\)"),
        (Http(200, b'{"error":{"code":1e999,"message":"no"}}'), r"refused eth_chainId: no \(code inf\)"),
        *(({"result": given}, "answers eth_chainId with .* where a number in hex belongs") for given in (None, "", "teapot", 7, {})),
        ({"error": "unknown method"}, r"refused eth_chainId: unknown method \["),
    ],
)
def test_what_is_no_node_is_told_as_what_it_is(node, answer, said):
    node.before = lambda *_: answer
    with pytest.raises(errors.ChainUnavailable, match=said):
        connected(node)


def test_json_that_is_too_deep_is_no_answer(node):
    node.before = lambda *_: Http(200, b"[" * 2_000 + b"]" * 2_000)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000)
    try:
        with pytest.raises(errors.ChainUnavailable, match="no answer of JSON-RPC"):
            connected(node)
    finally:
        sys.setrecursionlimit(limit)


def test_white_space_around_a_url_does_not_matter(node):
    assert _node.Node(f" {node.url}\n").ask_number("eth_chainId", []) == CHAIN_ID


def test_an_ipv6_address_is_shown_as_in_a_url():
    assert _node.Node("http://me:secret@[::1]:1/key").shown == "http://[::1]:1"


def test_nobody_there_and_another_chain(node):
    unreached = SimpleNamespace(url="http://user:secret@127.0.0.1:1/key")
    with pytest.raises(errors.ChainUnavailable, match="no node answers at http://127.0.0.1:1: .*refused") as told:
        connected(unreached)
    assert "secret" not in str(told.value) and "key" not in str(told.value)
    node.before = lambda method, *_: {"result": "0x1"} if method == "eth_chainId" else None
    with pytest.raises(errors.ChainDiffers, match="serves chain 1, the service works with chain 31337"):
        connected(node)
    node.before = lambda method, *_: {"result": "0x"} if method == "eth_call" else None
    with pytest.raises(errors.ChainDiffers, match="no contract of this kind"):
        connected(node)


@pytest.fixture
def certificate(tmp_path):
    """Makes a PEM file of a key and of the certificate that a node of this name made for itself."""

    def make(name):
        path = tmp_path / "node.pem"
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", path, "-out", tmp_path / "c.pem"]
        extensions = ["-addext", f"subjectAltName={name}", "-addext", "basicConstraints=critical,CA:FALSE"]
        subprocess.run(["openssl", "req", "-x509", "-subj", "/CN=node", "-days", "2", *key, *extensions], check=True, capture_output=True)
        path.write_text(path.read_text() + (tmp_path / "c.pem").read_text())
        return str(path)

    return make


def test_a_node_with_a_certificate_of_its_own_is_trusted_by_the_environment(monkeypatch, certificate):
    file = certificate("IP:127.0.0.1")
    with fake_node(file) as node:
        with pytest.raises(errors.ChainUnavailable, match="no https connection to .*self.signed.*: if the node is yours.* TRIBUTE_RPC_CA"):
            connected(node)
        monkeypatch.setenv("TRIBUTE_RPC_CA", file)
        assert paid(node).block == 1
        with pytest.raises(errors.ChainUnavailable, match="certificate that is valid now and for this host"):
            connected(SimpleNamespace(url=node.url.replace("127.0.0.1", "localhost")))
        monkeypatch.setenv("TRIBUTE_RPC_CA", "")
        with pytest.raises(errors.ChainUnavailable, match="if the node is yours"):
            connected(node)


def test_a_node_without_tls_and_files_without_certificates_are_told(node, monkeypatch, tmp_path):
    with pytest.raises(errors.ChainUnavailable, match="no https connection to https://.*: if the node speaks plain HTTP at this port"):
        connected(SimpleNamespace(url=node.url.replace("http:", "https:")))
    (tmp_path / "empty.pem").write_text("nothing")
    for name, said in (("empty.pem", "no certificate in it: expected PEM"), ("none.pem", "cannot be read: No such file")):
        monkeypatch.setenv("TRIBUTE_RPC_CA", str(tmp_path / name))
        with pytest.raises(errors.ChainUnavailable, match=f"TRIBUTE_RPC_CA names .*{name}, which .*{said}"):
            connected(node)


@pytest.mark.parametrize(
    "answer",
    [
        lambda path: Http(404, {"message": f"Route POST:{path} not found", "statusCode": 404}),
        lambda path: Http(404, f"{'-' * (_node.QUOTED - 9)} {path}".encode()),
        lambda path: Http(200, f"<html><title>{path} not found</title></html>".encode()),
        lambda path: Http(403, f"no access to {path.split('?')[1]}".encode()),
        lambda path: error(-32000, f"no project {path}"),
        lambda path: {"error": f"no project {path}"},
        lambda path: error(-32000, "password p%SECRET is wrong"),
    ],
    ids=["route", "cut off", "title", "query", "message", "text", "password"],
)
def test_an_answer_that_quotes_the_urls_secrets_is_told_without_them(node, answer):
    path = "/v3/SECRET?token=SECRET"
    node.before = lambda *_: answer(path)
    url = node.url.replace("//", "//me:p%25SECRET@") + path
    with pytest.raises(errors.ChainUnavailable, match="…") as told:
        connected(SimpleNamespace(url=url))
    assert "SEC" not in str(told.value)


KEY = "S3cretKey12345"
LOGIN = b64encode(f"me:{KEY}".encode()).decode()


@pytest.mark.parametrize(
    "user, path, words",
    [
        ("", f"/v3/{KEY}", f"invalid project id {KEY}"),
        ("", f"/v3/{KEY}", f"NO ROUTE /V3/{KEY.upper()}"),
        ("", f"/v3/{KEY}/", f"no route /v3/{KEY}"),
        ("", f"/v3/{KEY}%21x", f"no route /v3/{KEY}!x, no project {KEY}!x"),
        ("", f"/v3/{KEY}!x", f"no project {KEY}%21x"),
        ("", f"/?apikey={KEY}&x=1", f"invalid apikey {KEY}"),
        ("", f"/?x=1&apikey={KEY}", f"bad apikey={KEY}"),
        ("", f"/?{KEY}", f"bad key {KEY}"),
        (f"{KEY}@", "/", f"user {KEY} is unknown"),
        (f"me:{KEY}@", "/", f"bad password {KEY} of me"),
        (f"me:{KEY}@", "/", f"bad header Basic {LOGIN}"),
        (f"me:{KEY}@", "/", f"bad header Basic {LOGIN.rstrip('=')}"),
    ],
)
def test_a_providers_key_is_not_shown_however_a_node_quotes_it(node, user, path, words):
    for answer in (error(-32000, words), Http(401, error(-32000, words)), Http(404, words.encode()), {"result": words}):
        node.before = lambda *_: answer
        with pytest.raises(errors.ChainUnavailable, match="…") as told:
            connected(SimpleNamespace(url=node.url.replace("//", f"//{user}") + path))
        assert KEY.lower() not in str(told.value).lower() and LOGIN[:-4] not in str(told.value)


def test_words_that_are_no_keys_are_shown(node):
    node.before = lambda *_: error(-32000, "method eth_chainId of v3 on mainnet for me is closed")
    with pytest.raises(errors.ChainUnavailable, match="method eth_chainId of v3 on mainnet for me is closed"):
        connected(SimpleNamespace(url=node.url.replace("//", "//me@") + "/v3/mainnet?v=v3"))


@pytest.mark.parametrize(
    "url",
    [
        "ws://host/v3/SECRET",
        "http:///v3/SECRET",
        "localhost:8545/SECRET",
        "127.0.0.1:8545",
        "http://host:99999/SECRET",
        "http://host:0/SECRET",
        "http://host:port/SECRET",
        "http://[::1/SECRET",
        "http://ho st/SECRET",
        "SECRET",
        "",
    ],
)
def test_what_is_no_url_is_told_and_not_shown(url):
    with pytest.raises(errors.ChainUnavailable, match="expected http://… or https://…") as told:
        connected(SimpleNamespace(url=url))
    assert "SECRET" not in str(told.value) and "host" not in str(told.value).replace("a host", "")


BROKEN = [Http(200, b"no gzip", content_encoding="gzip"), Http(200, b"no size\r\n", transfer_encoding="chunked")]


@pytest.mark.parametrize("answer", BROKEN, ids=["decoding", "chunks"])
def test_an_answer_that_breaks_midway_is_asked_for_again(node, answer):
    node.before = lambda method, params, n: answer if method == "eth_feeHistory" and n == 0 else None
    paid(node)
    assert node.count("eth_feeHistory") == 2
    node.before, asked = lambda *_: answer, node.count("eth_chainId")
    with pytest.raises(errors.ChainUnavailable, match=r"http://127.0.0.1:\d+ gave a broken answer to eth_chainId: "):
        connected(node)
    assert node.count("eth_chainId") == asked + 1 + _node.READ_RETRIES


@pytest.mark.parametrize("answer", BROKEN, ids=["decoding", "chunks"])
def test_a_transaction_whose_answer_breaks_midway_is_sent_once(node, answer):
    node.after = on_send(answer)
    assert paid(node).block == 1 and len(node.pool) == 1


MISSING = error(-32601, "the method eth_feeHistory does not exist/is not available")
UNUSABLE = {
    "page 403": Http(403, PAGE),
    "page 404": Http(404, PAGE),
    "page 405": Http(405, PAGE),
    "page 500": Http(500, PAGE),
    "text 403": Http(403, b"method not allowed"),
    "error 401": Http(401, error(-32601, "x")),
    "error 403": Http(403, error(-32601, "method eth_feeHistory not whitelisted")),
    "error 500": Http(500, error(-32601, "not available")),
    "empty 500": Http(500, b""),
    "empty 200": Http(200, b""),
    "access denied": error(-32000, "method eth_feeHistory: access denied on your plan"),
    "key": error(-32601, "eth_feeHistory requires an API key of a paid plan"),
}
"""Forms in which nodes and gateways refuse a method."""


@pytest.mark.parametrize(
    "answers, kind",
    [
        ({"eth_feeHistory": MISSING}, 2),
        ({"eth_feeHistory": {"result": {"oldestBlock": "0x1", "baseFeePerGas": None, "gasUsedRatio": None}}}, 2),
        ({"eth_feeHistory": {"result": None}}, 2),
        ({"eth_feeHistory": {"result": {"reward": [None, [None], [], ["0x1"]]}}}, 2),
        ({"eth_feeHistory": {"result": {"oldestBlock": "0x1", "baseFeePerGas": ["0x0", "0x0"], "gasUsedRatio": [0.0]}}}, 2),
        ({"eth_feeHistory": MISSING, "eth_getBlockByNumber": {"result": {"number": "0x1"}}}, 0),
        *(({"eth_feeHistory": answer}, 2) for answer in UNUSABLE.values()),
        *(({"eth_feeHistory": {"result": result}}, 2) for result in ("0x", [1])),
        *(({"eth_feeHistory": {"result": {"reward": reward}}}, 2) for reward in ({}, [["zz"]], [{"a": 1}], [[1000]], ["0x5"], "0x5")),
    ],
    ids=[
        *("no-feehistory", "bad-nulls", "null", "null tips", "zero-fees", "legacy", *UNUSABLE),
        *("text", "list", "reward object", "no hex", "reward of objects", "reward of numbers", "reward of texts", "reward text"),
    ],
)
def test_fees_of_nodes_without_a_fee_history(node, answers, kind):
    def before(method, params, n):
        # some nodes take the number of blocks as hex only
        assert method != "eth_feeHistory" or isinstance(params[0], str)
        return answers.get(method)

    node.before = before
    paid(node)
    assert node.types == [kind]


def test_a_limit_on_requests_is_no_missing_fee_history(node, monkeypatch):
    monkeypatch.setattr(_node, "PATIENCE", 0.5)
    for answer, said in ((Http(429, b"slow down"), "limits requests"), (CLOSE, "no node answers")):
        node.before = lambda method, *_: answer if method == "eth_feeHistory" else None
        with pytest.raises(errors.ChainUnavailable, match=said):
            paid(node)
    assert not node.pool


def test_fees_are_within_the_caps(node):
    replies = {"eth_getBlockByNumber": {"result": {"baseFeePerGas": hex(_fees.FEE_CAP)}}}
    replies["eth_feeHistory"] = {"result": {"reward": [[hex(2**100)]]}}
    node.before = lambda method, *_: replies.get(method)
    at_cap = _fees.fees(_node.Node(node.url))
    assert at_cap == {"maxFeePerGas": _fees.FEE_CAP, "maxPriorityFeePerGas": _fees.TIP_CAP}
    replies["eth_getBlockByNumber"] = {"result": {"baseFeePerGas": hex(_fees.FEE_CAP + 1)}}
    with pytest.raises(errors.TransactionFailed, match="more than the cap"):
        paid(node)
    replies |= {"eth_feeHistory": MISSING, "eth_getBlockByNumber": {"result": {"baseFeePerGas": "0x1"}}}
    for answer in (MISSING, *UNUSABLE.values(), {"result": 7}):
        replies["eth_gasPrice"] = answer
        with pytest.raises(errors.ChainUnavailable, match="does not say what gas costs"):
            _fees.fees(_node.Node(node.url))
    with pytest.raises(errors.ChainUnavailable, match="does not say what gas costs"):
        paid(node)
    assert not node.pool


TEXT = "0x08c379a0" + "20".rjust(64, "0") + "6".rjust(64, "0") + b"paused".hex().ljust(64, "0")
PANIC = "0x4e487b71" + "11".rjust(64, "0")


@pytest.mark.parametrize(
    "answer, said",
    [
        (error(3, "execution reverted: paused", TEXT), "paused"),
        (error(3, "execution reverted", PANIC), "Panic error 0x11"),
        (error(3, "execution reverted", "0x"), "reverted|without a reason"),
        (error(-32000, "execution reverted"), "execution reverted"),
        (error(-32015, "VM execution error: Reverted"), "Reverted"),
        (error(-32015, "VM execution error.", "Reverted " + TEXT), "paused"),
        (error(-32015, "VM execution error.", "Reverted 0x"), "VM execution error"),
        (error(3, "execution reverted", TEXT[:-64] + "ff" * 32), "execution reverted"),
        (error(3, "execution reverted: RateLimiter: rate limit exceeded"), "RateLimiter"),
        (error(3, "RateLimiter: rate limit exceeded"), "RateLimiter"),
        (error(-32000, "VM Exception while processing transaction: revert too many requests"), "too many requests"),
    ],
)
def test_every_revert_is_an_error_of_the_package(node, answer, said):
    chain = connected(node)
    node.before = lambda method, *_: answer if method in ("eth_estimateGas", "eth_call") else None
    with pytest.raises(errors.Reverted, match=f"mint: .*({said})"):
        chain.send(chain.token.functions.mint(chain.account.address, 5))
    with pytest.raises(errors.Reverted, match=f"isCertified: .*({said})"):
        chain.is_certified(bytes(32), 1)
    assert not node.pool


@pytest.mark.parametrize(
    "answer",
    [
        lambda data: error(3, "execution reverted", data),
        lambda data: error(-32015, "VM execution error.", f"Reverted {data}"),
        lambda data: error(-32015, "VM execution error.", data),
        lambda data: error(-32000, "REVERT opcode executed", data[2:]),
        lambda data: error(-32000, "VM Exception: revert", {"0x" + "ab" * 32: {"error": "revert", "return": data}}),
        lambda data: error(-32603, "Error: reverted with an unrecognized custom error", {"txHash": "0x" + "ab" * 32, "data": data}),
        lambda data: error(-32603, "Internal JSON-RPC error.", {"originalError": {"code": 3, "message": "x", "data": data}}),
    ],
    ids=["geth", "nethermind", "without prefix", "plain hex", "ganache", "hardhat", "nested"],
)
def test_a_contracts_own_error_is_named(node, answer):
    chain = connected(node)
    selector = next(selector for selector, name in chain._errors.items() if name == "NotThawed")
    node.before = lambda method, *_: answer(selector + "00" * 32) if method in ("eth_estimateGas", "eth_call") else None
    with pytest.raises(errors.Reverted, match="mint: NotThawed"):
        chain.send(chain.token.functions.mint(chain.account.address, 5))
    with pytest.raises(errors.Reverted, match="isCertified: NotThawed"):
        chain.is_certified(bytes(32), 1)


RIGHT = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


def test_an_address_with_a_wrong_checksum_is_refused(node):
    chain = connected(node)
    for wrong, said in (
        (RIGHT.replace("C5", "c5"), "wrong checksum"),
        (RIGHT[:-1], "40 hex digits"),
        ("0x" + "00" * 20, "zero"),
        ("", "40 hex digits"),
    ):
        with pytest.raises(ValueError, match=said):
            chain.open_session(bytes(32), version=1, price=1, escrow=10, session_key=wrong)
        with pytest.raises(ValueError, match=said):
            Client.grant(SimpleNamespace(), bytes(32), wrong)
    assert not node.pool
    for right in (RIGHT, RIGHT.lower(), RIGHT.upper(), RIGHT[2:], bytes.fromhex(RIGHT[2:])):
        assert address_of(right).hex() == RIGHT[2:].lower()


def low_caps(monkeypatch):
    """Caps that fees reach soon."""
    for name, cap in (("maxFeePerGas", 5 * 10**9), ("maxPriorityFeePerGas", 2 * 10**9)):
        monkeypatch.setitem(_fees.CAPS, name, cap)


def gas_of(raw):
    return TypedTransaction.from_bytes(HexBytes(raw)).as_dict()["gas"]


@pytest.mark.parametrize("words", ["intrinsic gas too low", "IntrinsicGasTooLow", "exceeds block gas limit"])
def test_a_gas_limit_that_is_refused_is_estimated_again(node, quick, words):
    chain = connected(node)
    call = chain.token.functions.mint(chain.account.address, 5)
    estimates = {"eth_estimateGas": {"result": hex(30_000)}}

    def refusing(method, params, n):
        if method == SEND and gas_of(params[0]) != 62_500:
            return error(-32000, words)
        return estimates.get(method)

    node.before = refusing
    with pytest.raises(errors.TransactionFailed, match=f"the node refuses it .{words}.*make the same call") as told:
        chain.send(call)
    # an estimate that fails is told, and leaves what may still be mined
    estimates["eth_estimateGas"] = error(3, "execution reverted: paused", TEXT)
    with pytest.raises(errors.TransactionFailed, match=f"the node refuses it .{words}.*paused.*make the same call"):
        chain.send(call)
    estimates.clear()
    sent = chain.send(call)
    assert [sent.hash] == list(node.pool) and sent.hash not in str(told.value) and node.pool[sent.hash]["nonce"] == "0x0"


def test_an_estimate_below_what_every_transaction_uses_is_refused(node):
    estimates = {"eth_estimateGas": {"result": hex(20_999)}}
    node.before = lambda method, *_: estimates.get(method)
    with pytest.raises(errors.ChainUnavailable, match="estimates 20999 gas for mint, where every transaction uses 21000"):
        paid(node)
    assert node.count(SEND) == 0
    estimates["eth_estimateGas"] = {"result": hex(21_000)}
    assert paid(node).block == 1


@pytest.mark.parametrize("words", ["insufficient funds for gas * price + value", "transaction underpriced", "invalid sender"])
def test_a_refusal_in_clear_words_is_an_error_soon(node, quick, monkeypatch, words):
    monkeypatch.setattr(_sending, "REFUSAL_PATIENCE", 60.0)
    low_caps(monkeypatch)
    node.before = on_send(error(-32000, words))
    began = time.monotonic()
    with pytest.raises(errors.TransactionFailed, match=f"{re.escape(words)}.*may have passed it on: look for 0x"):
        paid(node)
    assert time.monotonic() - began < 30 and not node.pool
    node.before = lambda method, *_: error(-32000, "insufficient funds for transfer") if method == "eth_estimateGas" else None
    with pytest.raises(errors.TransactionFailed, match="cannot pay"):
        paid(node)


def test_a_refusal_in_unknown_words_is_an_error_and_the_same_call_goes_on_with_the_transaction(node, monkeypatch):
    monkeypatch.setattr(_sending, "REFUSAL_PATIENCE", 1.5)
    chain = connected(node)
    call = chain.token.functions.mint(chain.account.address, 5)
    node.before = on_send(error(-32000, "held for review"))
    with pytest.raises(errors.TransactionFailed, match="held for review.*may have passed it on: look for 0x") as told:
        chain.send(call)
    node.before = lambda *_: None
    assert chain.send(call).hash in str(told.value) and len(node.pool) == 1
    chain.send(call)
    assert len(node.pool) == 2, "a message whose transaction was mined is another one when it is sent again"


@pytest.mark.parametrize("answer", [Http(403, b""), Http(403, PAGE), Http(405, b"no"), Http(413, b"")], ids=["403", "page", "405", "413"])
def test_a_gateway_that_lets_no_transaction_pass_is_told_soon(node, quick, answer):
    node.before = on_send(answer)
    with pytest.raises(errors.TransactionFailed, match=f"the node refuses it .HTTP status {answer.status}.*may have passed it on"):
        paid(node)
    node.before = on_send(answer, 1)
    assert paid(node).block == 1


def test_what_is_not_mined_in_time_is_followed_by_the_same_call(node, monkeypatch):
    monkeypatch.setattr(_sending, "MINED", 1.5)
    chain = connected(node)
    node.mining = False
    with pytest.raises(errors.TransactionFailed, match="was not mined within.*may still be") as told:
        chain.create_agent("a")
    node.mining = True
    node.logs = [logged(chain.agents.events.AgentCreated)]
    assert chain.create_agent("a") == bytes(32)
    assert len(node.pool) == 1 and next(iter(node.pool)) in str(told.value)


def test_a_message_that_was_mined_late_is_another_one_after_the_next_message(node, monkeypatch):
    monkeypatch.setattr(_sending, "MINED", 1.5)
    chain = connected(node)
    first, second = (chain.token.functions.mint(chain.account.address, n) for n in (5, 6))
    node.mining = False
    for call in (first, second):
        with pytest.raises(errors.TransactionFailed, match="was not mined within"):
            chain.send(call)
    old = list(node.pool)
    assert len(old) == 2
    # both may still be mined: the other one is not forgotten
    with pytest.raises(errors.TransactionFailed, match=old[0]):
        chain.send(first)
    node.mining = True
    assert chain.send(second).hash == old[1] and len(node.pool) == 2
    assert chain.send(first).hash not in old and len(node.pool) == 3, "it was mined before the second was sent again"


def test_transactions_of_an_earlier_process_are_waited_for(node, monkeypatch):
    monkeypatch.setattr(_sending, "MINED", 0.5)
    node.mining = False
    ended, chain = connected(node), connected(node)
    with pytest.raises(errors.TransactionFailed, match="was not mined within"):
        ended.create_agent("a")
    ended._sender.wait_for_others()  # its own are gone on with
    with pytest.raises(errors.TransactionFailed, match="nonce 0, which was sent before by another process, was not mined"):
        chain._sender.wait_for_others()
    monkeypatch.setattr(_sending, "MINED", 30)
    asked = node.count("eth_getTransactionCount")
    node.before = lambda *_: setattr(node, "mining", node.count("eth_getTransactionCount") > asked + 6)
    chain._sender.wait_for_others()
    assert node.mining and len(node.pool) == 1


ALLOWANCE = Web3.keccak(text="allowance(address,address)")[:4].to_0x_hex()


@pytest.fixture
def opening(node, monkeypatch):
    """Opens a session with an allowance, in tokens."""
    monkeypatch.setattr(_sending, "MINED", 1.5)
    chain = connected(node)

    node.logs = [logged(chain.escrow.events.SessionOpened)]

    def open_session(allowance):
        def before(method, params, n):
            if method == "eth_getTransactionCount" and params[1] == "latest":
                return {"result": "0x0"}  # of a node that lags behind
            return {"result": f"0x{allowance:064x}"} if method == "eth_call" and ALLOWANCE in params[0]["data"] else None

        node.before = before
        return chain.open_session(bytes(32), version=1, price=1, escrow=10)

    return open_session


def test_an_approval_that_was_seen_is_not_taken_for_the_next_one(node, opening):
    node.mining = False
    with pytest.raises(errors.TransactionFailed, match="approve: .* was not mined"):
        opening(0)
    node.mining = True
    assert opening(10) == bytes(32)
    assert len(node.pool) == 2
    assert opening(0) == bytes(32)
    assert len(node.pool) == 4, "the allowance is spent: another approval, and another session"


def test_an_opening_that_was_mined_late_is_gone_on_with_although_its_allowance_is_spent(node, opening):
    node.mining = False
    with pytest.raises(errors.TransactionFailed, match="open: .* was not mined"):
        opening(10)
    node.mining = True
    assert opening(0) == bytes(32)
    assert len(node.pool) == 1


def test_a_receipt_without_the_event_is_told_and_no_second_session_is_paid(node, opening):
    whole, node.logs = node.logs, []
    for allowance in (10, 0):
        with pytest.raises(errors.TransactionFailed, match="open: .* in block 1 .* no event SessionOpened.*same call") as told:
            opening(allowance)
        assert [*node.pool][0] in str(told.value) and len(node.pool) == 1
    node.logs = whole
    assert opening(0) == bytes(32) and len(node.pool) == 1
    opening(10)
    assert len(node.pool) == 2, "what is settled is forgotten"


def hiding(*methods, until=lambda: False, answer={"result": None}):
    """A node that does not show transactions by some methods; of counts and blocks, not those of numbered blocks."""

    def hidden(method, params, n):
        numbered = method not in (COUNT, BLOCK) or params[method == COUNT].startswith("0x")
        return answer if method in methods and numbered and not until() else None

    return hidden


def after(seconds):
    until = time.monotonic() + seconds
    return lambda: time.monotonic() > until


@pytest.mark.parametrize("hidden", [(RECEIPT,), (RECEIPT, BY_HASH), (RECEIPT, BLOCK)], ids=["receipt", "transaction", "block"])
@pytest.mark.parametrize("words", [None, "nonce too low", "insufficient funds for gas * price + value", "transaction underpriced", "busy"])
def test_what_a_node_shows_late_is_waited_for(node, quick, words, hidden):
    node.before = hiding(*hidden, until=after(0.4))
    node.after = on_send(None if words is None else error(-32000, words))
    chain = connected(node)
    sent = chain.send(chain.token.functions.mint(chain.account.address, 5))
    assert {tx["nonce"] for tx in node.pool.values()} == {"0x0"} and sent.hash == list(node.pool)[-1]


@pytest.mark.parametrize(
    "hidden, answer, said",
    [
        ((RECEIPT, BY_HASH), {"result": None}, "transaction 0x.* was mined in block 1, but .* no usable receipt"),
        ((RECEIPT,), {"result": None}, "nonce 0 of 0x.* is used, but .* neither a receipt of transaction 0x"),
        ((RECEIPT, BY_HASH, BLOCK), {"result": None}, "nonce 0 of 0x.* is used, but .* neither a receipt of transaction 0x"),
        ((COUNT, BLOCK), error(-32000, "missing trie node"), "nonce 0 of 0x.* is used, but .* missing trie node"),
    ],
    ids=["index", "known", "block", "state"],
)
def test_what_a_node_never_shows_is_unclear_and_not_sent_again(node, quick, monkeypatch, hidden, answer, said):
    monkeypatch.setattr(_sending, "MINED", 1.5)
    chain = connected(node)
    call = chain.token.functions.mint(chain.account.address, 5)
    missing, refused = hiding(RECEIPT, BY_HASH), hiding(*hidden, answer=answer)
    node.before = lambda *asked: refused(*asked) or (missing(*asked) if COUNT in hidden else None)
    for _ in range(2):
        with pytest.raises(errors.TransactionFailed, match=said) as told:
            chain.send(call)
        assert "or make the same call of the same Chain, before any other, which goes on with it" in str(told.value)
    node.before = lambda *_: None
    assert chain.send(call).hash in str(told.value) and len(node.pool) == 1


@pytest.fixture
def overtaken(node, quick):
    """Sends a call whose nonce is used by another transaction of the account as the node gets it, and answered."""
    chain = connected(node)
    call = chain.token.functions.mint(chain.account.address, 5)
    same = {"to": chain.token.address, "data": call._encode_transaction_data(), "value": 0}

    def overtake(answer, times=1, **changes):
        fields = same | {"gas": 60_000, "gasPrice": 1, "chainId": CHAIN_ID} | changes
        foreign = []

        def before(method, params, n):
            if method == SEND and len(foreign) < times:
                other = chain.account.sign_transaction(fields | {"nonce": len(foreign)})
                foreign.append(node.take(other.raw_transaction.to_0x_hex()))
                return answer
            if method == SEND and TypedTransaction.from_bytes(HexBytes(params[0])).as_dict()["nonce"] < len(node._last()):
                return error(-32000, "nonce too low")

        node.before = before
        return chain.send(call).hash, foreign

    return overtake


OTHERS = [{"value": 1}, {"data": "0x"}, {"to": "0x" + "12" * 20}]


@pytest.mark.parametrize("changes", OTHERS, ids=["value", "data", "to"])
def test_a_nonce_that_another_program_used_is_told_with_its_transaction(node, overtaken, changes):
    with pytest.raises(errors.TransactionFailed, match="nonce 0 of 0x.* was used by another transaction") as told:
        overtaken(CLOSE, **changes)  # a node may have taken ours before
    assert f"{list(node.pool)[0]} in block 1" in str(told.value)
    # what is evident is over: the same call is a new one
    sent, _ = overtaken(None, times=0)
    assert sent == list(node.pool)[1] and [tx["nonce"] for tx in node.pool.values()] == ["0x0", "0x1"]


@pytest.mark.parametrize("name", ["input", "data"])
def test_a_transaction_that_a_wallet_sped_up_is_ours(node, quick, name):
    node.after = lambda method, params, n: (
        {"result": {"transactions": [{name if k == "input" else k: v for k, v in tx.items()} for tx in node.pool.values()]}}
        if method == BLOCK and params[1]
        else None
    )
    chain, node.mining, may_mine = connected(node), False, after(0.5)
    call = chain.token.functions.mint(chain.account.address, 5)

    def sped_up(method, params, n):
        if not node.mining and method == COUNT and params[1] == "latest" and may_mine():
            fields = {"to": chain.token.address, "data": call._encode_transaction_data(), "value": 0, "gas": 60_000}
            faster = chain.account.sign_transaction(fields | {"gasPrice": 10**10, "chainId": CHAIN_ID, "nonce": 0})
            node.pool.clear()  # it replaces ours
            node.take(faster.raw_transaction.to_0x_hex())
            node.mining = True

    # the nonce was seen unused before
    node.before = sped_up
    assert [chain.send(call).hash] == list(node.pool) and node.types == [2, 0]


UNCLEAR = [
    "invalid nonce; got 3, expected 4: invalid sequence",
    "the tx doesn't have the correct nonce. account has nonce of: 4 tx has nonce of: 3",
    "nonce already in use",
    "Internal error",
]


@pytest.mark.parametrize(
    "answer", [CLOSE, Http(502, PAGE), *(error(-32000, words) for words in UNCLEAR)], ids=["closed", "502", *UNCLEAR]
)
def test_an_equal_transaction_that_another_program_sent_first_is_not_ours(node, overtaken, answer):
    with pytest.raises(errors.TransactionFailed, match="nonce 0 of 0x.* was used by another transaction") as told:
        overtaken(answer)
    assert f"{list(node.pool)[0]} in block 1" in str(told.value)
    sent, _ = overtaken(None, times=0)
    assert len(node.pool) == 2 and sent == list(node.pool)[1], "one payment of each program"


@pytest.mark.parametrize("changes", [{}, OTHERS[0]], ids=["the same", "another"])
def test_a_message_whose_nonce_was_used_before_a_node_took_it_is_signed_again(node, overtaken, changes):
    sent, foreign = overtaken(error(-32000, "nonce too low"), times=_sending.NONCE_RACES, **changes)
    assert [*foreign, sent] == list(node.pool) and node.pool[sent]["nonce"] == "0x3"


def test_a_message_whose_nonce_is_used_every_time_is_given_up(node, overtaken):
    with pytest.raises(errors.TransactionFailed, match="nonce 3 of 0x.* was used by another transaction"):
        overtaken(error(-32000, "nonce too low"), times=_sending.NONCE_RACES + 1)
    assert len(node.pool) == _sending.NONCE_RACES + 1


def test_a_node_that_is_behind_the_one_that_showed_the_last_receipt_is_asked_again(node, monkeypatch):
    monkeypatch.setattr(_sending, "RECEIPT_LAG", 60.0)
    chain = connected(node)
    for n in range(2):
        asked = node.count(COUNT)
        node.before = lambda method, params, n: {"result": "0x0"} if method == COUNT and n < asked + 3 else None
        chain.send(chain.token.functions.mint(chain.account.address, 5))
    assert [tx["nonce"] for tx in node.pool.values()] == ["0x0", "0x1"]
    # the chain may also have lost it
    monkeypatch.setattr(_sending, "RECEIPT_LAG", 0.1)
    node.pool.clear()
    chain.send(chain.token.functions.mint(chain.account.address, 5))
    assert [tx["nonce"] for tx in node.pool.values()] == ["0x0"]


def test_the_block_that_used_a_nonce_is_found_from_the_head_and_from_the_first_block(node):
    chain = connected(node)
    for n in range(5):
        chain.send(chain.token.functions.mint(chain.account.address, n))
    for n, digest in enumerate(node.pool):
        assert chain._sender._block_of(_sending.Pending("mint", {"nonce": n}, int, hashes=[digest])) == n + 1
        with pytest.raises(errors.TransactionFailed, match=f"{digest} in block {n + 1}"):
            chain._sender._block_of(_sending.Pending("mint", {"nonce": n}, int, hashes=["0x00"], lost_race=True))
    node.after = lambda method, *_: {"result": hex(5)} if method == COUNT else None  # of a node that ignores the block
    assert chain._sender._block_of(_sending.Pending("mint", {"nonce": 4}, int, hashes=["0x00"])) is None


def test_the_block_that_used_a_nonce_is_found_at_a_node_without_past_counts(node, monkeypatch):
    chain = connected(node)
    for n in range(5):
        chain.send(chain.token.functions.mint(chain.account.address, n))
    node.before = hiding(COUNT, answer=error(-32000, "missing trie node"))
    monkeypatch.setattr(_sending, "READ_BLOCKS", EMPTY_BLOCKS + 2)
    for n, digest in list(enumerate(node.pool))[3:]:
        assert chain._sender._block_of(_sending.Pending("mint", {"nonce": n}, int, hashes=[digest])) == n + 1
        with pytest.raises(errors.TransactionFailed, match=f"{digest} in block {n + 1}"):
            chain._sender._block_of(_sending.Pending("mint", {"nonce": n}, int, hashes=["0x00"], lost_race=True))
    with pytest.raises(errors.ChainUnavailable, match="missing trie node"):
        chain._sender._block_of(_sending.Pending("mint", {"nonce": 2}, int, hashes=["0x00"]))


def test_a_refused_transaction_is_gone_on_with_until_another_one_takes_its_nonce(node, quick):
    chain = connected(node)
    first, second, third = (chain.token.functions.mint(chain.account.address, n) for n in (5, 6, 7))
    node.before = on_send(error(-32000, "insufficient funds for gas * price + value"))
    for call in (first, second):
        with pytest.raises(errors.TransactionFailed, match="cannot pay for it .*make the same call of the same Chain") as told:
            chain.send(call)
    node.before = lambda *_: None
    assert chain.send(second).hash in str(told.value)
    assert chain.send(first).hash and [tx["nonce"] for tx in node.pool.values()] == ["0x0", "0x1"]


@pytest.fixture
def dear(node):
    """A chain whose base fee is set, and that refuses what offers less."""

    def price(gwei):
        base = gwei * 10**9

        def before(method, params, n):
            if method == BLOCK and params[0] == "latest":
                return {"result": {"number": "0x1", "baseFeePerGas": hex(base)}}
            if method == SEND and TypedTransaction.from_bytes(HexBytes(params[0])).as_dict()["maxFeePerGas"] < base:
                return error(-32000, "max fee per gas less than block base fee")

        node.before = before

    return price


def test_a_transaction_whose_fees_became_too_low_offers_more_within_the_caps(node, quick, dear):
    chain = connected(node)
    call = chain.token.functions.mint(chain.account.address, 5)
    dear(1)
    node.after = lambda method, *_: dear(160) if method == "eth_feeHistory" and node.count(SEND) == 0 else None
    assert chain.send(call).block == 1 and node.count(SEND) == 2 and len(node.pool) == 1
    dear(1)
    node.after = lambda method, *_: dear(501) if method == "eth_feeHistory" and node.count(SEND) == 2 else None
    with pytest.raises(errors.TransactionFailed, match="less than block base fee.* more than the cap of 500000000000: wait until"):
        chain.send(call)
    dear(400)
    assert chain.send(call).hash and [tx["nonce"] for tx in node.pool.values()] == ["0x0", "0x1"]


@pytest.mark.parametrize("price, least, most", [(26, 2, 2), (None, 30, 45)], ids=["gas price", "no gas price"])
def test_a_fee_that_a_node_refuses_rises_until_it_takes_it(node, quick, monkeypatch, price, least, most):
    monkeypatch.setattr(_sending, "CLEAR_REFUSAL_PATIENCE", 0.3)
    usual = {"eth_feeHistory": {"result": {"reward": [["0x3b9aca00"]]}}}
    usual["eth_gasPrice"] = {"result": hex(price * 10**9)} if price else MISSING

    def stingy(method, params, n):
        if method == SEND and TypedTransaction.from_bytes(HexBytes(params[0])).as_dict()["maxPriorityFeePerGas"] < 25 * 10**9:
            return error(-32000, "transaction underpriced: tip needed 25000000000")
        return usual.get(method)

    node.before = stingy
    assert paid(node).block == 1 and len(node.pool) == 1 and least <= node.count(SEND) <= most
    low_caps(monkeypatch)
    node.before = lambda method, *_: error(-32000, "transaction underpriced") if method == SEND else usual.get(method)
    with pytest.raises(errors.TransactionFailed, match="underpriced.*cannot be raised beyond .* wei: wait until gas is cheaper"):
        paid(node)


@pytest.mark.parametrize(
    "words, said",
    [
        ("insufficient funds for gas * price + value", "cannot pay"),
        ("tx fee (1.20 ether) exceeds the configured cap (1.00 ether)", "the node refuses it"),
    ],
)
def test_a_transaction_that_costs_too_much_offers_less_when_it_is_gone_on_with(node, quick, dear, words, said):
    chain = connected(node)
    call = chain.token.functions.mint(chain.account.address, 5)
    refused = error(-32000, words)
    dear(160)
    priced = node.before

    def poor(method, params, n):
        if method == SEND and TypedTransaction.from_bytes(HexBytes(params[0])).as_dict()["maxFeePerGas"] > 10 * 10**9:
            return refused
        return priced(method, params, n)

    node.before = poor
    with pytest.raises(errors.TransactionFailed, match=said):
        chain.send(call)
    dear(1)
    priced, node.before = node.before, poor
    assert chain.send(call).block == 1 and len(node.pool) == 1


def test_a_transaction_that_the_price_passed_while_it_waited_offers_more_when_it_is_gone_on_with(node, quick, monkeypatch, dear):
    chain = connected(node)
    call = chain.token.functions.mint(chain.account.address, 5)
    node.mining = False
    monkeypatch.setattr(_sending, "MINED", 0.5)
    with pytest.raises(errors.TransactionFailed, match="was not mined"):
        chain.send(call)
    monkeypatch.setattr(_sending, "MINED", 60.0)
    dear(400)
    node.after = lambda method, *_: setattr(node, "mining", len(node.pool) == 2) if method == SEND else None
    assert chain.send(call).hash == list(node.pool)[1] and {tx["nonce"] for tx in node.pool.values()} == {"0x0"}


def test_a_transaction_whose_tip_others_passed_offers_more(node, quick, monkeypatch):
    monkeypatch.setattr(_sending, "REPRICE", 0.1)
    tips = {"result": {"reward": [["0x1"]]}}
    node.before = lambda method, *_: tips if method == "eth_feeHistory" else None
    node.mining = False

    def dearer(method, params, n):
        if method == SEND:
            tips["result"] = {"reward": [[hex(10**9)]]}
            node.mining = len(node.pool) == 2

    node.after = dearer
    chain = connected(node)
    assert chain.send(chain.token.functions.mint(chain.account.address, 5)).hash == list(node.pool)[1]
    assert {tx["nonce"] for tx in node.pool.values()} == {"0x0"}


def test_higher_fees_rise_enough_and_stop_at_the_caps():
    old = {"maxFeePerGas": 20, "maxPriorityFeePerGas": 1}
    assert _fees.raised(old, old) == {"maxFeePerGas": 24, "maxPriorityFeePerGas": 2}
    assert _fees.raised(old, {"maxFeePerGas": 30, "maxPriorityFeePerGas": 3}) == {"maxFeePerGas": 30, "maxPriorityFeePerGas": 3}
    assert _fees.raised(old, {"gasPrice": 99}) == _fees.raised(old, old)
    caps = {"maxFeePerGas": _fees.FEE_CAP, "maxPriorityFeePerGas": _fees.TIP_CAP}
    assert _fees.raised({name: cap - 1 for name, cap in caps.items()}, old) == caps == _fees.raised(caps, caps)
    assert _fees.raised({"gasPrice": 10}, {"gasPrice": 11}) == {"gasPrice": 12}


@pytest.mark.parametrize("field", ["status", "gasUsed", "logs"])
def test_a_receipt_that_does_not_say_what_happened_is_told_and_nothing_is_sent_again(node, quick, monkeypatch, field):
    monkeypatch.setattr(_sending, "MINED", 0.5)
    chain = connected(node)
    call = chain.token.functions.mint(chain.account.address, 5)
    node.after = lambda method, params, n: (
        {"result": {k: v for k, v in node._receipt(params[0]).items() if k != field}} if method == RECEIPT else None
    )
    for _ in range(2):
        with pytest.raises(errors.TransactionFailed, match=f"was mined in block 1, but .* its receipt has no {field}"):
            chain.send(call)
    assert len(node.pool) == 1


UNUSED = {"logsBloom": None, "contractAddress": "", "cumulativeGasUsed": "none", "type": "0xff", "blockHash": None, "to": ""}
LOGS = [None, {}, {"address": "0x", "topics": None, "data": "0x"}, {"address": "0x", "topics": ["zz"], "data": "0x"}]


def test_a_receipt_needs_only_what_is_read(node):
    chain = connected(node)
    whole = logged(chain.token.events.Transfer)
    node.logs = [*LOGS, whole | {"address": chain.agents.address}, whole | {"data": "0x"}, whole | {"topics": whole["topics"][:2]}, whole]
    node.after = lambda method, params, n: {"result": node._receipt(params[0]) | UNUSED} if method == RECEIPT else None
    sent = chain.send(chain.token.functions.mint(chain.account.address, 5), chain.token.events.Transfer)
    assert (sent.block, sent.gas, [event["args"]["value"] for event in sent.events]) == (1, 50_000, [0])


RECEIPTS = ["mined", [], {"blockNumber": "0x1"}, {"blockNumber": "soon"}, {"gasUsed": "much"}]


@pytest.mark.parametrize("receipt", RECEIPTS, ids=str)
def test_what_is_no_receipt_is_told_and_nothing_is_sent_again(node, quick, monkeypatch, receipt):
    monkeypatch.setattr(_sending, "MINED", 0.5)
    chain = connected(node)
    whole = isinstance(receipt, dict) and len(receipt) == 1 and receipt != {"blockNumber": "0x1"}
    node.after = lambda method, params, n: (
        {"result": node._receipt(params[0]) | receipt if whole else receipt} if method == RECEIPT else None
    )
    for _ in range(2):
        with pytest.raises(errors.TransactionFailed, match="make the same call .*answers eth_getTransactionReceipt with"):
            chain.send(chain.token.functions.mint(chain.account.address, 5))
    assert len(node.pool) == 1


@pytest.mark.parametrize("field", ["transactionHash", "from"])
def test_the_receipt_of_another_transaction_is_not_believed(node, quick, monkeypatch, field):
    chain = connected(node)
    call = chain.token.functions.mint(chain.account.address, 5)
    other = {"transactionHash": "0x" + "cd" * 32, "from": "0x" + "cd" * 20}[field]

    def another(method, params, n):
        if method == SEND:  # it says that it took the transaction, and drops it
            return {"result": "0x" + "cd" * 32}
        if method == RECEIPT:
            mined = {"from": chain.account.address, "transactionHash": params[0], "status": "0x1", "blockNumber": "0x1"}
            return {"result": mined | {"gasUsed": "0x1", "logs": [], field: other}}

    node.before = another
    monkeypatch.setattr(_sending, "MINED", 0.5)
    with pytest.raises(errors.TransactionFailed, match="was not mined .*with the receipt of another transaction"):
        chain.send(call)
    assert not node.pool
    node.before = lambda *_: None
    monkeypatch.setattr(_sending, "MINED", 60)
    assert chain.send(call).hash in node.pool and len(node.pool) == 1


def test_words_are_classified_as_in_the_rust_client():
    source = (ROOT / "verifier-contract/client/src/refusal.rs").read_text().split("#[cfg(test)]")[0]
    lists = dict(re.findall(r"const (\w+): &\[&str\] = &\[(.*?)\];", re.sub(r"//.*", "", source), re.DOTALL))
    assert lists.keys() == {"KNOWN", "NONCE_USED", "UNFUNDED", "FEE_TOO_LOW", "INVALID", "ABOUT_REQUESTS", "ABOUT_RESULTS"}
    for name, words in lists.items():
        assert tuple(re.findall(r'"([^"]+)"', words)) == getattr(_refusal, name), name
    low = ("Transaction maxFeePerGas (3) is too low for the next block, which has a baseFeePerGas of 875000000",)
    for words in (*low, "Gas price '1' is below configured minimum gas price '710000000000'"):
        assert _refusal.refusal(words) == "fee too low"
    assert _refusal.refusal("unknown transaction type") == "invalid" and _refusal.refusal("unknown transaction") == "unclear"
