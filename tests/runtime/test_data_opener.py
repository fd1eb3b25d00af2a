"""Opening the connections of a subscription, one attempt at a time."""

from __future__ import annotations

import socket
import threading

import pytest

import simsync
from simsync.frames import DATA
from simsync.protocol.connection_log import SUBSCRIPTION, ConnectionLog
from simsync.runtime.data_opener import DataOpener
from simsync.runtime.retry import Reconnectable
from simsync.runtime.task_loop import Task, TaskLoop


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])  # connected without a thread, and by one
def test_a_subscription_that_was_closed_before_its_turn_makes_no_connection(host: str) -> None:
    """Closing may come at any moment between two looks at whether the subscription is over."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        url = f"ws://{host}:{listener.getsockname()[1]}"
        log = ConnectionLog(SUBSCRIPTION, DATA)
        opener = DataOpener(url, "slots", simsync.Options(), threading.RLock(), log)
        opener.abort("the subscription was closed")
        steps = opener.open(Task(TaskLoop("tasks")))
        try:
            with pytest.raises(Reconnectable, match="the subscription was closed"):
                next(steps)
            with pytest.raises(BlockingIOError):
                listener.accept()
        finally:
            steps.close()
