"""Transactions that the simulator has executed."""

from __future__ import annotations

import base64
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, Callable, NamedTuple, Optional

from simsync.events.event import DecodedEvent
from simsync.events.transaction_error import ErrorInWords


class Instruction(NamedTuple):
    """An instruction of a transaction.

    Attributes:
        program: Address of the program.
        accounts: Addresses of its accounts, in order. Empty if the server sent the instruction parsed.
        data: Its data. Empty if the server sent the instruction parsed.
        inner: The instructions that it called, in the order of their execution, however deep.
        parsed: What the server sent instead of accounts and data (encoding ``jsonParsed``), as JSON values; else None.
            An instruction that cannot be read is here as a whole.
    """

    program: str
    accounts: Sequence[str]
    data: bytes
    inner: Sequence[Instruction] = ()
    parsed: Any = None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name as JSON values; ``data`` is base64 text."""
        return {
            "program": self.program,
            "accounts": list(self.accounts),
            "data": base64.b64encode(self.data).decode("ascii"),
            "inner": [instruction.to_dict() for instruction in self.inner],
            "parsed": self.parsed,
        }


class TransactionFields(NamedTuple):
    """Decoded content of a :class:`Transaction`."""

    signature: str
    error: Any
    logs: Sequence[str]
    fee: int
    compute_units: Optional[int]
    version: Any
    block_time: Optional[int]
    account_keys: Sequence[str]
    pre_balances: Sequence[int]
    post_balances: Sequence[int]
    pre_token_balances: Sequence[Mapping[str, Any]]
    post_token_balances: Sequence[Mapping[str, Any]]


class TransactionStatus(NamedTuple):
    """What is read of most transactions, and decoded several times faster than all fields."""

    error: Any
    fee: int
    compute_units: Optional[int]


class TransactionReading(NamedTuple):
    """How the payload of a transaction is decoded. The last two take its JSON values.

    ``status``: None if it costs as much as all fields.
    """

    fields: Callable[[bytes], TransactionFields]
    raw: Callable[[bytes], Any]
    status: Callable[[bytes], Optional[TransactionStatus]]
    programs: Callable[[bytes], Sequence[str]]
    instructions: Callable[[Any], Sequence[Instruction]]
    serialized: Callable[[Any], bytes]


class _Habit:
    """Whether the caller reads more than the status of most transactions, judged by the last one.

    Who reads everything would otherwise decode each transaction twice. A wrong guess, or another thread with another
    habit, costs time only.
    """

    __slots__ = ("reads_all",)

    def __init__(self) -> None:
        self.reads_all = False


_habit = _Habit()


class Transaction(ErrorInWords, DecodedEvent[TransactionFields]):
    """A transaction was executed in ``slot``. ``raw`` has the form of a ``getTransaction`` result.

    Delivered by ``subscribe_transactions()``.

    It can be passed wherever a transaction is expected, for example to :meth:`simsync.Rpc.simulate_transaction`:
    ``bytes(event)`` is its serialized form.
    """

    __slots__ = ("_signature", "_status")

    _reading: TransactionReading

    def __init__(self, slot: int, payload: bytes, reading: TransactionReading, signature: str | None = None) -> None:
        # Repeats the base class, because calling it takes as long again, and this is done for each transaction.
        self.slot = slot
        self._payload = payload
        self._reading = reading
        self._raw = None
        self._fields = None
        self._status: TransactionFields | TransactionStatus | None = None
        self._signature = signature

    def _brief(self) -> TransactionFields | TransactionStatus:
        """What has the status: all fields if they are decoded or are likely to be, else nothing more."""
        status: TransactionFields | TransactionStatus | None = self._fields
        if status is None:
            if not _habit.reads_all:
                status = self._reading.status(self._payload)
            _habit.reads_all = False  # until more of this one is read
            if status is None:
                status = self._reading.fields(self._payload)
        self._status = status
        return status

    def _load(self) -> TransactionFields:
        fields = self._fields
        if fields is None:
            status = self._status
            fields = status if isinstance(status, TransactionFields) else self._reading.fields(self._payload)
            self._fields = fields
        return fields

    def _all(self) -> TransactionFields:
        _habit.reads_all = True
        return self._load()

    # The properties call nothing once what they need is decoded. Neither tuple is ever empty.

    @property
    def signature(self) -> str:
        """First signature, base58. Usually known without decoding.

        The simulator does not verify signatures, so it need not be unique.
        """
        return self._load().signature if self._signature is None else self._signature

    @property
    def error(self) -> Any:
        """None if the transaction succeeded, else the error as JSON values of the RPC."""
        return (self._status or self._brief()).error

    @property
    def logs(self) -> Sequence[str]:
        """Log lines of the programs, in order."""
        return (self._fields or self._all()).logs

    @property
    def fee(self) -> int:
        """Fee in lamports."""
        return (self._status or self._brief()).fee

    @property
    def compute_units(self) -> int | None:
        """Compute units consumed, None if the server does not send them."""
        return (self._status or self._brief()).compute_units

    @property
    def version(self) -> Any:
        """``"legacy"`` or the number of the version."""
        return (self._fields or self._all()).version

    @property
    def block_time(self) -> int | None:
        """Time of the block as Unix time in seconds, None if the server does not send it."""
        return (self._fields or self._all()).block_time

    @property
    def account_keys(self) -> Sequence[str]:
        """Addresses of the accounts in the order of the balances; those from lookup tables are last."""
        return (self._fields or self._all()).account_keys

    @property
    def pre_balances(self) -> Sequence[int]:
        """Balances before, in lamports, one per account key."""
        return (self._fields or self._all()).pre_balances

    @property
    def post_balances(self) -> Sequence[int]:
        """Balances after, in lamports, one per account key."""
        return (self._fields or self._all()).post_balances

    @property
    def pre_token_balances(self) -> Sequence[Mapping[str, Any]]:
        """Token balances before, as JSON values of the RPC."""
        return (self._fields or self._all()).pre_token_balances

    @property
    def post_token_balances(self) -> Sequence[Mapping[str, Any]]:
        """Token balances after, as JSON values of the RPC."""
        return (self._fields or self._all()).post_token_balances

    @property
    def programs(self) -> Sequence[str]:
        """Addresses of the programs that its instructions call, each once, in the order of the calls.

        Programs that are called through other programs are among them. Decoded at each use, without the other fields.
        """
        return self._reading.programs(self._payload)

    @property
    def instructions(self) -> Sequence[Instruction]:
        """The instructions, in order. Decoded at each use."""
        return self._reading.instructions(self.raw)

    def __bytes__(self) -> bytes:
        """The serialized transaction. Raises ProtocolError if the server did not send all of its parts."""
        return self._reading.serialized(self.raw)

    def _identity(self) -> Hashable:
        return self.slot, self.signature

    def _row(self) -> dict[str, Any]:
        fields = self._load()
        return {
            "slot": self.slot,
            "signature": self.signature,
            "success": fields.error is None,
            "error": fields.error,
            "error_text": self.error_text,
            "error_code": self.error_code,
            "error_instruction": self.error_instruction,
            "fee": fields.fee,
            "compute_units": fields.compute_units,
            "version": fields.version,
            "block_time": fields.block_time,
            "account_keys": list(fields.account_keys),
            "pre_balances": list(fields.pre_balances),
            "post_balances": list(fields.post_balances),
            "pre_token_balances": list(_token_balances(fields.pre_token_balances, fields.account_keys)),
            "post_token_balances": list(_token_balances(fields.post_token_balances, fields.account_keys)),
            "logs": list(fields.logs),
        }

    def __repr__(self) -> str:
        return f"Transaction(slot={self.slot}, signature={self.signature!r}, error={self.error!r})"


def _token_balances(rows: Sequence[object], keys: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The token balances as flat rows, with the amount in base units of the mint."""
    for row in rows:
        if not isinstance(row, Mapping):
            continue
        index, amounts = row.get("accountIndex"), row.get("uiTokenAmount")
        amount = amounts if isinstance(amounts, Mapping) else {}
        text = amount.get("amount")
        yield {
            "account": keys[index] if isinstance(index, int) and 0 <= index < len(keys) else None,
            "mint": row.get("mint"),
            "owner": row.get("owner"),
            "program": row.get("programId"),
            "amount": int(text) if isinstance(text, str) and text.isascii() and text.isdecimal() else None,
            "decimals": amount.get("decimals"),
        }
