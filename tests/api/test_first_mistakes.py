"""Mistakes that would only show as silence, the deadline of a loop, and closing with the client."""

from __future__ import annotations

import pickle
import sysconfig
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import simsync
from simsync.sessions import first_mistakes
from tests.threads import is_waiting

SHORT = 0.2


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_mistakes, "IDLE", SHORT)


def run(loop: Any) -> None:
    with pytest.raises(simsync.EventTimeout):
        for _ in loop:
            pass


def test_a_loop_that_nobody_continues_warns_once_and_names_the_callers_line(
    client: simsync.Client, create: simsync.CreateSession
) -> None:
    with client.parallel(create, timeout=20) as session:
        sub = session.sub_sessions[0]
        with pytest.warns(simsync.UsageWarning, match=r"waits for a continue: .*events\(advance=10\)") as caught:
            run(sub.events(timeout=4 * SHORT))
        assert [warning.filename for warning in caught] == [__file__]
        run(sub.events(timeout=2 * SHORT))  # warnings are errors in this suite


def test_iterating_a_session_and_next_event_say_the_same(client: simsync.Client, create: simsync.CreateSession) -> None:
    with client.parallel(create, timeout=20) as session:
        one, other, _third = session.sub_sessions

        def forever() -> None:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                try:
                    for _event in one:
                        pass
                except simsync.Cancelled:
                    said.extend(caught)

        said: list[Any] = []
        thread = threading.Thread(target=forever)
        thread.start()
        assert is_waiting(thread)
        time.sleep(3 * SHORT)  # the time after which it warns is what is tested
        one.close()
        thread.join(20)
        assert any("advance=10" in str(warning.message) for warning in said)
        while not isinstance(other.next_event(timeout=20), simsync.ReadyForContinue):
            pass
        with pytest.warns(simsync.UsageWarning), pytest.raises(simsync.EventTimeout):
            other.next_event(timeout=3 * SHORT)


def test_a_merged_loop_that_nobody_continues_warns(client: simsync.Client, create: simsync.CreateSession) -> None:
    with client.parallel(create, timeout=20) as session:
        with pytest.warns(simsync.UsageWarning, match=r"for sub, event in session\.events\(advance=10\)") as caught:
            run(session.events(timeout=4 * SHORT))
        assert [warning.filename for warning in caught] == [__file__]


def test_a_loop_beside_a_thread_that_continues_does_not_warn(
    client: simsync.Client, create: simsync.CreateSession
) -> None:
    with client.parallel(create, timeout=20) as session:
        sub = session.sub_sessions[0]
        stepper = threading.Thread(target=lambda: sub.advance(1, timeout=20))
        stepper.start()
        stepper.join(20)
        run(sub.events(timeout=3 * SHORT))


def test_a_pair_that_is_taken_for_an_event_is_pointed_out(
    client: simsync.Client, create: simsync.CreateSession
) -> None:
    with client.parallel(create, timeout=20) as session:
        for pair in session.events(advance=1, timeout=20):
            with pytest.raises(AttributeError, match="for sub, event in"):
                _ = pair.slot  # type: ignore[attr-defined]
            with pytest.warns(simsync.UsageWarning, match="for sub, event in") as caught:
                assert not isinstance(pair, simsync.Event)
            assert caught[0].filename == __file__
            break
        for pair in session.events(advance=1, timeout=20):
            assert isinstance(pair, tuple)
            sub, event = pair
            assert pair == (sub, event)
            assert hash(pair) == hash((sub, event))
            break


def watched_pair() -> Any:
    (pair,) = first_mistakes.watched(iter([("sub", simsync.Slot(1))]), [None])
    return pair


def test_asking_whether_a_pair_is_a_tuple_is_no_mistake() -> None:
    pair = watched_pair()
    assert isinstance(pair, (list, tuple))  # warnings are errors in this suite
    found = isinstance(
        pair,
        (list, tuple),
    )
    assert found
    with pytest.warns(simsync.UsageWarning, match="for sub, event in"):
        assert not isinstance(pair, (simsync.Slot, simsync.Status))


@pytest.mark.parametrize(
    "file",
    [
        str(Path(sysconfig.get_path("purelib"), "library", "code.py")),
        str(Path("elsewhere", "site-packages", "library", "code.py")),
        str(Path("usr", "lib", "dist-packages", "library", "code.py")),
        str(Path(sysconfig.get_path("stdlib"), "library.py")),
        "mine.py",
    ],
)
def test_code_of_installed_packages_is_not_warned(file: str) -> None:
    code = compile("found = isinstance(pair, Slot)", file, "exec")
    names = {"pair": watched_pair(), "Slot": simsync.Slot}
    if file == "mine.py":
        with pytest.warns(simsync.UsageWarning, match="for sub, event in"):
            exec(code, names)
    else:
        exec(code, names)
    assert names["found"] is False


