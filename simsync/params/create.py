"""The request that creates a session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional, Union

from simsync.errors import InvalidParams
from simsync.json_form import JsonForm, config
from simsync.params import checks
from simsync.params.account import checked_modifications, modifications_from_json
from simsync.params.discovery import checked_filter, filters_from_json
from simsync.params.probe import DiagnosticProbe
from simsync.params.reroute import Reroute
from simsync.params.schedule import ScheduledAction
from simsync.params.stand_ins import checked, checked_each, must_be, restored, restored_each

MAX_DISCONNECT_TIMEOUT = 900
"""Seconds; the server's limit."""


def _overrides_from_json(values: Mapping[Any, Any]) -> dict[Any, Any]:
    """Undo ``to_dict``, and ``to_json``, which writes slots as text because JSON has no other keys."""
    return {_slot_from_json(slot): modifications_from_json(states) for slot, states in values.items()}


def _slot_from_json(key: Any) -> Any:
    return int(key) if isinstance(key, str) and key.isascii() and key.isdecimal() else key


@dataclass(frozen=True)
class CreateSession(JsonForm):
    """A session over the slots ``start_slot`` to ``end_slot``, both included.

    Give exactly one of ``end_slot`` and ``slot_count``. ``Client.parallel`` and ``Client.session`` decide whether the
    range is split.

    ``signer_filter``: skip historical transactions signed by any of these addresses. ``send_summary``: statistics with
    ``Completed``. ``capacity_wait_timeout`` (seconds): how long the server may wait for capacity; None fails at once.
    ``disconnect_timeout`` (seconds, at most 900): how long the session outlives a lost control connection; 0 makes
    re-attaching impossible. ``extra_compute_units`` is added to each transaction's limit. ``discoveries``: filters
    whose batches are announced. ``actions``: :class:`ScheduledAction`. ``overrides``: slot → address →
    :class:`AccountData`; in effect from the start of that slot (behind the actions at the same place) until something
    else writes the account. When the range is split, only the sub-session that holds the slot gets them.
    ``replay_account_state``: rebuild accounts from recorded deltas, execute nothing. ``reroute``: a :class:`Reroute`.
    ``diagnostic_probes``: :class:`DiagnosticProbe`. A plain mapping in place of any of these objects is sent as it
    is, and so are ``agents``. ``extra`` is merged into the request last, for options that simsync does not know.
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
    actions: Sequence[Any] = field(default=(), metadata=config(decoder=restored_each(ScheduledAction)))
    overrides: Mapping[int, Mapping[str, Any]] = field(
        default_factory=dict, metadata=config(decoder=_overrides_from_json)
    )
    replay_account_state: bool = False
    reroute: Optional[Union[Reroute, Mapping[str, Any]]] = field(
        default=None, metadata=config(decoder=lambda value: restored(Reroute, value))
    )
    diagnostic_probes: Sequence[Any] = field(default=(), metadata=config(decoder=restored_each(DiagnosticProbe)))
    agents: Sequence[Any] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        checks.integer("start_slot", self.start_slot, 0, checks.U64)
        if (self.end_slot is None) == (self.slot_count is None):
            raise InvalidParams("end_slot", self.end_slot, "give exactly one of end_slot and slot_count")
        if self.end_slot is not None:
            checks.slot_range(self.start_slot, self.end_slot)
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
            discoveries=checked_each("discoveries", self.discoveries, checked_filter),
            actions=checked_each("actions", self.actions, self._checked_action),
            overrides={
                int(checks.integer("overrides key", slot, self.start_slot, self.last_slot)): checked_modifications(
                    f"overrides[{slot}]", states
                )
                for slot, states in checks.mapping("overrides", self.overrides).items()
            },
            diagnostic_probes=checked_each("diagnostic_probes", self.diagnostic_probes, must_be(DiagnosticProbe)),
            agents=tuple(checks.plain("agents", checks.items("agents", self.agents))),
            reroute=None if self.reroute is None else checked("reroute", self.reroute, must_be(Reroute)),
            extra=checks.plain_mapping("extra", self.extra),
        )

    def _checked_action(self, argument: str, action: object) -> ScheduledAction:
        if not isinstance(action, ScheduledAction):
            raise InvalidParams(argument, action, "must be a ScheduledAction")
        if action.kind == "send" and self.replay_account_state:
            raise InvalidParams(argument, action, "kind='send' cannot go with replay_account_state")
        return action

    @property
    def announces_discoveries(self) -> bool:
        """Are there discovery filters, or anything in ``extra`` that may be some?"""
        return bool(self.discoveries or "discoveries" in self.extra)

    @property
    def last_slot(self) -> int:
        """The last slot of the range."""
        if self.end_slot is not None:
            return self.end_slot
        return self.start_slot + (self.slot_count or 1) - 1
