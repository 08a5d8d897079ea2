#!/usr/bin/env python3
"""Runs `make check`: formatting, clippy and unit tests of the crates that changed, and links in the documentation.

  check_changed.py [--list]

A crate has changed if one of its files differs from where this branch left origin/main (from HEAD, if there is no
origin/main), or is not committed yet. `--list` prints the crates and stops. A change to the workspace's manifest or
lock file affects every crate and needs `make test`.
"""

import json
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
CARGO = os.environ.get("CARGO", "cargo")


def changed_files(root):
    """Paths, relative to the root, of all files that differ from the base or are not committed."""

    def git(*arguments):
        return subprocess.run(["git", "-C", root, *arguments], capture_output=True, text=True)

    base = git("merge-base", "HEAD", "origin/main").stdout.strip() or "HEAD"
    differing = git("diff", "--name-only", "-z", base).stdout
    new = git("ls-files", "-z", "--others", "--exclude-standard").stdout
    return sorted({name for name in (differing + new).split("\0") if name})


def crates_of(files, crates):
    """Names of the crates that contain the files, by innermost folder; `crates` is {folder relative to the root: name}."""
    found = set()
    for file in files:
        folders = [str(parent) for parent in pathlib.PurePosixPath(file).parents]
        name = next((crates[folder] for folder in folders if folder in crates), None)
        if name:
            found.add(name)
    return sorted(found)


def workspace(root):
    metadata = subprocess.run(
        [CARGO, "metadata", "--no-deps", "--offline", "--locked", "--format-version", "1"],
        cwd=root, check=True, capture_output=True, text=True,
    ).stdout
    packages = json.loads(metadata)["packages"]
    return {str(pathlib.Path(p["manifest_path"]).parent.relative_to(root)): p["name"] for p in packages}, {
        p["name"] for p in packages if any("lib" in t["kind"] for t in p["targets"])
    }


def run(*command):
    print("+", " ".join(command), flush=True)
    if subprocess.run(command, cwd=ROOT).returncode:
        sys.exit(1)


def main(only_list):
    start = time.monotonic()
    files = changed_files(ROOT)
    folders, libraries = workspace(ROOT)
    crates = crates_of(files, folders)
    if only_list:
        print("\n".join(crates))
        return
    run("python3", "scripts/check_docs.py")
    run(CARGO, "fmt", "--all", "--check")
    if crates:
        chosen = [argument for name in crates for argument in ("-p", name)]
        run(CARGO, "clippy", "--release", "--locked", "--all-targets", *chosen, "--", "-D", "warnings")
        tested = [argument for name in crates if name in libraries for argument in ("-p", name)]
        if tested:
            run(CARGO, "test", "--release", "--locked", "--quiet", "--lib", *tested)
    print(f"check: {', '.join(crates) or 'no crate changed'}; {time.monotonic() - start:.0f} s")
    if {"Cargo.toml", "Cargo.lock", "rust-toolchain.toml"} & set(files):
        print("check: workspace files changed, which affects every crate: run `make test` before you submit")


if __name__ == "__main__":
    if not set(sys.argv[1:]) <= {"--list"}:
        sys.exit(__doc__)
    main("--list" in sys.argv)
