"""What a transaction asks for (keys, compute units, heap) and what it did (errors, balances, changed accounts)."""

from __future__ import annotations

import hashlib
import struct
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple, Union

from solders.account import Account
from solders.message import Message, MessageV0
from solders.pubkey import Pubkey
from solders.transaction_status import (
    InstructionErrorBorshIO,
    InstructionErrorCustom,
    TransactionErrorDuplicateInstruction,
    TransactionErrorInstructionError,
    TransactionErrorInsufficientFundsForRent,
    TransactionErrorProgramExecutionTemporarilyRestricted,
)

from simsync.local.engine.programs import (
    BUILTIN_PROGRAMS,
    COMPUTE_BUDGET_PROGRAM,
    LOOKUP_TABLE_HEADER,
    PRECOMPILES,
    TOKEN_PROGRAMS,
)
from simsync.local.engine.reserved_keys import really_writable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from solders.message import MessageV1
    from solders.transaction_metadata import TransactionMetadata

    AnyMessage = Union[Message, MessageV0, MessageV1]
    FindAccount = Callable[[Pubkey], "Account | None"]

_DEFAULT_UNITS, _BUILTIN_UNITS, _MAX_UNITS = 200_000, 3_000, 1_400_000
"""Compute units counted per instruction if a transaction requests no limit, and the highest limit."""
_DEFAULT_HEAP = 32 * 1024
_TOKEN_ACCOUNT_SIZE = 165
_TOKEN_STATE_OFFSET = 108
_MINT_DECIMALS_OFFSET = 44
_MOST_FLOAT_DECIMALS = 19
_IS_TOKEN_ACCOUNT = 2
"""The account type that Token-2022 writes after the base state."""


# -- what a message asks for


class Budget(NamedTuple):
    """What a message requests: compute units, price per unit in micro-lamports, heap in bytes."""

    units: int
    price: int
    heap: int


def budget_of(message: AnyMessage) -> Budget:
    """Return the budget from the compute budget instructions of a message, with Solana's defaults."""
    keys, default_units = message.account_keys, 0
    units, price, heap = None, 0, _DEFAULT_HEAP
    for instruction in message.instructions:
        index, data = instruction.program_id_index, instruction.data
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


def precompile_signatures(message: AnyMessage) -> int:
    """Return how many signatures the precompiles verify: the first byte of each of their instructions."""
    keys = message.account_keys
    return sum(
        instruction.data[0]
        for instruction in message.instructions
        if instruction.data
        and instruction.program_id_index < len(keys)
        and keys[instruction.program_id_index] in PRECOMPILES
    )


class Keys(NamedTuple):
    """The account keys of a transaction; ``writable`` holds indices into ``all``."""

    all: list[Pubkey]
    writable: list[int]
    loaded_writable: list[Pubkey]
    loaded_readonly: list[Pubkey]


def keys_of(message: AnyMessage, find: FindAccount) -> Keys:
    """Return the keys of a message, those from address lookup tables included."""
    keys = list(message.account_keys)
    header = message.header
    signers, total = header.num_required_signatures, len(keys)
    # A header may promise more keys than there are: such a transaction fails, but it must not break the simulator.
    writable = list(range(max(0, signers - header.num_readonly_signed_accounts)))
    writable.extend(range(signers, max(signers, total - header.num_readonly_unsigned_accounts)))
    writable = [index for index in writable if index < total]
    loaded_writable: list[Pubkey] = []
    loaded_readonly: list[Pubkey] = []
    if isinstance(message, MessageV0):
        for lookup in message.address_table_lookups:
            table = find(lookup.account_key)
            addresses = table.data[LOOKUP_TABLE_HEADER:] if table is not None else b""
            loaded_writable.extend(_table_entries(addresses, lookup.writable_indexes))
            loaded_readonly.extend(_table_entries(addresses, lookup.readonly_indexes))
        writable.extend(range(total, total + len(loaded_writable)))
        keys += loaded_writable + loaded_readonly
    writable = really_writable(writable, keys, {one.program_id_index for one in message.instructions})
    return Keys(keys, writable, loaded_writable, loaded_readonly)


def _table_entries(addresses: bytes, indexes: bytes) -> list[Pubkey]:
    return [
        Pubkey.from_bytes(addresses[32 * index : 32 * index + 32])
        for index in indexes
        if len(addresses) >= 32 * index + 32
    ]


# -- errors


def error_json(error: object) -> object:
    """Return the JSON-RPC form of a solders transaction error: a name, or an object with one key."""
    if isinstance(error, TransactionErrorInstructionError):
        return {"InstructionError": [error.index, _instruction_error(error.err)]}
    if isinstance(error, TransactionErrorDuplicateInstruction):
        return {"DuplicateInstruction": error.index}
    if isinstance(error, TransactionErrorInsufficientFundsForRent):
        return {"InsufficientFundsForRent": {"account_index": error.account_index}}
    if isinstance(error, TransactionErrorProgramExecutionTemporarilyRestricted):
        return {"ProgramExecutionTemporarilyRestricted": {"account_index": error.account_index}}
    return _name(error)


def _instruction_error(error: object) -> object:
    if isinstance(error, InstructionErrorCustom):
        return {"Custom": error.code}
    if isinstance(error, InstructionErrorBorshIO):
        return {"BorshIoError": error.value}
    return _name(error)


