"""Faults on control sockets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, SupportsIndex

from simsync.local.faults.fault import FOREVER, FaultList, NumberedFault
from simsync.params import checks

if TYPE_CHECKING:
    import threading

    from simsync.local.faults.fault import Pending


@dataclass
class ControlMessage:
    """A message is about to be sent on a control socket. Messages are counted over all control sockets, from 1."""

    number: int
    repeatable: bool
    """The socket has sent numbered events."""
    survives: bool
    """Sessions outlive the socket, so dropping it loses nothing for good."""
    drop_before: bool = False
    drop_after: bool = False
    copies: int = 1
    replays: int = 0
    inserts: list[str] = field(default_factory=list)
    delay: float = 0.0
    """Seconds."""


@dataclass
class ContinueRequest:
    """A continue has arrived."""

    number: int
    lost: bool = False
    drop_after: bool = False


class DropControlBefore(NumberedFault[ControlMessage]):
    name = "drop_control_before"

    def apply(self, occasion: ControlMessage) -> None:
        occasion.drop_before = True


class DropControlAfter(NumberedFault[ControlMessage]):
    name = "drop_control_after"

    def apply(self, occasion: ControlMessage) -> None:
        occasion.drop_after = True


class DuplicateControl(NumberedFault[ControlMessage]):
    name = "duplicate_control"

    def apply(self, occasion: ControlMessage) -> None:
        occasion.copies += 1


class ReplayControl(NumberedFault[ControlMessage]):
    name = "replay_control"

    def __init__(self, number: SupportsIndex, messages: SupportsIndex) -> None:
        super().__init__(number)
        self._messages = checks.integer("messages", messages, 1, FOREVER)

    def due(self, occasion: ControlMessage) -> bool:
        return super().due(occasion) and occasion.repeatable

    def apply(self, occasion: ControlMessage) -> None:
        occasion.replays = max(occasion.replays, self._messages)


class GarbageControl(NumberedFault[ControlMessage]):
    name = "garbage_control"

    def __init__(self, number: SupportsIndex, text: str) -> None:
        super().__init__(number)
        self._text = checks.text("text", text)

    def apply(self, occasion: ControlMessage) -> None:
        occasion.inserts.append(self._text)


class DelayControl(NumberedFault[ControlMessage]):
    name = "delay_control"

    def __init__(self, number: SupportsIndex, seconds: checks.Number) -> None:
        super().__init__(number)
        self._seconds = checks.seconds("seconds", seconds)

    def apply(self, occasion: ControlMessage) -> None:
        occasion.delay += self._seconds


class LoseContinue(NumberedFault[ContinueRequest]):
    name = "lose_continue"

    def due(self, occasion: ContinueRequest) -> bool:
        return super().due(occasion) and not occasion.drop_after

    def apply(self, occasion: ContinueRequest) -> None:
        occasion.lost = True


class DropAfterContinue(NumberedFault[ContinueRequest]):
    name = "drop_after_continue"

    def due(self, occasion: ContinueRequest) -> bool:
        return super().due(occasion) and not occasion.lost

    def apply(self, occasion: ContinueRequest) -> None:
        occasion.drop_after = True


class ControlFaults:
    """The faults on control sockets, and the count of what was sent and received on them."""

    def __init__(self, lock: threading.Lock, fired: list[str]) -> None:
        self._lock = lock
        self.messages: FaultList[ControlMessage] = FaultList(fired)
        self.continues: FaultList[ContinueRequest] = FaultList(fired)
        self.lists: tuple[Pending, ...] = (self.messages, self.continues)
        self.forget()

    def forget(self) -> None:
        """Remove all faults and set the counts to 0. The caller holds the lock."""
        for faults in self.lists:
            faults.clear()
        self.messages_sent = self.continues_received = 0

    def quiet(self) -> bool:
        """Is there no fault on messages? Then they may be sent in batches."""
        with self._lock:
            return not any(self.messages)

    def sending(self, *, repeatable: bool, survives: bool) -> ControlMessage:
        """Return the plan for the next message, see :class:`ControlMessage`. It is not counted yet."""
        with self._lock:
            return self.messages.meet(ControlMessage(self.messages_sent + 1, repeatable, survives))

    def count_sent(self, messages: int) -> None:
        with self._lock:
            self.messages_sent += messages

    def received_continue(self) -> ContinueRequest:
        """Count a continue and return the plan for it."""
        with self._lock:
            self.continues_received += 1
            return self.continues.meet(ContinueRequest(self.continues_received))
