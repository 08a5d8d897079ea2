#!/usr/bin/env python3
"""Writes the columnar files of this folder beside their CSVs, with pandas, pyarrow and polars: each must give the same records."""

import pathlib

import pandas
import polars
import pyarrow
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet

HERE = pathlib.Path(__file__).resolve().parent
WARDS = ["north", "south", "east"]


def frame(rows):
    """Floats are multiples of 1/8, which single precision has exactly."""
    return pandas.DataFrame({
        "age": [20 + (i * 37 % 480) / 8 for i in range(rows)],
        "dose": pandas.Series([(i * 13 % 97) / 8 for i in range(rows)], dtype="float32"),
        "pulse": [50 + i * 7 % 61 for i in range(rows)],
        "smoker": [i % 3 == 0 for i in range(rows)],
        "ward": pandas.Categorical([WARDS[i * i % 3] for i in range(rows)]),
        "note": ["x" * (i % 20) + str(i % 5) for i in range(rows)],
        "label": [["ill", "well"][i * 5 % 7 % 2] for i in range(rows)],
    })


def write(name, data, gaps=False):
    data.to_csv(HERE / f"{name}.csv", index=False)
    table = pyarrow.Table.from_pandas(data, preserve_index=False)
    pyarrow.parquet.write_table(table, HERE / f"{name}-snappy.parquet")
    pyarrow.parquet.write_table(
        table, HERE / f"{name}-zstd.parquet", compression="zstd", data_page_version="2.0", use_dictionary=False,
        row_group_size=25,
    )
    pyarrow.parquet.write_table(
        table, HERE / f"{name}-gzip.parquet", compression="gzip", row_group_size=40, data_page_size=64,
    )
    pyarrow.parquet.write_table(table, HERE / f"{name}-lz4.parquet", compression="lz4")
    pyarrow.parquet.write_table(table, HERE / f"{name}-plain.parquet", compression="none")
    pyarrow.feather.write_feather(table, HERE / f"{name}-lz4.feather", compression="lz4", chunksize=25)
    pyarrow.feather.write_feather(table, HERE / f"{name}-zstd.feather", compression="zstd")
    with pyarrow.ipc.new_stream(HERE / f"{name}.arrows", table.schema) as stream:
        for batch in table.to_batches(max_chunksize=17):
            stream.write_batch(batch)
    polar = polars.from_pandas(data)
    polar.write_parquet(HERE / f"{name}-polars.parquet")
    polar.write_ipc(HERE / f"{name}-polars.arrow", compat_level=polars.CompatLevel.newest())


write("whole", frame(60))
gaps = frame(60)
gaps.loc[3, "age"] = None
gaps["pulse"] = gaps["pulse"].astype("Int64")
gaps.loc[5, "pulse"] = None
gaps.loc[7, "ward"] = None
gaps.loc[9, "label"] = None
write("gaps", gaps)
