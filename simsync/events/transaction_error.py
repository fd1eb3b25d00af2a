"""Errors of transactions in words: the RPC writes them as nested JSON values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_INSTRUCTION_ERROR = "InstructionError"


class ErrorInWords:
    """Mixin of everything that has the ``error`` of a transaction."""

    __slots__ = ()

    error: Any

    @property
    def error_text(self) -> str | None:
        """The error as one line of text, None if the transaction succeeded."""
        return error_text(self.error)

    @property
    def error_code(self) -> int | None:
        """The number with which a program failed, such as 6001; None for any other error."""
        return error_code(self.error)

    @property
    def error_instruction(self) -> int | None:
        """Index of the instruction that failed, None if the error does not name one."""
        return error_instruction(self.error)


def error_instruction(error: object) -> int | None:
    """The index of the instruction that failed; None if the error does not name one."""
    part = _instruction_error(error)
    return None if part is None else part[0]


def error_code(error: object) -> int | None:
    """The number with which a program failed, such as 6001; None for any other error."""
    part = _instruction_error(error)
    if part is not None and isinstance(part[1], Mapping):
        code = part[1].get("Custom")
        if isinstance(code, int) and not isinstance(code, bool):
            return code
    return None


def error_text(error: object) -> str | None:
    """The error as one line of text; None for success."""
    if error is None:
        return None
    part = _instruction_error(error)
    if part is None:
        return _words(error)
    index, cause = part
    code = error_code(error)
    why = _words(cause) if code is None else f"custom program error {code} (0x{code:x})"
    return f"instruction {index} failed: {why}"


def _instruction_error(error: object) -> tuple[int, object] | None:
    """(index, cause) of ``{"InstructionError": [index, cause]}``."""
    if not isinstance(error, Mapping) or set(error) != {_INSTRUCTION_ERROR}:
        return None
    part = error[_INSTRUCTION_ERROR]
    if not isinstance(part, (list, tuple)) or len(part) != 2 or type(part[0]) is not int:
        return None
    return part[0], part[1]


def _words(error: object) -> str:
    """``"AccountNotFound"`` is itself; ``{"DuplicateInstruction": 1}`` becomes ``DuplicateInstruction (1)``."""
    if isinstance(error, str):
        return error
    if isinstance(error, Mapping) and len(error) == 1:
        ((name, details),) = error.items()
        return f"{name} ({_json(details)})"
    return _json(error)


def _json(value: object) -> str:
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, sort_keys=True)
    except (TypeError, ValueError, RecursionError):
        return f"<{type(value).__name__}>"
