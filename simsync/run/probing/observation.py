"""What one guess is, what a server does about it, and what follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Optional, Union

from simsync.json_form import JsonForm
from simsync.run.probing.conversation import Capture

HOLDS, ALSO, DIFFERS, NOT_SEEN, HIDDEN = "holds", "also read", "differs", "not seen", "not observable"


@dataclass(frozen=True)
class Seen:
    """What the server does. ``setting``: what to write where simsync would go wrong; None: nothing."""

    server: str
    setting: Optional[str] = None
    also: bool = False

    @property
    def result(self) -> str:
        if self.setting is not None:
            return DIFFERS
        return ALSO if self.also else HOLDS


def also(server: str) -> Seen:
    """Another reading than the first, which simsync takes as well."""
    return Seen(server, also=True)


Look = Callable[[Capture], Union[Seen, str, None]]
"""What was seen, or why nothing was, or None where nothing of the kind came."""


@dataclass(frozen=True)
class Row:
    """An observation. ``guess`` is the first cell of its line in ``docs/compatibility.md``; ``step`` is the one of the
    probe that shows it.
    """

    guess: str
    assumes: str
    look: Look
    step: str


@dataclass(frozen=True)
class Hidden:
    """A guess that a capture does not show, and why."""

    guess: str
    why: str


@dataclass(frozen=True)
class Finding(JsonForm):
    """``result``: ``holds``, ``also read`` (another reading, which simsync takes as it is), ``differs`` (needs
    ``setting``), ``not seen`` or ``not observable``; then ``server`` says why.
    """

    guess: str
    assumes: str
    server: str
    result: str
    setting: Optional[str] = None


def find(row: Row, capture: Capture) -> Finding:
    seen = row.look(capture)
    if isinstance(seen, Seen):
        return Finding(row.guess, row.assumes, seen.server, seen.result, seen.setting)
    return Finding(row.guess, row.assumes, seen or _reason(row, capture), NOT_SEEN)


def _reason(row: Row, capture: Capture) -> str:
    if row.step in capture.failures:
        return f"the step {row.step!r} failed: {capture.failures[row.step]}"
    if not capture.reached(row.step):
        return f"the step {row.step!r} was not reached"
    return "nothing of the kind came"
