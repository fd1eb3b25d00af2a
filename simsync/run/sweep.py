"""One strategy over many ranges of slots, on threads, processes or machines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from queue import SimpleQueue
from threading import Lock
from types import TracebackType
from typing import Any, Callable, Generic, Optional, SupportsIndex, Union

from simsync.cancel import CancelToken
from simsync.client import Client
from simsync.errors import InvalidParams
from simsync.interruptible import take
from simsync.params import CreateSession, checks
from simsync.ranges import split_range
from simsync.run.path_like import PathLike
from simsync.run.sweep_capacity import InFlight
from simsync.run.sweep_journal import SweepJournal
from simsync.run.sweep_task import (
    ClientSource,
    RangeResult,
    SweepFailed,
    SweepSession,
    SweepTask,
    T,
    check_pickles,
    client_from,
    run_task,
    this_process,
)
from simsync.run.workers import DaemonThreads

__all__ = ["RangeResult", "Sweep", "SweepFailed", "SweepSession", "sweep"]

Range = Union[CreateSession, "tuple[SupportsIndex, SupportsIndex]"]


def sweep(
    strategy: Callable[[Any], T],
    ranges: Union[Range, Iterable[Range]],
    executor: Optional[Executor] = None,
    *,
    client: ClientSource = None,
    parallel: bool = False,
    workers: SupportsIndex = 4,
    attempts: SupportsIndex = 1,
    in_flight: Optional[SupportsIndex] = None,
    max_bytes: SupportsIndex = 256 * 1024 * 1024,
    capacity_wait: SupportsIndex = 900,
    journal: Optional[PathLike] = None,
) -> Sweep[T]:
    """Call ``strategy(session)`` for each range in a worker, and iterate over the results as they arrive.

    A failure of a range is in its result and does not disturb the others. Close the sweep, use it as a context
    manager, or iterate to its end.

    Args:
        strategy: A function of one session: a :class:`~simsync.BacktestSession`, or a
            :class:`~simsync.ParallelSession` with ``parallel``.
        ranges: One or many ranges, each as ``(start_slot, end_slot)``, both included, or as a
            :class:`~simsync.CreateSession` with further options. Unless ``parallel``, a range is split at the starts
            of bundles, and each piece gets its own session.
        executor: An executor of :mod:`concurrent.futures`, or one with the same interface, such as Dask's
            ``Client.get_executor()``. The caller closes it. By default the sweep uses ``workers`` threads of its own.
        client: A client, for threads. For processes and machines a function that makes a client there. By default
            each worker makes a client from ``SIMULATOR_URL`` and ``SIMULATOR_API_KEY``, so that the key is not sent.
        parallel: Run each range as one parallel session, which the server splits.
        workers: Threads, if no executor is given.
        attempts: How often a range is run at most. Only errors that may be temporary are retried: not a rejected key
            and not a range that does not exist.
        in_flight: How many ranges are submitted at most before their results are taken; by default two for each worker
            of the executor.
        max_bytes: How many bytes the results that wait to be taken may have, about; no further range is submitted
            until some are taken. It bounds memory if the results are large.
        capacity_wait: Seconds that the server may wait for capacity, for each range whose ``capacity_wait_timeout`` is
            not set.
        journal: A file for the results. If the sweep is repeated with the same file, results that it holds are
            delivered without running their ranges; failed ranges are run again. Values must be JSON then.

    Returns:
        An iterator of :class:`RangeResult`, in the order in which the ranges finish.

    Raises:
        InvalidParams: An argument is not valid, a range is not available, or the journal is of another sweep; nothing
            was run.
        OutputBusy: Another sweep writes the journal.
        ConnectError: The available ranges could not be read.
    """
    if not callable(strategy):
        raise InvalidParams("strategy", strategy, "must be a function of one session")
    if executor is not None and not callable(getattr(executor, "submit", None)):
        raise InvalidParams("executor", executor, "must have submit(), like the executors of concurrent.futures")
    parallel = checks.flag("parallel", parallel)
    threads = checks.integer("workers", workers, 1, checks.U32)
    most = checks.integer("attempts", attempts, 1, checks.U32)
    submitted = checks.optional_integer("in_flight", in_flight, 1, checks.U32)
    held = checks.integer("max_bytes", max_bytes, 1, checks.U64)
    wait = checks.integer("capacity_wait", capacity_wait, 0, checks.U16)
    same_process = executor is None or isinstance(executor, ThreadPoolExecutor)
    if client is not None and not callable(client) and not isinstance(client, Client):
        raise InvalidParams("client", client, "must be a Client, or a function that makes one")
    if isinstance(client, Client) and not same_process:
        rule = (
            "cannot be sent to another process, because its key must not leave this one: pass a function that makes a"
            " client there, or set SIMULATOR_URL and SIMULATOR_API_KEY there"
        )
        raise InvalidParams("client", client, rule)
    if isinstance(executor, ProcessPoolExecutor):
        check_pickles("strategy", strategy)
        check_pickles("client", client)
    creates = [_create(f"ranges[{index}]", one) for index, one in enumerate(_listed(ranges))]
    if creates and not parallel:
        creates = _split(creates, client_from(client))
    creates = [
        replace(create, capacity_wait_timeout=wait) if create.capacity_wait_timeout is None else create
        for create in creates
    ]
    # A token reaches sessions in this process only: close() cancels these and lets other workers finish their range.
    token = CancelToken() if same_process else None
    home = this_process()
    tasks = [
        SweepTask(index, strategy, client, create, parallel, most, home, token) for index, create in enumerate(creates)
    ]
    kept = None if journal is None else SweepJournal(journal, strategy, parallel, creates)
    own = DaemonThreads(min(threads, max(1, len(tasks))), "simsync-sweep") if executor is None else None
    limit = InFlight(executor, threads, submitted, held)
    return Sweep(executor or own, own, tasks, limit, token, kept)  # type: ignore[arg-type]  # one of the two is given


class Sweep(Generic[T]):
    """An iterator of :class:`RangeResult`, in the order in which the ranges finish. For one thread.

    Attributes:
        total: How many ranges there are.
        done: How many results were delivered.
        failed: How many of these have an error.
    """

    def __init__(
        self,
        executor: Executor,
        own: Optional[DaemonThreads],
        tasks: list[SweepTask[T]],
        limit: InFlight,
        token: Optional[CancelToken],
        journal: Optional[SweepJournal],
    ) -> None:
        self.total, self.done, self.failed = len(tasks), 0, 0
        self._executor, self._own, self._token, self._journal = executor, own, token, journal
        self._from_journal: Iterator[RangeResult[T]] = iter(() if journal is None else journal.done)
        known = set() if journal is None else {result.index for result in journal.done}
        self._waiting = iter([task for task in tasks if task.index not in known])
        self._limit = limit
        self._lock = Lock()  # guards what callbacks of the executor's threads share with the iterating thread
        self._running: dict[int, Future[RangeResult[T]]] = {}
        self._held = 0
        self._closed = False
        # A SimpleQueue can be waited on from one place for whatever range finishes first, without scanning all of them
        # for every result.
        self._finished: SimpleQueue[Union[RangeResult[T], BaseException]] = SimpleQueue()

    def __iter__(self) -> Iterator[RangeResult[T]]:
        return self

    def __next__(self) -> RangeResult[T]:
        known = next(self._from_journal, None)
        if known is not None:
            return self._count(known)
        while self._limit.allows(len(self._running), self._held):
            task = next(self._waiting, None)
            if task is None:
                break
            refused = self._submit(task)
            if refused is not None:
                return self._count(refused)
        if not self._running:
            self.close()
            raise StopIteration
        result = take(self._finished)
        if isinstance(result, BaseException):
            self.close()
            raise result
        with self._lock:
            del self._running[result.index]
            self._held -= result.size
        return self._count(result)

    def __enter__(self) -> Sweep[T]:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Run no further ranges. Closing twice is allowed.

        Sessions in threads of this process are cancelled, and the sweep's own threads have a few seconds to end.
        Workers in other processes finish the range that they are running; its result is dropped.
        """
        self._closed = True
        self._waiting, self._from_journal = iter(()), iter(())
        for future in list(self._running.values()):
            future.cancel()
        self._running.clear()
        if self._token is not None:
            self._token.cancel()
        if self._own is not None:
            self._own.shutdown()
        if self._journal is not None:
            self._journal.close()

    def _submit(self, task: SweepTask[T]) -> Optional[RangeResult[T]]:
        """Submit a range; returns its result only if the executor rejects it."""
        try:
            future = self._executor.submit(run_task, task)
        except (RuntimeError, OSError) as error:
            return task.not_run(SweepFailed(f"the executor rejected {task.name}: {error}"))
        self._running[task.index] = future
        future.add_done_callback(lambda done: self._finish(done, task))
        return None

    def _finish(self, future: Future[RangeResult[T]], task: SweepTask[T]) -> None:
        """Called in a thread of the executor. The result is in the journal before it is delivered."""
        if self._closed:
            return
        try:
            result = _result_of(future, task)
            if self._journal is not None:
                result = self._journal.add(result)
            with self._lock:
                self._held += result.size
                self._limit.saw(result.size)
            self._finished.put(result)
        except BaseException as error:  # noqa: BLE001 (raised by the iterating thread, which would wait for ever)
            self._finished.put(error)

    def _count(self, result: RangeResult[T]) -> RangeResult[T]:
        self.done += 1
        self.failed += result.error is not None
        return result


