"""The result of a notification, which is what an event is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simsync.errors import ProtocolError
from simsync.wire import json_codec
from simsync.wire.spelling import FoldedFields


def notification_params(message: Mapping[str, object]) -> FoldedFields:
    """The params of a notification, with its subscription and its result."""
    params = message.get("params")
    return FoldedFields(params if isinstance(params, Mapping) else {})


def result_of(payload: bytes) -> Any:
    """The result of a notification that was not decoded before. Raises ProtocolError if it is not JSON."""
    try:
        message = json_codec.loads(payload)
    except ValueError as error:
        raise ProtocolError(f"a notification is not JSON and cannot be read: {error}", payload) from error
    params = message.get("params")
    # In the usual spelling, without folding the keys of each notification.
    result = params.get("result") if isinstance(params, dict) else None
    return notification_params(message).get("result") if result is None else result
