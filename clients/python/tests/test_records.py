"""Records before they are committed: how files are sent, what reports tell, and what is refused."""

import gzip

import numpy as np
import pytest

import tribute
from tribute._encoding import packed
from tribute.reading import accepted, names, options
from tribute.report import of_arrays
from tribute.schema import Schema

from conftest import PROVIDER, ROOT

TABLES = ROOT / "records/tests/cases/columnar"
SCHEMA = Schema.of("s", ["a", "b"], [0.0, 0.0], [1.0, 1000.0], ["x", "y"])
SPREAD = np.linspace(0.0, 1.0, 50)


@pytest.mark.parametrize("file", ["whole-snappy.parquet", "whole-zstd.feather", "whole-polars.arrow", "whole.arrows"])
def test_a_columnar_file_is_sent_as_it_is(file):
    content = (TABLES / file).read_bytes()
    assert packed(content) is content


def test_text_is_compressed_once():
    text = b"a,label\n1,x\n"
    assert gzip.decompress(packed(text)) == text and packed(packed(text)) == packed(text)


def test_a_columnar_file_is_read_like_the_csv_with_the_same_values(world):
    how = {"drop": ["note"]}
    with world.client(PROVIDER) as provider:
        schema = provider.infer_schema(TABLES / "whole.csv", name="case", one_hot=["ward"], **how)
        expected = provider.check(TABLES / "whole.csv", schema, **how).fields
        assert expected["records"] == 60
        for file in ("whole-snappy.parquet", "whole-zstd.feather", "whole.arrows"):
            assert provider.infer_schema(TABLES / file, name="case", one_hot=["ward"], **how) == schema, file
            found = provider.check(TABLES / file, schema, **how)
            assert found.fields["separator"] in ("parquet", "arrow") and not found.doubts, file
            for part in ("records", "classes", "duplicates"):
                assert found.fields[part] == expected[part], (file, part)
        dataset = provider.register(TABLES / "whole-zstd.parquet", schema, **how)
        assert dataset.records == 60


def test_the_report_is_printed_before_anything_is_committed(world, market, digits, capsys):
    values, labels = digits
    rows = (values[1200:1260], labels[1200:1260])
    with world.client(PROVIDER) as provider:
        provider.progress = True
        before = [dataset.id for dataset in provider.datasets()]
        told = provider.check(rows, market.schema)
        with pytest.raises(tribute.errors.BadRecord) as refused:
            provider.register(rows, market.schema)
        assert told.doubts == ["clamped"] and told.text.strip() in refused.value.message
        assert [dataset.id for dataset in provider.datasets()] == before
        capsys.readouterr()
        provider.register(rows, market.schema, accept=["clamped"])
        assert "arrays: 60 records" in capsys.readouterr().out


def test_one_name_or_number_stands_for_a_list_of_one():
    given = options({"label": 4, "drop": "12", "accept": "clamped", "header": True})
    assert (given.label, given.drop, given.accept, given.header) == ("4", ["12"], ["clamped"], True)
    assert options({"drop": [3, "note"]}).drop == ["3", "note"] and options({"drop": 3}).drop == ["3"]
    assert names("smoke") == ["smoke"] and names(np.array(["a", "b"])) == ["a", "b"] and names(()) == []
    assert accepted({"accept": "coarse"}) == ["coarse"] and accepted({}) == []


@pytest.mark.parametrize("option", [{"drop": ["a"]}, {"label": "b"}, {"header": True}, {"foo": 1}])
def test_arrays_take_no_option_of_files(option):
    client = tribute.Client.__new__(tribute.Client)
    for call in (client.check, client.register):
        with pytest.raises(TypeError, match=f"{next(iter(option))} says how to read a file"):
            call((np.zeros((1, 2)), ["x"]), SCHEMA, accept=["coarse"], **option)


def test_arrays_are_reported_like_tables():
    found = of_arrays(SCHEMA, np.column_stack([SPREAD, SPREAD * 1000.0]), ["x", "y"] * 25)
    assert found.records == 50 and not found.doubts and not found.clamped
    assert [c["steps"] for c in found.fields["features"]] == [50, 50]
    assert [c["records"] for c in found.fields["classes"]] == [25, 25]
    assert "`b`: 0.0 to 1000.0, 50 values on 50 of 256 steps" in str(found)
    twice = of_arrays(SCHEMA, [[0.0, 1.0], [-0.0, 1.0], [0.0, 1.0]], ["x", "x", "y"])
    assert twice.fields["duplicates"] == 1


