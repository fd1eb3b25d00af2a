"""Opening the connections of a control session, one after the other, and what a failed attempt means."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

from simsync.frames import CONTROL
from simsync.options import Options
from simsync.params.api_key import ApiKey
from simsync.protocol.connection_log import ConnectionLog
from simsync.runtime.connector import ConnectFailed, Connector, connection_failure
from simsync.runtime.duplex import DuplexWebSocket
from simsync.runtime.exhaustion import Exhausted, exhaustion
from simsync.runtime.retry import Reconnectable


class ControlOpener:
    """One attempt at a time. ``connector`` is the present one, which any thread may abort."""

    def __init__(
        self,
        url: str,
        api_key: ApiKey,
        options: Options,
        lock: contextlib.AbstractContextManager[Any],
        log: ConnectionLog,
    ) -> None:
        """``lock`` guards the attempt that is being made."""
        self._url = url
        self._api_key = api_key
        self._options = options
        self._lock = lock
        self._log = log
        self.connector: Connector[DuplexWebSocket] | None = None
        """The attempt that is being made."""
        self.ever_connected = False

    def prepare(self, seconds: float | None = None) -> Connector[DuplexWebSocket]:
        """Call it while holding the lock. ``seconds``: how long it may take, if that is less than `connect_timeout`."""
        options = self._options
        if seconds is not None:
            options = replace(options, connect_timeout=max(0.001, min(options.connect_timeout, seconds)))
        established = self.ever_connected
        self.connector = Connector(
            DuplexWebSocket, self._url, options, self._api_key, plane=CONTROL, log=self._log, established=established
        )
        return self.connector

    # guess: connection refused, or a host name without an address
    def open(self, connector: Connector[DuplexWebSocket], *, established: bool) -> DuplexWebSocket:
        """Raises Reconnectable, or a SimsyncError if another attempt would not help."""
        try:
            # wait: reader | the connect thread | it; `Connector.abort` | `connect_timeout`
            ws = connector.run()
        except ConnectFailed as failed:
            hopeless = failed.unreachable and not self.ever_connected and not self._options.retry_first_connect
            if failed.final or hopeless:
                failure = connection_failure(str(failed), failed, established=established)
                raise failure from failure.__cause__
            self.check_limits(failed)
            raise Reconnectable(str(failed)) from failed
        except (Exhausted, OSError) as error:  # a thread, or the file with the certificates
            self.check_limits(error)
            raise Reconnectable(f"could not connect to {self._url}: {error}") from error
        finally:
            with self._lock:
                self.connector = None
        return ws

    def check_limits(self, error: BaseException) -> None:
        """Before the first connection, a limit of the process that was reached is raised: the caller waits for it."""
        limit = exhaustion(error)
        if limit is not None and not self.ever_connected:
            raise limit from error

    def lost_attempt(self, limit: Exhausted) -> Reconnectable:
        """A connection ends because of a limit of the process. Raises it before the first connection."""
        self.check_limits(limit)
        return Reconnectable(f"connection given up: {limit}")
