"""What subscriptions show: the items of a session's stream in order, kept for a number of slots."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any, NamedTuple, Union

from simsync.local.actions import ActionResult
from simsync.local.backtest.decoded import Decoded
from simsync.local.backtest.instructions import instructions_of, is_vote, recorded_instructions
from simsync.local.encoding import dump_json, load_json
from simsync.local.engine.transactions import AccountChange, real_changes
from simsync.local.transaction_json import meta_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simsync.local.backtest.instructions import TopInstruction
    from simsync.local.engine.transactions import Outcome


class ExecutedTransaction:
    """A transaction that ran on the engine. Its JSON is made when it is first needed, and shared by all subscribers."""

    __slots__ = (
        "_changed",
        "_decoded",
        "_encoded",
        "_mentions",
        "block_time",
        "outcome",
        "signature",
        "slot",
        "transaction",
    )

    def __init__(self, decoded: Decoded, outcome: Outcome, slot: int, block_time: int | None) -> None:
        self.transaction = decoded.transaction
        self.outcome = outcome
        self.slot = slot
        self.block_time = block_time
        self.signature = decoded.signatures[0] if decoded.signatures else ""
        self._decoded: Decoded | None = decoded
        self._encoded: bytes | None = None
        self._mentions: frozenset[str] | None = None
        self._changed: list[AccountChange] | None = None

    @property
    def decoded(self) -> Decoded:
        """The transaction taken apart; once all subscriptions have read it, that is done again."""
        return self._decoded if self._decoded is not None else Decoded(self.transaction)

    @property
    def error(self) -> Any:
        return self.outcome.error

    @property
    def logs(self) -> list[str]:
        return self.outcome.logs

    @property
    def mentions(self) -> frozenset[str]:
        """Every account key of the transaction, those from lookup tables included."""
        if self._mentions is None:
            self._mentions = frozenset(map(str, self.outcome.keys))
        return self._mentions

    def involves(self, address: str) -> bool:
        """Is the account among the keys? Unlike :attr:`mentions` this keeps nothing in memory."""
        return any(str(key) == address for key in self.outcome.keys)

    @property
    def instructions(self) -> Sequence[TopInstruction]:
        """The instructions of its message."""
        return instructions_of(self.decoded.message)

    @property
    def is_vote(self) -> bool:
        decoded = self.decoded
        return is_vote(decoded.message.version, len(decoded.signatures), instructions_of(decoded.message))

    @property
    def changed(self) -> Sequence[AccountChange]:
        """The accounts that the transaction changed; empty once it has left the buffer of the subscriptions."""
        if self._changed is None:
            self._changed = real_changes(self.outcome.changes)
        return self._changed

    def to_json(self) -> dict[str, Any]:
        shown: dict[str, Any] = load_json(self._encoded or self._encode())
        return shown

    def encoded(self) -> bytes:
        if self._encoded is None:
            self._encoded = self._encode()
        return self._encoded

    def _encode(self) -> bytes:
        decoded = self.decoded
        place = {"slot": self.slot, "blockTime": self.block_time, "version": decoded.message.version}
        rest = decoded.encoded(), dump_json(meta_json(self.outcome))
        return b'%s,"transaction":%s,"meta":%s}' % (dump_json(place)[:-1], *rest)

    def forget_rendering(self) -> None:
        """Free what can be made again, once all subscriptions have read it: memory that grows costs time."""
        self._encoded = None
        self._mentions = None
        self._decoded = None

    def leave_buffer(self) -> None:
        """Free what only subscriptions need, once the transaction has left their buffer."""
        self.forget_rendering()
        self._changed = None
        self.outcome.forget_accounts()


class RecordedTransaction:
    """A recorded ``getTransaction`` reply, shown unchanged."""

    __slots__ = ("_encoded", "_reply", "block_time", "signature", "slot")

    def __init__(self, reply: dict[str, Any], slot: int, block_time: int | None) -> None:
        self._reply = reply
        self._encoded: bytes | None = None
        self.slot = slot
        self.block_time = block_time
        self.signature: str = reply["transaction"]["signatures"][0]

    @property
    def error(self) -> Any:
        return (self._reply.get("meta") or {}).get("err")

    @property
    def logs(self) -> list[str]:
        return (self._reply.get("meta") or {}).get("logMessages") or []

    @property
    def mentions(self) -> frozenset[str]:
        keys = self._reply["transaction"]["message"]["accountKeys"]
        names = {key["pubkey"] if isinstance(key, dict) else key for key in keys}
        loaded = (self._reply.get("meta") or {}).get("loadedAddresses") or {}
        return frozenset(names.union(loaded.get("writable") or (), loaded.get("readonly") or ()))

    def involves(self, address: str) -> bool:
        return address in self.mentions

    @property
    def instructions(self) -> Sequence[TopInstruction]:
        """The instructions of its message."""
        return recorded_instructions(self._reply["transaction"]["message"])

    @property
    def is_vote(self) -> bool:
        return is_vote(self._reply["version"], len(self._reply["transaction"]["signatures"]), self.instructions)

    @property
    def changed(self) -> Sequence[AccountChange]:
        """Recorded replies do not say how accounts changed."""
        return ()

    @property
    def signers(self) -> frozenset[str]:
        """The accounts that signed."""
        message = self._reply["transaction"]["message"]
        keys = message["accountKeys"]
        count = len(self._reply["transaction"]["signatures"])
        return frozenset(key["pubkey"] if isinstance(key, dict) else key for key in keys[:count])

    def to_json(self) -> dict[str, Any]:
        return self._reply

    def encoded(self) -> bytes:
        if self._encoded is None:
            self._encoded = dump_json(self._reply)
        return self._encoded

    def forget_rendering(self) -> None:
        """Free what can be made again, once all subscriptions have read it."""
        self._encoded = None

    def leave_buffer(self) -> None:
        self.forget_rendering()


class AccountsOverridden:
    """Accounts that a client or an action replaced."""

    __slots__ = ("_changes", "slot")

    signature = None

    def __init__(self, slot: int, changes: list[AccountChange]) -> None:
        self.slot = slot
        self._changes = changes

    @property
    def changed(self) -> Sequence[AccountChange]:
        return self._changes

    def leave_buffer(self) -> None:
        self._changes = []


TransactionItem = Union[ExecutedTransaction, RecordedTransaction]
TRANSACTIONS = (ExecutedTransaction, RecordedTransaction)
CHANGES = (ExecutedTransaction, AccountsOverridden)
"""The items that hold account changes."""


class SlotBegun(NamedTuple):
    """The block of a slot begins; :class:`SlotShown` follows when it is done."""

    slot: int


class SlotShown(NamedTuple):
    """A slot was executed; ``parent`` is the slot of the block before, ``root`` the last finalized slot."""

    slot: int
    parent: int
    root: int


StreamItem = Union[SlotBegun, SlotShown, ExecutedTransaction, RecordedTransaction, AccountsOverridden, ActionResult]
_SLOTS = (SlotBegun, SlotShown)


class Stream:
    """The items of one session, as a list that grows at its end and is cut at its front.

    Positions count from the first item ever added, so they stay valid when old items are removed. Items of the last
    ``slots`` slots are kept for replay. Older ones stay until every open reader has passed them: a connected subscriber
    that reads slowly loses nothing. What was made to show an item is kept until every open reader has passed it.
    """

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._items: list[StreamItem] = []
        self._first = 0
        self._passed = 0
        """The position up to which no reader needs what was made to show the items."""
        self._slot_starts: list[tuple[int, int]] = []
        self._replay_from = 0
        self._forgot = False
        self._readers: set[StreamReader] = set()
        self._listeners: set[Callable[[], None]] = set()
        self.finished = False

    @property
    def end(self) -> int:
        """The position after the last item."""
        return self._first + len(self._items)

    def add(self, item: StreamItem) -> None:
        """Append an item. Its slot must not be below that of the item before."""
        if not self._slot_starts or item.slot > self._slot_starts[-1][0]:
            self._slot_starts.append((item.slot, self.end))
            if len(self._slot_starts) > self._slots:
                del self._slot_starts[: -self._slots]
                self._forgot = True
            self._replay_from = self._slot_starts[0][1]
            # Once per slot, not per item: cutting moves the whole list.
            self._cut()
        self._items.append(item)

    def wake(self) -> None:
        """Tell the listeners that there is something to read."""
        for listener in self._listeners:
            listener()

    def finish(self) -> None:
        """Note that no item will follow."""
        self.finished = True
        self.wake()

    def listen(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` when there may be something to read."""
        self._listeners.add(listener)

    def unlisten(self, listener: Callable[[], None]) -> None:
        self._listeners.discard(listener)

    def reader(self, from_slot: int | None) -> StreamReader:
        """Return a reader that starts at the first kept item of ``from_slot`` or later, by default at the oldest."""
        position = self._replay_from
        if from_slot is not None:
            index = bisect_left(self._slot_starts, (from_slot, -1))
            position = self._slot_starts[index][1] if index < len(self._slot_starts) else self.end
        self._passed = min(self._passed, position)
        reader = StreamReader(self, position)
        self._readers.add(reader)
        return reader

    def oldest_after(self, slot: int) -> int | None:
        """Return the oldest kept slot if items from ``slot`` on were removed, else None."""
        oldest = self._slot_starts[0][0] if self._slot_starts else 0
        return oldest if self._forgot and slot < oldest else None

    def drop_reader(self, reader: StreamReader) -> None:
        self._readers.discard(reader)

    def slice(self, position: int, limit: int) -> list[StreamItem]:
        """Return up to ``limit`` items from ``position`` on."""
        start = position - self._first
        return self._items[start : start + limit]

    def _cut(self) -> None:
        passed = min([self.end, *(reader.position for reader in self._readers)])
        for item in self.slice(self._passed, passed - self._passed):
            if isinstance(item, TRANSACTIONS):
                item.forget_rendering()
        self._passed = max(self._passed, passed)
        needed = min(self._replay_from, passed)
        count = needed - self._first
        if count <= 0:
            return
        for item in self._items[:count]:
            if not isinstance(item, _SLOTS):
                item.leave_buffer()
        del self._items[:count]
        self._first = needed


class StreamReader:
    """The position of one subscription in a stream."""

    __slots__ = ("_stream", "position")

    def __init__(self, stream: Stream, position: int) -> None:
        self._stream = stream
        self.position = position

    def read(self, limit: int) -> list[StreamItem]:
        """Return up to ``limit`` further items and advance past them."""
        items = self._stream.slice(self.position, limit)
        self.position += len(items)
        return items

    @property
    def at_end(self) -> bool:
        """Everything was read and nothing will follow."""
        return self._stream.finished and self.position >= self._stream.end

    def close(self) -> None:
        self._stream.drop_reader(self)
