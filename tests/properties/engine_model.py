"""An engine as a server has it: it takes continues, says numbered things about them and keeps what it has said."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from simsync.events import (
    BacktestError,
    Completed,
    DiscoveryBatch,
    Event,
    Paused,
    ReadyForContinue,
    SessionError,
    Slot,
    Status,
    UnknownEvent,
)

_ECHO = "its echo"
"""A ready that only follows a pause or a refusal: the engine waits already, or has got its next continue."""

WAITING = ("readyForContinue", "paused", "invalidTransactionFormat")
"""After these the engine waits for a continue."""


class Entry(NamedTuple):
    """One thing said: its number (None: it has none), its kind and what it carries, as on the wire.

    ``again``: it repeats to a client that attached what the engine has said before.
    """

    number: int | None
    kind: str
    params: Any
    again: bool = False


class Continue(NamedTuple):
    """A continue as it was read from the wire. ``tag`` tells it from all others."""

    tag: str
    advance_count: int = 0
    slot: int | None = None
    batch_index: int | None = None


@dataclass(frozen=True)
class Habits:
    """What is not known of the server. Each is as good as the others."""

    first_number: int = 1
    announces_start: bool = True
    """A slot notification of the start slot comes before the first ready."""

    ready_after_pause: bool = False
    status_before_slots: bool = False
    empty_slots: bool = False
    """Some slots of the range carry no block."""

    talks_on: bool = False
    """More events come behind the last one."""

    says_ready_again: str = "no"
    """When a client attaches while the engine waits: ``no``, ``numbered`` or ``unnumbered``. With a status before."""

    @property
    def is_plain(self) -> bool:
        """Each ready answers a continue, so that none becomes ambiguous when numbers are missing."""
        return self.says_ready_again == "no" and not self.ready_after_pause


@dataclass
class Engine:
    """One session. It executes as :meth:`work` is called; each call makes it say one more thing."""

    session_id: str
    start_slot: int
    end_slot: int
    habits: Habits
    numbers: list[int]
    """The next number; shared with whoever else numbers messages of this session."""

    history: list[Entry] = field(default_factory=list)
    slot: int = 0
    """What ``getSlot`` says. It moves when a continue is taken, before anything is said."""

    waiting: bool = False
    finished: bool = False
    broken: bool = False
    taken: list[str] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    not_asked_for: list[str] = field(default_factory=list)
    """Continues that came while the engine did not wait for one."""

    caused: dict[str, list[int]] = field(default_factory=dict)
    said_before: int = 0
    """How long the history was when the last continue was taken."""

    moved: bool = False
    """The last continue that was taken has moved ``slot``."""

    _plan: deque[tuple[str, Any]] = field(default_factory=deque)
    _executed: int = 0
    _batch: int | None = None

    def __post_init__(self) -> None:
        self.slot = self.start_slot
        self._blocks = [
            slot
            for slot in range(self.start_slot, self.end_slot + 1)
            if not (self.habits.empty_slots and slot % 4 == 2 and self.start_slot < slot < self.end_slot)
        ]
        self._plan.append(("status", {"status": "startingRuntime"}))
        self._plan.append(("discoveryBatch", _discovery(self.end_slot, 0)))
        self._plan.append(("status", {"status": "programAccountsLoaded"}))
        if self.habits.announces_start:
            self._plan.append(("slotNotification", self.start_slot))
            self._executed = 1
        self._plan.append(("readyForContinue", None))

    @property
    def has_plans(self) -> bool:
        return bool(self._plan)

    @property
    def is_executing(self) -> bool:
        """The first slot of a continue was said.

        An error before that would be its answer (docs/internals/compatibility.md).
        """
        said = self.history[self.said_before :]
        return not self.waiting and any(entry.kind == "slotNotification" for entry in said)

    def take(self, request: Continue, *, refuse: bool = False) -> None:
        """A continue has arrived."""
        if self.broken:
            return
        if not self.waiting or self.finished:
            self.not_asked_for.append(request.tag)
            return
        self.waiting = False
        self.taken.append(request.tag)
        self.moved = False
        self.said_before = len(self.history)
        caused = self.caused[request.tag] = []
        if refuse:
            self.refused.add(request.tag)
            self._plan.append(("error", {"invalidTransactionFormat": {"index": 0, "error": "odd"}}))
            if self.habits.ready_after_pause:
                self._plan.append((_ECHO, None))
            return
        before = self.slot
        pauses = request.slot is not None and request.slot <= self.end_slot
        if request.slot is None:
            last = self._executed + request.advance_count
        else:
            last = sum(slot < request.slot for slot in self._blocks)
        blocks = self._blocks[self._executed : last]
        self._executed = max(self._executed, last)
        if self.habits.status_before_slots:
            self._plan.append(("status", {"status": "executingBlockTransactions"}))
        for slot in blocks:
            self._plan.append(("slotNotification", slot))
            caused.append(slot)
        if blocks:
            self.slot = max(self.slot, blocks[0])
        if pauses:
            self._plan.append(("paused", {"slot": request.slot, "batchIndex": request.batch_index}))
            if self.habits.ready_after_pause:
                self._plan.append((_ECHO, None))
        elif self._executed >= len(self._blocks):
            self._plan.append(("completed", {"summary": None}))
            if self.habits.talks_on:
                self._plan.append(("slotNotification", self.end_slot))
                self._plan.append(("readyForContinue", None))
        else:
            self._plan.append(("readyForContinue", None))
        self.moved = self.slot > before

    def work(self) -> None:
        """Go on until there is one more thing to say, and say it."""
        if self._plan:
            kind, params = self._plan.popleft()
            if kind == _ECHO:
                self.say("readyForContinue", None)
                return
            self.say(kind, params)
            if kind in ("slotNotification", "paused"):
                self.slot = max(self.slot, params if kind == "slotNotification" else params["slot"])
            self.waiting = not self.finished and (self.waiting or name_of(kind, params) in WAITING)
            if kind == "completed":
                self.finished = True
                self.waiting = False

    def say(self, kind: str, params: Any, again: bool = False) -> Entry:
        """Say something now, whatever the plans are."""
        entry = Entry(self.next_number(), kind, params, again)
        self.history.append(entry)
        return entry

    @property
    def next_number_to_come(self) -> int:
        return self.numbers[0]

    def next_number(self) -> int:
        number = self.numbers[0]
        self.numbers[0] += 1
        return number

    def fail(self) -> None:
        """Break, with a terminal error. What was planned is not executed."""
        planned = [params for kind, params in self._plan if kind == "slotNotification"]
        for tag, slots in self.caused.items():
            self.caused[tag] = [slot for slot in slots if slot not in planned]
        self._plan.clear()
        self.broken = True
        self.finished = True
        self.waiting = False
        self.say("error", {"advanceSlotFailed": {"slot": self.slot, "error": "frozen"}})

    def target(self, ahead: int, batch_index: int | None) -> tuple[int, int | None]:
        """Where a continue-to can go: not behind where the engine stands."""
        next_block = self._blocks[min(self._executed, len(self._blocks) - 1)]
        return min(next_block + ahead, self.end_slot), batch_index


def new_engine(session_id: str, start_slot: int, end_slot: int, habits: Habits) -> Engine:
    return Engine(session_id, start_slot, end_slot, habits, [habits.first_number])


def discovery(slot: int, batch_index: int) -> dict[str, Any]:
    return _discovery(slot, batch_index)


def _discovery(slot: int, batch_index: int) -> dict[str, Any]:
    return {"slot": slot, "batchIndex": batch_index, "matched": [], "transactions": []}


def name_of(kind: str, params: Any) -> str:
    """The kind, of errors the variant."""
    if kind != "error":
        return kind
    return params if isinstance(params, str) else next(iter(params))


_ERRORS = {
    "invalidTransactionFormat": ("InvalidTransactionFormat", False),
    "simulationError": ("SimulationError", False),
    "internal": ("Internal", False),
    "advanceSlotFailed": ("AdvanceSlotFailed", True),
}
"""Errors by their name on the wire: the name that a caller reads, and whether they end the session."""


def is_the_last(entry: Entry) -> bool:
    """Nothing may be delivered behind it."""
    return entry.kind == "completed" or name_of(entry.kind, entry.params) == "advanceSlotFailed"


def as_event(entry: Entry) -> Event:
    """What the caller has to get for it."""
    params = entry.params
    if entry.kind == "slotNotification":
        return Slot(params)
    if entry.kind == "readyForContinue":
        return ReadyForContinue()
    if entry.kind == "paused":
        return Paused(params["slot"], params["batchIndex"], params)
    if entry.kind == "discoveryBatch":
        return DiscoveryBatch(params["slot"], params["batchIndex"], (), (), params)
    if entry.kind == "status":
        return Status(params["status"])
    if entry.kind == "completed":
        return Completed(None, None)
    if entry.kind == "error":
        name, terminal = _ERRORS[name_of(entry.kind, params)]
        fields = params[name_of(entry.kind, params)]
        return SessionError(BacktestError(name, fields, params, terminal))
    return UnknownEvent(entry.kind, params)
