"""A single session: one range, one control connection."""

from __future__ import annotations

from typing import Callable

from simsync.options import Options
from simsync.runtime.control_connection import ControlConnection
from simsync.runtime.data_plane import DataPlane
from simsync.sessions.owner import ConnectionOwner
from simsync.sessions.session import Session
from simsync.wire import requests


class BacktestSession(ConnectionOwner, Session):
    """A session over one range. :meth:`simsync.Client.session` and :meth:`simsync.Client.attach` make it.

    Use it as a context manager: leaving it ends the session on the server. If the process dies instead, the server
    keeps the session for its ``disconnect_timeout``.

    Attributes:
        session_id: The id on the server.
        task_id: The id of the server's task; None if the server sent none.
        start_slot: The first slot of its range; None if it was attached without its ``create``.
        end_slot: The last slot of its range, included; None if it was attached without its ``create``.
        rpc_endpoint: The URL of its RPC.
        rpc: Its Solana JSON-RPC.
    """

    def __init__(
        self, connection: ControlConnection, control_url: str, options: Options, forget_token: Callable[[], None]
    ) -> None:
        (queue,) = connection.queues.values()
        Session.__init__(self, queue, DataPlane(connection), control_url, options, requests.continue_single)
        self._own(connection, forget_token, f"<BacktestSession {self.session_id}>")

    def __repr__(self) -> str:
        slots = "" if self.start_slot is None else f" slots {self.start_slot}-{self.end_slot}"
        return f"<BacktestSession {self.session_id}{slots} {self.status}>"

    def _owned(self) -> tuple[BacktestSession]:
        return (self,)
