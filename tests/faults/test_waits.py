"""Waits that are hard to end: a name that does not resolve, a mute RPC, an error of no known name; and Ctrl-C."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from types import FrameType
from typing import Any, Callable

import pytest

import simsync
from simsync.events import ReadyForContinue, Slot
from simsync.protocol.continue_cycle import ContinueCycle
from simsync.protocol.session_state import SessionState
from simsync.runtime.event_batch import EventBatch
from simsync.runtime.event_queue import EventQueue, ReadyQueues
from simsync.runtime.outbox import Outbox
from simsync.runtime.waiting import InterruptSafeCondition, deadline_after
from tests.runtime.scripted_control import Talk, answering_slots, scripted

from .proxy import CONTROL, DOWN, RAW, RPC, UP, Plan, Relay, in_front_of
from .small_run import FIRST, OPTIONS, SLOTS, Bench, left_threads

PATIENT = simsync.Options(backoff_initial=0.01, continue_grace=0.03, close_timeout=2.0)
"""With the long timeouts that the waits have by default, so that a test that waits for them fails."""

SOON = 10.0


@pytest.fixture
def unresolvable(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Names resolve, to nothing, once the event is set; it is set by the first question."""
    answer, asked = threading.Event(), threading.Event()

    def getaddrinfo(*_arguments: object, **_keywords: object) -> list[Any]:
        asked.set()
        answer.wait(60)
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield asked
    answer.set()


def test_a_name_that_does_not_resolve_in_time_is_no_connection(unresolvable: threading.Event) -> None:
    options = replace(PATIENT, connect_timeout=0.1, reconnect_attempts=1)
    with pytest.raises(simsync.ConnectError, match="no connection in time"):
        simsync.Client("ws://slow.example", "key", options=options).parallel(simsync.CreateSession(1, 9), timeout=SOON)
    assert unresolvable.is_set()


