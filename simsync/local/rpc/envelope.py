"""JSON-RPC 2.0 around calls and subscriptions: ids, notifications, batches, errors."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from simsync.local.encoding import brief, dump_json, load_json
from simsync.local.rpc.params import INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, PARSE_ERROR, RpcFault

if TYPE_CHECKING:
    from collections.abc import Iterable

_log = logging.getLogger("simsync.local.rpc")


def read(body: str | bytes) -> Any:
    """Return a request or a batch. Raises RpcFault."""
    try:
        return load_json(body)
    except ValueError as error:
        raise RpcFault(PARSE_ERROR, "Parse error", str(error)) from error


def is_batch(request: object) -> bool:
    """Is it a list of requests? An empty one is an invalid request."""
    return isinstance(request, list) and bool(request)


def is_notification(request: object) -> bool:
    """Does the client want no answer? web3.js and kit send such pings."""
    return isinstance(request, dict) and "id" not in request and _names_a_method(request)


def id_of(request: object) -> object:
    """Return the id of a request, whatever else may be wrong with it; None if it has none that can be one."""
    found = request.get("id") if isinstance(request, dict) else None
    return found if _is_id(found) else None


def method_of(request: Any) -> str:
    """Return the method of a request. Raises RpcFault."""
    if not _names_a_method(request):
        raise RpcFault(INVALID_REQUEST, "Invalid request", "expected an object with a method")
    if not _is_id(request.get("id")):
        raise RpcFault(INVALID_REQUEST, "Invalid request", "expected a string, a number or null as id")
    method: str = request["method"]
    return method


def params_of(request: dict[str, Any]) -> list[Any]:
    """Return the params of a request. Raises RpcFault."""
    params = request.get("params")
    if params is None:
        return []
    if not isinstance(params, list):
        raise RpcFault(INVALID_PARAMS, "`params` should be an array")
    return params


def success(number: object, result: object) -> bytes:
    """Return the reply with a result. Raises TypeError for what JSON cannot hold."""
    return dump_json({"jsonrpc": "2.0", "id": number, "result": result})


def failure(number: object, fault: RpcFault) -> bytes:
    """Return the reply with an error."""
    return dump_json({"jsonrpc": "2.0", "id": number, "error": fault.to_json()})


def joined(replies: Iterable[bytes]) -> bytes:
    """Return the reply to a batch; empty if nothing in it asks for one."""
    kept = [reply for reply in replies if reply]
    return b"[" + b",".join(kept) + b"]" if kept else b""


def unforeseen(request: Any, error: Exception) -> RpcFault:
    """Log a bug in a call, and return the error that answers it: a bug must not end the connection."""
    _log.error("%s failed", request.get("method"), exc_info=error)
    return RpcFault(INTERNAL_ERROR, "Internal error", brief(error))


def _is_id(value: object) -> bool:
    return value is None or (isinstance(value, (str, int, float)) and not isinstance(value, bool))


def _names_a_method(request: object) -> bool:
    return isinstance(request, dict) and isinstance(request.get("method"), str)
