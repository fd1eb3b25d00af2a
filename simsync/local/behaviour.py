"""Switches for everything that the protocol leaves open, so that clients can be tested against each reading of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

from simsync.errors import InvalidParams
from simsync.params import checks

_CHOICES = {
    "end_of_stream": ("a", "b", "c"),
    "event_form": ("tagged", "external"),
    "error_form": ("external", "tagged"),
    "inline_case": ("snake", "camel"),
    "action_form": ("0.11", "0.10"),
    "continue_layout": ("any", "nested", "flat"),
    "inline_keys": ("any", "snake", "camel"),
    "create_keys": ("any", "camel", "snake"),
    "discovery_tagging": ("external", "tagged"),
    "anchor_tagging": ("any", "external", "tagged"),
    "transaction_filter": ("mentions", "address"),
    "diff_filter": ("typed", "external"),
}


@dataclass(frozen=True)
class Behaviour:
    """How the simulator behaves where clients must cope with more than one form. The defaults suit ordinary use.

    Pass the fields to :class:`~simsync.local.Simulator`.

    Raises:
        InvalidParams: A field has an unknown choice or a value of the wrong type or out of range.
    """

    generation: str = "any"
    """The version of the vendor's crates whose requests are read, such as ``0.13``; ``any`` reads those of all."""
    statuses: bool = False
    """Also send the statuses of every continue, not only those of the start."""
    notify_start: bool = True
    """Send ``slotNotification`` for the start slot before the first ready."""
    notify_skipped: bool = False
    """Also send ``slotNotification`` for slots without a block."""
    ready_after_paused: bool = False
    """Send ``readyForContinue`` after every ``paused``."""
    strict_continue: bool = False
    """Answer a continue to a busy session with ``invalidRequest`` instead of queueing it."""
    absolute_endpoints: bool = False
    """Give ``rpc_endpoint`` as a full URL instead of a path."""
    replay_before_attached: bool = False
    """On attach, send the missed events before the reply instead of after it."""
    early_events: bool = False
    """During a parallel create, send the events of a session before the next session is announced."""
    end_of_stream: str = "a"
    """End of a subscription, ``a`` result with ``completed``, ``b`` method ending in ``End``, ``c`` clean close.

    With ``a`` and ``b``, connections that use only what a node has stay open until the session is closed.
    """
    event_form: str = "tagged"
    """Event inside ``sessionEventV2``, ``tagged`` (method and params) or ``external`` (string or one-key object)."""
    error_form: str = "external"
    """Form of errors, ``external`` (string or one-key object) or ``tagged`` (``type`` and ``data``)."""
    inline_case: str = "snake"
    """Spelling of the keys of session replies, ``snake`` or ``camel``."""
    null_params: bool = False
    """Send ``"params": null`` in messages without params."""
    binary_frames: bool = False
    """Send control messages as Binary frames."""
    overtake_acks: bool = False
    """Send the first notifications of a subscription before its acknowledgement."""
    action_form: str = "0.11"
    """Results of actions, ``0.11`` with one outcome per transaction, ``0.10`` with the last one at the top level."""
    continue_layout: str = "any"
    """Fields of continues of sub-sessions, ``nested`` under ``request``, ``flat`` beside the id, or ``any``."""
    inline_keys: str = "any"
    """Accept ids and cursors of continues, closes and attaches in ``any``, only ``snake`` or only ``camel`` case."""
    create_keys: str = "any"
    """Read keys of a create request in ``any``, only ``camel`` or only ``snake`` case; ignore the others."""
    discovery_tagging: str = "external"
    """Form of discovery filters, ``external`` (one-key object) or ``tagged`` (``type`` and ``program``)."""
    anchor_tagging: str = "any"
    """Form of anchors, ``external`` (string or one-key object), ``tagged`` (``type`` and fields), or ``any``."""
    transaction_filter: str = "mentions"
    """Filter of ``transactionSubscribe``, ``mentions`` (a list under that key), or the bare ``address``."""
    diff_filter: str = "typed"
    """Filter of ``accountDiffSubscribe``, ``typed`` (``address`` and ``address_type``) or ``external`` (one key)."""
    refuse_old_replay: bool = False
    """Refuse a subscription from a slot that is no longer kept, instead of starting at the oldest kept one."""
    serve_completed: bool = True
    """Keep answering on the endpoint of a completed session until it is closed.

    If not, the endpoint ends as soon as the session is completed and its last data socket has gone.
    """
    hosted_surface: bool = False
    """Serve only the RPC methods and subscriptions that the hosted simulator documents."""
    serve_next_port: bool = True
    """Serve on the next port too if it is free; web3.js looks for the WebSocket there."""
    max_engines: int = 64
    """Engines that are alive at a time. Others are parked; they keep their accounts, and are rebuilt when needed."""
    batch_size: int = 16
    """Transactions per batch of a block."""
    replay_slots: int = 100
    """Slots for which subscription events are kept."""
    history_slots: int = 1_000
    """Slots that the RPC calls that look back still know."""
    create_delay: float = 0.0
    """Seconds to wait before each ``sessionCreated``."""
    slot_delay: float = 0.0
    """Seconds to wait after each executed block."""
    build_delay: float = 0.0
    """Seconds until the build of a bundle is completed. With 0 it is in progress only in the answer to its request."""

    @property
    def minor(self) -> int | None:
        """The N of the generation ``0.N``; None for any."""
        return None if self.generation == "any" else int(self.generation.split(".")[1])

    def __post_init__(self) -> None:
        known = isinstance(self.generation, str) and re.fullmatch(r"any|0\.[1-9][0-9](\.[0-9]+)?", self.generation)
        if not known:
            raise InvalidParams("generation", self.generation, "must be a version from 0.10 on, or any")
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            if value not in choices:
                raise InvalidParams(name, value, f"must be one of {', '.join(choices)}")
        for one in fields(self):
            value = getattr(self, one.name)
            if one.type == "bool":
                value = checks.flag(one.name, value)
            elif one.type == "int":
                value = checks.integer(one.name, value, 1, checks.U64)
            elif one.type == "float":
                value = checks.seconds(one.name, value)
            checks.assign(self, **{one.name: value})
