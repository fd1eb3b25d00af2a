"""Transactions of version 1, which solders 0.29 writes: the simulator refuses them, and the client reads them."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import solders.message
from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import to_bytes_versioned
from solders.transaction import VersionedTransaction

from simsync import InvalidParams
from simsync.local import Ledger, Simulator
from simsync.local.engine.programs import system_transfer
from simsync.wire.rpc import message_text
from simsync.wire.transaction_bytes import first_signature

from .actors import POOR, RICH, account_data
from .bare import Control, Rpc

V1: Any = getattr(solders.message, "MessageV1", None)
pytestmark = pytest.mark.skipif(V1 is None, reason="solders 0.27 knows no version 1")
UNKNOWN = "transactions of version 1 are not known here, only legacy ones and version 0"


def version_1(*signers: Keypair) -> VersionedTransaction:
    receiver = Keypair.from_seed(b"x" * 32).pubkey()
    pay = [system_transfer(one.pubkey(), receiver, 10**9) for one in signers]
    return VersionedTransaction(V1.try_compile(signers[0].pubkey(), pay, Hash.default()), list(signers))


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize("method", ["sendTransaction", "simulateTransaction", "getFeeForMessage"])
def test_calls_refuse_it(simulator: Simulator, method: str) -> None:
    sent = version_1(RICH)
    with Control(simulator) as control:
        rpc = Rpc(simulator, control.create(1000, 1009))
        rpc.call("modifyAccounts", {str(RICH.pubkey()): account_data(10**10)})
        if method == "getFeeForMessage":
            error = rpc.error(method, text(to_bytes_versioned(sent.message)))
        else:
            error = rpc.error(method, text(bytes(sent)), {"encoding": "base64"})
        assert error["code"] == -32602
        assert error["message"].endswith(UNKNOWN)
        assert rpc.value("getBalance", str(RICH.pubkey())) == 10**10


def test_a_continue_refuses_it(simulator: Simulator) -> None:
    with Control(simulator) as control:
        control.create(1000, 1009)
        control.ask("continue", {"advanceCount": 1, "transactions": [text(bytes(version_1(RICH)))]})
        error = control.until("error")[-1]["params"]
        assert error == {"invalidTransactionFormat": {"index": 0, "error": UNKNOWN}}


def test_a_ledger_refuses_its_bytes_and_invents_none(simulator: Simulator) -> None:
    row: dict[str, Any] = {"meta": None, "version": 1, "transaction": [text(bytes(version_1(RICH))), "base64"]}
    block = {"blockhash": "1" * 32, "parentSlot": 99, "transactions": [row]}
    with pytest.raises(InvalidParams, match="version 1 are not known here"):
        Ledger.from_blocks([(100, block)])
    sent = version_1(RICH)
    shown: dict[str, Any] = {
        "signatures": [str(one) for one in sent.signatures],
        "message": {
            "header": {"numRequiredSignatures": 1, "numReadonlySignedAccounts": 0, "numReadonlyUnsignedAccounts": 1},
            "accountKeys": [str(key) for key in sent.message.account_keys],
            "recentBlockhash": "1" * 32,
            "instructions": [{"programIdIndex": 2, "accounts": [0, 1], "data": "3Bxs"}],
        },
    }
    recorded = [(100, {**block, "transactions": [{**row, "transaction": shown}]})]
    with Simulator(Ledger.from_blocks(recorded)) as running, Control(running) as control:
        rpc = Rpc(running, control.create(100, 100))
        ask = {"maxSupportedTransactionVersion": 1}
        assert rpc.call("getTransaction", shown["signatures"][0], ask)["version"] == 1
        error = rpc.error("getTransaction", shown["signatures"][0], {**ask, "encoding": "base64"})
        assert error["message"] == "the JSON of a transaction of version 1 does not hold all of its bytes"
    with pytest.raises(InvalidParams, match="cannot be executed"):
        Ledger.from_blocks(recorded, execute=True)


@pytest.mark.parametrize("signers", [(RICH,), (RICH, POOR)])
def test_the_client_finds_its_signature_and_names_its_version(signers: tuple[Keypair, ...]) -> None:
    sent = version_1(*signers)
    assert first_signature(bytes(sent)) == str(sent.signatures[0])
    assert first_signature(b"\x81\x02" + bytes(90)) is None
    assert base64.b64decode(message_text("message", sent.message)) == to_bytes_versioned(sent.message)
