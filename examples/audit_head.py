"""The head's arithmetic, written a second time from its description: schema, exact link functions, gradient, contributions.

Scales: a feature q stands for q/256, the bias is the weight of a feature 256 * 2^s, a weight has 32 fractional bits, a logit
40, lambda and epsilon 44, a share 20, the published norm 10. `exp` comes from two tables and a linear factor, without
rounding the product; a softmax is shifted by the integer `l` that brings the sum of its probabilities closest to 1.
"""

import csv
import gzip
import io
import json
import math
from decimal import Decimal, getcontext

import numpy as np

getcontext().prec = 70


def read_rows(path):
    """(header line or "", rows as lines, rows as fields); a header is a first row of which no feature is a number."""
    raw = open(path, "rb").read()
    text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode()
    lines = [line for line in text.splitlines() if line.strip()]
    rows = [[field.strip() for field in row] for row in csv.reader(io.StringIO("\n".join(lines)))]

    def number(field):
        try:
            float(field)
            return True
        except ValueError:
            return False

    if any(number(field) for field in rows[0][:-1]):
        return "", lines, rows
    return lines[0] + "\n", lines[1:], rows[1:]


class Schema:
    """Ranges and labels; quantises rows as the schema says."""

    def __init__(self, path):
        self.text = open(path, "rb").read().decode().strip()
        self.fields = json.loads(self.text)
        self.labels = self.fields["target"]["classes"]

    def canonical(self) -> bytes:
        """Compact JSON in the order of the file."""
        return json.dumps(self.fields, separators=(",", ":"), ensure_ascii=False).encode()

    def quantise(self, rows):
        """(features as integers 0..255, class numbers)."""
        x = np.array([[float(v) for v in row[:-1]] for row in rows])
        lo = np.array([f["lo"] for f in self.fields["features"]])
        hi = np.array([f["hi"] for f in self.fields["features"]])
        q = np.clip(np.rint((x - lo) * 255.0 / (hi - lo)), 0, 255).astype(np.int64)
        return q, np.array([self.labels.index(row[-1]) for row in rows])


class Tables:
    """`exp(-t)` for an integer t of 40 fractional bits, with `bits` fractional bits, as an exact integer."""

    def __init__(self, k):
        b = min(max(k - 1, 13), 14)
        middle = b - 1  # bits of the second table's index
        self.fine = 36 - middle  # bits of what the linear factor takes
        self.bits = 6 * b + (self.fine - b) + 38
        self.one = 1 << self.bits
        if k < 14:  # such circuits only take the squared link
            return
        second = self.bits - 47 - 40
        half = 1 << (self.fine - 1)

        def entry(t, bits):
            return int((((-Decimal(t) / (1 << 40)).exp()) * (1 << bits)).to_integral_value())

        self.t1 = [entry(i << 36, 47) for i in range(512)]
        self.t2 = [entry((i << self.fine) + half, second) for i in range(1 << middle)]
        self.base = (1 << 40) + half + (half * half >> 41)

    def exp(self, t):
        if t >> 36 >= 512:
            return 0
        fine, mid = t & ((1 << self.fine) - 1), (t >> self.fine) & (len(self.t2) - 1)
        return self.t1[t >> 36] * self.t2[mid] * (self.base - fine)

    def softmax(self, z):
        """Probabilities of integer logits."""
        top, unit = max(z), float(1 << 40)
        l = top + round(math.log(sum(math.exp((v - top) / unit) for v in z)) * unit)
        for _ in range(3):
            total = sum(self.exp(l - v) for v in z)
            l = max(top, l + round((total / self.one - 1.0) * unit))
        near = [s for s in range(l - 4, l + 5) if s >= top]
        l = min(near, key=lambda s: (abs(sum(self.exp(s - v) for v in z) - self.one), s))
        return [self.exp(l - v) for v in z]


