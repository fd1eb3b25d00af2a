"""Options and types of arguments that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from simsync.params import checks
from simsync.run.database import DEFAULT_MEMORY, SMALLEST_MEMORY
from simsync.run.path_like import as_path


class PathType(click.Path):
    """A path of the command line; ``./-`` names a file."""

    def __init__(self, **rules: Any) -> None:
        super().__init__(path_type=Path, **rules)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        super().convert(value, param, ctx)  # checks it
        return as_path(value)


ANY_PATH = PathType()
"""A file or a folder."""
EXISTING_FILE = PathType(exists=True, dir_okay=False)
"""A file to read."""
RECORDING = PathType(exists=True, dir_okay=False, allow_dash=True)
"""A recorded run to read; ``-`` is standard input."""
OUTPUT_FILE = PathType(dir_okay=False, allow_dash=True)
"""A file to write; ``-`` is standard output."""
FOLDER = PathType(file_okay=False)
"""A folder to write into; it need not exist."""
EXISTING_FOLDER = PathType(exists=True, file_okay=False)
"""A folder to read."""
LIMIT = click.IntRange(0, checks.U32)
"""How many rows."""

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
start_slot = click.option("--start-slot", type=click.IntRange(0), required=True, help="First slot.")
end_slot = click.option("--end-slot", type=click.IntRange(0), required=True, help="Last slot, included.")
wait = click.option(
    "--wait", type=click.FloatRange(0), default=0.0, metavar="SECONDS", help="Wait for another writer of the file."
)
accounts = click.option(
    "--accounts", metavar="A,B", default="", help="Addresses whose balances are shown, separated by commas."
)

max_memory = click.option(
    "--max-memory",
    type=click.IntRange(SMALLEST_MEMORY),
    metavar="MIB",
    default=DEFAULT_MEMORY,
    show_default=True,
    help="Memory that the analysis may take; the rest is written to the temporary folder.",
)


def listed(text: str) -> list[str]:
    """The values of an option that takes several, separated by commas."""
    return [one.strip() for one in text.split(",") if one.strip()]
