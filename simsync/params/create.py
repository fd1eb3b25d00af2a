"""The request that creates a session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Optional, SupportsIndex, Union

from simsync.errors import InvalidParams
from simsync.json_form import JsonForm, config
from simsync.params import checks
from simsync.params.account import AccountModifications, checked_overrides, modifications_from_json
from simsync.params.discovery import checked_filter, filters_from_json
from simsync.params.plain_mappings import (
    instance_of,
    object_from_json,
    object_or_mapping,
    objects_from_json,
    objects_or_mappings,
)
from simsync.params.probe import DiagnosticProbe
from simsync.params.reroute import Reroute
from simsync.params.schedule import ScheduledAction

MAX_DISCONNECT_TIMEOUT = 900
"""Limit of the server in seconds."""


def _overrides_from_json(values: Mapping[Any, Any]) -> dict[Any, Any]:
    """Decode the overrides of a ``to_dict()``, or of a ``to_json()``, where slots are text as all keys of JSON are."""
    return {_slot_from_json(slot): modifications_from_json(states) for slot, states in values.items()}


def _slot_from_json(key: object) -> object:
    return int(key) if isinstance(key, str) and key.isascii() and key.isdecimal() else key


@dataclass(frozen=True)
class CreateSession(JsonForm):
    """Creates a session over a range of slots. Pass exactly one of ``end_slot`` and ``slot_count``.

    :meth:`Client.parallel() <simsync.Client.parallel>` splits the range into sub-sessions,
    :meth:`Client.session() <simsync.Client.session>` does not. A plain mapping in place of a
    :class:`~simsync.ScheduledAction` or another of the objects below is sent unchanged.

    Attributes:
        start_slot: First slot.
        end_slot: Last slot, included.
        slot_count: Number of slots n: the last one is ``start_slot + n - 1``. The vendor's own builder seems to mean
            ``start_slot + n``, which is one more.
        signer_filter: Addresses; historical transactions that one of them signed are skipped.
        send_summary: Request the statistics of :attr:`Completed.summary <simsync.Completed>`.
        capacity_wait_timeout: Seconds for which the server may wait for capacity (up to 65,535); None fails at once
            if there is none.
        disconnect_timeout: Seconds for which the server keeps a session whose control connection was lost (up to 900);
            0 makes resuming impossible.
        extra_compute_units: Added to the compute unit limit of each transaction.
        discoveries: :class:`~simsync.ProgramExecuted` and :class:`~simsync.OracleUpdate` filters; matching batches are
            announced by :class:`~simsync.DiscoveryBatch`.
        actions: :class:`~simsync.ScheduledAction` objects.
        overrides: Slot → address → :class:`~simsync.AccountData`. Written at the start of the slot, after the actions
            at the same place, and in effect until a later override of the account. Servers from 0.22 on also let every
            simulation of an action see them. If the range is split, the sub-session that has the slot gets them.
        replay_account_state: Rebuild accounts from recorded changes instead of executing transactions.
        reroute: A :class:`~simsync.Reroute`.
        diagnostic_probes: :class:`~simsync.DiagnosticProbe` objects.
        agents: Agents of older simulators as JSON values, sent unchanged.
        extra: Merged into the request last, for options that simsync does not know.
    """

    start_slot: int
    end_slot: Optional[int] = None
    slot_count: Optional[int] = None
    signer_filter: Sequence[str] = ()
    send_summary: bool = False
    capacity_wait_timeout: Optional[int] = None
    # guess: `disconnectTimeoutSecs`
    disconnect_timeout: int = MAX_DISCONNECT_TIMEOUT
    extra_compute_units: Optional[int] = None
    discoveries: Sequence[Any] = field(default=(), metadata=config(decoder=filters_from_json))
    actions: Sequence[Any] = field(default=(), metadata=config(decoder=objects_from_json(ScheduledAction)))
    overrides: Mapping[int, Mapping[str, Any]] = field(
        default_factory=dict, metadata=config(decoder=_overrides_from_json)
    )
    replay_account_state: bool = False
    reroute: Optional[Union[Reroute, Mapping[str, Any]]] = field(
        default=None, metadata=config(decoder=lambda value: object_from_json(Reroute, value))
    )
    diagnostic_probes: Sequence[Any] = field(default=(), metadata=config(decoder=objects_from_json(DiagnosticProbe)))
    # guess: agents (legacy)
    agents: Sequence[Any] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    if TYPE_CHECKING:

        def __init__(
            self,
            start_slot: SupportsIndex,
            end_slot: Optional[SupportsIndex] = None,
            slot_count: Optional[SupportsIndex] = None,
            signer_filter: Sequence[object] = (),
            send_summary: bool = False,
            capacity_wait_timeout: Optional[SupportsIndex] = None,
            disconnect_timeout: SupportsIndex = MAX_DISCONNECT_TIMEOUT,
            extra_compute_units: Optional[SupportsIndex] = None,
            discoveries: Sequence[object] = (),
            actions: Sequence[object] = (),
            overrides: Mapping[Any, AccountModifications] = ...,
            replay_account_state: bool = False,
            reroute: Optional[Union[Reroute, Mapping[str, object]]] = None,
            diagnostic_probes: Sequence[object] = (),
            agents: Sequence[object] = (),
            extra: Mapping[str, object] = ...,
        ) -> None: ...

    def __post_init__(self) -> None:
        checks.assign(self, start_slot=checks.integer("start_slot", self.start_slot, 0, checks.U64))
        if (self.end_slot is None) == (self.slot_count is None):
            raise InvalidParams("end_slot", self.end_slot, "pass exactly one of end_slot and slot_count")
        if self.end_slot is not None:
            checks.assign(self, end_slot=checks.slot_range(self.start_slot, self.end_slot)[1])
        else:
            most = checks.U64 - self.start_slot + 1
            checks.assign(self, slot_count=checks.integer("slot_count", self.slot_count, 1, most))
        checks.assign(
            self,
            capacity_wait_timeout=checks.optional_integer(
                "capacity_wait_timeout", self.capacity_wait_timeout, 0, checks.U16
            ),
            disconnect_timeout=checks.integer("disconnect_timeout", self.disconnect_timeout, 0, MAX_DISCONNECT_TIMEOUT),
            extra_compute_units=checks.optional_integer("extra_compute_units", self.extra_compute_units, 0, checks.U32),
            send_summary=checks.flag("send_summary", self.send_summary),
            replay_account_state=checks.flag("replay_account_state", self.replay_account_state),
        )
        checks.assign(
            self,
            signer_filter=checks.addresses("signer_filter", self.signer_filter),
            discoveries=objects_or_mappings("discoveries", self.discoveries, checked_filter),
            actions=objects_or_mappings("actions", self.actions, self._checked_action),
            overrides={
                checks.integer("overrides key", slot, self.start_slot, self.last_slot): checked_overrides(
                    f"overrides[{slot}]", states
                )
                for slot, states in checks.mapping("overrides", self.overrides).items()
            },
            diagnostic_probes=objects_or_mappings(
                "diagnostic_probes", self.diagnostic_probes, instance_of(DiagnosticProbe)
            ),
            agents=tuple(checks.plain("agents", checks.items("agents", self.agents))),
            reroute=None if self.reroute is None else object_or_mapping("reroute", self.reroute, instance_of(Reroute)),
            extra=checks.plain_mapping("extra", self.extra),
        )

    def _checked_action(self, argument: str, action: object) -> ScheduledAction:
        if not isinstance(action, ScheduledAction):
            raise InvalidParams(argument, action, "must be a ScheduledAction")
        if action.kind == "send" and self.replay_account_state:
            raise InvalidParams(argument, action, "kind='send' is not allowed with replay_account_state")
        return action

    @property
    def announces_discoveries(self) -> bool:
        """True if the request has discovery filters, in ``discoveries`` or ``extra``."""
        return bool(self.discoveries or "discoveries" in self.extra)

    # guess: a number of slots instead of the end
    @property
    def last_slot(self) -> int:
        """Last slot of the range."""
        if self.end_slot is not None:
            return self.end_slot
        return self.start_slot + (self.slot_count or 1) - 1
