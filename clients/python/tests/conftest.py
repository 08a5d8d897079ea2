"""What all tests share: a real service with a real chain, and what two providers registered there."""

from __future__ import annotations

import csv
import gzip
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "scripts"))
from local_world import DEPLOYER, PROGRAM, account, local_world  # noqa: E402

import numpy as np  # noqa: E402

import tribute  # noqa: E402

__all__ = ["PROGRAM", "account"]
OWNER, CLIENT, PROVIDER, SECOND = 1, 2, 3, 4
"""Indices of the accounts that play these parts."""


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory):
    with local_world(tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture(scope="session")
def digits():
    """Features of shape (1797, 64) and labels."""
    with gzip.open(ROOT / "examples/digits.csv.gz", "rt") as file:
        rows = [row for row in csv.reader(file) if row[0].replace(".", "").isdigit()]
    return np.array([[float(x) for x in row[:-1]] for row in rows]), np.array([row[-1] for row in rows])


@pytest.fixture(scope="session")
def tables(digits, tmp_path_factory):
    """The first 1,000 records, split between two providers, as CSV files."""
    values, labels = digits
    folder = tmp_path_factory.mktemp("tables")
    header = [f"x{i}" for i in range(values.shape[1])] + ["label"]
    paths = []
    for name, rows in (("first", range(600)), ("second", range(600, 1000)), ("all", range(1000))):
        with open(folder / f"{name}.csv", "w", newline="") as file:
            out = csv.writer(file)
            out.writerow(header)
            out.writerows([*values[i], labels[i]] for i in rows)
        paths.append(folder / f"{name}.csv")
    return paths


@dataclass
class Market:
    """What two providers registered on the chain, and its schema, also in `schema.json` of the working folder."""

    schema: tribute.Schema
    datasets: list[tribute.Dataset]


@pytest.fixture(scope="session")
def market(world, tables, digits):
    values, labels = digits
    with world.client(OWNER) as owner, world.client(PROVIDER) as first, world.client(SECOND) as second:
        schema = owner.infer_schema(tables[2], name="digits", range="standard")
        (world.folder / "schema.json").write_text(schema.canonical)
        shape = ["--schema", "schema.json", "--link", "softmax", "--intercept-scale", "3"]
        world.command("circuits", "add", *shape, "--out", "circuits.json", key=DEPLOYER)
        terms = {"open_training": True, "min_data": 0.3, "intercept_scale": 3, "accept": ["clamped"]}
        datasets = [
            first.register(tables[0], schema, **terms),
            second.register((values[600:1000], labels[600:1000]), schema, **terms),
        ]
    for dataset, key in zip(datasets, (PROVIDER, SECOND)):
        world.register(dataset, key)
    return Market(schema, datasets)
