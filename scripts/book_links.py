#!/usr/bin/env python3
"""mdbook preprocessor: replaces links to files outside docs/, which the book does not contain, by the file's path."""

import json
import posixpath
import re
import sys

LINK = re.compile(r"\[([^\]]*)\]\((\.\./[^)\s]*)\)")


def without_links_out(text, page):
    def plain(found):
        path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), found[2]))
        if path.startswith("docs/"):
            return found[0]
        name = path.partition("#")[0]
        return found[1] if name in found[1] else f"{found[1]} (`{name}` in the repository)"

    return LINK.sub(plain, text)


def walk(items):
    for item in items:
        chapter = item.get("Chapter") if isinstance(item, dict) else None
        if chapter:
            chapter["content"] = without_links_out(chapter["content"], chapter["path"] or "")
            walk(chapter["sub_items"])


if __name__ == "__main__":
    if sys.argv[1:2] == ["supports"]:
        sys.exit(0)
    _, book = json.load(sys.stdin)
    walk(book["items"])
    json.dump(book, sys.stdout)
