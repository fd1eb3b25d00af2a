"""The text of recordings is the same with and without orjson, and one line of ASCII."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simsync.run import record_json
from simsync.run.record_json import json_line, loads

orjson: Any
try:
    import orjson
except ImportError:
    orjson = None

needs_orjson = pytest.mark.skipif(orjson is None, reason="orjson is not installed")
KEYS = st.text(max_size=4) | st.integers() | st.booleans() | st.none()
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=10),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(KEYS, children, max_size=3),
    max_leaves=8,
)


@dataclass
class Named:
    name: str = "x"


def without_orjson(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(record_json, "orjson", None)


def read(line: bytes) -> str:
    """The values of a line, so that those that are not equal to themselves are."""
    return repr(json.loads(line))


@needs_orjson
def test_the_fast_library_is_used_when_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert json_line(1.5e-7) == b"1.5e-7\n"
    without_orjson(monkeypatch)
    assert json_line(1.5e-7) == b"1.5e-07\n"


@given(VALUES)
@settings(deadline=None)
def test_a_line_has_the_same_values_whichever_library_writes_it(value: object) -> None:
    line = json_line(value)
    with pytest.MonkeyPatch.context() as patch:
        without_orjson(patch)
        plain = json_line(value)
    assert read(line) == read(plain)
    for one in (line, plain):
        assert one.isascii()
        assert one.count(b"\n") == 1
        assert one.endswith(b"\n")


@pytest.mark.parametrize("text", ["\u2028", "\x85", "\x0b", "é", "\r", "\ud800", "\\ud800"])
def test_no_character_of_a_text_ends_a_line(text: str) -> None:
    line = json_line({"type": "tx", "data": {"logs": [text, "x"]}})
    assert len(line.decode("ascii").splitlines()) == 1
    assert json.loads(line)["data"]["logs"] == [text.replace("\ud800", "\ufffd"), "x"]


@pytest.mark.parametrize("value", [datetime(2026, 1, 1, tzinfo=timezone.utc), Named(), {1}, b"x"])
def test_what_is_not_json_is_refused_whatever_is_installed(value: object, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TypeError):
        json_line([value])
    without_orjson(monkeypatch)
    with pytest.raises(TypeError):
        json_line([value])


@pytest.mark.parametrize("number", [2**63, 2**64 - 1, 2**64, -(2**63) - 1, 10**40, 12345678901234567890123])
@pytest.mark.parametrize("place", ["{}", "[1,{}]", '{{"a":{},"b":"x"}}'])
def test_integers_of_any_size_are_read(number: int, place: str) -> None:
    text = place.format(number)
    assert loads(text.encode()) == json.loads(text)
    assert json.loads(json_line(json.loads(text))) == json.loads(text)
