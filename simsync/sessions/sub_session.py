"""One part of a parallel session."""

from __future__ import annotations

from functools import partial

from simsync.options import Options
from simsync.runtime.data_plane import DataPlane
from simsync.runtime.event_queue import EventQueue
from simsync.sessions.session import Session
from simsync.wire import requests


class SubSession(Session):
    """One part of a parallel session: its own slots, events, RPC and subscriptions.

    Attributes:
        session_id: The id on the server.
        task_id: The id of the server's task; None if the server sent none.
        start_slot: The first slot of its range.
        end_slot: The last slot of its range, included.
        rpc_endpoint: The URL of its RPC.
        rpc: Its Solana JSON-RPC.
    """

    start_slot: int
    end_slot: int

    def __init__(
        self,
        queue: EventQueue,
        data_plane: DataPlane,
        control_url: str,
        options: Options,
    ) -> None:
        encode = partial(requests.continue_session, queue.state.session_id, dialect=options.dialect)
        super().__init__(queue, data_plane, control_url, options, encode)

    def __repr__(self) -> str:
        return f"<SubSession {self.session_id} slots {self.start_slot}-{self.end_slot} {self.status}>"

    def __enter__(self) -> SubSession:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End this sub-session and its subscriptions. The others continue, and so does a loop over all of them.

        Any thread may call it. Closing twice is allowed.
        """
        self._closed = True
        if not self._queue.is_finished:
            self._connection.cancel_session(self._queue, f"session {self.session_id} was closed")
        self.end_subscriptions()
        if not self._released:
            self._released = True
            self._connection.release(self._queue, close=True)
        self.rpc.close()
