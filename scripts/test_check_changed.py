#!/usr/bin/env python3
"""Tests of check_changed.py: which files count as changed, and which crates contain them."""

import pathlib
import subprocess
import tempfile
import unittest

from check_changed import changed_files, crates_of

CRATES = {"circuits": "outer", "circuits/core": "inner", "proto": "proto"}


class Crates(unittest.TestCase):
    def test_the_innermost_folder_counts(self):
        self.assertEqual(crates_of(["circuits/core/src/lib.rs"], CRATES), ["inner"])
        self.assertEqual(crates_of(["circuits/src/lib.rs", "circuits/Cargo.toml"], CRATES), ["outer"])

    def test_a_name_that_only_begins_alike_is_another(self):
        self.assertEqual(crates_of(["proto2/a.rs", "protoc", "README.md"], CRATES), [])


class Files(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.git("init", "--quiet", "--initial-branch", "main")
        for name in ("kept", "edited", "removed"):
            self.write(name, name)
        self.commit()

    def git(self, *arguments):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", "-C", self.root, *identity, *arguments], check=True)

    def write(self, name, text):
        (self.root / name).write_text(text)

    def commit(self):
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "x")

    def test_nothing_changed(self):
        self.assertEqual(changed_files(self.root), [])

    def test_uncommitted_changes_count(self):
        self.write("edited", "other")
        self.write("new", "")
        (self.root / "removed").unlink()
        self.assertEqual(changed_files(self.root), ["edited", "new", "removed"])

    def test_commits_since_origin_count_and_earlier_ones_do_not(self):
        self.git("update-ref", "refs/remotes/origin/main", "HEAD")
        self.write("new", "")
        self.commit()
        self.write("edited", "other")
        self.assertEqual(changed_files(self.root), ["edited", "new"])


if __name__ == "__main__":
    unittest.main()
