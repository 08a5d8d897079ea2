#!/usr/bin/env python3
"""Checks every Markdown file of the repository.

  check_docs.py [FOLDER]

Reports, one per line, with file and line number:
  - a relative link to a missing file, or to a heading that the file does not have;
  - a path in backticks that looks like one of this repository but does not exist, neither from the root nor from the
    page's own folder;
  - a `make` target in backticks that the Makefile does not have;
  - a page under docs/ that docs/SUMMARY.md does not list.

FOLDER is the repository's root; by default the one that contains this script. Needs only git.
"""

import pathlib
import re
import subprocess
import sys

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*\s*$")
PATH = re.compile(r"^\.?[\w.{},-]+(/[\w.{},-]+)*/?$")
TARGET = re.compile(r"^([a-zA-Z][\w-]*):", re.MULTILINE)
MAKE = re.compile(r"^make ((?:[a-z][a-z-]*)(?: [a-z][a-z-]*)*)$")
# A name with such an ending, and no folder of ours before it, must be the end of some path.
SOURCES = (".rs", ".sol", ".proto", ".sql")


def files_of(root):
    """Paths of all files, committed or about to be, relative to the root."""
    listed = subprocess.run(
        ["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True, capture_output=True, text=True,
    ).stdout
    return sorted(name for name in listed.split("\0") if name and (root / name).exists())


def slug(heading):
    """The anchor of a heading, by the rule that repository hosts and mdbook share."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def prose(text):
    """Yields (line number, line) outside fenced code."""
    fence = None
    for number, line in enumerate(text.splitlines(), 1):
        mark = re.match(r"\s*(```+|~~~+)", line)
        if mark and fence is None:
            fence = mark[1]
        elif mark and mark[1].startswith(fence):
            fence = None
        elif fence is None:
            yield number, line


def anchors(text):
    seen = {}
    for _, line in prose(text):
        found = HEADING.match(line)
        if found:
            name = slug(found[1])
            seen[name] = seen.get(name, -1) + 1
            yield f"{name}-{seen[name]}" if seen[name] else name


def alternatives(path):
    """`a/{b,c}.rs` as `a/b.rs` and `a/c.rs`."""
    group = re.search(r"\{([^{}]*)\}", path)
    if not group:
        return [path]
    return [p for choice in group[1].split(",") for p in alternatives(path[: group.start()] + choice + path[group.end() :])]


class Checker:
    def __init__(self, root):
        self.root = root
        self.files = files_of(root)
        self.folders = {str(parent) for name in self.files for parent in pathlib.PurePath(name).parents}
        self.top = {name.split("/")[0] for name in self.files if "/" in name}
        self.known = set(self.files) | self.folders
        makefile = root / "Makefile"
        self.targets = set(TARGET.findall(makefile.read_text())) if makefile.exists() else set()
        self.texts = {name: (root / name).read_text() for name in self.files if name.endswith(".md")}
        self.anchors = {name: set(anchors(text)) for name, text in self.texts.items()}

    def problems(self):
        for name, text in self.texts.items():
            for number, line in prose(text):
                where = f"{name}:{number}"
                bare = CODE.sub(lambda m: "`" + "x" * len(m[1]) + "`", line)
                for found in LINK.finditer(bare):
                    target = line[found.start(1 if found[1] else 2) : found.end(1 if found[1] else 2)]
                    yield from (f"{where}: {p}" for p in self.link(name, target))
                for code in CODE.findall(line):
                    yield from (f"{where}: {p}" for p in self.code(name, code))
        yield from self.summary()

    def link(self, name, target):
        if re.match(r"[a-z]+:", target):
            return
        path, _, anchor = target.partition("#")
        parts = list(pathlib.PurePosixPath(name).parent.parts) if path else [*pathlib.PurePosixPath(name).parts]
        for part in pathlib.PurePosixPath(path).parts:
            if part == "..":
                if not parts:
                    yield f"the link {target} leaves the repository"
                    return
                parts.pop()
            else:
                parts.append(part)
        file = "/".join(parts)
        if file not in self.known:
            yield f"the link {target} leads nowhere"
        elif anchor and anchor not in self.anchors.get(file, ()):
            yield f"the link {target}: {file} has no such heading"

    def code(self, name, code):
        make = MAKE.match(code)
        if make:
            for target in make[1].split():
                if target not in self.targets:
                    yield f"`{code}`: the Makefile has no target {target}"
            return
        if not PATH.match(code):
            return
        here = str(pathlib.PurePosixPath(name).parent)
        for path in alternatives(code.rstrip("/")):
            first = path.split("/")[0]
            if path in self.known or f"{here}/{path}" in self.known:
                continue
            if "/" in path and first in self.top:
                yield f"`{path}` is not in the repository"
            elif path.endswith(SOURCES) and not path.startswith("."):
                if not any(f.endswith("/" + path) for f in self.files):
                    yield f"`{path}`: no file's path ends so"

    def summary(self):
        listing = "docs/SUMMARY.md"
        if listing not in self.texts:
            return
        listed = {"docs/" + t.partition("#")[0] for t, _ in LINK.findall(self.texts[listing])}
        for name in self.texts:
            if name.startswith("docs/") and name != listing and name not in listed:
                yield f"{name}: no chapter of the book; list it in {listing}"


def main(arguments):
    root = pathlib.Path(arguments[0] if arguments else pathlib.Path(__file__).parent.parent).resolve()
    checker = Checker(root)
    found = sorted(checker.problems())
    if found:
        sys.exit("\n".join(["docs: broken references", *found]))
    print(f"docs: {len(checker.texts)} pages, every link and path leads somewhere")


if __name__ == "__main__":
    if len(sys.argv) > 2 or any(a.startswith("-") for a in sys.argv[1:]):
        sys.exit(__doc__)
    main(sys.argv[1:])
