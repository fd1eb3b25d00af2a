"""Every wait goes through one of simsync's ways to wait, and says who waits, for what, and who ends the wait."""

from __future__ import annotations

import ast

import pytest

from tools.waits import FILES, called, calls, is_primitive, problems, waits

RAW = {
    ("waiting.py", "poll"),
    ("waiting.py", "select"),
    ("waiting.py", "acquire"),
    ("waiting.py", "recv"),  # of a socket that does not block
    ("bulk_websocket.py", "recv"),  # likewise
    ("duplex.py", "connect"),
    ("connector.py", "connect"),
    ("addresses.py", "getaddrinfo"),
    ("dial.py", "connect"),
    ("dial.py", "recv"),
    ("bounded_socket.py", "recv"),
    ("handshake_socket.py", "recv"),
    ("polled_connector.py", "recv"),
    ("polled_connector.py", "getaddrinfo"),  # of an address in digits
    ("interruptible.py", "get"),
    ("threads.py", "join"),
    ("event_queue.py", "Condition"),  # nobody waits for it
    ("__main__.py", "sleep"),  # of a thread that ends the process
    ("http.py", "request"),
    ("http_connections.py", "connect"),
    ("retry.py", "Retrying"),
    ("http_retry.py", "Retrying"),
}
"""What really blocks, and the only files in which it may."""

BLOCKING_METHODS = {
    *("acquire", "poll", "select", "recv", "recv_into", "accept", "connect", "request", "urlopen", "result"),
    *("wait", "wait_for", "communicate", "create_connection", "getaddrinfo", "gethostbyname", "sleep"),
}
BLOCKING_TYPES = {
    *("Condition", "Event", "Semaphore", "BoundedSemaphore", "Barrier", "Timer", "Queue", "LifoQueue", "PriorityQueue"),
    *("Retrying", "ThreadPoolExecutor", "ProcessPoolExecutor", "Popen", "input"),
}


def is_raw(call: ast.Call, receiver: str, name: str) -> bool:
    if name == "request" and not receiver:
        return False  # a function of that name
    if name in BLOCKING_METHODS or name in BLOCKING_TYPES:
        return True
    keywords = {keyword.arg for keyword in call.keywords}
    if name == "get":  # of a queue
        return "timeout" in keywords or "block" in keywords or not (call.args or keywords)
    if name == "join":  # of a thread, not of text or a path
        return receiver not in ("Constant", "path", "pathsep")
    return False


def test_each_wait_says_who_ends_it() -> None:
    found = waits()
    assert len(found) > 20
    assert problems(found) == []


def test_nothing_else_blocks() -> None:
    found = {
        (file.name, called(call)[1], f"line {call.lineno}")
        for file in FILES
        for _function, call in calls(file)
        if is_raw(call, *called(call)) and not is_primitive(*called(call))
    }
    assert {(file, name) for file, name, _line in found} - RAW == set(), sorted(found)
    assert RAW - {(file, name) for file, name, _line in found} == set(), "no longer there"


@pytest.mark.parametrize(
    ("source", "blocks"),
    [
        ("self._lock.acquire()", True),
        ("self._queue.get()", True),
        ("self._queue.get(timeout=left)", True),
        ("thread.join(5)", True),
        ("time.sleep(1)", True),
        ("threading.Event()", True),
        ("', '.join(names)", False),
        ("options.get('name')", False),
    ],
)
def test_what_counts_as_blocking(source: str, blocks: bool) -> None:
    (call,) = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    assert is_raw(call, *called(call)) is blocks
