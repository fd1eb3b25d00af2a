"""Paths that a caller gives: their type, and how they are printed."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Union

from simsync.errors import InvalidParams

PathLike = Union[str, "os.PathLike[str]"]

_NOT_UTF_8 = re.compile("[\ud800-\udfff]")
"""How Python has the bytes of a name that are not UTF-8."""


def printable(path: PathLike) -> str:
    """A path, or text with paths in it, as it can be printed and stored: bytes that are not UTF-8 are U+FFFD."""
    return _NOT_UTF_8.sub("\ufffd", os.fspath(path))


def as_path(value: PathLike) -> Path:
    """A path as an object. ``./-`` stays a file: pathlib makes ``-`` of it, which means standard input or output."""
    path = Path(value)
    return path.absolute() if str(path) == "-" != os.fspath(value) else path


def file_path(argument: str, value: object) -> Path:
    """The path of a file, never standard input or output: a file may have the name ``-``.

    Raises:
        InvalidParams: The value is neither text nor a path of pathlib.
    """
    name = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(name, str):
        raise InvalidParams(argument, value, "must be text or a pathlib.Path")
    path = Path(name)
    return Path.cwd() / path if str(path) == "-" else path
