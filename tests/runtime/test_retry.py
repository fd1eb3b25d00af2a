"""The reconnect policy with a clock of its own: delays, budget, and when an outage is over."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from simsync.options import Options
from simsync.runtime.retry import Reconnectable, ReconnectPolicy

logger = logging.getLogger("test")


class World:
    """Time passes only by sleeping and by connections that were up."""

    def __init__(self, options: Options) -> None:
        self.now = 100.0
        self.slept: list[float] = []
        self.policy = ReconnectPolicy(options, logger, clock=lambda: self.now, uniform=lambda _a, b: b)

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))
        self.now += seconds

    def run(self, uptimes: list[float | None], progress: bool = False) -> None:
        """One connection after the other; each is lost after its uptime, None ends well."""
        remaining = iter(uptimes)

        def connection() -> None:
            uptime = next(remaining)
            if uptime is not None:
                self.now += uptime
                raise Reconnectable("lost", uptime, progress=progress and uptime > 0)

        for attempt in self.policy.attempts():
            if attempt.delay:
                self.sleep(attempt.delay)
            with attempt:
                connection()


def test_delays_double_up_to_the_cap_with_jitter() -> None:
    world = World(Options(backoff_initial=1.0, backoff_max=5.0, backoff_jitter=0.5))
    world.run([0.0] * 5 + [None])
    assert world.slept == [1.5, 3.0, 6.0, 7.5, 7.5]


def test_the_number_of_attempts_is_bounded() -> None:
    world = World(Options(reconnect_attempts=3, backoff_jitter=0.0))
    with pytest.raises(Reconnectable):
        world.run([0.0] * 10)
    assert len(world.slept) == 3


def test_the_time_of_an_outage_is_bounded_and_the_last_sleep_is_not_wasted() -> None:
    world = World(Options(reconnect_window=10.0, backoff_initial=4.0, backoff_max=4.0, backoff_jitter=0.0))
    with pytest.raises(Reconnectable):
        world.run([0.0] * 10)
    assert world.slept == [4.0, 4.0]


def test_a_connection_that_was_up_long_enough_ends_the_outage() -> None:
    world = World(Options(reconnect_attempts=2, uptime_reset=60.0, backoff_initial=1.0, backoff_jitter=0.0))
    world.run([0.0, 0.0, 60.0, 0.0, 61.0, 0.0, None])
    assert world.slept == [1.0, 2.0, 1.0, 2.0, 1.0, 2.0]


def test_a_flapping_server_gets_no_fresh_budget() -> None:
    world = World(Options(reconnect_attempts=4, uptime_reset=60.0))
    with pytest.raises(Reconnectable):
        world.run([59.0] * 10)
    assert len(world.slept) == 4


def test_progress_starts_attempts_window_and_backoff_anew() -> None:
    """A link that drops every 50 s while events flow, for hours."""
    world = World(Options(reconnect_attempts=3, reconnect_window=100.0, backoff_initial=1.0, backoff_jitter=0.0))
    world.run([50.0] * 200 + [None], progress=True)
    assert world.slept == [1.0] * 200


def test_the_backoff_after_progress_is_short() -> None:
    world = World(Options(backoff_initial=30.0, backoff_jitter=0.5))
    world.run([0.1, 0.0, 0.1, None], progress=True)
    assert world.slept == [2.0, 45.0, 2.0]


def test_failures_behind_progress_use_up_the_budget() -> None:
    world = World(Options(reconnect_attempts=3, backoff_jitter=0.0))
    with pytest.raises(Reconnectable):
        world.run([1.0, 1.0, 0.0, 0.0, 0.0, 1.0], progress=True)
    assert world.slept == [0.5, 0.5, 1.0, 2.0]


def test_zero_attempts_means_no_reconnect() -> None:
    world = World(Options(reconnect_attempts=0))
    with pytest.raises(Reconnectable):
        world.run([0.0])
    assert world.slept == []


def test_other_exceptions_are_not_retried() -> None:
    made = 0
    with pytest.raises(ZeroDivisionError):
        for attempt in ReconnectPolicy(Options(), logger).attempts():
            with attempt:
                made += 1
                raise ZeroDivisionError
    assert made == 1


def test_ctrl_c_is_no_failed_attempt() -> None:
    with pytest.raises(KeyboardInterrupt):
        for attempt in ReconnectPolicy(Options(), logger).attempts():
            with attempt:
                raise KeyboardInterrupt


WITHOUT_DESCRIPTORS = """
import logging, resource, sys
from simsync.options import Options
from simsync.runtime.exhaustion import Exhausted
from simsync.runtime.retry import Reconnectable, ReconnectPolicy

usual = resource.getrlimit(resource.RLIMIT_NOFILE)
free_again, attempts = int(sys.argv[1]), int(sys.argv[2])
delays = []
options = Options(reconnect_attempts=attempts, backoff_initial=1, backoff_max=1, backoff_jitter=0)
resource.setrlimit(resource.RLIMIT_NOFILE, (3, usual[1]))
try:
    for attempt in ReconnectPolicy(options, logging.getLogger("test")).attempts():
        delays.append(attempt.delay)
        if len(delays) > free_again:
            resource.setrlimit(resource.RLIMIT_NOFILE, usual)
        with attempt:
            if len(delays) < 6:
                raise Reconnectable("lost")
except Exhausted as limit:
    print("ulimit -n" in str(limit))
print(delays, "tenacity" in sys.modules)
"""


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs limits as Linux has them")
@pytest.mark.parametrize(
    ("free_again", "attempts", "expected"),
    [
        (0, 9, ["[0.0, 1.0, 1.0, 1.0, 1.0, 1.0] True"]),
        (3, 9, ["[0.0, 1.0, 1.0, 1.0, 1.0, 1.0] True"]),
        (9, 3, ["True", "[0.0, 1.0, 1.0, 1.0] False"]),
    ],
)
def test_attempts_continue_while_no_file_can_be_opened(free_again: int, attempts: int, expected: list[str]) -> None:
    """What decides about them is imported with the first one that can."""
    command = [sys.executable, "-c", WITHOUT_DESCRIPTORS, str(free_again), str(attempts)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == expected, done.stderr
