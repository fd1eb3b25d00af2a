"""RPC calls that run transactions."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from solders.account import Account
from solders.hash import Hash
from solders.message import Message
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from simsync.local.engine.engine import LAMPORTS_PER_SIGNATURE
from simsync.local.engine.error_texts import describe_error
from simsync.local.engine.programs import SYSTEM_PROGRAM, system_transfer
from simsync.local.rpc.accounts import shown_account, with_context
from simsync.local.rpc.chain import latest_blockhash
from simsync.local.rpc.params import (
    INTERNAL_ERROR,
    PREFLIGHT_FAILED,
    RpcFault,
    address,
    config_at,
    invalid,
    required,
    transaction,
    unsigned,
)
from simsync.local.solana_json import inner_instructions_json, return_data_json

if TYPE_CHECKING:
    from simsync.local.backtest.backtest import Backtest
    from simsync.local.engine.transactions import Outcome

_FAUCET = Pubkey.from_bytes(hashlib.sha256(b"simsync-local/faucet").digest())
"""It gets the lamports of each airdrop as an override and sends them on."""


def simulate_transaction(backtest: Backtest, params: list[Any]) -> Any:
    config = config_at(params, 1)
    wanted = transaction(required(params, 0, "transaction"), config.get("encoding") or "base58")
    engine = backtest.engine
    outcome, written = engine.simulate(wanted)
    value = _simulated(outcome)
    accounts = config.get("accounts")
    if isinstance(accounts, dict):
        keys = [address(item) for item in accounts.get("addresses") or []]
        form = {"encoding": accounts.get("encoding")}
        value["accounts"] = [
            shown_account(backtest, written[key] if key in written else engine.account(key), form, "base64")
            for key in keys
        ]
    if config.get("innerInstructions"):
        value["innerInstructions"] = inner_instructions_json(outcome)
    if config.get("replaceRecentBlockhash"):
        value["replacementBlockhash"] = latest_blockhash(backtest)
    return with_context(backtest, value)


def send_transaction(backtest: Backtest, params: list[Any]) -> str:
    config = config_at(params, 1)
    wanted = transaction(required(params, 0, "transaction"), config.get("encoding") or "base58")
    if not wanted.signatures:
        raise invalid("the transaction has no signature")
    if not config.get("skipPreflight"):
        _preflight(backtest, wanted)
    shown = backtest.inject(wanted)
    backtest.stream.wake()
    return shown.signature


def request_airdrop(backtest: Backtest, params: list[Any]) -> str:
    """Give an account lamports: an override of a faucet, and a transfer from it that can be confirmed."""
    receiver = address(required(params, 0, "address"))
    lamports = unsigned(required(params, 1, "lamports"), "lamports")
    engine = backtest.engine
    backtest.override([(_FAUCET, Account(lamports + LAMPORTS_PER_SIGNATURE, b"", SYSTEM_PROGRAM))])
    # The number makes each signature another one.
    seed = f"simsync-local/airdrop/{backtest.slot}/{backtest.history.count}/{receiver}/{lamports}".encode()
    message = Message.new_with_blockhash(
        [system_transfer(_FAUCET, receiver, lamports)], _FAUCET, Hash.from_string(backtest.blockhash)
    )
    shown = backtest.inject(VersionedTransaction.populate(message, [Signature(hashlib.sha512(seed).digest())]))
    backtest.stream.wake()
    if shown.error is not None:
        left = engine.balance(_FAUCET)
        raise RpcFault(
            INTERNAL_ERROR, f"airdrop request failed: {describe_error(shown.error)}; the faucet keeps {left} lamports"
        )
    return shown.signature


def _preflight(backtest: Backtest, wanted: VersionedTransaction) -> None:
    outcome, _ = backtest.engine.simulate(wanted)
    if outcome.error is not None:
        text = f"Transaction simulation failed: {describe_error(outcome.error)}"
        raise RpcFault(PREFLIGHT_FAILED, text, _simulated(outcome))


def _simulated(outcome: Outcome) -> dict[str, Any]:
    return {
        "err": outcome.error,
        "logs": outcome.logs,
        "accounts": None,
        "unitsConsumed": outcome.units,
        "returnData": return_data_json(outcome),
    }
