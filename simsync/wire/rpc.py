"""The JSON-RPC calls of a session's endpoint: the parameters of each method, and reading of its result.

Each function below returns a :class:`Call`. Its arguments are checked already: addresses and signatures are base58
text, transactions and messages are base64 text.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Generic, Optional, TypeVar

from simsync.errors import InvalidParams, ProtocolError, RpcError
from simsync.params import AccountData, base58, checks
from simsync.wire import accounts, json_codec
from simsync.wire.spelling import FoldedFields

if TYPE_CHECKING:
    from simsync.reports import SignatureStatus, Simulation

T = TypeVar("T")
Item = TypeVar("Item")

# guess: commitment
CONFIRMED = {"commitment": "confirmed"}
# guess: accounts and signatures per request
MAX_ACCOUNTS = 100
"""Limit of addresses in one getMultipleAccounts."""
# guess: accounts and signatures per request
MAX_SIGNATURES = 256
"""Limit of signatures in one getSignatureStatuses."""
MAX_COMPARED = 128
"""Limit of bytes in one memcmp filter."""
_FIELDS_OF_VERSIONS = (("address_table_lookups", b"\x80"), ("lifetime_specifier", b"\x81"))
"""An attribute that only solders' messages of version 0 (or 1) have, and the byte that such a message begins with."""
_LONGEST_COMPARED = 175
"""Characters of the longest base58 text of that many bytes."""


@dataclass(frozen=True)
class Call(Generic[T]):
    """A method, its parameters, and the function ``decode(method, result)``, which may raise ProtocolError."""

    method: str
    params: Sequence[Any]
    decode: Callable[[str, Any], T]

    def body(self, identifier: int) -> bytes:
        """Return the body of the request."""
        return request_body(identifier, self.method, self.params)

    def read(self, reply: bytes) -> T:
        """Read the body of the reply. Raises RpcError or ProtocolError."""
        return self.decode(self.method, result_of(self.method, reply))


def request_body(identifier: int, method: str, params: Sequence[object]) -> bytes:
    """Return the body of a request. Raises InvalidParams for parameters that are not JSON values, or no method."""
    sent = checks.plain("params", list(checks.items("params", params)))
    name = checks.text("method", method)
    if not name:
        raise InvalidParams("method", method, "must be the name of a method")
    return json_codec.dumps({"jsonrpc": "2.0", "id": identifier, "method": name, "params": sent})


# guess: result of `modifyAccounts`
def result_of(method: str, body: bytes) -> Any:
    """Return the ``result`` of a reply. Raises RpcError for an error, ProtocolError if it is not a reply."""
    try:
        reply = json_codec.loads(body)
    except ValueError as error:
        raise ProtocolError(f"{method}: the reply is not JSON ({error})", body[:1000]) from error
    if not isinstance(reply, Mapping):
        raise ProtocolError(f"{method}: the reply is not a JSON-RPC object", reply)
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


# Calls.


def any_call(method: str, params: Sequence[object]) -> Call[Any]:
    return Call(method, params, _unchanged)


def get_health() -> Call[str]:
    return Call("getHealth", [], _text)


def get_slot() -> Call[int]:
    return Call("getSlot", [CONFIRMED], _number)


def get_balance(address: str) -> Call[int]:
    return Call("getBalance", [address, CONFIRMED], _in_context(_number))


def get_account_info(address: str) -> Call[Optional[AccountData]]:
    return Call("getAccountInfo", [address, account_config()], _in_context(_account))


def get_multiple_accounts(addresses: Sequence[str]) -> Call[list[Optional[AccountData]]]:
    decode = _list_of(_account, len(addresses))
    return Call("getMultipleAccounts", [list(addresses), account_config()], _in_context(decode))


def get_program_accounts(program: str, filters: Sequence[Mapping[str, object]]) -> Call[list[tuple[str, AccountData]]]:
    more = {"filters": list(filters)} if filters else {}
    return Call("getProgramAccounts", [program, {**account_config(), **more}], _program_accounts)


