"""Values and labels as a schema takes them."""

import datetime

import numpy as np
import pytest

from tribute.errors import BadQuery, BadRecord
from tribute.schema import Schema

TRUTHS = Schema.of("s", ["a"], [0.0], [1.0], ["FALSE", "TRUE"])
WHOLE = Schema.of("s", ["a", "b"], [0.0, 0.0], [1.0, 1.0], ["1", "2.0", "x"])


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


def test_a_label_that_could_be_two_classes_is_none():
    twice = Schema.of("s", ["a"], [0.0], [1.0], ["1.0", "1.00"])
    assert twice.quantise_target(["1.0"]).tolist() == [0]
    with pytest.raises(BadRecord, match="no class '1'"):
        twice.quantise_target([1])


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


def test_numbers_of_any_type_are_taken():
    for values in ([[0, 1]], np.array([[0, 1]], dtype=np.uint8), [[False, True]]):
        assert WHOLE.in_order(values).tolist() == [[0.0, 1.0]]
