"""Modules that are imported where they are needed first, because importing them takes as long as importing simsync."""

from __future__ import annotations

import importlib
import sys

from simsync.runtime.exhaustion import check_room, exhaustion

HTTP = ("encodings.idna", "tenacity", "urllib.request", "requests", "simsync.runtime.http")
"""What sessions, RPC and services need."""

_DESCRIPTORS = 4
"""Room that is asked for before an import: one that fails half-way can leave a library without one of its parts."""


def load(*names: str) -> None:
    """Import modules before the call that needs them takes its first descriptor.

    Raises Exhausted if the process may not open their files.
    """
    missing = [name for name in names if name not in sys.modules]
    if not missing:
        return
    check_room(_DESCRIPTORS)
    for name in missing:
        try:
            importlib.import_module(name)
        except (ImportError, OSError) as error:
            limit = exhaustion(error)
            if limit is None:
                raise
            raise limit from error
