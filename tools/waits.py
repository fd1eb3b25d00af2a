"""The waits of the library, for the table in ``docs/internals/waits.md`` that ``python -m tools.pages`` writes.

Each call that may block has a comment above it: ``# wait: who | what for | who wakes it | what bounds it``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tools.markers import ROOT

ROOMS = ("simsync", "simsync/runtime", "simsync/sessions")
FILES = sorted(file for room in ROOMS for file in (ROOT / room).glob("*.py"))
BEGIN = "<!-- table of waits: python -m tools.pages -->\n"
END = "<!-- end of the table of waits -->"

PRIMITIVES = {
    "wait": "a socket or a waker",
    "waker.sleep": "a waker",
    "recv_batch": "bytes",
    "recv_observed": "bytes",
    "write_some": "room in the kernel's buffer",
    "changed.wait_for": "a change of shared state",
    "changed.wait_past": "a change of shared state",
    "frames.wait_past": "frames to write",
    "take": "an item of a queue",
    "join": "the end of a thread",
    "task.join": "the end of a task",
    "reader.join": "the end of a subscription",
    "connector.run": "a connection",
    "Wait": "what its row says; the thread of the subscriptions waits for all of them together",
    "selector.select": "what the tasks of a loop wait for",
    "dial": "a TCP connection, through a proxy if there is one",
    "try_connection": "a connection",
    "waiting.run": "an HTTP reply, until a deadline or a cancel token",
    "waiting.pause": "time, until a deadline or a cancel token",
    "http.get": "an HTTP reply",
    "http.post_json": "an HTTP reply",
    "http.delete": "an HTTP reply",
    "retrying": "the next attempt",
}
"""Every way to wait, as ``receiver.method`` without underscores and ``self``, and what it waits for."""

_COLUMNS = ("where", "who waits", "for what", "who wakes it", "what bounds it")
_MARK = re.compile(r"#\s*wait:\s*(.+)")


class Wait(NamedTuple):
    """A function that waits. ``row``: what its comment says, None without one."""

    place: str
    row: tuple[str, ...] | None


def calls(file: Path) -> Iterator[tuple[ast.FunctionDef | None, ast.Call]]:
    """Each call in a file, with the innermost function around it."""

    def visit(node: ast.AST, function: ast.FunctionDef | None) -> Iterator[tuple[ast.FunctionDef | None, ast.Call]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Call):
                yield function, child
            yield from visit(child, child if isinstance(child, ast.FunctionDef) else function)

    yield from visit(ast.parse(file.read_text(encoding="utf-8")), None)


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
    """Whether this call is one of :data:`PRIMITIVES`."""
    return (
        name in ("recv_batch", "recv_observed", "write_some")
        or (f"{receiver}.{name}" if receiver else name) in PRIMITIVES
    )


def waits() -> list[Wait]:
    """Each function that waits, once."""
    found: dict[str, Wait] = {}
    for file in FILES:
        lines = file.read_text(encoding="utf-8").splitlines()
        for function, call in calls(file):
            if function is None or not is_primitive(*called(call)):
                continue
            if file.name == "threads.py" and called(call)[1] == "join":
                continue  # the primitive itself
            place = f"{file.name}:{function.name}"
            source = lines[function.lineno - 1 : function.end_lineno]
            marks = [match for match in map(_MARK.search, source) if match]
            row = tuple(part.strip() for part in marks[0].group(1).split("|")) if marks else None
            found.setdefault(place, Wait(place, row))
    return sorted(found.values())


def table(rows: list[Wait]) -> str:
    """Markdown."""
    lines = [_COLUMNS, ("---",) * len(_COLUMNS), *((f"`{wait.place}`", *(wait.row or ())) for wait in rows)]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def problems(rows: list[Wait]) -> list[str]:
    """Functions that wait without a complete comment."""
    return [
        f"{wait.place}: add a comment '# wait: who | what for | who wakes it | what bounds it'"
        for wait in rows
        if wait.row is None or len(wait.row) != len(_COLUMNS) - 1
    ]
