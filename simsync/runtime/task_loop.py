"""One thread that runs many tasks.

A task is a generator. Where a thread of its own would block, it yields a :class:`Wait`, and the loop goes on with it
when its socket is ready, its deadline has passed or another thread has woken it. It is not told which: it looks at its
state again, as after any wait for a condition.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import logging
import math
import selectors
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator
from typing import Any, Callable, NamedTuple, TypeVar

from simsync.runtime.exhaustion import exhaustion
from simsync.runtime.threads import spawn
from simsync.runtime.waiting import LONGEST_WAIT, InterruptSafeCondition, Waker

T = TypeVar("T")

_log = logging.getLogger("simsync.threads")


class Wait(NamedTuple):
    """What a task waits for, apart from being woken.

    ``deadline`` is in monotonic seconds. ``wanted``: READ, WRITE or both, of ``sock``.
    """

    deadline: float = math.inf
    sock: Any = None
    wanted: int = 0


GO_ON = Wait(-math.inf)
"""Let the other tasks run, then continue."""

Steps = Generator[Wait, None, T]


class Task:
    """A task of a loop. Any thread may :meth:`wake` it and wait for its end."""

    def __init__(self, loop: TaskLoop) -> None:
        self._loop = loop
        self._was_started = False
        self.has_ended = False
        # What follows belongs to the thread of the loop.
        self.steps: Steps[None] | None = None
        self.is_ready = False
        self.deadline = math.inf
        self.alarm = math.inf  # when the loop looks at its deadline
        self.watched: Any = None
        self.wanted = 0

    def start(self, steps: Steps[None]) -> None:
        """Let the thread of the loop run ``steps``. Raises Exhausted if it has none and cannot start one."""
        self._loop.add(self, steps)
        self._was_started = True

    def wake(self) -> None:
        """Let the task look at its state again. A wake-up before its next wait is not lost."""
        self._loop.wake(self)

    def join(self, timeout: float | None = None) -> bool:
        """Wait for its end, at most ``timeout`` seconds; True when it has ended. A task never waits for another."""
        if not self._was_started or self._loop.runs_here:
            return True
        deadline = None if timeout is None else time.monotonic() + timeout
        # wait: caller, closing | a task | it ends | the timeout given
        return self._loop.changed.wait_for(lambda: self.has_ended, deadline)

    def elsewhere(self, name: str, call: Callable[[], T]) -> Steps[T]:
        """Make a call that blocks in a thread of its own, ``simsync-<name>``, and wait for its result."""
        outcome: list[T] = []
        failure: list[BaseException] = []

        def run() -> None:
            try:
                outcome.append(call())
            except BaseException as error:  # noqa: BLE001  raised in the task
                failure.append(error)
            self.wake()

        spawn(name, run)
        while not outcome and not failure:
            # wait: subscription | the end of a call | its thread | as the call
            yield Wait()
        if failure:
            raise failure[0]
        return outcome[0]

    def unwatch(self) -> None:
        """Forget the socket that was waited for. For the task itself, before it closes the socket."""
        self._loop.unwatch(self)


class TaskLoop:
    """Runs tasks in one thread, which is there while there are tasks. The thread is named ``simsync-<name>``."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.RLock()  # guards what follows
        self.changed = InterruptSafeCondition(self._lock)
        self._tasks: set[Task] = set()
        self._started: threading.Thread | None = None
        self._runner: threading.Thread | None = None  # the one that runs the tasks
        self._waker: Waker | None = None
        self._woken: deque[Task] = deque()  # filled by any thread, without the lock
        # What follows belongs to the thread.
        self._selector: selectors.BaseSelector | None = None
        self._ready: deque[Task] = deque()
        self._alarms: list[tuple[float, int, Task]] = []
        self._numbers = itertools.count()

    # For all threads.

    @property
    def runs_here(self) -> bool:
        """Whether this is the thread of the loop."""
        return self._runner is threading.current_thread()

    def add(self, task: Task, steps: Steps[None]) -> None:
        with self._lock:
            # Under the lock: a task that was woken before may run from now on, but it cannot end before it is listed.
            task.steps = steps
            self._tasks.add(task)
            self._woken.append(task)
            if self._runner is not None or (self._started is not None and self._started.is_alive()):
                self._signal()
                return
            try:
                self._prepare()
                # Ctrl-C may come between the start and the assignment. A second thread ends at once.
                self._started = spawn(self._name, self._run)
            except Exception:
                self._tasks.discard(task)
                self._release()
                raise

    def wake(self, task: Task) -> None:
        self._woken.append(task)
        self._signal()

    def _signal(self) -> None:
        # Every time: a note that the thread is signalled already could be left behind by a Ctrl-C before the signal.
        waker = self._waker
        if waker is not None:
            waker.wake()

    def _prepare(self) -> None:
        """Raises Exhausted. Ctrl-C leaves what is not ready unassigned."""
        if self._waker is None:
            self._waker = Waker()
        if self._selector is None:
            try:
                selector = selectors.DefaultSelector()
            except OSError as error:
                raise exhaustion(error) or error from error
            selector.register(self._waker, selectors.EVENT_READ)
            self._selector = selector

    def _release(self) -> None:
        if self._tasks:
            return
        selector, self._selector = self._selector, None
        waker, self._waker = self._waker, None
        if selector is not None:
            selector.close()
        if waker is not None:
            waker.close()

    # The thread.

    def _run(self) -> None:
        with self._lock:
            if self._runner is not None:
                return
            self._runner = threading.current_thread()
        while True:
            with self._lock:
                if not self._tasks:
                    self._alarms.clear()
                    self._runner = self._started = None
                    self._release()
                    return
            try:
                self._turn()
            except Exception as error:  # noqa: BLE001  every task gets it
                _log.exception("the thread of %s failed", self._name)
                for task in list(self._tasks):
                    self._resume(task, error)

    def _turn(self) -> None:
        """Wait until a task is ready, and resume each that is, once."""
        assert self._selector is not None
        # wait: subscriptions | bytes, a wake-up | the peers; its waker | the next deadline of a task
        for key, _events in self._selector.select(self._timeout()):
            if key.data is not None:
                self._make_ready(key.data)
            elif self._waker is not None:
                self._waker.clear()  # before the woken tasks are taken: who is woken from now on signals again
        while self._woken:
            self._make_ready(self._woken.popleft())
        for task in self._due():
            self._make_ready(task)
        for _each in range(len(self._ready)):
            task = self._ready.popleft()
            task.is_ready = False
            self._resume(task)

    def _make_ready(self, task: Task) -> None:
        if not task.is_ready and not task.has_ended:
            task.is_ready = True
            self._ready.append(task)

    def _timeout(self) -> float | None:
        """In seconds; None without a limit."""
        if self._ready or self._woken:
            return 0.0
        if not self._alarms:
            return None
        return min(max(0.0, self._alarms[0][0] - time.monotonic()), LONGEST_WAIT)

    def _due(self) -> Iterator[Task]:
        """The tasks whose deadlines have passed.

        A deadline moves with each wait, nearly always to a later time. So a task has one alarm, which may be too early,
        and is then set again.
        """
        if not self._alarms:
            return
        now = time.monotonic()
        while self._alarms and self._alarms[0][0] <= now:
            when, _number, task = heapq.heappop(self._alarms)
            if when != task.alarm or task.has_ended:
                continue
            task.alarm = math.inf
            if task.deadline <= now:
                yield task
            else:
                self._set_alarm(task)

    def _set_alarm(self, task: Task) -> None:
        if task.deadline < task.alarm:
            task.alarm = task.deadline
            heapq.heappush(self._alarms, (task.alarm, next(self._numbers), task))

    def _resume(self, task: Task, error: Exception | None = None) -> None:
        if task.has_ended or task.steps is None:
            return
        try:
            wait = next(task.steps) if error is None else task.steps.throw(error)
        except StopIteration:
            self._end(task)
        except BaseException:  # noqa: BLE001  logged; also SystemExit: the other tasks go on
            _log.exception("a task of %s failed", self._name)
            self._end(task)
        else:
            try:
                self._park(task, wait)
            except (OSError, ValueError, KeyError) as unusable:  # a socket that cannot be waited for
                self._resume(task, unusable)  # the task says what that means

    def _park(self, task: Task, wait: Wait) -> None:
        if wait is GO_ON:
            self._make_ready(task)
            return
        if wait.sock is not task.watched or wait.wanted != task.wanted:
            self._watch(task, wait)
        task.deadline = wait.deadline
        self._set_alarm(task)

    def _watch(self, task: Task, wait: Wait) -> None:
        assert self._selector is not None
        if task.watched is not None and task.watched is wait.sock and wait.wanted:
            self._selector.modify(wait.sock, wait.wanted, task)
        else:
            self.unwatch(task)
            if wait.wanted:
                self._selector.register(wait.sock, wait.wanted, task)
                task.watched = wait.sock
        task.wanted = wait.wanted if task.watched is not None else 0

    def unwatch(self, task: Task) -> None:
        sock, task.watched, task.wanted = task.watched, None, 0
        if sock is not None and self._selector is not None:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(sock)

    def _end(self, task: Task) -> None:
        self.unwatch(task)
        task.steps = None
        with self._lock:
            task.has_ended = True
            self._tasks.discard(task)
            self.changed.notify_all()
