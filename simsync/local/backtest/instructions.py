"""The instructions of a message, and what RPC tells of a transaction by them: is it a vote, its price, its memos."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from simsync.local.encoding import decode_base58
from simsync.local.engine.programs import COMPUTE_BUDGET_PROGRAM, MEMO_PROGRAMS, VOTE_PROGRAM

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simsync.local.engine.message_parts import MessageParts

_SET_PRICE = b"\3"
_PRICE = slice(1, 9)
_MEMO_PROGRAMS = frozenset(map(str, MEMO_PROGRAMS))
_MOST_VOTE_SIGNATURES = 2


class TopInstruction(NamedTuple):
    """An instruction of a message, as opposed to one that a program runs.

    Attributes:
        program: The address of its program; empty if the message is broken.
        data: Its data; empty if a recording in ``jsonParsed`` holds ``parsed`` instead.
        parsed: What the instruction means.
    """

    program: str
    data: bytes
    parsed: object = None


def instructions_of(message: MessageParts) -> list[TopInstruction]:
    """Return the instructions of a message."""
    keys = message.keys
    return [
        TopInstruction(str(keys[program]) if program < len(keys) else "", data)
        for program, _accounts, data in message.instructions
    ]


def recorded_instructions(message: dict[str, Any]) -> list[TopInstruction]:
    """Return the instructions of a message in ``json`` or ``jsonParsed``."""
    keys = [key["pubkey"] if isinstance(key, dict) else key for key in message["accountKeys"]]
    found = []
    for one in message.get("instructions") or ():
        index = one.get("programIdIndex", len(keys))
        program = one.get("programId") or (keys[index] if index < len(keys) else "")
        found.append(TopInstruction(program, _bytes(one.get("data")), one.get("parsed")))
    return found


def is_vote(version: str | int, signatures: int, instructions: Sequence[TopInstruction]) -> bool:
    """Is it a simple vote, as a node defines it, so that it counts neither for fees nor in the logs of "all"?"""
    return (
        version == "legacy"
        and signatures <= _MOST_VOTE_SIGNATURES
        and len(instructions) == 1
        and instructions[0].program == str(VOTE_PROGRAM)
    )


def price_of(instructions: Sequence[TopInstruction]) -> int:
    """Return the price per compute unit in micro-lamports. No node parses the instruction that sets it."""
    prices = [
        int.from_bytes(one.data[_PRICE], "little")
        for one in instructions
        if one.program == str(COMPUTE_BUDGET_PROGRAM) and one.data[:1] == _SET_PRICE and len(one.data) >= _PRICE.stop
    ]
    return prices[-1] if prices else 0


def memos_of(instructions: Sequence[TopInstruction]) -> str | None:
    """Return the memos as a node lists them with a signature, whether or not they were executed; None without any."""
    return "; ".join(_memo(one) for one in instructions if one.program in _MEMO_PROGRAMS) or None


def _memo(one: TopInstruction) -> str:
    if isinstance(one.parsed, str):
        return f"[{len(one.parsed.encode())}] {one.parsed}"
    try:
        return f"[{len(one.data)}] {one.data.decode()}"
    except UnicodeDecodeError:
        return f"[{len(one.data)}] (unparsable)"


def _bytes(text: object) -> bytes:
    """Return the data of an instruction; empty if it is not base58, which a recording in ``jsonParsed`` may hold."""
    try:
        return decode_base58(text) if isinstance(text, str) else b""
    except ValueError:
        return b""
