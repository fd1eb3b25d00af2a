"""Options and types of arguments that several commands have."""

from __future__ import annotations

from pathlib import Path

import click

EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
"""A file to read."""
OUTPUT_FILE = click.Path(dir_okay=False, path_type=Path)
"""A file to write."""
FOLDER = click.Path(file_okay=False, path_type=Path)
"""A folder to write into; it need not exist."""

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
start_slot = click.option("--start-slot", type=click.IntRange(0), required=True, help="First slot.")
end_slot = click.option("--end-slot", type=click.IntRange(0), required=True, help="Last slot, included.")
accounts = click.option(
    "--accounts", metavar="A,B", default="", help="Addresses whose balances are shown, separated by commas."
)


def listed(text: str) -> list[str]:
    """The values of an option that takes several, separated by commas."""
    return [one.strip() for one in text.split(",") if one.strip()]
