"""What holds for every test: nothing is left behind, and nothing hangs."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

with contextlib.suppress(ImportError):
    # A test that executes transactions in its own thread may leave that thread's x87 unit in a state in which numpy
    # measures its long doubles wrongly, and warns. It measures them when this module is imported.
    import numpy.ma  # noqa: F401

THREADS_END_WITHIN = 10.0
_DESCRIPTORS = "/proc/self/fd"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--thorough", action="store_true", help="more seeds, sizes and places: minutes instead of seconds")
    parser.addoption(
        "--write-reliability",
        action="store_true",
        help="with --thorough: write the table of docs/internals/reliability.md",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "thorough: a case that is run with --thorough only")
    if config.getoption("--write-reliability") and config.getoption("numprocesses", None):
        raise pytest.UsageError("--write-reliability counts in one process: leave out -n")
    # A shell starts what it runs in the background so that it ignores Ctrl-C, and each process of a test would, too.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Cases with the mark ``thorough`` are run with ``--thorough`` only."""
    if not config.getoption("--thorough"):
        left_out = [item for item in items if item.get_closest_marker("thorough")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("thorough")]


@pytest.fixture(scope="session")
def thorough(request: pytest.FixtureRequest) -> bool:
    """Whether the tests may take minutes."""
    return bool(request.config.getoption("--thorough"))


def _sockets() -> set[str]:
    names = set()
    # Before and after each of thousands of tests: pathlib takes more than twice as long.
    with contextlib.suppress(FileNotFoundError):
        for number in os.listdir(_DESCRIPTORS):  # noqa: PTH208
            with contextlib.suppress(OSError):
                names.add(os.readlink(f"{_DESCRIPTORS}/{number}"))  # noqa: PTH115
    return {name for name in names if name.startswith("socket:")}


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fail a test that leaves a thread or a socket."""
    threads = set(threading.enumerate())
    sockets = _sockets()
    yield
    give_up = time.monotonic() + THREADS_END_WITHIN
    while left := set(threading.enumerate()) - threads:
        for thread in left:
            assert time.monotonic() < give_up, f"the test left the thread {thread.name}"
            with contextlib.suppress(RuntimeError):  # it is listed before it has begun
                thread.join(max(0.0, give_up - time.monotonic()))
    # A simulator that serves a whole module closes its ends a moment after the test has closed its own.
    while _sockets() - sockets:
        assert time.monotonic() < give_up, "the test left a socket"
        gc.collect()
        time.sleep(0.01)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Recorded payloads that are not part of this repository; tests that need them are skipped without."""
    folder = Path(os.environ.get("SIMSYNC_TEST_DATA", "../shared/data"))
    if not folder.is_dir():
        pytest.skip(f"no recorded payloads in {folder} (set SIMSYNC_TEST_DATA)")
    return folder
