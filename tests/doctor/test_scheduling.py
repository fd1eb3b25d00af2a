"""The actions of the probe are those that simsync sends itself, and few creates find out which a server accepts."""

from __future__ import annotations

from typing import Any

import pytest

import simsync
from simsync import AccountData, Anchor, Dialect, ProgramExecuted, ScheduledAction
from simsync.doctor.candidates import LAMPORTS, PROBE_ACCOUNT, SYSTEM_PROGRAM, TOKEN_PROGRAM, external
from simsync.doctor.scheduling import ACTION_ACCOUNT, LIST, NOTHING, SINGLE, actions, create_with_actions
from simsync.wire.actions import scheduled_actions

ANCHORS = ("after", "match", "every")
ACCOUNT = AccountData(lamports=LAMPORTS, owner=SYSTEM_PROGRAM, data=b"")


@pytest.mark.parametrize(
    ("content", "generation", "after", "every"),
    [
        (LIST, None, Anchor("after_slot"), ["every"]),
        (SINGLE, "0.10", Anchor("after_slot"), []),
        (NOTHING, "0.28", Anchor("after_slot", [1_002]), ["every"]),
    ],
)
def test_an_action_is_written_as_simsync_writes_it(
    content: str, generation: str | None, after: Anchor, every: list[str]
) -> None:
    places = {
        "after": after,
        "match": Anchor("before_match", filter=ProgramExecuted(TOKEN_PROGRAM)),
        "every": Anchor("before_every_slot", every=1),
    }
    asked = actions(external, 1_002, content, ["after", "match", *every, "override"])
    transactions = asked[0].get("transactions") or [asked[0][one] for one in ("transaction",) if one in asked[0]]
    mine = [
        ScheduledAction(
            place,
            transactions=transactions,
            account_overrides={ACTION_ACCOUNT: ACCOUNT} if content == NOTHING else {},
            return_accounts=[SYSTEM_PROGRAM],
            label=label,
        )
        for label, place in places.items()
        if label in ("after", "match", *every)
    ]
    create = simsync.CreateSession(1_000, 1_009, actions=mine, overrides={1_002: {PROBE_ACCOUNT: ACCOUNT}})
    sent = scheduled_actions(create, Dialect(generation=generation))
    assert [{key: one for key, one in action.items() if one} for action in sent] == asked


def test_a_server_without_actions_is_asked_for_the_least_of_each_content_only() -> None:
    asked: list[list[Any]] = []

    def refuse(wanted: list[Any]) -> simsync.CreateError:
        asked.append(wanted)
        return simsync.CreateError("no")

    assert create_with_actions(refuse, 1_002) is None
    assert len(asked) == 15
    assert {len(one) for one in asked} == {1}