def test_resolving_a_name_can_be_cancelled(unresolvable: threading.Event) -> None:
    token = simsync.CancelToken()

    def cancel() -> None:
        assert unresolvable.wait(SOON)
        token.cancel()

    other = threading.Thread(target=cancel)
    other.start()
    client = simsync.Client("ws://slow.example", "key", options=replace(PATIENT, connect_timeout=50.0))
    with pytest.raises(simsync.Cancelled):
        client.parallel(simsync.CreateSession(1, 9), cancel=token)
    other.join()
    readers = [thread.name for thread in threading.enumerate() if thread.name == "simsync-reader"]
    assert not readers, "the reader still waits for the name"


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_a_name_that_resolves_too_late_is_not_connected_to(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name resolves after everybody has gone: the key stays here."""
    resolve, go_on = socket.getaddrinfo, threading.Event()

    def getaddrinfo(*arguments: Any, **keywords: Any) -> Any:
        assert go_on.wait(SOON)
        return resolve(*arguments, **keywords)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with socket.create_server(("127.0.0.1", 0)) as server:
        options = replace(PATIENT, connect_timeout=0.1, reconnect_attempts=0)
        with pytest.raises(simsync.ConnectError, match="no connection in time"):
            url = f"{scheme}://127.0.0.1:{server.getsockname()[1]}"
            simsync.Client(url, "key", options=options).parallel(simsync.CreateSession(1, 9))
        go_on.set()
        assert not left_threads()
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_closing_does_not_wait_for_the_rpc_that_a_subscription_asks(bench: Bench) -> None:
    continued, held, asked = threading.Event(), threading.Event(), threading.Event()

    def hold(relay: Relay, direction: str, unit: bytes) -> None:
        if continued.is_set():
            held.set()
            relay.pause(1.0)
        relay.send(direction, unit)

    def mute(relay: Relay, _direction: str, _unit: bytes) -> None:
        asked.set()
        relay.stall()

    # While a continue is not answered, a subscription that comes up has to ask where the engine stands.
    bench.proxy.use(Plan(hold, CONTROL, DOWN, None, times=1_000).and_also(mute, RPC, UP))
    with simsync.Client(bench.proxy.url, "local-dev-key", options=PATIENT).parallel(
        simsync.CreateSession(FIRST, slot_count=SLOTS), timeout=SOON
    ) as session:
        (sub, *_others) = session.sub_sessions
        sub.ensure_ready(timeout=SOON)
        continued.set()
        sub.send_continue(timeout=SOON)
        assert held.wait(SOON)
        sub.subscribe_transactions()
        assert asked.wait(SOON)
    assert not left_threads()


def test_closing_does_not_wait_for_the_rpc_that_is_asked_about_a_continue() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        deaf.settimeout(SOON)

        def losing(talk: Talk) -> None:
            talk.create(f"http://127.0.0.1:{deaf.getsockname()[1]}/rpc")
            talk.expect("continueSessionV1")
            talk.drop()

        def working(talk: Talk) -> None:
            talk.attach()
            talk.goodbye()

        with scripted(losing, working) as url:
            with simsync.Client(url, "key", options=PATIENT).parallel(simsync.CreateSession(1, 9), timeout=SOON) as one:
                one.sub_sessions[0].send_continue(timeout=SOON)
                question, _address = deaf.accept()
            with question:
                assert not left_threads()


def test_closing_does_not_wait_for_the_name_of_the_rpc_that_is_asked_about_a_continue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolve, asked, answer = socket.getaddrinfo, threading.Event(), threading.Event()

    def getaddrinfo(host: Any, *arguments: Any, **keywords: Any) -> Any:
        if host != "slow.example":
            return resolve(host, *arguments, **keywords)
        asked.set()
        answer.wait(60)
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    def losing(talk: Talk) -> None:
        talk.create("http://slow.example/rpc")
        talk.expect("continueSessionV1")
        talk.drop()

    def working(talk: Talk) -> None:
        talk.attach()
        talk.goodbye()

    with scripted(losing, working) as url:
        with simsync.Client(url, "key", options=PATIENT).parallel(simsync.CreateSession(1, 9), timeout=SOON) as one:
            one.sub_sessions[0].send_continue(timeout=SOON)
            assert asked.wait(SOON)
        left = {thread.name for thread in threading.enumerate() if thread.name.startswith("simsync-")}
        assert not left & {"simsync-reader", "simsync-inquiry"}, "they still wait for the name"
    answer.set()
    assert not left_threads()


def test_a_step_that_is_answered_by_an_error_of_no_known_name_ends() -> None:
    def confused(talk: Talk) -> None:
        talk.create()
        talk.expect("continueToSessionV1")
        talk.event(3, "status", {"status": "decodedTransactions"})
        talk.event(4, "error", {"engineOnHoliday": {"until": "monday"}})
        talk.expect("continueSessionV1")
        talk.event(5, "slotNotification", 9)
        talk.event(6, "completed", {"summary": None})
        talk.goodbye()

    with (
        scripted(confused) as url,
        simsync.Client(url, "key", options=OPTIONS).parallel(simsync.CreateSession(1, 9), timeout=SOON) as session,
    ):
        (sub,) = session.sub_sessions
        step = sub.continue_to(7, timeout=SOON)
        assert [error.name for error in step.errors] == ["engineOnHoliday"]
        assert sub.advance(8, timeout=SOON).completed


@pytest.mark.parametrize("endpoint", ["no address", "ftp://host/x", "http://", "http://user:secret@host/x"])
def test_an_endpoint_that_is_no_address_leaves_nothing_behind(endpoint: str) -> None:
    def confused(talk: Talk) -> None:
        talk.create(endpoint)
        talk.goodbye()

    with scripted(confused) as url:
        with pytest.raises(simsync.ProtocolError, match="RPC endpoint") as raised:
            simsync.Client(url, "key", options=OPTIONS).parallel(simsync.CreateSession(1, 9), timeout=SOON)
        assert not left_threads()
    assert "secret" not in str(raised.value)


def test_a_continue_that_was_not_wholly_written_goes_again() -> None:
    """The connection stops taking bytes in the middle of it, then breaks: nobody has to be asked."""
    huge = b"x" * 12_000_000  # more than the buffers on the way hold

    def losing(talk: Talk) -> None:
        talk.create(endpoint)
        talk.expect_end()

    def working(talk: Talk) -> None:
        talk.attach()
        assert len(talk.expect("continueSessionV1")["request"]["transactions"][0]) > len(huge)
        talk.event(3, "slotNotification", 9)
        talk.event(4, "completed", {"summary": None})
        talk.goodbye()

    def deaf(relay: Relay, _direction: str, _unit: bytes) -> None:
        relay.pause(0.3)
        relay.reset()

    with answering_slots([]) as (endpoint, called), scripted(losing, working) as url:
        with in_front_of(int(url.rsplit(":", 1)[1]), raw=True) as proxy:
            proxy.use(Plan(deaf, RAW, UP, 5_000))
            with simsync.Client(proxy.url, "key", options=PATIENT).parallel(
                simsync.CreateSession(1, 9), timeout=SOON
            ) as session:
                (sub,) = session.sub_sessions
                sub.send_continue(simsync.Continue(8, [huge]), timeout=SOON)
                assert isinstance(list(sub.events(timeout=SOON))[-1], simsync.Completed)
        assert called.empty()


# Ctrl-C: an exception that may come between any two instructions of the main thread.


@contextlib.contextmanager
def interrupting(when: Callable[[FrameType, str], bool]) -> Iterator[list[str]]:
    """Raise KeyboardInterrupt in this thread at the first moment for which ``when`` is true; where that was."""
    hits: list[str] = []

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        frame.f_trace_opcodes = True
        if not hits and when(frame, event):
            hits.append(f"{frame.f_code.co_name}:{frame.f_lineno}")
            raise KeyboardInterrupt
        return trace

    sys._getframe().f_trace_opcodes = True  # Python 3.12 looks only now whether any frame wants them
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield hits
    finally:
        sys.settrace(before)


def test_ctrl_c_at_any_instruction_leaves_a_queue_usable() -> None:
    moment = 0
    while _interrupt_queue(moment):
        moment += 1
    assert moment > 50


def _interrupt_queue(moment: int) -> bool:
    """Whether there was such a moment: so many instructions of ``event_queue.py`` after the call."""
    queue = EventQueue(SessionState("backtest_a"), ReadyQueues(), 60.0)
    queue.put(EventBatch([Slot(1), ReadyForContinue()]))
    count = 0

    def due(frame: FrameType, event: str) -> bool:
        nonlocal count
        here = event == "opcode" and frame.f_code.co_filename.endswith("event_queue.py")
        count += here
        return here and count > moment

    with interrupting(due) as hits, contextlib.suppress(KeyboardInterrupt):
        queue.next_batch(deadline_after(SOON))
    queue.put(EventBatch([Slot(2)]))
    assert queue.next_batch(deadline_after(0.0)) is not None, f"interrupted in {hits}"
    return bool(hits)


def test_ctrl_c_behind_taking_a_lock_does_not_leave_it_taken() -> None:
    """A condition is taken in Python code, which can be interrupted when it has taken it; a lock that is C cannot."""

    def taken(frame: FrameType, event: str) -> bool:
        return event == "return" and frame.f_code.co_name == "__enter__" and "threading" in frame.f_code.co_filename

    changed = InterruptSafeCondition(threading.RLock())
    outbox = Outbox(4, changed)
    outbox.open()
    with interrupting(taken) as hits, contextlib.suppress(KeyboardInterrupt):
        outbox.add_continue(ContinueCycle())
        outbox.take(deadline_after(0.01) or 0.0)
    assert is_free(changed.lock), f"interrupted in {hits}"

    def control(talk: Talk) -> None:
        talk.create()
        talk.goodbye()

    with answering_slots([]), scripted(control) as url:
        with simsync.Client(url, "key", options=OPTIONS).parallel(simsync.CreateSession(1, 9), timeout=SOON) as session:
            (sub,) = session.sub_sessions
            for call in (sub.ensure_ready, sub.queue.qsize, sub.release):
                with interrupting(taken) as hits, contextlib.suppress(KeyboardInterrupt):
                    call()
                assert is_free(sub.queue.mutex), f"interrupted in {hits}"
                assert is_usable(sub), f"interrupted in {hits}"


def is_usable(sub: simsync.SubSession) -> bool:
    """Asked in another thread: no lock of the connection is taken."""

    def ask() -> None:
        with contextlib.suppress(simsync.SimsyncError):
            sub.ensure_ready(timeout=0.0)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join(SOON)
    return not thread.is_alive()


def is_free(lock: Any) -> bool:
    """Asked in another thread, as these locks are reentrant."""
    found: list[bool] = []

    def look() -> None:
        found.append(lock.acquire(timeout=1.0))
        if found[0]:
            lock.release()

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    return found[0]