class Head:
    """A head with its loss: everything the certificate says about it, in exact integers."""

    def __init__(self, weights, link, k, lam, scale):
        self.w = weights  # [d + 1][c], bias last, as in the file
        self.link, self.lam = link, lam
        self.bias = 256 << scale
        self.tables = Tables(k)
        self.limb = min(k - 1, 14)
        self.gradient_bits = 8 + self.tables.bits
        # contributions are rounded down by a whole number of limbs, to 44 fractional bits or a few more
        self.rounded = (self.gradient_bits + 32 - 44) // self.limb * self.limb
        self.contribution_bits = self.gradient_bits + 32 - self.rounded

    def features(self, q):
        """The features with the bias's, as integers."""
        return np.hstack([q, np.full((len(q), 1), self.bias)])

    def logits(self, q):
        return self.features(q) @ self.w

    def answers(self, q):
        """The largest logit's class; the lowest among equals."""
        return np.argmax(self.logits(q), axis=1)

    def probabilities(self, z):
        if self.link == "squared":
            return [int(v) << (self.tables.bits - 40) for v in z]
        if self.link == "softmax":
            return self.tables.softmax(z)
        return [self.tables.softmax([v, 0])[0] for v in z]

    def gradient(self, q, y):
        """`X^T (P - Y)` as a list of Python integers, in the order of the file's weights."""
        error = []
        for z, target in zip(self.logits(q).tolist(), y):
            row = self.probabilities(z)
            row[target] -= self.tables.one
            error.append(row)
        x = self.features(q).astype(np.float64)
        # 24 bits at a time: features of at most 2^12 * 2^24 * 2^17 records stay below 2^53, so every sum is exact in f64
        assert len(q) <= 1 << 17
        total = [0] * self.w.size
        error = np.array(error, dtype=object)
        for shift in range(0, self.tables.bits + 24, 24):
            last = shift + 24 >= self.tables.bits + 24
            digit = error >> shift if last else (error >> shift) & 0xFFFFFF
            part = x.T @ digit.astype(np.float64)
            total = [t + (int(p) << shift) for t, p in zip(total, part.ravel())]
        return total

    def contribution(self, gradient):
        """What a shard contributes: `-<G, W>`, rounded down to its unit."""
        inner = -sum(g * int(w) for g, w in zip(gradient, self.w.ravel()))
        return inner >> self.rounded

    def optimum(self, gradients, n):
        """The numbers of the certificate for the gradients of all shards, over `n` records: epsilon and norm, as published."""
        w = [int(v) for v in self.w.ravel()]
        shift = self.gradient_bits - 76
        residual = [sum(g[i] for g in gradients) + ((n * self.lam * w[i]) << shift) for i in range(len(w))]
        # the lowest limbs are rounded away before squaring
        low = (self.gradient_bits - 54) // self.limb * self.limb
        square = sum((r >> low) ** 2 for r in residual)
        root = math.isqrt(square)
        root += root * root < square
        unit = n << (self.gradient_bits - low - 44)
        norm = math.isqrt(sum(v * v for v in w) >> 44)
        return {"epsilon": -(-root // unit), "norm": norm}

    def link_error(self):
        """delta in units of 2^-44: 2^-36 in each prediction, through the features, and a unit for rounding."""
        cells = 65536 * self.w.shape[1] * (self.w.shape[0] - 1 + (self.bias // 256) ** 2)
        return math.isqrt(cells) + (math.isqrt(cells) ** 2 < cells) + 1

    def real(self, q, y):
        """The loss's gradient norm in f64, and the distance to the true optimum where that is small enough to find.

        The optimum comes from Newton's method on the exact real loss, which no part of the certificate uses.
        """
        x = self.features(q) / 256.0
        n, c = len(q), self.w.shape[1]
        target = np.eye(c)[y] if c > 1 else y[:, None].astype(float)
        w0 = self.w / 2.0**32
        lam = self.lam / 2.0**44

        def predict(w):
            z = x @ w
            if self.link == "squared":
                return z
            if self.link == "logistic":
                return 1.0 / (1.0 + np.exp(-z))
            e = np.exp(z - z.max(axis=1, keepdims=True))
            return e / e.sum(axis=1, keepdims=True)

        def slope(w):
            return x.T @ (predict(w) - target) / n + lam * w

        norm = float(np.linalg.norm(slope(w0)))
        if w0.size > 2000:
            return norm, None
        w = w0.copy()
        for _ in range(20):
            p, g = predict(w), slope(w)
            if np.linalg.norm(g) < 1e-13:
                break
            hessian = np.zeros((w.size, w.size))
            for u in range(c):
                for v in range(c):
                    if self.link == "squared":
                        curve = np.full(n, float(u == v))
                    elif self.link == "logistic":
                        curve = p[:, u] * (1 - p[:, u]) * (u == v)
                    else:
                        curve = p[:, u] * ((u == v) - p[:, v])
                    hessian[u::c, v::c] = (x.T * curve) @ x / n
            hessian += lam * np.eye(w.size)
            w -= np.linalg.solve(hessian, g.ravel()).reshape(w.shape)
        return norm, float(np.linalg.norm(w0 - w) / np.linalg.norm(w0))
