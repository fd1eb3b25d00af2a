"""Accounts as RPC and pub/sub write them, with ``data`` as ``[text, encoding]``."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from simsync.errors import InvalidParams, ProtocolError
from simsync.events import AccountState
from simsync.params import AccountData
from simsync.wire.spelling import FoldedFields


def decode_data(encoded: Any) -> bytes:
    """The bytes of ``[text, encoding]`` or of ``{"data", "encoding"}``. Raises ProtocolError."""
    if isinstance(encoded, Mapping):
        encoded = [encoded.get("data"), encoded.get("encoding")]
    try:
        text, encoding = encoded
        if encoding == "base64":
            return base64.b64decode(text, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise ProtocolError(f"account data cannot be read ({error})", encoded) from error
    raise ProtocolError(f"account data in the unknown encoding {encoding!r}", encoded)


def account_state(raw: Any) -> AccountState | None:
    """None for null. Missing parts read as empty; nothing raises before the data are asked for."""
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


def account_data(raw: Any) -> AccountData:
    """An account that has to be whole. Raises ProtocolError, also for one whose data were cut."""
    if not isinstance(raw, Mapping):
        raise ProtocolError(f"an account is a JSON object, not {type(raw).__name__}", raw)
    fields = FoldedFields(raw)
    lamports, owner, executable = fields.get("lamports"), fields.text("owner"), fields.get("executable")
    if owner is None:
        raise ProtocolError("the account has no owner", raw)
    return _whole(lamports, owner, decode_data(fields.get("data")), executable or False, fields.number("space"), raw)


def account_data_of_state(state: AccountState) -> AccountData:
    """A state of an account diff as it can be written. Raises ProtocolError as :func:`account_data` does."""
    return _whole(state.lamports, state.owner, state.data, state.executable, state.space, state)


def _whole(lamports: Any, owner: str, data: bytes, executable: Any, space: int | None, raw: Any) -> AccountData:
    if space is not None and space != len(data):
        raise ProtocolError(f"the account has {space} bytes of data, only {len(data)} of them are here", raw)
    try:
        return AccountData(lamports, owner, data, executable)
    except InvalidParams as error:
        raise ProtocolError(f"the account cannot be read ({error})", raw) from error


def account_json(account: AccountData) -> dict[str, Any]:
    """As RPC writes it. The rent epoch is not part of an AccountData: 0."""
    return {
        "lamports": account.lamports,
        "owner": account.owner,
        "data": [base64.b64encode(account.data).decode("ascii"), "base64"],
        "executable": account.executable,
        "rentEpoch": 0,
        "space": account.space,
    }
