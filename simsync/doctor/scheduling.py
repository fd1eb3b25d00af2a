"""The actions that the probe schedules, and how it finds those that a server accepts."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, Callable, Union

import simsync
from simsync.doctor.candidates import (
    LAMPORTS,
    PROBE_ACCOUNT,
    SYSTEM_PROGRAM,
    TAGGINGS,
    TOKEN_PROGRAM,
    Tagging,
    external,
)

ACTION_ACCOUNT = "SimsyncProbe2111111111111111111111111111111"
"""An address without an owner, for the overrides of actions that have nothing else."""
LIST, SINGLE, NOTHING = "list", "single", "nothing"
"""The transactions of an action: a list up to 0.13, one transaction in 0.10, none from 0.18 on, only overrides.

The compressed text that servers from 0.14 on take is not documented, so the probe cannot send it.
"""


def actions(write: Tagging, slot: int, content: str, anchors: Sequence[str]) -> list[Any]:
    """The actions of a create, in the form in which simsync sends them apart from the tagging.

    Args:
        write: The tagging of the anchors.
        slot: Where actions happen that name a slot.
        content: What each action holds: ``LIST``, ``SINGLE`` or ``NOTHING``.
        anchors: ``after`` a slot, before a ``match``, before ``every`` slot; ``override``: before a slot, only
            overrides.
    """
    # Servers that take actions without transactions want the slots; those that take lists or one transaction, none.
    slots = {"slots": [slot]} if content == NOTHING else {}
    fields = {"program": TOKEN_PROGRAM}
    wanted = {"programExecuted": TOKEN_PROGRAM} if write is external else write("programExecuted", fields)
    places = {
        "after": write("afterSlot", slots),
        "match": write("beforeMatch", {"filter": wanted}),
        "every": write("beforeEverySlot", {"every_n_slots": 1, "everyNSlots": 1}),
    }
    contents: dict[str, dict[str, Any]] = {
        LIST: {"transactions": [_transaction()]},
        SINGLE: {"transaction": _transaction()},
        NOTHING: {"accountOverrides": {ACTION_ACCOUNT: _account()}},
    }
    rest = {"kind": "simulate", **contents[content], "returnAccounts": [SYSTEM_PROGRAM]}
    made = [{"anchor": place, **rest, "label": name} for name, place in places.items() if name in anchors]
    if "override" in anchors:
        anchor = write("beforeSlot", {"slots": [slot]})
        made.append({"anchor": anchor, "kind": "simulate", "accountOverrides": {PROBE_ACCOUNT: _account()}})
    return made


def _account() -> dict[str, Any]:
    data = {"data": "", "encoding": "base64"}
    return {"data": data, "executable": False, "lamports": LAMPORTS, "owner": SYSTEM_PROGRAM, "space": 0}


Attempt = Callable[[list[Any]], Union[simsync.BacktestSession, simsync.CreateError]]
"""Creates a session with these actions; returns the error if the server refused it."""


def create_with_actions(attempt: Attempt, slot: int) -> simsync.BacktestSession | None:
    """Create a session with as many actions as the server accepts.

    Which content of actions a server knows depends on its generation. So the least of every content is tried first, in
    one tagging after the other; where something was accepted, more is asked for.

    Args:
        attempt: Creates a session.
        slot: Where actions happen that name a slot.

    Returns:
        The session; None if the server accepts no actions.
    """
    for write in TAGGINGS:
        for content, anchors in _plans(attempt, write, slot):
            session = attempt(actions(write, slot, content, anchors))
            if isinstance(session, simsync.BacktestSession):
                return session
    return None


def _plans(attempt: Attempt, write: Tagging, slot: int) -> list[tuple[str, list[str]]]:
    """Contents and anchors that the server may accept together, most first; none if it accepts nothing."""

    def accepts(content: str, anchor: str) -> bool:
        session = attempt(actions(write, slot, content, [anchor]))
        if isinstance(session, simsync.BacktestSession):
            session.close()
        return isinstance(session, simsync.BacktestSession)

    contents, known = [LIST, NOTHING], ["override"]
    if not accepts(NOTHING, "override"):
        accepted = next((one for one in (LIST, SINGLE) if accepts(one, "after")), None)
        contents, known = [accepted] if accepted else [], []
    elif accepts(NOTHING, "every"):
        known = ["every", "override"]
    return [(content, anchors) for content in contents for anchors in (["after", "match", *known], ["after", *known])]


def _transaction() -> str:
    """An unsigned transfer of no lamports from an account without an owner to itself; it is only ever simulated."""
    payer, system = bytes([7]) * 32, bytes(32)
    instruction = bytes([1, 2, 0, 0, 12]) + (2).to_bytes(4, "little") + (0).to_bytes(8, "little")
    message = bytes([1, 0, 1, 2]) + payer + system + bytes(32) + bytes([1]) + instruction
    return base64.b64encode(bytes([1]) + bytes(64) + message).decode("ascii")
