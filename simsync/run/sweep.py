"""One strategy over many ranges of slots, on threads, processes or machines."""

from __future__ import annotations

import os
import pickle
import time
import traceback
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Callable, Generic, Optional, TypeVar, Union

import simsync
from simsync.errors import ConnectError, ControlFailed, CreateError, InvalidParams, SimsyncError, SubscriptionFailed
from simsync.params import checks

T = TypeVar("T")
AnySession = Union[simsync.BacktestSession, simsync.ParallelSession]
MakeClient = Callable[[], simsync.Client]
Range = Union[simsync.CreateSession, "tuple[int, int]"]

_TRANSIENT = (ConnectError, ControlFailed, CreateError, SubscriptionFailed)
"""What may go better in another attempt."""
_HOME = uuid.uuid4().hex
"""Together with the process id this names a process."""


class SweepFailed(SimsyncError):
    """A range could not be run, or its result not be brought back; the message says why."""


@dataclass(frozen=True)
class RangeResult(Generic[T]):
    """What came of one range (both slots included): the strategy's ``value``, or the ``error``.

    ``summary``: how far the session came, None when there was none. ``attempts``: how often the range was run;
    ``seconds``: the last of them, in the worker. ``traceback``: where the error came from, as text, since tracebacks do
    not leave their process.
    """

    start_slot: int
    end_slot: int
    value: Optional[T] = None
    error: Optional[BaseException] = None
    summary: Optional[simsync.RunSummary] = None
    attempts: int = 1
    seconds: float = 0.0
    traceback: Optional[str] = None

    def get(self) -> T:
        """The value; raises the error instead if there was one."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]


def sweep(
    strategy: Callable[[Any], T],
    ranges: Union[Range, Iterable[Range]],
    executor: Optional[Executor] = None,
    *,
    client: Union[simsync.Client, MakeClient, None] = None,
    parallel: bool = False,
    workers: int = 4,
    attempts: int = 1,
    in_flight: int = 256,
) -> Sweep[T]:
    """Call ``strategy(session)`` for each range, in workers, and iterate over the results as they come.

    ``ranges``: one or many ranges of slots, as ``(start_slot, end_slot)``, both included, or as
    :class:`~simsync.CreateSession` with everything else that a session shall have. Unless ``parallel``, a range is
    split where bundles start, and each piece gets a session of its own; with ``parallel`` a range gets one parallel
    session, which the server splits.

    ``executor``: any of :mod:`concurrent.futures`, or one that behaves like them, such as Dask's
    ``Client.get_executor()``; it stays the caller's. Without one, ``workers`` threads. ``client``: a client for
    threads; for processes and machines a function that makes one there. Without it each worker makes its own from
    ``SIMULATOR_URL`` and ``SIMULATOR_API_KEY``, so that the key does not travel.

    ``attempts``: how often a range is run before its failure counts, where another attempt may help. ``in_flight``:
    most ranges that are submitted and not yet handed out.

    What fails is in the results; nothing but bad input raises. Close the sweep, use it as a context manager, or iterate
    to its end.
    """
    if not callable(strategy):
        raise InvalidParams("strategy", strategy, "must be a function of one session")
    if executor is not None and not callable(getattr(executor, "submit", None)):
        raise InvalidParams("executor", executor, "must have submit(), as those of concurrent.futures")
    checks.flag("parallel", parallel)
    checks.integer("workers", workers, 1, checks.U32)
    checks.integer("attempts", attempts, 1, checks.U32)
    checks.integer("in_flight", in_flight, 1, checks.U32)
    here = executor is None or isinstance(executor, ThreadPoolExecutor)
    if client is not None and not callable(client) and not isinstance(client, simsync.Client):
        raise InvalidParams("client", client, "must be a Client, or a function that makes one")
    if isinstance(client, simsync.Client) and not here:
        rule = (
            "cannot be sent to another process, because its key must not travel: give a function that makes a client"
            " there, or set SIMULATOR_URL and SIMULATOR_API_KEY there"
        )
        raise InvalidParams("client", client, rule)
    if isinstance(executor, ProcessPoolExecutor):
        _check_pickles("strategy", strategy)
        _check_pickles("client", client)
    creates = [_create(f"ranges[{index}]", one) for index, one in enumerate(_listed(ranges))]
    if not parallel:
        creates = _split(creates, client)
    token = simsync.CancelToken() if here else None
    task = _Task(strategy, client, creates[0] if creates else None, parallel, attempts, _process(), token)
    own = ThreadPoolExecutor(min(workers, max(1, len(creates))), "simsync-sweep") if executor is None else None
    return Sweep(own or executor, own, [replace(task, create=create) for create in creates], in_flight, token)  # type: ignore[arg-type]


class Sweep(Generic[T]):
    """An iterator of :class:`RangeResult`, in the order in which they come. For one thread.

    ``total``: how many ranges; ``done``: how many were handed out, ``failed`` of them with an error.
    """

    def __init__(
        self,
        executor: Executor,
        own: Optional[Executor],
        tasks: list[_Task],
        in_flight: int,
        token: Optional[simsync.CancelToken],
    ) -> None:
        self.total, self.done, self.failed = len(tasks), 0, 0
        self._executor, self._own, self._token = executor, own, token
        self._waiting = iter(tasks)
        self._in_flight = in_flight
        self._running: dict[Future[Any], _Task] = {}
        self._finished: SimpleQueue[Future[Any]] = SimpleQueue()

    def __iter__(self) -> Iterator[RangeResult[T]]:
        return self

    def __next__(self) -> RangeResult[T]:
        while len(self._running) < self._in_flight:
            task = next(self._waiting, None)
            if task is None:
                break
            refused = self._submit(task)
            if refused is not None:
                return self._count(refused)
        if not self._running:
            self.close()
            raise StopIteration
        future = self._finished.get()
        task = self._running.pop(future)
        return self._count(_result_of(future, task))

    def __enter__(self) -> Sweep[T]:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Run nothing more. Sessions in threads are cancelled and waited for; other workers finish what they run."""
        self._waiting = iter(())
        for future in self._running:
            future.cancel()
        self._running.clear()
        if self._token is not None:
            self._token.cancel()
        if self._own is not None:
            self._own.shutdown(wait=True)

    def _submit(self, task: _Task) -> Optional[RangeResult[T]]:
        """The result, if not even this was possible."""
        try:
            future = self._executor.submit(_run, task)
        except (RuntimeError, OSError) as error:
            return _failure(task, SweepFailed(f"the executor does not take {_name(task)}: {error}"))
        self._running[future] = task
        future.add_done_callback(self._finished.put)
        return None

    def _count(self, result: RangeResult[T]) -> RangeResult[T]:
        self.done += 1
        self.failed += result.error is not None
        return result


