"""Values and labels as a schema takes them."""

import datetime

import numpy as np
import pytest

from tribute.errors import BadQuery, BadRecord, BadSchema
from tribute.schema import Schema

TRUTHS = Schema.of("s", ["a"], [0.0], [1.0], ["FALSE", "TRUE"])
WHOLE = Schema.of("s", ["a", "b"], [0.0, 0.0], [1.0, 1.0], ["1", "2.0", "x"])
BITS = Schema.of("s", ["a"], [0.0], [1.0], ["0", "1"])
REAL = Schema.of("s", ["a"], [0.0], [1.0], (0.0, 100.0))


@pytest.mark.parametrize("labels", [[True, False], np.array([True, False]), ["True", "false"], ["TRUE", "FALSE"]])
def test_truth_values_are_the_classes_of_the_same_meaning(labels):
    assert TRUTHS.quantise_target(labels).tolist() == [1, 0]


@pytest.mark.parametrize("labels", [["1.0", "2"], [1, 2], [1.0, 2.0], np.array([1, 2], dtype=np.uint8), ["1", "2.0"], ["1.0", " 2"]])
def test_whole_numbers_are_one_class_in_each_spelling(labels):
    assert WHOLE.quantise_target(labels).tolist() == [0, 1]


@pytest.mark.parametrize("label", ["01", "01.0", "1.00", "2.00", "+1", "1.", "1.10", "1e0", 1.5, "X", True, "3"])
def test_other_spellings_are_no_class(label):
    with pytest.raises(BadRecord, match="record 0: the schema has no class"):
        WHOLE.quantise_target([label])


def test_texts_with_leading_zeros_are_codes():
    codes = Schema.of("s", ["a"], [0.0], [1.0], ["007", "7.00", "x"])
    assert codes.quantise_target(["007", "7.00"]).tolist() == [0, 1]
    for label in ("007.0", "7", "7.0"):
        with pytest.raises(BadRecord, match="no class"):
            codes.quantise_target([label])
    # a number has one value, however the schema writes it
    assert codes.quantise_target([7]).tolist() == codes.quantise_target([7.0]).tolist() == [1]


@pytest.mark.parametrize("zero", ["0", "0.0", "-0", "-0.0", 0, -0.0])
def test_zero_has_two_signs(zero):
    for written in ("0", "-0", "0.0", "-0.0"):
        assert Schema.of("s", ["a"], [0.0], [1.0], ["x", written]).quantise_target([zero]).tolist() == [1]


def test_blanks_around_a_label_do_not_count_unless_the_schema_has_them():
    for classes, labels in (([" <=50K", " >50K"], [" >50K", " <=50K"]), (["a", "a "], ["a ", "a"]), (["a", "b"], ["b ", " a"])):
        assert Schema.of("s", ["a"], [0.0], [1.0], classes).quantise_target(labels).tolist() == [1, 0], classes
    with pytest.raises(BadRecord, match="no class 'a'; it has  a"):
        Schema.of("s", ["a"], [0.0], [1.0], [" a", "b"]).quantise_target(["a"])


def test_a_label_that_could_be_two_classes_is_none():
    twice = Schema.of("s", ["a"], [0.0], [1.0], ["1.0", "1.00"])
    assert twice.quantise_target(["1.0"]).tolist() == [0]
    with pytest.raises(BadRecord, match="no class '1'"):
        twice.quantise_target([1])


@pytest.mark.parametrize(
    "labels, label, advice",
    [
        (np.array([True, False]), "True", r"truth values: .*y\.astype\(int\)"),
        ([False, True], "False", r"truth values: .*y\.astype\(int\)"),
        (np.array([b"0", b"1"]), "b'0'", r"bytes: .*label\.decode\(\) for label in y"),
    ],
)
def test_labels_of_another_type_are_refused_with_advice(labels, label, advice):
    with pytest.raises(BadRecord, match=f"no class .{label}.*it has 0, 1. The labels are {advice}"):
        BITS.quantise_target(labels)
    assert BITS.quantise_target(np.asarray(labels).astype(int)).tolist() in ([1, 0], [0, 1])
    with pytest.raises(BadRecord, match="it has FALSE, TRUE \\["):
        TRUTHS.quantise_target(["yes"])


