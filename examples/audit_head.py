"""The head's arithmetic, implemented independently from its description: schema, exact link functions, gradient,
contributions.

Scales: a feature q represents q/256 and the bias has the feature 2^s, a weight has 32 fractional bits, a logit 40,
lambda and epsilon 44, the published norm 10. `exp` comes from two tables and a linear factor, without rounding the
product; a softmax is shifted by the integer `l` that brings the sum of its probabilities closest to 1.
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
    """(header line or "", rows as lines, rows as fields); a first row is a header if none of its features is a number."""
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
    """Ranges and labels; quantises rows by the schema."""

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
        b = max(13, min(k - 1, 14))
        mid = b - 1
        self.shift = 36 - mid  # of the second table's index in t
        self.bits = 6 * b + (self.shift - b) + 38
        self.one = 1 << self.bits
        if k < 14:  # such circuits support only the squared link
            return
        half = self.shift - 1
        self.base = (1 << 40) + (1 << half) + (1 << (2 * half - 41))

        def entry(t, bits):
            return int((((-Decimal(t) / (1 << 40)).exp()) * (1 << bits)).to_integral_value())

        self.t1 = [entry(i << 36, 47) for i in range(512)]
        self.t2 = [entry((i << self.shift) + (1 << half), self.bits - 40 - 47) for i in range(1 << mid)]

    def exp(self, t):
        if t >> 36 >= 512:
            return 0
        below = (1 << self.shift) - 1
        return self.t1[t >> 36] * self.t2[(t & ((1 << 36) - 1)) >> self.shift] * (self.base - (t & below))

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
    """A head with its loss; computes everything the certificate says about it, in exact integers."""

    def __init__(self, weights, link, k, lam, scale):
        self.w = weights  # [d + 1][c], bias last, as in the file
        self.link, self.lam, self.bias = link, lam, 256 << scale
        self.limb = min(k - 1, 14)
        self.tables = Tables(k)
        self.gradient_bits = 8 + self.tables.bits

    def logits(self, q):
        return np.hstack([q, np.full((len(q), 1), self.bias)]) @ self.w

    def answers(self, q):
        """The class with the largest logit; on a tie, the lowest."""
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
        x = np.hstack([q, np.full((len(q), 1), self.bias)]).astype(np.float64)
        # 24 bits at a time: 2^12 * 2^24 * 2^16 records stay below 2^53, so every product is exact in f64
        assert len(q) <= 1 << 16
        total = [0] * self.w.size
        error = np.array(error, dtype=object)
        for shift in range(0, self.tables.bits + 24, 24):
            last = shift + 24 >= self.tables.bits + 24
            digit = error >> shift if last else (error >> shift) & 0xFFFFFF
            part = x.T @ digit.astype(np.float64)
            total = [t + (int(p) << shift) for t, p in zip(total, part.ravel())]
        return total

    def contribution(self, gradient):
        """`⟨−G, W⟩` of one shard, rounded down to the public unit."""
        inner = -sum(g * int(w) for g, w in zip(gradient, self.w.ravel()))
        return inner >> ((self.gradient_bits + 32 - 44) // self.limb * self.limb)

    def contribution_bits(self):
        """Fractional bits of that unit: at least 44, such that a whole number of limbs is rounded away."""
        return self.gradient_bits + 32 - (self.gradient_bits + 32 - 44) // self.limb * self.limb

    def optimum(self, parts):
        """The numbers of the certificate for the datasets `parts`, lists of shards: epsilon, norm, contributions, as published."""
        n = sum(len(y) for part in parts for _, y in part)
        gradients = [[self.gradient(q, y) for q, y in part] for part in parts]
        w = [int(v) for v in self.w.ravel()]
        residual = [
            sum(g[i] for part in gradients for g in part) + ((n * self.lam * w[i]) << (self.gradient_bits - 76))
            for i in range(len(w))
        ]
        # squared without its lowest limbs, rounded down
        rounded = (self.gradient_bits - 54) // self.limb * self.limb
        square = sum((r >> rounded) ** 2 for r in residual)
        root = math.isqrt(square)
        root += root * root < square
        unit = n << (self.gradient_bits - rounded - 44)
        weight_square = sum(v * v for v in w)
        contributions = [[self.contribution(g) for g in part] for part in gradients]
        return {"n": n, "epsilon": -(-root // unit), "norm": math.isqrt(weight_square >> 44), "contributions": contributions}

    def real(self, q, y):
        """The norm of the loss gradient in f64, and the distance to the true optimum (None if there are too many weights).

        The optimum comes from Newton's method on the exact real loss, which no part of the certificate uses.
        """
        x = np.hstack([q, np.full((len(q), 1), self.bias)]) / 256.0
        n, c = len(q), self.w.shape[1]
        target = np.eye(c)[y] if c > 1 else y[:, None].astype(float)
        w0 = self.w / 2.0**32
        lam = np.full(w0.shape, self.lam / 2.0**44)

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
            hessian += np.diag(lam.ravel())
            w -= np.linalg.solve(hessian, g.ravel()).reshape(w.shape)
        return norm, float(np.linalg.norm(w0 - w) / np.linalg.norm(w0))
