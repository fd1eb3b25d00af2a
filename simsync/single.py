"""A session of its own: one range, one control connection."""

from __future__ import annotations

from typing import Callable

from simsync.link_owner import LinkOwner
from simsync.options import Options
from simsync.runtime.control import ControlLink
from simsync.runtime.coordinator import ReconnectCoordinator
from simsync.session import Session


class BacktestSession(LinkOwner, Session):
    """Use it as a context manager; made by :meth:`simsync.Client.session` and :meth:`simsync.Client.attach`.

    ``start_slot`` and ``end_slot`` (both included) are None when it was attached to without its ``create``. Leaving the
    context manager ends the session on the server, however it is left; a process that dies leaves it there for its
    ``disconnect_timeout``.
    """

    def __init__(self, link: ControlLink, control_url: str, options: Options, forget_token: Callable[[], None]) -> None:
        (delivery,) = link.deliveries.values()
        Session.__init__(self, delivery, link, ReconnectCoordinator(link), control_url, options)
        self._own(link, forget_token)

    def __repr__(self) -> str:
        slots = "" if self.start_slot is None else f" slots {self.start_slot}-{self.end_slot}"
        return f"<BacktestSession {self.session_id}{slots} {self.status}>"

    def _owned(self) -> tuple[BacktestSession]:
        return (self,)
