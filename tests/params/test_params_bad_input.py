"""A wrong argument is rejected before anything is sent: the exception names it and shows its value."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from simsync.errors import InvalidParams
from simsync.params import (
    AccountData,
    Anchor,
    Continue,
    ContinueTo,
    CreateSession,
    EncodedBinary,
    OracleUpdate,
    ProgramExecuted,
    ScheduledAction,
)

WALLET = "9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM"
PROGRAM = "whirLbMiicVdio4qvUfM5KAg6Ct8VwpYzGff3uctyCc"
SYSTEM = "11111111111111111111111111111111"

Make = Callable[..., Any]


def create(**changes: Any) -> CreateSession:
    return CreateSession(**{"start_slot": 100, "end_slot": 200, **changes})


def counted(**changes: Any) -> CreateSession:
    return CreateSession(**{"start_slot": 100, "slot_count": 5, **changes})


def action(**changes: Any) -> ScheduledAction:
    return ScheduledAction(**{"anchor": Anchor("after_slot"), **changes})


def account(**changes: Any) -> AccountData:
    return AccountData(**{"lamports": 1, **changes})


def writing(state: Any) -> Continue:
    return Continue(modify_accounts={WALLET: state})


SELF_REFERENCE: list[Any] = []
SELF_REFERENCE.append(SELF_REFERENCE)

# What makes the object, its arguments, the name in the message, the value in the message, and the rule.
BAD: list[tuple[Make, dict[str, Any], str, str, str]] = [
    # Whole numbers.
    (create, {"start_slot": -1}, "start_slot", "-1", "from 0 to 18446744073709551615"),
    (create, {"start_slot": 2**64, "end_slot": 2**64}, "start_slot", "18446744073709551616", "from 0 to"),
    (create, {"start_slot": "100"}, "start_slot", "'100'", "integer, not str"),
    (create, {"start_slot": 100.0}, "start_slot", "100.0", "integer, not float"),
    (create, {"start_slot": True}, "start_slot", "True", "integer, not bool"),
    (create, {"start_slot": None}, "start_slot", "None", "integer, not NoneType"),
    (create, {"end_slot": 2**64}, "end_slot", "18446744073709551616", "from 0 to"),
    (create, {"end_slot": False}, "end_slot", "False", "integer"),
    (create, {"end_slot": 99}, "end_slot", "99", "must be >= start_slot (100)"),
    (create, {"end_slot": 10**5000}, "end_slot", "<int>", "from 0 to"),
    (create, {"slot_count": 5}, "end_slot", "200", "exactly one of end_slot and slot_count"),
    (create, {"end_slot": None}, "end_slot", "None", "exactly one of end_slot and slot_count"),
    (counted, {"slot_count": 0}, "slot_count", "0", "from 1 to"),
    (counted, {"slot_count": -5}, "slot_count", "-5", "from 1 to"),
    (counted, {"slot_count": 2**64 - 99}, "slot_count", str(2**64 - 99), f"from 1 to {2**64 - 100}"),
    (counted, {"slot_count": "5"}, "slot_count", "'5'", "integer, not str"),
    (create, {"capacity_wait_timeout": -1}, "capacity_wait_timeout", "-1", "from 0 to 65535"),
    (create, {"capacity_wait_timeout": 65536}, "capacity_wait_timeout", "65536", "from 0 to 65535"),
    (create, {"capacity_wait_timeout": 1.5}, "capacity_wait_timeout", "1.5", "integer"),
    (create, {"disconnect_timeout": 901}, "disconnect_timeout", "901", "from 0 to 900"),
    (create, {"disconnect_timeout": None}, "disconnect_timeout", "None", "integer"),
    (create, {"extra_compute_units": 2**32}, "extra_compute_units", "4294967296", "from 0 to 4294967295"),
    (Continue, {"advance_count": 0}, "advance_count", "0", "from 1 to"),
    (Continue, {"advance_count": 2**64}, "advance_count", "18446744073709551616", "from 1 to"),
    (Continue, {"advance_count": "5"}, "advance_count", "'5'", "integer, not str"),
    (ContinueTo, {"slot": -1}, "slot", "-1", "from 0 to"),
    (ContinueTo, {"slot": None}, "slot", "None", "integer"),
    (ContinueTo, {"slot": 5, "batch_index": -1}, "batch_index", "-1", "from 0 to 4294967295"),
    (ContinueTo, {"slot": 5, "batch_index": 2**32}, "batch_index", "4294967296", "from 0 to 4294967295"),
    (account, {"lamports": -1}, "lamports", "-1", "from 0 to"),
    (account, {"lamports": 0.5}, "lamports", "0.5", "integer, not float"),
    (account, {"lamports": 2**64}, "lamports", "18446744073709551616", "from 0 to"),
    # Yes or no.
    (create, {"send_summary": 1}, "send_summary", "1", "True or False"),
    (create, {"send_summary": "yes"}, "send_summary", "'yes'", "True or False"),
    (create, {"replay_account_state": None}, "replay_account_state", "None", "True or False"),
    (account, {"executable": 0}, "executable", "0", "True or False"),
    (action, {"feeds_reroute": "true"}, "feeds_reroute", "'true'", "True or False"),
    # Addresses.
    (account, {"owner": ""}, "owner", "''", "base58 of 32 bytes"),
    (account, {"owner": "1" * 31}, "owner", "'" + "1" * 31, "base58 of 32 bytes"),
    (account, {"owner": "1" * 33}, "owner", "'" + "1" * 33, "base58 of 32 bytes"),
    (account, {"owner": WALLET[:-2]}, "owner", WALLET[:-2], "base58 of 32 bytes"),
    (account, {"owner": WALLET + "1"}, "owner", WALLET + "1", "base58 of 32 bytes"),
    (account, {"owner": "z" * 44}, "owner", "z" * 44, "base58 of 32 bytes"),
    (account, {"owner": "0" + WALLET[1:]}, "owner", "0" + WALLET[1:], "'0' is not a base58 character"),
    (account, {"owner": WALLET.replace("W", "O")}, "owner", "'9O", "'O' is not a base58 character"),
    (account, {"owner": f" {WALLET}"}, "owner", WALLET, "' ' is not a base58 character"),
    (account, {"owner": "é" * 32}, "owner", "é", "base58"),
    (account, {"owner": None}, "owner", "None", "address"),
    (account, {"owner": b"\x00" * 32}, "owner", "b'", "base58"),
    (ProgramExecuted, {"program": "whirlpool"}, "program", "'whirlpool'", "'l' is not a base58 character"),
    (OracleUpdate, {"programs": [PROGRAM, "x"]}, "programs[1]", "'x'", "base58 of 32 bytes"),
    (OracleUpdate, {"accounts": WALLET}, "accounts", WALLET, "list of addresses"),
    (OracleUpdate, {"programs": None}, "programs", "None", "list of addresses"),
    (create, {"signer_filter": WALLET}, "signer_filter", WALLET, "list of addresses"),
    (create, {"signer_filter": [WALLET, 7]}, "signer_filter[1]", "7", "base58 of 32 bytes"),
    (create, {"signer_filter": 7}, "signer_filter", "7", "list of addresses"),
    (action, {"return_accounts": [""]}, "return_accounts[0]", "''", "base58 of 32 bytes"),
    (Continue, {"modify_accounts": {"me": AccountData(1)}}, "modify_accounts key", "'me'", "base58 of 32 bytes"),
    # Binary data.
    (EncodedBinary, {"data": "A"}, "data", "'A'", "base64"),
    (EncodedBinary, {"data": "AAA"}, "data", "'AAA'", "base64"),
    (EncodedBinary, {"data": "AAA=="}, "data", "'AAA=='", "base64"),
    (EncodedBinary, {"data": "AAAA="}, "data", "'AAAA='", "base64"),
    (EncodedBinary, {"data": "AB=="}, "data", "'AB=='", "base64"),
    (EncodedBinary, {"data": "A-_A"}, "data", "'A-_A'", "base64"),
    (EncodedBinary, {"data": "AAAA\n"}, "data", "'AAAA\\n'", "base64"),
    (EncodedBinary, {"data": "é"}, "data", "'é'", "base64"),
    (EncodedBinary, {"data": 7}, "data", "7", "base64 text, bytes, or an object with a byte form"),
    (EncodedBinary, {"data": [1, 2]}, "data", "[1, 2]", "byte form"),
    (EncodedBinary, {"data": "", "encoding": "base58"}, "encoding", "'base58'", "must be 'base64'"),
    (account, {"data": "not base64"}, "data", "'not base64'", "base64"),
    (account, {"data": None}, "data", "None", "byte form"),
    (Continue, {"transactions": ["AQID", "A"]}, "transactions[1]", "'A'", "base64"),
    (Continue, {"transactions": [""]}, "transactions[0]", "''", "must not be empty"),
    (Continue, {"transactions": [b""]}, "transactions[0]", "b''", "must not be empty"),
    (Continue, {"transactions": "AQID"}, "transactions", "'AQID'", "list of transactions"),
    (Continue, {"transactions": b"tx"}, "transactions", "b'tx'", "list of transactions"),
    (Continue, {"transactions": 7}, "transactions", "7", "list of transactions"),
    (Continue, {"transactions": [7]}, "transactions[0]", "7", "byte form"),
    (action, {"transactions": [None]}, "transactions[0]", "None", "byte form"),
    # Collections.
    (Continue, {"modify_accounts": [WALLET]}, "modify_accounts", WALLET, "mapping"),
    (Continue, {"modify_accounts": None}, "modify_accounts", "None", "mapping"),
    (writing, {"state": 7}, f"modify_accounts[{WALLET}]", "7", "AccountData"),
    (writing, {"state": [("lamports", 1)]}, f"modify_accounts[{WALLET}]", "lamports", "AccountData"),
    (create, {"discoveries": [PROGRAM]}, "discoveries[0]", PROGRAM, "ProgramExecuted"),
    (create, {"discoveries": PROGRAM}, "discoveries", PROGRAM, "list"),
    (create, {"discoveries": {"programExecuted": PROGRAM}}, "discoveries", PROGRAM, "list"),
    (create, {"actions": [Anchor("after_slot")]}, "actions[0]", "Anchor(", "ScheduledAction"),
    (create, {"actions": action()}, "actions", "ScheduledAction(", "list"),
    (create, {"diagnostic_probes": "x"}, "diagnostic_probes", "'x'", "list"),
    (create, {"agents": {"agentType": "x"}}, "agents", "agentType", "list"),
    (create, {"reroute": True}, "reroute", "True", "mapping"),
    (create, {"extra": [("a", 1)]}, "extra", "[('a', 1)]", "mapping"),
    (create, {"extra": None}, "extra", "None", "mapping"),
    # Overrides.
    (create, {"overrides": [(100, {})]}, "overrides", "[(100, {})]", "mapping"),
    (create, {"overrides": None}, "overrides", "None", "mapping"),
    (create, {"overrides": {99: {}}}, "overrides key", "99", "from 100 to 200"),
    (create, {"overrides": {201: {}}}, "overrides key", "201", "from 100 to 200"),
    (counted, {"overrides": {105: {}}}, "overrides key", "105", "from 100 to 104"),
    (create, {"overrides": {"100": {}}}, "overrides key", "'100'", "integer, not str"),
    (create, {"overrides": {100: None}}, "overrides[100]", "None", "mapping"),
    (create, {"overrides": {100: {"me": AccountData(1)}}}, "overrides[100] key", "'me'", "base58 of 32 bytes"),
    (
        create,
        {"overrides": {100: {WALLET: AccountData(1, executable=True)}}},
        f"overrides[100][{WALLET}]",
        "AccountData(",
        "must not be executable",
    ),
    (
        create,
        {"overrides": {100: {WALLET: {"executable": True}}}},
        f"overrides[100][{WALLET}]",
        "{",
        "not be executable",
    ),
    (create, {"overrides": {100: {WALLET: 7}}}, f"overrides[100][{WALLET}]", "7", "AccountData"),
    (create, {"overrides": {100: AccountData(1)}}, "overrides[100]", "AccountData(", "mapping"),
    # What is sent as it is has to be JSON.
    (create, {"extra": {"a": object}}, "extra['a']", "<class 'object'>", "type is not a JSON type"),
    (create, {"extra": {"a": {"b": [1, b"x"]}}}, "extra['a']['b'][1]", "b'x'", "bytes is not a JSON type"),
    (create, {"extra": {"a": {1, 2}}}, "extra['a']", "{1, 2}", "set is not a JSON type"),
    (create, {"extra": {7: 1}}, "extra key", "7", "must be text"),
    (create, {"extra": {"a": float("nan")}}, "extra['a']", "nan", "neither NaN nor infinity"),
    (create, {"extra": {"a": float("-inf")}}, "extra['a']", "-inf", "neither NaN nor infinity"),
    (create, {"extra": {"a": 2**64}}, "extra['a']", "18446744073709551616", "from"),
    (create, {"extra": {"a": -(2**63) - 1}}, "extra['a']", "-9223372036854775809", "from"),
    (create, {"extra": {"a": "\ud800"}}, "extra['a']", "'\\ud800'", "not valid Unicode"),
    (create, {"extra": {"a": SELF_REFERENCE}}, "extra['a'][0][0]", "'list'", "deeper than 64 levels"),
    (
        create,
        {"reroute": {"filter": AccountData(1)}},
        "reroute['filter']",
        "AccountData(",
        "AccountData is not a JSON type",
    ),
    (create, {"agents": [{"wallet": threading}]}, "agents[0]['wallet']", "module", "module is not a JSON type"),
    (create, {"diagnostic_probes": [b"x"]}, "diagnostic_probes[0]", "b'x'", "must be a DiagnosticProbe(...)"),
    (create, {"diagnostic_probes": [{"x": b"y"}]}, "diagnostic_probes[0]['x']", "b'y'", "bytes is not a JSON type"),
    (
        create,
        {"actions": [{"anchor": Anchor("after_slot")}]},
        "actions[0]['anchor']",
        "Anchor(",
        "Anchor is not a JSON type",
    ),
    (create, {"discoveries": [{"x": b"y"}]}, "discoveries[0]['x']", "b'y'", "bytes is not a JSON type"),
    (writing, {"state": {"data": b"x"}}, f"modify_accounts[{WALLET}]['data']", "b'x'", "bytes is not a JSON type"),
    # Anchors and actions.
    (Anchor, {"where": "after"}, "where", "'after'", "must be one of after_slot, before_slot, before_match"),
    (Anchor, {"where": "afterSlot"}, "where", "'afterSlot'", "must be one of"),
    (Anchor, {"where": None}, "where", "None", "must be one of"),
    (Anchor, {"where": "after_slot", "slots": [1, -1]}, "slots[1]", "-1", "from 0 to"),
    (Anchor, {"where": "after_slot", "slots": 5}, "slots", "5", "list"),
    (
        Anchor,
        {"where": "before_match", "slots": [1]},
        "slots",
        "(1,)",
        "is only allowed with after_slot and before_slot",
    ),
    (Anchor, {"where": "before_match"}, "filter", "None", "ProgramExecuted"),
    (Anchor, {"where": "after_match", "filter": {"programExecuted": PROGRAM}}, "filter", PROGRAM, "ProgramExecuted"),
    (
        Anchor,
        {"where": "after_slot", "filter": ProgramExecuted(PROGRAM)},
        "filter",
        PROGRAM,
        "is only allowed with before_match and after_match",
    ),
    (Anchor, {"where": "before_every_slot"}, "every", "None", "integer"),
    (Anchor, {"where": "after_every_slot", "every": 0}, "every", "0", "from 1 to"),
    (
        Anchor,
        {"where": "after_slot", "every": 5},
        "every",
        "5",
        "is only allowed with before_every_slot and after_every_slot",
    ),
    (Anchor, {"where": "before_slot"}, "slots", "()", "at least one slot; for each slot use every=1"),
    (Anchor, {"where": "before_slot", "slots": []}, "slots", "()", "at least one slot"),
    (action, {"anchor": "after_slot"}, "anchor", "'after_slot'", "Anchor(...)"),
    (action, {"anchor": None}, "anchor", "None", "Anchor(...)"),
    (action, {"kind": "Simulate"}, "kind", "'Simulate'", "'simulate' or 'send'"),
    (action, {"kind": None}, "kind", "None", "'simulate' or 'send'"),
    (
        action,
        {"kind": "send", "account_overrides": {WALLET: AccountData(1)}},
        "account_overrides",
        WALLET,
        "is not allowed with kind='send'",
    ),
    (
        action,
        {"anchor": Anchor("after_slot", [5, 6, 7]), "transactions": ["AQID"]},
        "transactions",
        "AQID",
        "must be as many as the 3 slots of the anchor: entry i is executed at slots[i]",
    ),
    (
        action,
        {"anchor": Anchor("before_slot", [5, 5]), "transactions": ["AQID"] * 3, "kind": "send"},
        "transactions",
        "AQID",
        "must be as many as the 2 slots",
    ),
    (action, {"label": 7}, "label", "7", "must be text"),
    (action, {"label": "\udfff"}, "label", "'\\udfff'", "not valid Unicode"),
    (
        create,
        {"actions": [action(), action(kind="send")], "replay_account_state": True},
        "actions[1]",
        "kind='send'",
        "is not allowed with replay_account_state",
    ),
]


# feature: create options, with either an end or a count
# feature: account-state replay
@pytest.mark.parametrize(
    ("make", "arguments", "name", "value", "rule"),
    BAD,
    ids=[f"{case[2]}={case[3][:24]}".replace("\n", " ") for case in BAD],
)
def test_bad_input(make: Make, arguments: dict[str, Any], name: str, value: str, rule: str) -> None:
    with pytest.raises(InvalidParams) as caught:
        make(**arguments)
    error, text = caught.value, str(caught.value)
    assert error.argument.startswith(name)
    assert text.startswith(f"{error.argument}=")
    shown = text[len(error.argument) + 1 : text.index(f": {error.rule}")]
    assert value in shown
    assert rule in error.rule
    assert len(text) < 600


def test_a_long_value_is_shown_in_part() -> None:
    with pytest.raises(InvalidParams) as caught:
        Continue(transactions=["!" * 10_000])
    assert len(str(caught.value)) < 300
    assert "..." in str(caught.value)
    assert caught.value.value == "!" * 10_000


def test_nothing_is_half_made() -> None:
    values = iter([WALLET, "nonsense"])
    with pytest.raises(InvalidParams, match=r"programs\[1\]"):
        OracleUpdate(programs=list(values))
