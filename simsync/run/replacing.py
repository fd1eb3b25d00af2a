"""Writing a file at once or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Where to write what takes the place of ``target`` when the block ends; nothing is left behind when it raises.

    Raises OSError.
    """
    part = target.with_name(f".{target.name}.part")
    try:
        yield part
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
