"""Solana JSON-RPC of one session: the calls, and the envelope around them."""

from __future__ import annotations

import base64
import logging
import struct
from typing import TYPE_CHECKING, Any

from solders.message import from_bytes_versioned
from solders.pubkey import Pubkey

from simsync.local.backtest.stream import ExecutedTransaction
from simsync.local.encoding import dump_json, encode_base58, load_json
from simsync.local.engine.accounts import AccountRefused
from simsync.local.engine.programs import LOOKUP_TABLE_HEADER, LOOKUP_TABLE_PROGRAM
from simsync.local.engine.transactions import describe_error
from simsync.local.rpc.params import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    PREFLIGHT_FAILED,
    RpcFault,
    account_filters,
    address,
    binary,
    config_at,
    invalid,
    required,
    transaction,
    unsigned,
)
from simsync.local.solana_json import (
    MalformedAccount,
    UnsupportedEncoding,
    account_json,
    inner_instructions_json,
    read_modifications,
    return_data_json,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from solders.account import Account
    from solders.transaction import VersionedTransaction

    from simsync.local.backtest.backtest import Backtest
    from simsync.local.engine.transactions import Outcome

    Call = Callable[[Backtest, list[Any]], Any]

_log = logging.getLogger("simsync.local.rpc")


BLOCKHASH_LIFETIME = 150
"""Blocks for which validators accept a blockhash. This simulator accepts every blockhash."""
MAX_SIGNATURES = 256
MAX_MULTIPLE_ACCOUNTS = 100
_LOOKUP_TABLE = 1
"""The kind of account in the first four bytes of a lookup table."""
_AUTHORITY = 22
"""Offset of its authority, if the flag before it is set."""


def with_context(backtest: Backtest, value: Any) -> dict[str, Any]:
    """Return a value with its context, the current slot."""
    return {"context": {"slot": backtest.slot, "apiVersion": "simsync-local"}, "value": value}


def shown_account(account: Account | None, config: dict[str, Any], default: str) -> dict[str, Any] | None:
    """Return an account in the encoding and slice that ``config`` requests."""
    if account is None or (not account.lamports and not account.data):
        return None
    wanted = config.get("dataSlice")
    data_slice = None
    if wanted is not None:
        if not isinstance(wanted, dict):
            raise invalid("dataSlice must be an object")
        data_slice = (unsigned(wanted.get("offset"), "offset"), unsigned(wanted.get("length"), "length"))
    try:
        return account_json(account, config.get("encoding") or default, data_slice)
    except UnsupportedEncoding as error:
        raise RpcFault(INVALID_PARAMS, str(error)) from error


def _get_account_info(backtest: Backtest, params: list[Any]) -> Any:
    account = backtest.engine.account(address(required(params, 0, "address")))
    return with_context(backtest, shown_account(account, config_at(params, 1), "binary"))


def _get_multiple_accounts(backtest: Backtest, params: list[Any]) -> Any:
    wanted = required(params, 0, "addresses")
    if not isinstance(wanted, list):
        raise invalid("the addresses must be a list")
    if len(wanted) > MAX_MULTIPLE_ACCOUNTS:
        raise invalid(f"too many inputs provided; max {MAX_MULTIPLE_ACCOUNTS}")
    engine, config = backtest.engine, config_at(params, 1)
    accounts = [shown_account(engine.account(address(item)), config, "base64") for item in wanted]
    return with_context(backtest, accounts)


def _get_balance(backtest: Backtest, params: list[Any]) -> Any:
    balance = backtest.engine.balance(address(required(params, 0, "address")))
    return with_context(backtest, balance)


def _get_program_accounts(backtest: Backtest, params: list[Any]) -> Any:
    program = address(required(params, 0, "program id"))
    config = config_at(params, 1)
    tests = account_filters(config.get("filters"))
    found = [
        {"pubkey": str(key), "account": shown_account(account, config, "binary")}
        for key, account in backtest.engine.owned_by(program)
        if all(test(account) for test in tests)
    ]
    return with_context(backtest, found) if config.get("withContext") else found


def _get_minimum_balance(backtest: Backtest, params: list[Any]) -> int:
    return backtest.engine.rent_exempt_minimum(unsigned(required(params, 0, "size"), "size"))


def _get_address_lookup_table(backtest: Backtest, params: list[Any]) -> Any:
    """Return a table as a validator parses it. The vendor does not document the form."""
    account = backtest.engine.account(address(required(params, 0, "address")))
    if account is None or account.owner != LOOKUP_TABLE_PROGRAM or len(account.data) < LOOKUP_TABLE_HEADER:
        return with_context(backtest, None)
    kind, deactivation, extended, start, has_authority = struct.unpack_from("<IQQB?", account.data)
    if kind != _LOOKUP_TABLE:
        return with_context(backtest, None)
    addresses = account.data[LOOKUP_TABLE_HEADER:]
    value: dict[str, Any] = {
        "deactivationSlot": str(deactivation),
        "lastExtendedSlot": str(extended),
        "lastExtendedSlotStartIndex": start,
        "addresses": [str(Pubkey.from_bytes(addresses[at : at + 32])) for at in range(0, len(addresses) - 31, 32)],
    }
    if has_authority:
        value["authority"] = str(Pubkey.from_bytes(account.data[_AUTHORITY : _AUTHORITY + 32]))
    return with_context(backtest, value)


def _modify_accounts(backtest: Backtest, params: list[Any]) -> None:
    value = required(params, 0, "account modifications")
    try:
        backtest.override(read_modifications(value))
    except (MalformedAccount, AccountRefused) as error:
        raise RpcFault(INVALID_PARAMS, str(error)) from error
    backtest.stream.wake()


def _get_latest_blockhash(backtest: Backtest, params: list[Any]) -> Any:
    backtest.ensure_started()
    value = {
        "blockhash": backtest.blockhash,
        "lastValidBlockHeight": backtest.block_height + BLOCKHASH_LIFETIME,
    }
    return with_context(backtest, value)


def _get_fee_for_message(backtest: Backtest, params: list[Any]) -> Any:
    wire = binary(required(params, 0, "message"), "base64")
    try:
        message = from_bytes_versioned(wire)
    except ValueError as error:
        raise invalid(f"failed to deserialize the message: {error}") from error
    return with_context(backtest, backtest.engine.fee_of(message))


def _get_signature_statuses(backtest: Backtest, params: list[Any]) -> Any:
    wanted = required(params, 0, "signatures")
    if not isinstance(wanted, list) or len(wanted) > MAX_SIGNATURES:
        raise invalid(f"the signatures must be a list of at most {MAX_SIGNATURES}")
    backtest.ensure_started()
    statuses: list[Any] = []
    for signature in wanted:
        shown = backtest.transaction(signature) if isinstance(signature, str) else None
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
    return with_context(backtest, statuses)


def _get_transaction(backtest: Backtest, params: list[Any]) -> Any:
    signature = required(params, 0, "signature")
    encoding: Any = params[1] if len(params) > 1 and isinstance(params[1], str) else None
    if encoding is None:
        encoding = config_at(params, 1).get("encoding") or "json"
    backtest.ensure_started()
    shown = backtest.transaction(signature) if isinstance(signature, str) else None
    if shown is None:
        return None
    reply = shown.to_json()
    if encoding in ("base64", "base58") and isinstance(shown, ExecutedTransaction):
        wire = bytes(shown.transaction)
        text = base64.b64encode(wire).decode() if encoding == "base64" else encode_base58(wire)
        reply["transaction"] = [text, encoding]
    return reply


def _simulate_transaction(backtest: Backtest, params: list[Any]) -> Any:
    config = config_at(params, 1)
    wanted = transaction(required(params, 0, "transaction"), config.get("encoding") or "base58")
    engine = backtest.engine
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
    return with_context(backtest, value)


def _simulated(outcome: Outcome) -> dict[str, Any]:
    return {
        "err": outcome.error,
        "logs": outcome.logs,
        "accounts": None,
        "unitsConsumed": outcome.units,
        "returnData": return_data_json(outcome),
    }


def _send_transaction(backtest: Backtest, params: list[Any]) -> str:
    config = config_at(params, 1)
    wanted = transaction(required(params, 0, "transaction"), config.get("encoding") or "base58")
    if not wanted.signatures:
        raise invalid("the transaction has no signature")
    if not config.get("skipPreflight"):
        _preflight(backtest, wanted)
    shown = backtest.inject(wanted)
    backtest.stream.wake()
    return shown.signature


def _preflight(backtest: Backtest, wanted: VersionedTransaction) -> None:
    outcome, _ = backtest.engine.simulate(wanted)
    if outcome.error is not None:
        text = f"Transaction simulation failed: {describe_error(outcome.error)}"
        raise RpcFault(PREFLIGHT_FAILED, text, _simulated(outcome))


def _get_slot(backtest: Backtest, params: list[Any]) -> int:
    backtest.ensure_started()
    return backtest.slot


def _get_health(backtest: Backtest, params: list[Any]) -> str:
    return "ok"


CALLS: dict[str, Call] = {
    "getSlot": _get_slot,
    "getHealth": _get_health,
    "getAccountInfo": _get_account_info,
    "getMultipleAccounts": _get_multiple_accounts,
    "getBalance": _get_balance,
    "getProgramAccounts": _get_program_accounts,
    "getAddressLookupTable": _get_address_lookup_table,
    "getMinimumBalanceForRentExemption": _get_minimum_balance,
    "modifyAccounts": _modify_accounts,
    "getLatestBlockhash": _get_latest_blockhash,
    "getFeeForMessage": _get_fee_for_message,
    "getSignatureStatuses": _get_signature_statuses,
    "getTransaction": _get_transaction,
    "simulateTransaction": _simulate_transaction,
    "sendTransaction": _send_transaction,
}


def answer(backtest: Backtest, body: bytes) -> bytes:
    """Return the reply to the body of an HTTP request, single or batch. Never raises."""
    try:
        request = load_json(body)
    except ValueError as error:
        return dump_json(_failure(None, RpcFault(PARSE_ERROR, f"Parse error: {error}")))
    if isinstance(request, list) and request:
        return dump_json([_answer_one(backtest, one) for one in request])
    return dump_json(_answer_one(backtest, request))


def _answer_one(backtest: Backtest, request: Any) -> dict[str, Any]:
    if not isinstance(request, dict) or not isinstance(request.get("method"), str):
        return _failure(None, RpcFault(INVALID_REQUEST, "Invalid request"))
    number, method, params = request.get("id"), request["method"], request.get("params")
    call = CALLS.get(method)
    try:
        if call is None:
            raise RpcFault(METHOD_NOT_FOUND, f"Method not found: {method}")
        if params is None:
            params = []
        if not isinstance(params, list):
            raise RpcFault(INVALID_PARAMS, "Invalid params: expected a list")
        result = call(backtest, params)
    except RpcFault as fault:
        return _failure(number, fault)
    except Exception as error:  # noqa: BLE001  a bug in one call must not end the connection
        _log.exception("%s failed", method)
        return _failure(number, RpcFault(INTERNAL_ERROR, f"Internal error: {error!r}"))
    return {"jsonrpc": "2.0", "id": number, "result": result}


def _failure(number: Any, fault: RpcFault) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "error": fault.to_json()}
