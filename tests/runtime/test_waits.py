"""The table of waits in docs/threads.md is the code's: each wait is there, and each goes through a primitive."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted([*(ROOT / "simsync" / "runtime").glob("*.py"), *(ROOT / "simsync").glob("*.py")])

PRIMITIVES = {
    "wait": "a socket or a waker",
    "waker.sleep": "a waker",
    "recv_batch": "bytes",
    "write_some": "room in the kernel's buffer",
    "ticket.wait": "a change of shared state",
    "join": "the end of a thread",
    "reader.join": "the end of a subscription's thread",
    "dial.run": "a connection",
    "waiting.run": "an HTTP reply, until a deadline or a cancel token",
    "waiting.pause": "time, until a deadline or a cancel token",
    "http.get": "an HTTP answer",
    "http.post_json": "an HTTP answer",
    "http.delete": "an HTTP answer",
    "retrying": "the next attempt",
}
"""Every way to wait, as ``receiver.method`` without underscores and ``self``, and what for."""

RAW = {
    ("waking.py", "poll"),
    ("waking.py", "select"),
    ("waking.py", "recv"),  # of a socket that does not block
    ("duplex.py", "recv"),  # likewise
    ("duplex.py", "connect"),
    ("dial.py", "connect"),
    ("dial.py", "get"),
    ("changes.py", "get"),
    ("http_wait.py", "get"),
    ("threads.py", "join"),
    ("http.py", "request"),
    ("retry.py", "Retrying"),
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


def calls(file: Path) -> Iterator[tuple[str, ast.Call]]:
    """Each call, with the name of the innermost function around it."""

    def visit(node: ast.AST, function: str) -> Iterator[tuple[str, ast.Call]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Call):
                yield function, child
            named = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef))
            yield from visit(child, child.name if named else function)  # type: ignore[attr-defined]

    yield from visit(ast.parse(file.read_text(encoding="utf-8")), "")


def called(call: ast.Call) -> tuple[str, str]:
    """The receiver's last name and the name of what is called, without leading underscores."""
    function = call.func
    if isinstance(function, ast.Name):
        return "", function.id.lstrip("_")
    if not isinstance(function, ast.Attribute):
        return "", ""
    receiver = function.value
    if isinstance(receiver, (ast.Name, ast.Attribute)):
        name = receiver.id if isinstance(receiver, ast.Name) else receiver.attr
        return name.lstrip("_"), function.attr
    return type(receiver).__name__, function.attr


def is_primitive(receiver: str, name: str) -> bool:
    return name in ("recv_batch", "write_some") or (f"{receiver}.{name}" if receiver else name) in PRIMITIVES


def is_raw(call: ast.Call, receiver: str, name: str) -> bool:
    if name == "request" and not receiver:
        return False  # a function of that name
    if name in BLOCKING_METHODS or name in BLOCKING_TYPES:
        return True
    keywords = {keyword.arg for keyword in call.keywords}
    if name == "get":  # of a queue
        return "timeout" in keywords or "block" in keywords or not (call.args or keywords)
    if name == "join":  # of a thread, not of text or a path
        return receiver not in ("Constant", "path")
    return False


def in_code() -> set[str]:
    return {
        f"{file.name}:{function}"
        for file in FILES
        for function, call in calls(file)
        if is_primitive(*called(call)) and not (file.name == "threads.py" and called(call)[1] == "join")
    }


def in_table() -> list[str]:
    text = (ROOT / "docs" / "threads.md").read_text(encoding="utf-8")
    section = text[text.index("## Waits") : text.index("## Forks")]
    return re.findall(r"^\| `(\w+\.py:\w+)` \|", section, re.MULTILINE)


def test_the_table_lists_each_wait_once() -> None:
    listed = in_table()
    assert sorted(listed) == sorted(set(listed))
    assert set(listed) - in_code() == set(), "listed, but not in the code"
    assert in_code() - set(listed) == set(), "in the code, but not listed in docs/threads.md"


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
