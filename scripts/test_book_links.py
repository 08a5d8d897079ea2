#!/usr/bin/env python3
"""Tests of book_links.py: links within docs/ stay, links out of it become paths."""

import unittest

from book_links import without_links_out

CASES = {
    ("design.md", "[figures](../benches/RESULTS.md)"): "figures (`benches/RESULTS.md` in the repository)",
    ("roles/x.md", "[a](../../SECURITY.md#reporting)"): "a (`SECURITY.md` in the repository)",
    ("chain.md", "see [benches/RESULTS.md](../benches/RESULTS.md)."): "see benches/RESULTS.md.",
    ("roles/x.md", "[gas](../gas.md#verification)"): "[gas](../gas.md#verification)",
    ("roles/x.md", "[web](https://example.org) [here](local.md)"): "[web](https://example.org) [here](local.md)",
}


class Links(unittest.TestCase):
    def test_each(self):
        for (page, text), expected in CASES.items():
            with self.subTest(text):
                self.assertEqual(without_links_out(text, page), expected)


if __name__ == "__main__":
    unittest.main()
