"""``simsync report``: an HTML page about a recorded run, or about many."""

from __future__ import annotations

from pathlib import Path

import click

from simsync.cli import options
from simsync.cli.output import say_left_out, show_json
from simsync.run.output_file import is_written_through, own_descriptor, refuse_same_file
from simsync.run.path_like import printable


@click.command()
@click.argument("file", type=options.RECORDING, required=False)
@click.option(
    "--output", type=options.OUTPUT_FILE, help="HTML file to write; by default FILE.html. Required for standard input."
)
@click.option(
    "--history",
    type=options.EXISTING_FOLDER,
    metavar="FOLDER",
    help="Instead of FILE: a page over all recordings of a folder, each compared with the one before.",
)
@options.accounts
@options.max_memory
@options.as_json
def report(
    file: Path | None, output: Path | None, history: Path | None, accounts: str, max_memory: int, as_json: bool
) -> None:
    """Write an HTML page about a recorded run; the page needs no network (extra [report])."""
    from simsync.run.report import write_history, write_report

    if as_json and output is not None and own_descriptor(output) == 1:
        raise click.UsageError("--json and --output - both write to standard output: give one of them")
    if (file is None) is (history is None):
        raise click.UsageError("give either FILE or --history FOLDER")
    if history is not None:
        page = history / "history.html" if output is None else output
        nights = write_history(history, page, max_memory)
        if as_json:
            show_json({"report": str(page), "runs": [str(night.path) for night in nights]})
        else:
            _say_written(page, f"{len(nights)} runs")
        return
    assert file is not None
    if output is not None:
        target = output
    else:
        if str(file) == "-" or not file.is_file() or own_descriptor(file) is not None:
            raise click.UsageError("what is read from a pipe has no name: name the page with --output")
        # The whole name, so that run.base and run.v2 do not share a page.
        target = file.with_name(f"{file.name}.html")
    refuse_same_file("output", target, [file])
    totals = write_report(file, target, options.listed(accounts), max_memory)
    say_left_out(file, totals)
    if as_json:
        found = {"report": str(target), "complete": totals.complete, "transactions": totals.transactions}
        show_json({**found, "left_out": totals.left_out})
    else:
        _say_written(target, f"{totals.transactions:,} transactions")


def _say_written(target: Path, what: str) -> None:
    if is_written_through(target):
        click.echo(f"{target}: {what}", err=True)
    else:
        click.echo(f"{printable(target)}: {what}, {target.stat().st_size / 1e3:,.0f} kB")
