"""Compute units and failures by program, as a table of Polars."""

from __future__ import annotations

import polars as pl

import simsync

with simsync.Client().parallel(simsync.CreateSession(1_000, 1_079)) as session:
    session.subscribe_transactions()
    run = session.collect(advance=20)

calls = [
    {"program": program, "units": one.compute_units, "failed": one.error is not None}
    for one in run.transactions
    for program in {instruction.program for instruction in one.instructions}
]
units = pl.col("units")
columns = [pl.len().alias("calls"), pl.sum("failed"), units.median().alias("median"), units.quantile(0.99).alias("p99")]
with pl.Config(fmt_str_lengths=44, tbl_width_chars=100, tbl_hide_column_data_types=True):
    print(pl.DataFrame(calls).group_by("program").agg(columns).sort("calls", descending=True))
