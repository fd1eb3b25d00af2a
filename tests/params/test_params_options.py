"""Options: valid values are stored, wrong values are rejected by name."""

from __future__ import annotations

import dataclasses
import ssl
from typing import Any

import pytest

from simsync.errors import InvalidParams
from simsync.options import Options
from simsync.wire.dialect import Dialect

SECONDS = [field.name for field in dataclasses.fields(Options) if str(field.type) == "float"]
FLAGS = [field.name for field in dataclasses.fields(Options) if str(field.type) == "bool"]
NUMBERS = [field.name for field in dataclasses.fields(Options) if str(field.type) == "int"]


def test_every_option_has_a_kind_that_is_checked_here() -> None:
    names = {field.name for field in dataclasses.fields(Options)}
    assert names == {*SECONDS, *FLAGS, *NUMBERS, "ssl_context", "ca_bundle", "dialect", "on_frame"}


# feature: address, key, connect and request timeouts
@pytest.mark.parametrize("name", SECONDS)
def test_bad_seconds(name: str) -> None:
    for value in (-0.1, float("nan"), float("inf"), 10**400, "5", None, True, [5]):
        refused(name, value)


@pytest.mark.parametrize("name", FLAGS)
def test_bad_flags(name: str) -> None:
    for value in (0, 1, "no", None):
        refused(name, value)


@pytest.mark.parametrize("name", NUMBERS)
def test_bad_numbers(name: str) -> None:
    for value in (-1, 2**32, 1.5, "5", None, True):
        refused(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("connect_timeout", 0),
        ("handshake_timeout", 0),
        ("create_timeout", 0.0),
        ("ping_interval", 0),
        ("rpc_timeout", 0),
        ("dead_after", 15.0),
        ("dead_after", 0),
        ("backoff_jitter", 1),
        ("backoff_jitter", 1.5),
        ("continue_queue", 0),
        ("max_message", 65_535),
        ("ssl_context", True),
        ("ssl_context", "/etc/ssl/ca.pem"),
        ("on_frame", "frames.ndjson"),
        ("dialect", None),
        ("dialect", {"nested_continue": False}),
    ],
)
def test_bad_values(name: str, value: Any) -> None:
    refused(name, value)


def refused(name: str, value: Any) -> None:
    with pytest.raises(InvalidParams) as caught:
        Options(**{name: value})
    assert caught.value.argument == name
    assert str(caught.value).startswith(f"{name}=")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("connect_timeout", 0.001),
        ("reconnect_window", 0),
        ("reconnect_attempts", 0),
        ("reconnect_attempts", 2**32 - 1),
        ("backoff_initial", 0),
        ("backoff_jitter", 0),
        ("backoff_jitter", 0.999),
        ("dead_after", 15.001),
        ("continue_queue", 1),
        ("coverage_tolerance", 0),
        ("max_message", 65_536),
        ("close_timeout", 0),
        ("drain_idle", 10**9),
        ("ssl_context", None),
        ("dialect", Dialect(nested_continue=False)),
        ("strict_sequence", True),
    ],
)
def test_good_values(name: str, value: Any) -> None:
    assert getattr(Options(**{name: value}), name) == value


def test_a_context_is_taken_and_not_shown() -> None:
    context = ssl.create_default_context()
    options = Options(ssl_context=context)
    assert options.ssl_context is context
    assert "ssl_context" not in repr(options)


def test_options_do_not_change_and_changed_copies_are_checked() -> None:
    options = Options()
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.ping_interval = 1.0  # type: ignore[misc]
    assert dataclasses.replace(options, ping_interval=1.0).ping_interval == 1.0
    with pytest.raises(InvalidParams, match="dead_after"):
        dataclasses.replace(options, ping_interval=60.0)


def test_defaults() -> None:
    options = Options()
    assert (options.connect_timeout, options.handshake_timeout, options.create_timeout) == (30.0, 180.0, 900.0)
    assert (options.ping_interval, options.dead_after, options.drain_idle) == (15.0, 45.0, 60.0)
    assert (options.backoff_initial, options.backoff_max, options.backoff_jitter) == (0.5, 30.0, 0.2)
    assert (options.reconnect_attempts, options.reconnect_window, options.uptime_reset) == (20, 900.0, 60.0)
    assert (options.close_timeout, options.continue_queue) == (5.0, 256)
    assert options.dialect == Dialect()
