"""``simsync report``: an HTML page about a recorded run."""

from __future__ import annotations

from pathlib import Path

import click

from simsync.cli import options
from simsync.cli.output import show_json


@click.command()
@click.argument("file", type=options.EXISTING_FILE)
@click.option("--output", type=options.OUTPUT_FILE, help="HTML file to write; by default FILE with the ending .html.")
@options.accounts
@options.as_json
def report(file: Path, output: Path | None, accounts: str, as_json: bool) -> None:
    """Write an HTML page about a recorded run; the page needs no network (extra [report])."""
    from simsync.run.report import write_report

    target = file.with_suffix(".html") if output is None else output
    totals = write_report(file, target, options.listed(accounts))
    if as_json:
        show_json({"report": str(target), "complete": totals.complete, "transactions": totals.transactions})
    else:
        click.echo(f"{target}: {totals.transactions:,} transactions, {target.stat().st_size / 1e6:.1f} MB")
