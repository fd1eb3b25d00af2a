"""The sessions that are run so that a capture shows what a server does.

Each is over a few slots at the start of the smallest range. Where simsync's way is refused, others are tried, so that
the capture shows which one works. What one step needs and does not get ends this step only.
"""

from __future__ import annotations

import base64
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, TypeVar

import simsync
from simsync.run.driver import cancel_after
from simsync.run.probing.candidates import (
    DIALECTS,
    MADE_UP_ACCOUNT,
    STREAM_FORMS,
    SYSTEM_PROGRAM,
    TOKEN_ACCOUNT_PROGRAM,
    TOKEN_PROGRAM,
    FilterForm,
    action_lists,
    discovery_filters,
    snake_create,
)
from simsync.run.probing.capture import CaptureFile, Record
from simsync.run.probing.conversation import Capture
from simsync.run.probing.fields import field, fold

Made = TypeVar("Made")

SLOTS = 6
"""Length of the range of each session."""
UNKNOWN_SESSION = "backtest_00000000-0000-7000-8000-000000000000"
UNKNOWN_METHOD = "simsyncProbeSubscribe"
BAD_TRANSACTION = "AQIDBA=="
_DISCONNECT_TIMEOUT = 120
_REFUSED_KEY = (401, 403)
_LONG_AGO = timedelta(days=2)


@dataclass(frozen=True)
class Limits:
    """Seconds: for a session to be there, for each other answer, and for everything."""

    create: float = 300.0
    wait: float = 60.0
    total: float = 1200.0


class _Gone(Exception):
    """The server cannot be reached any more."""


def probe(
    url: str, api_key: str, capture: CaptureFile, limits: Limits | None = None, options: simsync.Options | None = None
) -> str | None:
    """Run all steps and close what was opened; why they ended early, None if they did not.

    Raises :class:`~simsync.ConnectError` when the server was never reached or does not take the key, and OSError when
    the file cannot be written.
    """
    one = _Probe(url, api_key, capture, limits or Limits(), options or simsync.Options())
    with cancel_after(one.limits.total, one.token):
        try:
            one.run()
        except _Gone as gone:
            return str(gone)
        finally:
            capture.check()
    return None


