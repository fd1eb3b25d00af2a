"""Accounts as RPC and pub/sub write them, with ``data`` as ``[text, encoding]``."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from simsync.errors import ProtocolError
from simsync.events import AccountState
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
