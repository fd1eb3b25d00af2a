"""Events of the control plane: the progress and the end of a session."""

from __future__ import annotations

import reprlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Callable, Optional

from simsync.events.discovered import DiscoveredTransaction
from simsync.events.event import Event
from simsync.events.reroute_stats import RerouteStats, reroute_stats
from simsync.html_form import html_table
from simsync.json_form import JsonForm, config


@dataclass
class Created(Event):
    """The server has announced a (sub-)session that is being created.

    Delivered to ``on_progress`` only, while a session is being created.

    Attributes:
        session_id: Id of the session.
        task_id: Id of the server's task, None if the server does not send it.
    """

    __slots__ = ("session_id", "task_id")

    session_id: str
    task_id: Optional[str]

    __hash__ = Event.__hash__

    def _identity(self) -> Hashable:
        return self.session_id

    def _row(self) -> dict[str, Any]:
        return {"session_id": self.session_id, "task_id": self.task_id}


@dataclass
class ReadyForContinue(Event):
    """The engine is waiting for the next continue. It has no fields.

    Delivered by the control connection, at the start and after each continue, but not after the last block.
    """

    __slots__ = ()

    __hash__ = Event.__hash__


@dataclass
class Slot(Event):
    """A slot has been executed.

    Delivered by the control connection. Whether slots without a block and the start slot are announced depends on the
    server.

    Attributes:
        slot: Number of the slot.
    """

    __slots__ = ("slot",)

    slot: int

    __hash__ = Event.__hash__

    def _identity(self) -> Hashable:
        return self.slot

    def _row(self) -> dict[str, Any]:
        return {"slot": self.slot}


@dataclass
class Paused(Event):
    """The engine has reached the target of a :class:`~simsync.ContinueTo`. The next continue may be sent.

    Delivered by the control connection, after ``continue_to()``, ``send_continue_to()`` and steps to a discovery.

    Attributes:
        slot: Slot in which the engine waits.
        batch_index: Index of the next batch to execute, None at the boundary of the slot.
        raw: The payload as JSON values.
    """

    __slots__ = ("batch_index", "raw", "slot")

    slot: int
    batch_index: Optional[int]
    raw: Any

    __hash__ = Event.__hash__

    def _identity(self) -> Hashable:
        return (self.slot, self.batch_index)

    def _row(self) -> dict[str, Any]:
        return {"slot": self.slot, "batch_index": self.batch_index}


@dataclass
class DiscoveryBatch(Event):
    """A batch ahead of the engine matches a discovery filter.

    Delivered by the control connection, for sessions with ``CreateSession(discoveries=...)``. It may arrive at any
    time, also before the first :class:`~simsync.ReadyForContinue`.

    Attributes:
        slot: Slot of the batch.
        batch_index: Index of the batch in its slot, None if the server does not send it.
        matched: The filters that matched, as JSON values.
        transactions: The transactions of the batch, as JSON values.
        raw: The payload as JSON values.
        transaction_indices: Indices of the matching transactions, likely in their block; empty before protocol version
            0.28.
    """

    __slots__ = ("_decode", "batch_index", "matched", "raw", "slot", "transaction_indices", "transactions")

    slot: int
    batch_index: Optional[int]
    matched: Sequence[Any]
    transactions: Sequence[Any]
    raw: Any
    transaction_indices: Sequence[int]

    def __init__(
        self,
        slot: int,
        batch_index: Optional[int],
        matched: Sequence[object],
        transactions: Sequence[object],
        raw: object,
        decode: Optional[Callable[[Any], DiscoveredTransaction]] = None,
        transaction_indices: Sequence[int] = (),
    ) -> None:
        self.slot = slot
        self.batch_index = batch_index
        self.matched = matched
        self.transactions = transactions
        self.raw = raw
        self.transaction_indices = transaction_indices
        self._decode = decode

    def decoded(self) -> list[DiscoveredTransaction]:
        """Decode the transactions of the batch.

        Raises:
            ProtocolError: One of them cannot be read; ``transactions`` has it as the server sent it.
        """
        return [] if self._decode is None else [self._decode(one) for one in self.transactions]

    __hash__ = Event.__hash__

    def _identity(self) -> Hashable:
        return (self.slot, self.batch_index)

    def _row(self) -> dict[str, Any]:
        return {
            "slot": self.slot,
            "batch_index": self.batch_index,
            "matched": list(self.matched),
            "transactions": list(self.transactions),
            "transaction_indices": list(self.transaction_indices),
        }


