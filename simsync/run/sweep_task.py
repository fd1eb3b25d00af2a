"""One range of a sweep, run by a worker: a thread, another process or another machine."""

from __future__ import annotations

import os
import pickle
import time
import traceback
import uuid
from dataclasses import dataclass, replace
from typing import Any, Callable, Generic, Optional, TypeVar, Union

from simsync.cancel import CancelToken
from simsync.client import Client
from simsync.errors import ConnectError, ControlFailed, CreateError, InvalidParams, SimsyncError, SubscriptionFailed
from simsync.params import CreateSession
from simsync.run_summary import RunSummary
from simsync.sessions.backtest_session import BacktestSession
from simsync.sessions.parallel_session import ParallelSession

T = TypeVar("T")
SweepSession = Union[BacktestSession, ParallelSession]
ClientSource = Union[Client, Callable[[], Client], None]

_TRANSIENT = (ConnectError, ControlFailed, CreateError, SubscriptionFailed)
"""Errors after which another attempt may succeed. Anything else would fail again in the same way."""
_INTERPRETER = uuid.uuid4().hex
"""Names this interpreter, together with its process id: ids repeat on other machines, and a fork copies this."""


class SweepFailed(SimsyncError):
    """A range could not be run, or its result could not be sent back; the message says why."""


@dataclass(frozen=True)
class RangeResult(Generic[T]):
    """The result of one range.

    Attributes:
        start_slot: First slot of the range.
        end_slot: Last slot, included.
        value: What the strategy returned; None if there is an error.
        error: What was raised; None if the strategy returned.
        summary: How far the session came; None if no session was created.
        attempts: How often the range was run.
        seconds: How long the last attempt took, in the worker.
        traceback: The traceback of the error as text, because traceback objects cannot leave their process.
    """

    start_slot: int
    end_slot: int
    value: Optional[T] = None
    error: Optional[BaseException] = None
    summary: Optional[RunSummary] = None
    attempts: int = 1
    seconds: float = 0.0
    traceback: Optional[str] = None

    def get(self) -> T:
        """Returns the value, or raises the error.

        Returns:
            What the strategy returned.

        Raises:
            BaseException: Whatever the range failed with.
        """
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]


@dataclass(frozen=True)
class SweepTask(Generic[T]):
    """What goes to a worker. ``home`` is the process that asks, from :func:`this_process`."""

    strategy: Callable[[Any], T]
    client: ClientSource
    create: CreateSession
    parallel: bool
    attempts: int
    home: tuple[str, int]
    cancel: Optional[CancelToken]

    @property
    def name(self) -> str:
        """The range, for messages."""
        return f"the range {self.create.start_slot} to {self.create.last_slot}"

    def failure(self, error: SweepFailed, cause: Optional[BaseException] = None) -> RangeResult[T]:
        """The result of a range that was not run."""
        error.__cause__ = cause
        return RangeResult(self.create.start_slot, self.create.last_slot, error=error)


def run_task(task: SweepTask[T]) -> RangeResult[T]:
    """Run a range; called in the worker."""
    result = _attempt(task, 1)
    while isinstance(result.error, _TRANSIENT) and result.attempts < task.attempts:
        result = _attempt(task, result.attempts + 1)
    return result if task.home == this_process() else _sendable(task, result)


def _attempt(task: SweepTask[T], number: int) -> RangeResult[T]:
    began = time.monotonic()
    session: Optional[SweepSession] = None
    value: Optional[T] = None
    error: Optional[BaseException] = None
    try:
        client = client_from(task.client)
        open_session = client.parallel if task.parallel else client.session
        with open_session(task.create, cancel=task.cancel) as session:
            value = task.strategy(session)
    except BaseException as raised:  # noqa: BLE001 (a strategy that calls sys.exit fails its own range only)
        value, error = None, raised
    return RangeResult(
        task.create.start_slot,
        task.create.last_slot,
        value,
        error,
        None if session is None else session.run_summary,
        number,
        time.monotonic() - began,
        None if error is None else "".join(traceback.format_exception(type(error), error, error.__traceback__)),
    )


def client_from(source: ClientSource) -> Client:
    """The client of a sweep, in the process that uses it; by default one from the environment."""
    if isinstance(source, Client):
        return source
    return Client() if source is None else source()


def _sendable(task: SweepTask[T], result: RangeResult[T]) -> RangeResult[T]:
    """The result, or one that says why it cannot be sent to another process.

    An executor would report less, and a ProcessPoolExecutor breaks when a result cannot be restored at the other end.
    """
    try:
        pickle.loads(pickle.dumps(result))  # restored too: some exceptions can be pickled but not restored
        return result
    except Exception as error:  # noqa: BLE001 (objects of the strategy can raise anything here)
        if result.error is None:
            reason = f"the value of {task.name} cannot be sent back from the worker ({type(error).__name__}: {error})"
        else:
            reason = f"{task.name} failed: {type(result.error).__name__}: {result.error}"
        return replace(result, value=None, error=SweepFailed(reason))


def check_pickles(argument: str, value: object) -> None:
    """Raise InvalidParams if a value cannot be sent to another process."""
    try:
        pickle.dumps(value)
    except Exception as error:
        rule = f"cannot be sent to another process; define it at the top level of a module ({error})"
        raise InvalidParams(argument, value, rule) from error


def this_process() -> tuple[str, int]:
    """A name for this process that no other process has, also on another machine."""
    return _INTERPRETER, os.getpid()
