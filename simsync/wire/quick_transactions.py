"""Decodes the fields of a transaction in one call, with msgspec.

A notification of another form is left to the tolerant decoder (:mod:`~simsync.wire.notifications`), with the same
result. Without msgspec, every notification is.
"""

from __future__ import annotations

import contextlib
from typing import Any, Callable, Optional

from simsync.events import TransactionFields
from simsync.wire.transaction_bytes import message_version


def read_nothing(payload: bytes) -> Optional[TransactionFields]:
    """Leave every notification to the tolerant decoder."""
    return None


read: Callable[[bytes], Optional[TransactionFields]] = read_nothing
"""The fields of a notification; None if the tolerant decoder has to read it."""

with contextlib.suppress(ImportError):
    import msgspec

    # msgspec evaluates these annotations, on Python 3.9 too.
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
        addressTableLookups: Optional[list[msgspec.Raw]] = None

    class _Transaction(msgspec.Struct, gc=False):
        signatures: list[str]
        message: _Message

    class _Reply(msgspec.Struct, gc=False):
        transaction: _Transaction
        meta: _Meta
        blockTime: Any = None
        version: Any = None

    class _Params(msgspec.Struct, gc=False):
        result: _Reply

    class _Notification(msgspec.Struct, gc=False):
        params: _Params

    _notification = msgspec.json.Decoder(_Notification).decode
    _ERRORS = (msgspec.MsgspecError, RecursionError)

    def _read_quickly(payload: bytes) -> Optional[TransactionFields]:
        try:
            reply = _notification(payload).params.result
        except _ERRORS:
            return None
        meta = reply.meta
        message = reply.transaction.message
        keys = message.accountKeys
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
            message_version(reply.version, message.addressTableLookups),
            reply.blockTime,
            tuple(keys),
            tuple(before),
            tuple(meta.postBalances or ()),
            tuple(meta.preTokenBalances or ()),
            tuple(meta.postTokenBalances or ()),
        )

    read = _read_quickly
