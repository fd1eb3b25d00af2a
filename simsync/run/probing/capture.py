"""The file of a capture: one frame a line, written while it goes on, without secrets.

Everything that is made of a capture is made of these lines, so whoever gets the file sees the same.
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
from typing import Any, Callable, Optional

import simsync
from simsync.run.probing.fields import field, fold
from simsync.run.probing.redaction import Redaction, identifiers, identifiers_in_path, shape

_SMALL = 2_048
"""Bytes of a message that is always kept whole."""
_LARGE = 256 * 1024
"""Bytes of a message that is never kept whole."""
_WHOLE, _SHORTENED = 3, 20
"""How many larger messages of one kind and connection are kept whole, then shortened; of the rest only the place."""
_LONGEST_TEXT, _LONGEST_LIST = 100, 10
_SHAPE_ONLY = ("/usage", "/build-bundle")
_WINDOW = ("since", "until")


@dataclass(frozen=True)
class Record:
    """One line: a :class:`~simsync.Frame`, or (``plane`` ``probe``) what the probe did.

    ``at``: seconds since the capture began. ``message``: the payload if it is JSON, else ``text``. ``size``: bytes of
    the payload; ``shortened``: not all of it is here.
    """

    at: float
    plane: str
    connection: int = 0
    direction: str = ""
    kind: str = ""
    url: str = ""
    status: Optional[int] = None
    message: Any = None
    text: Optional[str] = None
    size: int = 0
    shortened: bool = False

    def line(self) -> str:
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        values = {name: value for name, value in values.items() if name == "at" or value not in (None, "", 0)}
        return json.dumps(values, separators=(",", ":"), ensure_ascii=False)


def read_capture(path: Path) -> list[Record]:
    """The lines of a file; an unfinished last one is left out. Raises ValueError for a line that is none."""
    known = {one.name for one in fields(Record)}
    records = []
    lines = path.read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(lines[:-1], 1):
        try:
            values = json.loads(line)
            records.append(Record(**{name: value for name, value in values.items() if name in known}))
        except (ValueError, TypeError, AttributeError) as error:
            raise ValueError(f"{path}, line {number}: no line of a capture") from error
    return records


class CaptureFile:
    """Give it to ``Options(on_frame=...)``. Raises OSError when the file cannot be written."""

    def __init__(self, path: Path, redaction: Redaction) -> None:
        self._redaction = redaction
        self._began = time.monotonic()
        self._changed = threading.Condition()  # guards everything below, and the file
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
        with self._changed, contextlib.suppress(OSError):
            self._file.close()

    def __call__(self, frame: simsync.Frame) -> None:
        with self._changed:
            number = self._numbers.setdefault(frame.connection, len(self._numbers) + 1)
            self._add(self._record(frame, number))

    def note(self, kind: str, text: str) -> None:
        """Take down what the probe does."""
        with self._changed:
            self._add(Record(self._now(), "probe", 0, "", kind, text=self._redaction.text(text)))

    @property
    def place(self) -> int:
        """How many records there are."""
        with self._changed:
            return len(self.records)

    def wait(self, wanted: Callable[[Record], bool], timeout: float, *, since: int = 0, count: int = 1) -> bool:
        """Wait for ``count`` records that are ``wanted``, from a place on; False after ``timeout`` seconds."""
        place, found = since, 0

        def enough() -> bool:
            nonlocal place, found
            found += sum(1 for record in self.records[place:] if wanted(record))
            place = len(self.records)
            return found >= count

        with self._changed:
            return self._changed.wait_for(enough, max(0.0, timeout))

    def check(self) -> None:
        """Raises OSError if the file could not be written."""
        with self._changed:
            if self._failure is not None:
                raise self._failure

    def _now(self) -> float:
        return round(time.monotonic() - self._began, 6)

    def _add(self, record: Record) -> None:
        self.records.append(record)
        if self._failure is None:
            try:
                self._file.write(record.line() + "\n")
            except OSError as error:
                self._failure = error
        self._changed.notify_all()

    def _record(self, frame: simsync.Frame, number: int) -> Record:
        message, text = _decoded(frame.payload)
        self._learn(frame.url, message)
        url = self._redaction.text(frame.url)
        shortened = False
        if message is not None:
            kept = _without_content(frame.url, message) if frame.plane == "http" else message
            kept = self._shorten(frame.plane, number, kept, len(frame.payload))
            shortened = kept is not message
            message = self._redaction.value(kept)
        return Record(
            self._now(),
            frame.plane,
            number,
            frame.direction,
            frame.kind,
            url,
            frame.status,
            message,
            None if text is None else self._redaction.text(text[:_LARGE]),
            len(frame.payload),
            shortened,
        )

    def _learn(self, url: str, message: Any) -> None:
        """Give every id that turns up a name of its own, which stays the same in the whole file."""
        for kind, text in (*identifiers_in_path(url), *identifiers(message)):
            if text not in self._known:
                self._known.add(text)
                self._names[kind] += 1
                self._redaction = self._redaction.also(text, f"<{kind}-{self._names[kind]}>")

    def _shorten(self, plane: str, number: int, message: Any, size: int) -> Any:
        if size <= _SMALL:
            return message
        method = field(message, "method")
        kind = (number, str(method), str(field(message, "params", "subscription")))
        self._seen[kind] += 1
        if self._seen[kind] <= _WHOLE and size <= _LARGE:
            return message
        if plane != "data" or self._seen[kind] <= _SHORTENED or not isinstance(method, str):
            return _shortened(message)
        return _place_only(message)


def _decoded(payload: bytes) -> tuple[Any, str | None]:
    """The JSON value, else the text; neither for bytes that are no text."""
    if not payload:
        return None, None
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError:
        return None, None
    try:
        return json.loads(text), None
    except ValueError:
        return None, text


def _without_content(url: str, message: Any) -> Any:
    """What a key has used and built is nobody's business; the names of the fields are."""
    if not any(part in url for part in _SHAPE_ONLY):
        return message
    window = {}
    if isinstance(message, dict):
        window = {key: value for key, value in message.items() if fold(key) in _WINDOW}
    found = shape(message)
    return {**found, **window} if isinstance(found, dict) else found


def _shortened(value: Any) -> Any:
    if isinstance(value, str) and len(value) > _LONGEST_TEXT:
        return value[:_LONGEST_TEXT] + "…"
    if isinstance(value, list):
        return [_shortened(one) for one in value[:_LONGEST_LIST]]
    if isinstance(value, dict):
        return {key: _shortened(one) for key, one in value.items()}
    return value


def _place_only(message: Any) -> Any:
    """Of a notification: which subscription and slot it is about, and of which transaction."""
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