def _name(error: object) -> str:
    return str(error).rpartition(".")[2]


# -- changed accounts and balances


class AccountChange(NamedTuple):
    """One account before and after a possible write; None where it does not exist."""

    address: Pubkey
    before: Account | None
    after: Account | None


def real_changes(changes: Iterable[AccountChange]) -> list[AccountChange]:
    """Return the changes in which something differs. An account without lamports counts as missing."""
    found = []
    for change in changes:
        address, before, after = change
        if before == after:
            continue
        was_empty, is_empty = before is not None and not before.lamports, after is not None and not after.lamports
        if was_empty or is_empty:
            change = AccountChange(address, None if was_empty else before, None if is_empty else after)
            if change.before is None and change.after is None:
                continue
        found.append(change)
    return found


def ui_amount(amount: int, decimals: int) -> dict[str, object]:
    """Return an amount of tokens, which is in the smallest unit, as RPC shows it."""
    text = f"{Decimal(amount).scaleb(-decimals):f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    # As on a node, which divides floats, by a power of ten that must fit into 64 bits.
    shown = float(amount) / float(10**decimals) if decimals <= _MOST_FLOAT_DECIMALS else None
    return {"amount": str(amount), "decimals": decimals, "uiAmount": shown, "uiAmountString": text}


class TokenBalance(NamedTuple):
    """Balance of one SPL token account; ``amount`` is in the smallest unit of the mint."""

    position: int
    mint: str
    owner: str
    program: str
    amount: int
    decimals: int

    def to_json(self) -> dict[str, object]:
        """Return an entry of ``preTokenBalances`` or ``postTokenBalances``."""
        shown = ui_amount(self.amount, self.decimals)
        if not self.amount:
            # As a node shows it: what it stores of a balance of zero comes back as null.
            shown["uiAmount"] = None
        return {
            "accountIndex": self.position,
            "mint": self.mint,
            "owner": self.owner,
            "programId": self.program,
            "uiTokenAmount": shown,
        }


def token_account(account: Account) -> bytes | None:
    """Return the data of an initialized token account, None for any other account."""
    if account.owner not in TOKEN_PROGRAMS:
        return None
    data = account.data
    if len(data) < _TOKEN_ACCOUNT_SIZE or not data[_TOKEN_STATE_OFFSET]:
        return None
    if len(data) > _TOKEN_ACCOUNT_SIZE and data[_TOKEN_ACCOUNT_SIZE] != _IS_TOKEN_ACCOUNT:
        return None
    return data


def token_balance(index: int, account: Account, find: FindAccount) -> TokenBalance | None:
    """Return the balance of the token account at ``index``; None for another account or an unknown mint."""
    data = token_account(account)
    if data is None:
        return None
    mint = Pubkey.from_bytes(data[:32])
    mint_account = find(mint)
    if mint_account is None or len(mint_account.data) <= _MINT_DECIMALS_OFFSET:
        return None
    return TokenBalance(
        index,
        str(mint),
        str(Pubkey.from_bytes(data[32:64])),
        str(account.owner),
        int.from_bytes(data[64:72], "little"),
        mint_account.data[_MINT_DECIMALS_OFFSET],
    )


def trace_of(logs: Iterable[str]) -> str:
    """Return a digest of which programs ran, how deep, and how each ended.

    Log messages and compute units are left out: they depend on the builds of the token and memo programs in the
    installed LiteSVM.
    """
    lines = [
        line
        for line in logs
        if line.startswith("Program ") and (line.endswith((" success", "]")) or " failed: " in line)
    ]
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=8).hexdigest()


class Outcome:
    """The effects of one executed or simulated transaction. Amounts are in lamports, ``units`` in compute units."""

    __slots__ = (
        "changes",
        "error",
        "fee",
        "keys",
        "loaded_readonly",
        "loaded_writable",
        "meta",
        "post_balances",
        "post_tokens",
        "pre_balances",
        "pre_tokens",
    )

    def __init__(self, meta: TransactionMetadata, error: object, keys: Keys) -> None:
        self.meta = meta
        self.error = error
        self.keys = keys.all
        self.loaded_writable = keys.loaded_writable
        self.loaded_readonly = keys.loaded_readonly
        self.fee = 0
        self.pre_balances: list[int] = []
        self.post_balances: list[int] = []
        self.pre_tokens: list[TokenBalance] = []
        self.post_tokens: list[TokenBalance] = []
        self.changes: list[AccountChange] = []

    @property
    def logs(self) -> list[str]:
        return self.meta.logs()

    @property
    def units(self) -> int:
        return self.meta.compute_units_consumed()

    @property
    def return_data(self) -> tuple[Pubkey, bytes] | None:
        """The program that returned data, and the data; None if no data was returned."""
        returned = self.meta.return_data()
        return (returned.program_id, returned.data) if returned.data else None

    @property
    def unsanitizable(self) -> bool:
        return bool(self.error == "SanitizeFailure")

    def written_balances(self) -> tuple[int, ...]:
        """Return the lamports of the writable accounts afterwards, in the order of the account keys."""
        return tuple(change.after.lamports if change.after is not None else 0 for change in self.changes)

    def trace(self) -> str:
        """Return the digest of its logs, see :func:`trace_of`."""
        return trace_of(self.meta.logs())
