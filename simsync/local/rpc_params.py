"""Checked reading of JSON-RPC params. Everything raises RpcFault with "invalid params"."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from simsync.local.encoding import decode_base58
from simsync.local.rpc_errors import INVALID_PARAMS, RpcFault

MAX_WIRE_SIZE = 1232
"""Largest transaction in bytes that fits into one packet."""


def invalid(text: str) -> RpcFault:
    return RpcFault(INVALID_PARAMS, f"Invalid params: {text}")


def required(params: list[Any], index: int, what: str) -> Any:
    if index >= len(params):
        raise invalid(f"missing {what}")
    return params[index]


def config_at(params: list[Any], index: int) -> dict[str, Any]:
    value = params[index] if index < len(params) else None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise invalid("the configuration must be an object")
    return value


def address(value: Any) -> Pubkey:
    try:
        return Pubkey.from_string(value)
    except (ValueError, TypeError) as error:
        raise invalid(f"{value!r} is not an address") from error


def unsigned(value: Any, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise invalid(f"{what} must be a number, not {value!r}")
    return value


def binary(text: Any, encoding: str) -> bytes:
    """Return the bytes of a string in ``base58`` or ``base64``."""
    if not isinstance(text, str):
        raise invalid("expected a string")
    try:
        if encoding == "base64":
            return base64.b64decode(text, validate=True)
        if encoding == "base58":
            return decode_base58(text)
    except (binascii.Error, ValueError) as error:
        raise invalid(f"invalid {encoding} encoding: {error}") from error
    raise invalid(f"unsupported encoding: {encoding}. Supported encodings: base58, base64")


def transaction(text: Any, encoding: str) -> VersionedTransaction:
    wire = binary(text, encoding)
    if len(wire) > MAX_WIRE_SIZE:
        raise invalid(f"decoded transaction too large: {len(wire)} bytes (max: {MAX_WIRE_SIZE} bytes)")
    try:
        return VersionedTransaction.from_bytes(wire)
    except ValueError as error:
        raise invalid(f"failed to deserialize the transaction: {error}") from error
