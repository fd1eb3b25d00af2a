"""Compute units that transactions get beyond their limit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional

import pytest
from solders.compute_budget import request_heap_frame, set_compute_unit_limit, set_compute_unit_price
from solders.instruction import Instruction

from simsync.local import Block, Bundle, HistoricalTransaction, Ledger, Simulator
from simsync.local.engine.engine import Engine
from simsync.local.engine.programs import memo, system_transfer

from .actors import POOR, RICH, encoded, transaction, wallet
from .bare import Control, Rpc

SOL = 1_000_000_000
MEMO = memo(RICH.pubkey(), "x")
TRANSFER = system_transfer(RICH.pubkey(), POOR.pubkey(), SOL)
STARVED = transaction(set_compute_unit_limit(400), MEMO)


def limits(engine: Engine, *instructions: Instruction) -> list[str]:
    """Return the compute units that the memo program may use, from the log."""
    outcome = engine.execute(transaction(*instructions))
    assert outcome.error is None
    return [line.split(" of ")[1] for line in outcome.logs if " consumed " in line]


@pytest.mark.parametrize(
    ("instructions", "limit"),
    [
        ([MEMO], 200_000),
        ([TRANSFER, MEMO], 203_000 - 150),
        ([set_compute_unit_limit(50_000), MEMO], 50_000 - 150),
        ([set_compute_unit_limit(1_400_000), MEMO], 1_400_000 - 150),
        ([set_compute_unit_limit(2_000_000), MEMO], 1_400_000 - 150),
    ],
)
def test_they_are_added_to_the_limit_of_a_transaction(instructions: list[Instruction], limit: int) -> None:
    accounts = {RICH.pubkey(): wallet(9 * SOL), POOR.pubkey(): wallet(SOL)}
    assert limits(Engine(accounts), *instructions) == [f"{limit} compute units"]
    assert limits(Engine(accounts, extra_units=300_000), *instructions) == [f"{limit + 300_000} compute units"]


def test_the_fee_does_not_change() -> None:
    priced = transaction(set_compute_unit_price(1_000_000), request_heap_frame(64 * 1024), MEMO, TRANSFER)
    fees = []
    for extra in (0, 300_000):
        engine = Engine({RICH.pubkey(): wallet(9 * SOL), POOR.pubkey(): wallet(SOL)}, extra_units=extra)
        outcome = engine.execute(priced)
        assert outcome.error is None
        assert outcome.fee == engine.fee_of(priced.message)
        fees.append(outcome.fee)
    assert fees[0] == fees[1]


@pytest.mark.parametrize("extra", [None, 0, 100_000])
def test_a_session_gives_them_to_every_transaction(simulate: Callable[..., Simulator], extra: Optional[int]) -> None:
    history = HistoricalTransaction(bytes(STARVED), None, (), "")
    blocks = [
        Block(1000, 999, 1, 1_700_000_000, "1" * 32),
        Block(1001, 1000, 2, 1_700_000_000, "1" * 32, (history,)),
    ]
    simulator = simulate(Ledger(blocks, [Bundle(1000, 1001, {RICH.pubkey(): wallet(SOL)})]))
    with Control(simulator) as control:
        more = {} if extra is None else {"extraComputeUnits": extra}
        rpc = Rpc(simulator, control.create(1000, 1001, **more))
        simulated = rpc.value("simulateTransaction", encoded(STARVED), {"encoding": "base64"})
        control.proceed(1)
        control.until("completed")
        (executed,) = rpc.value("getSignatureStatuses", [str(STARVED.signatures[0])])
        for error in (simulated["err"], executed["err"]):
            assert (error is None) == bool(extra), error


def test_more_than_32_bits_are_refused(simulator: Simulator) -> None:
    with Control(simulator) as control:
        control.ask("createBacktestSession", {"startSlot": 1000, "endSlot": 1009, "extraComputeUnits": 2**32})
        assert "extraComputeUnits" in control.recv()["params"]["invalidRequest"]["error"]