def _result_of(future: Future[RangeResult[T]], task: SweepTask[T]) -> RangeResult[T]:
    """The result of a finished future; what the executor raises belongs to this range."""
    try:
        return future.result()
    except CancelledError:
        return task.not_run(SweepFailed(f"{task.name} was cancelled before it was run"), failure="cancelled")
    except BrokenExecutor as error:
        return task.not_run(SweepFailed(f"the workers died before {task.name} was done ({error})"))
    except Exception as error:  # noqa: BLE001 (executors of other libraries raise their own exceptions)
        return task.not_run(SweepFailed(f"{task.name} was not run: {type(error).__name__}: {error}"), error)


def _listed(ranges: Union[Range, Iterable[Range]]) -> list[object]:
    if isinstance(ranges, CreateSession) or (
        isinstance(ranges, tuple) and len(ranges) == 2 and all(map(checks.is_integer, ranges))
    ):
        return [ranges]
    return list(checks.items("ranges", ranges))


def _create(argument: str, value: object) -> CreateSession:
    if isinstance(value, CreateSession):
        return value
    if isinstance(value, tuple) and len(value) == 2:
        return CreateSession(*value)
    raise InvalidParams(argument, value, "must be (start_slot, end_slot) or a CreateSession(...)")


def _split(creates: list[CreateSession], client: Client) -> list[CreateSession]:
    """The ranges, split at the starts of bundles: the only slots at which a single session may start."""
    available = client.available_ranges()
    return [
        replace(create, start_slot=piece.start_slot, end_slot=piece.end_slot, slot_count=None)
        for create in creates
        for piece in split_range(available, create.start_slot, create.last_slot)
    ]
