"""Threads that drive the sessions of a run, and how they are ended."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import Callable, Optional, TypeVar

from simsync.cancel import CancelToken
from simsync.errors import Cancelled
from simsync.interruptible import take

logger = logging.getLogger("simsync.run")

GRACE = 5.0
"""Seconds that the threads of a cancelled run have to end."""

T = TypeVar("T")

_left: set[threading.Thread] = set()


def left_behind() -> bool:
    """True while a strategy runs that did not end in time. It may have begun threads that the interpreter waits for."""
    return any(thread.is_alive() for thread in _left)


@contextmanager
def cancel_after(seconds: float | None, token: CancelToken) -> Iterator[None]:
    """Fire a token if the block takes longer than ``seconds``; None sets no limit."""
    if seconds is None:
        yield
        return
    timer = threading.Timer(seconds, token.cancel, [f"the deadline of {seconds:g} s has passed"])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def call_for_each(
    function: Callable[[T], object], items: Sequence[T], workers: int | None, cancel: CancelToken
) -> list[Optional[BaseException]]:
    """Call a function for each item, each in a thread of its own, and wait for all.

    Unlike :meth:`simsync.ParallelSession.map` it does not wait for ever: after the token was fired, or after Ctrl-C or
    a signal handler that raises, threads that do not end within :data:`GRACE` are left behind. They are daemons, so
    they do not keep the process.

    Args:
        function: Called with one item.
        items: The items.
        workers: How many threads at most; None for one per item.
        cancel: Ends the waiting; fired by an interrupt.

    Returns:
        What each call raised, in the order of the items; None if it returned.

    Raises:
        Cancelled: Threads were left behind.
        KeyboardInterrupt: The waiting thread was interrupted.
    """
    calls = _Calls(function, items, cancel)
    forget = cancel.on_cancel(calls.cancelled)
    try:
        return calls.run(len(items) if workers is None else min(workers, len(items)))
    finally:
        forget()


class _Calls:
    def __init__(self, function: Callable[[T], object], items: Sequence[T], cancel: CancelToken) -> None:
        self._cancel = cancel
        self._calls = [lambda item=item: function(item) for item in items]
        self._errors: list[Optional[BaseException]] = [Cancelled("was not started") for _ in items]
        self._waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        for index in range(len(items)):
            self._waiting.put(index)
        # One item for each thread that has ended, and None when the token fires.
        self._ended: queue.SimpleQueue[Optional[str]] = queue.SimpleQueue()
        self._running: dict[str, threading.Thread] = {}
        self._deadline: Optional[float] = None

    def cancelled(self) -> None:
        """Wake the waiting thread. Called by any thread or a signal handler."""
        self._ended.put(None)

    def run(self, threads: int) -> list[Optional[BaseException]]:
        try:
            for number in range(threads):
                thread = threading.Thread(target=self._work, name=f"simsync-run-{number}", daemon=True)
                self._running[thread.name] = thread
                thread.start()
            self._wait()
        except KeyboardInterrupt:
            # Wherever it came; a second one does not wait.
            self._cancel.cancel()
            self._wait()
            raise
        if self._running:
            raise Cancelled("the run was cancelled; a strategy that did not end was left behind")
        return self._errors

    def _wait(self) -> None:
        """Wait until all threads have ended, or until the grace after a cancel is over."""
        while self._running:
            try:
                ended = take(self._ended, self._deadline)
            except queue.Empty:
                _left.update(self._running.values())
                logger.warning("%d strategies did not end within %g s and were left", len(self._running), GRACE)
                return
            if ended is None:
                self._deadline = time.monotonic() + GRACE
            else:
                self._running.pop(ended, None)

    def _work(self) -> None:
        try:
            while not self._cancel.cancelled:
                index = self._waiting.get_nowait()
                try:
                    self._calls[index]()
                    self._errors[index] = None
                except BaseException as error:  # noqa: BLE001 (raised by the waiting thread)
                    self._errors[index] = error
        except queue.Empty:
            pass
        finally:
            self._ended.put(threading.current_thread().name)


class DaemonThreads(Executor):
    """An executor of daemon threads: unlike those of the standard library they do not keep the process from ending.

    Args:
        count: How many threads.
        name: The beginning of their names.
    """

    def __init__(self, count: int, name: str) -> None:
        self._calls: queue.SimpleQueue[Optional[Callable[[], None]]] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True) for number in range(count)
        ]
        self._started = False

    def submit(self, fn: Callable[..., T], /, *arguments: object, **keywords: object) -> Future[T]:
        """Call a function in one of the threads; see :meth:`concurrent.futures.Executor.submit`."""
        future: Future[T] = Future()

        def call() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(fn(*arguments, **keywords))
                except BaseException as error:  # noqa: BLE001 (raised by whoever takes the result)
                    future.set_exception(error)

        self._calls.put(call)
        if not self._started:
            self._started = True
            for thread in self._threads:
                thread.start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the threads once their calls have ended, and wait for it, at most :data:`GRACE` seconds."""
        for _thread in self._threads:
            self._calls.put(None)
        deadline = time.monotonic() + GRACE
        for thread in self._threads if self._started and wait else ():
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                _left.add(thread)

    def _work(self) -> None:
        while True:
            call = self._calls.get()
            if call is None:
                return
            call()
