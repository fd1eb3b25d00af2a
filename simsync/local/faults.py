"""When the simulator misbehaves: rules that a test sets before or while a client is connected."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from simsync.errors import InvalidParams


@dataclass
class ControlPlan:
    """What to do around one control message."""

    drop_before: bool = False
    drop_after: bool = False
    copies: int = 1
    inserts: list[str] = field(default_factory=list)
    delay: float = 0.0


@dataclass
class _Rule:
    what: str
    number: int
    times: int = 1
    text: str = ""
    seconds: float = 0.0
    status: int = 0
    where: str = ""


class Faults:
    """Faults by number of message, each at most once unless said otherwise.

    Rules can be chained, and set from any thread, also while clients are connected.

    Control messages are counted over all control sockets, from 1, since the start or the last :meth:`reset`. A message
    that was not sent because of a rule is not counted; inserted garbage and second copies are not counted either.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[_Rule] = []
        self._fired: list[str] = []
        self._control = 0
        self._continues = 0
        self._refused = 0
        self._notifications = 0
        self._withhold = False

    # -- rules

    def drop_control(self, *, before: int | None = None, after: int | None = None) -> Faults:
        """Abort the control socket just before, or just after, message number ``before`` or ``after`` is sent."""
        if (before is None) == (after is None):
            raise InvalidParams("before", before, "give either before or after")
        if before is not None:
            return self._add(_Rule("drop_control_before", before))
        assert after is not None
        return self._add(_Rule("drop_control_after", after))

    def duplicate_control(self, number: int) -> Faults:
        """Send message ``number`` twice."""
        return self._add(_Rule("duplicate_control", number))

    def garbage_control(self, number: int, text: str = '{"method":"unheardOf","params":{"x":1}}') -> Faults:
        """Send ``text`` before message ``number``; by default a method that nobody knows."""
        return self._add(_Rule("garbage_control", number, text=text))

    def delay_control(self, number: int, seconds: float) -> Faults:
        """Hold message ``number`` and everything behind it back for that time."""
        return self._add(_Rule("delay_control", number, seconds=seconds))

    def lose_continue(self, number: int) -> Faults:
        """Abort the control socket on the continue with that number, without taking it."""
        return self._add(_Rule("lose_continue", number))

    def drop_after_continue(self, number: int) -> Faults:
        """Take the continue with that number, then abort the control socket."""
        return self._add(_Rule("drop_after_continue", number))

    def refuse_upgrade(self, status: int, times: int = 1, where: str = "control") -> Faults:
        """Answer the next ``times`` upgrades of ``control`` or ``data`` sockets with an HTTP status."""
        if where not in ("control", "data"):
            raise InvalidParams("where", where, "must be control or data")
        return self._add(_Rule("refuse_upgrade", 1, times=times, status=status, where=where))

    def withhold_terminal(self) -> Faults:
        """Never send the end of a subscription."""
        with self._lock:
            self._withhold = True
        return self

    def drop_data(self, *, after: int, times: int = 1) -> Faults:
        """Abort a data socket once it was sent ``after`` notifications; the first ``times`` sockets only."""
        return self._add(_Rule("drop_data", after, times=times))

    def reset(self) -> Faults:
        """Forget all rules and counts."""
        with self._lock:
            self._rules.clear()
            self._fired.clear()
            self._control = self._continues = self._refused = self._notifications = 0
            self._withhold = False
        return self

    def _add(self, rule: _Rule) -> Faults:
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
    def fired(self) -> tuple[str, ...]:
        """The names of the rules that have taken effect, in order."""
        with self._lock:
            return tuple(self._fired)

    # -- what the simulator asks

    def plan_control(self) -> ControlPlan | None:
        """Return what is to be done around the next control message, None if nothing."""
        with self._lock:
            plan: ControlPlan | None = None
            for rule in list(self._rules):
                if rule.number != self._control + 1:
                    continue
                if rule.what not in _CONTROL_RULES:
                    continue
                plan = plan or ControlPlan()
                if rule.what == "drop_control_before":
                    plan.drop_before = True
                elif rule.what == "drop_control_after":
                    plan.drop_after = True
                elif rule.what == "duplicate_control":
                    plan.copies += 1
                elif rule.what == "garbage_control":
                    plan.inserts.append(rule.text)
                else:
                    plan.delay += rule.seconds
                self._fire(rule)
            return plan

    def control_watched(self) -> bool:
        """Is there a rule about control messages? If not, they may be sent in batches."""
        with self._lock:
            return any(rule.what in _CONTROL_RULES for rule in self._rules)

    def count_control(self, messages: int) -> None:
        with self._lock:
            self._control += messages

    def on_continue(self) -> str | None:
        """Count a continue; return ``lose_continue`` or ``drop_after_continue`` if a rule says so."""
        with self._lock:
            self._continues += 1
            for rule in self._rules:
                if rule.what in ("lose_continue", "drop_after_continue") and rule.number == self._continues:
                    self._fire(rule)
                    return rule.what
            return None

    def refused_status(self, where: str) -> int | None:
        """Return the HTTP status with which this upgrade is refused, None to accept it."""
        with self._lock:
            for rule in self._rules:
                if rule.what == "refuse_upgrade" and rule.where == where:
                    self._refused += 1
                    self._fire(rule)
                    return rule.status
            return None

    def notifications_left(self, sent: int) -> int | None:
        """Return how many more notifications a data socket may get after ``sent`` of them, None without limit."""
        with self._lock:
            limits = [rule.number for rule in self._rules if rule.what == "drop_data" and rule.number > sent]
            return min(limits) - sent if limits else None

    def count_notifications(self, sent: int, total: int) -> bool:
        """Count ``sent`` notifications on a socket that now has had ``total``; return True if it is to be dropped."""
        with self._lock:
            self._notifications += sent
            for rule in self._rules:
                if rule.what == "drop_data" and rule.number == total:
                    self._fire(rule)
                    return True
            return False

    @property
    def terminals_withheld(self) -> bool:
        with self._lock:
            return self._withhold

    def _fire(self, rule: _Rule) -> None:
        self._fired.append(rule.what)
        rule.times -= 1
        if not rule.times:
            self._rules.remove(rule)


_CONTROL_RULES = frozenset(
    {"drop_control_before", "drop_control_after", "duplicate_control", "garbage_control", "delay_control"}
)
