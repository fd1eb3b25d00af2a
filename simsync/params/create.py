"""The request that creates a session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable, Optional

from dataclasses_json import DataClassJsonMixin, config

from simsync.errors import InvalidParams
from simsync.params import checks
from simsync.params.discovery import checked_filter, filters_from_json
from simsync.params.schedule import ScheduledAction, actions_from_json

MAX_DISCONNECT_TIMEOUT = 900
"""Seconds; the server's limit."""


@dataclass(frozen=True)
class CreateSession(DataClassJsonMixin):
    """A session over the slots ``start_slot`` to ``end_slot``, both included.

    Give exactly one of ``end_slot`` and ``slot_count``. ``Client.parallel`` and ``Client.session`` decide whether the
    range is split.

    ``signer_filter``: skip historical transactions signed by any of these addresses. ``send_summary``: statistics with
    ``Completed``. ``capacity_wait_timeout`` (seconds): how long the server may wait for capacity; None fails at once.
    ``disconnect_timeout`` (seconds, at most 900): how long the session outlives a lost control connection; 0 makes
    re-attaching impossible. ``extra_compute_units`` is added to each transaction's limit. ``discoveries``: filters
    whose batches are announced. ``actions``: scheduled actions; a plain mapping is sent as it is.
    ``replay_account_state``: rebuild accounts from recorded deltas, execute nothing. ``reroute``,
    ``diagnostic_probes`` and ``agents`` are sent as they are. ``extra`` is merged into the request last, for options
    that simsync does not know.
    """

    start_slot: int
    end_slot: Optional[int] = None
    slot_count: Optional[int] = None
    signer_filter: Sequence[str] = ()
    send_summary: bool = False
    capacity_wait_timeout: Optional[int] = None
    disconnect_timeout: int = MAX_DISCONNECT_TIMEOUT
    extra_compute_units: Optional[int] = None
    discoveries: Sequence[Any] = field(default=(), metadata=config(decoder=filters_from_json))
    actions: Sequence[Any] = field(default=(), metadata=config(decoder=actions_from_json))
    replay_account_state: bool = False
    reroute: Optional[Mapping[str, Any]] = None
    diagnostic_probes: Sequence[Any] = ()
    agents: Sequence[Any] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        checks.integer("start_slot", self.start_slot, 0, checks.U64)
        if (self.end_slot is None) == (self.slot_count is None):
            raise InvalidParams("end_slot", self.end_slot, "give exactly one of end_slot and slot_count")
        if self.end_slot is not None:
            checks.integer("end_slot", self.end_slot, 0, checks.U64)
            if self.end_slot < self.start_slot:
                raise InvalidParams("end_slot", self.end_slot, f"must not lie before start_slot={self.start_slot}")
        else:
            checks.integer("slot_count", self.slot_count, 1, checks.U64 - self.start_slot + 1)
        checks.optional_integer("capacity_wait_timeout", self.capacity_wait_timeout, 0, checks.U16)
        checks.integer("disconnect_timeout", self.disconnect_timeout, 0, MAX_DISCONNECT_TIMEOUT)
        checks.optional_integer("extra_compute_units", self.extra_compute_units, 0, checks.U32)
        checks.flag("send_summary", self.send_summary)
        checks.flag("replay_account_state", self.replay_account_state)
        checks.assign(
            self,
            signer_filter=checks.addresses("signer_filter", self.signer_filter),
            discoveries=tuple(
                _plain_or(checked_filter, f"discoveries[{index}]", value)
                for index, value in enumerate(checks.items("discoveries", self.discoveries))
            ),
            actions=tuple(
                _plain_or(self._checked_action, f"actions[{index}]", action)
                for index, action in enumerate(checks.items("actions", self.actions))
            ),
            diagnostic_probes=tuple(
                checks.plain("diagnostic_probes", checks.items("diagnostic_probes", self.diagnostic_probes))
            ),
            agents=tuple(checks.plain("agents", checks.items("agents", self.agents))),
            reroute=None if self.reroute is None else checks.plain_mapping("reroute", self.reroute),
            extra=checks.plain_mapping("extra", self.extra),
        )

    def _checked_action(self, argument: str, action: object) -> ScheduledAction:
        if not isinstance(action, ScheduledAction):
            raise InvalidParams(argument, action, "must be a ScheduledAction")
        if action.kind == "send" and self.replay_account_state:
            raise InvalidParams(argument, action, "kind='send' cannot go with replay_account_state")
        return action

    @property
    def last_slot(self) -> int:
        """The last slot of the range."""
        if self.end_slot is not None:
            return self.end_slot
        return self.start_slot + (self.slot_count or 1) - 1


def _plain_or(check: Callable[[str, object], Any], argument: str, value: object) -> Any:
    """A mapping is sent as it is; everything else has to pass ``check``."""
    return checks.plain(argument, value) if isinstance(value, Mapping) else check(argument, value)
