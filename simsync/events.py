"""What the caller receives.

Control events (:class:`Slot` to :class:`Completed`) are small objects with slots; data-plane events decode what they
hold when it is asked for. Nothing here does I/O or knows the wire format.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable, Generic, NamedTuple, Optional, TypeVar

from simsync.json_form import JsonForm, config


class Event:
    """Root of everything that ``events()`` yields."""

    __slots__ = ()


@dataclass
class Created(Event):
    """While a session is being created: the server has announced this (sub-)session. Only for progress callbacks."""

    __slots__ = ("session_id", "task_id")

    session_id: str
    task_id: Optional[str]


@dataclass
class ReadyForContinue(Event):
    """The engine waits for the next continue."""

    __slots__ = ()


@dataclass
class Slot(Event):
    """The slot was executed."""

    __slots__ = ("slot",)

    slot: int


@dataclass
class Paused(Event):
    """The engine stopped at the target of a continue-to; the next continue may be sent.

    ``batch_index`` is the next batch that has not run, None at a slot boundary. ``raw``: the payload as it came.
    """

    __slots__ = ("batch_index", "raw", "slot")

    slot: int
    batch_index: Optional[int]
    raw: Any


@dataclass
class DiscoveryBatch(Event):
    """A batch ahead matches a discovery filter; may come at any time, also before the first ``ReadyForContinue``.

    ``matched`` and ``transactions`` are as the server sent them.
    """

    __slots__ = ("batch_index", "matched", "raw", "slot", "transactions")

    slot: int
    batch_index: Optional[int]
    matched: Sequence[Any]
    transactions: Sequence[Any]
    raw: Any


@dataclass
class Status(Event):
    """Progress in the server's own words, for example ``executedBlockTransactions``. The list of words grows."""

    __slots__ = ("status",)

    status: str


@dataclass
class BacktestError:
    """An error of the simulator.

    ``name`` is the variant in the server's naming, for example ``SimulationError``; ``fields`` what it carries with
    snake_case keys; ``terminal`` whether going on is pointless; ``raw`` the error as it came.
    """

    name: str
    fields: Mapping[str, Any]
    raw: Any
    terminal: bool = False

    def __str__(self) -> str:
        if not self.fields:
            return self.name
        fields = (f"{key}={_brief(value)}" for key, value in self.fields.items())
        return f"{self.name}({', '.join(fields)})"


def _brief(value: Any) -> str:
    """Bounded in depth and length: the server chooses what is in there."""
    return (value if isinstance(value, str) else _REPR.repr(value))[:_BRIEF_LENGTH]


_REPR = reprlib.Repr()
_BRIEF_LENGTH = 1000


@dataclass
class SessionError(Event):
    """The simulator reports an error in this session."""

    __slots__ = ("error",)

    error: BacktestError


@dataclass
class SessionSummary(JsonForm):
    """Statistics of a finished session, in transactions.

    ``correct_simulation``: outcome equal to the chain's; ``balance_diff`` and ``log_diff``: balances or logs differ;
    ``unsanitizable``: skipped. ``reroute_stats`` is open. ``raw``: the summary as it came.
    """

    correct_simulation: int = 0
    incorrect_simulation: int = 0
    execution_errors: int = 0
    balance_diff: int = 0
    log_diff: int = 0
    unsanitizable: int = 0
    reroute_stats: Optional[Any] = None
    raw: Any = field(default=None, repr=False, compare=False, metadata=config(exclude=lambda _value: True))


@dataclass
class Completed(Event):
    """The range is finished and everything before it was delivered. ``summary`` if it was asked for."""

    __slots__ = ("agent_stats", "summary")

    summary: Optional[SessionSummary]
    agent_stats: Any


@dataclass
class UnknownEvent(Event):
    """An event of a kind that simsync does not know, as it came."""

    __slots__ = ("kind", "raw")

    kind: str
    raw: Any


@dataclass
class Notification(Event):
    """A data-plane notification without a type of its own; ``method`` is its name on the wire."""

    __slots__ = ("method", "result")

    method: str
    result: Any


Fields = TypeVar("Fields", bound=NamedTuple)


class Reading(NamedTuple):
    """How the payload of a data-plane event is read: its fields, and its content as the server sent it."""

    fields: Callable[[bytes], Any]
    raw: Callable[[bytes], Any]


class _Decoded(Event, Generic[Fields]):
    """A data-plane event: its slot is known, the rest is decoded on first use, once."""

    __slots__ = ("_fields", "_payload", "_raw", "_reading", "slot")

    def __init__(self, slot: int, payload: bytes, reading: Reading) -> None:
        self.slot = slot
        self._payload = payload
        self._reading = reading
        self._raw: Any = None
        self._fields: Fields | None = None

    def _load(self) -> Fields:
        fields = self._fields
        if fields is None:
            fields = self._fields = self._reading.fields(self._payload)
        return fields

    @property
    def raw(self) -> Any:
        """The content as the server sent it."""
        if self._raw is None:
            self._raw = self._reading.raw(self._payload)
        return self._raw

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.slot == other.slot and self.raw == other.raw

    __hash__ = None  # type: ignore[assignment]


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


