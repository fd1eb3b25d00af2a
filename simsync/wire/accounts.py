"""Accounts in JSON: ``data`` is ``[text, encoding]`` in RPC and pub/sub, an object in control requests."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from simsync.errors import InvalidParams, ProtocolError
from simsync.events import AccountState
from simsync.params import AccountData, account_encodings
from simsync.wire.spelling import FoldedFields


# guess: account data
def decode_data(encoded: Any) -> bytes:
    """Decode ``[text, encoding]`` or ``{"data", "encoding"}``. Raises ProtocolError."""
    if isinstance(encoded, Mapping):
        encoded = [encoded.get("data"), encoded.get("encoding")]
    try:
        text, encoding = encoded
        return account_encodings.decode(text, encoding)
    except (TypeError, ValueError) as error:
        raise ProtocolError(f"the account data cannot be read ({error})", encoded) from error


def account_state(raw: object) -> AccountState | None:
    """Read an account tolerantly: null is None, missing parts are empty, and only reading ``data`` may raise."""
    if not isinstance(raw, Mapping):
        return None
    fields = FoldedFields(raw)
    return AccountState(
        lamports=fields.number("lamports") or 0,
        owner=fields.text("owner") or "",
        executable=bool(fields.get("executable")),
        rent_epoch=fields.number("rent_epoch") or 0,
        space=fields.number("space"),
        encoded=fields.get("data"),
        decode=decode_data,
    )


def account_data(raw: object) -> AccountData:
    """Read a whole account. Raises ProtocolError, also if only a slice of the data is included."""
    if not isinstance(raw, Mapping):
        raise ProtocolError(f"an account must be a JSON object, not {type(raw).__name__}", raw)
    fields = FoldedFields(raw)
    lamports, owner, executable = fields.get("lamports"), fields.text("owner"), fields.get("executable")
    if owner is None:
        raise ProtocolError("the account has no owner", raw)
    return _whole(lamports, owner, decode_data(fields.get("data")), executable or False, fields.number("space"), raw)


def account_data_of_state(state: AccountState) -> AccountData:
    """Convert a state of an account diff to one that can be written. Raises ProtocolError."""
    return _whole(state.lamports, state.owner, state.data, state.executable, state.space, state)


def _whole(lamports: Any, owner: str, data: bytes, executable: Any, space: int | None, raw: Any) -> AccountData:
    if space is not None and space != len(data):
        raise ProtocolError(f"the account has {space} bytes of data, but only {len(data)} are included", raw)
    try:
        return AccountData(lamports, owner, data, executable)
    except InvalidParams as error:
        raise ProtocolError(f"the account cannot be read ({error})", raw) from error


def account_json(account: AccountData) -> dict[str, Any]:
    """Write an account as the RPC does. The rent epoch is not part of AccountData, so it is 0."""
    return {
        "lamports": account.lamports,
        "owner": account.owner,
        "data": [base64.b64encode(account.data).decode("ascii"), "base64"],
        "executable": account.executable,
        "rentEpoch": 0,
        "space": account.space,
    }


def encoded_binary(data: bytes) -> dict[str, str]:
    """Bytes in a request of the control socket."""
    return {"data": base64.b64encode(data).decode("ascii"), "encoding": "base64"}


def account(state: AccountData | Mapping[str, object]) -> Any:
    """One account of a request. A mapping is passed through."""
    if not isinstance(state, AccountData):
        return dict(state)
    return {
        "data": encoded_binary(state.data),
        "executable": state.executable,
        "lamports": state.lamports,
        "owner": state.owner,
        "space": state.space,
    }


def account_modifications(states: Mapping[str, AccountData | Mapping[str, object]]) -> dict[str, Any]:
    return {address: account(state) for address, state in states.items()}
