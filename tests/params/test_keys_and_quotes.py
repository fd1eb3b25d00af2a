"""Keys: quotes around them are pointed out, and a short one is not cut out of words."""

from __future__ import annotations

import pytest

import simsync
from simsync.params.api_key import ApiKey


@pytest.mark.parametrize("value", ['"abc"', "'abc'", "`abc`", "“abc”", "‘abc’", "«abc»", '"abc"\n', " 'abc' ", '""'])
def test_quotes_around_a_key_are_pointed_out(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for make in (lambda: simsync.Client("ws://x", value), lambda: simsync.Client("ws://x")):
        monkeypatch.setenv("SIMULATOR_API_KEY", value)
        with pytest.raises(simsync.InvalidParams, match=r"api_key='\(hidden\)': is in quotes: remove them") as caught:
            make()
        assert "abc" not in str(caught.value)


@pytest.mark.parametrize("value", ["abc'", '"abc', "\"abc'", '"', "`abc", "abc”", ' "abc', 'abc"\n'])
def test_a_quote_at_one_end_is_pointed_out(value: str) -> None:
    with pytest.raises(simsync.InvalidParams, match=r"api_key='\(hidden\)': has a quotation mark at one end") as caught:
        simsync.Client("ws://x", value)
    assert "abc" not in str(caught.value)


@pytest.mark.parametrize("value", ["a'b'c", 'a"b', ""])
def test_other_quotes_may_be_a_part_of_it(value: str) -> None:
    simsync.Client("ws://x", value)


@pytest.mark.parametrize("value", ['"ws://sim.example"', "'sim.example'"])
def test_quotes_around_an_address_are_pointed_out(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(simsync.InvalidParams, match="is in quotes: remove them"):
        simsync.Client(value, "key")


@pytest.mark.parametrize(
    ("key", "text", "shown"),
    [
        ("k", "a key, k, is quoted: k", "a key, (hidden), is quoted: (hidden)"),
        ("te", "te test (te) te_x", "(hidden) test ((hidden)) te_x"),
        ("1234567", "x1234567 1234567.", "x1234567 (hidden)."),
        ("12345678", "x12345678x", "x(hidden)x"),
        ("a.b*c", "aXbbc a.b*c", "aXbbc (hidden)"),
        ("+key+", "the +key+ is", "the (hidden) is"),
        ("", "nothing", "nothing"),
    ],
)
def test_a_short_key_is_hidden_where_it_stands_alone(key: str, text: str, shown: str) -> None:
    assert ApiKey(key).hidden_in(text) == shown
    error = ValueError(text)
    assert ApiKey(key).harmless(error) is (error if text == shown else None)


@pytest.mark.parametrize("key", ["k", "ws", "nothing"])
def test_a_short_key_does_not_change_what_simsync_says(key: str) -> None:
    told = []
    for one in (key, "a-key-that-is-in-no-word"):
        for call in (
            lambda client: client.health(),
            lambda client: client.session(simsync.CreateSession(1, 2), timeout=20),
        ):
            with pytest.raises(simsync.ConnectError) as caught:
                call(
                    simsync.Client(
                        "ws://127.0.0.1:9", one, options=simsync.Options(reconnect_attempts=0, rpc_timeout=20.0)
                    )
                )
            told.append(str(caught.value))
    assert told[:2] == told[2:]
