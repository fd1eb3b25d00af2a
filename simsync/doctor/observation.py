"""An observation of one guess, the readings of it that are known, and what was found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Callable, Optional, Union

from simsync.doctor.conversation import Capture
from simsync.json_form import JsonForm

HOLDS, ALSO, DIFFERS, NOT_SEEN, HIDDEN = "holds", "also read", "differs", "not seen", "not observable"


@dataclass(frozen=True)
class Reading:
    """One way in which a server may behave, and the setting that simsync needs for it, if any.

    A ``%s`` in ``server`` and in ``setting`` stands for the detail that was seen.
    """

    result: str
    server: str
    setting: Optional[str] = None


def holds(server: str) -> Reading:
    """The guess is right."""
    return Reading(HOLDS, server)


def also(server: str) -> Reading:
    """The server does it in another way, which simsync reads as well."""
    return Reading(ALSO, server)


def differs(server: str, setting: str) -> Reading:
    """simsync needs a setting for this server."""
    return Reading(DIFFERS, server, setting)


def unseen(server: str) -> Reading:
    """The capture does not tell, for this reason."""
    return Reading(NOT_SEEN, server)


Seen = Iterable[Union[str, tuple[str, str]]]
"""The names of the readings that a capture shows, each alone or with a detail."""
Look = Callable[[Capture], Seen]
"""Yields every reading that a capture shows, in any order and also a fallback; the row decides which one counts."""


@dataclass(frozen=True)
class Observation:
    """One row of the table.

    ``guess`` is the first cell of a row in ``docs/internals/compatibility.md``, and ``step`` the step of the probe that
    shows it.
    ``look`` names what a capture shows; of the ``readings`` the first one that was seen counts.
    """

    guess: str
    assumes: str
    step: str
    look: Look
    readings: Mapping[str, Reading]


@dataclass(frozen=True)
class Finding(JsonForm):
    """What a capture shows of one guess.

    ``result`` is ``holds``, ``also read`` (another reading, which simsync reads as well), ``differs`` (needs
    ``setting``), ``not seen`` or ``not observable``; for the last two ``server`` gives the reason.
    """

    guess: str
    assumes: str
    server: str
    result: str
    setting: Optional[str] = None


def find(row: Observation, capture: Capture) -> Finding:
    """Look for one guess in a capture."""
    seen: dict[str, str] = {}
    for one in row.look(capture):
        name, detail = (one, "") if isinstance(one, str) else one
        seen.setdefault(name, detail)
    if not seen:
        return Finding(row.guess, row.assumes, _why_nothing(row.step, capture), NOT_SEEN)
    name = min(seen, key=list(row.readings).index)
    reading, detail = row.readings[name], seen[name]
    setting = reading.setting and reading.setting.replace("%s", "None" if detail == "null" else detail)  # is Python
    return Finding(row.guess, row.assumes, reading.server.replace("%s", detail), reading.result, setting)


def _why_nothing(step: str, capture: Capture) -> str:
    if step in capture.failures:
        return f"the step {step!r} failed: {capture.failures[step]}"
    if step not in capture.steps:
        return f"the step {step!r} was not reached"
    return "the capture shows nothing of it"
