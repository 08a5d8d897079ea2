#!/usr/bin/env python3
"""Tests of check_docs.py: a repository with valid references, and the same with one broken reference of each kind."""

import pathlib
import subprocess
import tempfile
import unittest

from check_docs import Checker

GOOD = {
    "Makefile": "test: lint\nlint:\n",
    "src/a.rs": "",
    "docs/SUMMARY.md": "- [One](one.md)\n",
    "docs/one.md": "# One page\n\n## What it `does`, twice\n\n## What it `does`, twice\n",
    "README.md": "\n".join([
        "[page](docs/one.md), [folder](src), [heading](docs/one.md#what-it-does-twice-1), [web](https://example.org/none)",
        "`src/a.rs`, `src/{a}.rs`, `a.rs`, `make lint`, `make test lint`, `out/none.json`, `src/<name>.rs`, `[x](no.md)`",
        "```",
        "[in code](none.md) `src/none.rs`",
        "```",
    ]),
}

BROKEN = {
    "a link to a missing file": ("README.md", "[x](docs/two.md)", "README.md:1: the link docs/two.md leads nowhere"),
    "a link out of the repository": ("README.md", "[x](../y.md)", "README.md:1: the link ../y.md leaves the repository"),
    "a missing heading": ("README.md", "[x](docs/one.md#two)", "README.md:1: the link docs/one.md#two: docs/one.md has no such heading"),
    "a heading of the page itself": ("docs/one.md", "[x](#two)", "docs/one.md:1: the link #two: docs/one.md has no such heading"),
    "a path": ("README.md", "`src/b.rs`", "README.md:1: `src/b.rs` is not in the repository"),
    "one of two paths": ("README.md", "`src/{a,b}.rs`", "README.md:1: `src/b.rs` is not in the repository"),
    "the end of a path": ("README.md", "`b.rs`", "README.md:1: `b.rs`: no file's path ends so"),
    "a make target": ("README.md", "`make nothing`", "README.md:1: `make nothing`: the Makefile has no target nothing"),
    "a page outside the book": ("docs/two.md", "", "docs/two.md: no chapter of the book; list it in docs/SUMMARY.md"),
}


def problems(files):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        subprocess.run(["git", "init", "--quiet", folder], check=True)
        return list(Checker(root).problems())


class References(unittest.TestCase):
    def test_good_ones_pass(self):
        self.assertEqual(problems(GOOD), [])

    def test_each_broken_one_is_named(self):
        for kind, (file, text, expected) in BROKEN.items():
            with self.subTest(kind):
                self.assertEqual(problems({**GOOD, file: text + "\n" + GOOD.get(file, "")}), [expected])


if __name__ == "__main__":
    unittest.main()
