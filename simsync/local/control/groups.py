"""Groups of sessions that belong to one create request, and the table of all groups."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

from simsync.local.backtest.engines import give_back_memory
from simsync.local.backtest.messages import Plan
from simsync.local.control.session import Session
from simsync.local.encoding import control_session_id, session_id
from simsync.local.request_fields import BadRequest, Refused
from simsync.local.services import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simsync.local.backtest.messages import Event
    from simsync.local.behaviour import Behaviour
    from simsync.local.control.session import Work
    from simsync.local.control.wire import Create, Encoder
    from simsync.local.ledger.ledger import Ledger

_log = logging.getLogger("simsync.local.groups")


class Control(Protocol):
    """What a group needs of its control connection."""

    def send(self, message: bytes, *, numbered: bool = False) -> None: ...

    def replaced(self) -> None: ...


def plan_sessions(ledger: Ledger, create: Create) -> list[Plan]:
    """Return the plan of each session of a create, in slot order. Raises BadRequest if the ledger does not cover it.

    A single session starts at the start of a bundle and ends inside that bundle. A parallel session gets a sub-session
    per bundle, and a start inside a bundle moves to the start of that bundle.
    """
    missing = BadRequest(Refused("bundleNotFound", {"start_slot": create.start_slot, "end_slot": create.end_slot}))
    first = ledger.bundle_at(create.start_slot)
    if first is None or create.end_slot > ledger.end_slot:
        raise missing
    if not create.parallel:
        if first.start_slot != create.start_slot or create.end_slot > first.end_slot:
            raise missing
        ranges = [(create.start_slot, create.end_slot)]
    else:
        ranges = [
            (bundle.start_slot, min(bundle.end_slot, create.end_slot))
            for bundle in ledger.bundles
            if first.start_slot <= bundle.start_slot <= create.end_slot
        ]
    if not ledger.blocks_between(ranges[0][0], ranges[-1][1]):
        fields = {"start_slot": create.start_slot, "end_slot": create.end_slot}
        raise BadRequest(Refused("noProducedBlocksInRange", fields))
    return [
        Plan(
            start,
            end,
            signer_filter=create.signer_filter,
            send_summary=create.send_summary,
            discover_programs=create.discover_programs,
            actions=create.actions,
            extra_units=create.extra_units,
        )
        for start, end in ranges
    ]


class Group:
    """A single session, or the sub-sessions of a parallel one.

    It outlives its control socket for ``disconnect_timeout`` seconds: the sessions keep working and every event is
    kept, until a client attaches and gets what it missed.
    """

    def __init__(self, table: SessionTable, create: Create, plans: list[Plan], control: Control) -> None:
        self.parallel = create.parallel
        self.control_id = control_session_id() if create.parallel else None
        self.disconnect_timeout = create.disconnect_timeout
        self._table = table
        self._control: Control | None = control
        self._timer: asyncio.TimerHandle | None = None
        self.sessions: dict[str, Session] = {}
        for plan in plans:
            strict = table.behaviour.strict_continue
            session = Session(session_id(), plan, self._emit, table.usage, table.run, strict=strict)
            self.sessions[session.id] = session

    @property
    def single(self) -> Session:
        """The only session of a group that is not parallel."""
        return next(iter(self.sessions.values()))

    @property
    def closed(self) -> bool:
        return all(session.closed for session in self.sessions.values())

    def announce(self, session: Session) -> bytes:
        """Return the ``sessionCreated`` of a session.

        In a single session that clients can attach to, it is message number 1.
        """
        endpoint = self._table.endpoint(session.id)
        encoder = self._table.encoder
        if self.parallel or not self.disconnect_timeout:
            return encoder.session_created(session.id, endpoint)
        return session.history.add(lambda number: encoder.session_created(session.id, endpoint, number))

    def attach(self, control: Control) -> None:
        """Give the group to another connection, and close the one it had."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        before, self._control = self._control, control
        if before is not None and before is not control:
            before.replaced()

    def missed(self, cursors: Mapping[str, int]) -> list[bytes]:
        """Return the messages after each session's cursor; for a session without a cursor, all of them."""
        # Message 1 of a single session is its sessionCreated, which is not replayed.
        least = 0 if self.parallel else 1
        return [
            message
            for session in self.sessions.values()
            for message in session.history.after(max(least, cursors.get(session.id, 0)))
        ]

    def detach(self) -> None:
        """The connection is gone: close the sessions now, or after the timeout unless a client attaches."""
        # Until then events only go into the history of their session, see _emit.
        self._control = None
        if self.closed or not self.disconnect_timeout:
            self.close()
            return
        # Nothing executes in a completed session unless a client calls: a run whose last message was lost must not keep
        # its engines until the timeout.
        for session in self.sessions.values():
            session.rest()
        give_back_memory()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self.disconnect_timeout, self._expire)

    def close(self) -> None:
        """Close every session and forget the group."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for session in self.sessions.values():
            session.close()
        self._table.forget(self)
        give_back_memory()

    def _expire(self) -> None:
        _log.info("no client attached within %d s; closing %d sessions", self.disconnect_timeout, len(self.sessions))
        self.close()

    def _emit(self, session: Session, event: Event) -> None:
        encoder = self._table.encoder
        if self.parallel:
            message = session.history.add(lambda number: encoder.session_event(session.id, event, number))
        elif self.disconnect_timeout:
            message = session.history.add(lambda number: encoder.event(event, number))
        else:
            message = encoder.event(event, None)
        if self._control is not None:
            self._control.send(message, numbered=self.parallel or self.disconnect_timeout > 0)


class SessionTable:
    """All sessions of a simulator, by id. ``run`` returns what does the work of a session."""

    def __init__(
        self,
        ledger: Ledger,
        behaviour: Behaviour,
        encoder: Encoder,
        base_url: str,
        run: Callable[[Session], Work],
    ) -> None:
        self.ledger = ledger
        self.behaviour = behaviour
        self.encoder = encoder
        self.usage = Usage()
        self.run = run
        self._base_url = base_url
        self._groups: set[Group] = set()
        self._sessions: dict[str, Group] = {}
        self._controls: dict[str, Group] = {}

    def endpoint(self, name: str) -> str:
        """Return the address of a session's data plane."""
        path = f"/backtest/{name}"
        return self._base_url + path if self.behaviour.absolute_endpoints else path

    def create(self, create: Create, control: Control) -> Group:
        """Create the sessions of a request. Raises BadRequest."""
        group = Group(self, create, plan_sessions(self.ledger, create), control)
        self._groups.add(group)
        for name in group.sessions:
            self._sessions[name] = group
        if group.control_id is not None:
            self._controls[group.control_id] = group
        return group

    def session(self, name: str) -> Session | None:
        """Return a session by id."""
        group = self._sessions.get(name)
        return group.sessions[name] if group is not None else None

    def group_of_session(self, name: str) -> Group | None:
        """Return the group of a session by the session's id."""
        return self._sessions.get(name)

    def group(self, control_id: str) -> Group | None:
        """Return a parallel session by its control session id."""
        return self._controls.get(control_id)

    def forget(self, group: Group) -> None:
        """Remove a closed group."""
        self._groups.discard(group)
        for name in group.sessions:
            self._sessions.pop(name, None)
        if group.control_id is not None:
            self._controls.pop(group.control_id, None)

    def close(self) -> None:
        """Close every session."""
        for group in list(self._groups):
            group.close()
