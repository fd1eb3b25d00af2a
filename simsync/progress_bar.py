"""A progress bar around a loop over events, in terminals and notebooks."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterable, Iterator
from typing import Any, Callable, TypeVar

from simsync.errors import MissingExtra
from simsync.events import Slot

Item = TypeVar("Item")

_Advance = Callable[[int], object]


def progress(events: Iterable[Item], description: str = "slots") -> Iterator[Item]:
    """Show a bar while a loop runs: ``for event in simsync.progress(session.events(advance=10)):``.

    The bar is that of tqdm or else of rich, whichever is installed (extra ``[cli]`` has rich), on standard error. In a
    notebook, both need ipywidgets.

    Args:
        events: A loop over the events of a session, of all sub-sessions, or any other events.
        description: The text in front of the bar.

    Yields:
        Each event, or pair of a sub-session and an event, unchanged.

    Raises:
        MissingExtra: Neither tqdm nor rich is installed.
    """
    total: int | None = getattr(events, "slots", None)
    highest: dict[Any, int] = {}
    shown = 0
    with _bar(total, description) as advance:
        for item in events:
            session, event = item if isinstance(item, tuple) and len(item) == 2 else (None, item)
            if isinstance(event, Slot):
                # From slot to slot, so that slots without a block count too.
                before = highest.get(session, event.slot - 1)
                if event.slot > before:
                    highest[session] = event.slot
                    shown += event.slot - before
                    advance(event.slot - before)
            yield item
        if total is not None and total > shown:
            advance(total - shown)  # the last slots of a range may have no block


@contextlib.contextmanager
def _bar(total: int | None, description: str) -> Iterator[_Advance]:
    for make in (_tqdm, _rich):
        try:
            bar = make(total, description)
        except ImportError:
            continue
        with bar as advance:
            yield advance
        return
    raise MissingExtra("a progress bar", "cli")


def _tqdm(total: int | None, description: str) -> contextlib.AbstractContextManager[_Advance]:
    tqdm = importlib.import_module("tqdm.auto").tqdm

    @contextlib.contextmanager
    def shown() -> Iterator[_Advance]:
        with tqdm(total=total, desc=description, unit=" slots") as bar:
            yield bar.update

    return shown()


def _rich(total: int | None, description: str) -> contextlib.AbstractContextManager[_Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    @contextlib.contextmanager
    def shown() -> Iterator[_Advance]:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True)) as bars:
            task = bars.add_task(description, total=total)
            yield lambda slots: bars.update(task, advance=slots)

    return shown()
