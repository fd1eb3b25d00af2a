"""An error of the simulator ends its session with an error event, and nothing else."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from solders.account import Account
from solders.pubkey import Pubkey

from simsync.local import Block, Bundle, Ledger, Simulator
from simsync.local.backtest.stream import ExecutedTransaction
from simsync.local.engine.engine import Engine, EngineFailed
from simsync.local.engine.message_parts import MessageParts, keys_of

from .actors import encoded, transfer
from .bare import Control, Data, Dropped, Rpc, get, name_of

SLOT_HASHES = "SysvarS1otHashes111111111111111111111111111"


@pytest.fixture
def broken() -> Ledger:
    """A ledger with an account that the engine refuses."""
    bad = {Pubkey.from_string(SLOT_HASHES): Account(1, b"", Pubkey.default())}
    return Ledger([Block(slot, slot - 1, 1, 1_700_000_000, "1" * 32) for slot in (100, 101)], [Bundle(100, 101, bad)])


def failed(control: Control) -> str:
    message = control.until("error")[-1]
    return str(message["params"])


@pytest.mark.parametrize("by", ["continue", "rpc", "subscribe"])
def test_a_refused_account_of_the_ledger_fails_the_session(
    simulate: Callable[..., Simulator], broken: Ledger, by: str, caplog: pytest.LogCaptureFixture
) -> None:
    simulator = simulate(broken)
    with caplog.at_level(logging.INFO, "simsync.local"), Control(simulator) as control:
        session = control.create(100, 101)
        if by == "continue":
            control.proceed(1)
        elif by == "rpc":
            error = Rpc(simulator, session).error("getSlot")
            assert (error["code"], SLOT_HASHES in error["message"]) == (-32603, True)
        else:
            with Data(simulator, session) as data:
                assert data.call("slotSubscribe", [])["error"]["code"] == -32603
        assert SLOT_HASHES in failed(control)
        assert get(simulator, "/health").text == "ok"
        with Control(simulator) as another:
            assert another.create(100, 101)
    lines = [record for record in caplog.records if "failed" in record.getMessage()]
    assert len(lines) == 1
    assert lines[0].exc_info is None


def test_a_panic_in_a_transaction_fails_the_session(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    def panic(*_: Any) -> Any:
        raise EngineFailed("a test")

    with Control(simulator) as control:
        rpc = Rpc(simulator, control.create(1000, 1009))
        rpc.call("getSlot")
        monkeypatch.setattr(Engine, "execute", panic)
        sent = rpc.error("sendTransaction", encoded(transfer(1)), {"encoding": "base64", "skipPreflight": True})
        assert sent["message"] == "the session failed: a test"
        assert "a test" in failed(control)


def test_a_panic_of_rust_becomes_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class PanicException(BaseException):
        pass

    def panic(_: object) -> Any:
        raise PanicException("index out of bounds")

    engine = Engine({})
    message = MessageParts(transfer(1).message)
    with pytest.raises(EngineFailed, match="index out of bounds"):
        engine.run_guarded(panic, transfer(1), message, keys_of(message, engine.account))


def test_an_item_that_cannot_be_shown_fails_the_session(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: ExecutedTransaction) -> bytes:
        raise ValueError("cannot be shown")

    monkeypatch.setattr(ExecutedTransaction, "encoded", fail)
    with Control(simulator) as control:
        session = control.create(1000, 1009)
        with Data(simulator, session) as data:
            data.subscribe()
            with pytest.raises((Dropped, ConnectionError)):
                data.recv()
        assert "cannot be shown" in failed(control)
        control.proceed(1)
        assert name_of(control.until("error")[-1]) == "error"
