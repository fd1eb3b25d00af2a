"""Opening the connections of a subscription, one after the other, and what a failed attempt means."""

from __future__ import annotations

import contextlib
from typing import Any

from simsync.errors import ConnectError, HttpStatusError
from simsync.options import Options
from simsync.protocol.connection_log import ConnectionLog
from simsync.runtime.connector import ConnectFailed
from simsync.runtime.polled_connector import PolledConnector, plain_address
from simsync.runtime.polled_websocket import PolledWebSocket
from simsync.runtime.retry import Reconnectable
from simsync.runtime.task_loop import Steps, Task
from simsync.wire.payloads import BinaryMessage

_NOT_FOUND = 404


class GaveUp(Exception):
    """Another connection would not help."""


class NotFound(GaveUp):
    """The server itself says that there are no streams at this address (any more)."""


class DataOpener:
    """One attempt at a time, which any thread may abort. ``lock`` guards it."""

    def __init__(
        self, url: str, label: str, options: Options, lock: contextlib.AbstractContextManager[Any], log: ConnectionLog
    ) -> None:
        self._log = log
        self._url = url
        self._address = plain_address(url)
        self._label = label
        self._options = options
        self._lock = lock
        self._connector: PolledConnector | None = None
        self._aborted: str | None = None
        self._established = False

    @property
    def needs_thread(self) -> bool:
        """Each attempt has a thread of its own."""
        return self._address is None

    def abort(self, reason: str) -> None:
        """End the attempt that is under way, and allow no further one."""
        with self._lock:
            self._aborted = reason
            connector = self._connector
        if connector is not None:
            connector.abort(reason)

    def open(self, task: Task) -> Steps[PolledWebSocket]:
        """Make a connection. Raises Reconnectable, or GaveUp if another attempt would not help."""
        with self._lock:
            if self._aborted is not None:  # safeguard: a closed subscription makes no connection
                raise Reconnectable(f"{self._label}: {self._aborted}")
            connector = self._connector = PolledConnector(
                PolledWebSocket, self._url, self._options, log=self._log, established=self._established
            )
        try:
            ws = yield from connector.steps(task, self._address)
        except ConnectFailed as failed:
            if _is_not_found(failed):
                raise NotFound(str(failed)) from failed
            raise (GaveUp if failed.final else Reconnectable)(str(failed)) from failed
        except (ConnectError, OSError) as error:  # no thread, or no descriptor
            raise Reconnectable(f"{self._label}: could not connect: {error}") from error
        finally:
            with self._lock:
                self._connector = None
        self._established = True
        ws.binary = BinaryMessage
        return ws


def _is_not_found(failed: ConnectFailed) -> bool:
    # What cannot be reached (an address, a proxy) says nothing about the streams.
    error = failed.error
    return not failed.unreachable and isinstance(error, HttpStatusError) and error.status == _NOT_FOUND
