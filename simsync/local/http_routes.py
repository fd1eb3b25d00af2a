"""The routes of the simulator's HTTP server."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from aiohttp import web

from simsync.local.control.socket import ControlConnection
from simsync.local.encoding import dump_json, load_json, time_text
from simsync.local.host import MAX_MESSAGE, not_found, upgrade
from simsync.local.request_fields import BadRequest
from simsync.local.services import BadWindow, BundleBuilds, KeyTaken, read_build_request, read_range

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from typing import Callable

    from simsync.local.control.groups import SessionTable
    from simsync.local.faults.faults import Faults
    from simsync.local.host import Host
    from simsync.local.ledger.ledger import Ledger

    _Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = logging.getLogger("simsync.local.http")


class Routes:
    """The request handlers of one simulator. ``draining`` may be set from any thread."""

    def __init__(self, table: SessionTable, host: Host, faults: Faults, api_key: str) -> None:
        self.draining = False
        self._table = table
        self._host = host
        self._builds = BundleBuilds(table.ledger, table.behaviour.build_delay, table.usage.clock)
        self._faults = faults
        self._api_key = api_key
        self._aborts: set[Callable[[], None]] = set()

    def application(self) -> web.Application:
        """Return the application with all routes."""
        application = web.Application(client_max_size=MAX_MESSAGE, middlewares=[self._misbehave])
        application.router.add_get("/backtest", self._control)
        application.router.add_get("/backtest/{session_id}", self._data)
        application.router.add_post("/backtest/{session_id}", self._rpc)
        application.router.add_options("/backtest/{session_id}", self._rpc_options)
        application.router.add_get("/available-ranges", self._ranges)
        application.router.add_get("/health", self._health)
        application.router.add_get("/ready", self._ready)
        application.router.add_get("/usage", self._with_key(self._usage))
        application.router.add_post("/datasets/credentials", self._with_key(self._dataset_credentials))
        application.router.add_post("/build-bundle", self._with_key(self._request_build))
        application.router.add_get("/build-bundle", self._with_key(self._list_builds))
        application.router.add_get("/build-bundle/{request_id}", self._with_key(self._build_status))
        application.router.add_delete("/bundles", self._with_key(self._delete_bundle))
        return application

    def abort_all(self) -> None:
        """Drop every control socket that is still open."""
        for abort in list(self._aborts):
            abort()

    async def _control(self, request: web.Request) -> web.StreamResponse:
        status = self._faults.http.upgrading("control").status
        if status is not None:
            return web.Response(status=status, text="refused by a fault")
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        socket, sender, _ = await upgrade(request)
        self._aborts.add(sender.abort)
        try:
            await ControlConnection(socket, sender, self._table, self._faults.control).serve()
        finally:
            self._aborts.discard(sender.abort)
        return socket

    async def _data(self, request: web.Request) -> web.StreamResponse:
        status = self._faults.http.upgrading("data").status
        if status is not None:
            return web.Response(status=status, text="refused by a fault")
        session = self._table.session(request.match_info["session_id"])
        if session is None or session.closed:
            return not_found()
        return await self._host.data(request, session.id)

    async def _rpc(self, request: web.Request) -> web.Response:
        response = await self._answer_rpc(request)
        response.headers["Access-Control-Allow-Origin"] = "*"
        return response

    async def _rpc_options(self, request: web.Request) -> web.Response:
        """Let pages of a browser make RPC calls, as a node does. Only here: the path holds the id of the session."""
        headers = {
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Allow-Methods": "POST, OPTIONS",
            # Clients add headers of their own, such as the solana-client of kit and web3.js.
            "Access-Control-Allow-Headers": request.headers.get("Access-Control-Request-Headers", "content-type"),
            "Access-Control-Max-Age": "86400",
        }
        return web.Response(headers=headers)

    async def _answer_rpc(self, request: web.Request) -> web.Response:
        session = self._table.session(request.match_info["session_id"])
        if session is None or session.closed:
            return not_found()
        reply = await self._host.rpc(session.id, await request.read())
        if reply is None:
            return not_found()
        if self._faults.http.replying().empty:
            reply = b""
        return web.Response(body=reply, content_type="application/json")

    # -- services

    @web.middleware
    async def _misbehave(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Refuse or drop an HTTP request if a fault is due. Upgrades have their own faults."""
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await handler(request)
        plan = self._faults.http.received(request.path)
        if plan.status is not None:
            return web.Response(status=plan.status, text="refused by a fault")
        response = await handler(request) if plan.carry_out else web.Response()
        # aiohttp needs a response even if the connection is gone.
        if plan.drop and request.transport is not None:
            request.transport.abort()
        return response

    def _with_key(self, handler: _Handler) -> _Handler:
        """Return a handler that refuses requests without the key."""

        async def handle(request: web.Request) -> web.StreamResponse:
            refusal = self._refusal(request)
            return refusal if refusal is not None else await handler(request)

        return handle

    def _refusal(self, request: web.Request) -> web.Response | None:
        """Return the answer to a request without the right key, None if it has the key or needs none."""
        if self._api_key and request.headers.get("X-API-Key", "") != self._api_key:
            return web.Response(status=401, text="the X-API-Key header is missing or not the expected one")
        return None

    async def _ranges(self, request: web.Request) -> web.Response:
        return _json(available_ranges(self._table.ledger))

    async def _health(self, request: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _ready(self, request: web.Request) -> web.Response:
        return web.Response(status=503, text="draining") if self.draining else web.Response(text="ok")

    async def _usage(self, request: web.Request) -> web.Response:
        try:
            return _json(self._table.usage.report(request.query.get("since"), request.query.get("until")))
        except BadWindow as error:
            return web.Response(status=400, text=str(error))

    async def _dataset_credentials(self, request: web.Request) -> web.Response:
        """There are no data sets here: the keys open nothing."""
        names = ("access_key_id", "secret_access_key", "session_token", "region")
        return _json({name: f"embedded-{name.replace('_', '-')}" for name in names})

    async def _request_build(self, request: web.Request) -> web.Response:
        try:
            status, is_new = self._builds.request(read_build_request(load_json(await request.read())))
        except BadRequest as error:
            return _bad_request(error)
        except ValueError as error:
            return web.Response(status=400, text=f"not JSON: {error}")
        except KeyTaken as error:
            return web.Response(status=409, text=str(error))
        if is_new:
            self._table.usage.builds.add()
        return _json(status)

    async def _list_builds(self, request: web.Request) -> web.Response:
        return _json(self._builds.listing())

    async def _build_status(self, request: web.Request) -> web.Response:
        status = self._builds.status(request.match_info["request_id"])
        return web.Response(status=404, text="unknown build request") if status is None else _json(status)

    async def _delete_bundle(self, request: web.Request) -> web.Response:
        try:
            deleted = self._builds.delete(read_range(request.query))
        except BadRequest as error:
            return _bad_request(error)
        if deleted is None:
            return web.Response(status=404, text="there is no bundle with exactly that range and kind")
        return _json({"deleted": deleted})


def available_ranges(ledger: Ledger) -> list[dict[str, object]]:
    """Return the bundles of a ledger in the form of ``GET /available-ranges``."""
    return [
        {
            "bundleStartSlot": bundle.start_slot,
            "bundleStartSlotUtc": time_text(ledger.time_of(bundle.start_slot) * 1000),
            "maxBundleEndSlot": bundle.end_slot,
            "maxBundleEndSlotUtc": time_text(ledger.time_of(bundle.end_slot) * 1000),
            "maxBundleSize": bundle.end_slot - bundle.start_slot + 1,
            "kind": "blocks",
            "scope": "global",
        }
        for bundle in ledger.bundles
    ]


def _json(value: object) -> web.Response:
    return web.Response(body=dump_json(value), content_type="application/json")


def _bad_request(error: BadRequest) -> web.Response:
    return web.Response(status=400, text=str(error.refused.fields["error"]))
