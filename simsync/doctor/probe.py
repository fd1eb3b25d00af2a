"""The probe: short sessions that make a server show how it speaks.

Each session replays a few slots at the start of the smallest range. Where the server refuses simsync's form, the probe
tries others until the server accepts one. A step that fails ends this step only.
"""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, TypeVar

import simsync
from simsync.doctor.candidates import (
    DIALECTS,
    PROBE_ACCOUNT,
    STREAM_FORMS,
    SYSTEM_PROGRAM,
    TOKEN_ACCOUNT_PROGRAM,
    TOKEN_PROGRAM,
    UNKNOWN_METHOD,
    discovery_filters,
    snake_create,
)
from simsync.doctor.capture import CaptureFile, Record
from simsync.doctor.conversation import Capture, Control
from simsync.doctor.scheduling import create_with_actions
from simsync.run.workers import cancel_after

Made = TypeVar("Made")

SLOTS = 6
"""Length of the range of each session."""
UNKNOWN_SESSION = "backtest_00000000-0000-7000-8000-000000000000"
INVALID_TRANSACTION = "AQIDBA=="
_DISCONNECT_TIMEOUT = 120
_LONG_AGO = timedelta(days=2)


@dataclass(frozen=True)
class Limits:
    """Longest waits, in seconds.

    Attributes:
        create: For a session to be created.
        wait: For any other answer.
        total: For the whole probe.
    """

    create: float = 300.0
    wait: float = 60.0
    total: float = 1200.0


def probe(
    url: str, api_key: str, capture: CaptureFile, limits: Limits | None = None, options: simsync.Options | None = None
) -> str | None:
    """Run all steps of the probe against a server, and close everything that it opened.

    Args:
        url: Address of the control connection.
        api_key: Key for it.
        capture: File that receives every frame.
        limits: Longest waits.
        options: Options of the client; the probe replaces the timeouts and the retries.

    Returns:
        The reason if the probe ended early, None if it ran all steps.

    Raises:
        ConnectError: The server was never reached, or refused the key.
        OSError: The file cannot be written.
    """
    limits, token = limits or Limits(), simsync.CancelToken()
    options = replace(
        options or simsync.Options(),
        on_frame=capture,
        handshake_timeout=limits.wait,
        create_timeout=limits.create,
        rpc_timeout=limits.wait,
        drain_idle=limits.wait,
        continue_grace=min(0.5, limits.wait),  # an attach waits for all of it
        backoff_initial=0.1,
        reconnect_attempts=6,
        reconnect_window=limits.wait,
    )
    try:
        with cancel_after(limits.total, token):
            return _Probe(url, api_key, options, capture, limits, token).run()
    finally:
        capture.check()


