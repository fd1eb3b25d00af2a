"""One range of a sweep, run by a worker: a thread, another process or another machine."""

from __future__ import annotations

import io
import os
import pickle
import sys
import time
import traceback
import uuid
from dataclasses import dataclass, replace
from typing import Any, Callable, Generic, Optional, TypeVar, Union

from simsync.cancel import CancelToken
from simsync.client import Client
from simsync.errors import (
    Cancelled,
    ConnectError,
    ControlFailed,
    CreateError,
    HttpStatusError,
    InvalidParams,
    RemoteError,
    SimsyncError,
    SubscriptionFailed,
)
from simsync.params import CreateSession
from simsync.run_summary import RunSummary
from simsync.sessions.backtest_session import BacktestSession
from simsync.sessions.parallel_session import ParallelSession

T = TypeVar("T")
SweepSession = Union[BacktestSession, ParallelSession]
ClientSource = Union[Client, Callable[[], Client], None]

_OF_THE_SERVER = (ConnectError, ControlFailed, CreateError, SubscriptionFailed)
_REFUSING_STATUSES = frozenset({400, 401, 402, 403, 405, 407, 410, 426})
"""HTTP statuses that the same request would get again."""
_REFUSING_ERRORS = frozenset(
    {"BundleNotFound", "NoProducedBlocksInRange", "InvalidRequest", "SessionNameTaken", "SessionOwnerMismatch"}
)
"""Names of errors that the same create would get again."""
_INTERPRETER = uuid.uuid4().hex
"""Names this interpreter, together with its process id: ids repeat on other machines, and a fork copies this."""


class SweepFailed(SimsyncError):
    """A range could not be run, or its result could not be sent back; the message says why.

    What to do: run the range again in another sweep, or with the same journal.
    """


@dataclass(frozen=True)
class RangeResult(Generic[T]):
    """The result of one range.

    Attributes:
        start_slot: First slot of the range.
        end_slot: Last slot, included.
        index: The place of the range among all ranges of the sweep, from 0.
        create: The request that created the session.
        value: What the strategy returned; None if there is an error.
        error: What was raised; None if the strategy returned.
        failure: The class of the error; None without an error. ``refused``: the server will not accept this range or
            key, so it was not tried again. ``temporary``: the connection or the server failed, another attempt may
            succeed. ``strategy``: the strategy raised. ``worker``: the range could not be run, or its value not be
            sent back. ``cancelled``: the sweep was closed.
        summary: How far the session came; None if no session was created.
        attempts: How often the range was run.
        seconds: How long the last attempt took, in the worker.
        traceback: The traceback of the error as text, because traceback objects cannot leave their process.
        size: About how many bytes the value takes.
        journaled: True if the result was read from the journal and the range not run.
    """

    start_slot: int
    end_slot: int
    index: int
    create: CreateSession
    value: Optional[T] = None
    error: Optional[BaseException] = None
    failure: Optional[str] = None
    summary: Optional[RunSummary] = None
    attempts: int = 1
    seconds: float = 0.0
    traceback: Optional[str] = None
    size: int = 0
    journaled: bool = False

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

    index: int
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

    def not_run(
        self, error: SweepFailed, cause: Optional[BaseException] = None, failure: str = "worker"
    ) -> RangeResult[T]:
        """The result of a range that was not run."""
        error.__cause__ = cause
        return RangeResult(
            self.create.start_slot, self.create.last_slot, self.index, self.create, error=error, failure=failure
        )


def run_task(task: SweepTask[T]) -> RangeResult[T]:
    """Run a range; called in the worker."""
    result = _attempt(task, 1)
    while result.failure == "temporary" and result.attempts < task.attempts:
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
        task.index,
        task.create,
        value,
        error,
        None if error is None else failure_of(error, began=session is not None),
        None if session is None else session.run_summary,
        number,
        time.monotonic() - began,
        None if error is None else "".join(traceback.format_exception(type(error), error, error.__traceback__)),
        size_of(value),
    )


def failure_of(error: BaseException, *, began: bool) -> str:
    """The class of an error, see :attr:`RangeResult.failure`. ``began``: the session existed."""
    if isinstance(error, Cancelled):
        return "cancelled"
    if isinstance(error, HttpStatusError) and error.status in _REFUSING_STATUSES:
        return "refused"
    if isinstance(error, _OF_THE_SERVER):
        cause = error.__cause__
        refused = isinstance(cause, RemoteError) and cause.error.name in _REFUSING_ERRORS
        return "refused" if refused else "temporary"
    return "strategy" if began or not isinstance(error, SimsyncError) else "refused"


class _Counter(io.RawIOBase):
    """Counts what is written to it."""

    size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.size += len(data)
        return len(data)


def size_of(value: object) -> int:
    """About how many bytes a value takes: those of its pickle, which is not built for it."""
    counter = _Counter()

    def count(buffer: pickle.PickleBuffer) -> None:
        counter.size += buffer.raw().nbytes

    try:
        pickle.Pickler(counter, protocol=5, buffer_callback=count).dump(value)
    except Exception:  # noqa: BLE001 (values that cannot be pickled can raise anything)
        return sys.getsizeof(value)
    return counter.size


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
        failure = "worker" if result.error is None else result.failure
        return replace(result, value=None, error=SweepFailed(reason), failure=failure, size=0)


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
