"""Driving a run from its create to its last event, and recording it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable, Optional, Union

import simsync
from simsync.params import checks
from simsync.run.recording import Recorder, diff_record, transaction_record

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
    report: Optional[Report] = None,
    on_create: Optional[Callable[[simsync.Event], object]] = None,
    cancel: Optional[simsync.CancelToken] = None,
) -> simsync.RunSummary:
    """Run to the end and record everything; ``report`` is called after each event, ``on_create`` as ``on_progress``.

    The last record is ``summary`` when every slot was seen, else ``stopped`` with the reason; then what ended the run
    is raised, if anything did. Raises what sessions raise, OSError, and SimsyncError when nothing was executed.
    """
    create = plan.create
    recorder.write("metadata", _metadata(plan))
    recorder.flush()
    progress = Progress(create.last_slot - create.start_slot + 1)
    reasons: list[str] = []
    open_session = client.parallel if plan.parallel else client.session
    try:
        with open_session(create, cancel=cancel, on_progress=on_create) as session:
            sessions = session.sub_sessions if isinstance(session, simsync.ParallelSession) else (session,)
            progress.sessions = len(sessions)
            for one in sessions:
                _prepare(one, plan, recorder)
            for one, event in _events(session, plan.advance):
                _take(one, event, recorder, progress)
                if report is not None:
                    report(progress)
            summary = session.run_summary
            reasons += summary.reasons
            if not progress.executed:
                raise simsync.SimsyncError("nothing was executed: the range holds no block")
            if summary.complete:
                recorder.write("summary", {**_totals(progress, sessions), **summary.to_dict()})
            return summary
    except BaseException as error:
        reasons.append(f"{type(error).__name__}: {error}".rstrip(": "))
        raise
    finally:
        if reasons:
            recorder.write("stopped", {"reasons": reasons, "executed_slots": progress.executed})
        recorder.flush()


def _metadata(plan: RunPlan) -> dict[str, Any]:
    return {
        "start_slot": plan.create.start_slot,
        "end_slot": plan.create.last_slot,
        "program_ids": list(plan.program_ids),
        "program_so": list(plan.binary_names),
        "ran_at_unix_secs": int(time.time()),
        "session_ids": [],
        "recorded_by": f"simsync {simsync.__version__}",
    }


def _totals(progress: Progress, sessions: Sequence[AnySession]) -> dict[str, Any]:
    return {
        "total_transactions": progress.transactions,
        "succeeded": progress.transactions - progress.failed,
        "failed": progress.failed,
        "session_ids": [one.session_id for one in sessions],
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


def _take(session: AnySession, event: simsync.Event, recorder: Recorder, progress: Progress) -> None:
    if isinstance(event, simsync.Transaction):
        recorder.write("tx", transaction_record(event, session.session_id))
        progress.transactions += 1
        progress.failed += event.error is not None
    elif isinstance(event, simsync.AccountDiff):
        recorder.write("diff", diff_record(event, session.session_id))
        progress.diffs += 1
    elif isinstance(event, simsync.Slot):
        progress.executed += 1
    elif isinstance(event, (simsync.ReadyForContinue, simsync.Completed)):
        recorder.progress(session.session_id, session.coverage.highest_slot)
