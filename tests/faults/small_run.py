"""The run that every fault meets: two sub-sessions of three slots, one subscription; and the verdict on its outcome."""

from __future__ import annotations

import logging
import ssl
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import simsync
from simsync.events import Event
from simsync.local import Ledger

from .proxy import CONTROL, DATA, Plan, Proxy
from .tally import EQUAL, HONEST, TOLD, WAITED, Tally

FIRST, BUNDLE, SLOTS = 1_000, 3, 6
WITHIN = 20.0
"""Seconds after which a run that says nothing has hung."""

OPTIONS = simsync.Options(
    backoff_initial=0.01,
    backoff_jitter=0.0,
    backoff_max=0.04,
    continue_grace=0.03,
    close_timeout=2.0,
    ping_interval=60.0,
    dead_after=120.0,
    rpc_timeout=5.0,
)
"""The first ping comes after :data:`WITHIN`: a run that needs one to go on has hung."""
ALERT = simsync.Options(
    backoff_initial=0.01,
    backoff_jitter=0.0,
    backoff_max=0.04,
    continue_grace=0.03,
    close_timeout=0.3,
    connect_timeout=0.3,
    handshake_timeout=0.3,
    create_timeout=0.3,
    ping_interval=0.05,
    dead_after=0.12,
    drain_idle=5.0,
    rpc_timeout=0.5,
)
"""For peers that fall silent: what waits for them must give up soon."""


def small_ledger() -> Ledger:
    return Ledger.generate(seed=5, start_slot=FIRST, slots=SLOTS, transactions_per_slot=2, bundle_size=BUNDLE)


class Seen(NamedTuple):
    """What a caller got: control events by sub-session, and the data events of the one subscription, in order."""

    control: list[list[str]]
    data: list[str]
    complete: tuple[bool, ...]
    unknown: int


def run(url: str, options: simsync.Options = OPTIONS, *, key: str = "local-dev-key", within: float = WITHIN) -> Seen:
    create = simsync.CreateSession(FIRST, slot_count=SLOTS, send_summary=True)
    with simsync.Client(url, key, options=options).parallel(create, timeout=within) as session:
        session.sub_sessions[0].subscribe_transactions()
        control: list[list[str]] = [[] for _sub in session.sub_sessions]
        places = {sub: control[index] for index, sub in enumerate(session.sub_sessions)}
        data: list[str] = []
        unknown = 0
        for sub, event in session.events(advance=1, timeout=within):
            unknown += isinstance(event, simsync.UnknownEvent)
            (data if is_data(event) else places[sub]).append(repr(event))
        return Seen(control, data, tuple(one.complete for one in session.coverage), unknown)


def is_data(event: Event) -> bool:
    return isinstance(event, (simsync.Transaction, simsync.Notification))


def left_threads() -> list[str]:
    """The threads of simsync that have not ended, but for those of the embedded simulator."""
    names = []
    for thread in threading.enumerate():
        if thread.name.startswith("simsync-") and not thread.name.startswith("simsync-local"):
            thread.join(5.0)
            if thread.is_alive():
                names.append(thread.name)
    return names


class Skipped(logging.Handler):
    """Notices the warnings about messages that were skipped."""

    found = False

    def emit(self, record: logging.LogRecord) -> None:
        self.found = self.found or "skipped a message" in record.getMessage()


class Bench:
    """Runs the small run through a proxy, again and again, with a fault each time."""

    def __init__(
        self, proxy: Proxy, tally: Tally, ssl_context: ssl.SSLContext | None = None, scheme: str | None = None
    ) -> None:
        self.proxy = proxy
        self.tally = tally
        self._ssl_context = ssl_context
        self._skipped = Skipped()
        for plane in ("control", "subscription"):
            logging.getLogger(f"simsync.{plane}").addHandler(self._skipped)
        self._url = proxy.url if scheme is None else f"{scheme}{proxy.url[proxy.url.index(':') :]}"
        plan = proxy.use(Plan())
        self.expected = self.run()
        assert all(self.expected.complete)
        assert self.expected.data, "the small run has no transactions"
        self.sizes = plan.sizes

    def places(self, plane: str, direction: str) -> Sequence[int]:
        """Every unit of the undisturbed run, the head included."""
        return range(len(self.sizes[plane, direction]))

    def run(self, options: simsync.Options = OPTIONS) -> Seen:
        """One run with the present plan."""
        return self._run(options, WITHIN)

    def _run(self, options: simsync.Options, within: float) -> Seen:
        return run(self._url, replace(options, ssl_context=self._ssl_context), within=within)

    def case(
        self,
        kind: str,
        plan: Plan,
        options: simsync.Options = OPTIONS,
        *,
        must_equal: bool = False,
        may_differ: bool = False,
        may_wait: float | None = None,
    ) -> str | None:
        """One run with one fault: how it ended, or None when the fault was never due. Anything else fails the test.

        ``must_equal``: an error is not good enough. ``may_differ``: the fault changes what the server says, so one
        event may be another one, or the run says that it is incomplete, or that it has skipped something.
        ``may_wait``: the server never says what the run waits for, so it may end by the caller's timeout of so many
        seconds.
        """
        self.proxy.use(plan)
        self._skipped.found = False
        outcome = EQUAL
        try:
            seen = self._run(options, WITHIN if may_wait is None else may_wait)
        except simsync.EventTimeout as late:
            assert may_wait is not None, f"the run hung: {late}"
            outcome = WAITED
        except simsync.SimsyncError as failure:
            assert str(failure).strip(), "an exception that does not say why"
            assert not must_equal, f"the run failed: {failure!r}"
            outcome = HONEST
        else:
            if may_differ and seen != self.expected and not self._differs_in_one(seen):
                said = not all(seen.complete) or seen.unknown or self._skipped.found
                assert said, f"other events, and nothing says so: {seen}"
                outcome = TOLD
            else:
                assert may_differ or seen == self.expected, "the run ended with other events than without the fault"
        assert not left_threads(), "threads were left behind"
        if not plan.fired:
            return None
        self.tally.add(kind, DATA if plan.plane == DATA else CONTROL, outcome)
        return outcome

    def _differs_in_one(self, seen: Seen) -> bool:
        pairs = [(seen.data, self.expected.data)]
        pairs += zip(seen.control, self.expected.control)
        if not all(seen.complete) or any(len(one) != len(other) for one, other in pairs):
            return False
        return sum(a != b for one, other in pairs for a, b in zip(one, other)) <= 1
