"""JSON-RPC calls about transactions and blockhashes."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from solders.message import from_bytes_versioned

from simsync.local.encoding import encode_base58
from simsync.local.executed import ExecutedTransaction
from simsync.local.rpc_accounts import shown_account, with_context
from simsync.local.rpc_errors import PREFLIGHT_FAILED, RpcFault
from simsync.local.rpc_params import address, binary, config_at, invalid, required, transaction
from simsync.local.transaction_error import describe_error
from simsync.local.transaction_json import inner_instructions_json, return_data_json

if TYPE_CHECKING:
    from solders.transaction import VersionedTransaction

    from simsync.local.engine import Outcome
    from simsync.local.session import Session

BLOCKHASH_LIFETIME = 150
"""Blocks for which validators accept a blockhash; here every blockhash is accepted."""
MAX_SIGNATURES = 256


def _get_latest_blockhash(session: Session, params: list[Any]) -> Any:
    backtest = session.backtest
    backtest.ensure_started()
    value = {
        "blockhash": backtest.blockhash,
        "lastValidBlockHeight": backtest.block_height + BLOCKHASH_LIFETIME,
    }
    return with_context(session, value)


def _get_fee_for_message(session: Session, params: list[Any]) -> Any:
    wire = binary(required(params, 0, "message"), "base64")
    try:
        message = from_bytes_versioned(wire)
    except ValueError as error:
        raise invalid(f"failed to deserialize the message: {error}") from error
    return with_context(session, session.backtest.engine.fee_of(message))


def _get_signature_statuses(session: Session, params: list[Any]) -> Any:
    wanted = required(params, 0, "signatures")
    if not isinstance(wanted, list) or len(wanted) > MAX_SIGNATURES:
        raise invalid(f"the signatures must be a list of at most {MAX_SIGNATURES}")
    session.backtest.ensure_started()
    statuses: list[Any] = []
    for signature in wanted:
        shown = session.backtest.transaction(signature) if isinstance(signature, str) else None
        if shown is None:
            statuses.append(None)
            continue
        statuses.append(
            {
                "slot": shown.slot,
                "confirmations": None,
                "err": shown.error,
                "status": {"Ok": None} if shown.error is None else {"Err": shown.error},
                "confirmationStatus": "finalized",
            }
        )
    return with_context(session, statuses)


def _get_transaction(session: Session, params: list[Any]) -> Any:
    signature = required(params, 0, "signature")
    encoding: Any = params[1] if len(params) > 1 and isinstance(params[1], str) else None
    if encoding is None:
        encoding = config_at(params, 1).get("encoding") or "json"
    session.backtest.ensure_started()
    shown = session.backtest.transaction(signature) if isinstance(signature, str) else None
    if shown is None:
        return None
    reply = shown.to_json()
    if encoding in ("base64", "base58") and isinstance(shown, ExecutedTransaction):
        wire = bytes(shown.transaction)
        text = base64.b64encode(wire).decode() if encoding == "base64" else encode_base58(wire)
        reply["transaction"] = [text, encoding]
    return reply


def _simulate_transaction(session: Session, params: list[Any]) -> Any:
    config = config_at(params, 1)
    wanted = transaction(required(params, 0, "transaction"), config.get("encoding") or "base58")
    engine = session.backtest.engine
    outcome, written = engine.simulate(wanted)
    value = _simulated(outcome)
    value["accounts"] = None
    accounts = config.get("accounts")
    if isinstance(accounts, dict):
        keys = [address(item) for item in accounts.get("addresses") or []]
        form = {"encoding": accounts.get("encoding")}
        value["accounts"] = [
            shown_account(written[key] if key in written else engine.account(key), form, "base64") for key in keys
        ]
    if config.get("innerInstructions"):
        value["innerInstructions"] = inner_instructions_json(outcome)
    return with_context(session, value)


def _simulated(outcome: Outcome) -> dict[str, Any]:
    return {
        "err": outcome.error,
        "logs": outcome.logs,
        "accounts": None,
        "unitsConsumed": outcome.units,
        "returnData": return_data_json(outcome),
    }


def _send_transaction(session: Session, params: list[Any]) -> str:
    config = config_at(params, 1)
    wanted = transaction(required(params, 0, "transaction"), config.get("encoding") or "base58")
    if not wanted.signatures:
        raise invalid("the transaction has no signature")
    if not config.get("skipPreflight"):
        _preflight(session, wanted)
    shown = session.backtest.inject(wanted)
    session.backtest.stream.wake()
    return shown.signature


def _preflight(session: Session, wanted: VersionedTransaction) -> None:
    outcome, _ = session.backtest.engine.simulate(wanted)
    if outcome.error is not None:
        text = f"Transaction simulation failed: {describe_error(outcome.error)}"
        raise RpcFault(PREFLIGHT_FAILED, text, _simulated(outcome))


CALLS = {
    "getLatestBlockhash": _get_latest_blockhash,
    "getFeeForMessage": _get_fee_for_message,
    "getSignatureStatuses": _get_signature_statuses,
    "getTransaction": _get_transaction,
    "simulateTransaction": _simulate_transaction,
    "sendTransaction": _send_transaction,
}
