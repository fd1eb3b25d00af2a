"""One part of a parallel session."""

from __future__ import annotations

from simsync.session import Session


class SubSession(Session):
    """One part of a parallel session: its own slots, events, RPC and subscriptions.

    ``start_slot`` and ``end_slot`` are both included.
    """

    start_slot: int
    end_slot: int

    def __repr__(self) -> str:
        return f"<SubSession {self.session_id} slots {self.start_slot}-{self.end_slot} {self.status}>"

    def __enter__(self) -> SubSession:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End this sub-session and its subscriptions; the others go on. May be called twice and from any thread.

        A loop over all sub-sessions goes on without it.
        """
        self._closed = True
        if not self._delivery.done:
            self._link.cancel_delivery(self._delivery, f"session {self.session_id} was closed")
        self._end_subscriptions()
        if not self._released:
            self._released = True
            self._link.release(self._delivery, close=True)
        self.rpc.close()
