"""The names that the lines of docs/reference/mistakes.md use, and the result of running one."""

from __future__ import annotations

import contextlib
import os
import socket
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Callable

import simsync
from simsync.local import Ledger, Simulator

FIRST, SLOTS = 1_000, 10


@contextlib.contextmanager
def names() -> Iterator[dict[str, Any]]:
    """Yield ``url`` and ``key`` of a simulator, and sessions in every state."""
    ledger = Ledger.generate(seed=4, start_slot=FIRST, slots=SLOTS, transactions_per_slot=2, bundle_size=SLOTS)
    create = simsync.CreateSession(FIRST, slot_count=SLOTS)
    options = simsync.Options(continue_grace=0.2)
    with contextlib.ExitStack() as stack:
        simulator = stack.enter_context(Simulator(ledger))
        slow = stack.enter_context(Simulator(ledger, slot_delay=1.0))
        client = simsync.Client(simulator.url, simulator.api_key, options=options)

        def opened(at: simsync.Client = client) -> simsync.BacktestSession:
            return stack.enter_context(at.session(create, timeout=20))

        session, drained, completed, closed = opened(), opened(), opened(), opened()
        for one in (session, drained):
            one.ensure_ready(timeout=20)
        list(drained.pending())
        list(completed.events(advance=SLOTS, timeout=20))
        closed.close()
        quick = simsync.Client(slow.url, slow.api_key, options=replace(options, close_timeout=1.0))
        busy = opened(quick)
        busy.ensure_ready(timeout=20)
        busy.send_continue(advance_count=SLOTS - 1, timeout=20)
        while getattr(busy.next_event(timeout=20), "slot", FIRST) == FIRST:
            pass  # the slot behind the first one shows that the engine is executing
        nobody = stack.enter_context(socket.socket())
        nobody.bind(("127.0.0.1", 0))  # bound but not listening, so that no other program can listen there
        yield {
            "simsync": simsync,
            "url": simulator.url,
            "key": simulator.api_key,
            "nobody": f"ws://127.0.0.1:{nobody.getsockname()[1]}",
            "client": client,
            "create": create,
            "session": session,
            "drained": drained,
            "busy": busy,
            "completed": completed,
            "closed": closed,
            "in_a_fork": in_a_fork,
        }


def outcome(expression: str, namespace: dict[str, Any]) -> tuple[str, str]:
    """Return the name of the exception that the expression raises and its message, both empty if it raises none."""
    try:
        value = eval(expression, dict(namespace))
    except Exception as error:  # noqa: BLE001  any exception is compared
        return type(error).__name__, str(error)
    finally:
        for name in namespace.values():
            if isinstance(name, simsync.BacktestSession):
                name.rpc.close()
    if hasattr(value, "close"):
        value.close()
    return "", ""


def in_a_fork(call: Callable[[], object]) -> None:
    """Raise what ``call`` raises in a forked child, without its traceback."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # about forking a process with threads, which is what is tested
        child = os.fork()
    if not child:
        try:
            call()
        except simsync.SimsyncError as error:
            os.write(writer, f"{type(error).__name__}\n{error}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        text = pipe.read().decode()
    os.waitpid(child, 0)
    if text:
        kind, message = text.split("\n", 1)
        raise getattr(simsync, kind)(message)
