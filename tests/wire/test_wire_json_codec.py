"""The two JSON libraries: the fallback keeps the promises of the fast one."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simsync.wire import json_codec
from simsync.wire.json_codec import dumps_with_standard_library, loads_with_standard_library

orjson: Any
try:
    import orjson
except ImportError:
    orjson = None

needs_orjson = pytest.mark.skipif(orjson is None, reason="orjson is not installed")
READERS = [loads_with_standard_library] if orjson is None else [loads_with_standard_library, orjson.loads]

SMALL_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=6), children, max_size=3),
    max_leaves=8,
)


@needs_orjson
def test_the_fast_library_is_used_when_it_is_there() -> None:
    assert json_codec.loads is orjson.loads
    assert json_codec.dumps is orjson.dumps


def test_the_fallback_is_used_when_it_is_not() -> None:
    program = (
        "import sys; sys.modules['orjson'] = None\n"
        "from simsync.wire import json_codec as codec\n"
        "assert codec.loads is codec.loads_with_standard_library\n"
        "assert codec.dumps is codec.dumps_with_standard_library\n"
        "from simsync.wire import requests\n"
        "print(requests.close_all().decode())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == '{"method":"closeBacktestSession"}'


@needs_orjson
@settings(max_examples=80, deadline=None, database=None)
@given(value=SMALL_JSON)
def test_both_write_and_read_the_same(value: Any) -> None:
    fallback, fast = dumps_with_standard_library(value), orjson.dumps(value)
    assert loads_with_standard_library(fast) == orjson.loads(fast) == value
    assert loads_with_standard_library(fallback) == orjson.loads(fallback) == value
    assert b" " not in fallback or " " in repr(value), "the text is compact"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"[1]x",
        b"nul",
        b"\xff",
        b'"\x01"',
        b"\xef\xbb\xbf1",
        b"NaN",
        b"[NaN]",
        b" NaN ",
        b"-Infinity",
        b"'x'",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"1" * 5_000,
    ],
)
def test_both_refuse_the_same_with_a_value_error(payload: bytes) -> None:
    for loads in READERS:
        with pytest.raises(ValueError) as caught:
            loads(payload)
        assert str(caught.value)


@pytest.mark.parametrize("payload", [b" 1 ", b"\n{}\r\t", b"[ ]", b'{"a":1,"a":2}', b"18446744073709551615", b"-0"])
def test_both_accept_the_same(payload: bytes) -> None:
    for loads in READERS:
        assert loads(payload) == json.loads(payload)


def test_text_beyond_ascii_is_written_as_it_is() -> None:
    assert dumps_with_standard_library({"é": "☃"}) == '{"é":"☃"}'.encode()


@pytest.mark.parametrize("odd", [b"", b" 1", b"1 ", b"{", b"1 2", b"NaN", b"\xff", b"[" * 100_000])
def test_many_documents_are_read_as_each_of_them_or_refused(odd: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_codec, "loads", loads_with_standard_library)
    payloads = [b'{"a":[1]}', b'"\xc3\xa4"', b"2"]
    assert json_codec.loads_all(payloads) == [{"a": [1]}, "ä", 2]
    assert json_codec.loads_all([]) == []
    with pytest.raises(ValueError):
        json_codec.loads_all([*payloads, odd])
