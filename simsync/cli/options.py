"""Options and types of arguments that several commands have."""

from __future__ import annotations

from pathlib import Path

import click

from simsync.run.database import DEFAULT_MEMORY, SMALLEST_MEMORY

EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
"""A file to read."""
RECORDING = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
"""A recorded run to read; ``-`` is standard input."""
OUTPUT_FILE = click.Path(dir_okay=False, allow_dash=True, path_type=Path)
"""A file to write; ``-`` is standard output."""
FOLDER = click.Path(file_okay=False, path_type=Path)
"""A folder to write into; it need not exist."""

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
