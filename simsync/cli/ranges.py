"""``simsync ranges``: the ranges of slots that can be replayed."""

from __future__ import annotations

import click

import simsync
from simsync.cli import options
from simsync.cli.output import show_json, show_table
from simsync.cli.settings import Settings, pass_settings


@click.command()
@click.option("--after", metavar="BOUND", help="Only ranges that start at or after this slot, date or RFC 3339 time.")
@click.option("--before", metavar="BOUND", help="Only ranges that end at or before this slot, date or RFC 3339 time.")
@click.option("--size", type=click.IntRange(1), help="Only bundles of this many slots, within 10 %.")
@options.as_json
@pass_settings
def ranges(settings: Settings, after: str | None, before: str | None, size: int | None, as_json: bool) -> None:
    """List the ranges that can be replayed, and where a session can start. Needs no API key."""
    found = simsync.filter_ranges(settings.client().available_ranges(), after, before, size=size)
    if as_json:
        show_json([one.to_dict() for one in found])
    elif not found:
        click.echo("no range matches")
    else:
        show_table(
            ("start (UTC)", "end (UTC)", "start slot", "end slot", "size", "kind", "scope"),
            [
                (one.start_time, one.end_time, one.start_slot, one.end_slot, one.size, one.kind, one.scope)
                for one in found
            ],
        )
