"""Running a range and recording it, in one call: what ``simsync run`` does."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, SupportsIndex, Union

from simsync.cancel import CancelToken
from simsync.client import Client
from simsync.errors import InvalidParams
from simsync.params import CreateSession, checks
from simsync.run import output_file
from simsync.run.driver import CreateReport, ProgressReport, record_run
from simsync.run.given_session import Given, GivenSession, create_of
from simsync.run.plan import RunPlan
from simsync.run.record_file import PathLike
from simsync.run.recorder import Recorder
from simsync.run.recording import Recording
from simsync.run.resuming import keep_finished
from simsync.run.strategy import Strategy
from simsync.run.workers import cancel_after
from simsync.sessions.backtest_session import BacktestSession
from simsync.sessions.parallel_session import ParallelSession


def record(
    create: Union[CreateSession, Given],
    path: PathLike,
    *,
    client: Client | None = None,
    parallel: bool = False,
    program_ids: Sequence[object] = (),
    binaries: Mapping[Any, bytes] | None = None,
    account_diffs: bool = False,
    advance: SupportsIndex = 100,
    strategy: Strategy | None = None,
    workers: SupportsIndex | None = None,
    resume: bool = False,
    force: bool = False,
    wait: checks.Number = 0.0,
    deadline: checks.Number | None = None,
    on_progress: ProgressReport | None = None,
    on_create: CreateReport | None = None,
    cancel: CancelToken | None = None,
) -> Recording:
    """Run a range to its end and record every transaction.

    An existing file is replaced only by a better one: a run that could not start leaves it as it was.

    Args:
        create: The range and its options; ``send_summary=True`` adds the statistics of the server. Or an open session,
            of which nothing but the start slot was executed yet, and which has not subscribed to what is recorded: it
            is recorded and stays open, and ``client``, ``parallel``, ``resume``, ``deadline`` and ``cancel`` belong to
            the call that has opened it.
        path: The file; ``.gz`` and ``.zst`` are compressed. Not a pipe and not standard output, which ``simsync run``
            and :class:`~simsync.run.Recorder` write.
        client: The client of the simulator; by default that of the environment, ``simsync.Client()``.
        parallel: Let the server split the range into sub-sessions.
        program_ids: Record only transactions that mention any of these programs.
        binaries: The bytes of ELF files that replace programs, by program id.
        account_diffs: Also record the diffs of the accounts that ``program_ids`` own.
        advance: Blocks per continue.
        strategy: Called with each session to drive it; what it leaves of the range is run to the end.
        workers: How many sub-sessions are driven at the same time; None for all.
        resume: Continue an interrupted run: run what the file lacks. A complete file is left as it is.
        force: Replace a complete recording once the new one is complete, too.
        wait: Seconds to wait for another process that writes this file.
        deadline: Seconds after which the run is cancelled.
        on_progress: Called after each recorded event with the :class:`~simsync.run.progress.Progress`.
        on_create: Called with each event while a session is created.
        cancel: Ends the run when it fires.

    Returns:
        The recording of this run; its ``complete`` says whether the whole range is in it. If it did not replace a
        better one, its ``path`` is ``NAME.new.ENDING`` beside ``path``.

    Raises:
        InvalidParams: An argument is not valid, an open session has executed slots already, or with ``resume`` the file
            is that of another run.
        OutputBusy: Another process writes this file.
        SimsyncError: A session failed, or no slot was executed. The reason is in the file.
        StrategyFailed: A strategy raised. The other sessions were run to their end first.
        Cancelled: ``cancel`` fired, or the deadline passed.
        OSError: The file could not be written.
    """
    account_diffs = checks.flag("account_diffs", account_diffs)
    if isinstance(create, (BacktestSession, ParallelSession)):
        for name, value in (("client", client), ("resume", resume or None), ("deadline", deadline), ("cancel", cancel)):
            if value is not None:
                raise InvalidParams(name, value, "is not allowed with an open session: pass a CreateSession instead")
        opener: Union[Client, GivenSession] = GivenSession(create)
        parallel, create = isinstance(create, ParallelSession), create_of(create, account_diffs=account_diffs)
    elif not isinstance(create, CreateSession):
        raise InvalidParams("create", create, "must be a CreateSession(...) or an open session")
    elif client is not None and not isinstance(client, Client):
        raise InvalidParams("client", client, "must be a Client(...)")
    else:
        opener = Client() if client is None else client
    if cancel is not None and not isinstance(cancel, CancelToken):
        raise InvalidParams("cancel", cancel, "must be a CancelToken()")
    for name, function in (("on_progress", on_progress), ("on_create", on_create)):
        if function is not None and not callable(function):
            raise InvalidParams(name, function, "must be a function")
    if checks.flag("resume", resume) and checks.flag("force", force):
        raise InvalidParams("force", force, "replaces a recording, resume continues it: give one of them")
    limit = checks.optional_seconds("deadline", deadline)
    if not isinstance(path, (str, os.PathLike)):
        raise InvalidParams("path", path, "must be a path")
    if output_file.is_written_through(path):
        rule = "cannot be read after the run; give a file, or write it with simsync.run.record_run and Recorder"
        raise InvalidParams("path", str(path), rule)
    place = Path(os.path.abspath(path))  # noqa: PTH100 (a strategy may change the working directory; links stay)
    plan = RunPlan(
        create,
        parallel=checks.flag("parallel", parallel),
        program_ids=checks.addresses("program_ids", program_ids),
        binaries={} if binaries is None else binaries,
        account_diffs=account_diffs,
        advance=checks.integer("advance", advance, 1, checks.U64),
        strategy=strategy,
        workers=checks.optional_integer("workers", workers, 1, checks.U32),
        generation=opener.options.dialect.generation if isinstance(opener, Client) else None,
    )
    # One of its own: when the deadline passes, the caller's is not fired.
    token = CancelToken() if cancel is None else cancel.child()
    with Recorder(place, append=resume, force=force, wait=checks.seconds("wait", wait)) as recorder:
        kept = keep_finished(place, plan) if resume else None
        with cancel_after(limit, token):
            record_run(
                opener,
                plan,
                recorder,
                kept=kept,
                report=on_progress,
                on_create=on_create,
                cancel=token,
            )
    return Recording(place if recorder.kept_aside is None else recorder.kept_aside)
