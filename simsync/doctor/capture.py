"""The file of a capture: one frame per line, written while the probe runs, without secrets.

The table of findings is made from these lines only, so everyone who has the file gets the same table.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Callable, Optional

import simsync
from simsync.doctor.fields import field, fold
from simsync.doctor.placeholders import numbered
from simsync.doctor.redaction import Redaction, identifiers, identifiers_in_path, shape

_SMALL = 2_048
"""A message of at most so many bytes is always kept whole."""
_LARGE = 256 * 1024
"""A message of more bytes is never kept whole."""
_WHOLE, _SHORTENED = 3, 20
"""How many other messages of one kind and connection are kept whole, and how many are kept at all."""
_LONGEST_TEXT, _LONGEST_LIST = 100, 10
_SHAPE_ONLY = ("/usage", "/build-bundle")
_WINDOW = ("since", "until")


@dataclass(frozen=True)
class Record:
    """One line of a capture: a :class:`~simsync.Frame`, or a note of the probe (``plane`` is ``probe``).

    Attributes:
        at: Seconds since the capture began.
        plane: ``control``, ``data``, ``http`` or ``probe``.
        connection: Number of the connection or HTTP exchange, from 1.
        direction: ``sent`` or ``received``.
        kind: ``open``, ``text``, ``binary``, ``close``, ``refused``, the HTTP method, ``reply``, or the kind of note.
        url: Address, without the host.
        status: Close code or HTTP status.
        message: The payload if it is JSON.
        text: The payload if it is other text.
        size: Bytes of the payload.
        shortened: Whether a part of the payload is left out.
    """

    at: float
    plane: str
    connection: int = 0
    direction: str = ""
    kind: str = ""
    url: str = ""
    status: Optional[int] = None
    message: object = None
    text: Optional[str] = None
    size: int = 0
    shortened: bool = False

    def line(self) -> str:
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        values = {name: value for name, value in values.items() if name == "at" or value not in (None, "", 0)}
        return json.dumps(values, separators=(",", ":"), ensure_ascii=False)


def read_capture(path: Path) -> list[Record]:
    """Read the file of a capture. An unfinished last line is left out.

    Raises:
        ValueError: A line is not a line of a capture.
    """
    known = {one.name for one in fields(Record)}
    records = []
    lines = path.read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(lines[:-1], 1):
        try:
            values = json.loads(line)
            records.append(Record(**{name: value for name, value in values.items() if name in known}))
        except (ValueError, TypeError, AttributeError) as error:
            raise ValueError(f"{path}, line {number}: not a line of a capture") from error
    return records


class CaptureFile:
    """Writes every frame into a file; pass it as ``Options(on_frame=...)``.

    Args:
        path: The file. An existing one is overwritten.
        redaction: What to remove. The capture adds the ids that it sees.

    Raises:
        OSError: The file cannot be opened.
    """

    def __init__(self, path: Path, redaction: Redaction) -> None:
        self._redaction = redaction
        self._began = time.monotonic()
        self._lock = threading.Condition()  # guards the file and everything below; notified of each record
        self._file = path.open("w", encoding="utf-8", buffering=1)
        self._numbers: dict[int, int] = {}
        self._names: Counter[str] = Counter()
        self._known: set[str] = set()
        self._seen: Counter[tuple[int, str, str]] = Counter()
        self._failure: OSError | None = None
        self.records: list[Record] = []

    def __enter__(self) -> CaptureFile:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        with self._lock, contextlib.suppress(OSError):
            self._file.close()

    def __call__(self, frame: simsync.Frame) -> None:
        with self._lock:
            number = self._numbers.setdefault(frame.connection, len(self._numbers) + 1)
            self._add(self._record(frame, number))

    def note(self, kind: str, text: str) -> None:
        """Record what the probe does."""
        with self._lock:
            self._add(Record(self._now(), "probe", 0, "", kind, text=self._redaction.sentence(text)))

    @property
    def place(self) -> int:
        """The number of records."""
        with self._lock:
            return len(self.records)

    def wait(self, wanted: Callable[[Record], bool], timeout: float, *, since: int = 0, count: int = 1) -> bool:
        """Wait for ``count`` records that are ``wanted``, counted from a place; False after ``timeout`` seconds."""
        place, found = since, 0

        def enough() -> bool:
            nonlocal place, found
            found += sum(1 for record in self.records[place:] if wanted(record))
            place = len(self.records)
            return found >= count

        with self._lock:
            return self._lock.wait_for(enough, max(0.0, timeout))

    def check(self) -> None:
        """Raise the OSError of a failed write. A frame handler must not raise, so frames only note it."""
        with self._lock:
            if self._failure is not None:
                raise self._failure

    def _now(self) -> float:
        return round(time.monotonic() - self._began, 6)

    def _add(self, record: Record) -> None:
        if self._file.closed:
            return  # of a session that is ended after an interrupt
        self.records.append(record)
        if self._failure is None:
            try:
                self._file.write(record.line() + "\n")
            except OSError as error:
                self._failure = error
        self._lock.notify_all()

    def _record(self, frame: simsync.Frame, number: int) -> Record:
        message, text = _decoded(frame.payload)
        self._learn(frame.url, message)
        content = _without_content(frame.url, message) if frame.plane == "http" else message
        part = self._part(frame.plane, number, content, len(frame.payload))
        # Secrets go before texts are cut: what is left of a secret that was cut cannot be recognized.
        shown = self._redaction.value(part)
        return Record(
            self._now(),
            frame.plane,
            number,
            frame.direction,
            frame.kind,
            self._redaction.address(frame.url),
            frame.status,
            shown if part is content else _cut(shown),
            None if text is None else self._redaction.sentence(text)[:_LARGE],
            len(frame.payload),
            part is not message,
        )

    def _learn(self, url: str, message: object) -> None:
        """Give each id a placeholder when it is first seen; it keeps the placeholder in the whole file."""
        for kind, text in (*identifiers_in_path(url), *identifiers(message)):
            if text not in self._known:
                self._known.add(text)
                self._names[kind] += 1
                self._redaction = self._redaction.also(text, numbered(kind, self._names[kind]))

    def _part(self, plane: str, number: int, message: object, size: int) -> object:
        """As much of a message as is kept, with whole texts."""
        if size <= _SMALL or message is None:
            return message
        method = field(message, "method")
        kind = (number, str(method), str(field(message, "params", "subscription")))
        self._seen[kind] += 1
        if self._seen[kind] <= _WHOLE and size <= _LARGE:
            return message
        if plane != "data" or self._seen[kind] <= _SHORTENED or not isinstance(method, str):
            return _first_entries(message)
        return _place_only(message)


def _decoded(payload: bytes) -> tuple[object, str | None]:
    """The JSON value, else the text; neither for bytes that are not UTF-8."""
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError:
        return None, None
    try:
        return json.loads(text), None
    except ValueError:
        return None, text or None


def _without_content(url: str, message: object) -> object:
    """Keep the names of the fields, but not what a key has used and built."""
    if not any(part in url for part in _SHAPE_ONLY):
        return message
    found = shape(message)
    if isinstance(message, dict):
        found.update({key: value for key, value in message.items() if fold(key) in _WINDOW})
    return found


def _first_entries(value: object) -> object:
    if isinstance(value, list):
        return [_first_entries(one) for one in value[:_LONGEST_LIST]]
    if isinstance(value, dict):
        return {key: _first_entries(one) for key, one in value.items()}
    return value


def _cut(value: object) -> object:
    if isinstance(value, str) and len(value) > _LONGEST_TEXT:
        return value[:_LONGEST_TEXT] + "…"
    if isinstance(value, list):
        return [_cut(one) for one in value]
    if isinstance(value, dict):
        return {key: _cut(one) for key, one in value.items()}
    return value


def _place_only(message: object) -> object:
    """Keep the subscription, the slot and the signature of a notification."""
    result = field(message, "params", "result")
    signatures, context = field(result, "transaction", "signatures"), field(result, "context", "slot")
    place = {
        "slot": field(result, "slot"),
        "context": {"slot": context} if context is not None else None,
        "signature": field(result, "signature"),
        "transaction": {"signatures": signatures[:1]} if isinstance(signatures, list) else None,
    }
    return {
        "method": field(message, "method"),
        "params": {
            "subscription": field(message, "params", "subscription"),
            "result": {key: value for key, value in place.items() if value is not None},
        },
    }
