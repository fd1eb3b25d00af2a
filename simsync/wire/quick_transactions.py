"""Decodes the fields of a transaction in one call, with msgspec.

Three calls: for all fields, for the status, which strategies read of every transaction, and for the programs. A
notification of another form is left to the tolerant decoders (:mod:`~simsync.wire.notifications`), with the same
result. Without msgspec, every notification is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Callable, Optional, Union

from simsync.events import TransactionFields, TransactionStatus
from simsync.wire.transaction_bytes import message_version


def read_nothing(payload: bytes) -> None:
    """Leave every notification to the tolerant decoder."""
    return


read: Callable[[bytes], Optional[TransactionFields]] = read_nothing
"""The fields of a notification; None if the tolerant decoder has to read it."""

read_status: Callable[[bytes], Optional[TransactionStatus]] = read_nothing
"""Its status, several times faster; None if the tolerant decoder has to read it."""

read_programs: Callable[[bytes], Optional[tuple[str, ...]]] = read_nothing
"""The programs that it called; None if the tolerant decoder has to read it."""

with contextlib.suppress(ImportError):
    import msgspec

    # msgspec evaluates these annotations, on Python 3.9 too.
    class _Loaded(msgspec.Struct, gc=False):
        writable: Optional[tuple[str, ...]] = None
        readonly: Optional[tuple[str, ...]] = None

    class _ParsedKey(msgspec.Struct, gc=False):  # of the encoding jsonParsed
        pubkey: str

    _Keys = tuple[Union[str, _ParsedKey], ...]
    _Rows = Optional[tuple[Any, ...]]

    class _Meta(msgspec.Struct, gc=False):
        err: Any = None
        logMessages: _Rows = None
        fee: Any = None
        computeUnitsConsumed: Any = None
        preBalances: _Rows = None
        postBalances: _Rows = None
        preTokenBalances: _Rows = None
        postTokenBalances: _Rows = None
        loadedAddresses: Optional[_Loaded] = None

    class _Message(msgspec.Struct, gc=False):
        accountKeys: _Keys
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

    class _StatusMeta(msgspec.Struct, gc=False):
        err: Any = None
        fee: Any = None
        computeUnitsConsumed: Any = None

    class _StatusReply(msgspec.Struct, gc=False):
        meta: _StatusMeta

    class _StatusParams(msgspec.Struct, gc=False):
        result: _StatusReply

    class _StatusNotification(msgspec.Struct, gc=False):
        params: _StatusParams

    class _Instruction(msgspec.Struct, gc=False):
        programIdIndex: Optional[int] = None
        programId: Optional[str] = None

    class _Called(msgspec.Struct, gc=False):
        index: int
        instructions: list[_Instruction]

    class _ProgramsMeta(msgspec.Struct, gc=False):
        innerInstructions: Optional[list[_Called]] = None
        loadedAddresses: Optional[_Loaded] = None

    class _ProgramsMessage(msgspec.Struct, gc=False):
        accountKeys: _Keys
        instructions: list[_Instruction]

    class _ProgramsTransaction(msgspec.Struct, gc=False):
        message: _ProgramsMessage

    class _ProgramsReply(msgspec.Struct, gc=False):
        transaction: _ProgramsTransaction
        meta: _ProgramsMeta

    class _ProgramsParams(msgspec.Struct, gc=False):
        result: _ProgramsReply

    class _ProgramsNotification(msgspec.Struct, gc=False):
        params: _ProgramsParams

    _notification = msgspec.json.Decoder(_Notification).decode
    _status_notification = msgspec.json.Decoder(_StatusNotification).decode
    _programs_notification = msgspec.json.Decoder(_ProgramsNotification).decode
    _ERRORS = (msgspec.MsgspecError, RecursionError)

    def _addresses(keys: _Keys) -> tuple[str, ...]:
        return tuple([key if type(key) is str else key.pubkey for key in keys])  # type: ignore[union-attr]

    def _loaded_addresses(loaded: Optional[_Loaded]) -> tuple[str, ...]:
        return () if loaded is None else (loaded.writable or ()) + (loaded.readonly or ())

    def _read_quickly(payload: bytes) -> Optional[TransactionFields]:
        try:
            reply = _notification(payload).params.result
        except _ERRORS:
            return None
        meta = reply.meta
        message = reply.transaction.message
        keys = _addresses(message.accountKeys)
        before = meta.preBalances or ()
        if len(keys) < len(before):
            keys += _loaded_addresses(meta.loadedAddresses)
        signatures = reply.transaction.signatures
        return TransactionFields(
            signatures[0] if signatures else "",
            meta.err,
            meta.logMessages or (),
            meta.fee or 0,
            meta.computeUnitsConsumed,
            message_version(reply.version, message.addressTableLookups),
            reply.blockTime,
            keys,
            before,
            meta.postBalances or (),
            meta.preTokenBalances or (),
            meta.postTokenBalances or (),
        )

    def _read_status_quickly(payload: bytes) -> Optional[TransactionStatus]:
        try:
            meta = _status_notification(payload).params.result.meta
        except _ERRORS:
            return None
        return TransactionStatus(meta.err, meta.fee or 0, meta.computeUnitsConsumed)

    def _read_programs_quickly(payload: bytes) -> Optional[tuple[str, ...]]:
        try:
            reply = _programs_notification(payload).params.result
            return tuple(dict.fromkeys(_programs(reply)))
        except (*_ERRORS, LookupError):
            return None

    def _programs(reply: _ProgramsReply) -> Iterator[str]:
        """In the order of the calls, each as often as it was called."""
        message = reply.transaction.message
        keys = _addresses(message.accountKeys) + _loaded_addresses(reply.meta.loadedAddresses)
        called: dict[int, list[_Instruction]] = {}
        for group in reply.meta.innerInstructions or ():
            called.setdefault(group.index, []).extend(group.instructions)
        for index, instruction in enumerate(message.instructions):
            for one in (instruction, *called.get(index, ())):
                if one.programId is not None:
                    yield one.programId
                elif one.programIdIndex is None or one.programIdIndex < 0:
                    raise LookupError("an instruction without a program")
                else:
                    yield keys[one.programIdIndex]

    read, read_status, read_programs = _read_quickly, _read_status_quickly, _read_programs_quickly
