"""Upgrades that are refused, answered with nonsense, or not answered, once and each time, on both planes."""

from __future__ import annotations

from dataclasses import replace

import pytest

import simsync

from .faults import Refuse
from .proxy import CONTROL, DATA, UP, Plan, Proxy
from .small_run import ALERT, OPTIONS, Bench
from .tally import HONEST

FINAL = [300, 301, 302, 303, 307, 308, 400, 401, 403, 404]
PASSING = [200, 204, 402, 405, 408, 410, 426, 429, 500, 501, 502, 503, 504, 529, 999]

_UPGRADE = b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
NONSENSE: dict[str, bytes] = {
    "101 without a key": b"HTTP/1.1 101 Switching Protocols\r\n" + _UPGRADE + b"\r\n",
    "101 with a wrong key": b"HTTP/1.1 101 OK\r\n"
    + _UPGRADE
    + b"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
    "101 without an upgrade": b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\n\r\n",
    "100 and nothing more": b"HTTP/1.1 100 Continue\r\n\r\n",
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "status that is no number": b"HTTP/1.1 abc Fine\r\n\r\n",
    "status line only": b"HTTP/1.1 503\r\n\r\n",
    "header without a colon": b"HTTP/1.1 101 OK\r\nnonsense\r\n\r\n",
    "bytes that are no text": b"\xff\xfe\x00\x01" * 50 + b"\r\n\r\n",
    "zeros": b"\0" * 1000 + b"\r\n\r\n",
    "a header of 8 kilobytes": b"HTTP/1.1 101 OK\r\nX: " + b"x" * (1 << 13) + b"\r\n\r\n",
    "empty answer": b"",
    "length of the body that is no number": b"HTTP/1.1 503 Busy\r\nContent-Length: many\r\n\r\nbusy",
    "length of the body that is negative": b"HTTP/1.1 503 Busy\r\nContent-Length: -5\r\n\r\nbusy",
    "body that is shorter than it says": b"HTTP/1.1 503 Busy\r\nContent-Length: 100\r\n\r\nbusy",
}


def refusal(status: int, proxy: Proxy) -> bytes:
    location = f"Location: {proxy.url}/elsewhere\r\n" if 300 <= status < 400 else ""
    return f"HTTP/1.1 {status} No\r\n{location}Content-Length: 7\r\n\r\nsorry: ".encode()


@pytest.mark.parametrize("plane", [CONTROL, DATA])
@pytest.mark.parametrize("status", FINAL)
def test_a_refusal_for_good(bench: Bench, status: int, plane: str) -> None:
    """It comes out as an error at once, and no redirect is followed with the key."""
    plan = Plan(Refuse(refusal(status, bench.proxy)), plane, UP, 0, times=1_000)
    bench.case("refused upgrade", plan)
    assert plan.fired == 1
    with pytest.raises(simsync.SimsyncError, match=str(status)):
        bench.run()


@pytest.mark.parametrize("plane", [CONTROL, DATA])
def test_a_refusal_that_may_pass(bench: Bench, plane: str, thorough: bool) -> None:
    for status in PASSING if thorough else (429, 500, 503):
        plan = Plan(Refuse(refusal(status, bench.proxy)), plane, UP, 0, times=2)
        bench.case("refused upgrade", plan, must_equal=True)
        assert plan.fired == 2, status


@pytest.mark.parametrize("plane", [CONTROL, DATA])
@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_refusal_that_does_not_pass(bench: Bench, status: int, plane: str) -> None:
    plan = Plan(Refuse(refusal(status, bench.proxy)), plane, UP, 0, times=1_000)
    options = replace(OPTIONS, reconnect_attempts=3)
    assert bench.case("refused upgrade, each time", plan, options) == HONEST
    assert plan.fired == 4
    with pytest.raises(simsync.SimsyncError, match=str(status)):
        bench.run(options)


@pytest.mark.parametrize("plane", [CONTROL, DATA])
def test_an_answer_that_is_no_upgrade(bench: Bench, plane: str, thorough: bool) -> None:
    options = replace(ALERT, reconnect_attempts=2)
    for answer in list(NONSENSE.values())[:: 1 if thorough else 2]:
        plan = Plan(Refuse(answer), plane, UP, 0, times=2)
        bench.case("answer that is not an upgrade", plan, ALERT, must_equal=True)
        plan = Plan(Refuse(answer), plane, UP, 0, times=1_000)
        assert bench.case("answer that is not an upgrade, each time", plan, options) == HONEST, answer
