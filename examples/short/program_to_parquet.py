"""All transactions of one program, as a Parquet file."""

from __future__ import annotations

import sys

from pyarrow import parquet

import simsync

PROGRAM = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
PATH = sys.argv[1] if len(sys.argv) > 1 else "token_program.parquet"

with simsync.Client().parallel(simsync.CreateSession(1_000, 1_079)) as session:
    session.subscribe_transactions([PROGRAM])
    run = session.collect(advance=20)

table = run.to_arrow(simsync.Transaction)
parquet.write_table(table, PATH, compression="zstd")
print(f"{PATH}: {table.num_rows} transactions, {len(run.failures)} failed, {table.num_columns} columns")
print("complete" if run.complete else f"INCOMPLETE: {run.summary.reasons}")
