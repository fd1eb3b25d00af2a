from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


class Noting:
    """A kind of subscription that notes that it is used."""

    def __init__(self, kind: Any, note: Callable[[], None]) -> None:
        self.stem = kind.stem
        self.once = kind.once
        self._kind = kind
        self._note = note

    def picker(self, params: list[Any], find: Any) -> Any:
        self._note()
        return self._kind.picker(params, find)


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The methods that were called on the simulators of this process."""
    from simsync.local.pubsub.kinds import SUBSCRIBE
    from simsync.local.rpc.calls import CALLS

    found: set[str] = set()

    def noting(name: str, call: Any) -> Any:
        def carry_out(backtest: Any, params: list[Any]) -> Any:
            found.add(name)
            return call(backtest, params)

        return carry_out

    def note(name: str) -> Callable[[], None]:
        return lambda: found.add(name)

    for name, call in CALLS.items():
        monkeypatch.setitem(CALLS, name, noting(name, call))
    for name, kind in SUBSCRIBE.items():
        monkeypatch.setitem(SUBSCRIBE, name, Noting(kind, note(name)))
    return found