class _Probe:
    def __init__(self, url: str, api_key: str, capture: CaptureFile, limits: Limits, options: simsync.Options) -> None:
        self._url = url
        self._api_key = api_key
        self._capture = capture
        self.limits = limits
        self.token = simsync.CancelToken()
        self._options = replace(
            options,
            on_frame=capture,
            handshake_timeout=limits.wait,
            create_timeout=limits.create,
            rpc_timeout=limits.wait,
            drain_idle=limits.wait,
            continue_grace=min(0.5, limits.wait),  # an attach takes all of it
            backoff_initial=0.1,
            reconnect_attempts=6,
            reconnect_window=limits.wait,
        )
        self._range = (0, 0)
        self._snake_create = False
        self._forms: dict[str, FilterForm | None] = {}

    def run(self) -> None:
        self._services()
        for name, work in (
            ("subscriptions", self._subscriptions),
            ("run", self._run),
            ("parallel", self._parallel),
            ("discovery", self._discovery),
            ("errors", self._errors),
        ):
            self._capture.note("step", name)
            try:
                work()
            except simsync.ConnectError as error:
                self._capture.note("failed", f"{name}: {error}")
                if isinstance(error, simsync.HttpStatusError) and error.status in _REFUSED_KEY:
                    raise
                raise _Gone(f"the step {name!r} could not reach the server: {error}") from error
            except simsync.Cancelled as error:
                self._capture.note("failed", f"{name}: out of time")
                raise _Gone(f"not done within {self.limits.total:g} s, in the step {name!r}") from error
            except simsync.SimsyncError as error:
                self._capture.note("failed", f"{name}: {error}")

    # What the steps are made of.

    def _client(self, dialect: simsync.Dialect | None = None, **options: Any) -> simsync.Client:
        changed = replace(self._options, **options)
        return simsync.Client(
            self._url, self._api_key, options=changed if dialect is None else replace(changed, dialect=dialect)
        )

    def _create(self, **options: Any) -> simsync.CreateSession:
        start, end = self._range
        options = {"disconnect_timeout": _DISCONNECT_TIMEOUT, "capacity_wait_timeout": 60, **options}
        create = simsync.CreateSession(start, end, **options)
        return replace(create, extra=snake_create(create)) if self._snake_create else create

    def _single(self, client: simsync.Client | None = None, **options: Any) -> simsync.BacktestSession:
        client = client or self._client()
        return client.session(self._create(**options), cancel=self.token, timeout=self.limits.create)

    def _quietly(self, ask: Callable[[], Made]) -> Made | None:
        """An HTTP request whose answer is looked at in the capture; a server need not know it."""
        try:
            return ask()
        except simsync.SimsyncError as error:
            self._capture.note("refused", str(error))
            return None

    def _wait(
        self, wanted: Callable[[Record], bool], *, since: int = 0, count: int = 1, seconds: float | None = None
    ) -> bool:
        """In pieces, as the time for everything may be over meanwhile."""
        give_up = time.monotonic() + (self.limits.wait if seconds is None else seconds)
        while not self._capture.wait(wanted, min(1.0, give_up - time.monotonic()), since=since, count=count):
            self._capture.check()
            if self.token.cancelled:
                raise simsync.Cancelled("out of time")
            if time.monotonic() >= give_up:
                return False
        return True

    # The steps.

    def _services(self) -> None:
        """The first contact: what fails here is the caller's to know."""
        client = self._client()
        self._capture.note("step", "services")
        ranges = [one for one in client.available_ranges() if one.kind == "blocks"]
        now = datetime.now(timezone.utc)
        try:
            client.usage(now - _LONG_AGO, now)
        except simsync.SimsyncError as error:
            if isinstance(error, simsync.HttpStatusError) and error.status in _REFUSED_KEY:
                raise
            self._capture.note("refused", str(error))
        listing = self._quietly(client.bundle_builds)
        if listing is not None and listing.builds:
            build = listing.builds[0]
            self._quietly(lambda: client.bundle_build(build.request_id))
        if not ranges:
            self._capture.note("failed", "services: nothing can be replayed")
            raise simsync.SimsyncError(
                "this simulator offers nothing that can be replayed, so there is nothing to probe"
            )
        smallest = min(ranges, key=_length)
        self._range = (smallest.start_slot, smallest.start_slot + min(SLOTS, _length(smallest)) - 1)

    def _subscriptions(self) -> None:
        """Every subscription, in every form until one is taken; RPC; a connection that is lost, and attaching."""
        since = self._capture.place
        client = self._client(reconnect_attempts=0)
        with self._first_session(client) as session:
            # A server that still starts may let subscribes wait, and then nothing could be told from their silence.
            self._wait(_is_ready, since=since, seconds=self.limits.create)
            since = self._capture.place
            for forms in STREAM_FORMS.values():
                session.subscribe(forms.method, forms.forms[0].make(forms.address))
            session.subscribe("logsSubscribe", {"mentions": [TOKEN_ACCOUNT_PROGRAM]})
            session.subscribe("slotSubscribe")
            session.subscribe(UNKNOWN_METHOD)
            self._wait(_answers_subscribe, since=since, count=len(STREAM_FORMS) + 3)
            self._try_other_filters(session)
            self._ask(session.rpc)
            session.drop_connection()
        self._attach(session.session_id)

    def _first_session(self, client: simsync.Client) -> simsync.BacktestSession:
        try:
            return self._single(client)
        except simsync.CreateError as error:
            if not isinstance(error.__cause__, simsync.RemoteError):
                raise
            self._snake_create = True
            try:
                return self._single(client)
            except simsync.CreateError:
                self._snake_create = False
                raise error from error.__cause__

    def _try_other_filters(self, session: simsync.BacktestSession) -> None:
        refused = []
        for name, forms in STREAM_FORMS.items():
            self._forms[name] = self._accepted(session, name, forms.forms[:1])
            if self._forms[name] is None:
                refused.append(name)
        since = self._capture.place
        for name in refused:
            for form in STREAM_FORMS[name].forms[1:]:
                session.subscribe(STREAM_FORMS[name].method, form.make(STREAM_FORMS[name].address))
        self._wait(_answers_subscribe, since=since, count=sum(len(STREAM_FORMS[name].forms) - 1 for name in refused))
        for name in refused:
            self._forms[name] = self._accepted(session, name, STREAM_FORMS[name].forms[1:])

    def _accepted(self, session: simsync.BacktestSession, name: str, forms: Sequence[FilterForm]) -> FilterForm | None:
        """The first of these forms that was acknowledged."""
        wanted = STREAM_FORMS[name]
        answered = Capture(self._capture.records).subscribed(wanted.method)
        for form in forms:
            if any(one.accepted and one.filter == form.make(wanted.address) for one in answered):
                return form
        return None

    def _ask(self, rpc: simsync.Rpc) -> None:
        self._quietly(rpc.get_slot)
        self._quietly(lambda: rpc.get_balance(SYSTEM_PROGRAM))
        self._quietly(lambda: rpc.get_multiple_accounts([SYSTEM_PROGRAM] * 100))
        self._quietly(lambda: rpc.get_signature_statuses(["1" * 64] * 256))
        self._quietly(lambda: rpc.get_address_lookup_table(SYSTEM_PROGRAM))
        self._quietly(lambda: rpc.get_program_accounts(MADE_UP_ACCOUNT, data_size=12_345, memcmp=[(0, b"simsync")]))

    def _attach(self, session_id: str) -> None:
        try:
            attached = self._client().attach(session_id, cancel=self.token, timeout=self.limits.wait)
        except simsync.CreateError:
            camel = self._client(simsync.Dialect(inline_case="camel"))
            attached = camel.attach(session_id, cancel=self.token, timeout=self.limits.wait)
        with attached:
            # Nothing of it is executed: it shows which errors answer a continue.
            refused = simsync.Continue(1, transactions=[BAD_TRANSACTION])
            attached.continue_until_ready(refused, timeout=self.limits.wait)

    def _run(self) -> None:
        """A whole run with actions, a pause, subscriptions to their end."""
        start, end = self._range
        pause_at = min(start + 3, end)
        attempts = action_lists(min(start + 2, end), _transaction())
        for attempt in attempts:
            try:
                session = self._single(send_summary=True, actions=attempt.actions, overrides=attempt.overrides)
            except simsync.CreateError as error:
                if not isinstance(error.__cause__, simsync.RemoteError):
                    raise
                continue
            self._follow(session, pause_at)
            return
        self._follow(self._single(send_summary=True), pause_at)

    def _follow(self, session: simsync.BacktestSession, pause_at: int) -> None:
        try:
            with session:
                self._subscribe(session)
                session.ensure_ready(timeout=self.limits.create)
                session.advance(1, timeout=self.limits.wait)
                session.continue_to(pause_at, 0, timeout=self.limits.wait)
                self._quietly(lambda: session.rpc.get_balance(MADE_UP_ACCOUNT))
                self._to_the_end(session)
        except simsync.RemoteError as error:
            self._capture.note("failed", f"pause: {error}")
            with self._single(send_summary=True) as other:
                self._subscribe(other)
                other.ensure_ready(timeout=self.limits.create)
                self._to_the_end(other)

    def _subscribe(self, session: simsync.BacktestSession) -> None:
        for name, form in self._forms.items():
            if form is not None and name != "all_transactions":  # that would be every vote of every slot
                session.subscribe(STREAM_FORMS[name].method, form.make(STREAM_FORMS[name].address))
        form = self._forms.get("transactions")
        if form is not None:
            session.subscribe("transactionSubscribe", form.make(TOKEN_PROGRAM))
        session.subscribe("slotSubscribe")

    def _to_the_end(self, session: simsync.BacktestSession) -> None:
        session.send_continue(advance_count=1_000, timeout=self.limits.wait)
        for _event in session.events(timeout=self.limits.wait + 1):
            pass

    def _parallel(self) -> None:
        """Continues in each layout and spelling until one is taken; a lost connection; closing one sub-session."""
        failure: simsync.SimsyncError | None = None
        for name, dialect in DIALECTS:
            try:
                session = self._client(dialect).parallel(self._create(), cancel=self.token, timeout=self.limits.create)
                with session:
                    self._converse(session)
                return
            except (simsync.RemoteError, simsync.ControlFailed, simsync.EventTimeout) as error:
                self._capture.note("refused", f"continues that are {name}: {error}")
                failure = failure or error
        if failure is not None:
            raise failure

    def _converse(self, session: simsync.ParallelSession) -> None:
        sub = session.sub_sessions[0]
        sub.ensure_ready(timeout=self.limits.create)
        sub.advance(1, timeout=self.limits.wait)
        try:
            since = self._capture.place
            session.drop_connection()
            self._wait(_answers_attach, since=since)
            sub.advance(1, timeout=self.limits.wait)
        except simsync.SimsyncError as error:
            self._capture.note("failed", f"reattach: {error}")
            return
        since = self._capture.place
        sub.close()
        self._wait(_answers_close, since=since, seconds=min(5.0, self.limits.wait))

    def _discovery(self) -> None:
        for name, wanted in discovery_filters():
            since = self._capture.place
            try:
                session = self._single(discoveries=[wanted])
            except simsync.CreateError as error:
                if not isinstance(error.__cause__, simsync.RemoteError):
                    raise
                self._capture.note("refused", f"discovery filter, {name}: {error}")
                continue
            with session:
                if self._wait(_announces, since=since):
                    return
            self._capture.note("refused", f"discovery filter, {name}: taken, but nothing was announced")

    def _errors(self) -> None:
        """An attach to a session that nobody has."""
        with contextlib.suppress(simsync.CreateError):
            self._client().attach(UNKNOWN_SESSION, cancel=self.token, timeout=self.limits.wait).close()