def get_token_accounts_by_owner(owner: str, mint: str) -> Call[list[tuple[str, AccountData]]]:
    return Call("getTokenAccountsByOwner", [owner, {"mint": mint}, account_config()], _program_accounts)


def get_latest_blockhash() -> Call[str]:
    return Call("getLatestBlockhash", [CONFIRMED], _in_context(_blockhash))


def get_fee_for_message(message: str) -> Call[Optional[int]]:
    return Call("getFeeForMessage", [message, CONFIRMED], _in_context(_number_or_none))


# guess: `searchTransactionHistory` of `getSignatureStatuses`
def get_signature_statuses(signatures: Sequence[str]) -> Call[list[Optional[SignatureStatus]]]:
    decode = _list_of(_signature_status, len(signatures))
    return Call("getSignatureStatuses", [list(signatures), {"searchTransactionHistory": True}], _in_context(decode))


# guess: RPC encodings
def get_transaction(signature: str) -> Call[Any]:
    config = {**CONFIRMED, "encoding": "json", "maxSupportedTransactionVersion": 0}
    return Call("getTransaction", [signature, config], _unchanged)


def get_minimum_balance_for_rent_exemption(size: int) -> Call[int]:
    return Call("getMinimumBalanceForRentExemption", [size], _number)


# guess: params and result of `getAddressLookupTable`
def get_address_lookup_table(address: str) -> Call[Any]:
    """A method of the vendor, whose parameters are a guess."""
    return Call("getAddressLookupTable", [address], _unchanged)


def simulate_transaction(
    transaction: str, addresses: Sequence[str] = (), *, replace_blockhash: bool = False
) -> Call[Simulation]:
    more: dict[str, Any] = {"replaceRecentBlockhash": True} if replace_blockhash else {}
    if addresses:
        more["accounts"] = {"encoding": "base64", "addresses": list(addresses)}
    config = transaction_config(**CONFIRMED, **more)
    return Call("simulateTransaction", [transaction, config], _in_context(_simulation(len(addresses))))


def send_transaction(transaction: str, *, skip_preflight: bool = False) -> Call[str]:
    return Call("sendTransaction", [transaction, transaction_config(skipPreflight=skip_preflight)], _text)


def modify_accounts(states: Mapping[str, AccountData | Mapping[str, object]]) -> Call[Any]:
    return Call("modifyAccounts", [accounts.account_modifications(states)], _unchanged)


# Arguments.


# guess: RPC encodings
def account_config() -> dict[str, Any]:
    return {**CONFIRMED, "encoding": "base64"}


def transaction_config(**more: Any) -> dict[str, Any]:
    return {"encoding": "base64", **more}


def message_text(argument: str, value: object) -> str:
    """Return a transaction's message as base64. The bytes of a versioned message of solders lack the version."""
    text = checks.transaction(argument, value)
    version = next((one for field, one in _FIELDS_OF_VERSIONS if hasattr(value, field)), b"")
    data = base64.b64decode(text)
    return text if not version or data[0] & 0x80 else base64.b64encode(version + data).decode("ascii")


def size_filter(size: int) -> dict[str, Any]:
    return {"dataSize": checks.integer("data_size", size, 0, checks.U64)}


# guess: bytes of a `memcmp` filter
def compare_filter(argument: str, value: object) -> dict[str, Any]:
    """Return the filter of a pair ``(offset, bytes)``; the bytes may be base58 text or an object with a byte form."""
    pair = checks.items(argument, value)
    if len(pair) != 2:
        raise InvalidParams(argument, value, "must be (offset, bytes)")
    offset = checks.integer(f"{argument} offset", pair[0], 0, checks.U64)
    wanted = pair[1]
    if isinstance(wanted, str):
        try:
            size = len(base58.decode(wanted[: _LONGEST_COMPARED + 1]))
        except ValueError as error:
            raise InvalidParams(f"{argument} bytes", wanted, f"is not base58 text: {error}") from error
        compare = {"offset": offset, "bytes": wanted}
    else:
        text = checks.base64_text(f"{argument} bytes", wanted)
        size = len(base64.b64decode(text))
        compare = {"offset": offset, "bytes": text, "encoding": "base64"}
    if not 1 <= size <= MAX_COMPARED:
        raise InvalidParams(f"{argument} bytes", wanted, f"must have 1 to {MAX_COMPARED} bytes")
    return {"memcmp": compare}


