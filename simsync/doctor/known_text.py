"""What may stay of a text: words that everyone uses, and shapes that tell nothing about a user.

This is a list of what may stay, not of what has to go: nobody can list what a secret looks like.
"""

from __future__ import annotations

import re
from functools import lru_cache

from simsync.doctor.fields import fold
from simsync.doctor.placeholders import NUMBER, PLACEHOLDER, WORD
from simsync.doctor.plain_words import PLAIN_WORDS
from simsync.doctor.protocol_words import KEYS, PROTOCOL_WORDS, SPELLED
from simsync.params import base58

MOST_DIGITS = 4
"""A longer number may be that of a person: of a telephone, an account, a card."""
_ADDRESS_LENGTH, _SIGNATURE_LENGTH = 32, 64
"""In bytes. A secret key is as long as a signature, so only a signature where one belongs is harmless."""

_BASE58 = r"(?<![A-Za-z0-9])[1-9A-HJ-NP-Za-km-z]{32,88}(?![A-Za-z0-9])"
_TIME = r"(?<![\w-])\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d)?)?(?![\w-])"
_DIGITS = r"(?<!\w)\+?\(?\d(?:[\d ()/.,+-]*\d)?(?!\w)"
_NUMBERS = re.compile(f"(?P<base58>{_BASE58})|(?P<time>{_TIME})|(?P<digits>{_DIGITS})")
_POINT = re.compile(_TIME)
_NUMERAL = re.compile(r"[-+]?\d{1,20}(?:\.\d{1,20})?")
_VERSION = re.compile(r"\d{1,2}\.\d{1,3}\.\d{1,3}|\d\.\d")
_QUANTITY = re.compile(rf"[-+#]?\d{{1,{MOST_DIGITS}}}(?:\.\d{{1,3}})?(?:%|ms|s)?|0x[0-9a-fA-F]{{1,{MOST_DIGITS}}}")
_PLACE = re.compile(
    rf"(?:(?:https?|wss?)://)?(?:/?(?:backtest|build-bundle|available-ranges|{PLACEHOLDER.pattern}))+/?"
)
_AROUND = "()[]{}\"'`.,;:!?…→#"
_JOINTS = re.compile(rf"\((?:\)|$)|\[\d{{0,{MOST_DIGITS}}}(?:\]|$)|=\d{{1,{MOST_DIGITS}}}(?![^\W_])|[-/:=,]")
"""Between the words of one chunk. A number after ``:`` or ``-`` is that of a machine or a ticket."""
_ENDING = re.compile(r"['’](?:t|s|re|ll)$")
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_CHUNK = re.compile(r"\S+")

_WORDS = PLAIN_WORDS | {part.lower() for word in SPELLED for part in _PARTS.findall(word)}


def is_signature(text: str) -> bool:
    """True for base58 of 64 bytes."""
    return _length(text) == _SIGNATURE_LENGTH


@lru_cache(maxsize=4_096)
def _length(text: str) -> int:
    """The number of bytes of base58 that may be an address or a signature; 0 for any other text."""
    return len(base58.decode(text)) if re.fullmatch(_BASE58, text) else 0


def is_numeral(text: str) -> bool:
    """True for a number as text, of any size."""
    return _NUMERAL.fullmatch(text) is not None


def is_plain(text: str) -> bool:
    """True for nothing, an address of the chain, a time, a small number, a version, or a placeholder."""
    if not text or _length(text) == _ADDRESS_LENGTH:
        return True
    return any(shape.fullmatch(text) for shape in (PLACEHOLDER, _PLACE, _POINT, _QUANTITY, _VERSION))


@lru_cache(maxsize=4_096)
def is_known_name(text: str) -> bool:
    """True for a word of the protocol, and for a name of which each part is a known word, such as ``warmingUp``."""
    if fold(text) in PROTOCOL_WORDS:
        return True
    parts = _PARTS.findall(text)
    return "".join(parts) == text.replace("_", "") and bool(parts) and all(part.lower() in _WORDS for part in parts)


def known_part(text: str) -> str:
    """A sentence with a placeholder in place of each number, word and expression that is not known."""
    text = _NUMBERS.sub(_number, text)
    return _CHUNK.sub(lambda found: _chunk(found.group()), text)


def _number(found: re.Match[str]) -> str:
    text = found.group()
    if found.lastgroup != "digits":
        return text
    return text if sum(map(str.isdecimal, text)) <= MOST_DIGITS else NUMBER


@lru_cache(maxsize=4_096)
def _chunk(text: str) -> str:
    core = text.strip(_AROUND)
    if not core or is_plain(core) or _stays(core):
        return text
    before, after = text.split(core, 1)
    return f"{before}{WORD}{after}"


def _stays(core: str) -> bool:
    if "." in core:  # as in the name of a host or a file
        return all(fold(piece) in KEYS for piece in re.split(r"[.]|\[\d{0,4}\]", core) if piece)
    pieces = _JOINTS.split(PLACEHOLDER.sub("placeholder", core))
    return all(not piece or is_known_name(_ENDING.sub("", piece)) for piece in pieces)
