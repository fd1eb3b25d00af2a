"""The protocol of one data-plane connection: subscribe, acknowledgements, notifications, end of stream, replay.

Several subscribes may share the connection. Each stream ends separately.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from simsync.events import Event, Transaction
from simsync.protocol.connection_log import Adapter
from simsync.protocol.content_keys import ContentKeys
from simsync.protocol.coverage import UnprovenSlots
from simsync.protocol.outcome import GiveUp, Outcome, Reconnect
from simsync.protocol.replay import ReplayFilter
from simsync.protocol.replay_evidence import ReplayEvidence, Verdict
from simsync.protocol.skipped_messages import SkippedMessages
from simsync.wire import compression
from simsync.wire.dialect import Dialect, ends_stream
from simsync.wire.pubsub import (
    Incoming,
    SubscribeAck,
    SubscribeRefused,
    SubscribeSpec,
    decode_pubsub,
    slot_of,
    subscribe_request,
)
from simsync.wire.transaction_layout import TransactionLayouts
from simsync.wire.transaction_reading import TRANSACTION

logger = logging.getLogger("simsync.subscription")


class Received(NamedTuple):
    """Events for the caller, and how many bytes they hold."""

    events: list[Event]
    size: int


class _Held(NamedTuple):
    message: Incoming
    payload: bytes


class SubscriptionProtocol:
    """See the module. The reader of the subscription owns it. It outlives its connections.

    After each :meth:`receive`: ``acknowledged`` (every open subscribe was accepted), ``ended`` (every stream has
    ended), ``outcome`` (the connection, or everything, is over), :meth:`take_unproven`.
    """

    def __init__(
        self,
        specs: Sequence[SubscribeSpec],
        dialect: Dialect,
        *,
        compressed: bool,
        from_slot: int | None = None,
        quick: bool = True,
        max_message: int = compression.LARGEST,
    ) -> None:
        """``max_message``: bytes of an inflated message, and of all that comes before its acknowledgement."""
        self._specs = specs
        self._dialect = dialect
        self._compressed = compressed and compression.is_available()
        self._inflater: compression.Inflater | None = None
        self._inflating = False
        self._replay = ReplayFilter(len(specs), from_slot)
        self._contents = ContentKeys() if len(specs) > 1 else None
        self._ended = [False] * len(specs)
        self._numbers: dict[object, int] = {}
        self._over: set[object] = set()
        self._early: list[_Held] = []
        self._early_size = 0
        self._max_message = max_message
        self._connections = 0
        self._evidence = [ReplayEvidence() for _ in specs]
        self._subscribed: list[int] = []
        self._position = 0
        self._unproven: list[UnprovenSlots] = []
        self._unread_at: tuple[int | None, ...] | None = None
        plain = all(spec.is_plain_transactions for spec in specs) and dialect.ends_stream is ends_stream
        self._layouts = TransactionLayouts() if quick and plain else None
        self.outcome: Outcome | None = None
        self.last_slot: int | None = None
        self._log: logging.Logger | Adapter = logger
        self.skipped = SkippedMessages(logger)

    def log_to(self, log: Adapter) -> None:
        """Lines of the log name the session from now on."""
        self._log = self.skipped.log = log

    @property
    def label(self) -> str:
        return ", ".join(str(spec) for spec in self._specs)

    def open_streams(self) -> list[str]:
        """The subscribes that have not ended, each with its last slot."""
        return [
            f"{spec} at slot {cursor.slot}"
            for spec, cursor, ended in zip(self._specs, self._replay.cursors, self._ended)
            if not ended
        ]

    @property
    def acknowledged(self) -> bool:
        return len(self._numbers) == self._ended.count(False) or self.ended

    @property
    def ended(self) -> bool:
        return all(self._ended)

    @property
    def replays_dropped(self) -> int:
        return self._replay.dropped

    # The life of a connection.

    # guess: where a stream resumes
    def connected(self) -> list[bytes]:
        """A connection is up. Returns the requests to send; the id of each is the place of its spec, from 1."""
        self.outcome = None
        self._numbers = {}
        self._over = set()
        self._early = []
        self._early_size = 0
        self._inflater = compression.Inflater(self._max_message) if self._compressed else None
        self._inflating = False
        if self._connections:
            self._replay.reconnected()
        self._connections += 1
        self._subscribed = [index for index, ended in enumerate(self._ended) if not ended]
        return [
            subscribe_request(
                index + 1,
                self._specs[index],
                replay_from_slot=self._replay.cursors[index].resume_slot,
                compressed=self._compressed,
            )
            for index in self._subscribed
        ]

    def begin(self, first_slot: int) -> None:
        """The streams are subscribed for the first time; they have to deliver the slots from ``first_slot``."""
        for evidence in self._evidence:
            evidence.begins = first_slot

    def lost(self, *, flowing: bool) -> None:
        """The connection is gone. See :meth:`ReplayEvidence.lost`."""
        for cursor, evidence, ended in zip(self._replay.cursors, self._evidence, self._ended):
            if not ended:
                evidence.lost(cursor.slot or None, cursor.longest_silence, flowing=flowing)

    def resumed(self, position: int, depth: int) -> None:
        """All streams are subscribed, and the engine is at ``position``. The server keeps ``depth`` slots."""
        self._position = position
        for index in self._subscribed:
            self._judge(self._specs[index], self._evidence[index].resumed(position, depth))

    def take_unproven(self) -> list[UnprovenSlots]:
        """Slots of which it has turned out that nothing can be proven, since the last call."""
        unproven, self._unproven = self._unproven, []
        return unproven

    def _judge(self, spec: SubscribeSpec, verdict: Verdict) -> None:
        if verdict.unproven is not None:
            self._unproven.append(UnprovenSlots(str(spec), *verdict.unproven))
        if verdict.missing is not None:
            first, last = verdict.missing
            self.outcome = GiveUp(
                f"slots {first} to {last} cannot be recovered: the server had dropped them when the"
                " connection was made again"
            )

    # guess: Text and Binary frames of a compressed connection
    def inflate(self, payload: bytes) -> bytes:
        """The text of a binary frame. Raises ValueError if the compressed stream is broken."""
        # A compressed stream does not begin with a brace, so a server that sends plain JSON in binary frames is heard.
        if self._inflater is None or (not self._inflating and payload[:1] == b"{"):
            return bytes(payload)
        self._inflating = True
        return self._inflater.inflate(payload)

    def disable_compression(self) -> None:
        """From the next connection on."""
        self._compressed = False

    # guess: names of notifications
    def receive(self, payloads: Iterable[bytes]) -> Received:
        """Take received messages as JSON text, in order, until there is an outcome: what follows would hide a gap."""
        events: list[Event] = []
        size = 0
        layouts = self._layouts
        note = last_subscription = last_slot = None
        for payload in payloads:
            found = None if layouts is None else layouts.find(payload)
            if found is not None:
                subscription, slot, signature = found
                if note is not None and slot == last_slot and subscription == last_subscription:
                    # As below, but without looking again whether the stream and its slot are the right ones.
                    note(signature)
                    events.append(Transaction(slot, payload, TRANSACTION, signature))
                    size += len(payload)
                    continue
                index = self._numbers.get(subscription)
                if index is not None:
                    key = signature if self._contents is None else self._unique(slot, signature, payload)
                    if self._admit(index, slot, key):
                        events.append(Transaction(slot, payload, TRANSACTION, signature))
                        size += len(payload)
                    if self.outcome is not None:
                        break
                    note, last_subscription, last_slot = self._replay.unrepeated(index, slot), subscription, slot
                    continue
            note = None
            message = decode_pubsub(payload)
            if isinstance(message, Incoming):
                if message.subscription is not None and message.subscription not in self._numbers:
                    self._hold(_Held(message, payload))
                else:
                    size += self._take(message, payload, events)
            elif isinstance(message, SubscribeAck):
                size += self._acknowledge(message, events)
            elif isinstance(message, SubscribeRefused):
                self._refused(message)
            else:
                self.skipped.note(message.reason, message.raw)
                if message.may_be_event:
                    self._is_unread(message.reason)
            if self.outcome is not None:
                break
        return Received(events, size)

    def end_all(self) -> None:
        """The connection was closed in a way that ends every stream that was acknowledged on it."""
        for index in list(self._numbers.values()):
            self._end(index)

    # guess: notifications before their acknowledgement
    def _hold(self, held: _Held) -> None:
        """A notification may overtake its acknowledgement."""
        if len(self._numbers) == self._ended.count(False):
            self.skipped.note("a notification of an unknown subscription", held.message)
            if held.message.subscription not in self._over:
                self._is_unread("a notification of an unknown subscription")
            return
        self._early.append(held)
        self._early_size += len(held.payload)
        if self._early_size > self._max_message:
            self._early = []
            limit = f"more than {self._max_message} bytes of notifications came"
            self.outcome = Reconnect(f"{self.label}: {limit} before their subscription was acknowledged")

    def _is_unread(self, what: str) -> None:
        """It may have been an event. No number would show the gap, so the server has to send it again.

        If it is there again at the same place, reconnecting does not help: then it is skipped, and its slot unproven.
        """
        at = tuple(cursor.slot for cursor in self._replay.cursors)
        if self._unread_at != at:
            self._unread_at = at
            self.outcome = Reconnect(f"the server sent a message that cannot be read ({what})")
            return
        slot = max((slot for slot in at if slot is not None), default=0)
        self._log.warning("%s: skipped a message that cannot be read at slot %d (%s)", self.label, slot, what)
        self._unproven.append(UnprovenSlots(self.label, slot, slot))

    def _acknowledge(self, message: SubscribeAck, events: list[Event]) -> int:
        index = message.identifier - 1
        if not 0 <= index < len(self._specs) or self._ended[index] or index in self._numbers.values():
            self.skipped.note("an acknowledgement without a request", message)
            return 0
        self._numbers[message.subscription] = index
        size = 0
        held, self._early, self._early_size = self._early, [], 0
        for early in held:
            if self.outcome is not None:
                break
            if early.message.subscription in self._numbers:
                size += self._take(early.message, early.payload, events)
            else:
                self._hold(early)
        return size

    # guess: a rejected subscription
    def _refused(self, message: SubscribeRefused) -> None:
        index = (message.identifier or 0) - 1
        spec = self._specs[index] if 0 <= index < len(self._specs) else self.label
        reason = f"the server refused {spec}: {message.message} (code {message.code})"
        passing = self._dialect.is_capacity(message.code, message.message)
        self.outcome = Reconnect(reason) if passing else GiveUp(reason)

    def _take(self, message: Incoming, payload: bytes, events: list[Event]) -> int:
        """How many bytes became an event; 0 for a replayed one."""
        index = self._numbers.get(message.subscription)
        if self._dialect.ends_stream(message.method, message.result):
            self._end(index)
            return 0
        if index is None:
            self.skipped.note("a notification without a subscription", message)
            self._is_unread("a notification without a subscription")
            return 0
        spec = self._specs[index]
        own_slot = slot_of(message.result)
        slot = (self._replay.cursors[index].slot or 0) if own_slot is None else own_slot
        key = spec.key(message.result)
        if self._layouts is not None:
            self._layouts.learn(payload, message.method, message.subscription, slot, key)
        admitted = self._admit(index, slot, self._unique(slot, key, payload), proves=own_slot is not None)
        if self.outcome is not None:
            return 0
        if admitted:
            events.append(spec.make_event(message.method, slot, message.result, payload))
        if spec.single:
            self._end(index)
        return len(payload) if admitted else 0

    def _admit(self, index: int, slot: int, key: object, *, proves: bool = True) -> bool:
        """True unless it was delivered before, or events are missing before it.

        ``proves``: the slot is the notification's own, so it says what the server has kept.
        """
        evidence = self._evidence[index]
        if proves and evidence.awaits_replay:
            self._judge(self._specs[index], evidence.came(slot))
            if self.outcome is not None:
                return False
        if self.last_slot is None or slot > self.last_slot:
            self.last_slot = slot
        return self._replay.admit(index, slot, key)

    def _unique(self, slot: int, key: object, payload: bytes) -> object:
        """A key that tells notifications of several subscribes apart, or shows that they are the same one."""
        # Signatures are not verified, so two transactions of a slot may share one. Only with several subscribes can one
        # be taken for a repetition of the other.
        if self._contents is None:
            return key
        if self.last_slot is not None and slot > self.last_slot:
            self._contents.forget_before(self._replay.begins)
        return self._contents.key(slot, key, payload)

    # guess: which subscription has ended
    def _end(self, index: int | None) -> None:
        """One stream has ended; all that were acknowledged on this connection if none is named."""
        if index is None:
            self.end_all()
            return
        if self._evidence[index].awaits_replay:
            self._judge(self._specs[index], self._evidence[index].ended(self._position))
        self._ended[index] = True
        self._over.update(number for number, place in self._numbers.items() if place == index)
        self._numbers = {number: place for number, place in self._numbers.items() if place != index}
