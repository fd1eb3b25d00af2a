"""Solana JSON-RPC of one session: the calls, and the envelope around them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from simsync.local import rpc_accounts, rpc_transactions
from simsync.local.encoding import dump_json, load_json
from simsync.local.rpc_errors import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    RpcFault,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsync.local.session import Session

    Call = Callable[[Session, list[Any]], Any]

_log = logging.getLogger("simsync.local.rpc")


def _get_slot(session: Session, params: list[Any]) -> int:
    session.backtest.ensure_started()
    return session.backtest.slot


def _get_health(session: Session, params: list[Any]) -> str:
    return "ok"


CALLS: dict[str, Call] = {
    "getSlot": _get_slot,
    "getHealth": _get_health,
    **rpc_accounts.CALLS,
    **rpc_transactions.CALLS,
}


def answer(session: Session, body: bytes) -> bytes:
    """Return the reply to the body of an HTTP request, single or batch; it never raises."""
    try:
        request = load_json(body)
    except ValueError as error:
        return dump_json(_failure(None, RpcFault(PARSE_ERROR, f"Parse error: {error}")))
    if isinstance(request, list) and request:
        return dump_json([_answer_one(session, one) for one in request])
    return dump_json(_answer_one(session, request))


def _answer_one(session: Session, request: Any) -> dict[str, Any]:
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
        result = call(session, params)
    except RpcFault as fault:
        return _failure(number, fault)
    except Exception as error:  # noqa: BLE001  a bug in one call must not end the connection
        _log.exception("%s failed", method)
        return _failure(number, RpcFault(INTERNAL_ERROR, f"Internal error: {error!r}"))
    return {"jsonrpc": "2.0", "id": number, "result": result}


def _failure(number: Any, fault: RpcFault) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "error": fault.to_json()}
