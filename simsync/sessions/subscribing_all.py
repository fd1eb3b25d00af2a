"""Subscribing every sub-session of a parallel session in one call."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Callable, SupportsIndex

from simsync.events import Event
from simsync.params import checks
from simsync.sessions.sub_session import SubSession


class SubscribingAll:
    """The ``subscribe`` methods of a parallel session: each calls that of every sub-session."""

    @property
    @abstractmethod
    def sub_sessions(self) -> tuple[SubSession, ...]:
        """All sub-sessions, in the order of their slots."""

    def subscribe_transactions(
        self, program_ids: Sequence[object] = (), *, from_slot: SupportsIndex | None = None
    ) -> None:
        """:meth:`SubSession.subscribe_transactions` of each sub-session."""
        programs = checks.addresses("program_ids", program_ids)
        for sub in self.sub_sessions:
            sub.subscribe_transactions(programs, from_slot=from_slot)

    def subscribe_account_diffs(
        self,
        program_ids: Sequence[object] = (),
        *,
        accounts: Sequence[object] = (),
        from_slot: SupportsIndex | None = None,
    ) -> None:
        """:meth:`SubSession.subscribe_account_diffs` of each sub-session."""
        programs = checks.addresses("program_ids", program_ids)
        addresses = checks.addresses("accounts", accounts)
        for sub in self.sub_sessions:
            sub.subscribe_account_diffs(programs, accounts=addresses, from_slot=from_slot)

    def subscribe_actions(self, *, from_slot: SupportsIndex | None = None) -> None:
        """:meth:`SubSession.subscribe_actions` of each sub-session."""
        for sub in self.sub_sessions:
            sub.subscribe_actions(from_slot=from_slot)

    def subscribe_logs(self, program_ids: Sequence[object] = (), *, from_slot: SupportsIndex | None = None) -> None:
        """:meth:`SubSession.subscribe_logs` of each sub-session."""
        programs = checks.addresses("program_ids", program_ids)
        for sub in self.sub_sessions:
            sub.subscribe_logs(programs, from_slot=from_slot)

    def subscribe_reroutes(self, *, from_slot: SupportsIndex | None = None) -> None:
        """:meth:`SubSession.subscribe_reroutes` of each sub-session."""
        for sub in self.sub_sessions:
            sub.subscribe_reroutes(from_slot=from_slot)

    def subscribe_replacements(self, *, from_slot: SupportsIndex | None = None) -> None:
        """:meth:`SubSession.subscribe_replacements` of each sub-session."""
        for sub in self.sub_sessions:
            sub.subscribe_replacements(from_slot=from_slot)

    def subscribe_diagnostics(self, *, from_slot: SupportsIndex | None = None) -> None:
        """:meth:`SubSession.subscribe_diagnostics` of each sub-session."""
        for sub in self.sub_sessions:
            sub.subscribe_diagnostics(from_slot=from_slot)

    def subscribe(
        self,
        method: str,
        filter: object = None,
        decode: Callable[[str, Any], Event] | None = None,
        *,
        config: Mapping[str, object] | None = None,
        intra_slot_updates: bool = False,
        from_slot: SupportsIndex | None = None,
    ) -> None:
        """:meth:`SubSession.subscribe` of each sub-session."""
        for sub in self.sub_sessions:
            sub.subscribe(
                method, filter, decode, config=config, intra_slot_updates=intra_slot_updates, from_slot=from_slot
            )