DAYS = np.array(["2021-03-04", "2021-03-05"], dtype="datetime64[ns]")


@pytest.mark.parametrize(
    "values, said",
    [
        (np.stack([DAYS, DAYS], axis=1), "dates among the features"),
        (np.stack([DAYS - DAYS[0]] * 2, axis=1), "durations among"),
        (np.array([[1j, 0.0]]), "complex"),
        ([[0.5, datetime.date(2021, 3, 4)]], "not all numbers"),
        ([[0.5, DAYS[0]]], "dates"),
        ([[0.5, "a day"]], "not all numbers"),
        ([[0.5], [0.5, 1.0]], "not all numbers"),
    ],
)
def test_what_are_no_numbers_is_refused(values, said):
    with pytest.raises(BadQuery, match=said):
        WHOLE.in_order(values)


@pytest.mark.parametrize(
    "targets, said",
    [
        (DAYS, "dates among the targets"),
        (DAYS - DAYS[0], "durations among the targets"),
        (np.array([1 + 5j]), "complex numbers among the targets"),
        (["5", "x"], "targets are not all numbers.*'x'"),
        ([5.0, None], "record 1: the target nan is outside"),
        ([5.0, 100.5], "record 1: the target 100.5 is outside"),
    ],
)
def test_real_targets_are_numbers_like_features(targets, said):
    with pytest.raises(BadRecord, match=said):
        REAL.quantise_target(targets)
    assert REAL.quantise_target(["0", "100"]).tolist() == [0, 65535]


@pytest.mark.parametrize("ends", [(0.0, 1e305), (-1e308, 1e308), (1.0, 1.0), (2.0, 1.0), (0.0, np.inf), (-np.inf, 0.0), (np.nan, 1.0)])
def test_a_range_that_cannot_be_divided_into_steps_is_refused(ends):
    lo, hi = ends
    with pytest.raises(BadSchema, match="feature `b` has range"):
        Schema.of("s", ["a", "b"], [0.0, lo], [1.0, hi], ["x", "y"])
    with pytest.raises(BadSchema, match="the target has range"):
        Schema.of("s", ["a"], [0.0], [1.0], ends)
    widest = Schema.of("s", ["a"], [0.0], [2.7e303], (0.0, 2.7e303))
    assert widest.quantise([[2.7e303]]).tolist() == [[255]] and widest.quantise_target([2.7e303]).tolist() == [65535]


def test_masked_values_are_refused():
    row = np.ma.masked_array([0.5, 1.0], mask=[True, False])
    for values in (row, row.reshape(1, 2), [row, row]):
        with pytest.raises(BadQuery, match="some of the features are masked"):
            WHOLE.quantise(values)
    for schema, targets in ((WHOLE, np.ma.masked_array(["1", "x"], mask=[True, False])), (REAL, row)):
        with pytest.raises(BadRecord, match="some of the targets are masked"):
            schema.quantise_target(targets)
    assert WHOLE.quantise(np.ma.masked_array([0.0, 1.0], mask=False)).tolist() == [0, 255]


@pytest.mark.parametrize("text", ["1_0", "\u0661", "1_0e1", b"1_0", "\uff11"])
def test_texts_that_only_python_takes_for_numbers_are_refused(text):
    for values in (np.array([[text, text]]), np.array([[text, 1.0]], dtype=object), [[1.0, text]]):
        with pytest.raises(BadQuery, match="features are not all numbers: .*is none: write it with the digits 0 to 9"):
            WHOLE.in_order(values)
    with pytest.raises(BadRecord, match="targets are not all numbers"):
        REAL.quantise_target([text])
    plain = [["10", " -1.5e0\u00a0"], [b"+10.", b"-1.5"]]
    for values in (*plain, *map(np.array, plain), np.array(plain[0], dtype=object)):
        assert WHOLE.in_order(values).tolist() == [10.0, -1.5]


def test_numbers_of_any_type_are_taken():
    for values in ([[0, 1]], np.array([[0, 1]], dtype=np.uint8), [[False, True]]):
        assert WHOLE.in_order(values).tolist() == [[0.0, 1.0]]
