"""What is to be read before a capture is passed on: how much was removed, and the texts that stayed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from simsync.doctor.capture import Record
from simsync.doctor.fields import fold
from simsync.doctor.known_text import is_plain
from simsync.doctor.placeholders import PLACEHOLDER
from simsync.doctor.protocol_words import KEYS, PROTOCOL_WORDS, SPOKEN_KEYS


class RemainingText(NamedTuple):
    """A text of the server that stayed in the file, or a key that is not of the protocol.

    ``line`` is its first line in the file, ``times`` how often it occurs, and ``key`` the key that it is under, empty
    for a key.
    """

    line: int
    times: int
    key: str
    text: str


def removed(records: Iterable[Record]) -> Counter[str]:
    """How often each placeholder occurs in the file; numbered ones count together."""
    found: Counter[str] = Counter()
    for record in records:
        for one in PLACEHOLDER.finditer(record.line()):
            found[re.sub(r"-\d+$", "", one.group().strip("<>"))] += 1
    return found


def remaining_texts(records: Iterable[Record]) -> list[RemainingText]:
    """What stayed although simsync does not know it: nobody but a reader can tell what is in it."""
    seen: dict[tuple[str, str], list[int]] = {}
    for number, record in enumerate(records, 1):
        if record.plane == "probe":
            continue  # words of simsync
        for key, text in _texts(record):
            seen.setdefault((key, text), []).append(number)
    return [RemainingText(lines[0], len(lines), key, text) for (key, text), lines in seen.items()]


def _texts(record: Record) -> Iterator[tuple[str, str]]:
    if record.text:
        yield "text", record.text
    yield from _inside(record.message, "message")


def _inside(value: object, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str) and _is_unknown(fold(key), value):
        yield key, value
    elif isinstance(value, list):
        for one in value:
            yield from _inside(one, key)
    elif isinstance(value, dict):
        for name, one in value.items():
            if fold(name) not in KEYS and not is_plain(name):
                yield "", name
            yield from _inside(one, name)


def _is_unknown(name: str, text: str) -> bool:
    """A sentence, or a word that simsync does not know, under a key whose values may be one."""
    return name in SPOKEN_KEYS and not is_plain(text) and fold(text) not in PROTOCOL_WORDS
