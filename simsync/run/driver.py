"""Drives a run from creating its sessions to the last event, and records it."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Callable, Optional, Union

from simsync.cancel import CancelToken
from simsync.client import Client
from simsync.errors import Cancelled, CreateError, InvalidParams, SimsyncError, SubscriptionFailed
from simsync.events import AccountDiff, Completed, Event, ReadyForContinue, Slot, Transaction
from simsync.run.event_records import CHECKSUMS, diff_record, transaction_key, transaction_record
from simsync.run.given_session import GivenSession
from simsync.run.open_session import OpenSession
from simsync.run.plan import RunPlan
from simsync.run.progress import Progress, SessionProgress
from simsync.run.record_file import KINDS
from simsync.run.recorder import Recorder
from simsync.run.resuming import FinishedSession, Kept, kept_records
from simsync.run.strategy import RecordedSession, Session, StrategyFailed
from simsync.run.workers import GRACE, call_for_each
from simsync.run_summary import Coverage, RunSummary, run_summary
from simsync.sessions.parallel_session import ParallelSession

logger = logging.getLogger("simsync.run")

_SECONDS_DIGITS = 3

ProgressReport = Callable[[Progress], object]
CreateReport = Callable[[Event], object]


def record_run(
    client: Union[Client, GivenSession],
    plan: RunPlan,
    recorder: Recorder,
    *,
    kept: Kept | None = None,
    report: ProgressReport | None = None,
    on_create: CreateReport | None = None,
    cancel: CancelToken | None = None,
) -> RunSummary:
    """Run a range to its end and record everything.

    The last record is ``summary`` if every slot was seen, else ``stopped`` with the reasons.

    Every session is driven by a thread of its own. If the run is cancelled or interrupted, the threads have
    five seconds to end; a strategy that does not is left behind and records nothing more.

    Args:
        client: The client of the simulator, or a session that is open.
        plan: What to run.
        recorder: An open recorder. It must append if ``kept`` is given.
        kept: What the file already holds, from :func:`~simsync.run.keep_finished`; only the rest is run.
        report: Called after each recorded event with the progress, by one thread at a time.
        on_create: Called with each event while a session is created, as ``on_progress`` of
            :meth:`simsync.Client.parallel`.
        cancel: Ends the run when it fires.

    Returns:
        The summary of the whole file, including the sessions that were kept.

    Raises:
        SimsyncError: A session failed, or no slot was executed. The reason is in the file.
        StrategyFailed: A strategy raised. The other sessions were run to their end first.
        Cancelled: ``cancel`` fired.
        OSError: The file could not be written.
    """
    if kept is not None and kept.complete:
        return RunSummary.from_dict(kept.summary, infer_missing=True)
    run = _Run(client, plan, recorder, kept, report, on_create, cancel)
    reasons: list[str] = []
    try:
        run.begin()
        if kept is not None and kept.open is not None and not run.go_on(kept.open):
            kept = replace(kept, open=None)
            run = _Run(client, plan, recorder, kept, report, on_create, cancel)
            run.begin()
        for first, last in run.spans:
            run.execute(first, last)
        if not run.progress.executed:
            raise SimsyncError("no slot was executed: the range contains no block")
        summary = run.summary()
        reasons += summary.reasons
        if summary.complete:
            recorder.write("summary", {**run.totals(), **summary.to_dict()})
            recorder.flush()
        return summary
    except BaseException as error:
        # Also KeyboardInterrupt, and what handlers of signals raise: the file says why it ends. After SIGKILL only the
        # last "progress" record says how far the run came.
        reasons.append(f"{type(error).__name__}: {error}".rstrip(": "))
        raise
    finally:
        run.end(reasons)


class _Run:
    """The state of one call of :func:`record_run`."""

    def __init__(
        self,
        client: Union[Client, GivenSession],
        plan: RunPlan,
        recorder: Recorder,
        kept: Kept | None,
        report: ProgressReport | None,
        on_create: CreateReport | None,
        cancel: CancelToken | None,
    ) -> None:
        create = plan.create
        self.spans = [(create.start_slot, create.last_slot)] if kept is None else kept.spans
        self._client, self._plan, self._on_create, self._kept = client, plan, on_create, kept
        # A token of its own: an interrupt of this run must not fire that of the caller.
        self._cancel = CancelToken() if cancel is None else cancel.child()
        # The threads of the sessions share the recorder, the report and everything below.
        self._recording = threading.Lock()
        self._ended = False
        self._recorder, self._report = recorder, report
        self.progress = Progress(slots=create.last_slot - create.start_slot + 1)
        self._metadata: Mapping[str, Any] = {}
        self._finished: list[FinishedSession] = []
        self._others: Counter[str] = Counter()
        self._coverages: list[Coverage] = []
        self._reconnects = 0
        self._data_reconnects: dict[str, int] = {}
        self._open: Optional[OpenSession] = None
        self._known: Counter[str] = Counter()
        if kept is not None:
            self._finished = list(kept.finished)
            self.progress.executed = sum(one.slots_seen for one in kept.finished)
            self.progress.transactions, self.progress.failed = kept.transactions, kept.failed
            self.progress.diffs = kept.diffs

    def begin(self) -> None:
        """Write the metadata, or take over what is kept of the older file."""
        if self._kept is None or not self._kept.begun:
            self._metadata = self._plan.metadata()
            self._recorder.write("metadata", self._metadata)
        else:
            transactions = 0
            for record in kept_records(self._recorder.path, self._kept):
                transactions += record.kind == "tx"
                if record.kind == "metadata":
                    self._metadata = dict(record.data)
                elif record.kind not in KINDS:
                    self._others[record.kind] += 1
                self._recorder.keep(record)
            left = self._kept.open
            if transactions != self._kept.transactions + (0 if left is None else left.counts.transactions):
                raise SimsyncError(f"{self._recorder.path} was changed after it was looked at; resume it again")
            if self._plan.strategy is not None and self._kept.open is None and self.spans:
                spans = ", ".join(f"{first} to {last}" for first, last in self.spans)
                logger.warning("the strategy cannot be continued inside a session; it runs again for slots %s", spans)
        self._recorder.flush()

    def end(self, reasons: Sequence[str]) -> None:
        """Record why the run is not complete, if it is not. Nothing is recorded after this."""
        # A thread that is stuck inside a write (a pipe that is not read) has the lock and cannot be waited for.
        if not self._recording.acquire(timeout=GRACE):
            self._ended = True
            self._recorder.abandon()
            return
        try:
            self._ended = True
            if reasons:
                self._recorder.stop({"reasons": list(reasons), "executed_slots": self.progress.executed, **_now()})
        finally:
            self._recording.release()

    def execute(self, first: int, last: int) -> None:
        """Run the slots from ``first`` to ``last``, both included."""
        open_session = self._client.parallel if self._plan.parallel else self._client.session
        create = replace(self._plan.create, start_slot=first, end_slot=last, slot_count=None)
        with open_session(create, cancel=self._cancel, on_progress=self._on_create) as session:
            sessions: Sequence[Session] = session.sub_sessions if isinstance(session, ParallelSession) else (session,)
            for one in sessions:
                self._prepare(one)
            reconnects_before = self._reconnects
            errors = call_for_each(
                lambda one: self._drive(one, lambda: reconnects_before + session.reconnects),
                sessions,
                self._plan.workers,
                self._cancel,
            )
            self._coverages += [one.coverage for one in sessions]
            for error in filter(None, errors):
                raise error

    def go_on(self, left: OpenSession) -> bool:
        """Continue a session that a killed process has left on the server; False if the server does not have it."""
        create = replace(self._plan.create, start_slot=left.start_slot, end_slot=left.end_slot, slot_count=None)
        self._open, self._known = left, Counter(left.known)
        own = SessionProgress(left.session_id, left.start_slot, left.end_slot, left.executed)
        own.transactions, own.failed, own.diffs = left.counts.transactions, left.counts.failed, left.counts.diffs
        own.checksum = left.counts.checksum
        progress = self.progress
        progress.sessions[left.session_id] = own
        progress.executed += own.executed
        progress.transactions += own.transactions
        progress.failed += own.failed
        try:
            with self._client.attach(left.session_id, left.sequence, create=create, cancel=self._cancel) as session:
                session.subscribe_transactions(self._plan.program_ids, from_slot=left.from_slot)
                (error,) = call_for_each(
                    lambda one: self._drive(one, lambda: session.reconnects), [session], None, self._cancel
                )
                self._coverages.append(session.coverage)
                if error is not None:
                    raise error
        except (CreateError, SubscriptionFailed) as error:
            if not self._recorder.begin_again():
                raise
            logger.warning(
                "session %s cannot be continued inside its range (%s); it is run again from slot %d",
                left.session_id,
                error,
                left.start_slot,
            )
            return False
        self.spans = []
        return True

    def _prepare(self, session: Session) -> None:
        """Subscribe and inject before the first continue, so that no slot is executed without it."""
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

    def _drive(self, session: Session, reconnects: Callable[[], int]) -> None:
        """Let the strategy drive a session, then run what it left of the range."""

        def take(event: Event) -> None:
            self._take(session, event, reconnects)

        def record(kind: str, data: Mapping[str, object]) -> None:
            if kind in KINDS:
                raise InvalidParams("kind", kind, "is reserved for simsync's own records; choose another name")
            with self._recording:
                self._check_running()
                self._recorder.write(kind, {**data, "session_id": session.session_id})
                self._others[kind] += 1

        resumed_after = None if self._open is None else self._open.slot
        recorded = RecordedSession(session, take, record, reconnects, resumed_after)
        if self._plan.strategy is not None:
            try:
                self._plan.strategy(recorded)
            except (SimsyncError, OSError):
                raise
            except BaseException as error:
                what = f"the strategy failed in session {session.session_id}: {type(error).__name__}: {error}"
                logger.info(what, exc_info=True)
                raise StrategyFailed(f"{what} (--verbose shows the traceback)") from error
        if not self.progress.sessions[session.session_id].finished:
            for _event in recorded.events(advance=self._plan.advance):
                pass

    def _take(self, session: Session, event: Event, reconnects: Callable[[], int]) -> None:
        """Record an event. ``reconnects``: how often the control connection has reconnected in this run."""
        session_id = session.session_id
        with self._recording:
            self._check_running()
            recorder, progress, own = self._recorder, self.progress, self.progress.sessions[session_id]
            if isinstance(event, Transaction):
                if self._open is not None and self._is_known(event, self._open):
                    return
                record = transaction_record(event, session_id)
                recorder.write("tx", record)
                failed = not record["success"]
                progress.add_transaction(failed=failed)
                own.transactions += 1
                own.failed += failed
                own.checksum = (own.checksum + transaction_key(event.slot, event.signature)) % CHECKSUMS
            elif isinstance(event, AccountDiff):
                recorder.write("diff", diff_record(event, session_id))
                progress.diffs += 1
                own.diffs += 1
            elif isinstance(event, Slot):
                progress.executed += 1
                own.executed += 1
            elif isinstance(event, (ReadyForContinue, Completed)):
                self._note_reconnects(session, reconnects())
                if isinstance(event, Completed):
                    own.finished = True
                    self._finish(session, event)
                # The engine waits, so everything up to this slot has been recorded. "progress" flushes the block:
                # it must come after "session_completed", or a killed run could lose a session that was finished.
                recorder.progress({"session_id": session_id, **self._stop(session, own), **_now()})
            if self._report is not None:
                self._report(progress)

    def _is_known(self, event: Transaction, left: OpenSession) -> bool:
        """True for a transaction that the older file holds: the server sends the slot of its last one again."""
        if event.slot > left.from_slot:
            return False
        if event.slot == left.from_slot:
            self._known[event.signature] -= 1
            return self._known[event.signature] >= 0
        return True

    def _stop(self, session: Session, own: SessionProgress) -> dict[str, Any]:
        """Where an engine stands. Of a single session also what it takes to attach to it."""
        highest = session.coverage.highest_slot
        where: dict[str, Any] = {"slot": self._open.slot if highest is None and self._open is not None else highest}
        if not self._plan.parallel:
            where.update(sequence=session.last_sequence, executed=own.executed, transactions=own.transactions)
            where.update(failed=own.failed, diffs=own.diffs)
        return where

    def _check_running(self) -> None:
        """Keep a strategy that was left behind from recording into a file that has its end."""
        if self._ended:
            raise Cancelled("the run has ended; nothing more is recorded")

    def _note_reconnects(self, session: Session, control: int) -> None:
        """Record the reconnects since the last stop of an engine; those of the control connection once for all."""
        if control > self._reconnects:
            self._reconnects = control
            self._recorder.write("reconnected", {"connection": "control", **_now()})
        data = session.data_reconnects
        if data > self._data_reconnects.get(session.session_id, 0):
            self._data_reconnects[session.session_id] = data
            reconnected = {"connection": "data", "session_id": session.session_id, **_now()}
            self._recorder.write("reconnected", reconnected)

    def _finish(self, session: Session, event: Completed) -> None:
        """Record that the whole range of a session is in the file; resuming keeps only such sessions."""
        coverage, own = session.coverage, self.progress.sessions[session.session_id]
        if coverage.complete and session.start_slot is not None and session.end_slot is not None:
            finished = FinishedSession(
                session.session_id,
                session.start_slot,
                session.end_slot,
                own.executed,
                coverage.highest_slot,
                event.summary,
                own.transactions,
                own.failed,
                own.diffs,
                own.checksum,
            )
            self._finished.append(finished)
            self._recorder.write("session_completed", {**finished.to_dict(), **_now()})

    def summary(self) -> RunSummary:
        """The summary of the whole file: the sessions of this process, and those that were finished before."""
        this_process = run_summary(self._coverages, [one.summary for one in self._finished], self._reconnects)
        unfinished = sum(not coverage.complete for coverage in self._coverages)
        highest = [one.highest_slot for one in self._finished if one.highest_slot is not None]
        return replace(
            this_process,
            sessions=len(self._finished) + unfinished,
            completed=len(self._finished),
            slots_seen=self.progress.executed,
            highest_slot=max(highest, default=this_process.highest_slot),
        )

    def totals(self) -> dict[str, Any]:
        """What the vendor's tool writes into a ``summary`` record, and what proves that the file is whole."""
        progress = self.progress
        return {
            "total_transactions": progress.transactions,
            "succeeded": progress.succeeded,
            "failed": progress.failed,
            "session_ids": [one.session_id for one in self._finished],
            "diffs": progress.diffs,
            "other_records": dict(self._others),
            "session_totals": [one.totals() for one in self._finished],
            "fingerprint": self._metadata.get("fingerprint"),
        }


def _range_of(session: Session) -> tuple[int, int]:
    """First and last slot; both are known for a session that this process created."""
    assert session.start_slot is not None
    assert session.end_slot is not None
    return session.start_slot, session.end_slot


def _now() -> dict[str, float]:
    """When a record was written."""
    return {"at_unix_secs": round(time.time(), _SECONDS_DIGITS)}
