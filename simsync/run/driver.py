"""Driving a run from its create to its last event, and recording it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Optional

import simsync
from simsync.errors import InvalidParams, SimsyncError
from simsync.params import checks
from simsync.run.progress import Progress, SessionProgress
from simsync.run.recording import KINDS, Recorder, diff_record, transaction_record
from simsync.run.resuming import FinishedSession, Kept
from simsync.run.strategy import AnySession, RecordedSession, Strategy, StrategyFailed
from simsync.run_summary import run_summary

logger = logging.getLogger("simsync.run")

_SECONDS_DIGITS = 3


@dataclass(frozen=True)
class RunPlan:
    """What to run. Raises InvalidParams.

    ``create``: the range and its options. ``parallel``: let the server split it. ``program_ids``: record transactions
    that mention any of these; all without any. ``binaries``: program id → ELF file that takes its place.
    ``account_diffs``: also record diffs of the accounts that the programs own. ``advance``: blocks per continue.
    ``strategy``: drives each session. ``workers``: how many sub-sessions are driven at a time; None: all.
    """

    create: simsync.CreateSession
    parallel: bool = False
    program_ids: Sequence[str] = ()
    binaries: Mapping[str, bytes] = field(default_factory=dict)
    binary_names: Sequence[str] = ()
    account_diffs: bool = False
    advance: int = 100
    strategy: Optional[Strategy] = None
    workers: Optional[int] = None

    def __post_init__(self) -> None:
        checks.assign(self, program_ids=checks.addresses("program_ids", self.program_ids))
        checks.integer("advance", self.advance, 1, checks.U64)
        checks.optional_integer("workers", self.workers, 1, checks.U32)
        if self.account_diffs and not self.program_ids:
            raise simsync.InvalidParams("account_diffs", True, "needs the programs whose accounts are followed")


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
            recorder.write("stopped", {"reasons": reasons, "executed_slots": run.progress.executed, **_now()})
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
        self._client, self._plan, self._on_create, self._cancel = client, plan, on_create, cancel
        self._recording = threading.Lock()  # guards the recorder, its caller's report and everything below
        self._recorder, self._report = recorder, report
        self.progress = Progress(create.last_slot - create.start_slot + 1)
        self._finished: list[FinishedSession] = []
        self._coverages: list[simsync.Coverage] = []
        self._reconnects = 0
        self._data_reconnects: dict[str, int] = {}
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
            sessions: Sequence[AnySession] = (
                session.sub_sessions if isinstance(session, simsync.ParallelSession) else (session,)
            )
            for one in sessions:
                self._begin(one)
            before = self._reconnects

            def drive(one: AnySession) -> Exception | None:
                """What it failed with; it is raised when the others have come to their end."""
                try:
                    self._drive(one, lambda: before + session.reconnects)
                except Exception as error:  # noqa: BLE001 (raised below)
                    return error
                return None

            if isinstance(session, simsync.ParallelSession):
                results = session.map(drive, workers=self._plan.workers)
                errors = [result.error or result.value for result in results]
            else:
                errors = [drive(session)]
            self._coverages += [one.coverage for one in sessions]
            for error in filter(None, errors):
                raise error

    def _begin(self, session: AnySession) -> None:
        """Everything that has to be there before the first continue."""
        plan, session_id = self._plan, session.session_id
        first, last = _range_of(session)
        started = {"session_id": session_id, "start_slot": first, "end_slot": last, **_now()}
        self._recorder.write("session_started", started)
        self.progress.sessions[session_id] = SessionProgress(session_id, first, last)
        session.subscribe_transactions(plan.program_ids)
        if plan.account_diffs:
            session.subscribe_account_diffs(plan.program_ids)
        if plan.binaries:
            session.ensure_ready()
            for program_id, binary in plan.binaries.items():
                session.modify_program(program_id, binary)

    def _drive(self, session: AnySession, reconnects: Callable[[], int]) -> None:
        def take(event: simsync.Event) -> None:
            self._take(session, event, reconnects)

        def record(kind: str, data: Mapping[str, Any]) -> None:
            if kind in KINDS:
                raise InvalidParams("kind", kind, "is a kind of simsync's own")
            with self._recording:
                self._recorder.write(kind, {**data, "session_id": session.session_id})

        recorded = RecordedSession(session, take, record)
        if self._plan.strategy is not None:
            try:
                self._plan.strategy(recorded)
            except (SimsyncError, OSError):
                raise
            except Exception as error:
                what = f"the strategy failed in session {session.session_id}: {type(error).__name__}: {error}"
                logger.info(what, exc_info=True)
                raise StrategyFailed(f"{what} (--verbose shows where)") from error
        if not self.progress.sessions[session.session_id].finished:
            for _event in recorded.events(advance=self._plan.advance):
                pass

    def _take(self, session: AnySession, event: simsync.Event, reconnects: Callable[[], int]) -> None:
        session_id = session.session_id
        with self._recording:
            recorder, progress, own = self._recorder, self.progress, self.progress.sessions[session_id]
            if isinstance(event, simsync.Transaction):
                recorder.write("tx", transaction_record(event, session_id))
                progress.transactions += 1
                own.transactions += 1
                progress.failed += event.error is not None
            elif isinstance(event, simsync.AccountDiff):
                recorder.write("diff", diff_record(event, session_id))
                progress.diffs += 1
            elif isinstance(event, simsync.Slot):
                progress.executed += 1
                own.executed += 1
            elif isinstance(event, (simsync.ReadyForContinue, simsync.Completed)):
                self._note_reconnects(session, reconnects())
                if isinstance(event, simsync.Completed):
                    own.finished = True
                    self._finish(session, event)
                recorder.progress({"session_id": session_id, "slot": session.coverage.highest_slot, **_now()})
            if self._report is not None:
                self._report(progress)

    def _note_reconnects(self, session: AnySession, control: int) -> None:
        if control > self._reconnects:
            self._reconnects = control
            self._recorder.write("reconnected", {"connection": "control", **_now()})
        data = session.data_reconnects
        if data > self._data_reconnects.get(session.session_id, 0):
            self._data_reconnects[session.session_id] = data
            reconnected = {"connection": "data", "session_id": session.session_id, **_now()}
            self._recorder.write("reconnected", reconnected)

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
            self._recorder.write("session_completed", {**finished.to_dict(), **_now()})

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


def _range_of(session: AnySession) -> tuple[int, int]:
    """First and last slot; known in every session that was created here."""
    assert session.start_slot is not None
    assert session.end_slot is not None
    return session.start_slot, session.end_slot


def _now() -> dict[str, float]:
    return {"at_unix_secs": round(time.time(), _SECONDS_DIGITS)}
