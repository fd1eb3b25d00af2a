"""Notifications of transactions, read with msgspec: what routing needs without the rest, and the fields in one go.

They make up nearly all of the data plane, and are several kilobytes each. Whatever does not have the usual form, and
everything without msgspec, is left to the tolerant way, with the same result.
"""

from __future__ import annotations

import contextlib
from typing import Any, Callable, NamedTuple, Optional, Union

from simsync.events import TransactionFields


class Seen(NamedTuple):
    """What is needed to deliver a transaction. ``signature``: the first one."""

    method: str
    subscription: Any
    slot: int
    signature: str


def look_at_nothing(payload: bytes) -> Optional[Seen]:
    """Leaves everything to the tolerant way."""
    return None


def read_nothing(payload: bytes) -> Optional[TransactionFields]:
    """Leaves everything to the tolerant way."""
    return None


look: Callable[[bytes], Optional[Seen]] = look_at_nothing
"""What a notification is about; None when it has to be read in the tolerant way."""

read: Callable[[bytes], Optional[TransactionFields]] = read_nothing
"""The fields of a notification; None when it has to be read in the tolerant way."""

with contextlib.suppress(ImportError):
    import msgspec

    # msgspec evaluates these annotations, on Python 3.9 too.
    class _Heading(msgspec.Struct, gc=False):
        signatures: list[str]

    class _Outline(msgspec.Struct, gc=False):
        # All five, so that it is no end of a stream: that has few keys.
        slot: int
        transaction: _Heading
        meta: msgspec.Raw
        blockTime: msgspec.Raw
        version: msgspec.Raw

    class _OutlineParams(msgspec.Struct, gc=False):
        subscription: Union[int, str]
        result: _Outline

    class _Sighting(msgspec.Struct, gc=False):
        method: str
        params: _OutlineParams

    class _Loaded(msgspec.Struct, gc=False):
        writable: Optional[list[str]] = None
        readonly: Optional[list[str]] = None

    class _Meta(msgspec.Struct, gc=False):
        err: Any = None
        logMessages: Optional[list[Any]] = None
        fee: Any = None
        computeUnitsConsumed: Any = None
        preBalances: Optional[list[Any]] = None
        postBalances: Optional[list[Any]] = None
        preTokenBalances: Optional[list[Any]] = None
        postTokenBalances: Optional[list[Any]] = None
        loadedAddresses: Optional[_Loaded] = None

    class _Message(msgspec.Struct, gc=False):
        accountKeys: list[str]

    class _Transaction(msgspec.Struct, gc=False):
        signatures: list[str]
        message: _Message

    class _Reply(msgspec.Struct, gc=False):
        transaction: _Transaction
        meta: _Meta
        blockTime: Any = None
        version: Any = "legacy"

    class _Params(msgspec.Struct, gc=False):
        result: _Reply

    class _Notification(msgspec.Struct, gc=False):
        params: _Params

    _outline = msgspec.json.Decoder(_Sighting).decode
    _notification = msgspec.json.Decoder(_Notification).decode
    _ERRORS = (msgspec.MsgspecError, RecursionError)

    def _look_quickly(payload: bytes) -> Optional[Seen]:
        try:
            message = _outline(payload)
            params = message.params
            result = params.result
            signature = result.transaction.signatures[0]
        except (*_ERRORS, IndexError):
            return None
        return Seen(message.method, params.subscription, result.slot, signature) if signature else None

    def _read_quickly(payload: bytes) -> Optional[TransactionFields]:
        try:
            reply = _notification(payload).params.result
        except _ERRORS:
            return None
        meta = reply.meta
        keys = reply.transaction.message.accountKeys
        before = meta.preBalances or ()
        loaded = meta.loadedAddresses
        if loaded is not None and len(keys) < len(before):
            keys += (loaded.writable or []) + (loaded.readonly or [])
        signatures = reply.transaction.signatures
        return TransactionFields(
            signatures[0] if signatures else "",
            meta.err,
            tuple(meta.logMessages or ()),
            meta.fee or 0,
            meta.computeUnitsConsumed,
            reply.version,
            reply.blockTime,
            tuple(keys),
            tuple(before),
            tuple(meta.postBalances or ()),
            tuple(meta.preTokenBalances or ()),
            tuple(meta.postTokenBalances or ()),
        )

    look, read = _look_quickly, _read_quickly
