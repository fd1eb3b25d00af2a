"""The public class with which users and tests schedule faults, before or while clients are connected."""

from __future__ import annotations

import random
import threading
from itertools import chain
from typing import TYPE_CHECKING, SupportsIndex, TypeVar

from simsync.errors import InvalidParams
from simsync.local.faults.chaos import ControlChaos, DataChaos
from simsync.local.faults.control import (
    ControlFaults,
    DelayControl,
    DropAfterContinue,
    DropControlAfter,
    DropControlBefore,
    DuplicateControl,
    GarbageControl,
    LoseContinue,
    ReplayControl,
)
from simsync.local.faults.data import (
    CloseData,
    CorruptData,
    DataFaults,
    DelayData,
    DropAtTerminal,
    DropData,
    DropDataAt,
    DuplicateData,
    RefuseSubscribe,
    SlowData,
    StallData,
)
from simsync.local.faults.fault import FOREVER
from simsync.local.faults.http import DropHttp, EmptyRpc, HttpFaults, RefuseHttp, RefuseUpgrade
from simsync.params import checks

if TYPE_CHECKING:
    from simsync.local.faults.fault import Fault, FaultList

_INTERNAL_ERROR = -32603
_Occasion = TypeVar("_Occasion")


class Faults:
    """Schedules what goes wrong in a simulator. Each fault occurs once unless you say otherwise.

    The methods that schedule a fault return the ``Faults``, so that calls can be chained. They may be called from any
    thread, also while clients are connected.

    Numbers count from 1, since the start or the last :meth:`reset`: control messages over all control sockets, and
    notifications over all data sockets. Only what was really sent counts. Inserted garbage, second copies and the ends
    of subscriptions do not count. HTTP requests are all requests except upgrades, RPC calls included.

    Args:
        seed: Adds chaos for as long as the simulator serves: sockets are dropped or stall for a moment, and control
            events are repeated, at places that the seed decides. A correct client loses nothing; see
            ``docs/guides/testing.md``.

    Raises:
        InvalidParams: ``seed`` is not a whole number. The methods raise it for a number or argument out of range.
    """

    def __init__(self, *, seed: SupportsIndex | None = None) -> None:
        self.seed = None if seed is None else checks.any_integer("seed", seed)
        self._lock = threading.Lock()
        self._fired: list[str] = []
        # The simulator's connections use these three; each knows only its own.
        self.control = ControlFaults(self._lock, self._fired)
        self.data = DataFaults(self._lock, self._fired)
        self.http = HttpFaults(self._lock, self._fired)
        self._begin_chaos()

    def _begin_chaos(self) -> None:
        if self.seed is not None:
            self.control.messages.add(ControlChaos(self.seed))
            self.data.messages.add(DataChaos(self.seed))

    def _add(self, faults: FaultList[_Occasion], fault: Fault[_Occasion]) -> Faults:
        with self._lock:
            faults.add(fault)
        return self

    # -- control sockets

    def drop_control(self, *, before: SupportsIndex | None = None, after: SupportsIndex | None = None) -> Faults:
        """Abort the control socket just before message ``before``, or just after message ``after``, is sent."""
        if before is not None and after is None:
            return self._add(self.control.messages, DropControlBefore(before))
        if after is not None and before is None:
            return self._add(self.control.messages, DropControlAfter(after))
        raise InvalidParams("before", before, "pass either before or after")

    def duplicate_control(self, number: SupportsIndex) -> Faults:
        """Send message ``number`` twice."""
        return self._add(self.control.messages, DuplicateControl(number))

    def replay_control(self, *, after: SupportsIndex, messages: SupportsIndex = 1) -> Faults:
        """Repeat the last ``messages`` numbered events of the socket after message ``after``, with their old numbers.

        The fault does not occur on a socket that has sent no numbered event.
        """
        return self._add(self.control.messages, ReplayControl(after, messages))

    def garbage_control(self, number: SupportsIndex, text: str = '{"method":"unheardOf","params":{"x":1}}') -> Faults:
        """Send ``text``, by default an unknown method, before message ``number``."""
        return self._add(self.control.messages, GarbageControl(number, text))

    def delay_control(self, number: SupportsIndex, seconds: checks.Number) -> Faults:
        """Hold back message ``number``, and everything after it on its socket, for that time."""
        return self._add(self.control.messages, DelayControl(number, seconds))

    def lose_continue(self, number: SupportsIndex) -> Faults:
        """Abort the control socket when continue ``number`` arrives, without executing it."""
        return self._add(self.control.continues, LoseContinue(number))

    def drop_after_continue(self, number: SupportsIndex) -> Faults:
        """Accept continue ``number``, then abort the control socket."""
        return self._add(self.control.continues, DropAfterContinue(number))

    # -- data sockets

    def drop_data(self, *, after: SupportsIndex, times: SupportsIndex = 1) -> Faults:
        """Abort a data socket after ``after`` notifications of its own; the first ``times`` sockets only."""
        return self._add(self.data.messages, DropData(after, times))

    def drop_data_at(self, number: SupportsIndex) -> Faults:
        """Abort the data socket that was just sent notification ``number``."""
        return self._add(self.data.messages, DropDataAt(number))

    def close_data(self, *, after: SupportsIndex) -> Faults:
        """Close the data socket with code 1000 after notification ``after``, although more would follow."""
        return self._add(self.data.messages, CloseData(after))

    def stall_data(self, *, after: SupportsIndex, dead: bool = False) -> Faults:
        """Send nothing more on the data socket that got notification ``after``, until :meth:`release_data`.

        Pings are still answered, except by a ``dead`` socket, which does not read either.
        """
        return self._add(self.data.messages, StallData(after, dead=dead))

    def corrupt_data(self, number: SupportsIndex) -> Faults:
        """Corrupt notification ``number``: invalid zstd if it is compressed, else the first half of its JSON."""
        return self._add(self.data.messages, CorruptData(number))

    def duplicate_data(self, number: SupportsIndex) -> Faults:
        """Send notification ``number`` twice."""
        return self._add(self.data.messages, DuplicateData(number))

    def delay_data(self, number: SupportsIndex, seconds: checks.Number) -> Faults:
        """Hold back notification ``number``, and everything after it on its socket, for that time."""
        return self._add(self.data.messages, DelayData(number, seconds))

    def slow_data(self, seconds: checks.Number, times: SupportsIndex = FOREVER) -> Faults:
        """Wait that time before each of the next ``times`` notifications, by default before all."""
        return self._add(self.data.messages, SlowData(seconds, times))

    def lag_data(self, kind: str, by: SupportsIndex) -> Faults:
        """Hold back the notifications of one kind (``"accountDiff"``, …), so that they lag behind the others.

        Each is sent after ``by`` further notifications of the socket's other kinds, or before its subscription ends.
        It is in effect until :meth:`reset`.
        """
        count = checks.integer("by", by, 1, FOREVER)
        with self._lock:
            self.data.lags = {**self.data.lags, kind: count}
        return self

    def refuse_subscribe(
        self,
        message: str,
        times: SupportsIndex = 1,
        *,
        method: str | None = None,
        code: SupportsIndex = _INTERNAL_ERROR,
    ) -> Faults:
        """Answer the next ``times`` subscribes with a JSON-RPC error; only those with ``method`` if it is given."""
        return self._add(self.data.subscribes, RefuseSubscribe(code, message, times, method))

    def withhold_terminal(self) -> Faults:
        """Never send the end of a subscription, until :meth:`reset`."""
        self.data.withhold_terminal = True
        return self

    def drop_at_terminal(self, times: SupportsIndex = 1) -> Faults:
        """Abort the data socket instead of sending the end of a subscription, ``times`` times."""
        return self._add(self.data.ends, DropAtTerminal(times))

    # -- HTTP

    def refuse_upgrade(self, status: SupportsIndex, times: SupportsIndex = 1, where: str = "control") -> Faults:
        """Answer the next ``times`` upgrades of ``control`` or ``data`` sockets with an HTTP status."""
        return self._add(self.http.upgrades, RefuseUpgrade(status, times, where))

    def refuse_http(self, status: SupportsIndex, times: SupportsIndex = 1, path: str = "/") -> Faults:
        """Answer the next ``times`` HTTP requests whose path begins with ``path`` with a status, and do nothing else.

        ``"/backtest/"`` stands for the RPC calls of all sessions.
        """
        return self._add(self.http.requests, RefuseHttp(status, times, path))

    def drop_http(self, times: SupportsIndex = 1, path: str = "/", *, taken: bool = False) -> Faults:
        """Abort the connection of the next ``times`` HTTP requests whose path begins with ``path``, without an answer.

        With ``taken`` they are carried out first.
        """
        return self._add(self.http.requests, DropHttp(times, path, taken=taken))

    def empty_rpc(self, times: SupportsIndex = 1) -> Faults:
        """Carry out the next ``times`` RPC requests, but answer with status 200 and an empty body."""
        return self._add(self.http.replies, EmptyRpc(times))

    # -- all

    def random_drops(
        self, seed: SupportsIndex, count: SupportsIndex, control_messages: SupportsIndex, notifications: SupportsIndex
    ) -> Faults:
        """Schedule ``count`` drops of control and data sockets at random. The same ``seed`` gives the same drops.

        They come after different messages among the first ``control_messages`` and ``notifications``. Each is of
        either kind with even chances, while messages of both kinds are left.
        """
        messages = checks.integer("control_messages", control_messages, 0, FOREVER)
        others = checks.integer("notifications", notifications, 0, FOREVER)
        drops = checks.integer("count", count, 0, messages + others)
        chance = random.Random(checks.any_integer("seed", seed))
        control = chance.sample(range(1, messages + 1), min(drops, messages))
        data = chance.sample(range(1, others + 1), min(drops, others))
        for _ in range(drops):
            if data and (not control or chance.random() < 0.5):
                self.drop_data_at(data.pop())
            else:
                self.drop_control(after=control.pop())
        return self

    def release_data(self) -> Faults:
        """Let every stalled data socket continue."""
        self.data.release()
        return self

    def reset(self) -> Faults:
        """Remove all faults, set all counts to 0 and release stalled sockets. Chaos starts from its beginning."""
        with self._lock:
            self._fired.clear()
            self.control.forget()
            self.data.forget()
            self.http.forget()
            self._begin_chaos()
        return self.release_data()

    # -- what has happened; these may be read from any thread

    @property
    def control_messages_sent(self) -> int:
        """Messages sent on control sockets."""
        return self.control.messages_sent

    @property
    def continues_received(self) -> int:
        """Continues that arrived, those lost by a fault included."""
        return self.control.continues_received

    @property
    def upgrades_refused(self) -> int:
        """Upgrades refused by a fault."""
        return self.http.upgrades_refused

    @property
    def notifications_sent(self) -> int:
        """Notifications sent on data sockets."""
        return self.data.notifications_sent

    @property
    def data_sockets_opened(self) -> int:
        """Data sockets that clients opened."""
        return self.data.sockets_opened

    @property
    def data_sockets_stalled(self) -> int:
        """Data sockets that are stalled now."""
        return self.data.sockets_stalled

    @property
    def subscribes_received(self) -> int:
        """Subscribe requests that arrived, those refused by a fault included."""
        return self.data.subscribes_received

    @property
    def subscribes_refused(self) -> int:
        """Subscribe requests refused by a fault."""
        return self.data.subscribes_refused

    @property
    def http_requests_received(self) -> int:
        """HTTP requests that arrived, those refused or dropped by a fault included."""
        return self.http.requests_received

    @property
    def pending(self) -> tuple[tuple[str, int | None], ...]:
        """Name and message number of each fault that may still occur; None where it is not bound to one.

        Of chaos, the next fault of each plane is listed with its number.
        """
        with self._lock:
            lists = (*self.control.lists, *self.data.lists, *self.http.lists)
            return tuple(chain.from_iterable(faults.pending() for faults in lists))

    @property
    def rules_left(self) -> int:
        """The number of faults that may still occur; chaos counts as two."""
        return len(self.pending)

    @property
    def fired(self) -> tuple[str, ...]:
        """The names of the faults that have occurred, in order."""
        with self._lock:
            return tuple(self._fired)
