"""Pools of HTTP connections that Ctrl-C cannot leave locked."""

from __future__ import annotations

import queue
from typing import Any

from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class IdleConnections:
    """What urllib3 wants of a ``queue.LifoQueue``, whose lock Ctrl-C can leave taken for ever.

    It is used by one thread and never waited for.
    """

    def __init__(self, maxsize: int = 0) -> None:
        self._maxsize = maxsize
        self._stack: list[Any] = []

    def put(self, connection: Any, block: bool = False, timeout: float | None = None) -> None:
        if len(self._stack) >= self._maxsize > 0:
            raise queue.Full
        self._stack.append(connection)

    def get(self, block: bool = False, timeout: float | None = None) -> Any:
        if not self._stack:
            raise queue.Empty
        return self._stack.pop()

    def qsize(self) -> int:
        return len(self._stack)


class HttpPool(HTTPConnectionPool):
    QueueCls: Any = IdleConnections


class HttpsPool(HTTPSConnectionPool):
    QueueCls: Any = IdleConnections
