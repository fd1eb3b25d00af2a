"""Driving a run from its create to its last event, and recording it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Optional, Union

import simsync
from simsync.params import checks
from simsync.run.recording import Recorder, diff_record, transaction_record
from simsync.run.resuming import SESSION_FINISHED, FinishedSession, Kept
from simsync.run_summary import run_summary

AnySession = Union[simsync.BacktestSession, simsync.SubSession]


@dataclass(frozen=True)
class RunPlan:
    """What to run. Raises InvalidParams.

    ``create``: the range and its options. ``parallel``: let the server split it. ``program_ids``: record transactions
    that mention any of these; all without any. ``binaries``: program id → ELF file that takes its place.
    ``account_diffs``: also record diffs of the accounts that the programs own. ``advance``: blocks per continue.
    """

    create: simsync.CreateSession
    parallel: bool = False
    program_ids: Sequence[str] = ()
    binaries: Mapping[str, bytes] = field(default_factory=dict)
    binary_names: Sequence[str] = ()
    account_diffs: bool = False
    advance: int = 100

    def __post_init__(self) -> None:
        checks.assign(self, program_ids=checks.addresses("program_ids", self.program_ids))
        checks.integer("advance", self.advance, 1, checks.U64)
        if self.account_diffs and not self.program_ids:
            raise simsync.InvalidParams("account_diffs", True, "needs the programs whose accounts are followed")


@dataclass
class Progress:
    """How far a run has come. Slots are counted over all sessions; times in seconds."""

    slots: int
    sessions: int = 0
    executed: int = 0
    transactions: int = 0
    failed: int = 0
    diffs: int = 0
    began: float = field(default_factory=time.monotonic)

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.began

    @property
    def remaining(self) -> float | None:
        """Seconds until the end if it goes on like this; None before the first slot."""
        return self.elapsed * (self.slots - self.executed) / self.executed if self.executed else None


Report = Callable[[Progress], object]


def record_run(
    client: simsync.Client,
    plan: RunPlan,
    recorder: Recorder,
    *,
    kept: Optional[Kept] = None,
    report: Optional[Report] = None,
    on_create: Optional[Callable[[simsync.Event], object]] = None,
    cancel: Optional[simsync.CancelToken] = None,
) -> simsync.RunSummary:
    """Run to the end and record everything; ``report`` is called after each event, ``on_create`` as ``on_progress``.

    ``kept``: what the file holds already (see :func:`~simsync.run.keep_finished`); only the rest is run, and the
    recorder has to append. The last record is ``summary`` when every slot was seen, else ``stopped`` with the reason;
    then what ended the run is raised, if anything did. Raises what sessions raise, OSError, and SimsyncError when
    nothing was executed. Returns the summary of the whole file.
    """
    run = _Run(client, plan, recorder, kept, report, on_create, cancel)
    if kept is None:
        recorder.write("metadata", metadata_of(plan))
        recorder.flush()
    reasons: list[str] = []
    try:
        for first, last in run.spans:
            run.execute(first, last)
        if not run.progress.executed:
            raise simsync.SimsyncError("nothing was executed: the range holds no block")
        summary = run.summary()
        reasons += summary.reasons
        if summary.complete:
            recorder.write("summary", {**run.totals(), **summary.to_dict()})
        return summary
    except BaseException as error:
        reasons.append(f"{type(error).__name__}: {error}".rstrip(": "))
        raise
    finally:
        if reasons:
            recorder.write("stopped", {"reasons": reasons, "executed_slots": run.progress.executed})
        recorder.flush()


def metadata_of(plan: RunPlan) -> dict[str, Any]:
    """The first record of a run."""
    return {
        "start_slot": plan.create.start_slot,
        "end_slot": plan.create.last_slot,
        "program_ids": list(plan.program_ids),
        "program_so": list(plan.binary_names),
        "ran_at_unix_secs": int(time.time()),
        "session_ids": [],
        "recorded_by": f"simsync {simsync.__version__}",
    }


class _Run:
    """One call of :func:`record_run`."""

    def __init__(
        self,
        client: simsync.Client,
        plan: RunPlan,
        recorder: Recorder,
        kept: Optional[Kept],
        report: Optional[Report],
        on_create: Optional[Callable[[simsync.Event], object]],
        cancel: Optional[simsync.CancelToken],
    ) -> None:
        create = plan.create
        self.spans = [(create.start_slot, create.last_slot)] if kept is None else kept.spans
        self.progress = Progress(create.last_slot - create.start_slot + 1)
        self._client, self._plan, self._recorder = client, plan, recorder
        self._report, self._on_create, self._cancel = report, on_create, cancel
        self._finished: list[FinishedSession] = []
        self._coverages: list[simsync.Coverage] = []
        self._reconnects = 0
        if kept is not None:
            self._finished = list(kept.finished)
            self.progress.executed = sum(one.slots_seen for one in kept.finished)
            self.progress.transactions, self.progress.failed = kept.transactions, kept.failed
            self.progress.diffs = kept.diffs

    def execute(self, first: int, last: int) -> None:
        """Run the slots ``first`` to ``last``, both included."""
        open_session = self._client.parallel if self._plan.parallel else self._client.session
        create = replace(self._plan.create, start_slot=first, end_slot=last, slot_count=None)
        with open_session(create, cancel=self._cancel, on_progress=self._on_create) as session:
            sessions = session.sub_sessions if isinstance(session, simsync.ParallelSession) else (session,)
            self.progress.sessions += len(sessions)
            for one in sessions:
                _prepare(one, self._plan, self._recorder)
            for one, event in _events(session, self._plan.advance):
                self._take(one, event)
                if self._report is not None:
                    self._report(self.progress)
            self._reconnects += session.reconnects
            self._coverages += [one.coverage for one in sessions]

    def _take(self, session: AnySession, event: simsync.Event) -> None:
        recorder, progress = self._recorder, self.progress
        if isinstance(event, simsync.Transaction):
            recorder.write("tx", transaction_record(event, session.session_id))
            progress.transactions += 1
            progress.failed += event.error is not None
        elif isinstance(event, simsync.AccountDiff):
            recorder.write("diff", diff_record(event, session.session_id))
            progress.diffs += 1
        elif isinstance(event, simsync.Slot):
            progress.executed += 1
        elif isinstance(event, simsync.ReadyForContinue):
            recorder.progress(session.session_id, session.coverage.highest_slot)
        elif isinstance(event, simsync.Completed):
            self._finish(session, event)

    def _finish(self, session: AnySession, event: simsync.Completed) -> None:
        coverage = session.coverage
        if coverage.complete and session.start_slot is not None and session.end_slot is not None:
            finished = FinishedSession(
                session.session_id,
                session.start_slot,
                session.end_slot,
                coverage.slots_seen,
                coverage.highest_slot,
                event.summary,
            )
            self._finished.append(finished)
            self._recorder.write(SESSION_FINISHED, finished.to_dict())
        self._recorder.progress(session.session_id, coverage.highest_slot)

    def summary(self) -> simsync.RunSummary:
        """Of the whole file."""
        new = run_summary(self._coverages, [], self._reconnects)
        summaries = run_summary([], [one.summary for one in self._finished], 0)
        unfinished = sum(not coverage.complete for coverage in self._coverages)
        highest = [one.highest_slot for one in self._finished if one.highest_slot is not None]
        return replace(
            new,
            sessions=len(self._finished) + unfinished,
            completed=len(self._finished),
            slots_seen=self.progress.executed,
            highest_slot=max(highest, default=new.highest_slot),
            totals=summaries.totals,
        )

    def totals(self) -> dict[str, Any]:
        progress = self.progress
        return {
            "total_transactions": progress.transactions,
            "succeeded": progress.transactions - progress.failed,
            "failed": progress.failed,
            "session_ids": [one.session_id for one in self._finished],
        }


def _prepare(session: AnySession, plan: RunPlan, recorder: Recorder) -> None:
    """Everything that has to be there before the first continue."""
    started = {"session_id": session.session_id, "start_slot": session.start_slot, "end_slot": session.end_slot}
    recorder.write("session_started", started)
    session.subscribe_transactions(plan.program_ids)
    if plan.account_diffs:
        session.subscribe_account_diffs(plan.program_ids)
    if plan.binaries:
        session.ensure_ready()
        for program_id, binary in plan.binaries.items():
            session.modify_program(program_id, binary)


def _events(
    session: simsync.ParallelSession | simsync.BacktestSession, advance: int
) -> Iterator[tuple[AnySession, simsync.Event]]:
    if isinstance(session, simsync.ParallelSession):
        yield from session.events(advance=advance)
    else:
        for event in session.events(advance=advance):
            yield session, event