class Transaction(_Decoded[TransactionFields]):
    """A transaction was executed in ``slot``; the shape of ``raw`` is that of a ``getTransaction`` reply."""

    __slots__ = ("_signature",)

    def __init__(self, slot: int, payload: bytes, reading: Reading, signature: str | None = None) -> None:
        # As the base class does; calling it would take as long again.
        self.slot = slot
        self._payload = payload
        self._reading = reading
        self._raw = None
        self._fields = None
        self._signature = signature

    @property
    def signature(self) -> str:
        """First signature, base58. Signatures are not verified, so it need not be unique. Mostly known undecoded."""
        return self._load().signature if self._signature is None else self._signature

    @property
    def error(self) -> Any:
        """None when it succeeded, else the error as the RPC writes it."""
        return self._load().error

    @property
    def logs(self) -> Sequence[str]:
        return self._load().logs

    @property
    def fee(self) -> int:
        """Lamports."""
        return self._load().fee

    @property
    def compute_units(self) -> int | None:
        return self._load().compute_units

    @property
    def version(self) -> Any:
        """``"legacy"`` or a number."""
        return self._load().version

    @property
    def block_time(self) -> int | None:
        """Unix time in seconds."""
        return self._load().block_time

    @property
    def account_keys(self) -> Sequence[str]:
        """Addresses in the order of the balances, those from lookup tables last."""
        return self._load().account_keys

    @property
    def pre_balances(self) -> Sequence[int]:
        """Lamports before, one per account key."""
        return self._load().pre_balances

    @property
    def post_balances(self) -> Sequence[int]:
        """Lamports after, one per account key."""
        return self._load().post_balances

    @property
    def pre_token_balances(self) -> Sequence[Mapping[str, Any]]:
        return self._load().pre_token_balances

    @property
    def post_token_balances(self) -> Sequence[Mapping[str, Any]]:
        return self._load().post_token_balances

    def __repr__(self) -> str:
        return f"Transaction(slot={self.slot}, signature={self.signature!r}, error={self.error!r})"


class AccountState:
    """An account at one moment. ``lamports`` as a number; ``data`` is decoded when it is asked for."""

    __slots__ = ("_data", "_decode", "_encoded", "executable", "lamports", "owner", "rent_epoch", "space")

    def __init__(
        self,
        lamports: int,
        owner: str,
        executable: bool,
        rent_epoch: int,
        space: int | None,
        encoded: Any,
        decode: Callable[[Any], bytes],
    ) -> None:
        self.lamports = lamports
        self.owner = owner
        self.executable = executable
        self.rent_epoch = rent_epoch
        self.space = space
        self._encoded = encoded
        self._decode = decode
        self._data: bytes | None = None

    @property
    def data(self) -> bytes:
        """Raises ProtocolError when the server used an encoding that cannot be read."""
        if self._data is None:
            self._data = self._decode(self._encoded)
        return self._data

    def __repr__(self) -> str:
        return f"AccountState(lamports={self.lamports}, owner={self.owner!r}, space={self.space})"


class AccountDiffFields(NamedTuple):
    """Decoded content of an :class:`AccountDiff`."""

    account: Optional[str]
    signature: Optional[str]
    before: Optional[AccountState]
    after: Optional[AccountState]


class AccountDiff(_Decoded[AccountDiffFields]):
    """An account before and after one transaction of ``slot``, or after an override."""

    __slots__ = ()

    @property
    def account(self) -> str | None:
        """The address."""
        return self._load().account

    @property
    def signature(self) -> str | None:
        """The transaction that caused the change; None for an override."""
        return self._load().signature

    @property
    def before(self) -> AccountState | None:
        """None when the account was created."""
        return self._load().before

    @property
    def after(self) -> AccountState | None:
        """None when the account was deleted."""
        return self._load().after

    @property
    def created(self) -> bool:
        return self.before is None and self.after is not None

    @property
    def deleted(self) -> bool:
        return self.after is None and self.before is not None

    def __repr__(self) -> str:
        return f"AccountDiff(slot={self.slot}, account={self.account!r}, before={self.before!r}, after={self.after!r})"


class TransactionOutcome(NamedTuple):
    """What one transaction of an action did. ``fee`` in lamports; ``return_data`` as the server sent it."""

    error: Any
    logs: Sequence[str]
    compute_units: Optional[int]
    fee: Optional[int]
    return_data: Any


class ActionResultFields(NamedTuple):
    """Decoded content of an :class:`ActionResult`."""

    batch_index: Optional[int]
    action_index: Optional[int]
    label: Optional[str]
    committed: Optional[bool]
    outcomes: Sequence[TransactionOutcome]
    accounts: Sequence[Optional[AccountState]]
    matched: Optional[bytes]


class ActionResult(_Decoded[ActionResultFields]):
    """A scheduled action ran in ``slot``."""

    __slots__ = ()

    @property
    def batch_index(self) -> int | None:
        """None at a slot boundary."""
        return self._load().batch_index

    @property
    def action_index(self) -> int | None:
        """Place in the list of the create request."""
        return self._load().action_index

    @property
    def label(self) -> str | None:
        """The caller's label: the way to tell results apart."""
        return self._load().label

    @property
    def committed(self) -> bool | None:
        return self._load().committed

    @property
    def outcomes(self) -> Sequence[TransactionOutcome]:
        """One per transaction, in order."""
        return self._load().outcomes

    @property
    def accounts(self) -> Sequence[AccountState | None]:
        """The ``return_accounts`` of the action, in order, after its last transaction."""
        return self._load().accounts

    @property
    def matched(self) -> bytes | None:
        """The transaction that triggered a match action."""
        return self._load().matched

    def __repr__(self) -> str:
        return f"ActionResult(slot={self.slot}, label={self.label!r}, outcomes={self.outcomes!r})"
