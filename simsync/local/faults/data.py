"""Faults on data sockets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, SupportsIndex

from simsync.local.faults.fault import FOREVER, Fault, FaultList, NumberedFault
from simsync.params import checks

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from simsync.local.faults.fault import Pending


@dataclass
class DataMessage:
    """A notification is about to be sent, the ``on_socket``-th of its data socket. Both numbers count from 1."""

    number: int
    on_socket: int
    survives: bool
    """The server keeps what the socket misses while it is down."""
    delay: float = 0.0
    """Seconds."""
    copies: int = 1
    corrupt: bool = False
    drop: bool = False
    close: bool = False
    stall: bool = False
    dead: bool = False
    """A stalled socket does not read either."""


@dataclass
class SubscribeRequest:
    """A client subscribes with ``method``."""

    method: str
    refusal: tuple[int, str] | None = None
    """Code and message of the JSON-RPC error."""


@dataclass
class SubscriptionEnd:
    """The end of a subscription is about to be sent."""

    drop: bool = False


class DropDataAt(NumberedFault[DataMessage]):
    name = "drop_data_at"

    def apply(self, occasion: DataMessage) -> None:
        occasion.drop = True


class CloseData(NumberedFault[DataMessage]):
    name = "close_data"

    def apply(self, occasion: DataMessage) -> None:
        occasion.close = True


class StallData(NumberedFault[DataMessage]):
    name = "stall_data"

    def __init__(self, number: SupportsIndex, *, dead: bool) -> None:
        super().__init__(number)
        self._dead = checks.flag("dead", dead)

    def apply(self, occasion: DataMessage) -> None:
        occasion.stall, occasion.dead = True, self._dead


class CorruptData(NumberedFault[DataMessage]):
    name = "corrupt_data"

    def apply(self, occasion: DataMessage) -> None:
        occasion.corrupt = True


class DuplicateData(NumberedFault[DataMessage]):
    name = "duplicate_data"

    def apply(self, occasion: DataMessage) -> None:
        occasion.copies += 1


class DelayData(NumberedFault[DataMessage]):
    name = "delay_data"

    def __init__(self, number: SupportsIndex, seconds: checks.Number) -> None:
        super().__init__(number)
        self._seconds = checks.seconds("seconds", seconds)

    def apply(self, occasion: DataMessage) -> None:
        occasion.delay += self._seconds


class DropData(Fault[DataMessage]):
    """Drops a socket after a number of notifications of its own."""

    name = "drop_data"

    def __init__(self, after: SupportsIndex, times: SupportsIndex) -> None:
        super().__init__(times)
        self._after = checks.integer("after", after, 1, FOREVER)

    @property
    def place(self) -> int | None:
        return self._after

    def quiet(self, sent: int, sent_on_socket: int) -> int:
        return self._after - 1 - sent_on_socket if self._after > sent_on_socket else FOREVER

    def due(self, occasion: DataMessage) -> bool:
        return occasion.on_socket == self._after

    def apply(self, occasion: DataMessage) -> None:
        occasion.drop = True


class SlowData(Fault[DataMessage]):
    name = "slow_data"
    shown_once = True

    def __init__(self, seconds: checks.Number, times: SupportsIndex) -> None:
        super().__init__(times)
        self._seconds = checks.seconds("seconds", seconds)

    def quiet(self, sent: int, sent_on_socket: int) -> int:
        return 0

    def due(self, occasion: DataMessage) -> bool:
        return True

    def apply(self, occasion: DataMessage) -> None:
        occasion.delay += self._seconds


class RefuseSubscribe(Fault[SubscribeRequest]):
    name = "refuse_subscribe"

    def __init__(self, code: SupportsIndex, message: str, times: SupportsIndex, method: str | None) -> None:
        super().__init__(times)
        self._refusal = checks.integer("code", code, -(2**63), 2**63 - 1), checks.text("message", message)
        self._method = method

    def due(self, occasion: SubscribeRequest) -> bool:
        return occasion.refusal is None and self._method in (None, occasion.method)

    def apply(self, occasion: SubscribeRequest) -> None:
        occasion.refusal = self._refusal


class DropAtTerminal(Fault[SubscriptionEnd]):
    name = "drop_at_terminal"

    def due(self, occasion: SubscriptionEnd) -> bool:
        return not occasion.drop

    def apply(self, occasion: SubscriptionEnd) -> None:
        occasion.drop = True


class DataFaults:
    """The faults on data sockets, and the count of what was sent and received on them.

    Plans are awaited: a worker process asks the simulator for them.
    """

    def __init__(self, lock: threading.Lock, fired: list[str]) -> None:
        self._lock = lock
        self.messages: FaultList[DataMessage] = FaultList(fired)
        self.subscribes: FaultList[SubscribeRequest] = FaultList(fired)
        self.ends: FaultList[SubscriptionEnd] = FaultList(fired)
        self.lists: tuple[Pending, ...] = (self.messages, self.subscribes, self.ends)
        self._stalled: set[Callable[[], None]] = set()
        self.forget()

    def forget(self) -> None:
        """Remove all faults and set the counts to 0. The caller holds the lock, and releases stalled sockets."""
        for faults in self.lists:
            faults.clear()
        self.lags: dict[str, int] = {}
        """By how many notifications of other kinds a kind lags. Read without the lock, so replaced, never changed."""
        self.withhold_terminal = False
        self.sockets_opened = self.notifications_sent = 0
        self.subscribes_received = self.subscribes_refused = 0

    def socket_opened(self) -> None:
        with self._lock:
            self.sockets_opened += 1

    async def subscribing(self, method: str) -> SubscribeRequest:
        """Count a subscribe and return the plan for it."""
        with self._lock:
            self.subscribes_received += 1
            request = self.subscribes.meet(SubscribeRequest(method))
            self.subscribes_refused += request.refusal is not None
            return request

    async def count_quiet(self, wanted: int, sent_on_socket: int) -> int:
        """Return how many of the next ``wanted`` notifications of a socket meet no fault, and count them as sent.

        The caller must send them at once, since the numbers of later notifications depend on it.
        """
        with self._lock:
            count = min([wanted, *(fault.quiet(self.notifications_sent, sent_on_socket) for fault in self.messages)])
            self.notifications_sent += count
            return count

    async def sending(self, on_socket: int, *, survives: bool) -> DataMessage:
        """Count the next notification, the ``on_socket``-th of its socket, and return the plan for it."""
        with self._lock:
            self.notifications_sent += 1
            return self.messages.meet(DataMessage(self.notifications_sent, on_socket, survives))

    async def ending(self) -> SubscriptionEnd:
        """Return the plan for the end of a subscription."""
        with self._lock:
            return self.ends.meet(SubscriptionEnd())

    # -- stalled sockets

    @property
    def sockets_stalled(self) -> int:
        with self._lock:
            return len(self._stalled)

    def add_stalled(self, wake: Callable[[], None]) -> None:
        """Register a stalled socket; ``wake`` may be called from any thread."""
        with self._lock:
            self._stalled.add(wake)

    def remove_stalled(self, wake: Callable[[], None]) -> None:
        with self._lock:
            self._stalled.discard(wake)

    def release(self) -> None:
        """Wake the stalled sockets."""
        with self._lock:
            wakes = list(self._stalled)
        # Without the lock: a socket that wakes up asks for it.
        for wake in wakes:
            wake()
