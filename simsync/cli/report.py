"""``simsync report``: an HTML page about a recorded run."""

from __future__ import annotations

from pathlib import Path

import click

from simsync.cli import options
from simsync.cli.output import show_json
from simsync.run.output_file import is_written_through, refuse_same_file


@click.command()
@click.argument("file", type=options.RECORDING)
@click.option("--output", type=options.OUTPUT_FILE, help="HTML file to write; by default FILE.html.")
@options.accounts
@options.as_json
def report(file: Path, output: Path | None, accounts: str, as_json: bool) -> None:
    """Write an HTML page about a recorded run; the page needs no network (extra [report])."""
    from simsync.run.report import write_report

    target = output
    if target is None:
        # The whole name, so that run.base and run.v2 do not share a page.
        target = Path("recording.html") if str(file) == "-" else file.with_name(f"{file.name}.html")
    refuse_same_file("output", target, [file])
    totals = write_report(file, target, options.listed(accounts))
    if as_json:
        show_json({"report": str(target), "complete": totals.complete, "transactions": totals.transactions})
    else:
        told = f"{target}: {totals.transactions:,} transactions"
        if is_written_through(target):
            click.echo(told, err=True)
        else:
            click.echo(f"{told}, {target.stat().st_size / 1e6:.1f} MB")
