"""Looks for private data in bytes: what crossed a link, or what a machine stores.

Records and labels are found as CSV, bytes, 64-bit integers, f64 and field elements in both byte orders; gradients as 256-bit
integers, field elements and f64; secrets as they are. Each of them raw, in hex, in base64, and compressed by gzip.
"""

import re
import struct
import zlib
from base64 import b64decode
from functools import lru_cache
from hashlib import sha256

import numpy as np

FIELD = 0x30644E72E131A029B85045B68181585D2833E84879B9709143E1F593F0000001
# Labels that must follow each other to count as a find: one label is a byte and proves nothing.
RUN = 32
BAD = 65535
# Bytes searched at a time, and by how many two pieces overlap: a record of 64 field elements.
PIECE, OVERLAP = 1 << 22, 2_048
BASE = np.uint64(0x9E3779B97F4A7C15)
INVERSE = np.uint64(pow(int(BASE), -1, 1 << 64))


@lru_cache(maxsize=8)
def powers(base, count):
    return np.cumprod(np.concatenate([[np.uint64(1)], np.full(count - 1, base, np.uint64)]), dtype=np.uint64)


def hashes(sequence, width):
    """A hash of every window of `width` numbers, modulo 2^64."""
    if len(sequence) < width:
        return np.zeros(0, np.uint64)
    with np.errstate(over="ignore"):
        count = len(sequence)
        terms = (sequence.astype(np.uint64) + np.uint64(1)) * powers(INVERSE, count)
        sums = np.concatenate([[np.uint64(0)], np.cumsum(terms, dtype=np.uint64)])
        return (sums[width:] - sums[:-width]) * powers(BASE, count)[: count - width + 1]


def among(values, known):
    """How many of the values are in the sorted list of known ones."""
    place = np.minimum(np.searchsorted(known, values), len(known) - 1)
    return int((known[place] == values).sum())


class Data:
    """One dataset's private data: `rows` are lines of CSV, `q` quantised features, `raw` features as in the CSV, `y` classes."""

    def __init__(self, rows, q, raw, y, gradient, gradient_bits, secrets):
        self.rows = [row.encode() for row in rows]
        self.labels = np.array(y)
        self.features = [np.array(q), np.array(raw)]
        self.gradient = [int(g) for g in gradient]
        self.real = np.array([g / 2.0**gradient_bits for g in self.gradient])
        self.secrets = secrets


