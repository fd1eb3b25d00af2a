"""Worker processes: one that dies fails its sessions, none is left, and connections reach them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from simsync.errors import InvalidParams, SimsyncError
from simsync.local import Ledger, Simulator
from simsync.local.workers.channel import Channel

from .bare import TIMEOUT, Control, Data, Rpc, get, inner

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs /proc and pidfd_open to watch processes")
START_TIMEOUT = END_TIMEOUT = 60.0
"""Seconds for a process to start or to end, also on a machine that is busy with other work."""


def children(parent: int) -> list[int]:
    """Return the processes of a parent, zombies included."""
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdigit():
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                if int(fields[1]) == parent:
                    found.append(int(folder.name))
    return sorted(found)


def workers(ledger: Ledger, **options: Any) -> tuple[Simulator, list[int]]:
    """Start a simulator with two workers; return it with their process ids."""
    before = set(children(os.getpid()))
    simulator = Simulator(ledger, workers=2, **options)
    return simulator, [pid for pid in children(os.getpid()) if pid not in before]


def posted(simulator: Simulator, session: str) -> socket.socket:
    """Send an RPC call, without waiting for its answer."""
    connection = socket.create_connection(("127.0.0.1", simulator.port), TIMEOUT)
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "getSlot"})
    head = f"POST /backtest/{session} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall((head + body).encode())
    return connection


# -- a process that dies


def test_a_worker_that_dies_fails_its_sessions_and_no_others(ledger: Ledger) -> None:
    simulator, pids = workers(ledger)
    with simulator, Control(simulator) as control:
        names = control.create_parallel(1000, 1039)["session_ids"]
        with Data(simulator, names[0]) as one, Data(simulator, names[1]) as two:
            one.subscribe()
            two.subscribe()
            assert len([one.recv() for _ in range(8)]) == 8
            # A stopped process answers nothing: it is killed while a call waits.
            os.kill(pids[0], signal.SIGSTOP)
            with posted(simulator, names[0]) as waiting:
                assert get(simulator, "/health").text == "ok"
                os.kill(pids[0], signal.SIGKILL)
                reply = waiting.makefile("rb").read()
            assert b"the session failed: the worker process" in reply
            failed = [control.until("error")[-1] for _ in range(2)]
            assert {message["params"]["session_id"] for message in failed} == {names[0], names[2]}
            for message in failed:
                text = str(inner(message))
                assert f"the worker process {pids[0]} was killed by SIGKILL; create it again" in text
            assert (one.rest(), one.close_code) == ([], None)
            with posted(simulator, names[0]) as refused:
                assert refused.recv(12) == b"HTTP/1.1 404"
            control.proceed(100, names[1])
            control.until("completed")
            assert len(list(two.results())) == 72
        with Control(simulator) as another:
            # In a process that takes the place of the dead one, and has to start.
            another.raw.settimeout(START_TIMEOUT)
            rpc = Rpc(simulator, another.create(1000, 1009))
            assert rpc.call("getSlot") == 1000
            assert pids[1] in children(os.getpid())
            assert pids[0] not in children(os.getpid())


# -- no process is left


def test_close_ends_the_workers_and_what_they_serve(ledger: Ledger) -> None:
    before = set(children(os.getpid()))
    simulator, pids = workers(ledger)
    with simulator, Control(simulator) as control, Data(simulator, control.create(1000, 1009)) as data:
        data.subscribe()
        assert len(pids) == 2
        simulator.close()
        data.rest()
        assert simulator.engines() == 0
    assert before.issuperset(children(os.getpid()))


def test_a_simulator_that_cannot_listen_leaves_none(ledger: Ledger, simulator: Simulator) -> None:
    before = set(children(os.getpid()))
    with pytest.raises(SimsyncError, match="use another port"):
        Simulator(ledger, workers=2, port=simulator.port)
    assert before.issuperset(children(os.getpid()))


FORKED = """
import os, signal, sys
from simsync.local import Ledger, Simulator
with Simulator(Ledger.load(sys.argv[1]), workers=2) as simulator:
    if os.fork():
        print("serving on", simulator.url, flush=True)
    signal.pause()
"""


def kill_group(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def test_the_workers_end_with_the_simulator(ledger: Ledger, tmp_path: Path) -> None:
    path = str(tmp_path / "small.ledger")
    ledger.save(path)
    command = [sys.executable, "-m", "simsync", "local", "--workers", "2", "--port", "0", "--ledger", path]
    with contextlib.ExitStack() as watched:
        started = []
        for one, number in (
            (command, signal.SIGTERM),
            (command, signal.SIGINT),
            # The fork holds all descriptors open.
            ([sys.executable, "-W", "ignore", "-c", FORKED, path], signal.SIGKILL),
        ):
            server = subprocess.Popen(one, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
            watched.enter_context(server)
            watched.callback(kill_group, server.pid)
            started.append((server, number))
        for server, number in started:
            assert server.stdout is not None
            assert any(line.startswith(b"serving on ") for line in iter(server.stdout.readline, b""))
            commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children(server.pid)}
            handles = [os.pidfd_open(pid) for pid, text in commands.items() if b"workers.process" in text]
            assert len(handles) == 2
            for handle in handles:
                watched.callback(os.close, handle)
            if number == signal.SIGINT:
                os.killpg(server.pid, number)  # as a terminal does
            else:
                server.send_signal(number)
            for handle in handles:
                assert select.select([handle], [], [], END_TIMEOUT)[0], f"a worker is left after {number.name}"
            if number != signal.SIGKILL:
                assert server.wait(END_TIMEOUT) == 0
                assert server.stderr is not None
                assert server.stderr.read() == b""


def test_workers_that_cannot_start(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(children(os.getpid()))
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(SimsyncError, match=r"did not start .* ended with status 1 while it started"):
        Simulator(ledger, workers=2)
    assert before.issuperset(children(os.getpid()))


def test_connections_arrive_with_their_calls() -> None:
    count = 150  # more than travel at once

    async def hand_over() -> list[bytes]:
        ours, theirs = socket.socketpair()
        done = asyncio.Event()

        def take(number: int) -> None:
            with socket.socket(fileno=receiver.connections.popleft()) as connection:
                connection.send(str(number).encode())
            if number == count - 1:
                done.set()

        receiver = Channel(theirs, {"take": take}, {}, lambda error: None)
        sender = Channel(ours, {}, {}, lambda error: None)
        pairs = [socket.socketpair() for _ in range(count)]
        for number, (given, _) in enumerate(pairs):
            sender.call("take", number, connection=given)
        await asyncio.wait_for(done.wait(), TIMEOUT)
        sender.close()
        receiver.close()
        with contextlib.ExitStack() as kept:
            return [kept.enter_context(one).recv(8) for _, one in pairs]

    assert asyncio.run(hand_over()) == [str(number).encode() for number in range(count)]


@pytest.mark.parametrize("count", [-1, 1.5, True])
def test_the_number_of_workers_is_checked(ledger: Ledger, count: Any) -> None:
    with pytest.raises(InvalidParams, match="workers"):
        Simulator(ledger, workers=count)


def test_without_workers_there_is_no_process(ledger: Ledger) -> None:
    before = set(children(os.getpid()))
    with Simulator(ledger, workers=1) as simulator, Control(simulator) as control:
        control.create(1000, 1009)
        assert before.issuperset(children(os.getpid()))
