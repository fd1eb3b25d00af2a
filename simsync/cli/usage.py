"""``simsync usage``: the usage of an API key."""

from __future__ import annotations

import click

from simsync.cli import options
from simsync.cli.output import show_json, show_table
from simsync.cli.settings import Settings, pass_settings


@click.command()
@click.option("--since", metavar="TIME", help="From this date or RFC 3339 time, rounded down to the UTC day.")
@click.option("--until", metavar="TIME", help="Until this date or RFC 3339 time.")
@options.as_json
@pass_settings
def usage(settings: Settings, since: str | None, until: str | None, as_json: bool) -> None:
    """Show the usage of the API key."""
    report = settings.client().usage(since, until)
    if as_json:
        show_json(report.to_dict())
        return
    seconds = None if report.session_duration_ms is None else f"{report.session_duration_ms / 1000:,.1f} s"
    show_table(
        ("usage", "value"),
        [
            ("key", report.api_key_name),
            ("since (UTC)", report.since),
            ("until (UTC)", report.until),
            ("sessions started", _count(report.sessions_started)),
            ("sessions completed", _count(report.sessions_completed)),
            ("sessions failed", _count(report.sessions_failed)),
            ("executed slots", _count(report.executed_slot_count)),
            ("session time", seconds),
            ("bundle builds", _count(report.bundle_builds_requested)),
        ],
    )


def _count(number: int | None) -> str | None:
    return None if number is None else f"{number:,}"
