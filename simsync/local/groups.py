"""The sessions of one create request, whoever is connected to them, and the table of all of them."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

from simsync.local.backtest import Plan
from simsync.local.events import Refused
from simsync.local.ids import control_session_id, session_id
from simsync.local.request_fields import BadRequest
from simsync.local.session import Session
from simsync.local.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simsync.local.behaviour import Behaviour
    from simsync.local.control_requests import Create
    from simsync.local.control_wire import Encoder
    from simsync.local.events import Event
    from simsync.local.ledger import Ledger

_log = logging.getLogger("simsync.local.groups")


class Control(Protocol):
    """The control connection of a group, as far as the group needs it."""

    def send(self, message: bytes, *, numbered: bool = False) -> None: ...

    def taken_over(self) -> None: ...


def plan_sessions(ledger: Ledger, create: Create) -> list[Plan]:
    """Return the sessions that a create asks for, in slot order. Raises BadRequest if the ledger does not cover them.

    A single session starts at the start of a bundle and ends inside it. A parallel one gets a session per bundle, and a
    start inside a bundle moves to the start of that bundle.
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
    """One session, or the sub-sessions of a parallel create.

    It outlives its socket for ``disconnect_timeout`` seconds.
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
            session = Session(session_id(), table.ledger, plan, table.behaviour, self._emit, table.usage)
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

        In a single session that can be attached to, it is the first numbered message.
        """
        endpoint = self._table.endpoint(session.id)
        encoder = self._table.encoder
        if self.parallel or not self.disconnect_timeout:
            return encoder.session_created(session.id, endpoint)
        return session.history.add(lambda number: encoder.session_created(session.id, endpoint, number))

    def attach(self, control: Control) -> None:
        """Give the group to another connection; the one it had is closed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        before, self._control = self._control, control
        if before is not None and before is not control:
            before.taken_over()

    def missed(self, cursors: Mapping[str, int]) -> list[bytes]:
        """Return the messages above each session's cursor; a session that is not named gets all."""
        # The reply to the create is not an event.
        least = 0 if self.parallel else 1
        return [
            message
            for session in self.sessions.values()
            for message in session.history.after(max(least, cursors.get(session.id, 0)))
        ]

    def detach(self) -> None:
        """The connection is gone: close the sessions now, or after their timeout unless another one attaches."""
        self._control = None
        if self.closed or not self.disconnect_timeout:
            self.close()
            return
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

    def _expire(self) -> None:
        _log.info("nobody came back within %d s, closing %d sessions", self.disconnect_timeout, len(self.sessions))
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
    """All sessions of a simulator, by id."""

    def __init__(self, ledger: Ledger, behaviour: Behaviour, encoder: Encoder, base_url: str) -> None:
        self.ledger = ledger
        self.behaviour = behaviour
        self.encoder = encoder
        self.usage = Usage()
        self._base_url = base_url
        self._groups: set[Group] = set()
        self._sessions: dict[str, Group] = {}
        self._controls: dict[str, Group] = {}

    def endpoint(self, name: str) -> str:
        path = f"/backtest/{name}"
        return self._base_url + path if self.behaviour.absolute_endpoints else path

    def create(self, create: Create, control: Control) -> Group:
        """Make the sessions of a request. Raises BadRequest."""
        group = Group(self, create, plan_sessions(self.ledger, create), control)
        self._groups.add(group)
        for name in group.sessions:
            self._sessions[name] = group
        if group.control_id is not None:
            self._controls[group.control_id] = group
        return group

    def session(self, name: str) -> Session | None:
        group = self._sessions.get(name)
        return group.sessions[name] if group is not None else None

    def group_of_session(self, name: str) -> Group | None:
        return self._sessions.get(name)

    def group(self, control_id: str) -> Group | None:
        return self._controls.get(control_id)

    def forget(self, group: Group) -> None:
        self._groups.discard(group)
        for name in group.sessions:
            self._sessions.pop(name, None)
        if group.control_id is not None:
            self._controls.pop(group.control_id, None)

    def close(self) -> None:
        for group in list(self._groups):
            group.close()
