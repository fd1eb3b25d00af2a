"""One thread reads all subscriptions of a connection: what one of them meets does not reach the others."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator

import simsync

from .scripted_control import Talk, scripted

LONG = 20.0


@contextlib.contextmanager
def session_at(data_url: str, options: simsync.Options) -> Iterator[simsync.ParallelSession]:
    """A session with one sub-session, whose data plane is at ``data_url``, and which no one continues."""

    def control(talk: Talk) -> None:
        talk.create(data_url.replace("ws://", "http://"))
        talk.goodbye()

    with scripted(control) as url:
        with simsync.Client(url, "key", options=options).parallel(simsync.CreateSession(1, 9), timeout=LONG) as session:
            yield session


def test_closing_does_not_wait_for_servers_that_do_not_answer() -> None:
    """Some connections are being made when it is closed, and others are about to be."""
    with socket.create_server(("127.0.0.1", 0), backlog=200) as silent:
        address = f"ws://127.0.0.1:{silent.getsockname()[1]}"
        with session_at(address, simsync.Options(close_timeout=LONG)) as session:
            for _each in range(64):
                session.sub_sessions[0].subscribe("slotSubscribe")
            began = time.monotonic()
            session.close()
            assert time.monotonic() < began + LONG / 2
