"""The garbage collector while a command records: a tenth of the processor's time goes into it otherwise."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

_COLLECT_AFTER = 50_000
"""New objects after which it runs."""


@contextlib.contextmanager
def rare_collections() -> Iterator[None]:
    """Let the garbage collector run rarely, and never look at what exists now.

    Most of what exists are modules, and events have no cycles. It is for commands that run no code of the user: the
    library, and a command with a strategy, leave the collector alone.
    """
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)