class Searcher:
    """Counts finds of all datasets' private data."""

    def __init__(self, datasets):
        self.datasets = datasets
        width = datasets[0].features[0].shape[1]
        tables = [t.astype(np.int64) for d in datasets for t in d.features]
        self.width = width
        self.record_hashes = np.unique(np.concatenate([hashes(row, width) for t in tables for row in t]))
        runs = [hashes(d.labels, RUN) for d in datasets]
        self.run_hashes = np.unique(np.concatenate(runs))
        self.lines = [line for d in datasets for line in d.rows]
        big = [g for d in datasets for g in d.gradient if abs(g) >> 64]
        words = {(g % m).to_bytes(32, order) for g in big for m in (FIELD, 1 << 256) for order in ("big", "little")}
        self.full_words = words
        self.word_starts = np.unique(np.array([int.from_bytes(w[i : i + 8], "little") for w in words for i in (4, 20)], np.uint64))
        # three entries in order, where they are not close to zero
        triples = [d.real[i : i + 3] for d in datasets for i in range(len(d.real) - 2)]
        self.triples = [t for t in triples if np.abs(t).min() > 1e-3]
        firsts = np.array([t[0] for t in self.triples])
        self.order = np.argsort(firsts)
        self.starts = firsts[self.order]
        self.secrets = [s for d in datasets for s in d.secrets]

    def find(self, data):
        """Finds in `data` by kind."""
        found = {"records": 0, "labels": 0, "secrets": 0, "gradients": 0}
        for view in unpacked(data):
            self.plain(view, found)
        return found

    def find_all(self, contents):
        """Finds in many pieces of data; what occurs several times is searched once."""
        total, seen = {"records": 0, "labels": 0, "secrets": 0, "gradients": 0}, set()
        for data in contents:
            digest = sha256(data).digest()
            if digest not in seen:
                seen.add(digest)
                found = self.find(data)
                total = {kind: total[kind] + found[kind] for kind in total}
        return total

    def plain(self, data, found):
        for start in range(0, max(len(data), 1), PIECE):
            self.piece(data[start : start + PIECE + OVERLAP], found)

    def piece(self, data, found):
        found["records"] += sum(data.count(line) for line in self.lines if line in data)
        for secret in self.secrets:
            found["secrets"] += data.count(secret) + data.count(secret[::-1])
        if len(data) < RUN:
            return
        raw = np.frombuffer(data, np.uint8)
        for sequence in sequences(raw, data):
            found["records"] += among(hashes(sequence, self.width), self.record_hashes)
            found["labels"] += among(hashes(sequence, RUN), self.run_hashes)
        found["gradients"] += self.gradients(raw, data)

    def gradients(self, raw, data):
        count = 0
        for offset in range(8):
            part = raw[offset : offset + (len(raw) - offset) // 8 * 8]
            words = part.view(np.uint64)
            place = np.minimum(np.searchsorted(self.word_starts, words), len(self.word_starts) - 1)
            for i in np.nonzero(self.word_starts[place] == words)[0]:
                at = offset + 8 * int(i)
                count += any(data[at - start : at - start + 32] in self.full_words for start in (4, 20) if at >= start)
            for view in (part.view("<f8"), part.view(">f8")):
                with np.errstate(invalid="ignore", over="ignore"):
                    place = np.clip(np.searchsorted(self.starts, view), 1, len(self.starts) - 1)
                    for near in (place, place - 1):
                        close = np.abs(view - self.starts[near]) < 1e-9 * np.abs(self.starts[near])
                        for k in np.nonzero(close)[0]:
                            wanted = self.triples[self.order[near[k]]]
                            count += len(view) >= k + 3 and bool(np.allclose(view[k : k + 3], wanted, rtol=1e-9))
        return count


def sequences(raw, data):
    """All ways to read bytes as lists of small numbers; what is none is BAD."""
    yield raw
    zeros = np.concatenate([[0], np.cumsum(raw == 0, dtype=np.int32)])
    for width in (8, 32):
        if len(raw) < width * RUN:
            continue
        span = width - 1
        # whether the `span` bytes from each position on are zero
        clear = zeros[span:] - zeros[:-span] == span
        for first, low in ((1, 0), (0, span)):
            # a number at i has its low byte at i + low and zeros from i + first on
            valid = clear[first : len(raw) - span + first]
            if valid.sum() < RUN:
                continue
            values = np.where(valid, raw[low : low + len(valid)].astype(np.int64), BAD)
            for offset in range(width):
                yield values[offset::width]
    for offset in range(8):
        part = raw[offset : offset + (len(raw) - offset) // 8 * 8]
        for view in (part.view("<f8"), part.view(">f8")):
            with np.errstate(invalid="ignore", over="ignore"):
                for scale in (1, 256):
                    x = view * scale
                    small = (x >= 0) & (x < 256) & (x == np.floor(x))
                    if small.sum() >= RUN:
                        yield np.where(small, np.where(small, x, 0).astype(np.int64), BAD)
    for text in re.findall(rb"(?:\d{1,3}(?:\.0)?[,;\s]+){%d,}\d{1,3}" % (RUN - 1), data):
        yield np.array([int(float(n)) for n in re.findall(rb"\d+(?:\.0)?", text)])


def unpacked(data):
    """The bytes, and what their runs of hex, base64 and gzip hold."""
    yield data
    for run in re.findall(rb"[0-9a-fA-F]{64,}", data):
        for start in (0, 1):
            text = run[start:]
            yield bytes.fromhex(text[: len(text) // 2 * 2].decode())
    for run in re.findall(rb"[A-Za-z0-9+/_-]{42,}", data):
        if len(run) > 1_000 and not run.strip(b"0123456789abcdef"):
            continue  # it is hex
        run = run.replace(b"-", b"+").replace(b"_", b"/")
        for start in range(4):
            text = run[start:]
            text = text[:-1] if len(text) % 4 == 1 else text
            yield b64decode(text + b"=" * (-len(text) % 4))
    for at in re.finditer(rb"\x1f\x8b\x08", data):
        try:
            yield zlib.decompressobj(31).decompress(data[at.start() :])
        except zlib.error:
            pass


def messages(stream):
    """What is in one direction of a plain HTTP/2 connection: the bodies of its streams, from DATA frames, and everything else.

    Another protocol's stream is returned as it is.
    """
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    at = len(preface) if stream.startswith(preface) else 0
    # either side begins with a SETTINGS frame
    if len(stream) < at + 9 or (at == 0 and stream[3] != 4):
        return [stream]
    bodies, rest = {}, bytearray(stream[:at])
    while at + 9 <= len(stream):
        length, kind, flags = int.from_bytes(stream[at : at + 3], "big"), stream[at + 3], stream[at + 4]
        number = int.from_bytes(stream[at + 5 : at + 9], "big") & 0x7FFFFFFF
        payload = stream[at + 9 : at + 9 + length]
        if kind == 0:
            if flags & 8:
                payload = payload[1 : len(payload) - payload[0]]
            bodies.setdefault(number, bytearray()).extend(payload)
        else:
            rest += stream[at : at + 9 + length]
        at += 9 + length
    return [bytes(body) for body in bodies.values()] + [bytes(rest + stream[at:])]


def encodings(values):
    """Small numbers in every encoding that is looked for, by name."""
    plain = {
        "u8": bytes(values),
        "csv": ",".join(map(str, values)).encode(),
        "i64 little": struct.pack(f"<{len(values)}q", *values),
        "i64 big": struct.pack(f">{len(values)}q", *values),
        "f64 little": struct.pack(f"<{len(values)}d", *values),
        "f64 big": struct.pack(f">{len(values)}d", *values),
        "field little": b"".join(v.to_bytes(32, "little") for v in values),
        "field big": b"".join(v.to_bytes(32, "big") for v in values),
    }
    return packed(plain)


def packed(plain):
    """Raw, hex, base64 and gzip of each."""
    from base64 import b64encode
    from gzip import compress

    forms = {"raw": bytes, "hex": lambda b: b.hex().encode(), "base64": b64encode, "gzip": compress}
    return {f"{name}, {form}": make(b) for name, b in plain.items() for form, make in forms.items()}


def plants(data):
    """One leak of each kind and encoding, by kind and name."""
    for name, leak in encodings([int(v) for v in data.features[0][3]]).items():
        yield "records", name, leak
    for name, leak in encodings([int(v) for v in data.labels[5 : 5 + RUN]]).items():
        yield "labels", name, leak
    yield "records", "line of CSV", data.rows[4]
    for name, leak in packed({"secret": data.secrets[0], "secret, reversed": data.secrets[0][::-1]}).items():
        yield "secrets", name, leak
    big = [g for g in data.gradient if abs(g) >> 64][:8]
    gradients = {
        f"{kind} {order}": b"".join((g % modulus).to_bytes(32, order) for g in big)
        for kind, modulus in (("field", FIELD), ("i256", 1 << 256))
        for order in ("little", "big")
    }
    gradients |= {f"f64 {order}": struct.pack(f"{sign}{len(data.real)}d", *data.real) for order, sign in (("little", "<"), ("big", ">"))}
    for name, leak in packed(gradients).items():
        yield "gradients", name, leak