@dataclass
class _Probe:
    url: str
    api_key: str = field(repr=False)
    options: simsync.Options
    capture: CaptureFile
    limits: Limits
    token: simsync.CancelToken
    first_slot: int = 0
    last_slot: int = 0
    creates_in_snake_case: bool = False
    forms: dict[str, str] = field(default_factory=dict)
    """The accepted form of each kind of filter."""

    def run(self) -> str | None:
        """Returns the reason if the steps ended early."""
        with warnings.catch_warnings():
            # Requests that the server may refuse are what a probe sends.
            warnings.simplefilter("ignore", simsync.UsageWarning)
            return self._try_everything()

    def _try_everything(self) -> str | None:
        self._services()
        for name, work in (
            ("subscriptions", self._subscriptions),
            ("run", self._run),
            ("parallel", self._parallel),
            ("discovery", self._discovery),
            ("errors", self._errors),
        ):
            self.capture.note("step", name)
            try:
                work()
            except simsync.Cancelled:
                self.capture.note("failed", f"{name}: out of time")
                return f"not done within {self.limits.total:g} s, in the step {name!r}"
            except simsync.SimsyncError as error:
                self.capture.note("failed", f"{name}: {error}")
                if isinstance(error, simsync.AuthenticationError):
                    raise
                if isinstance(error, simsync.ConnectError):
                    return f"the step {name!r} could not reach the server: {error}"
        return None

    # Parts of the steps.

    def _client(self, **options: Any) -> simsync.Client:
        return simsync.Client(self.url, self.api_key, options=replace(self.options, **options))

    def _create(self, **arguments: Any) -> simsync.CreateSession:
        arguments = {"disconnect_timeout": _DISCONNECT_TIMEOUT, "capacity_wait_timeout": 60, **arguments}
        create = simsync.CreateSession(self.first_slot, self.last_slot, **arguments)
        return replace(create, extra=snake_create(create)) if self.creates_in_snake_case else create

    def _single(self, client: simsync.Client | None = None, **arguments: object) -> simsync.BacktestSession:
        client = client or self._client()
        return client.session(self._create(**arguments), cancel=self.token, timeout=self.limits.create)

    def _attempt(
        self, client: simsync.Client | None = None, **arguments: object
    ) -> simsync.BacktestSession | simsync.CreateError:
        """Create a session; return the error if the server refused it, raise any other."""
        try:
            return self._single(client, **arguments)
        except simsync.CreateError as error:
            if not isinstance(error.__cause__, simsync.RemoteError):
                raise
            return error

    def _quietly(self, ask: Callable[[], Made]) -> Made | None:
        """Send an HTTP request that the server need not know; the capture shows the answer."""
        try:
            return ask()
        except simsync.SimsyncError as error:
            self.capture.note("refused", str(error))
            return None

    def _wait(
        self, wanted: Callable[[Record], bool], *, since: int = 0, count: int = 1, seconds: float | None = None
    ) -> bool:
        """Wait for records; False after a timeout. Wakes every second, as the total time may run out meanwhile."""
        give_up = time.monotonic() + (self.limits.wait if seconds is None else seconds)
        while not self.capture.wait(wanted, min(1.0, give_up - time.monotonic()), since=since, count=count):
            self.capture.check()
            if self.token.cancelled:
                raise simsync.Cancelled("out of time")
            if time.monotonic() >= give_up:
                return False
        return True

    # The steps.

    def _services(self) -> None:
        """The first contact; an error here is raised to the caller of the probe."""
        client = self._client()
        self.capture.note("step", "services")
        ranges = [one for one in client.available_ranges() if one.kind == "blocks"]
        now = datetime.now(timezone.utc)
        try:
            client.usage(now - _LONG_AGO, now)
        except simsync.AuthenticationError:
            raise
        except simsync.SimsyncError as error:
            self.capture.note("refused", str(error))
        listing = self._quietly(client.bundle_builds)
        if listing is not None and listing.builds:
            build = listing.builds[0]
            self._quietly(lambda: client.bundle_build(build.request_id))
        if not ranges:
            self.capture.note("failed", "services: no range can be replayed")
            raise simsync.SimsyncError("this simulator offers no range to replay, so the probe cannot create a session")
        smallest = min(ranges, key=_length)
        self.first_slot = smallest.start_slot
        self.last_slot = smallest.start_slot + min(SLOTS, _length(smallest)) - 1

    def _subscriptions(self) -> None:
        """Every subscription in every form until one is accepted; RPC; a lost connection, and attaching."""
        since = self.capture.place
        client = self._client(reconnect_attempts=0)
        with self._first_session(client) as session:
            # A server that is still starting may delay its answers; then a missing answer would mean nothing.
            self._wait(_receives("readyforcontinue"), since=since, seconds=self.limits.create)
            since = self.capture.place
            for kind in STREAM_FORMS.values():
                session.subscribe(kind.method, kind.filter(kind.forms[0]))
            session.subscribe("logsSubscribe", {"mentions": [TOKEN_ACCOUNT_PROGRAM]})
            session.subscribe("slotSubscribe")
            session.subscribe(UNKNOWN_METHOD)
            self._wait(_answers_subscribe, since=since, count=len(STREAM_FORMS) + 3)
            self._note_accepted({name: kind.forms[:1] for name, kind in STREAM_FORMS.items()})
            others = {name: kind.forms[1:] for name, kind in STREAM_FORMS.items() if name not in self.forms}
            since = self.capture.place
            for name, forms in others.items():
                for form in forms:
                    session.subscribe(STREAM_FORMS[name].method, STREAM_FORMS[name].filter(form))
            self._wait(_answers_subscribe, since=since, count=sum(map(len, others.values())))
            self._note_accepted(others)
            self._ask(session.rpc)
            session.drop_connection()
        self._attach(session.session_id)

    def _first_session(self, client: simsync.Client) -> simsync.BacktestSession:
        """Create a session; if the server refuses it, with the keys in snake_case."""
        session = self._attempt(client)
        if isinstance(session, simsync.BacktestSession):
            return session
        second = self._attempt(client, extra=snake_create(self._create()))
        if isinstance(second, simsync.CreateError):
            raise session
        self.creates_in_snake_case = True
        return second

    def _note_accepted(self, tried: dict[str, Sequence[str]]) -> None:
        """Keep the first form of each kind that was acknowledged."""
        accepted = [(one.method, one.filter) for one in Capture(self.capture.records).accepted]
        for name, forms in tried.items():
            kind = STREAM_FORMS[name]
            for form in reversed(forms):
                if (kind.method, kind.filter(form)) in accepted:
                    self.forms[name] = form

    def _ask(self, rpc: simsync.Rpc) -> None:
        self._quietly(rpc.get_slot)
        self._quietly(lambda: rpc.get_balance(SYSTEM_PROGRAM))
        self._quietly(lambda: rpc.get_multiple_accounts([SYSTEM_PROGRAM] * 100))
        self._quietly(lambda: rpc.get_signature_statuses(["1" * 64] * 256))
        self._quietly(lambda: rpc.get_address_lookup_table(SYSTEM_PROGRAM))
        self._quietly(lambda: rpc.get_program_accounts(PROBE_ACCOUNT, data_size=12_345, memcmp=[(0, b"simsync")]))

    def _attach(self, session_id: str) -> None:
        try:
            attached = self._client().attach(session_id, cancel=self.token, timeout=self.limits.wait)
        except simsync.CreateError:
            camel = self._client(dialect=simsync.Dialect(inline_case="camel"))
            attached = camel.attach(session_id, cancel=self.token, timeout=self.limits.wait)
        with attached:
            # The server executes nothing of it; its answer shows which errors answer a continue.
            refused = simsync.Continue(1, transactions=[INVALID_TRANSACTION])
            attached.continue_until_ready(refused, timeout=self.limits.wait)

    def _run(self) -> None:
        """A whole run with actions, a pause, and subscriptions to their end."""
        start, end = self.first_slot, self.last_slot
        session = create_with_actions(
            lambda actions: self._attempt(send_summary=True, actions=actions), min(start + 2, end)
        )
        session = session or self._single(send_summary=True)
        try:
            with session:
                self._start(session)
                session.advance(1, timeout=self.limits.wait)
                session.continue_to(min(start + 3, end), 0, timeout=self.limits.wait)
                self._quietly(lambda: session.rpc.get_balance(PROBE_ACCOUNT))
                self._finish(session)
        except simsync.RemoteError as error:
            self.capture.note("failed", f"pause: {error}")
            with self._single(send_summary=True) as other:
                self._start(other)
                self._finish(other)

    def _start(self, session: simsync.BacktestSession) -> None:
        for name, kind in STREAM_FORMS.items():
            if name in self.forms and name != "all_transactions":  # which would bring every vote
                session.subscribe(kind.method, kind.filter(self.forms[name]))
        if "transactions" in self.forms:
            wanted = STREAM_FORMS["transactions"].filter(self.forms["transactions"], TOKEN_PROGRAM)
            session.subscribe("transactionSubscribe", wanted)
        session.subscribe("slotSubscribe")
        session.ensure_ready(timeout=self.limits.create)

    def _finish(self, session: simsync.BacktestSession) -> None:
        session.send_continue(advance_count=1_000, timeout=self.limits.wait)
        for _event in session.events(timeout=self.limits.wait + 1):
            pass

    def _parallel(self) -> None:
        """Continues in each layout and spelling until one is accepted; a lost connection; closing one sub-session."""
        failure: simsync.SimsyncError | None = None
        for name, dialect in DIALECTS:
            client = self._client(dialect=dialect)
            try:
                with client.parallel(self._create(), cancel=self.token, timeout=self.limits.create) as session:
                    self._follow(session)
                return
            except (simsync.RemoteError, simsync.ControlFailed, simsync.EventTimeout) as error:
                self.capture.note("refused", f"continues that are {name}: {error}")
                failure = failure or error
        if failure is not None:
            raise failure

    def _follow(self, session: simsync.ParallelSession) -> None:
        sub = session.sub_sessions[0]
        sub.ensure_ready(timeout=self.limits.create)
        sub.advance(1, timeout=self.limits.wait)
        since = self.capture.place
        try:
            session.drop_connection()
            self._wait(_receives("parallelsessionattachedv2", "error"), since=since)
            sub.advance(1, timeout=self.limits.wait)
        except simsync.SimsyncError as error:
            self.capture.note("failed", f"reattach: {error}")
            return
        since = self.capture.place
        sub.close()
        self._wait(_answers_close, since=since, seconds=min(5.0, self.limits.wait))

    def _discovery(self) -> None:
        """A discovery filter in each tagging until a match is announced."""
        for name, wanted in discovery_filters():
            since = self.capture.place
            session = self._attempt(discoveries=[wanted])
            if isinstance(session, simsync.CreateError):
                self.capture.note("refused", f"discovery filter, {name}: {session}")
                continue
            with session:
                if self._wait(_receives("discoverybatch"), since=since):
                    return
            self.capture.note("refused", f"discovery filter, {name}: accepted, but no match was announced")

    def _errors(self) -> None:
        """An attach to a session that does not exist."""
        with contextlib.suppress(simsync.CreateError):
            self._client().attach(UNKNOWN_SESSION, cancel=self.token, timeout=self.limits.wait).close()


def _length(one: simsync.AvailableRange) -> int:
    return one.size or SLOTS if one.end_slot is None else one.end_slot - one.start_slot + 1


def _receives(*methods: str) -> Callable[[Record], bool]:
    """Whether a record is a control message, or an event in one, with one of these folded methods."""

    def wanted(record: Record) -> bool:
        if record.plane != "control" or record.direction != "received":
            return False
        control = Control([(0, record)])
        return any(one.method in methods for one in control.received + control.events)

    return wanted


def _answers_close(record: Record) -> bool:
    return _receives("success", "error")(record) or (record.plane == "control" and record.kind == "close")


def _answers_subscribe(record: Record) -> bool:
    answers = record.kind in ("close", "refused") or (isinstance(record.message, dict) and "id" in record.message)
    return record.plane == "data" and record.direction == "received" and answers
