#!/usr/bin/env python3
"""Tests of home_leaks.py: every leak of every kind and encoding is found in noise, wherever it starts, and noise has none."""

import random
import unittest

import numpy as np

from home_leaks import Data, Searcher, messages, plants


def data():
    rng = random.Random(7)
    q = [[rng.choice([0, 0, rng.randrange(256)]) for _ in range(64)] for _ in range(60)]
    raw = [[v // 16 for v in row] for row in q]
    y = [rng.randrange(10) for _ in q]
    rows = [",".join(map(str, row + [label])) for row, label in zip(raw, y)]
    gradient = [rng.randrange(-(1 << 140), 1 << 140) for _ in range(60)]
    return Data(rows, q, raw, y, gradient, 138, [rng.randbytes(32)])


class Leaks(unittest.TestCase):
    def test_noise_has_none(self):
        noise = random.Random(1).randbytes(200_000) + bytes(5_000) + b"[1, 2, 3]" * 20
        self.assertEqual(Searcher([data()]).find(noise), {"records": 0, "labels": 0, "secrets": 0, "gradients": 0})

    def test_every_planted_leak_is_found(self):
        d = data()
        searcher, rng = Searcher([d]), random.Random(2)
        kinds = set()
        for kind, name, leak in plants(d):
            for before in (0, 1_027):
                found = searcher.find(rng.randbytes(before) + b"\n" + leak + b"\n" + rng.randbytes(77))
                self.assertGreater(found[kind], 0, f"{kind}, {name}, at {before}")
            kinds.add(kind)
        self.assertEqual(kinds, {"records", "labels", "secrets", "gradients"})

    def test_messages_are_joined_over_frames(self):
        def frame(number, body, flags=0):
            return len(body).to_bytes(3, "big") + bytes([0, flags]) + number.to_bytes(4, "big") + body

        settings = (0).to_bytes(3, "big") + bytes([4, 0]) + bytes(4)
        frames = settings + frame(1, b"ab") + frame(3, b"x") + frame(1, b"\x01c\x00", 8)
        preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        self.assertEqual(messages(preface + frames), [b"abc", b"x", preface + settings])
        self.assertEqual(messages(frames), [b"abc", b"x", settings])
        self.assertEqual(messages(b"POST / HTTP/1.1"), [b"POST / HTTP/1.1"])


if __name__ == "__main__":
    unittest.main()
