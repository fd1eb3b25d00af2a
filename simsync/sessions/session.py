"""One session, as its caller sees it: events, continues, steps, subscriptions, state."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import repeat
from typing import SupportsIndex, TypeVar

from simsync.html_form import html_table
from simsync.params import AccountData, AccountModifications, checks
from simsync.run_summary import run_summary
from simsync.sessions.collected import Collected, Gathering, OnEvent, nothing_left
from simsync.sessions.continuing import Continuing
from simsync.sessions.subscribing import Subscribing

Self = TypeVar("Self", bound="Session")


class Session(Continuing, Subscribing):
    """What sub-sessions and single sessions have in common.

    Iterating over it iterates over :meth:`events`. All methods may be called from any thread; events are delivered to
    one thread at a time. Stepping (:meth:`ensure_ready`, :meth:`advance`, …) moves the engine and takes no events: they
    wait for :meth:`events` or :meth:`pending`. One thread may step while another takes events.
    """

    def _repr_html_(self) -> str:
        slots = None if self.start_slot is None else f"{self.start_slot} to {self.end_slot}"
        seen = self.coverage.slots_seen
        rows = {"slots": slots, "slots seen": seen, "status": self.status, "RPC": self.rpc_endpoint}
        return html_table(f"{type(self).__name__} {self.session_id}", rows)

    def collect(
        self: Self,
        *,
        advance: SupportsIndex = 100,
        timeout: checks.Number | None = None,
        deadline: checks.Number | None = None,
        on_progress: OnEvent[Self] | None = None,
    ) -> Collected[Self]:
        """Run to the end and keep all events in memory.

        If it is interrupted (a timeout, Ctrl-C, an error of ``on_progress``), call it again: it continues, and the
        result has the events of both calls.

        Args:
            advance: Blocks per continue.
            timeout: Seconds to wait for each event; None waits without a limit.
            deadline: Seconds for the whole run; None has no limit.
            on_progress: Called with this session and each event, as it comes.

        Returns:
            The events, and whether they are complete.

        Raises:
            ControlClosed: ``Completed`` was delivered before, so there is nothing to collect.
            SimsyncError: As the loop over :meth:`events`.
        """
        gathering: Gathering[Self] = self._gathering
        if self._queue.is_finished and not gathering:
            raise nothing_left(self.session_id)
        pairs = gathering.run(zip(repeat(self), self.events(timeout, advance, deadline=deadline)), on_progress)
        sent = None if self.completion is None else self.completion.summary
        return Collected(pairs, run_summary([self.coverage], [sent], self._connection.reconnects))

    def modify_accounts(self, accounts: AccountModifications) -> None:
        """Write whole account states now, over the RPC of this session. See :meth:`simsync.Rpc.modify_accounts`.

        Args:
            accounts: The state of each account, by address.
        """
        self.rpc.modify_accounts(accounts)

    def modify_program(
        self,
        program_id: object,
        elf: bytes,
        *,
        authority: object | None = None,
        deploy_slot: SupportsIndex | None = None,
    ) -> Mapping[str, AccountData]:
        """Replace the code of an upgradeable program, or deploy a program at an unused address.

        Args:
            program_id: The address of the program.
            elf: The compiled program.
            authority: The upgrade authority to write; by default it stays as it is.
            deploy_slot: The slot of the deployment. By default the slot before the range, since a program that was
                deployed in the current slot does not run in it.

        Returns:
            The accounts that were written, by address.

        Raises:
            InvalidParams: There is another kind of account at ``program_id``.
            SimsyncError: As the methods of :class:`~simsync.Rpc`.
        """
        if deploy_slot is None:
            first = self.rpc.get_slot() if self.start_slot is None else self.start_slot
            from simsync.programs import deploy_slot_before

            deploy_slot = deploy_slot_before(first)
        return self.rpc.modify_program(program_id, elf, deploy_slot=deploy_slot, authority=authority)
