"""Faults of data sockets."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any, Optional

import pytest
import websocket

from simsync.errors import InvalidParams
from simsync.local import Faults, Simulator

from .bare import Control, Data, Dropped, Message

Start = Callable[..., Simulator]
SYSTEM = "1" * 32
TOTAL = 72
"""Transactions in slots 1000 to 1009."""


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def served(simulate: Start, faults: Faults) -> Iterator[tuple[Simulator, str]]:
    """A completed session over slots 1000 to 1009 that is still served."""
    simulator = simulate(faults=faults)
    with Control(simulator) as control:
        session = control.create(1000, 1009)
        control.proceed(100)
        control.until("completed")
        yield simulator, session


Served = tuple[Simulator, str]


def signature(message: Message) -> str:
    first: str = message["params"]["result"]["transaction"]["signatures"][0]
    return first


def test_drops_at_numbers_over_all_sockets(served: Served, faults: Faults) -> None:
    faults.drop_data_at(10).drop_data_at(11).drop_data_at(31)
    for expected in (10, 1, 20, TOTAL):
        with Data(*served) as data:
            data.subscribe()
            received = data.rest() if expected < TOTAL else list(data.results())
            assert len(received) == expected
            assert data.close_code is None
    assert faults.fired == ("drop_data_at",) * 3
    assert faults.notifications_sent == 31 + TOTAL
    assert faults.data_sockets_opened == faults.subscribes_received == 4
    assert faults.rules_left == 0


def test_random_drops_occur_where_they_were_planned(served: Served, faults: Faults) -> None:
    faults.random_drops(seed=5, count=6, control_messages=0, notifications=60)
    planned = sorted(number for _, number in faults.pending if number is not None)
    dropped: list[int] = []
    while faults.rules_left:
        with Data(*served) as data:
            data.subscribe()
            dropped.append(len(data.rest()) + (dropped[-1] if dropped else 0))
    assert len(planned) == 6
    assert dropped == planned


def test_random_drops_of_both_kinds() -> None:
    def plan(seed: int) -> tuple[tuple[str, Optional[int]], ...]:
        return Faults().random_drops(seed, 40, 50, 1000).pending

    assert plan(1) == plan(1) != plan(2)
    kinds = [what for what, _ in plan(1)]
    assert 10 < kinds.count("drop_control_after") < 30
    assert kinds.count("drop_data_at") == 40 - kinds.count("drop_control_after")
    assert len(set(plan(1))) == 40
    assert Faults().random_drops(1, 5, 5, 0).rules_left == 5
    with pytest.raises(InvalidParams):
        Faults().random_drops(1, 6, 5, 0)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_corrupt_notification(served: Served, faults: Faults, compressed: bool) -> None:
    faults.corrupt_data(3)
    config = {"compression": "zstd"} if compressed else {}
    zstandard: Any = pytest.importorskip("zstandard") if compressed else None
    with Data(*served) as data:
        data.subscribe(params=["all", config])
        inflate = zstandard.ZstdDecompressor().decompressobj() if compressed else None
        for number in range(1, 4):
            opcode, payload = data.recv_frame()
            assert opcode == (websocket.ABNF.OPCODE_BINARY if compressed else websocket.ABNF.OPCODE_TEXT)
            if number < 3:
                json.loads(inflate.decompress(payload) if inflate else payload)
            elif inflate:
                with pytest.raises(zstandard.ZstdError):
                    inflate.decompress(payload)
            else:
                with pytest.raises(ValueError, match=r"Expecting|Unterminated|delimiter"):
                    json.loads(payload)
                assert "transaction" in data.recv()["params"]["result"]
    assert faults.fired == ("corrupt_data",)


def test_the_first_compressed_notification_can_be_corrupt(served: Served, faults: Faults) -> None:
    zstandard = pytest.importorskip("zstandard")
    faults.corrupt_data(1)
    with Data(*served) as data:
        data.subscribe(params=["all", {"compression": "zstd"}])
        with pytest.raises(zstandard.ZstdError):
            zstandard.ZstdDecompressor().decompressobj().decompress(data.recv_frame()[1])


def test_a_duplicate(served: Served, faults: Faults) -> None:
    faults.duplicate_data(2)
    with Data(*served) as data:
        data.subscribe()
        one, two, again, other = (signature(data.recv()) for _ in range(4))
        assert two == again
        assert len({one, two, other}) == 3
    assert faults.notifications_sent >= 3


def test_a_close_with_1000_although_more_would_follow(served: Served, faults: Faults) -> None:
    faults.close_data(after=5)
    with Data(*served) as data:
        data.subscribe()
        assert len(data.rest()) == 5
        assert data.close_code == 1000


def test_a_drop_instead_of_the_end(served: Served, faults: Faults) -> None:
    faults.drop_at_terminal()
    for expected in (TOTAL, TOTAL + 1):
        with Data(*served) as data:
            data.subscribe()
            received = data.rest() if expected == TOTAL else [data.recv() for _ in range(expected)]
            assert len(received) == expected
    assert faults.fired == ("drop_at_terminal",)


def test_a_stalled_socket_continues_when_released(served: Served, faults: Faults) -> None:
    faults.stall_data(after=4)
    with Data(*served) as data:
        data.subscribe()
        before = [signature(data.recv()) for _ in range(4)]
        # A ping is answered at once, a request only after the release.
        data.raw.ping("still there?")
        assert data.raw.recv_data_frame(control_frame=True)[0] == websocket.ABNF.OPCODE_PONG
        data.send({"jsonrpc": "2.0", "id": 8, "method": "slotSubscribe", "params": []})
        data.raw.settimeout(0.2)
        with pytest.raises(websocket.WebSocketTimeoutException):
            data.recv()
        assert faults.data_sockets_stalled == 1
        faults.release_data()
        data.raw.settimeout(10)
        assert data.recv()["id"] == 8
        rest = [one for one in (data.recv() for _ in range(TOTAL - 4)) if one["method"] == "transactionNotification"]
        assert signature(rest[0]) not in before
        with Data(*served) as other:
            other.subscribe()
            assert len(list(other.results())) == TOTAL
    assert faults.data_sockets_stalled == 0


def test_a_dead_socket_answers_nothing(served: Served, faults: Faults) -> None:
    faults.stall_data(after=1, dead=True)
    with Data(*served) as data:
        data.subscribe()
        data.recv()
        deadline = time.monotonic() + 10
        while not faults.data_sockets_stalled:
            assert time.monotonic() < deadline
        data.raw.ping("still there?")
        data.raw.settimeout(0.2)
        with pytest.raises(websocket.WebSocketTimeoutException):
            data.raw.recv_data_frame(control_frame=True)
        faults.reset()
        data.raw.settimeout(10)
        while data.raw.recv_data_frame(control_frame=True)[0] != websocket.ABNF.OPCODE_PONG:
            pass


def test_closing_the_session_ends_a_stalled_socket(simulate: Start, faults: Faults) -> None:
    simulator = simulate(faults=faults.stall_data(after=1))
    with Control(simulator) as control:
        session = control.create(1000, 1009)
        with Data(simulator, session) as data:
            data.subscribe()
            data.recv()
            control.ask("closeBacktestSession")
            data.rest()
            assert data.close_code == 1001


def test_slow_and_delayed_notifications(served: Served, faults: Faults) -> None:
    faults.slow_data(0.03, times=5).delay_data(7, 0.2)
    with Data(*served) as data:
        begun = time.monotonic()
        data.subscribe()
        for _ in range(6):
            data.recv()
        middle = time.monotonic()
        data.recv()
        assert middle - begun >= 0.14
        assert time.monotonic() - middle >= 0.15
    assert faults.fired == ("slow_data", "delay_data")


def test_one_kind_lags_behind_the_others(simulate: Start, faults: Faults) -> None:
    simulator = simulate(faults=faults)

    def received() -> dict[str, list[Any]]:
        with Control(simulator) as control, Data(simulator, control.create(1000, 1009)) as data:
            diffs = [{"address": SYSTEM, "address_type": "program"}, {}]
            numbers = [data.subscribe("accountDiffSubscribe", diffs)]
            data.send({"jsonrpc": "2.0", "id": 1, "method": "transactionSubscribe", "params": ["all", {}]})
            found: dict[str, list[Any]] = {"order": [], "ends": []}
            while len(found["ends"]) < 2:
                message = data.recv()
                if "id" in message:
                    numbers.append(message["result"])
                    control.proceed(100)
                    continue
                result = message["params"]["result"]
                stem = message["method"][: -len("Notification")]
                assert message["params"]["subscription"] in numbers
                if result == {"completed": True}:
                    found["ends"].append(stem)
                else:
                    found.setdefault(stem, []).append(result)
                    found["order"].append(stem)
            return found

    healthy = received()
    faults.lag_data("accountDiff", 20)
    lagging = received()
    for stem in ("transaction", "accountDiff"):
        assert lagging[stem] == healthy[stem]
    assert sorted(lagging["ends"]) == ["accountDiff", "transaction"]
    assert lagging["order"][:20] == ["transaction"] * 20
    assert healthy["order"][0] == "accountDiff"
    with pytest.raises(InvalidParams):
        faults.lag_data("accountDiff", 0)


def test_notifications_held_back_are_dropped_on_unsubscribe(simulate: Start, faults: Faults) -> None:
    simulator = simulate(faults=faults.lag_data("slot", 1))
    with Control(simulator) as control, Data(simulator, control.create(1000, 1009)) as data:
        number = data.subscribe("slotSubscribe", [])
        assert data.call("slotUnsubscribe", [number])["result"] is True
        data.subscribe()
        control.proceed(100)
        assert all("transaction" in result for result in data.results())


def test_notifications_held_back_are_sent_even_if_the_end_is_withheld(served: Served, faults: Faults) -> None:
    faults.lag_data("slot", 1).withhold_terminal()
    with Data(*served) as data:
        data.subscribe("slotSubscribe", [])
        assert [data.recv()["params"]["result"]["slot"] for _ in range(9)][-1] == 1009


def test_refused_subscribes(served: Served, faults: Faults) -> None:
    faults.refuse_subscribe("not now", times=2).refuse_subscribe("never", method="slotSubscribe", code=-32000)
    with Data(*served) as data:
        for _ in range(2):
            reply = data.call("transactionSubscribe", ["all", {}])
            assert reply["error"] == {"code": -32603, "message": "not now"}
        data.send({"jsonrpc": "2.0", "id": 1, "method": "slotSubscribe", "params": []})
        assert data.recv()["error"] == {"code": -32000, "message": "never"}
        assert data.subscribe()
    assert (faults.subscribes_received, faults.subscribes_refused) == (4, 2 + 1)


def test_counts_start_again_after_a_reset(served: Served, faults: Faults) -> None:
    with Data(*served) as data:
        data.subscribe()
        list(data.results())
    assert faults.notifications_sent == TOTAL
    faults.reset().drop_data_at(2)
    assert faults.data_sockets_opened == faults.subscribes_received == 0
    with Data(*served) as data:
        data.subscribe()
        data.recv(), data.recv()
        with pytest.raises(Dropped):
            data.recv()