def _length(one: simsync.AvailableRange) -> int:
    if one.end_slot is not None:
        return one.end_slot - one.start_slot + 1
    return one.size or SLOTS


def _transaction() -> str:
    """A transfer of nothing from nobody to itself, unsigned; only ever simulated."""
    payer, system = bytes([7]) * 32, bytes(32)
    instruction = bytes([1, 2, 0, 0, 12]) + (2).to_bytes(4, "little") + (0).to_bytes(8, "little")
    message = bytes([1, 0, 1, 2]) + payer + system + bytes(32) + bytes([1]) + instruction
    return base64.b64encode(bytes([1]) + bytes(64) + message).decode("ascii")


def _kind(record: Record) -> str:
    """The kind of a control message, or of the event in it; empty for what is none."""
    if record.plane != "control" or record.direction != "received":
        return ""
    method = fold(str(field(record.message, "method") or ""))
    if not method.startswith("sessionevent"):
        return method
    event = field(record.message, "params", "event")
    if isinstance(event, dict):
        inner = field(event, "method")
        event = inner if isinstance(inner, str) else next(iter(event), "")
    return fold(str(event))


def _is_ready(record: Record) -> bool:
    return _kind(record) == "readyforcontinue"


def _announces(record: Record) -> bool:
    return _kind(record) == "discoverybatch"


def _answers_attach(record: Record) -> bool:
    return _kind(record) in ("parallelsessionattachedv2", "error")


def _answers_close(record: Record) -> bool:
    return _kind(record) in ("success", "error") or (record.plane == "control" and record.kind == "close")


def _answers_subscribe(record: Record) -> bool:
    return (
        record.plane == "data"
        and record.direction == "received"
        and (record.kind in ("close", "refused") or (isinstance(record.message, dict) and "id" in record.message))
    )