def test_arrays_in_another_unit_are_refused():
    # kilometres, where the schema has metres: all records fall on steps 0 and 1
    small = np.column_stack([SPREAD, SPREAD * 4.0])
    found = of_arrays(SCHEMA, small, ["x", "y"] * 25)
    assert found.doubts == ["coarse"] and found.fields["features"][1]["steps"] == 2
    with pytest.raises(tribute.errors.BadRecord, match=r"feature 1 \(`b`\) loses most of its values.*accept=\['coarse'\]"):
        found.settled()
    of_arrays(SCHEMA, small, ["x", "y"] * 25, ["coarse"]).settled()
    # the other way round they lie outside
    large = np.column_stack([SPREAD * 50.0, SPREAD])
    found = of_arrays(SCHEMA, large, ["x", "y"] * 25)
    assert found.doubts == ["clamped", "coarse"] and found.clamped == {"a": 49}
    with pytest.raises(tribute.errors.BadRecord, match=r"record 1, feature 0 .*like 49 of 50 values \(98 %\).*accept=\['clamped'\]"):
        found.settled()


@pytest.mark.parametrize(
    "records, outside, value, doubtful",
    [
        # as in records/src/assess.rs
        (50, 3, 1.5, False),
        (50, 4, 1.5, True),
        (20, 2, -0.5, False),
        (20, 3, -0.5, True),
        (9, 1, 1.5, True),
        (500, 5, 1.5, False),
        (500, 6, 1.5, True),
        (500, 1, 2.0, False),
        (500, 1, 2.01, True),
        (500, 1, -1.01, True),
    ],
)
def test_a_few_values_outside_a_range_are_noted_and_more_are_doubtful(records, outside, value, doubtful):
    first = np.linspace(0.0, 1.0, records)
    first[:outside] = value
    found = of_arrays(SCHEMA, np.column_stack([first, np.linspace(0.0, 1000.0, records)]), ["x"] * records)
    assert found.doubts == (["clamped"] if doubtful else []) and found.clamped == {"a": outside}
    are = "value is" if outside == 1 else "values are"
    assert f"{outside} {are} clamped to the ends of the ranges: `a`" in found.fields["notes"]


def test_the_few_values_of_each_feature_do_not_add_up():
    both = SPREAD.copy()
    both[:3] = 1.5
    assert not of_arrays(SCHEMA, np.column_stack([both, both[::-1] * 1000.0]), ["x"] * 50).doubts


@pytest.mark.parametrize(
    "values, coarse, crowded",
    [
        # as in records/src/steps.rs
        (np.arange(100) / 100.0, False, False),
        (np.append(np.arange(100) / 100.0, 1e9), True, True),
        (np.append(np.arange(100) / 100.0, [-999.0] * 5), True, True),
        (np.repeat([0.0, 1.0, 1e9], [60, 40, 1]), True, False),
        (np.append(np.arange(100) / 100.0, 20.0), False, True),
        (np.repeat([0.0, 3.0, 7.0], [1000, 1, 1]), False, False),
        (np.append(np.zeros(2000), np.arange(100) / 100.0), False, False),
        (np.full(10, 5.0), False, False),
    ],
)
def test_coarse_and_crowded_features_are_those_of_the_reader(values, coarse, crowded):
    lo, hi = float(values.min()), float(max(values.max(), values.min() + 1.0))
    schema = Schema.of("s", ["a"], [lo], [hi], ["x"])
    feature = of_arrays(schema, values[:, None], ["x"] * len(values)).fields["features"][0]
    assert (feature["coarse"], feature["crowded"]) == (coarse, crowded)


def test_a_query_is_inside_the_ranges_or_refused():
    SCHEMA._inside(np.array([1.0, 0.0]))
    with pytest.raises(tribute.errors.BadQuery, match=r"feature 0 \(`a`\) is 1.01, outside .*like 2 features in all.*clamped=True"):
        SCHEMA._inside(np.array([1.01, -1.0]))