@dataclass
class Status(Event):
    """A progress report of the server.

    Delivered by the control connection, and to ``on_progress`` while a session is being created.

    Attributes:
        status: A word of the server, for example ``"executedBlockTransactions"``. Servers may add words.
    """

    __slots__ = ("status",)

    status: str

    __hash__ = Event.__hash__

    def _identity(self) -> Hashable:
        return self.status

    def _row(self) -> dict[str, Any]:
        return {"status": self.status}


@dataclass
class BacktestError:
    """An error that the simulator reports.

    Attributes:
        name: Kind of the error as the server spells it, for example ``"SimulationError"``.
        fields: Its details by name, in snake_case.
        raw: The error as JSON values.
        terminal: True if the session cannot continue.
    """

    name: str
    fields: Mapping[str, Any]
    raw: Any
    terminal: bool = False

    def __hash__(self) -> int:
        return hash((type(self), self.name))

    def __str__(self) -> str:
        if not self.fields:
            return self.name
        details = (f"{key}={_brief(value)}" for key, value in self.fields.items())
        return f"{self.name}({', '.join(details)})"


def _brief(value: object) -> str:
    """Bounded in depth and length, because the server chooses the value."""
    return (value if isinstance(value, str) else _REPR.repr(value))[:_BRIEF_LENGTH]


_REPR = reprlib.Repr()
_BRIEF_LENGTH = 1000


@dataclass
class SessionError(Event):
    """The simulator reports an error in this session.

    Delivered by the control connection. If the error is terminal, the loop then raises.

    Attributes:
        error: The error.
    """

    __slots__ = ("error",)

    error: BacktestError

    __hash__ = Event.__hash__

    def _identity(self) -> Hashable:
        return self.error.name

    def _row(self) -> dict[str, Any]:
        error = self.error
        return {"error": error.raw, "error_text": str(error), "name": error.name, "terminal": error.terminal}


@dataclass
class SessionSummary(JsonForm):
    """Statistics of a finished session, as numbers of transactions. How the server counts is not documented.

    Attributes:
        correct_simulation: The outcome equals that on chain.
        incorrect_simulation: The outcome differs from that on chain.
        execution_errors: The error differs from that on chain.
        balance_diff: The balances differ from those on chain.
        log_diff: The logs differ from those on chain.
        unsanitizable: Skipped, because the transaction could not be executed.
        reroute_stats: Statistics of :class:`~simsync.Reroute` as JSON values; :attr:`reroute` reads them.
        raw: The whole summary as JSON values.
    """

    correct_simulation: int = 0
    incorrect_simulation: int = 0
    execution_errors: int = 0
    balance_diff: int = 0
    log_diff: int = 0
    unsanitizable: int = 0
    reroute_stats: Optional[Any] = None
    raw: Any = field(default=None, repr=False, compare=False, metadata=config(exclude=lambda _value: True))

    def _repr_html_(self) -> str:
        return html_table("SessionSummary", {name.replace("_", " "): getattr(self, name) for name in SUMMARY_COUNTS})

    @property
    def reroute(self) -> RerouteStats | None:
        """The statistics of :class:`~simsync.Reroute`; None if the server sends none."""
        return reroute_stats(self.reroute_stats)


# guess: names of the summary's numbers
SUMMARY_COUNTS = tuple(one.name for one in fields(SessionSummary) if one.type == "int")
"""The fields of a SessionSummary that are numbers of transactions."""


@dataclass
class Completed(Event):
    """The range is finished, and everything before this event was delivered.

    Delivered by the control connection, as the last event of the session.

    Attributes:
        summary: Statistics, None unless requested by ``CreateSession(send_summary=True)``.
        agent_stats: Statistics of ``CreateSession(agents=...)`` as JSON values.
    """

    __slots__ = ("agent_stats", "summary")

    summary: Optional[SessionSummary]
    agent_stats: Any

    __hash__ = Event.__hash__

    def _row(self) -> dict[str, Any]:
        summary = None if self.summary is None else self.summary.to_dict()
        return {"summary": summary, "agent_stats": self.agent_stats}
