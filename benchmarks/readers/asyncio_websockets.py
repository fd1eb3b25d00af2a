"""``websockets`` on asyncio with orjson."""

from __future__ import annotations

import asyncio
import contextlib
import time
import zlib
from typing import Any

from benchmarks.readers.created import Created, continue_request, create_request, subscribe_request
from benchmarks.readers.queues import consumers, queues
from benchmarks.readers.run import Run, Stopwatch, percentiles, slot_problems, transaction_problems, trip_problems, warm
from benchmarks.stream import Stream


def read_slots(stream: Stream) -> Run:
    return asyncio.run(_read_slots(stream))


def drive(stream: Stream) -> Run:
    """A task for each sub-session: continue, wait for the ready, and again."""
    return asyncio.run(_drive(stream))


def read_transactions(stream: Stream) -> Run:
    """Every transaction decoded; looked at are the slot and the signature."""
    return asyncio.run(_read_transactions(stream))


def _connect(url: str) -> Any:
    from websockets.asyncio.client import connect

    return connect(url, compression=None, max_size=None, ping_interval=None)


async def _create(ws: Any, stream: Stream) -> Created:
    created = Created()
    await ws.send(create_request(stream.events).decode())
    while not created.feed(await ws.recv()):
        pass
    return created


async def _read_slots(stream: Stream) -> Run:
    import orjson

    watch = Stopwatch()
    async with _connect(stream.url) as ws:
        created = await _create(ws, stream)
        waiting = queues(created)
        tasks = consumers(created, waiting)
        open_sessions = len(waiting)
        watch.start()
        await ws.send(continue_request(created.ids[-1], stream.events).decode())
        recv, loads = ws.recv, orjson.loads
        while open_sessions:
            params = loads(await recv(decode=False))["params"]
            event = params["event"]
            waiting[params["session_id"]].put_nowait(event)
            if event["method"] == "completed":
                open_sessions -= 1
        outcomes = await asyncio.gather(*tasks)
        return watch.stop(stream.events, slot_problems(stream.events, outcomes))


async def _drive(stream: Stream) -> Run:
    import orjson

    watch = Stopwatch()
    async with _connect(stream.url) as ws:
        created = await _create(ws, stream)
        waiting = queues(created)

        async def drive_one(session_id: str) -> list[float]:
            request = continue_request(session_id, stream.advance).decode()
            get, send, clock = waiting[session_id].get, ws.send, time.perf_counter
            trips = []
            method = ""
            while method != "completed":
                began = clock()
                await send(request)
                method = "slotNotification"
                while method == "slotNotification":
                    method = (await get())["method"]
                trips.append(clock() - began)
            return trips

        async def receive() -> None:
            recv, loads = ws.recv, orjson.loads
            while True:
                params = loads(await recv(decode=False))["params"]
                waiting[params["session_id"]].put_nowait(params["event"])

        watch.start()
        receiver = asyncio.ensure_future(receive())
        drivers = await asyncio.gather(*map(drive_one, created.ids))
        figures = percentiles([trip for trips in drivers for trip in warm(trips)])
        run = watch.stop(stream.trips, trip_problems(stream.trips, drivers), figures)
        receiver.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await receiver
        return run


async def _read_transactions(stream: Stream) -> Run:
    import orjson

    watch = Stopwatch()
    async with _connect(stream.url) as control:
        created = await _create(control, stream)
        async with _connect(f"{stream.url}/{created.ids[0]}") as ws:
            await ws.send(subscribe_request(packed=False).decode())
            await ws.recv()
            received = crc = 0
            watch.start()
            await control.send(continue_request(created.ids[0], stream.events).decode())
            recv, loads = ws.recv, orjson.loads
            while True:
                result = loads(await recv(decode=False))["params"]["result"]
                if "completed" in result:
                    break
                crc = zlib.crc32(result["transaction"]["signatures"][0].encode(), crc)
                received += 1
            problems = transaction_problems(stream.transactions, received, crc, stream.signatures)
            return watch.stop(stream.transactions, problems)
