"""``simsync export``: the tables of a recorded run, as Parquet or CSV."""

from __future__ import annotations

from pathlib import Path

import click

from simsync.cli import options
from simsync.cli.output import show_json, show_table
from simsync.run.export import FORMATS, export_run


@click.command()
@click.argument("file", type=options.RECORDING)
@click.argument("folder", type=options.FOLDER)
@click.option("--format", type=click.Choice(tuple(FORMATS)), default="parquet", show_default=True, help="File format.")
@options.max_memory
@options.as_json
def export(file: Path, folder: Path, format: str, max_memory: int, as_json: bool) -> None:
    """Write the tables of a recorded run to FOLDER, one file for each (extra [report]).

    The columns of each table are in docs/reference/recording_file.md.
    """
    if str(folder) == "-":
        raise click.UsageError("the tables are several files: name a folder (./- for one that is named so)")
    counts = export_run(file, folder, format, max_memory)
    if as_json:
        show_json({"folder": str(folder), "rows": counts})
    else:
        show_table(("file", "rows"), [(str(folder / f"{name}.{format}"), count) for name, count in counts.items()])
