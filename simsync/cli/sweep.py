"""``simsync sweep``: one strategy over many ranges, with the results in a folder."""

from __future__ import annotations

import contextlib
import inspect
import multiprocessing
import os
import re
import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Callable

import click

import simsync
from simsync.cli import options
from simsync.cli.exit_codes import FAILED, NOT_REACHABLE, SUCCESS, exit_code
from simsync.cli.output import show_json, show_table
from simsync.cli.settings import Settings, pass_settings
from simsync.client import KEY_VARIABLE, URL_VARIABLE
from simsync.run.strategy import load_strategy
from simsync.run.sweep import Sweep
from simsync.run.sweep import sweep as start_sweep

RESULTS = "results.ndjson"
"""The name of the journal in the output folder."""
_RANGE = re.compile(r"(\d{1,20})-(\d{1,20})")
_DASK = "dask://"


def _ranges(text: str) -> list[tuple[int, int]]:
    """The ranges of ``FIRST-LAST,FIRST-LAST``."""
    found = []
    for one in options.listed(text):
        match = _RANGE.fullmatch(one)
        if match is None:
            raise click.BadParameter(f"{one!r} is not FIRST-LAST, for example 1000-1999")
        found.append((int(match.group(1)), int(match.group(2))))
    if not found:
        raise click.BadParameter("it names no range: give FIRST-LAST, for example 1000-1999")
    return found


def _executor_name(text: str) -> str:
    if text not in ("threads", "processes") and not text.startswith(_DASK):
        raise click.BadParameter(f"{text!r} must be threads, processes or dask://HOST:PORT")
    return text


@click.command()
@click.argument("strategy", metavar="MODULE:FUNCTION")
@click.option(
    "--ranges",
    type=_ranges,
    multiple=True,
    required=True,
    metavar="FIRST-LAST",
    help="Slots, both included; may be repeated, or hold several ranges separated by commas.",
)
@click.option("--output", "folder", type=options.FOLDER, required=True, help=f"Folder for {RESULTS}.")
@click.option(
    "--executor",
    type=_executor_name,
    default="threads",
    show_default=True,
    metavar="threads|processes|dask://HOST:PORT",
    help="Where the ranges are run.",
)
@click.option("--workers", type=click.IntRange(1), default=4, show_default=True, help="Threads or processes.")
@click.option("--attempts", type=click.IntRange(1), default=3, show_default=True, help="Tries after temporary errors.")
@click.option("--parallel", is_flag=True, help="Run each range as one parallel session, which the server splits.")
@click.option(
    "--extra-compute-units", type=click.IntRange(0), help="Compute units added to the limit of each transaction."
)
@click.option(
    "--capacity-wait",
    type=click.IntRange(0, 65_535),
    default=900,
    show_default=True,
    help="Seconds to wait for capacity before creating a session fails.",
)
@options.as_json
@pass_settings
def sweep(
    settings: Settings,
    strategy: str,
    ranges: tuple[list[tuple[int, int]], ...],
    folder: Path,
    executor: str,
    workers: int,
    attempts: int,
    parallel: bool,
    extra_compute_units: int | None,
    capacity_wait: int,
    as_json: bool,
) -> int:
    """Call a Python function with the session of each range, and keep what it returns. Exit code 1 if a range failed.

    MODULE:FUNCTION takes a session and returns what JSON can hold; docs/guides/sweep.md has an example. Modules of the
    working directory are found too. Repeating the command continues an interrupted sweep: ranges whose result is in the
    folder are not run again, failed ranges are.
    """
    place = folder.absolute()  # the module of the strategy may change the working directory
    function = load_strategy(strategy)
    client = settings.client()
    place.mkdir(parents=True, exist_ok=True)
    creates = [
        simsync.CreateSession(first, last, extra_compute_units=extra_compute_units)
        for group in ranges
        for first, last in group
    ]
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(_executor(executor, workers, settings, function))
        results: Sweep[object] = stack.enter_context(
            start_sweep(
                function,
                creates,
                pool,
                client=client if pool is None else None,
                parallel=parallel,
                workers=workers,
                attempts=attempts,
                capacity_wait=capacity_wait,
                journal=place / RESULTS,
            )
        )
        failures: Counter[str] = Counter()
        codes = set()
        known = 0
        for result in results:
            known += result.journaled
            codes.add(SUCCESS if result.error is None else exit_code(result.error))
            if result.failure is not None:
                failures[result.failure] += 1
                click.echo(f"{result.start_slot}-{result.end_slot}: {result.failure}: {result.error}", err=True)
    counts = {"ranges": results.done, "from_journal": known, "failed": results.failed}
    if as_json:
        show_json({"results": str(folder / RESULTS), **counts, "failures": dict(failures)})
    else:
        rows: list[tuple[str, object]] = [
            ("ranges", counts["ranges"]),
            ("of these from an earlier call", known),
            ("failed", counts["failed"]),
            *((f"failed: {kind}", number) for kind, number in failures.items()),
        ]
        show_table((str(folder / RESULTS), "number"), rows)
    if codes == {NOT_REACHABLE}:
        return NOT_REACHABLE
    return FAILED if results.failed else SUCCESS


@contextlib.contextmanager
def _executor(
    name: str, workers: int, settings: Settings, function: Callable[..., object]
) -> Iterator[Executor | None]:
    """The executor that ``--executor`` names; None for the sweep's own threads."""
    if name == "threads":
        yield None
    elif name == "processes":
        # The processes make their own client from the environment, so that the key is in no message to them.
        os.environ.update({URL_VARIABLE: settings.url or "", KEY_VARIABLE: settings.api_key or ""})
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context, initializer=_end_on_sigterm) as pool:
            try:
                yield pool
            except BaseException:
                # The processes would run their ranges to the end; their sessions are closed on the server.
                for child in multiprocessing.active_children():
                    child.terminate()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    else:
        with _dask(name[len(_DASK) :], function) as pool:
            yield pool


@contextlib.contextmanager
def _dask(address: str, function: Callable[..., object]) -> Iterator[Executor]:
    try:
        from distributed import Client
    except ImportError as error:
        raise simsync.MissingExtra("--executor dask://…", "dask") from error
    with Client(f"tcp://{address}", set_as_default=False) as client:  # type: ignore[no-untyped-call]
        source = inspect.getsourcefile(function)
        if source is not None:
            client.upload_file(source)  # the workers need not share the working directory
        with client.get_executor() as pool:
            yield pool


def _end_on_sigterm() -> None:
    """In a worker process: SIGTERM closes the session of the range that is running; Ctrl-C is left to the parent."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
