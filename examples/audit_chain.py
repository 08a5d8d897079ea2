"""Reads what an audit needs from the chain: logs, receipts, calldata and token balances.

The source is a node over JSON-RPC, or the state that anvil dumped when it stopped. Nothing here depends on Tribute's
code, only on the signatures of its public events and functions.
"""

import gzip
import json
import urllib.request
from dataclasses import dataclass

MASK = (1 << 64) - 1


def _keccak_constants():
    """Round constants and rotation offsets of Keccak-f[1600], from its specification."""
    rounds, lfsr = [], 1
    for _ in range(24):
        constant = 0
        for bit in range(7):
            if lfsr & 1:
                constant |= 1 << ((1 << bit) - 1)
            lfsr = (lfsr << 1) ^ (0x171 if lfsr & 0x80 else 0)
        rounds.append(constant)
    offsets, x, y = [[0] * 5 for _ in range(5)], 1, 0
    for t in range(24):
        offsets[x][y] = (t + 1) * (t + 2) // 2 % 64
        x, y = y, (2 * x + 3 * y) % 5
    return rounds, offsets


ROUNDS, OFFSETS = _keccak_constants()


def keccak(data: bytes) -> bytes:
    """keccak256, as Ethereum uses it (padding 0x01, not SHA-3's 0x06)."""

    def rotate(v, n):
        return ((v << n) | (v >> (64 - n))) & MASK if n else v

    padded = bytearray(data) + b"\x01" + b"\x00" * (-(len(data) + 1) % 136)
    padded[-1] |= 0x80
    a = [[0] * 5 for _ in range(5)]
    for start in range(0, len(padded), 136):
        for i in range(17):
            a[i % 5][i // 5] ^= int.from_bytes(padded[start + 8 * i : start + 8 * i + 8], "little")
        for constant in ROUNDS:
            c = [a[x][0] ^ a[x][1] ^ a[x][2] ^ a[x][3] ^ a[x][4] for x in range(5)]
            d = [c[x - 1] ^ rotate(c[(x + 1) % 5], 1) for x in range(5)]
            b = [[0] * 5 for _ in range(5)]
            for x in range(5):
                for y in range(5):
                    b[y][(2 * x + 3 * y) % 5] = rotate(a[x][y] ^ d[x], OFFSETS[x][y])
            a = [[b[x][y] ^ (~b[(x + 1) % 5][y] & b[(x + 2) % 5][y]) for y in range(5)] for x in range(5)]
            a[0][0] ^= constant
    return b"".join(a[i % 5][i // 5].to_bytes(8, "little") for i in range(4))


assert keccak(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"


def selector(signature: str) -> bytes:
    """First four bytes of calldata or of a custom error."""
    return keccak(signature.encode())[:4]


def word(data: bytes, index: int) -> int:
    """The 32-byte word at `index`."""
    return int.from_bytes(data[32 * index : 32 * index + 32], "big")


def signed(value: int) -> int:
    """Interprets a word as a 256-bit two's complement integer."""
    return value - (1 << 256) if value >> 255 else value


def hex32(value: int) -> str:
    return "0x" + value.to_bytes(32, "big").hex()


def address(value: int) -> str:
    return "0x" + value.to_bytes(32, "big")[12:].hex()


def _bytes(text) -> bytes:
    return bytes.fromhex((text or "0x")[2:])


@dataclass
class Log:
    """One event log."""

    address: str
    topics: list
    data: bytes
    tx: str


class Chain:
    """Finds logs by event; the subclasses read the rest."""

    def events(self, signature: str) -> list:
        """Events with this signature, in order."""
        topic = int.from_bytes(keccak(signature.encode()), "big")
        return [log for log in self.logs if log.topics and log.topics[0] == topic]


class Rpc(Chain):
    """A running node."""

    def __init__(self, url: str):
        self.url = url
        raw = self._call("eth_getLogs", [{"fromBlock": "0x0", "toBlock": "latest"}])
        self.logs = [
            Log(r["address"].lower(), [int(t, 16) for t in r["topics"]], _bytes(r["data"]), r["transactionHash"].lower())
            for r in raw
        ]

    def _call(self, method, params):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(self.url, body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as response:
            answer = json.load(response)
        if "error" in answer:
            raise SystemExit(f"{method}: {answer['error']}")
        return answer["result"]

    def status(self, tx):
        """1 succeeded, 0 reverted, None unknown."""
        receipt = self._call("eth_getTransactionReceipt", [tx])
        return receipt and int(receipt["status"], 16)

    def gas(self, tx):
        return int(self._call("eth_getTransactionReceipt", [tx])["gasUsed"], 16)

    def calldata(self, tx):
        return _bytes(self._call("eth_getTransactionByHash", [tx])["input"])

    def output(self, tx):
        """The data that the call returned or reverted with; None if the node does not support tracing."""
        try:
            trace = self._call("debug_traceTransaction", [tx, {"tracer": "callTracer"}])
        except SystemExit:
            return None
        return _bytes(trace.get("output"))

    def balance(self, token, holder):
        call = {"to": token, "data": "0x" + selector("balanceOf(address)").hex() + holder[2:].rjust(64, "0")}
        return int(self._call("eth_call", [call, "latest"]), 16)


class Dump(Chain):
    """The state file of an anvil that has stopped."""

    def __init__(self, path):
        raw = open(path, "rb").read().strip()
        if raw.startswith(b'"') or raw.startswith(b"0x"):  # the answer of anvil_dumpState
            raw = gzip.decompress(bytes.fromhex(raw.strip(b'"').decode()[2:]))
        elif raw.startswith(b"\x1f\x8b"):
            raw = gzip.decompress(raw)
        state = json.loads(raw)
        self.accounts = {a.lower(): v for a, v in state["accounts"].items()}
        mined = sorted(state["transactions"], key=lambda t: (t["block_number"], t["info"]["transaction_index"]))
        self.mined = {t["info"]["transaction_hash"].lower(): t for t in mined}
        self.logs = [
            Log(r["address"].lower(), [int(t, 16) for t in r["topics"]], _bytes(r["data"]), tx)
            for tx, t in self.mined.items()
            for r in self._receipt(t)["logs"]
        ]

    @staticmethod
    def _receipt(mined):
        receipt = mined["receipt"]
        return receipt.get("receipt", receipt)

    def status(self, tx):
        mined = self.mined.get(tx.lower())
        return mined and int(self._receipt(mined)["status"], 16)

    def gas(self, tx):
        return self.mined[tx.lower()]["info"]["gas_used"]

    def calldata(self, tx):
        return _bytes(self.mined[tx.lower()]["info"]["traces"][0]["trace"]["data"])

    def output(self, tx):
        return _bytes(self.mined[tx.lower()]["info"]["out"])

    def balance(self, token, holder):
        """Reads OpenZeppelin's `mapping(address => uint256) _balances` in slot 0."""
        slot = int.from_bytes(keccak(bytes.fromhex(holder[2:].rjust(64, "0")) + bytes(32)), "big")
        storage = self.accounts[token]["storage"]
        return next((int(v, 16) for k, v in storage.items() if int(k, 16) == slot), 0)
