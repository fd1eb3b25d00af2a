"""When the simulator misbehaves: rules that a test sets before or while a client is connected."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING

from simsync.errors import InvalidParams
from simsync.local.chaos import Chaos
from simsync.local.fault_rules import (
    CONTROL_RULES,
    DATA_RULES,
    EVER,
    HTTP_RULES,
    ControlPlan,
    DataPlan,
    HttpPlan,
    Rule,
)
from simsync.local.rpc_errors import INTERNAL_ERROR

if TYPE_CHECKING:
    from collections.abc import Callable


class Faults:
    """Faults by number of message, each at most once unless said otherwise.

    Rules can be chained, and set from any thread, also while clients are connected.

    Control messages are counted over all control sockets, from 1, since the start or the last :meth:`reset`. A message
    that was not sent because of a rule is not counted; inserted garbage and second copies are not counted either.
    Notifications are counted in the same way, over all data sockets; the ends of subscriptions are not counted.
    HTTP requests are those that ask for no upgrade; the RPC calls of sessions are among them.

    With a ``seed`` there is chaos besides, for as long as the simulator serves: sockets are dropped and stall for a
    moment, control events come again, at places that the seed decides. A client that does its part misses nothing by
    it, see ``docs/testing.md``.
    """

    def __init__(self, *, seed: int | None = None) -> None:
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
            raise InvalidParams("seed", seed, "must be a whole number")
        self.seed = seed
        self._lock = threading.Lock()
        self._rules: list[Rule] = []
        self._fired: list[str] = []
        self._control = 0
        self._continues = 0
        self._refused = 0
        self._notifications = 0
        self._data_sockets = 0
        self._subscribes = 0
        self._subscribes_refused = 0
        self._http_requests = 0
        self._withhold = False
        self._lags: dict[str, int] = {}
        self._stalled: set[Callable[[], None]] = set()
        self._begin_chaos()

    def _begin_chaos(self) -> None:
        if self.seed is not None:
            self._rules += [Chaos(self.seed, plane).rule_after(0) for plane in ("control", "data")]

    # -- rules

    def drop_control(self, *, before: int | None = None, after: int | None = None) -> Faults:
        """Abort the control socket just before, or just after, message number ``before`` or ``after`` is sent."""
        if (before is None) == (after is None):
            raise InvalidParams("before", before, "give either before or after")
        if before is not None:
            return self._add(Rule("drop_control_before", before))
        assert after is not None
        return self._add(Rule("drop_control_after", after))

    def duplicate_control(self, number: int) -> Faults:
        """Send message ``number`` twice."""
        return self._add(Rule("duplicate_control", number))

    def replay_control(self, *, after: int, messages: int = 1) -> Faults:
        """Send the last ``messages`` numbered events of that socket again after message number ``after``.

        They have the numbers that they had. Without any it does not take effect.
        """
        if messages < 1:
            raise InvalidParams("messages", messages, "must be at least 1")
        return self._add(Rule("replay_control", after, messages=messages))

    def garbage_control(self, number: int, text: str = '{"method":"unheardOf","params":{"x":1}}') -> Faults:
        """Send ``text`` before message ``number``; by default a method that nobody knows."""
        return self._add(Rule("garbage_control", number, text=text))

    def delay_control(self, number: int, seconds: float) -> Faults:
        """Hold message ``number`` and everything behind it back for that time."""
        return self._add(Rule("delay_control", number, seconds=seconds))

    def lose_continue(self, number: int) -> Faults:
        """Abort the control socket on the continue with that number, without taking it."""
        return self._add(Rule("lose_continue", number))

    def drop_after_continue(self, number: int) -> Faults:
        """Take the continue with that number, then abort the control socket."""
        return self._add(Rule("drop_after_continue", number))

    def refuse_upgrade(self, status: int, times: int = 1, where: str = "control") -> Faults:
        """Answer the next ``times`` upgrades of ``control`` or ``data`` sockets with an HTTP status."""
        if where not in ("control", "data"):
            raise InvalidParams("where", where, "must be control or data")
        return self._add(Rule("refuse_upgrade", 1, times=times, status=status, where=where))

    def withhold_terminal(self) -> Faults:
        """Never send the end of a subscription."""
        with self._lock:
            self._withhold = True
        return self

    def drop_data(self, *, after: int, times: int = 1) -> Faults:
        """Abort a data socket once it was sent ``after`` notifications; the first ``times`` sockets only."""
        return self._add(Rule("drop_data", after, times=times))

    def drop_data_at(self, number: int) -> Faults:
        """Abort the data socket that was just sent notification ``number``."""
        return self._add(Rule("drop_data_at", number))

    def drop_at_terminal(self, times: int = 1) -> Faults:
        """Abort a data socket instead of ending one of its subscriptions."""
        return self._add(Rule("drop_at_terminal", 1, times=times))

    def close_data(self, *, after: int) -> Faults:
        """Close the data socket with code 1000 after notification ``after``, although more would follow."""
        return self._add(Rule("close_data", after))

    def stall_data(self, *, after: int, dead: bool = False) -> Faults:
        """Send nothing more on the data socket that got notification ``after``, until :meth:`release_data`.

        Pings are answered all the same, except by a ``dead`` socket, which does not read either.
        """
        return self._add(Rule("stall_data", after, dead=dead))

    def corrupt_data(self, number: int) -> Faults:
        """Spoil notification ``number``: bytes that are no zstd if it is compressed, else half of its JSON."""
        return self._add(Rule("corrupt_data", number))

    def duplicate_data(self, number: int) -> Faults:
        """Send notification ``number`` twice."""
        return self._add(Rule("duplicate_data", number))

    def delay_data(self, number: int, seconds: float) -> Faults:
        """Hold notification ``number``, and everything behind it on its socket, back for that time."""
        return self._add(Rule("delay_data", number, seconds=seconds))

    def slow_data(self, seconds: float, times: int = EVER) -> Faults:
        """Wait that time before each of the next ``times`` notifications, by default before all."""
        return self._add(Rule("slow_data", 1, times=times, seconds=seconds))

    def lag_data(self, kind: str, by: int) -> Faults:
        """Hold the notifications of one kind (``"accountDiff"``, …) back, so that they lag behind the others.

        Each goes out after ``by`` further notifications of the socket's other kinds, or before its subscription's end.
        """
        if by < 1:
            raise InvalidParams("by", by, "must be at least 1 notification")
        with self._lock:
            self._lags[kind] = by
        return self

    def refuse_subscribe(
        self, message: str, times: int = 1, *, method: str | None = None, code: int = INTERNAL_ERROR
    ) -> Faults:
        """Answer the next ``times`` subscribes, or those with one ``method``, with a JSON-RPC error."""
        return self._add(Rule("refuse_subscribe", 1, times=times, text=message, where=method or "", status=code))

    def refuse_http(self, status: int, times: int = 1, path: str = "/") -> Faults:
        """Answer the next ``times`` HTTP requests whose path begins with ``path`` with a status, and do nothing else.

        ``"/backtest/"`` stands for the RPC calls of all sessions.
        """
        return self._add(Rule("refuse_http", 1, times=times, status=status, where=_path(path)))

    def drop_http(self, times: int = 1, path: str = "/", *, taken: bool = False) -> Faults:
        """Abort the connection of the next ``times`` HTTP requests whose path begins with ``path``, without an answer.

        They are not carried out, unless ``taken``.
        """
        return self._add(Rule("drop_http", 1, times=times, where=_path(path), taken=taken))

    def empty_rpc(self, times: int = 1) -> Faults:
        """Carry the next ``times`` RPC requests out, and answer them with status 200 and an empty body."""
        return self._add(Rule("empty_rpc", 1, times=times))

    def random_drops(self, seed: int, count: int, control_messages: int, notifications: int) -> Faults:
        """Plan ``count`` drops, each of a control or a data socket; the same ``seed`` plans the same.

        They come after different messages of the first ``control_messages`` and ``notifications``; of both kinds with
        even chances, unless one of them is 0 or used up.
        """
        if not 0 <= count <= control_messages + notifications:
            raise InvalidParams("count", count, "must not exceed the number of messages")
        chance = random.Random(seed)
        control = chance.sample(range(1, control_messages + 1), min(count, control_messages))
        data = chance.sample(range(1, notifications + 1), min(count, notifications))
        for _ in range(count):
            if data and (not control or chance.random() < 0.5):
                self.drop_data_at(data.pop())
            else:
                self.drop_control(after=control.pop())
        return self

    def release_data(self) -> Faults:
        """Let every stalled data socket go on."""
        with self._lock:
            wakes = list(self._stalled)
        for wake in wakes:
            wake()
        return self

    def reset(self) -> Faults:
        """Forget all rules and counts, and let stalled sockets go on. Chaos begins anew."""
        with self._lock:
            self._rules.clear()
            self._fired.clear()
            self._lags.clear()
            self._control = self._continues = self._refused = self._notifications = 0
            self._data_sockets = self._subscribes = self._subscribes_refused = self._http_requests = 0
            self._withhold = False
            self._begin_chaos()
        return self.release_data()

    def _add(self, rule: Rule) -> Faults:
        if rule.number < 1 or rule.times < 1:
            raise InvalidParams("number", rule.number, "messages are counted from 1")
        with self._lock:
            self._rules.append(rule)
        return self

    # -- what has happened

    @property
    def control_messages_sent(self) -> int:
        with self._lock:
            return self._control

    @property
    def continues_received(self) -> int:
        with self._lock:
            return self._continues

    @property
    def upgrades_refused(self) -> int:
        with self._lock:
            return self._refused

    @property
    def notifications_sent(self) -> int:
        with self._lock:
            return self._notifications

    @property
    def data_sockets_opened(self) -> int:
        with self._lock:
            return self._data_sockets

    @property
    def data_sockets_stalled(self) -> int:
        """How many are stalled now."""
        with self._lock:
            return len(self._stalled)

    @property
    def subscribes_received(self) -> int:
        with self._lock:
            return self._subscribes

    @property
    def subscribes_refused(self) -> int:
        """How many were refused by a rule."""
        with self._lock:
            return self._subscribes_refused

    @property
    def http_requests_received(self) -> int:
        """How many HTTP requests came in, those refused or dropped by a rule included."""
        with self._lock:
            return self._http_requests

    @property
    def rules_left(self) -> int:
        """How many rules have not taken effect as often as they can; of chaos the next two are counted."""
        with self._lock:
            return len(self._rules)

    @property
    def fired(self) -> tuple[str, ...]:
        """The names of the rules that have taken effect, in order."""
        with self._lock:
            return tuple(self._fired)

    # -- what the simulator asks

    def plan_control(self, *, repeatable: bool, survives: bool) -> ControlPlan | None:
        """Return what is to be done around the next control message, None if nothing.

        ``repeatable``: the socket had numbered events. ``survives``: a dropped socket does not end its sessions.
        """
        with self._lock:
            plan: ControlPlan | None = None
            for rule in list(self._rules):
                if rule.what not in CONTROL_RULES or not rule.is_due(self._control + 1):
                    continue
                if rule.what == "replay_control" and not repeatable:
                    continue
                if not survives:
                    rule.soften()
                plan = plan or ControlPlan()
                if rule.what == "drop_control_before":
                    plan.drop_before = True
                elif rule.what == "drop_control_after":
                    plan.drop_after = True
                elif rule.what == "duplicate_control":
                    plan.copies += 1
                elif rule.what == "replay_control":
                    plan.replays = max(plan.replays, rule.messages)
                elif rule.what == "garbage_control":
                    plan.inserts.append(rule.text)
                else:
                    plan.delay += rule.seconds
                self._fire(rule)
            return plan

    def control_watched(self) -> bool:
        """Is there a rule about control messages? If not, they may be sent in batches."""
        with self._lock:
            return any(rule.what in CONTROL_RULES for rule in self._rules)

    def count_control(self, messages: int) -> None:
        with self._lock:
            self._control += messages

    def on_continue(self) -> str | None:
        """Count a continue; return ``lose_continue`` or ``drop_after_continue`` if a rule says so."""
        with self._lock:
            self._continues += 1
            rule = self._fire_first(
                lambda rule: rule.what in ("lose_continue", "drop_after_continue") and rule.number == self._continues
            )
            return None if rule is None else rule.what

    def refused_status(self, where: str) -> int | None:
        """Return the HTTP status with which this upgrade is refused, None to accept it."""
        with self._lock:
            rule = self._fire_first(lambda rule: rule.what == "refuse_upgrade" and rule.where == where)
            self._refused += rule is not None
            return None if rule is None else rule.status

    def count_data_socket(self) -> None:
        with self._lock:
            self._data_sockets += 1

    def on_subscribe(self, method: str) -> tuple[int, str] | None:
        """Count a subscribe; return code and message with which it is refused, None to accept it."""
        with self._lock:
            self._subscribes += 1
            rule = self._fire_first(lambda rule: rule.what == "refuse_subscribe" and rule.where in ("", method))
            self._subscribes_refused += rule is not None
            return None if rule is None else (rule.status, rule.text)

    def count_quiet(self, wanted: int, sent: int) -> int:
        """Count and return how many of the next ``wanted`` notifications of a socket no rule is about.

        The socket has had ``sent`` notifications so far. They must be sent at once.
        """
        with self._lock:
            count = wanted
            for rule in self._rules:
                if rule.what in DATA_RULES and rule.number > self._notifications:
                    count = min(count, rule.number - 1 - self._notifications)
                elif rule.what == "drop_data" and rule.number > sent:
                    count = min(count, rule.number - 1 - sent)
                elif rule.what == "slow_data":
                    count = 0
            self._notifications += count
            return count

    def plan_data(self, sent: int, *, survives: bool) -> DataPlan:
        """Count the next notification of a socket that has had ``sent``; return what is to be done around it.

        ``survives``: whatever a dropped socket misses is kept for it.
        """
        with self._lock:
            self._notifications += 1
            plan = DataPlan()
            for rule in list(self._rules):
                if rule.what in DATA_RULES:
                    if not rule.is_due(self._notifications):
                        continue
                    if not survives:
                        rule.soften()
                elif rule.what != "slow_data" and not (rule.what == "drop_data" and rule.number == sent + 1):
                    continue
                if rule.what in ("drop_data", "drop_data_at"):
                    plan.drop = True
                elif rule.what == "close_data":
                    plan.close = True
                elif rule.what == "corrupt_data":
                    plan.corrupt = True
                elif rule.what == "duplicate_data":
                    plan.copies += 1
                elif rule.what in ("delay_data", "slow_data"):
                    plan.delay += rule.seconds
                else:
                    plan.stall, plan.dead = True, rule.dead
                self._fire(rule)
            return plan

    def on_http(self, path: str) -> HttpPlan | None:
        """Count an HTTP request; return what is to be done with it, None to carry it out."""
        with self._lock:
            self._http_requests += 1
            rule = self._fire_first(lambda rule: rule.what in HTTP_RULES and path.startswith(rule.where))
            if rule is None:
                return None
            return HttpPlan(None if rule.what == "drop_http" else rule.status, taken=rule.taken)

    def empties_rpc(self) -> bool:
        """Is the body of this RPC reply to be left out?"""
        with self._lock:
            return self._fire_first(lambda rule: rule.what == "empty_rpc") is not None

    def lags(self) -> dict[str, int]:
        """Return by how many notifications which kinds lag behind."""
        with self._lock:
            return dict(self._lags) if self._lags else self._lags

    def drops_terminal(self) -> bool:
        """Is the socket to be dropped instead of sending this end of a subscription?"""
        with self._lock:
            return self._fire_first(lambda rule: rule.what == "drop_at_terminal") is not None

    def add_stalled(self, wake: Callable[[], None]) -> None:
        """A data socket is stalled; ``wake`` may be called from any thread."""
        with self._lock:
            self._stalled.add(wake)

    def remove_stalled(self, wake: Callable[[], None]) -> None:
        with self._lock:
            self._stalled.discard(wake)

    @property
    def terminals_withheld(self) -> bool:
        with self._lock:
            return self._withhold

    def _fire_first(self, fits: Callable[[Rule], bool]) -> Rule | None:
        """Let the first rule that fits take effect, if there is one."""
        rule = next(filter(fits, self._rules), None)
        if rule is not None:
            self._fire(rule)
        return rule

    def _fire(self, rule: Rule) -> None:
        if rule.what != "slow_data" or not rule.fired:
            self._fired.append(rule.what)
        rule.fired = True
        rule.times -= 1
        if not rule.times:
            self._rules.remove(rule)
            if rule.followed_by is not None:
                self._rules.append(rule.followed_by(rule.number))


def _path(path: str) -> str:
    if not path.startswith("/"):
        raise InvalidParams("path", path, "must begin with /")
    return path
