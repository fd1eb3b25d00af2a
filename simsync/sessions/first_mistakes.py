"""Pointing out mistakes that show as nothing but silence: a loop that waits for ever, a pair taken for an event.

They are warnings, not errors, because the same code may be right: another thread may be about to continue the engine,
and a pair may be stored as it is.
"""

from __future__ import annotations

import functools
import os
import re
import sys
import warnings
from collections.abc import Iterator
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")

IDLE = 10.0
"""Seconds that a loop waits for an engine that is waiting too, before it says so."""

WATCHED_PAIRS = 100
"""The first pairs of a merged loop are watched; a mistake shows with the first of them. Later ones are plain tuples."""

_OWN_FOLDER = __file__[: -len("sessions/first_mistakes.py")]
_INSTALLED = r"[/\\](site|dist)-packages[/\\]"

UNPACK = "a loop over all sub-sessions yields pairs: write `for sub, event in session.events(...)`"


class UsageWarning(UserWarning):
    """The code waits for something that will not happen, or takes one thing for another; the message has the remedy."""


def warn(message: str) -> None:
    """Warn at the line of the caller's code that called into simsync."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_OWN_FOLDER):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, UsageWarning, stacklevel=level)


class Pair(tuple):  # type: ignore[type-arg]
    """A ``(sub_session, event)`` that notices when it is taken for an event."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"a pair has no attribute {name!r}: {UNPACK}")

    def __reduce__(self) -> tuple[Any, ...]:
        return tuple, (tuple(self),)

    # isinstance() reads this attribute when the type alone does not answer it with True.
    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        frame = sys._getframe(1)
        if _is_callers(frame) and not _asks_for_tuple(frame):
            warn(f"isinstance() of a pair is false for every event: {UNPACK}")
        return tuple


def watched(pairs: Iterator[Any], left: list[None]) -> Iterator[Any]:
    """The pairs, as many of them watched as ``left`` has items, which are used up."""
    while left:
        for pair in pairs:
            left.pop()
            yield Pair(pair)
            break
        else:
            return
    yield from pairs


@functools.cache
def _libraries() -> tuple[str, ...]:
    """The folders of the standard library and of installed packages."""
    import sysconfig  # its first answer takes as long as a module of simsync

    folders = (sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    return tuple(os.path.join(folder, "") for folder in folders if folder)  # noqa: PTH118 (keeps the last separator)


def _is_callers(frame: FrameType) -> bool:
    """True for code that belongs neither to simsync nor to the standard library, nor to an installed package."""
    name = frame.f_code.co_filename
    return not name.startswith((_OWN_FOLDER, *_libraries(), "<frozen")) and re.search(_INSTALLED, name) is None


def _asks_for_tuple(frame: FrameType) -> bool:
    """True inside ``isinstance(pair, (list, tuple))``, which is true: the class is read because it is not a list.

    What the call asks for is in no place that Python code can read, so its bytecode is: the names that were loaded
    since the last ``isinstance``, or on the same line (pytest rewrites assertions so that the classes come first).
    """
    import dis  # takes long to import, and only mistakes need it

    lines = dict(dis.findlinestarts(frame.f_code))
    line: int | None = None
    since = same_line = False
    for instruction in dis.get_instructions(frame.f_code):
        line = lines.get(instruction.offset, line)
        if instruction.offset >= frame.f_lasti:
            break
        if instruction.argval == "isinstance":
            since = False
        elif instruction.argval == "tuple":
            since = True
            same_line = same_line or line == frame.f_lineno
    return since or same_line