# Results.


def value_of(method: str, result: object) -> Any:
    """Return the ``value`` of a result with a context."""
    if isinstance(result, Mapping) and "value" in result:
        return result["value"]
    raise ProtocolError(f"{method}: the result has no value", result)


def account_from_json(method: str, value: object) -> AccountData:
    """Read an account with base64 data."""
    try:
        return accounts.account_data(value)
    except ProtocolError as error:
        raise ProtocolError(f"{method}: {error}", value) from error


def _in_context(decode: Callable[[str, Any], T]) -> Callable[[str, Any], T]:
    return lambda method, result: decode(method, value_of(method, result))


def _list_of(decode: Callable[[str, Any], Item], length: int) -> Callable[[str, Any], list[Optional[Item]]]:
    """Return the decoder of a list of known length, in which null is None."""

    def decode_list(method: str, value: object) -> list[Optional[Item]]:
        if not isinstance(value, list) or len(value) != length:
            raise ProtocolError(f"{method}: the result is not a list of {length} items", value)
        return [None if item is None else decode(method, item) for item in value]

    return decode_list


def _unchanged(_method: str, result: object) -> Any:
    return result


def _number(method: str, result: object) -> int:
    if type(result) is not int or result < 0:
        raise ProtocolError(f"{method}: the result is not a number", result)
    return result


def _number_or_none(method: str, result: object) -> Optional[int]:
    return None if result is None else _number(method, result)


def _text(method: str, result: object) -> str:
    if not isinstance(result, str):
        raise ProtocolError(f"{method}: the result is not text", result)
    return result


def _fields(method: str, value: object) -> FoldedFields:
    if not isinstance(value, Mapping):
        raise ProtocolError(f"{method}: the result is not an object", value)
    return FoldedFields(value)


def _blockhash(method: str, value: object) -> str:
    return _text(method, _fields(method, value).get("blockhash"))


def _account(method: str, value: object) -> Optional[AccountData]:
    return None if value is None else account_from_json(method, value)


def _program_accounts(method: str, result: object) -> list[tuple[str, AccountData]]:
    found = result.get("value") if isinstance(result, Mapping) else result
    if not isinstance(found, list):
        raise ProtocolError(f"{method}: the result is not a list", result)
    return [_program_account(method, item) for item in found]


def _program_account(method: str, item: object) -> tuple[str, AccountData]:
    fields = _fields(method, item)
    return _text(method, fields.get("pubkey")), account_from_json(method, fields.get("account"))


def _signature_status(method: str, value: object) -> SignatureStatus:
    from simsync.reports import SignatureStatus

    fields = _fields(method, value)
    return SignatureStatus(
        slot=_number(method, fields.get("slot")),
        error=fields.get("err"),
        confirmations=fields.number("confirmations"),
        status=fields.text("confirmation_status"),
        raw=value,
    )


def _simulation(asked: int) -> Callable[[str, Any], Simulation]:
    """Return the decoder of a simulation with this number of accounts."""
    from simsync.reports import Simulation

    def decode(method: str, value: object) -> Simulation:
        fields = _fields(method, value)
        states = _list_of(_account, asked)(method, fields.get("accounts")) if asked else []
        return Simulation(
            error=fields.get("err"),
            logs=tuple(fields.list("logs")),
            compute_units=fields.number("units_consumed"),
            return_data=_return_data(method, fields.get("return_data")),
            accounts=tuple(states),
            raw=value,
        )

    return decode


def _return_data(method: str, value: object) -> bytes | None:
    if value is None:
        return None
    try:
        return accounts.decode_data(_fields(method, value).get("data"))
    except ProtocolError as error:
        raise ProtocolError(f"{method}: the return data cannot be read", value) from error
