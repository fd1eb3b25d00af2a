"""The conversation of one data-plane connection: subscribe, acknowledgements, notifications, end of stream.

Several subscribes may share the connection. Each ends by itself; the connection is done when all have.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any

from simsync.events import Event
from simsync.protocol.odd_messages import OddMessages
from simsync.wire.dialect import Dialect
from simsync.wire.pubsub import (
    Incoming,
    SubscribeAck,
    SubscribeRefused,
    SubscribeSpec,
    decode_pubsub,
    slot_of,
    subscribe_request,
)

logger = logging.getLogger("simsync.subscription")


class SubscriptionConversation:
    """See the module. One owner: the reader thread of the subscription.

    After each :meth:`receive`: ``acknowledged`` (every subscribe was accepted), ``ended`` (every stream has ended),
    ``failure`` (why it cannot go on).
    """

    def __init__(self, specs: Sequence[SubscribeSpec], dialect: Dialect) -> None:
        self._specs = specs
        self._ends_stream = dialect.ends_stream
        self._numbers: dict[Any, SubscribeSpec] = {}
        self._early: list[Incoming] = []
        self._open: set[Any] = set()
        self.failure: str | None = None
        self.last_slot: int | None = None
        self.odd_messages = OddMessages(logger)

    @property
    def label(self) -> str:
        return ", ".join(str(spec) for spec in self._specs)

    @property
    def acknowledged(self) -> bool:
        return len(self._numbers) == len(self._specs)

    @property
    def ended(self) -> bool:
        return self.acknowledged and not self._open

    def connected(self) -> list[bytes]:
        """A connection is up: what to send. The request's id is the place of its spec, from 1."""
        self._numbers = {}
        self._early = []
        self._open = set()
        return [subscribe_request(index, spec) for index, spec in enumerate(self._specs, start=1)]

    def receive(self, payloads: Iterable[bytes]) -> list[Event]:
        """Take received messages, in order; returns the events for the caller."""
        events: list[Event] = []
        for message in map(decode_pubsub, payloads):
            if isinstance(message, Incoming):
                if message.subscription is not None and message.subscription not in self._numbers:
                    self._hold(message)
                else:
                    self._take(message, events)
            elif isinstance(message, SubscribeAck):
                self._acknowledge(message, events)
            elif isinstance(message, SubscribeRefused):
                self._refused(message)
            else:
                self.odd_messages.note(message.reason, message.raw)
        return events

    def _hold(self, message: Incoming) -> None:
        """A notification may overtake its acknowledgement."""
        if self.acknowledged:
            self.odd_messages.note("a notification of an unknown subscription", message)
        else:
            self._early.append(message)

    def _acknowledge(self, message: SubscribeAck, events: list[Event]) -> None:
        if not 1 <= message.identifier <= len(self._specs):
            self.odd_messages.note("an acknowledgement of nothing", message)
            return
        number = message.subscription
        self._numbers[number] = self._specs[message.identifier - 1]
        self._open.add(number)
        held, self._early = self._early, []
        for early in held:
            if early.subscription in self._numbers:
                self._take(early, events)
            else:
                self._hold(early)

    def _refused(self, message: SubscribeRefused) -> None:
        index = (message.identifier or 0) - 1
        spec = self._specs[index] if 0 <= index < len(self._specs) else self.label
        self.failure = f"the server refused {spec}: {message.message} (code {message.code})"

    def _take(self, message: Incoming, events: list[Event]) -> None:
        if self._ends_stream(message.method, message.result):
            if message.subscription is None:
                self._open.clear()
            else:
                self._open.discard(message.subscription)
            return
        slot = slot_of(message.result)
        if slot is not None:
            self.last_slot = slot
        spec = self._numbers.get(message.subscription)
        if spec is None:
            self.odd_messages.note("a notification without a subscription", message)
            return
        events.append(spec.decode(message.method, message.result))
