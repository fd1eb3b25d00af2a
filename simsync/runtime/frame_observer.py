"""Shows the frames of one connection to the function of ``Options(on_frame=...)``.

Without a function there is no observer, and a frame costs one check for it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from simsync.frames import BINARY, CLOSE, OPEN, RECEIVED, REFUSED, REPLY, SENT, TEXT, Frame, OnFrame
from simsync.protocol.connection_log import FRAMES, ConnectionLog
from simsync.wire.payloads import BinaryMessage

_numbers = itertools.count(1)


class FrameObserver:
    """Calls the function of the caller. If it raises, the error is logged, and this connection does not call it again.

    The connection continues: observing it must not change it.
    """

    def __init__(self, on_frame: OnFrame, plane: str, url: str, log: ConnectionLog | None) -> None:
        self._logger = ConnectionLog(FRAMES, plane) if log is None else log.to(FRAMES)
        self._on_frame = on_frame
        self._plane = plane
        self._url = url
        self._number = next(_numbers)
        self._failed = False

    @classmethod
    def of(
        cls, on_frame: OnFrame | None, plane: str, url: str, log: ConnectionLog | None = None
    ) -> FrameObserver | None:
        """``log``: of the connection, if it belongs to a session."""
        return None if on_frame is None else cls(on_frame, plane, url, log)

    def opened(self) -> None:
        self._show(SENT, OPEN, b"")

    def refused(self, status: int | None, reason: str) -> None:
        self._show(RECEIVED, REFUSED, reason.encode("utf-8", "replace"), status)

    def sent(self, payload: bytes) -> None:
        self._show(SENT, TEXT, payload)

    def received(self, payloads: Iterable[bytes]) -> None:
        for payload in payloads:
            self.received_one(payload, binary=isinstance(payload, BinaryMessage))

    def received_one(self, payload: bytes, *, binary: bool) -> None:
        self._show(RECEIVED, BINARY if binary else TEXT, bytes(payload))

    def ended(self, reason: str, code: int | None) -> None:
        self._show(RECEIVED, CLOSE, reason.encode("utf-8", "replace"), code)

    def requested(self, method: str, body: bytes | None) -> None:
        self._show(SENT, method, body or b"")

    def answered(self, status: int | None, body: bytes) -> None:
        self._show(RECEIVED, REPLY, body, status)

    def _show(self, direction: str, kind: str, payload: bytes, status: int | None = None) -> None:
        if self._failed:
            return
        try:
            self._on_frame(Frame(self._plane, self._number, direction, kind, self._url, payload, status))
        except Exception:
            self._failed = True
            self._logger.exception(
                "on_frame failed and gets no more frames of %s connection %d", self._plane, self._number
            )
