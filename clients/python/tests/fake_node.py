"""A node of JSON-RPC with the quirks of nodes and gateways, as `../shared/cases` has them, and a chain that mines at once."""

from __future__ import annotations

import json
import ssl
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, Iterator

import rlp
from eth_account import Account
from eth_account.typed_transactions import TypedTransaction
from hexbytes import HexBytes
from web3 import Web3

CHAIN_ID = 31337
EMPTY_BLOCKS = 20
"""How many follow the last transaction's."""
WORD = "0x" + "00" * 12 + "11" * 20
"""The answer to every view: an address, or a number."""


class Http:
    """An answer of its own: status, body and headers, with a pause before each byte of the body, seconds."""

    def __init__(self, status: int, body: Any, pause: float = 0.0, **headers: str):
        self.status, self.pause, self.headers = status, pause, headers
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()


CLOSE = object()
"""No answer: the connection is closed."""


def error(code: int, message: str, data: Any = None) -> dict[str, Any]:
    return {"error": {"code": code, "message": message} | ({} if data is None else {"data": data})}


class FakeNode:
    """A node that answers what a transaction needs.

    Attributes
    ----------
    before, after : callable
        Given method, parameters and how often the method was called before: another answer, or None. `after` lets the node handle the
        request first.
    mining : bool
        Whether transactions are mined.
    """

    def __init__(self) -> None:
        self.before: Callable[[str, Any, int], Any] = lambda *_: None
        self.after: Callable[[str, Any, int], Any] = lambda *_: None
        self.mining = True
        self.seen: list[tuple[float, str]] = []
        self.pool: dict[str, dict[str, Any]] = {}
        """Every transaction that it has, by hash; of several with one nonce, the last is mined."""
        self.logs: list[dict[str, Any]] = []
        """Those of every receipt."""
        self.types: list[int] = []
        self.url = ""
        self._lock = threading.Lock()

    def count(self, method: str) -> int:
        """How often a method was called."""
        return sum(m == method for _, m in self.seen)

    def answer(self, request: dict[str, Any]) -> Any:
        method, params = request["method"], request["params"]
        with self._lock:
            n = self.count(method)
            self.seen.append((time.monotonic(), method))
            found = self.before(method, params, n)
            if found is None:
                made = {"result": self._result(method, params)}
                found = self.after(method, params, n) or made
        return {"jsonrpc": "2.0", "id": request["id"], **found} if isinstance(found, dict) else found

    def _result(self, method: str, params: Any) -> Any:
        if method == "eth_sendRawTransaction":
            return self.take(params[0])
        if method == "eth_getTransactionByHash":
            return {"hash": params[0]} if params[0] in self.pool else None
        if method == "eth_getTransactionReceipt":
            mined = self.mining and any(params[0] == tx["hash"] for tx in self._last().values())
            return self._receipt(params[0]) if mined else None
        if method == "eth_getTransactionCount":
            known = len(self._last()) if self.mining or params[1] == "pending" else 0
            return hex(known if params[1] in ("latest", "pending") else min(known, int(params[1], 16)))
        if method == "eth_blockNumber":
            return hex(len(self._last()) + EMPTY_BLOCKS)
        if method == "eth_getBlockByNumber" and params[0] != "latest":
            nonce = int(params[0], 16) - 1
            mined = [tx for tx in self._last().values() if self.mining and tx["nonce"] == hex(nonce)]
            return {"number": params[0], "transactions": mined if params[1] else [tx["hash"] for tx in mined]}
        return {
            "eth_chainId": hex(CHAIN_ID),
            "eth_call": WORD,
            "eth_getCode": "0x",
            "eth_estimateGas": "0xc350",
            "eth_gasPrice": hex(2 * 10**9),
            "eth_getBlockByNumber": {"number": "0x1", "baseFeePerGas": hex(10**9)},
            "eth_feeHistory": {"oldestBlock": "0x1", "baseFeePerGas": ["0x1"], "gasUsedRatio": [0.5], "reward": [["0x3b9aca00"]]},
        }[method]

    def take(self, raw: str) -> str:
        """Adds a transaction to the pool."""
        digest, content = Web3.keccak(hexstr=raw).to_0x_hex(), bytes.fromhex(raw[2:])
        kind = content[0] if content[0] < 0x80 else 0
        typed = TypedTransaction.from_bytes(HexBytes(content)).as_dict() if kind else {}
        fields = [typed[name] for name in ("nonce", "to", "value", "data")] if kind else [rlp.decode(content)[i] for i in (0, 3, 4, 5)]
        nonce, to, value, data = (field if isinstance(field, int) else bytes(field) for field in fields)
        self.types.append(kind)
        self.pool[digest] = {
            "hash": digest,
            "from": Account.recover_transaction(raw),
            "nonce": _quantity(nonce),
            "to": "0x" + to.hex(),
            "value": _quantity(value),
            "input": "0x" + data.hex(),
        }
        return digest

    def _last(self) -> dict[str, dict[str, Any]]:
        """By nonce, the transaction that is mined. That of nonce n is in block n + 1."""
        return {tx["nonce"]: tx for tx in self.pool.values()}

    def _receipt(self, digest: str) -> dict[str, Any]:
        return {
            "transactionHash": digest,
            "transactionIndex": "0x0",
            "blockHash": "0x" + "22" * 32,
            "blockNumber": "0x1",
            "from": self.pool[digest]["from"],
            "to": "0x" + "11" * 20,
            "status": "0x1",
            "gasUsed": "0xc350",
            "cumulativeGasUsed": "0xc350",
            "logs": self.logs,
        }


def _quantity(field: int | bytes) -> str:
    return hex(field if isinstance(field, int) else int.from_bytes(field, "big"))


@contextmanager
def fake_node(certificate: str | None = None) -> Iterator[FakeNode]:
    """A node that listens on a port of this machine; by TLS if a PEM file has its certificate and key."""
    node = FakeNode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_: Any) -> None:
            pass

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            answer = node.answer(request)
            if answer is CLOSE:
                self.close_connection = True
                self.connection.close()
                return
            reply = answer if isinstance(answer, Http) else Http(200, answer)
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("content-length", str(len(reply.body)))
            self.end_headers()
            step = 1 if reply.pause else len(reply.body) or 1
            for start in range(0, len(reply.body), step):
                time.sleep(reply.pause)
                self.wfile.write(reply.body[start : start + step])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    node.url = f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield node
    finally:
        server.shutdown()
        server.server_close()
