"""Modules that are imported where they are needed first, because importing them takes as long as importing simsync."""

from __future__ import annotations

import importlib
import queue
import threading

from simsync.interruptible import take
from simsync.runtime.exhaustion import Exhausted, check_room, exhaustion
from simsync.runtime.threads import spawn

SESSION = ("encodings.idna",)
"""What sessions need."""
RETRY = ("tenacity",)
"""What decides about another attempt, once a connection was lost or a request failed."""
SUBSCRIPTION = ("simsync.runtime.subscription_reader",)
"""The part of simsync that receives what a session subscribes to, and zstandard."""
HTTP = (*SESSION, *RETRY, "urllib.request", "requests", "simsync.runtime.http", "simsync.reports")
"""What RPC and services need. A session asks its RPC only when a continue is in doubt, or for its caller."""

_DESCRIPTORS = 4
"""Room that is asked for before an import: one that fails half-way can leave a library without one of its parts."""

_LOADED: set[str] = set()
"""Imported to the end. ``sys.modules`` also has the modules that another thread is still importing."""


def load(*names: str) -> None:
    """Import modules before the call that needs them takes its first descriptor.

    Raises Exhausted if the process may not open their files.
    """
    missing = [name for name in names if name not in _LOADED]
    if not missing:
        return
    if threading.current_thread() is not threading.main_thread():
        _import(missing)
        return
    # Ctrl-C in the middle of an import can leave a library without one of its parts, too. It interrupts the main
    # thread only, so another one imports.
    outcome: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
    try:
        spawn("import", lambda: outcome.put(_failure(missing)))
    except Exhausted:
        _import(missing)
        return
    # wait: caller, its first call | the import of libraries | it ends | nothing
    error = take(outcome)
    if error is not None:
        raise error


def _failure(names: list[str]) -> BaseException | None:
    try:
        _import(names)
    except BaseException as error:  # noqa: BLE001  raised again in the thread that waits
        return error
    return None


def _import(names: list[str]) -> None:
    check_room(_DESCRIPTORS)
    for name in names:
        try:
            importlib.import_module(name)
        except (ImportError, OSError) as error:
            limit = exhaustion(error)
            if limit is None:
                raise
            raise limit from error
        _LOADED.add(name)
