"""Paths that a caller gives: their type, and how they are printed."""

from __future__ import annotations

import os
import re
from typing import Union

PathLike = Union[str, "os.PathLike[str]"]

_NOT_UTF_8 = re.compile("[\ud800-\udfff]")
"""How Python has the bytes of a name that are not UTF-8."""


def printable(path: PathLike) -> str:
    """A path, or text with paths in it, as it can be printed and stored: bytes that are not UTF-8 are U+FFFD."""
    return _NOT_UTF_8.sub("\ufffd", os.fspath(path))