@dataclass(frozen=True)
class _Task:
    """What goes to a worker. ``home``: the process that asks."""

    strategy: Callable[[Any], Any]
    client: Union[simsync.Client, MakeClient, None]
    create: Any
    parallel: bool
    attempts: int
    home: tuple[str, int]
    cancel: Optional[simsync.CancelToken]


def _run(task: _Task) -> RangeResult[Any]:
    """In the worker."""
    result = _attempts(task)
    return result if task.home == _process() else _sendable(task, result)


def _attempts(task: _Task) -> RangeResult[Any]:
    for attempt in range(1, task.attempts + 1):
        began = time.monotonic()
        session: Optional[AnySession] = None
        try:
            client = task.client() if callable(task.client) else task.client or simsync.Client()
            open_session = client.parallel if task.parallel else client.session
            with open_session(task.create, cancel=task.cancel) as session:
                value = task.strategy(session)
            error: Optional[BaseException] = None
        except BaseException as raised:  # noqa: BLE001 (a strategy that calls sys.exit fails its range only)
            value, error = None, raised
        result: RangeResult[Any] = RangeResult(
            task.create.start_slot,
            task.create.last_slot,
            value,
            error,
            None if session is None else session.run_summary,
            attempt,
            time.monotonic() - began,
            None if error is None else "".join(traceback.format_exception(type(error), error, error.__traceback__)),
        )
        if not isinstance(error, _TRANSIENT):
            break
    return result


def _sendable(task: _Task, result: RangeResult[Any]) -> RangeResult[Any]:
    """The result, or one that says why it cannot leave its process: an executor would say less, or break."""
    try:
        pickle.loads(pickle.dumps(result))  # some exceptions can be pickled and not restored
        return result
    except Exception as error:  # noqa: BLE001 (whatever the objects of the strategy raise)
        if result.error is None:
            reason = f"the value of {_name(task)} cannot be sent back from the worker ({type(error).__name__}: {error})"
        else:
            reason = f"{_name(task)} failed: {type(result.error).__name__}: {result.error}"
        return replace(result, value=None, error=SweepFailed(reason))


def _result_of(future: Future[Any], task: _Task) -> RangeResult[Any]:
    try:
        result: RangeResult[Any] = future.result()
    except CancelledError:
        return _failure(task, SweepFailed(f"{_name(task)} was cancelled before it was run"))
    except BrokenExecutor as error:
        return _failure(task, SweepFailed(f"the workers died before {_name(task)} was done ({error})"))
    except Exception as error:  # noqa: BLE001 (whatever the executor raises belongs to this range)
        return _failure(task, SweepFailed(f"{_name(task)} was not run: {type(error).__name__}: {error}"), error)
    return result


def _failure(task: _Task, error: SweepFailed, cause: Optional[BaseException] = None) -> RangeResult[Any]:
    error.__cause__ = cause
    return RangeResult(task.create.start_slot, task.create.last_slot, error=error)


def _name(task: _Task) -> str:
    return f"the range {task.create.start_slot} to {task.create.last_slot}"


def _process() -> tuple[str, int]:
    return _HOME, os.getpid()


def _check_pickles(argument: str, value: object) -> None:
    try:
        pickle.dumps(value)
    except Exception as error:
        rule = f"cannot be sent to another process; define it at the top of a module ({error})"
        raise InvalidParams(argument, value, rule) from error


def _listed(ranges: Union[Range, Iterable[Range]]) -> list[Any]:
    if isinstance(ranges, simsync.CreateSession) or (
        isinstance(ranges, tuple) and len(ranges) == 2 and all(isinstance(slot, int) for slot in ranges)
    ):
        return [ranges]
    return list(checks.items("ranges", ranges))


def _create(argument: str, value: object) -> simsync.CreateSession:
    if isinstance(value, simsync.CreateSession):
        return value
    if isinstance(value, tuple) and len(value) == 2:
        return simsync.CreateSession(*value)
    raise InvalidParams(argument, value, "must be (start_slot, end_slot) or a CreateSession(...)")


def _split(
    creates: list[simsync.CreateSession], client: Union[simsync.Client, MakeClient, None]
) -> list[simsync.CreateSession]:
    if not creates:
        return []
    here = client if isinstance(client, simsync.Client) else client() if client is not None else simsync.Client()
    available = here.available_ranges()
    return [
        replace(create, start_slot=piece.start_slot, end_slot=piece.end_slot, slot_count=None)
        for create in creates
        for piece in simsync.split_range(available, create.start_slot, create.last_slot)
    ]
