"""The routes of the simulator's HTTP server."""

from __future__ import annotations

import itertools
import logging
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from aiohttp import web

from simsync.local import rpc
from simsync.local.control_socket import ControlConnection
from simsync.local.encoding import dump_json
from simsync.local.frames import FrameSender
from simsync.local.pubsub import DataConnection

if TYPE_CHECKING:
    import asyncio
    from typing import Callable

    from simsync.local.faults import Faults
    from simsync.local.groups import SessionTable
    from simsync.local.ledger import Ledger

_log = logging.getLogger("simsync.local.http")
_MAX_MESSAGE = 64 * 1024 * 1024
"""Largest request in bytes, on sockets and over HTTP."""
_CLOSE_TIMEOUT = 2.0
"""Seconds to wait for a client's close frame."""


class Routes:
    """Handlers that share the session table."""

    def __init__(self, table: SessionTable, faults: Faults, api_key: str) -> None:
        self._table = table
        self._faults = faults
        self._api_key = api_key
        self._numbers = itertools.count(1)
        self._aborts: set[Callable[[], None]] = set()

    def application(self) -> web.Application:
        """Return the application with all routes."""
        application = web.Application(client_max_size=_MAX_MESSAGE)
        application.router.add_get("/backtest", self._control)
        application.router.add_get("/backtest/{session_id}", self._data)
        application.router.add_post("/backtest/{session_id}", self._rpc)
        application.router.add_get("/available-ranges", self._ranges)
        application.router.add_get("/health", self._health)
        application.router.add_get("/ready", self._health)
        return application

    def abort_all(self) -> None:
        """Drop every socket that is still open."""
        for abort in list(self._aborts):
            abort()

    async def _control(self, request: web.Request) -> web.StreamResponse:
        status = self._faults.refused_status("control")
        if status is not None:
            return web.Response(status=status, text="refused by a fault")
        if self._api_key and request.headers.get("X-API-Key", "") != self._api_key:
            return web.Response(status=401, text="the X-API-Key header is missing or wrong")
        socket, sender, _ = await self._upgrade(request)
        try:
            await ControlConnection(socket, sender, self._table, self._faults).serve()
        finally:
            self._aborts.discard(sender.abort)
        return socket

    async def _data(self, request: web.Request) -> web.StreamResponse:
        status = self._faults.refused_status("data")
        if status is not None:
            return web.Response(status=status, text="refused by a fault")
        session = self._table.session(request.match_info["session_id"])
        if session is None or not session.serves():
            return web.Response(status=404, text="unknown or ended session")
        socket, sender, transport = await self._upgrade(request)
        self._faults.count_data_socket()
        behaviour = self._table.behaviour
        try:
            await DataConnection(socket, sender, transport, session, behaviour, self._faults, self._numbers).serve()
        finally:
            self._aborts.discard(sender.abort)
        return socket

    async def _upgrade(self, request: web.Request) -> tuple[web.WebSocketResponse, FrameSender, asyncio.WriteTransport]:
        socket = web.WebSocketResponse(
            timeout=_CLOSE_TIMEOUT, compress=False, max_msg_size=_MAX_MESSAGE, writer_limit=1
        )
        await socket.prepare(request)
        transport: asyncio.WriteTransport | None = request.transport
        if transport is None:
            raise ConnectionResetError("the client left during the upgrade")
        sender = FrameSender(socket, transport)
        self._aborts.add(sender.abort)
        return socket, sender, transport

    async def _rpc(self, request: web.Request) -> web.Response:
        session = self._table.session(request.match_info["session_id"])
        if session is None or not session.serves():
            return web.Response(status=404, text="unknown or ended session")
        body = await request.read()
        if session.closed:
            return web.Response(status=404, text="unknown or ended session")
        return web.Response(body=rpc.answer(session, body), content_type="application/json")

    async def _ranges(self, request: web.Request) -> web.Response:
        return web.Response(body=dump_json(available_ranges(self._table.ledger)), content_type="application/json")

    async def _health(self, request: web.Request) -> web.Response:
        return web.Response(text="ok")


def available_ranges(ledger: Ledger) -> list[dict[str, Any]]:
    """Return the bundles of a ledger in the form of ``GET /available-ranges``."""
    return [
        {
            "bundleStartSlot": bundle.start_slot,
            "bundleStartSlotUtc": _utc(ledger.time_of(bundle.start_slot)),
            "maxBundleEndSlot": bundle.end_slot,
            "maxBundleEndSlotUtc": _utc(ledger.time_of(bundle.end_slot)),
            "maxBundleSize": bundle.end_slot - bundle.start_slot + 1,
            "kind": "blocks",
            "scope": "global",
        }
        for bundle in ledger.bundles
    ]


def _utc(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
