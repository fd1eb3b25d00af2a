"""``simsync run``: run a range and record it."""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import click

import simsync
from simsync.cli import options
from simsync.cli.collector import rare_collections
from simsync.cli.deadline import Deadline, DeadlinePassed
from simsync.cli.ended import Ended
from simsync.cli.exit_codes import exit_code
from simsync.cli.live_progress import PROGRESS, live_progress
from simsync.cli.output import show_json
from simsync.cli.settings import Settings, pass_settings
from simsync.cli.venue_templates import direct_fills
from simsync.params import checks
from simsync.run.driver import record_run
from simsync.run.output_file import OutputBusy, own_descriptor, refuse_same_file
from simsync.run.plan import RunPlan
from simsync.run.recorder import Recorder
from simsync.run.resuming import keep_finished
from simsync.run.strategy import load_strategy

_WORKERS_WITHIN_MEMORY = 8
"""Sub-sessions driven at the same time if ``--max-memory`` is given without ``--workers``."""
_MIB = 1024 * 1024
_CAPACITY_HELP = "Seconds to wait for capacity before creating the session fails."


@click.command()
@options.start_slot
@options.end_slot
@click.option(
    "--output-file",
    type=options.OUTPUT_FILE,
    required=True,
    help="NDJSON file to write, compressed if it ends in .gz or .zst; - is standard output. A complete recording is"
    " replaced only with --force.",
)
@click.option("--parallel", is_flag=True, help="Let the server split the range into sub-sessions.")
@click.option(
    "--program-id",
    "program_ids",
    multiple=True,
    metavar="ADDRESS",
    help="Record transactions that mention this program; may be repeated.",
)
@click.option(
    "--program-so",
    "binaries",
    multiple=True,
    type=options.EXISTING_FILE,
    help="ELF file that replaces the program; one for each --program-id, in the same order.",
)
@click.option(
    "--subscriptions",
    type=click.Choice(("account-diff",)),
    multiple=True,
    help="Also record diffs of the accounts that the programs own.",
)
@click.option(
    "--extra-compute-units", type=click.IntRange(0), help="Compute units added to the limit of each transaction."
)
@click.option("--advance", type=click.IntRange(1), default=100, show_default=True, help="Blocks per continue.")
@click.option("--capacity-wait", type=click.IntRange(0, 65_535), default=900, show_default=True, help=_CAPACITY_HELP)
@click.option("--resume", is_flag=True, help="Continue an interrupted run: run what the output file lacks.")
@click.option("--force", is_flag=True, help="Replace a complete recording once the new one is complete, too.")
@options.wait
@click.option(
    "--deadline",
    type=click.FloatRange(0),
    help="Seconds from the start of the command until the run is cancelled; a strategy then has 5 seconds to end.",
)
@click.option(
    "--strategy",
    metavar="MODULE:FUNCTION",
    help="Python function that is called with each session and drives it; see docs/guides/recording.md.",
)
@click.option("--workers", type=click.IntRange(1), help="Sub-sessions driven at the same time; by default all.")
@click.option(
    "--max-memory",
    type=click.IntRange(1),
    metavar="MIB",
    help="Limit for received data that is not yet recorded, over all sub-sessions; --workers is then 8 by default.",
)
@click.option(
    "--reroute-order-flow",
    type=click.Choice(("router", "venue")),
    is_flag=False,
    flag_value="router",
    help="Reroute and simulate each historical swap: router (the default) finds new routes, venue uses only"
    " --venue-templates.",
)
@click.option("--venue-templates", type=options.EXISTING_FILE, help="JSON list of direct fills, which are checked.")
@click.option(
    "--reroute-aggregators",
    metavar="LIST",
    default="",
    help="Reroute swaps of these, separated by commas: jupiter,okx,…",
)
@click.option("--reroute-circular-arbs", is_flag=True, help="Also reroute circular arbitrage.")
@click.option(
    "--progress",
    type=click.Choice(PROGRESS),
    default="auto",
    show_default=True,
    help="On standard error: auto is bars in a terminal and nothing elsewhere, plain a line every 10 seconds.",
)
@options.as_json
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
    force: bool,
    wait: float,
    deadline: float | None,
    strategy: str | None,
    workers: int | None,
    max_memory: int | None,
    reroute_order_flow: str | None,
    venue_templates: Path | None,
    reroute_aggregators: str,
    reroute_circular_arbs: bool,
    progress: str,
    as_json: bool,
) -> int:
    """Run a range and record every transaction. Exit code 1 if the run is incomplete."""
    if binaries and len(binaries) != len(program_ids):
        raise click.UsageError(
            f"{len(binaries)} --program-so for {len(program_ids)} --program-id: give one --program-so for each"
        )
    twice = [program for program, count in Counter(program_ids).items() if count > 1]
    if twice:
        raise click.UsageError(f"--program-id {twice[0]} is given more than once: give each program once")
    if resume and force:
        raise click.UsageError("--resume continues a recording and --force replaces it: give one of them")
    if as_json and own_descriptor(output_file) == 1:
        raise click.UsageError(
            f"--json and --output-file {output_file} both write to standard output: give one of them"
        )
    refuse_same_file("output_file", output_file, [*binaries, *filter(None, [venue_templates])])
    if workers is None and max_memory is not None:
        workers = _WORKERS_WITHIN_MEMORY
    # The module of a strategy may change the working directory.
    place = output_file if str(output_file) == "-" else output_file.absolute()
    token = simsync.CancelToken()
    with contextlib.ExitStack() as stack:
        limit = stack.enter_context(Deadline(checks.optional_seconds("deadline", deadline), token))
        try:
            with limit.preparing():
                plan = RunPlan(
                    simsync.CreateSession(
                        start_slot,
                        end_slot,
                        send_summary=True,
                        extra_compute_units=extra_compute_units,
                        capacity_wait_timeout=capacity_wait,
                        reroute=_reroute(
                            reroute_order_flow, venue_templates, reroute_aggregators, reroute_circular_arbs
                        ),
                    ),
                    parallel=parallel,
                    program_ids=program_ids,
                    binaries={program: path.read_bytes() for program, path in zip(program_ids, binaries)},
                    binary_names=[str(path) for path in binaries],
                    account_diffs=bool(subscriptions),
                    advance=advance,
                    strategy=None if strategy is None else load_strategy(strategy),
                    workers=workers,
                )
                client = settings.client(_options(max_memory, workers, 1 + plan.account_diffs))
                plan = replace(plan, generation=client.options.dialect.generation)
                recorder = stack.enter_context(Recorder(place, append=resume, force=force, wait=wait))
                kept = keep_finished(place, plan) if resume else None
        except OutputBusy as error:
            raise OutputBusy(f"{error}, or wait for it with --wait SECONDS") from error
        except DeadlinePassed as error:
            raise click.ClickException(f"{limit.line()} before the run began") from error
        if kept is not None and kept.complete:
            click.echo(f"{output_file}: complete, nothing to do", err=True)
        shown = stack.enter_context(live_progress(end_slot - start_slot + 1, progress))
        if plan.strategy is None:
            stack.enter_context(rare_collections())
        try:
            summary = record_run(
                client,
                plan,
                recorder,
                kept=kept,
                report=None if shown is None else shown.report,
                on_create=None if shown is None else shown.creating,
                cancel=token,
            )
        except simsync.Cancelled as error:
            raise click.ClickException(f"{limit.line()}; {_how_to_continue(recorder)}") from error
        except BrokenPipeError:
            raise
        except (simsync.SimsyncError, OSError) as error:
            advice = "" if recorder.kept_aside is None else f"; {_how_to_continue(recorder)}"
            failed = click.ClickException(f"{error}{advice}")
            if isinstance(error, simsync.SimsyncError):  # an OSError is one of a run that had begun
                failed.exit_code = exit_code(error)  # type: ignore[misc]  # click has it in the class
            raise failed from error
        except KeyboardInterrupt as error:
            raise Ended(error, _how_to_continue(recorder)) from error
    if kept is not None and kept.complete and not as_json:
        return 0
    written = output_file if recorder.kept_aside is None else recorder.kept_aside
    if as_json:
        show_json({"output_file": str(written), **summary.to_dict()})
    else:
        outcome = "complete" if summary.complete else "INCOMPLETE: " + "; ".join(summary.reasons)
        click.echo(f"{written}: {summary.slots_seen} slots, {summary.sessions} session(s), {outcome}", err=True)
    if recorder.kept_aside is not None:
        click.echo(f"simsync: {_how_to_continue(recorder)}", err=True)
    return int(not summary.complete)


