"""Faults on HTTP requests, upgrades to WebSockets included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, SupportsIndex

from simsync.errors import InvalidParams
from simsync.local.faults.fault import Fault, FaultList
from simsync.params import checks

if TYPE_CHECKING:
    import threading

    from simsync.local.faults.fault import Pending

_STATUSES = 100, 599


@dataclass
class Upgrade:
    """A client opens a ``control`` or ``data`` socket."""

    where: str
    status: int | None = None


@dataclass
class HttpRequest:
    """An HTTP request other than an upgrade has arrived."""

    path: str
    status: int | None = None
    drop: bool = False
    carry_out: bool = True


@dataclass
class RpcReply:
    """An RPC request was carried out and is about to be answered."""

    empty: bool = False


class RefuseUpgrade(Fault[Upgrade]):
    name = "refuse_upgrade"

    def __init__(self, status: SupportsIndex, times: SupportsIndex, where: str) -> None:
        super().__init__(times)
        if where not in ("control", "data"):
            raise InvalidParams("where", where, "must be control or data")
        self._status = _status(status)
        self._where = where

    def due(self, occasion: Upgrade) -> bool:
        return occasion.status is None and occasion.where == self._where

    def apply(self, occasion: Upgrade) -> None:
        occasion.status = self._status


class HttpFault(Fault[HttpRequest]):
    """A fault on requests whose path begins with ``path``."""

    def __init__(self, times: SupportsIndex, path: str) -> None:
        super().__init__(times)
        if not checks.text("path", path).startswith("/"):
            raise InvalidParams("path", path, "must begin with /")
        self._path = path

    def due(self, occasion: HttpRequest) -> bool:
        undisturbed = occasion.status is None and not occasion.drop
        return undisturbed and occasion.path.startswith(self._path)


class RefuseHttp(HttpFault):
    name = "refuse_http"

    def __init__(self, status: SupportsIndex, times: SupportsIndex, path: str) -> None:
        super().__init__(times, path)
        self._status = _status(status)

    def apply(self, occasion: HttpRequest) -> None:
        occasion.status, occasion.carry_out = self._status, False


class DropHttp(HttpFault):
    name = "drop_http"

    def __init__(self, times: SupportsIndex, path: str, *, taken: bool) -> None:
        super().__init__(times, path)
        self._taken = checks.flag("taken", taken)

    def apply(self, occasion: HttpRequest) -> None:
        occasion.drop, occasion.carry_out = True, self._taken


class EmptyRpc(Fault[RpcReply]):
    name = "empty_rpc"

    def due(self, occasion: RpcReply) -> bool:
        return not occasion.empty

    def apply(self, occasion: RpcReply) -> None:
        occasion.empty = True


def _status(value: SupportsIndex) -> int:
    return checks.integer("status", value, *_STATUSES)


class HttpFaults:
    """The faults on HTTP requests, and the count of what was received and refused."""

    def __init__(self, lock: threading.Lock, fired: list[str]) -> None:
        self._lock = lock
        self.upgrades: FaultList[Upgrade] = FaultList(fired)
        self.requests: FaultList[HttpRequest] = FaultList(fired)
        self.replies: FaultList[RpcReply] = FaultList(fired)
        self.lists: tuple[Pending, ...] = (self.upgrades, self.requests, self.replies)
        self.forget()

    def forget(self) -> None:
        """Remove all faults and set the counts to 0. The caller holds the lock."""
        for faults in self.lists:
            faults.clear()
        self.upgrades_refused = self.requests_received = 0

    def upgrading(self, where: str) -> Upgrade:
        """Return the plan for the upgrade of a ``control`` or ``data`` socket."""
        with self._lock:
            upgrade = self.upgrades.meet(Upgrade(where))
            self.upgrades_refused += upgrade.status is not None
            return upgrade

    def received(self, path: str) -> HttpRequest:
        """Count an HTTP request and return the plan for it."""
        with self._lock:
            self.requests_received += 1
            return self.requests.meet(HttpRequest(path))

    def replying(self) -> RpcReply:
        """Return the plan for the reply to an RPC request."""
        with self._lock:
            return self.replies.meet(RpcReply())
