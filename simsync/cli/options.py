"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path

import click

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
start_slot = click.option("--start-slot", type=click.IntRange(0), required=True, help="First slot, included.")
end_slot = click.option("--end-slot", type=click.IntRange(0), required=True, help="Last slot, included.")
EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def listed(text: str) -> list[str]:
    """What stands between commas."""
    return [one.strip() for one in text.split(",") if one.strip()]
