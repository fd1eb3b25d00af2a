"""What a message asks for: its parts, its account keys, and what it requests of the compute budget."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple, Union

from solders.message import Message, MessageV0
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from simsync.local.engine.programs import (
    BUILTIN_PROGRAMS,
    COMPUTE_BUDGET_PROGRAM,
    LOOKUP_TABLE_HEADER,
    PRECOMPILES,
    TOKEN_PROGRAMS,
    UPGRADEABLE_LOADER,
)
from simsync.local.engine.reserved_keys import really_writable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from solders.account import Account
    from solders.message import MessageAddressTableLookup, MessageV1

    AnyMessage = Union[Message, MessageV0, MessageV1]
    FindAccount = Callable[[Pubkey], "Account | None"]

_DEFAULT_UNITS, _BUILTIN_UNITS, _MAX_UNITS = 200_000, 3_000, 1_400_000
"""Compute units counted per instruction if a transaction requests no limit, and the highest limit."""
_DEFAULT_HEAP = 32 * 1024


class MessageParts:
    """A message taken apart. What is read of a message of solders is copied, so each part is read once.

    There are many of them at a time, so they hold tuples, which cost the garbage collector less than lists.

    Attributes:
        version: ``legacy`` or a number.
        signers: The number of signatures that it requires.
        readonly_signed: How many of the accounts that sign are read-only.
        readonly_unsigned: How many of the other accounts are read-only.
        keys: The accounts that it names itself.
        blockhash: The recent blockhash.
        instructions: Each with the index of its program, the indices of its accounts, and its data.
        lookups: What it loads from address lookup tables; None for a version that has none.
        own_keys: Its :class:`Keys` if it loads none, once :func:`keys_of` has made them.
    """

    __slots__ = (
        "blockhash",
        "instructions",
        "keys",
        "lookups",
        "own_keys",
        "readonly_signed",
        "readonly_unsigned",
        "signers",
        "version",
    )

    def __init__(self, message: AnyMessage) -> None:
        header = message.header
        self.version = version_of(message)
        self.signers = header.num_required_signatures
        self.readonly_signed = header.num_readonly_signed_accounts
        self.readonly_unsigned = header.num_readonly_unsigned_accounts
        self.keys = tuple(message.account_keys)
        self.blockhash = message.recent_blockhash
        self.instructions = tuple([(one.program_id_index, one.accounts, one.data) for one in message.instructions])
        self.lookups: Sequence[MessageAddressTableLookup] | None = None
        if isinstance(message, MessageV0):
            self.lookups = message.address_table_lookups
        self.own_keys: Keys | None = None


def parse_transaction(wire: bytes) -> VersionedTransaction:
    """Parse the bytes of a transaction. Raises ValueError if they are not one, or if its version is above 0."""
    transaction = VersionedTransaction.from_bytes(wire)
    check_version(transaction.message)
    return transaction


def check_version(message: object) -> None:
    """Raise ValueError for a version above 0.

    solders 0.29 reads version 1, and LiteSVM runs it. But a node of the version whose replies the simulator gives
    refuses it, and the JSON of RPC has no place for the budget that it holds.
    """
    if not isinstance(message, (Message, MessageV0)):
        raise ValueError("transactions of version 1 are not known here, only legacy ones and version 0")


def version_of(message: AnyMessage) -> str | int:
    """Return ``legacy`` or the version number of a message."""
    return "legacy" if isinstance(message, Message) else 0


# -- compute budget and precompiles


class Budget(NamedTuple):
    """What a message requests: compute units, price per unit in micro-lamports, heap in bytes."""

    units: int
    price: int
    heap: int


def budget_of(message: MessageParts) -> Budget:
    """Return the budget from the compute budget instructions of a message, with Solana's defaults."""
    keys, default_units = message.keys, 0
    units, price, heap = None, 0, _DEFAULT_HEAP
    for index, _accounts, data in message.instructions:
        program = keys[index] if index < len(keys) else None
        default_units += _BUILTIN_UNITS if program in BUILTIN_PROGRAMS else _DEFAULT_UNITS
        if program != COMPUTE_BUDGET_PROGRAM:
            continue
        if data[:1] == b"\1" and len(data) >= 5:
            (heap,) = struct.unpack_from("<I", data, 1)
        elif data[:1] == b"\2" and len(data) >= 5:
            (units,) = struct.unpack_from("<I", data, 1)
        elif data[:1] == b"\3" and len(data) >= 9:
            (price,) = struct.unpack_from("<Q", data, 1)
    return Budget(min(default_units if units is None else units, _MAX_UNITS), price, heap)


def precompile_signatures(message: MessageParts) -> int:
    """Return how many signatures the precompiles verify: the first byte of each of their instructions."""
    keys = message.keys
    return sum(
        data[0]
        for index, _accounts, data in message.instructions
        if data and index < len(keys) and keys[index] in PRECOMPILES
    )


# -- account keys


class Keys:
    """The account keys of a transaction.

    Attributes:
        all: In their order, those from address lookup tables included.
        writable: The indices of those that it may write, in ascending order.
        written: The same as addresses.
        loaded_writable: Those from lookup tables that its message marks as writable.
        loaded_readonly: The others from lookup tables.
        with_tokens: Whether a token program is among them.
        with_loader: Whether the loader of upgradeable programs is.
    """

    __slots__ = (
        "all",
        "loaded_readonly",
        "loaded_writable",
        "with_loader",
        "with_tokens",
        "writable",
        "written",
    )

    def __init__(
        self, message: MessageParts, loaded_writable: Sequence[Pubkey] = (), loaded_readonly: Sequence[Pubkey] = ()
    ) -> None:
        keys, signers, own = message.keys, message.signers, len(message.keys)
        # A header may promise more keys than there are: such a transaction fails, but it must not break the simulator.
        marked = [
            *range(min(own, signers - message.readonly_signed)),
            *range(signers, max(signers, own - message.readonly_unsigned)),
            *range(own, own + len(loaded_writable)),
        ]
        programs = {program for program, _accounts, _data in message.instructions}
        everything = (*keys, *loaded_writable, *loaded_readonly) if loaded_writable or loaded_readonly else keys
        named = frozenset(everything)
        writable = really_writable(marked, everything, named, programs)
        self.all = everything
        self.writable = tuple(writable)
        self.written = tuple([everything[index] for index in writable])
        self.loaded_writable = loaded_writable
        self.loaded_readonly = loaded_readonly
        self.with_tokens = not TOKEN_PROGRAMS.isdisjoint(named)
        self.with_loader = UPGRADEABLE_LOADER in named


def keys_of(message: MessageParts, find: FindAccount) -> Keys:
    """Return the keys of a message, those from address lookup tables included."""
    if message.lookups:
        loaded_writable: list[Pubkey] = []
        loaded_readonly: list[Pubkey] = []
        for lookup in message.lookups:
            table = find(lookup.account_key)
            addresses = table.data[LOOKUP_TABLE_HEADER:] if table is not None else b""
            loaded_writable.extend(_table_entries(addresses, lookup.writable_indexes))
            loaded_readonly.extend(_table_entries(addresses, lookup.readonly_indexes))
        return Keys(message, loaded_writable, loaded_readonly)
    if message.own_keys is None:
        message.own_keys = Keys(message)
    return message.own_keys


def _table_entries(addresses: bytes, indexes: bytes) -> list[Pubkey]:
    return [
        Pubkey.from_bytes(addresses[32 * index : 32 * index + 32])
        for index in indexes
        if len(addresses) >= 32 * index + 32
    ]
