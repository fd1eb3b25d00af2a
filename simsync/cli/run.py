"""``simsync run``: run a range and record it."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import simsync
from simsync.cli import options
from simsync.cli.settings import Settings, pass_settings
from simsync.run.driver import Progress as RunProgress
from simsync.run.driver import Report, RunPlan, metadata_of, record_run
from simsync.run.recording import Recorder
from simsync.run.resuming import keep_finished

_EVERY = 64
"""Events between two looks at the progress bar."""


@click.command()
@options.start_slot
@options.end_slot
@click.option(
    "--output-file", type=click.Path(dir_okay=False, path_type=Path), required=True, help="NDJSON to write; replaced."
)
@click.option("--parallel", is_flag=True, help="Let the server split the range into sub-sessions.")
@click.option(
    "--program-id", "program_ids", multiple=True, metavar="ADDRESS", help="Record what mentions this program."
)
@click.option(
    "--program-so",
    "binaries",
    multiple=True,
    type=options.EXISTING_FILE,
    help="Put this binary in the place of the program; as many as --program-id, in their order.",
)
@click.option(
    "--subscriptions",
    type=click.Choice(("account-diff",)),
    multiple=True,
    help="Also record diffs of the accounts that the programs own.",
)
@click.option("--extra-compute-units", type=click.IntRange(0), help="Added to each transaction's limit.")
@click.option("--advance", type=click.IntRange(1), default=100, show_default=True, help="Blocks per continue.")
@click.option("--capacity-wait", type=click.IntRange(0, 65_535), default=900, show_default=True, help="Seconds.")
@click.option("--resume", is_flag=True, help="Go on with the output file: run only what is missing in it.")
@click.option("--deadline", type=click.FloatRange(0), help="Seconds after which the run is given up.")
@pass_settings
def run(
    settings: Settings,
    start_slot: int,
    end_slot: int,
    output_file: Path,
    parallel: bool,
    program_ids: tuple[str, ...],
    binaries: tuple[Path, ...],
    subscriptions: tuple[str, ...],
    extra_compute_units: int | None,
    advance: int,
    capacity_wait: int,
    resume: bool,
    deadline: float | None,
) -> int:
    """Run a range and record every transaction. Exit code 1 if the run is not complete."""
    if binaries and len(binaries) != len(program_ids):
        raise click.UsageError(f"{len(binaries)} --program-so for {len(program_ids)} --program-id: give one for each")
    plan = RunPlan(
        simsync.CreateSession(
            start_slot,
            end_slot,
            send_summary=True,
            extra_compute_units=extra_compute_units,
            capacity_wait_timeout=capacity_wait,
        ),
        parallel=parallel,
        program_ids=program_ids,
        binaries={program: path.read_bytes() for program, path in zip(program_ids, binaries)},
        binary_names=[str(path) for path in binaries],
        account_diffs=bool(subscriptions),
        advance=advance,
    )
    client = settings.client()
    kept = keep_finished(output_file, metadata_of(plan)) if resume else None
    with contextlib.ExitStack() as stack:
        token = stack.enter_context(_cancelled_after(deadline))
        recorder = stack.enter_context(Recorder(output_file, append=resume))
        report = stack.enter_context(_shown_progress(plan))
        summary = record_run(client, plan, recorder, kept=kept, report=report, cancel=token)
    outcome = "complete" if summary.complete else "INCOMPLETE: " + "; ".join(summary.reasons)
    click.echo(f"{output_file}: {summary.slots_seen} slots, {summary.sessions} session(s), {outcome}", err=True)
    return int(not summary.complete)


@contextlib.contextmanager
def _cancelled_after(deadline: float | None) -> Iterator[simsync.CancelToken]:
    token = simsync.CancelToken()
    if deadline is None:
        yield token
        return
    timer = threading.Timer(deadline, token.cancel)
    timer.daemon = True
    timer.start()
    try:
        yield token
    finally:
        timer.cancel()
        timer.join()


@contextlib.contextmanager
def _shown_progress(plan: RunPlan) -> Iterator[Report | None]:
    """A bar on standard error while it is a terminal; nothing otherwise."""
    console = Console(file=sys.stderr)
    if not console.is_terminal:
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("slots, {task.fields[rate]} tx/s"),
        TimeRemainingColumn(),
    )
    seen = 0
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("creating", total=plan.create.last_slot - plan.create.start_slot + 1, rate="0")

        def report(progress: RunProgress) -> None:
            nonlocal seen
            seen += 1
            if seen % _EVERY == 0 or progress.executed >= progress.slots:
                rate = f"{progress.transactions / max(progress.elapsed, 1e-3):,.0f}"
                bar.update(task, completed=progress.executed, description=f"{progress.sessions} session(s)", rate=rate)

        yield report
