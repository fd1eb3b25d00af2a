"""Errors of the simulator: every variant, in every form, with its severity."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from simsync.events import BacktestError
from simsync.wire import server_errors
from simsync.wire.server_errors import decode_error, is_ignored, is_terminal, refuses_continue

TERMINAL = [
    ("SessionNotFound", {"session_id": "backtest_a1"}),
    ("SessionOwnerMismatch", {}),
    ("NoMoreBlocks", {}),
    ("BundleNotFound", {"start_slot": 1, "end_slot": 2}),
    ("NoProducedBlocksInRange", {"start_slot": 1, "end_slot": 2}),
    ("SessionNameTaken", {"session_name": "june"}),
    ("AdvanceSlotFailed", {"slot": 1, "error": "bad"}),
    ("FinalizeSlotFailed", {"slot": 1, "error": "bad"}),
    ("InitializingSysvarsFailed", {"slot": 1, "error": "bad"}),
    ("InvalidRequest", {"error": "bad"}),
]
TRANSIENT: list[tuple[str, dict[str, Any]]] = [
    ("SessionOwnershipBusy", {"reason": "handed over"}),
    ("Internal", {"error": "bad"}),
    ("ClerkError", {"error": "bad"}),
]
IGNORED: list[tuple[str, dict[str, Any]]] = [("SimulationError", {"error": "bad"})]
DELIVERED: list[tuple[str, dict[str, Any]]] = [
    ("InvalidTransactionEncoding", {"index": 0, "error": "bad"}),
    ("InvalidTransactionFormat", {"index": 0, "error": "bad"}),
    ("InvalidAccountEncoding", {"address": "a", "encoding": "base58", "error": "bad"}),
    ("InvalidAccountOwner", {"address": "a", "error": "bad"}),
    ("InvalidAccountPubkey", {"address": "a", "error": "bad"}),
    ("InvalidBlockhashFormat", {"slot": 1, "error": "bad"}),
]
ALL = [*TERMINAL, *TRANSIENT, *IGNORED, *DELIVERED]


def camel(name: str) -> str:
    return name[0].lower() + name[1:]


def snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def forms(name: str, fields: dict[str, Any]) -> list[Any]:
    """Every form in which the variant may arrive."""
    written: list[Any] = []
    for spelled in (name, camel(name), snake(name), name.upper()):
        for spelled_fields in (fields, {camel_key(key): value for key, value in fields.items()}):
            written.append({spelled: spelled_fields or None})
            for tag in ("type", "kind", "code", "method", "error"):
                for content in ("params", "data", "content"):
                    written.append({tag: spelled, content: spelled_fields or None})
                if "error" not in spelled_fields or tag != "error":
                    written.append({tag: spelled, **spelled_fields})
        if not fields:
            written += [spelled, {spelled: {}}]
    return written


def camel_key(key: str) -> str:
    head, *rest = key.split("_")
    return head + "".join(word.capitalize() for word in rest)


@pytest.mark.parametrize(("name", "fields"), ALL)
def test_every_variant_in_every_form(name: str, fields: dict[str, Any]) -> None:
    for raw in forms(name, fields):
        assert decode_error(raw) == BacktestError(name, fields, raw), raw


@pytest.mark.parametrize(
    ("names", "terminal", "ignored", "refuses"),
    [
        ([name for name, _fields in TERMINAL], True, False, False),
        ([name for name, _fields in TRANSIENT], False, False, False),
        ([name for name, _fields in IGNORED], False, True, False),
        ([name for name, _fields in DELIVERED], False, False, True),
        (["diskFull", "", "Unknown", "session_not_found"], False, False, False),
    ],
)
def test_severity(names: list[str], terminal: bool, ignored: bool, refuses: bool) -> None:
    for name in names:
        error = BacktestError(name, {}, name)
        assert (is_terminal(error), is_ignored(error), refuses_continue(error)) == (terminal, ignored, refuses), name


def test_no_variant_is_missing_from_the_groups() -> None:
    groups = (server_errors.TERMINAL, server_errors.TRANSIENT, server_errors.IGNORED, server_errors.DELIVERED)
    assert sorted(name for group in groups for name in group) == sorted(name for name, _fields in ALL)


def test_severity_does_not_depend_on_the_form() -> None:
    for raw in forms("NoMoreBlocks", {}):
        assert is_terminal(decode_error(raw)), raw


@pytest.mark.parametrize(
    ("raw", "name", "fields"),
    [
        ("diskFull", "diskFull", {}),
        ({"diskFull": {"bytesLeft": 0}}, "diskFull", {"bytes_left": 0}),
        ({"diskFull": "sda1"}, "diskFull", {"error": "sda1"}),
        ({"diskFull": None}, "diskFull", {}),
        ({"type": "diskFull", "data": {"left": 0}}, "diskFull", {"left": 0}),
        ({"Kind": "diskFull", "left": 0}, "diskFull", {"left": 0}),
        ({"invalidRequest": "no slots"}, "InvalidRequest", {"error": "no slots"}),
        ({"error": "something broke"}, "Unknown", {"error": "something broke"}),
        ({"message": "something broke"}, "Unknown", {"message": "something broke"}),
        ({"code": 7, "message": "something broke"}, "Unknown", {"code": 7, "message": "something broke"}),
        ({"a": 1, "b": 2}, "Unknown", {"a": 1, "b": 2}),
        ({}, "Unknown", {}),
        (None, "Unknown", {}),
        (7, "Unknown", {"error": 7}),
        (["noMoreBlocks"], "Unknown", {"error": ["noMoreBlocks"]}),
        ("", "", {}),
    ],
)
def test_unknown_errors_are_kept_raw_and_do_not_end_anything(raw: Any, name: str, fields: dict[str, Any]) -> None:
    error = decode_error(raw)
    assert error == BacktestError(name, fields, raw)
    assert error.raw is raw
    if name != "InvalidRequest":
        assert not is_terminal(error)


def test_text_names_the_variant_and_what_it_carries() -> None:
    assert str(decode_error("noMoreBlocks")) == "NoMoreBlocks"
    assert str(decode_error({"internal": {"error": "out of memory", "slot": 5}})) == (
        "Internal(error=out of memory, slot=5)"
    )


def test_text_is_bounded_whatever_the_server_sends() -> None:
    nested: Any = 1
    for _ in range(100_000):
        nested = [nested]
    assert len(str(decode_error({"internal": {"a": nested, "b": "x" * 100_000, "c": list(range(10_000))}}))) < 5_000


def test_an_error_survives_pickling_and_copying() -> None:
    error = decode_error({"advanceSlotFailed": {"slot": 5, "error": "bad"}})
    error.terminal = True
    assert pickle.loads(pickle.dumps(error)) == error
    assert copy.copy(error) == error
    assert copy.deepcopy(error) == error
