"""The client's own computations, checked against the values pinned by the Rust crates."""

import subprocess

import numpy as np
import pytest
from eth_account import Account

from tribute.errors import BadQuery, BadRecord, BY_REASON
from tribute.receipts import Voucher, extend, first_transcript
from tribute.schema import Schema

from conftest import PROGRAM, ROOT

SCHEMA = Schema(
    '{"name":"s","features":[{"name":"a","lo":0.0,"hi":1.0},{"name":"b","lo":-2.0,"hi":8.0}],"target":{"classes":["x","y"]}}'
)


def test_a_receipt_is_the_pinned_one():
    # circuits/core/src/receipt.rs, receipts_are_the_pinned_ones
    receipt = extend(5, bytes(range(1, 30)), 9, 4)
    assert f"{receipt:064x}" == "29b87549c98976e2e1570728b7cf70c7f8df15240b71fa7923acb782374b4666"


def test_every_part_of_a_receipt_changes_it():
    query = bytes([3] * 64)
    base = extend(5, query, 9, 4)
    others = [extend(6, query, 9, 4), extend(5, query[:63] + b"\4", 9, 4), extend(5, query, 8, 4), extend(5, query, 9, 5)]
    assert len({base, *others}) == 5


def test_a_voucher_recovers_to_its_key_only_for_what_was_signed():
    from eth_account.messages import encode_typed_data

    key = Account.create()
    escrow = "0x" + "11" * 20
    voucher = Voucher.sign(key, 31337, escrow, b"\7" * 32, 2, 5, 99)
    assert len(voucher.signature) == 65 and voucher.signature[64] in (27, 28)
    types = {"Voucher": [("session", "bytes32"), ("version", "uint32"), ("count", "uint64"), ("transcript", "uint256")]}
    typed = {name: [{"name": n, "type": t} for n, t in fields] for name, fields in types.items()}

    def signer(count):
        domain = {"name": "Tribute", "version": "1", "chainId": 31337, "verifyingContract": escrow}
        data = {"session": b"\7" * 32, "version": 2, "count": count, "transcript": 99}
        return Account.recover_message(encode_typed_data(domain, typed, data), signature=voucher.signature)

    assert signer(5) == key.address and signer(6) != key.address


def test_first_transcripts_differ_by_every_part():
    parts = [1, b"\1" * 20, b"\2" * 32, 1, b"\3" * 32]
    other = [2, b"\2" * 20, b"\3" * 32, 2, b"\4" * 32]
    seen = {first_transcript(*parts)}
    seen |= {first_transcript(*parts[:i], other[i], *parts[i + 1 :]) for i in range(5)}
    assert len(seen) == 6


def test_quantising_rounds_half_to_even_and_clamps():
    steps = SCHEMA.quantise([[0.5 / 255, -2.0], [1.5 / 255, 8.0], [-1.0, 100.0]])
    assert steps.dtype == np.uint8
    assert steps.tolist() == [[0, 0], [2, 255], [0, 255]]


def test_named_columns_are_put_in_the_schemas_order():
    class Table:
        def __init__(self, columns, rows):
            self.columns, self._rows = columns, rows

        def __array__(self, dtype=None, copy=None):
            return np.array(self._rows, dtype=dtype)

    rows = [[0.25, 3.0], [0.75, 0.0]]
    plain = SCHEMA.quantise(rows)
    swapped = [row[::-1] for row in rows]
    assert np.array_equal(SCHEMA.quantise(Table(["a", "b"], rows)), plain)
    assert np.array_equal(SCHEMA.quantise(Table(["b", "a"], swapped)), plain)
    assert np.array_equal(SCHEMA.quantise(Table([0, 1], rows)), plain), "columns without names"
    for columns, message in (
        (["b", "c"], r"column 1 is named 'b', where the schema has 'a'; 'a' is missing"),
        (["a", "b", "c"], r"column 'c' is not in the schema, or there twice: drop it"),
        (["a", "b", "a"], r"column 'a' is not in the schema, or there twice: drop it"),
        (["a"], r"there is no column 2, where the schema has 'b'"),
    ):
        with pytest.raises(BadQuery, match=message):
            SCHEMA.quantise(Table(columns, [row[: len(columns)] + row[:1] * (len(columns) - 2) for row in rows]))


def test_whole_numbers_are_one_label():
    numbers = Schema.of("s", ["a"], [0.0], [1.0], ["1", "2"])
    assert numbers.quantise_target([1.0, np.float32(2.0), 2]).tolist() == [0, 1, 1]
    assert numbers.quantise_target(["1", "2"]).tolist() == [0, 1]
    assert Schema.of("s", ["a"], [0.0], [1.0], ["1.0", "2.0"]).quantise_target([1.0, 2.0]).tolist() == [0, 1]
    with pytest.raises(BadRecord, match="no class 'nan'"):
        numbers.quantise_target([1.0, np.nan])


@pytest.mark.parametrize("values, named", [([1.0], "2 features"), ([np.nan, 0.0], "`a`"), ([0.0, np.inf], "`b`")])
def test_a_query_that_does_not_fit_is_refused_and_named(values, named):
    with pytest.raises(BadQuery, match=named):
        SCHEMA.quantise(values)


def test_a_schema_made_here_has_the_id_of_the_program(tmp_path):
    ends = [m * 10.0**e for e in (-300, -9, -6, -5, -4, -1, 0, 5, 15, 16, 17, 22, 300) for m in (1, 1.5, 1.234567)]
    ends = sorted({*ends, *(-x for x in ends)})
    made = Schema.of("é \n", [f"x{i}" for i in range(len(ends) - 1)], ends[:-1], ends[1:], ['a"', "\x7f"])
    (tmp_path / "schema.json").write_text(made.canonical)
    shown = subprocess.run([PROGRAM, "schema", "show", tmp_path / "schema.json"], capture_output=True, text=True)
    assert made.id.hex() in shown.stdout, shown.stderr
    assert (made.target_range, made.extractor) == (None, None)
    real = Schema.of("r", ["a"], [0.0], [1.0], (0.0, 2.0), bytes(32))
    assert (real.classes, real.target_range, real.extractor) == (None, (0.0, 2.0), bytes(32))
    assert real.quantise_target([0.0, 1.0, 2.0]).tolist() == [0, 32768, 65535]
    with pytest.raises(BadRecord, match="record 1"):
        real.quantise_target([0.0, 2.5])


def test_every_reason_has_its_class():
    table = (ROOT / "proto/tribute/v1/errors.md").read_text()
    reasons = {line.split("`")[1] for line in table.splitlines() if line.startswith("| `")}
    assert reasons == set(BY_REASON) - {"UNREACHABLE"}
