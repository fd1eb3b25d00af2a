"""The table of a capture: each guess of ``docs/compatibility.md`` and what was seen of it."""

from __future__ import annotations

from collections.abc import Sequence

from simsync.run.probing import continue_rows, create_rows, data_rows, event_rows, http_rows, spelling_rows
from simsync.run.probing.capture import Record
from simsync.run.probing.conversation import Capture
from simsync.run.probing.observation import HIDDEN, Finding, Hidden, Row, find

ROWS: tuple[Row, ...] = (
    *spelling_rows.ROWS,
    *create_rows.ROWS,
    *continue_rows.ROWS,
    *event_rows.ROWS,
    *http_rows.ROWS,
    *data_rows.ROWS,
)

_NOT_SENT = "simsync does not send it"
_MAY_LACK = "a refusal would not tell a wrong form from a server that lacks it"
_AS_IT_COMES = "passed on as it comes, so nothing can differ"

HIDDEN_ROWS: tuple[Hidden, ...] = (
    Hidden(
        "older keys (`rerouteOrderFlow`, `detectFailedL1Swaps` beside `reroute`), session names, a fail-fast mode,"
        " whatever newer servers know",
        _NOT_SENT,
    ),
    Hidden("oracle updates", _MAY_LACK),
    Hidden("overrides per slot when the range is split", "it takes a range over several bundles"),
    Hidden("keys of `reroute`", _MAY_LACK),
    Hidden("aggregators", _MAY_LACK),
    Hidden("mint pairs", _MAY_LACK),
    Hidden("direct fills", _MAY_LACK),
    Hidden("diagnostic probes", _MAY_LACK),
    Hidden("agents (legacy)", _MAY_LACK),
    Hidden("closing before the drains have ended", "simsync never does it"),
    Hidden("the usual form of slots and readies", "a short cut; the form of the event inside `sessionEventV2` decides"),
    Hidden("agent statistics in `completed`", _AS_IT_COMES),
    Hidden("which errors make going on pointless", "it takes sessions that fail"),
    Hidden("which errors are worth another attempt", "it takes a server that is busy"),
    Hidden("spelling of queries and bodies", "a build costs money, a deletion deletes; but see the window of `/usage`"),
    Hidden("reroutes, replacements, diagnostics", _MAY_LACK),
    Hidden("`intraSlotUpdates`, `encoding` and other config keys", _NOT_SENT),
    Hidden("refusal for lack of capacity", "it takes a server that is full"),
    Hidden("shapes of all other kinds", _AS_IT_COMES),
    Hidden("ending a subscription early", "a connection that closes is not answered"),
    Hidden(
        "keys: signature, signature and account, place and trigger of an action, original signature",
        "it takes a data connection that is lost on the way",
    ),
    Hidden("slots that the server no longer keeps", "it takes more than 100 slots"),
    Hidden("keepalive", "pings are not part of a capture"),
    Hidden("dead peer", "it takes a server that falls silent"),
)


def findings(records: Sequence[Record]) -> list[Finding]:
    """What a capture shows, guess by guess, then the guesses that no capture shows."""
    capture = Capture(records)
    seen = [find(row, capture) for row in ROWS]
    return [*seen, *(Finding(one.guess, "", one.why, HIDDEN) for one in HIDDEN_ROWS)]
