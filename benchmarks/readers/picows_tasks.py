"""``picows`` (Cython) on asyncio with orjson."""

from __future__ import annotations

import asyncio

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from benchmarks.readers.created import Created, continue_request, create_request
from benchmarks.readers.queues import consumers, queues
from benchmarks.readers.run import Run, Stopwatch, slot_problems
from benchmarks.stream import Stream


def read_slots(stream: Stream) -> Run:
    return asyncio.run(_read_slots(stream))


class _Receiver(WSListener):
    """Feeds the answer to the create request until it is complete, then the queues."""

    def __init__(self) -> None:
        super().__init__()
        import orjson

        self._loads = orjson.loads
        self.created = Created()
        self.ready = asyncio.Event()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is not WSMsgType.TEXT:
            return
        if not self.ready.is_set():
            if self.created.feed(frame.get_payload_as_bytes()):
                self.queues = queues(self.created)
                self.ready.set()
            return
        params = self._loads(frame.get_payload_as_memoryview())["params"]
        self.queues[params["session_id"]].put_nowait(params["event"])


async def _read_slots(stream: Stream) -> Run:
    watch = Stopwatch()
    receiver = _Receiver()
    transport, _listener = await ws_connect(lambda: receiver, stream.url)
    transport.send(WSMsgType.TEXT, create_request(stream.events))
    await receiver.ready.wait()
    tasks = consumers(receiver.created, receiver.queues)
    watch.start()
    transport.send(WSMsgType.TEXT, continue_request(receiver.created.ids[-1], stream.events))
    outcomes = await asyncio.gather(*tasks)
    run = watch.stop(stream.events, slot_problems(stream.events, outcomes))
    transport.send_close(WSCloseCode.OK)
    transport.disconnect()
    await transport.wait_disconnected()
    return run
