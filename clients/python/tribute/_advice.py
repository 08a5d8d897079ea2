"""Advice of the service, which names flags of the command line, in terms of this package's arguments."""

from __future__ import annotations

import re

ACCEPTED = {
    "drop-unlabelled": "unlabelled",
    "drop-incomplete": "incomplete",
    "allow-clamped": "clamped",
    "allow-coarse": "coarse",
    "by-position": "position",
    "allow-similar-labels": "similar",
    "allow-many-classes": "many_classes",
    "allow-index": "index",
    "allow-days": "days",
}
"""Flags that accept a doubt, with its kind."""
SWITCHES = {
    "header": "header=True",
    "no-header": "header=False",
    "real": "real=True",
    "gaps-are-labels": "gaps_are_labels=True",
    "allow-dev-srs": "allow_dev_srs=True",
    "quantised-features": "quantised_features=True",
}
VALUES = {"separator", "decimal", "label", "range"}
LISTS = {"drop", "one-hot"}

_FLAG = re.compile(r'--([a-z][a-z-]*[a-z])\b(?:[ =](?:"([^"\n]*)"|([\w.]*\w)))?')


def in_python(text: str) -> str:
    """The text with every flag that has an argument of the same meaning replaced by it."""
    return _FLAG.sub(_argument, text)


def _argument(found: re.Match[str]) -> str:
    flag, value = found[1], found[2] if found[2] is not None else found[3]
    name = flag.replace("-", "_")
    if flag in VALUES:
        return f"{name}={value!r}" if value is not None else f"{name}=…"
    if flag in LISTS:
        return f"{name}=[{value!r}]" if value is not None else f"{name}=[…]"
    after = found[0][2 + len(flag) :]
    if flag in ACCEPTED:
        return f"accept=[{ACCEPTED[flag]!r}]{after}"
    return SWITCHES.get(flag, f"--{flag}") + after
