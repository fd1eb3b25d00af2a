"""What servers of the protocol versions 0.10 to 0.28 can be asked for.

A generation is the version of the vendor's crates that a server was built with, such as ``"0.13"``. No message names
it, and the first one that depends on it, ``sessionCreated``, comes after the create. So the user names it, with
``Options(dialect=Dialect.for_generation("0.13"))``, and what that server cannot read is refused before anything is
sent. If it is not named, nothing is refused. Plain mappings are never refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Callable, NamedTuple, Optional

from simsync.errors import InvalidParams
from simsync.params import Anchor, CreateSession, DiagnosticProbe, DirectFill, OracleUpdate, Reroute, ScheduledAction
from simsync.params.schedule import MATCH_ANCHORS

EXAMPLES = ("0.13", "0.14", "0.23", "0.28")
"""One version of each generation, oldest first. Any other from 0.10 on is accepted too."""
OLDEST = 10

LISTS_OF_TRANSACTIONS = 11
"""The minor version from which an action may have several transactions; before, it has one under another key."""
SLOTS_IN_ANCHORS = 14
"""The minor version from which ``afterSlot`` has slots; before, it means every slot."""
BLOB_OF_TRANSACTIONS = 14
"""The minor version from which the transactions of an action are one text instead of a list."""
EVERY_N_SLOTS = 23
"""The minor version from which there are anchors at every n slots."""
INTRA_SLOT_UPDATES = 16
"""The minor version from which a subscription can ask for each write within a slot."""


def minor_version(generation: object) -> int:
    """The N of ``"0.N"``. Raises InvalidParams."""
    found = re.fullmatch(r"0\.([1-9][0-9]{0,2})(\.[0-9]+)?", generation) if isinstance(generation, str) else None
    if found is None or int(found[1]) < OLDEST:
        known = ", ".join(EXAMPLES)
        raise InvalidParams("generation", generation, f"must be a version from 0.{OLDEST} on, such as {known}")
    return int(found[1])


class Rule(NamedTuple):
    """Something that only servers of some versions know.

    ``since`` and ``until`` are minor versions, both included. ``instead`` says what to do with another server.
    """

    what: str
    is_used: Callable[[CreateSession], bool]
    since: int
    until: Optional[int]
    instead: str

    @property
    def versions(self) -> str:
        """The versions in words."""
        if self.until is None:
            return f"from 0.{self.since} on"
        return f"0.{self.since} to 0.{self.until}"


def _actions(create: CreateSession) -> Iterator[ScheduledAction]:
    return (action for action in create.actions if isinstance(action, ScheduledAction))


def _anchors(create: CreateSession) -> Iterator[Anchor]:
    """The places of actions and of diagnostic probes."""
    yield from (action.anchor for action in _actions(create))
    yield from (probe.anchor for probe in create.diagnostic_probes if isinstance(probe, DiagnosticProbe))


def _fills(create: CreateSession) -> Iterator[DirectFill]:
    if isinstance(create.reroute, Reroute):
        yield from (fill for fill in create.reroute.direct_fill if isinstance(fill, DirectFill))


def _anchored(where: str, *, named: bool) -> Callable[[CreateSession], bool]:
    """Something happens at this place, which names slots or does not."""
    return lambda create: any(anchor.where == where and bool(anchor.slots) == named for anchor in _anchors(create))


def sends_list(create: CreateSession) -> bool:
    """An action has transactions, and not as one text."""
    return any(action.transactions and not isinstance(action.transactions, str) for action in _actions(create))


def maps_list(create: CreateSession) -> bool:
    """A plain mapping among the actions has a list of transactions, under whatever other key."""
    return any(_holds_list(action) for action in create.actions if isinstance(action, Mapping))


def _holds_list(value: object) -> bool:
    if not isinstance(value, Mapping):
        return False
    transactions = value.get("transactions")
    return (isinstance(transactions, list) and bool(transactions)) or any(map(_holds_list, value.values()))


def _names_oracles(create: CreateSession) -> bool:
    around = (anchor.filter for anchor in _anchors(create) if anchor.where in MATCH_ANCHORS)
    return any(isinstance(one, OracleUpdate) for one in (*create.discoveries, *around))


def _has_several_takers(create: CreateSession) -> bool:
    return any(fill.taker.needs_lists for fill in _fills(create))


_EACH_SLOT = "take Anchor('after_every_slot', every=1), which every server gets in the form that it knows"


def _every(meets: Callable[[ScheduledAction, CreateSession], bool]) -> Callable[[CreateSession], bool]:
    """An action at every n slots for which ``meets`` is true."""
    return lambda create: any(action.anchor.every is not None and meets(action, create) for action in _actions(create))


RULES: tuple[Rule, ...] = (
    Rule("`Anchor('after_slot')` without slots", _anchored("after_slot", named=False), 10, 13, _EACH_SLOT),
    Rule("slots of `Anchor('after_slot')`", _anchored("after_slot", named=True), 14, None, _EACH_SLOT),
    Rule(
        "`Anchor('after_every_slot')` with `every` above 1",
        lambda create: any(
            action.anchor.where == "after_every_slot" and (action.anchor.every or 0) > 1 for action in _actions(create)
        ),
        14,
        None,
        "take every=1 and leave the other results out",
    ),
    Rule(
        "anchors at every n slots of an action whose transactions are one text",
        _every(lambda action, _create: isinstance(action.transactions, str)),
        EVERY_N_SLOTS,
        None,
        "name the slots, and take a text with one entry for each",
    ),
    Rule(
        "anchors at every n slots of which none is in the range",
        _every(lambda action, create: not action.anchor.slots_between(create.start_slot, create.last_slot)),
        EVERY_N_SLOTS,
        None,
        "leave the action out, because it is never executed",
    ),
    Rule(
        "`Anchor('before_slot')` and `Anchor('before_every_slot')`",
        lambda create: any(
            action.anchor.where.startswith("before_") and action.anchor.where != "before_match"
            for action in _actions(create)
        ),
        18,
        None,
        "take the end of the slot before",
    ),
    Rule(
        "actions with only `account_overrides`",
        lambda create: any(not action.transactions for action in _actions(create)),
        18,
        None,
        "give at least one transaction",
    ),
    Rule(
        "actions with several transactions",
        lambda create: any(
            not isinstance(action.transactions, str) and len(action.transactions) > 1 for action in _actions(create)
        ),
        LISTS_OF_TRANSACTIONS,
        None,
        "take one action for each",
    ),
    Rule(
        "`account_overrides` of actions",
        lambda create: any(action.account_overrides for action in _actions(create)),
        11,
        None,
        "write the accounts with modify_accounts of a continue",
    ),
    Rule(
        "`overrides` per slot",
        lambda create: any(create.overrides.values()),
        18,
        None,
        "write the accounts with modify_accounts of a continue",
    ),
    Rule(
        "transactions of an action as one compressed text",
        lambda create: any(isinstance(action.transactions, str) for action in _actions(create)),
        14,
        None,
        "give a list of transactions",
    ),
    Rule(
        "`feeds_reroute`", lambda create: any(action.feeds_reroute for action in _actions(create)), 22, None, "omit it"
    ),
    Rule(
        "`replay_account_state`",
        lambda create: create.replay_account_state,
        16,
        None,
        "omit it: it is executed instead",
    ),
    Rule("`agents`", lambda create: bool(create.agents), 10, 16, "drive the session from the client"),
    Rule(
        "`reroute`",
        lambda create: isinstance(create.reroute, Reroute),
        21,
        None,
        "servers from 0.14 to 0.16 have extra={'rerouteOrderFlow': True}",
    ),
    Rule(
        "`DirectFill` templates",
        lambda create: any(_fills(create)),
        23,
        None,
        "servers of 0.21 and 0.22 take another form, as a plain mapping in `reroute`",
    ),
    Rule("several or derived accounts of a taker", _has_several_takers, 28, None, "name one token account each way"),
    Rule(
        "`extra_markets`",
        lambda create: isinstance(create.reroute, Reroute) and bool(create.reroute.extra_markets),
        24,
        None,
        "omit them",
    ),
    Rule(
        "`diagnostic_probes`",
        lambda create: any(isinstance(probe, DiagnosticProbe) for probe in create.diagnostic_probes),
        23,
        None,
        "omit them",
    ),
    Rule("`OracleUpdate` filters", _names_oracles, 28, None, "take ProgramExecuted with the program of the oracle"),
)
"""What differs, as far as it is known. The order is that of ``docs/internals/compatibility.md``."""


def check(create: CreateSession, generation: str) -> None:
    """Raise InvalidParams if a server of this generation cannot read ``create``."""
    minor = minor_version(generation)
    for rule in RULES:
        if rule.is_used(create) and not rule.since <= minor <= (minor if rule.until is None else rule.until):
            raise InvalidParams(
                "generation", generation, f"does not know {rule.what} (known {rule.versions}): {rule.instead}"
            )
