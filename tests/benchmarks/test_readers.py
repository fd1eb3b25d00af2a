"""Every reader gets every event once and in order, and says so when it did not."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Callable

import pytest

from benchmarks import streams, variants
from benchmarks.measures import MEASURES
from benchmarks.readers import imports
from benchmarks.readers.__main__ import reader
from benchmarks.results import missing
from benchmarks.runs import Variant, WrongEvents, read, serving
from benchmarks.stream import Stream
from tests.benchmarks import recorded

pytestmark = pytest.mark.timeout(600)
"""The first that needs the Rust peer builds it, which takes minutes while others use the machine, too."""

EVENTS, SESSIONS, TRANSACTIONS = 400, 16, 120
Served = Callable[[Variant], Stream]

ALL = dict.fromkeys([*(variant for measure in MEASURES for variant in measure.needs), *variants.HEAD_ROOM])
OTHERS = [name for name in streams.CLOSED_LOOPS if name != "closed loop, 8 x 10"]
"""They differ from that one in their numbers only."""
HERE = [variant for variant in ALL if variant.speed and variant.stream not in OTHERS]
"""Those that can run in this process."""
SLOTS, DATA = (streams.CONTROL, streams.CONTROL_TENTH, streams.MANY_SESSIONS, streams.PACED), (streams.TRANSACTIONS,)
RECEIVERS = [one for one in HERE if one.stream in SLOTS + DATA and "byte_counts" not in one.reader]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The stream of a variant; its server is started when it is first asked for."""
    running: dict[str, Stream] = {}
    data = str(recorded.write(tmp_path_factory.mktemp("data")))
    with contextlib.ExitStack() as stack:

        def find(variant: Variant) -> Stream:
            if variant.stream not in running:
                server = streams.server(variant.stream, EVENTS, SESSIONS)
                server = replace(server, events=TRANSACTIONS, data=data) if server.data else server
                server = replace(server, sessions=min(server.sessions, EVENTS))
                running[variant.stream] = stack.enter_context(serving(server))
            stream = running[variant.stream]
            return stream.over_tls() if variant.tls else stream

        yield find


@pytest.fixture(autouse=True)
def data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SIMSYNC_TEST_DATA", str(recorded.write(tmp_path)))
    monkeypatch.setattr(imports, "TIMES", 1)


def runnable(variant: Variant) -> Variant:
    reason = missing(variant)
    if reason is not None:
        pytest.skip(reason)
    return variant


@pytest.mark.parametrize("variant", HERE, ids=lambda one: f"{one.reader}, {one.stream}, {one.tls or one.core}")
def test_a_reader_gets_everything_once_and_in_order(served: Served, variant: Variant) -> None:
    stream = served(runnable(variant)) if variant.stream else Stream()
    run = reader(variant.reader)(stream)
    assert run.problems == []
    assert run.count > 0
    for measure in MEASURES:
        if variant in measure.needs:
            assert run.figure(measure.figure) >= 0  # few events may fit into memory that was there before


@pytest.mark.parametrize("variant", RECEIVERS, ids=lambda one: f"{one.reader}, {one.stream}, {one.tls}")
def test_a_reader_notices_what_is_missing(served: Served, variant: Variant) -> None:
    stream = served(runnable(variant))
    wrong = replace(stream, events=stream.events + 1, transactions=stream.transactions + 1)
    assert reader(variant.reader)(wrong).problems


@pytest.mark.parametrize("variant", [one for one in RECEIVERS if one.stream in DATA and "slots_only" not in one.reader])
def test_a_reader_notices_another_transaction(served: Served, variant: Variant) -> None:
    stream = served(runnable(variant))
    assert reader(variant.reader)(replace(stream, signatures=stream.signatures ^ 1)).problems


def test_a_process_without_speed_reads_the_same(served: Served) -> None:
    variant = variants.loop(False)
    stream = served(variant)
    assert read(variant, stream).problems == []
    with pytest.raises(WrongEvents, match=f"{EVENTS} slot events instead of {EVENTS + 1}"):
        read(variant, replace(stream, events=EVENTS + 1))


def test_without_speed_nothing_of_it_can_be_imported() -> None:
    script = (
        "from benchmarks.without import SPEED, forbid; forbid(SPEED);"
        "from simsync.wire import compression, json_codec;"
        "assert json_codec.loads is json_codec.loads_with_standard_library and not compression.is_available()"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