def test_a_watched_pair_is_a_tuple_for_everything_else() -> None:
    (pair,) = first_mistakes.watched(iter([("sub", simsync.Slot(1))]), [None])
    copied = pickle.loads(pickle.dumps(first_mistakes.Pair(("a", "b"))))
    assert type(copied) is tuple and copied == ("a", "b")
    assert repr(pair) == "('sub', Slot(slot=1))"
    left = [None] * 2
    kinds = [type(pair) for pair in first_mistakes.watched(iter([(1, 2)] * 4), left)]
    assert kinds == [first_mistakes.Pair] * 2 + [tuple] * 2


class Source:
    """A parallel session or one of its sub-sessions, for loops over plain events."""

    def __init__(self, session: simsync.ParallelSession, *, merged: bool) -> None:
        self._looped: Any = session if merged else session.sub_sessions[0]
        self._merged = merged
        self.sessions = len(session.sub_sessions) if merged else 1

    def events(self, **options: Any) -> Iterator[simsync.Event]:
        for event in self._looped.events(**options):
            yield event[1] if self._merged else event


@pytest.fixture(params=["merged", "single"])
def source(request: pytest.FixtureRequest, client: simsync.Client, create: simsync.CreateSession) -> Iterator[Source]:
    with client.parallel(create, timeout=20) as session:
        yield Source(session, merged=request.param == "merged")


def test_the_deadline_holds_for_the_whole_loop_and_loses_nothing(source: Source) -> None:
    seen: list[simsync.Event] = []
    began = time.monotonic()
    with pytest.raises(simsync.EventTimeout, match=r"deadline of the loop has passed \(0.3 s\)"):
        for event in source.events(advance=1, deadline=0.3):
            seen.append(event)
            time.sleep(0.05)  # a body that works, while events keep coming
    assert 0.3 <= time.monotonic() - began < 5
    seen += list(source.events(advance=5, timeout=20))
    slots = [event.slot for event in seen if isinstance(event, simsync.Slot)]
    assert len(slots) == len(set(slots)) == 6 * source.sessions


def test_a_deadline_that_passes_after_the_last_event_ends_the_loop_as_ever(source: Source) -> None:
    deadline = time.monotonic() + 2.0
    missing = source.sessions
    for event in source.events(advance=20, deadline=2.0):
        missing -= isinstance(event, simsync.Completed)
        while not missing and time.monotonic() < deadline + 0.01:
            pass  # the body for the last event takes longer
    assert not missing
    assert list(source.events(deadline=0.0)) == []


def test_a_deadline_that_passes_while_nothing_comes_is_named(source: Source) -> None:
    with pytest.raises(simsync.EventTimeout, match=r"deadline of the loop has passed \(0.2 s\)"):
        for _event in source.events(timeout=20, deadline=0.2):
            pass  # every engine waits for a continue


def test_a_client_closes_what_it_made(simulator: Any, create: simsync.CreateSession) -> None:
    with simsync.Client(simulator.url, simulator.api_key) as client:
        session = client.parallel(create, timeout=20)
        kept = client.parallel(create, timeout=20)
        kept.close()
    assert {sub.status for sub in session.sub_sessions} == {"closed"}
    for closed in (session, kept):
        with pytest.raises(simsync.ControlClosed, match="cannot subscribe any more"):
            closed.subscribe_transactions()


def test_fields_of_the_request_as_arguments_of_the_client_are_pointed_out(client: simsync.Client) -> None:
    wrong: Any = client
    for method in (wrong.parallel, wrong.session):
        with pytest.raises(simsync.InvalidParams, match=r"start_slot=1000: .* pass CreateSession\(start_slot=\.\.\.\)"):
            method(start_slot=1_000, end_slot=1_005)
        with pytest.raises(TypeError, match="unknown"):
            method(unknown=1)


def test_dir_of_sessions_leaves_out_what_is_not_for_callers(
    client: simsync.Client, create: simsync.CreateSession
) -> None:
    with client.parallel(create, timeout=20) as session:
        for one in (session, *session.sub_sessions):
            public = {name for name in dir(one) if not name.startswith("_")}
            assert {"events", "collect", "close", "coverage"} <= public
            assert public.isdisjoint(
                {"lifetime", "keep", "release", "turn", "is_idle", "end_subscriptions", "has_moved"}
            )


def test_dir_of_the_module_is_the_public_api() -> None:
    assert dir(simsync) == sorted(simsync.__all__)
    assert all(hasattr(simsync, name) for name in dir(simsync))