def _how_to_continue(recorder: Recorder) -> str:
    """What to do after a run that ended before it was complete."""
    if recorder.kept_aside is not None:
        return f"{recorder.path} is as it was; continue with --output-file {recorder.kept_aside} --resume"
    return "use --resume to continue"


def _options(max_memory: int | None, workers: int | None, subscriptions: int) -> simsync.Options:
    """Divide ``--max-memory`` among the buffers: one for each subscription of each sub-session that is driven.

    The engines of the others do not run while they wait for a worker. A full buffer is not an error: its connection
    is not read, and the server waits.
    """
    if max_memory is None or workers is None:
        return simsync.Options()
    return simsync.Options(buffer_bytes=max(1, max_memory * _MIB // (workers * subscriptions)))


def _reroute(
    order_flow: str | None, templates: Path | None, aggregators: str, circular: bool
) -> simsync.Reroute | None:
    if order_flow is None:
        if templates is not None or aggregators or circular:
            raise click.UsageError("--venue-templates and --reroute-… need --reroute-order-flow")
        return None
    fills = [] if templates is None else direct_fills(templates)
    if order_flow == "venue" and not fills:
        raise click.UsageError("--reroute-order-flow venue needs --venue-templates")
    return simsync.Reroute(
        aggregators=options.listed(aggregators),
        circular_arbs=circular,
        requote=order_flow == "router",
        direct_fill=fills,
    )
