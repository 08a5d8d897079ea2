"""Every flag that the service advises has its argument here."""

import re

import pytest

from tribute._advice import in_python

from conftest import ROOT


@pytest.mark.parametrize(
    "said, here",
    [
        ("or accept it with --allow-clamped", "or accept it with accept=['clamped']"),
        ("pass --separator comma or --separator semicolon", "pass separator='comma' or separator='semicolon'"),
        ('leave it out with --drop "my id"', "leave it out with drop=['my id']"),
        ('leave it out with --drop="-1"', "leave it out with drop=['-1']"),
        ("if it is an index, leave it out with --drop 1; if", "if it is an index, leave it out with drop=['1']; if"),
        ("take them as they are with --allow-days", "take them as they are with accept=['days']"),
        ("name it with --label", "name it with label=…"),
        ("pass --label species:", "pass label='species':"),
        ("pass --header or --no-header", "pass header=True or header=False"),
        ("predict a number with --real, or", "predict a number with real=True, or"),
        ("forge them; --allow-dev-srs accepts them", "forge them; allow_dev_srs=True accepts them"),
        ("in the same ranges, with `--quantised-features`", "in the same ranges, with `quantised_features=True`"),
        ("`tribute serve --data x`", "`tribute serve --data x`"),
    ],
)
def test_flags_become_arguments(said, here):
    assert in_python(said) == here


def test_no_flag_of_the_reader_is_left():
    sources = "\n".join(p.read_text().split("#[cfg(test)]")[0] for p in (ROOT / "records/src").glob("*.rs"))
    texts = [line for line in sources.splitlines() if not line.lstrip().startswith("//")]
    flags = {f for line in texts for f in re.findall(r"--[a-z][a-z-]*[a-z]", line)}
    assert len(flags) > 10
    assert not [f for f in flags if "--" in in_python(f"with {f} x")]
