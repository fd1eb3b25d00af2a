"""Executing transactions away from the thread of the caller."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_LOOK_AGAIN = 1.0
"""Seconds after which the waiting thread notices a signal that did not end its wait."""


def in_own_thread(action: Callable[[], T]) -> T:
    """Return the result of ``action``, called in a thread of its own. Raises what it raises.

    LiteSVM leaves the x87 unit of its thread in a state in which long doubles come out as NaN, until the thread ends.
    In the caller's thread numpy would calculate wrongly with them, and warn when it is imported.
    """
    results: list[T] = []
    failures: list[BaseException] = []

    def call() -> None:
        try:
            results.append(action())
        except BaseException as error:  # noqa: BLE001 (raised in the thread of the caller)
            failures.append(error)

    thread = threading.Thread(target=call, name="simsync-local-execute", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(_LOOK_AGAIN)
    if failures:
        raise failures[0]
    return results[0]
