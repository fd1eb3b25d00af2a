"""The messages of the data plane: subscribe requests, acknowledgements and notifications."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Callable, NamedTuple, Optional, Union

from simsync.errors import InvalidParams
from simsync.events import Event
from simsync.params import checks
from simsync.wire import compression, json_codec
from simsync.wire.notification_results import notification_params
from simsync.wire.spelling import FoldedFields, fold
from simsync.wire.streams import (
    Key,
    MakeEvent,
    StreamRow,
    content,
    notification,
    transaction,
    transaction_key,
)

_OWN_KEYS = {"replayFromSlot": "from_slot", "compression": "Options(compression=...)"}
"""Config keys on which reading the notifications depends, and where the caller sets them."""


@dataclass(frozen=True)
class SubscribeSpec:
    """One subscribe request: its method, its filter, how to read its notifications, and keys of its config."""

    method: str
    filter: Any
    make_event: MakeEvent
    key: Key
    single: bool = False
    config: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.method:
            raise InvalidParams("method", self.method, "must be the name of a subscribe method")
        checks.assign(
            self,
            method=checks.text("method", self.method),
            filter=checks.plain("filter", self.filter),
            config=checks.plain_mapping("config", self.config),
        )
        for key, remedy in _OWN_KEYS.items():
            if any(fold(given) == fold(key) for given in self.config):
                raise InvalidParams(f"config[{key!r}]", self.config, f"is set by simsync; use {remedy}")

    @classmethod
    def of(cls, row: StreamRow, value: Optional[str] = None) -> SubscribeSpec:
        return cls(row.method, row.filter(value), row.make_event, row.key, row.single, row.config)

    @classmethod
    def custom(
        cls,
        method: str,
        filter: object,
        decode: Optional[Callable[[str, Any], Event]],
        streams: Mapping[str, StreamRow],
        config: Optional[Mapping[str, object]] = None,
        *,
        intra_slot_updates: bool = False,
    ) -> SubscribeSpec:
        """A subscribe with any method. If the method is in ``streams``, its key, ``single`` and ``config`` apply.

        ``decode``: (notification method, result) → event.
        """
        row = next((row for row in streams.values() if row.method == method), None)
        make_event: MakeEvent = notification
        if decode is not None:
            chosen = decode

            def make_event(name: str, _slot: int, result: object, _payload: bytes) -> Event:
                return chosen(name, result)

        keys = dict(row.config) if row is not None else {}
        if checks.flag("intra_slot_updates", intra_slot_updates):
            states = [streams[kind].method for kind in ("accounts", "programs")]
            if method not in states:
                raise InvalidParams("intra_slot_updates", True, f"is only allowed with {' and '.join(states)}")
            # guess: spelling of `intraSlotUpdates`
            keys.update(intra_slot_updates=True, intraSlotUpdates=True)
        if config is not None:
            keys.update(checks.plain_mapping("config", config))
        if row is None:
            return cls(method, filter, make_event, content, config=keys)
        return cls(method, filter, make_event, row.key, row.single, keys)

    @property
    def is_plain_transactions(self) -> bool:
        """True if its notifications are read the default way for transactions."""
        return self.make_event is transaction and self.key is transaction_key and not self.single

    def __str__(self) -> str:
        return f"{self.method}({json_codec.dumps(self.filter).decode('utf-8')})"


# guess: a subscription without a filter
# guess: config of a subscription
# guess: other config keys
def subscribe_request(
    identifier: int, spec: SubscribeSpec, *, replay_from_slot: Optional[int] = None, compressed: bool = False
) -> bytes:
    """The JSON-RPC request of a subscribe.

    ``replay_from_slot``: the first slot to replay; None replays everything that the server retains.
    """
    config: dict[str, Any] = {"commitment": "confirmed", **spec.config}
    if compressed:
        config["compression"] = compression.NAME
    if replay_from_slot is not None:
        config["replayFromSlot"] = replay_from_slot
    request = {"jsonrpc": "2.0", "id": identifier, "method": spec.method, "params": [spec.filter, config]}
    return json_codec.dumps(request)


class SubscribeAck(NamedTuple):
    identifier: int
    subscription: Any


class SubscribeRefused(NamedTuple):
    identifier: Optional[int]
    code: int
    message: str


class Incoming(NamedTuple):
    """A notification. ``subscription`` is None if it names none."""

    subscription: Any
    method: str
    result: Any


class NotPubsub(NamedTuple):
    """A message that cannot be read. ``may_be_event``: it may have been a notification."""

    raw: Any
    reason: str
    may_be_event: bool = False


PubsubMessage = Union[SubscribeAck, SubscribeRefused, Incoming, NotPubsub]


# guess: acknowledgement of a subscription
def decode_pubsub(payload: bytes) -> PubsubMessage:
    """Decode one message. What cannot be read becomes :class:`NotPubsub`; nothing raises."""
    try:
        message = json_codec.loads(payload)
    except ValueError as error:
        return NotPubsub(payload, f"not JSON: {error}", may_be_event=True)
    if not isinstance(message, dict):
        return NotPubsub(message, "not an object")
    method = message.get("method")
    if isinstance(method, str):
        fields = notification_params(message)
        subscription = fields.get("subscription")
        if subscription is not None and not _is_subscription(subscription):
            return NotPubsub(message, "a notification whose subscription is not a number", may_be_event=True)
        return Incoming(subscription, method, fields.get("result"))
    identifier = message.get("id")
    number = _number(identifier)
    refusal = message.get("error")
    if refusal is not None:
        details = FoldedFields(refusal if isinstance(refusal, dict) else {"message": refusal})
        return SubscribeRefused(number, details.number("code") or 0, details.text("message") or "no reason given")
    if number is not None and _is_subscription(message.get("result")):
        return SubscribeAck(number, message["result"])
    return NotPubsub(message, "neither a notification nor an answer", may_be_event="params" in message)


# guess: slot of a notification
def slot_of(result: object) -> Optional[int]:
    """The slot that a notification belongs to: ``result.slot``, else ``result.context.slot``."""
    if not isinstance(result, Mapping):
        return None
    slot = _number(result.get("slot"))
    if slot is not None:
        return slot
    context = result.get("context")
    return _number(context.get("slot")) if isinstance(context, dict) else None


_SUBSCRIPTION = b'"subscription"'


def content_key(payload: bytes) -> int:
    """A hash of a notification without the number of its subscription, equal for every subscription that matches."""
    # Inside a JSON string a backslash would precede the quotes, so this finds the key itself.
    place = payload.rfind(_SUBSCRIPTION)
    if place < 0:
        return hash(payload)
    ends = [end for end in (payload.find(b",", place), payload.find(b"}", place)) if end >= 0]
    return hash(payload[:place] + payload[min(ends, default=len(payload)) :])


def has_same_content(payload: bytes, other: bytes) -> bool:
    """Whether two notifications say the same, in any order of their keys and for any subscription."""
    one, two = decode_pubsub(payload), decode_pubsub(other)
    if not isinstance(one, Incoming) or not isinstance(two, Incoming):
        return False
    try:
        return bool(one.method == two.method and one.result == two.result)
    except RecursionError:  # nested too deeply to be compared
        return False


def _number(value: object) -> Optional[int]:
    return value if type(value) is int else None


def _is_subscription(value: object) -> bool:
    return isinstance(value, str) or type(value) is int
