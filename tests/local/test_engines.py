"""Engines are given back, and parked ones go on where they stopped."""

from __future__ import annotations

import time
from collections.abc import Callable

from solders.instruction import Instruction

from simsync.local import Ledger, Simulator
from simsync.local.backtest.backtest import Backtest
from simsync.local.backtest.engines import Engines
from simsync.local.backtest.messages import Advance, Plan
from simsync.local.behaviour import Behaviour
from simsync.local.engine.programs import NATIVE_MINT, OLD_MEMO_PROGRAM

from .actors import POOR, RICH, account_data, encoded, transaction
from .bare import Control, Rpc


def summary_of(ledger: Ledger, most: int) -> list[tuple[int, int]]:
    """Advance the sessions of all bundles in turn, with at most that many engines; return what was correct."""
    engines = Engines(most)
    sessions = [
        Backtest(ledger, Plan(bundle.start_slot, bundle.end_slot, send_summary=True), Behaviour(), None, engines)
        for bundle in ledger.bundles
    ]
    for _ in range(12):
        for session in sessions:
            for _step in session.advance(Advance(1)):
                assert len(engines) <= most
    return [(session.summary.correct, session.summary.incorrect) for session in sessions]


def test_parked_engines_execute_as_recorded(ledger: Ledger) -> None:
    found = summary_of(ledger, 1)
    assert found == summary_of(ledger, 4)
    assert [incorrect for _, incorrect in found] == [0] * 4
    assert min(correct for correct, _ in found) >= 56


def test_a_parked_session_keeps_its_accounts(simulate: Callable[..., Simulator]) -> None:
    simulator = simulate(max_engines=1)
    with Control(simulator) as first, Control(simulator) as second:
        rpc, other = Rpc(simulator, first.create(1000, 1009)), Rpc(simulator, second.create(1010, 1019))
        rpc.call("modifyAccounts", {str(RICH.pubkey()): account_data(77_000_000)})
        assert other.call("getSlot") == 1010
        assert rpc.value("getBalance", str(RICH.pubkey())) == 77_000_000
        assert other.value("getBalance", str(RICH.pubkey())) == 0
        assert rpc.call("getSlot") == 1000


def test_a_parked_session_keeps_its_removals(simulate: Callable[..., Simulator]) -> None:
    simulator = simulate(max_engines=1)
    call = encoded(transaction(Instruction(OLD_MEMO_PROGRAM, b"x", [])))
    gone = [str(POOR.pubkey()), str(NATIVE_MINT), str(OLD_MEMO_PROGRAM)]
    with Control(simulator) as first, Control(simulator) as second:
        rpc, other = Rpc(simulator, first.create(1000, 1009)), Rpc(simulator, second.create(1010, 1019))
        given = {str(RICH.pubkey()): account_data(77_000_000), gone[0]: account_data(5)}
        rpc.call("modifyAccounts", given)
        assert None not in rpc.value("getMultipleAccounts", gone)
        supply = rpc.value("getSupply")["total"]
        rpc.call("modifyAccounts", {address: account_data(0) for address in gone})
        failed = rpc.value("simulateTransaction", call, {"encoding": "base64"})["err"]
        for _ in range(2):
            assert rpc.value("getMultipleAccounts", gone) == [None] * 3
            assert rpc.value("simulateTransaction", call, {"encoding": "base64"})["err"] == failed is not None
            assert rpc.value("getSupply")["total"] < supply
            assert None not in other.value("getMultipleAccounts", gone[1:])
            assert simulator.engines() == 1


def test_a_completed_session_that_lost_its_control_gives_up_its_engine(simulator: Simulator) -> None:
    engines = simulator.engines
    with Control(simulator) as control:
        session = control.create(1000, 1009, disconnectTimeoutSecs=900)
        control.proceed(100)
        control.until("completed")
        assert engines() == 1
    limit = time.monotonic() + 10
    while engines() and time.monotonic() < limit:
        time.sleep(0.01)
    assert engines() == 0
    # It is still served until its timeout.
    assert Rpc(simulator, session).call("getSlot") == 1009


def test_a_closed_session_gives_up_its_engine_at_once(simulator: Simulator) -> None:
    with Control(simulator) as control:
        Rpc(simulator, control.create(1000, 1009)).call("getSlot")
        assert simulator.engines() == 1
        control.ask("closeBacktestSession")
        control.until("success")
        assert simulator.engines() == 0
