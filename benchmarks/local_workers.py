"""What worker processes bring the embedded simulator: transactions/s without and with them.

    python -m benchmarks.local_workers [--workers 2] [--rounds 5] [--client raw|simsync] [--compression]

One subscription to all transactions on each of eight sub-sessions, which are advanced to their end at once. The client
``raw`` only drains its sockets, so that it takes no core from the server. Prints every run with the load of the machine
and the processor time of the server: in all, and of its busiest process, which bounds it however many cores there are.
Exits with 1 when events are missing.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import websocket

import simsync
from simsync.local import Ledger

_SERVE = """
import sys
from simsync.local import Ledger
from simsync.local.command import serve
ledger, workers = Ledger.load(sys.argv[1]), int(sys.argv[2])
serve(ledger, port=0, api_key="", workers=workers, end_of_stream="c", on_ready=lambda one: print(one.port, flush=True))
"""
_CLOSED = b"\x88\x02\x03\xe8"
"""The close frame at the end of a subscription."""
_SLOTS, _PER_SLOT = 400, 50


def processor_seconds(server: int) -> dict[int, float]:
    """The processor time of a process and its children."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if server in (int(folder.name), int(fields[1])):
                found[int(folder.name)] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found


class Raw:
    """Drains the sockets and looks at nothing but their ends."""

    def __init__(self, port: int, *, compression: bool) -> None:
        self._control: Any = websocket.create_connection(f"ws://127.0.0.1:{port}/backtest")
        params = {"startSlot": 1_000, "endSlot": 1_000 + _SLOTS - 1, "parallel": True}
        self._control.send(json.dumps({"method": "createBacktestSession", "params": params}))
        self._names: list[str] = []
        ready = 0
        while not self._names or ready < len(self._names):
            message = json.loads(self._control.recv())
            if message["method"] == "sessionsCreatedV2":
                self._names = message["params"]["session_ids"]
            ready += "readyForContinue" in str(message)
        self._data: list[Any] = []
        for name in self._names:
            data: Any = websocket.create_connection(f"ws://127.0.0.1:{port}/backtest/{name}")
            config = {"compression": "zstd"} if compression else {}
            data.send(
                json.dumps({"jsonrpc": "2.0", "id": 1, "method": "transactionSubscribe", "params": ["all", config]})
            )
            data.recv()
            self._data.append(data.sock)

    def read(self) -> int:
        """Advance everything to its end; return the transactions, of which it knows only that none can be missing."""
        for name in self._names:
            body = {"session_id": name, "request": {"advanceCount": _SLOTS}}
            self._control.send(json.dumps({"method": "continueSessionV1", "params": body}))
        buffer = memoryview(bytearray(1 << 20))
        with selectors.DefaultSelector() as selector:
            for one in self._data:
                selector.register(one, selectors.EVENT_READ)
            selector.register(self._control.sock, selectors.EVENT_READ)
            tails: dict[Any, bytes] = {}
            while len(selector.get_map()) > 1:
                for key, _ in selector.select(60):
                    end: Any = key.fileobj
                    count = end.recv_into(buffer)
                    tails[end] = (tails.get(end, b"") + buffer[max(0, count - 4) : count])[-4:]
                    if tails[end] == _CLOSED or not count:
                        selector.unregister(end)
        return sum(_SLOTS * _PER_SLOT // len(self._data) for one in self._data if tails[one] == _CLOSED)


class Ours:
    """The loop that the README shows, over simsync."""

    def __init__(self, port: int, *, compression: bool) -> None:
        options = simsync.Options(compression=compression)
        client = simsync.Client(f"ws://127.0.0.1:{port}", "", options=options)
        self._session = client.parallel(simsync.CreateSession(1_000, slot_count=_SLOTS))
        for sub in self._session.sub_sessions:
            sub.subscribe_transactions()

    def read(self) -> int:
        """Advance everything to its end; return the transactions."""
        events = self._session.events(advance=_SLOTS)
        count = sum(isinstance(event, simsync.Transaction) for _, event in events)
        self._session.close()
        return count


def run(ledger: Path, workers: int, client: type[Raw] | type[Ours], *, compression: bool) -> tuple[int, float, float]:
    """Transactions, transactions/s, and the processor seconds of the busiest process of the server."""
    command = [sys.executable, "-c", _SERVE, str(ledger), str(workers)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            reader = client(int(server.stdout.readline()), compression=compression)
            before, own, begun = processor_seconds(server.pid), time.process_time(), time.perf_counter()
            count = reader.read()
            took, own = time.perf_counter() - begun, time.process_time() - own
            used = [seconds - before.get(pid, 0) for pid, seconds in processor_seconds(server.pid).items()]
        finally:
            server.terminate()
    load = os.getloadavg()[0]
    print(
        f"{workers} workers: {count / took:8,.0f} transactions/s; processor: server {sum(used):.2f} s, of these its "
        f"busiest process {max(used):.2f} s, client {own:.2f} s; load {load:.1f}",
        flush=True,
    )
    return count, count / took, max(used)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--client", choices=["raw", "simsync"], default="raw")
    parser.add_argument("--compression", action="store_true")
    arguments = parser.parse_args()
    rates: dict[int, list[float]] = {0: [], arguments.workers: []}
    busiest: dict[int, list[float]] = {0: [], arguments.workers: []}
    complete = True
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made.ledger"
        Ledger.generate(slots=_SLOTS, transactions_per_slot=_PER_SLOT, bundle_size=_SLOTS // 8).save(path)
        for number in range(arguments.rounds):
            for workers in list(rates)[:: -1 if number % 2 else 1]:
                client = Raw if arguments.client == "raw" else Ours
                count, rate, seconds = run(path, workers, client, compression=arguments.compression)
                rates[workers].append(rate)
                busiest[workers].append(seconds)
                complete = complete and count == _SLOTS * _PER_SLOT
    without, with_workers = rates.values()
    ratios = sorted(after / before for before, after in zip(without, with_workers))
    bounds = [before / after for before, after in zip(*busiest.values())]
    print(f"medians {statistics.median(without):,.0f} and {statistics.median(with_workers):,.0f} transactions/s")
    print(f"ratio in one round: median {statistics.median(ratios):.2f} [{ratios[0]:.2f}-{ratios[-1]:.2f}]")
    print(f"by the processor time of the busiest process: {statistics.median(bounds):.2f}")
    if not complete:
        print("TRANSACTIONS ARE MISSING")
    return int(not complete)


if __name__ == "__main__":
    sys.exit(main())
