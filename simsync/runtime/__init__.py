"""Threads, sockets, queues and retries: what carries the protocol."""

from __future__ import annotations

from simsync.websocket_library import check_library

check_library()
