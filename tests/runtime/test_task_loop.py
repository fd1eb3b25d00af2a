"""Tasks of one thread: what they wait for, who wakes them and how they end."""

from __future__ import annotations

import logging
import queue
import socket
import threading
import time

import pytest

from simsync.runtime.task_loop import GO_ON, Steps, Task, TaskLoop, Wait
from simsync.runtime.waiting import READ

LONG = 20.0


def started(loop: TaskLoop, steps: Steps[None]) -> Task:
    task = Task(loop)
    task.start(steps)
    return task


def runners() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "simsync-tasks"]


def test_all_tasks_share_one_thread_which_ends_with_the_last() -> None:
    loop = TaskLoop("tasks")
    seen: list[int] = []
    go = threading.Event()

    def steps(number: int) -> Steps[None]:
        while not go.is_set():
            yield Wait()
        seen.append(number)

    tasks = [started(loop, steps(number)) for number in range(50)]
    assert len(runners()) == 1
    (thread,) = runners()
    go.set()
    for task in tasks:
        task.wake()
    assert all(task.join(LONG) for task in tasks)
    thread.join(LONG)
    assert not thread.is_alive()
    assert sorted(seen) == list(range(50))
    assert started(loop, steps(50)).join(LONG)  # another thread begins
    assert seen[-1] == 50


def test_a_deadline_ends_a_wait_in_the_order_of_the_deadlines() -> None:
    loop = TaskLoop("tasks")
    order: list[str] = []

    def steps(name: str, seconds: float) -> Steps[None]:
        until = time.monotonic() + seconds
        yield Wait(until)
        assert time.monotonic() >= until
        order.append(name)

    tasks = [started(loop, steps("late", 0.1)), started(loop, steps("early", 0.03))]
    assert all(task.join(LONG) for task in tasks)
    assert order == ["early", "late"]


def test_a_deadline_may_move_both_ways() -> None:
    loop = TaskLoop("tasks")
    resumed: queue.SimpleQueue[float] = queue.SimpleQueue()

    def steps() -> Steps[None]:
        for seconds in (LONG, 0.01, LONG):
            resumed.put(seconds)
            yield Wait(time.monotonic() + seconds)

    task = started(loop, steps())
    began = time.monotonic()
    assert resumed.get(timeout=LONG) == LONG
    while resumed.empty():
        task.wake()  # it may not wait yet
    assert resumed.get(timeout=LONG) == 0.01
    assert resumed.get(timeout=LONG) == LONG  # the nearer deadline has passed, though the far one was set before
    assert time.monotonic() < began + LONG / 2
    assert not task.join(0.02)
    task.wake()
    assert task.join(LONG)


def test_a_socket_ends_a_wait() -> None:
    loop = TaskLoop("tasks")
    mine, theirs = socket.socketpair()
    received: list[bytes] = []

    def steps() -> Steps[None]:
        while len(received) < 2:
            yield Wait(sock=mine, wanted=READ)
            received.append(mine.recv(100))

    with mine, theirs:
        task = started(loop, steps())
        theirs.send(b"one")
        assert not task.join(0.02)
        theirs.send(b"two")
        assert task.join(LONG)
    assert received == [b"one", b"two"]


def test_a_task_that_goes_on_lets_the_others_run() -> None:
    loop = TaskLoop("tasks")
    other_ran = threading.Event()

    def busy() -> Steps[None]:
        while not other_ran.is_set():
            yield GO_ON

    def other() -> Steps[None]:
        other_ran.set()
        yield GO_ON

    tasks = [started(loop, busy()), started(loop, other())]
    assert all(task.join(LONG) for task in tasks)


def test_a_task_that_fails_is_logged_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    loop = TaskLoop("tasks")
    go = threading.Event()

    def broken() -> Steps[None]:
        yield GO_ON
        raise ZeroDivisionError("broken")

    def sound() -> Steps[None]:
        while not go.is_set():
            yield Wait()

    with caplog.at_level(logging.ERROR, "simsync"):
        good, bad = started(loop, sound()), started(loop, broken())
        assert bad.join(LONG)
    assert not good.has_ended
    go.set()
    good.wake()
    assert good.join(LONG)
    assert "broken" in caplog.text


def test_a_task_is_told_that_its_socket_cannot_be_waited_for() -> None:
    loop = TaskLoop("tasks")
    told: list[str] = []
    closed, other = socket.socketpair()
    closed.close()
    other.close()

    def steps() -> Steps[None]:
        try:
            yield Wait(sock=closed, wanted=READ)
        except ValueError as error:
            told.append(str(error))

    assert started(loop, steps()).join(LONG)
    assert len(told) == 1


@pytest.mark.parametrize("fails", [False, True])
def test_a_call_elsewhere(fails: bool) -> None:
    loop = TaskLoop("tasks")
    results: list[object] = []

    def call() -> str:
        if fails:
            raise LookupError("not there")
        return threading.current_thread().name

    def steps() -> Steps[None]:
        try:
            results.append((yield from task.elsewhere("question", call)))
        except LookupError as error:
            results.append(str(error))

    task = Task(loop)
    task.start(steps())
    assert task.join(LONG)
    assert results == ["not there" if fails else "simsync-question"]


def test_a_task_does_not_wait_for_another() -> None:
    loop = TaskLoop("tasks")
    joined: list[bool] = []

    def waiting() -> Steps[None]:
        while not joined:
            yield Wait()

    def joining() -> Steps[None]:
        joined.append(first.join())
        first.wake()
        yield GO_ON

    first = started(loop, waiting())
    assert started(loop, joining()).join(LONG)
    assert first.join(LONG)
    assert joined == [True]


def test_no_wake_up_is_lost_between_many_threads() -> None:
    """A thread wakes its task and waits for the answer, again and again, while others do the same."""
    loop = TaskLoop("tasks")
    rounds = 3_000

    def steps(asked: queue.SimpleQueue[int], answered: queue.SimpleQueue[int]) -> Steps[None]:
        done = 0
        while done < rounds:
            while asked.empty():
                yield Wait()
            answered.put(asked.get())
            done += 1

    def ask() -> None:
        asked: queue.SimpleQueue[int] = queue.SimpleQueue()
        answered: queue.SimpleQueue[int] = queue.SimpleQueue()
        task = started(loop, steps(asked, answered))
        for number in range(rounds):
            asked.put(number)
            task.wake()
            assert answered.get(timeout=LONG) == number
        finished.append(task.join(LONG))

    finished: list[bool] = []
    threads = [threading.Thread(target=ask) for _each in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert finished == [True] * 4


def test_a_task_that_is_woken_before_it_starts_does_not_keep_the_thread() -> None:
    loop = TaskLoop("tasks")

    def nothing() -> Steps[None]:
        yield GO_ON

    def wake(task: Task) -> None:
        for _again in range(20):
            task.wake()

    for _each in range(300):
        keeper, task = started(loop, nothing()), Task(loop)
        waking = threading.Thread(target=wake, args=(task,))
        waking.start()
        task.start(nothing())
        waking.join()
        assert task.join(LONG)
        assert keeper.join(LONG)
    for thread in runners():
        thread.join(LONG)
    assert runners() == []
