"""JSON-RPC bodies of a session's endpoint, and the shapes of what comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from simsync.errors import ProtocolError, RpcError
from simsync.params import AccountData, checks
from simsync.wire import json_codec, requests

CONFIRMED = {"commitment": "confirmed"}
GET_SLOT = "getSlot"


def request_body(identifier: int, method: str, params: Sequence[Any]) -> bytes:
    sent = checks.plain("params", list(params))
    return json_codec.dumps({"jsonrpc": "2.0", "id": identifier, "method": method, "params": sent})


def result_of(method: str, body: bytes) -> Any:
    """The ``result`` of a reply. Raises RpcError for an error object, ProtocolError for anything that is no reply."""
    try:
        reply = json_codec.loads(body)
    except ValueError as error:
        raise ProtocolError(f"{method}: the reply is no JSON ({error})", body[:1000]) from error
    if not isinstance(reply, Mapping):
        raise ProtocolError(f"{method}: the reply is no JSON-RPC object", reply)
    error_object = reply.get("error")
    if error_object is not None:
        details = error_object if isinstance(error_object, Mapping) else {"message": error_object}
        code, message = details.get("code"), details.get("message")
        raise RpcError(
            method,
            code if type(code) is int else 0,
            message if isinstance(message, str) else "no reason given",
            details.get("data"),
        )
    if "result" not in reply:
        raise ProtocolError(f"{method}: the reply has neither result nor error", reply)
    return reply["result"]


def value_of(method: str, result: Any) -> Any:
    """The ``value`` of a result that comes with a context."""
    if isinstance(result, Mapping) and "value" in result:
        return result["value"]
    raise ProtocolError(f"{method}: the result has no value", result)


def account_from_json(method: str, value: Any) -> AccountData | None:
    """An account as the RPC writes it (base64 encoding); None when there is none."""
    if value is None:
        return None
    try:
        data, encoding = value["data"]
        if encoding != "base64":
            raise ValueError(f"encoding {encoding!r}")
        return AccountData(value["lamports"], value["owner"], data, value["executable"])
    except (KeyError, TypeError, ValueError) as error:
        raise ProtocolError(f"{method}: no account of the expected form ({error})", value) from error


def account_config() -> dict[str, Any]:
    return {**CONFIRMED, "encoding": "base64"}


def transaction_config(**more: Any) -> dict[str, Any]:
    return {"encoding": "base64", **more}


def modifications(states: Mapping[str, AccountData | Mapping[str, Any]]) -> dict[str, Any]:
    return requests.account_modifications(states)
