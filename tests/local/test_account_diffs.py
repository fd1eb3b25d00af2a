"""accountDiffSubscribe, accountSubscribe and programSubscribe."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any, Optional

import pytest
from solders.account import Account
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from simsync.local import Ledger, Simulator
from simsync.local.engine.engine import Engine

from .actors import POOR, RICH, account_data, encoded, transfer
from .bare import Control, Data, Rpc

SYSTEM = str(Pubkey.default())
TOKEN = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
Start = Callable[..., Simulator]
Diff = tuple[int, str, Optional[str], Optional[dict[str, Any]], Optional[dict[str, Any]]]


def shown(account: Optional[Account]) -> Optional[dict[str, Any]]:
    if account is None:
        return None
    return {
        "lamports": account.lamports,
        "owner": str(account.owner),
        "data": [base64.b64encode(bytes(account.data)).decode(), "base64"],
        "executable": account.executable,
        # Whatever has lamports here is exempt from rent.
        "rentEpoch": 2**64 - 1 if account.lamports else 0,
        "space": len(account.data),
    }


def expected(ledger: Ledger, start: int, end: int, wanted: Callable[[Diff], bool]) -> list[Diff]:
    """Execute a range on a separate engine and compare the whole state around each transaction."""
    bundle = ledger.bundle_at(start)
    assert bundle is not None
    engine = Engine(bundle.accounts)
    diffs: list[Diff] = []
    for block in ledger.blocks_between(start, end):
        engine.enter_slot(block.slot, ledger.time_of(block.slot))
        for item in block.transactions:
            transaction = VersionedTransaction.from_bytes(item.wire)
            before = engine.snapshot()
            engine.execute(transaction)
            after = engine.snapshot()
            for key in sorted({*before, *after}, key=bytes):
                pre, post = before.get(key), after.get(key)
                if pre != post:
                    diffs.append((block.slot, str(key), str(transaction.signatures[0]), shown(pre), shown(post)))
    return [diff for diff in diffs if wanted(diff)]


def read(result: dict[str, Any]) -> Diff:
    assert set(result) <= {"context", "account", "signature", "pre", "post"}
    assert set(result["context"]) == {"slot"}
    return (
        result["context"]["slot"],
        result["account"],
        result.get("signature"),
        result.get("pre"),
        result.get("post"),
    )


def owner(program: str) -> Callable[[Diff], bool]:
    return lambda diff: program in ((diff[3] or {}).get("owner"), (diff[4] or {}).get("owner"))


def by_key(diffs: list[Diff]) -> list[Diff]:
    """Sort the diffs of each transaction; their order within it has no meaning."""
    order = {signature: index for index, (_, _, signature, _, _) in reversed(list(enumerate(diffs)))}
    return sorted(diffs, key=lambda diff: (order[diff[2]], diff[1]))


def diff_filter(address: str, kind: str) -> dict[str, str]:
    return {"address": address, "address_type": kind}


@pytest.mark.parametrize("program", [SYSTEM, TOKEN])
def test_diffs_of_a_program_are_exactly_what_changed(simulate: Start, long_ledger: Ledger, program: str) -> None:
    # Subscribed before the first continue, so the start slot is included.
    simulator = simulate(long_ledger, replay_slots=200)
    with Control(simulator) as control:
        session = control.create(1000, 1149)
        with Data(simulator, session) as data:
            number = data.subscribe("accountDiffSubscribe", [diff_filter(program, "program"), {}])
            control.proceed(200)
            first = data.recv()
            assert first["method"] == "accountDiffNotification"
            assert first["params"]["subscription"] == number
            live = [read(first["params"]["result"]), *map(read, data.results())]
        control.until("completed")
        with Data(simulator, session) as data:
            data.subscribe("accountDiffSubscribe", [diff_filter(program, "program"), {"replayFromSlot": 1100}])
            replayed = list(map(read, data.results()))
    wanted = expected(long_ledger, 1000, 1149, owner(program))
    assert by_key(live) == by_key(wanted)
    assert replayed == [diff for diff in live if diff[0] >= 1100]
    assert live[0][0] == 1000 or program == TOKEN
    if program == TOKEN:
        assert [diff for diff in live if diff[3] is None], "no account was created"


def test_closed_accounts_have_no_post(simulator: Simulator, ledger: Ledger) -> None:
    found = []
    with Control(simulator) as control:
        for session in control.create_parallel(1000, 1039)["session_ids"]:
            control.proceed(100, session)
            with Data(simulator, session) as data:
                data.subscribe("accountDiffSubscribe", [diff_filter(TOKEN, "program"), {}])
                found += list(map(read, data.results()))
    wanted = [
        diff for bundle in ledger.bundles for diff in expected(ledger, bundle.start_slot, bundle.end_slot, owner(TOKEN))
    ]
    assert by_key(found) == by_key(wanted)


def test_diffs_of_one_account(simulator: Simulator, ledger: Ledger) -> None:
    busiest = max(
        {diff[1] for diff in expected(ledger, 1000, 1009, lambda diff: True)},
        key=lambda key: len(expected(ledger, 1000, 1009, lambda diff: diff[1] == key)),
    )
    with Control(simulator) as control:
        session = control.create(1000, 1009)
        control.proceed(100)
        with Data(simulator, session) as data:
            data.subscribe("accountDiffSubscribe", [{"address": busiest, "addressType": "account"}, {}])
            found = list(map(read, data.results()))
    assert found == expected(ledger, 1000, 1009, lambda diff: diff[1] == busiest)
    # Each diff starts where the one before ended.
    assert [diff[3] for diff in found[1:]] == [diff[4] for diff in found[:-1]]


def test_a_failed_transaction_shows_who_paid_and_overrides_have_no_signature(simulator: Simulator) -> None:
    rich, poor = str(RICH.pubkey()), str(POOR.pubkey())
    failing, moving = transfer(10**15), transfer(10**9)
    with Control(simulator) as control:
        session = control.create(1000, 1009)
        with Data(simulator, session) as data:
            data.subscribe("accountDiffSubscribe", [diff_filter(rich, "account"), {}])
            rpc = Rpc(simulator, session)
            rpc.call("modifyAccounts", {rich: account_data(5 * 10**9)})
            created = read(data.recv()["params"]["result"])
            rpc.call("modifyAccounts", {rich: account_data(5 * 10**9)})  # nothing changes
            rpc.call("sendTransaction", encoded(failing), {"encoding": "base64", "skipPreflight": True})
            failed = read(data.recv()["params"]["result"])
            control.proceed(1, transactions=[encoded(moving)], modifyAccountStates={poor: account_data(10**9)})
            moved = read(data.recv()["params"]["result"])
            rpc_balance = rpc.value("getBalance", rich)
            rpc.call("modifyAccounts", {rich: account_data(0)})
            gone = read(data.recv()["params"]["result"])
        with Data(simulator, session) as data:
            data.subscribe("accountDiffSubscribe", [diff_filter(poor, "account"), {}])
            overridden = read(data.recv()["params"]["result"])
            data.recv()
    assert created[:3] == (1000, rich, None)
    assert created[3] is None
    assert created[4] is not None
    assert created[4]["lamports"] == 5 * 10**9
    assert failed[2] == str(failing.signatures[0])
    assert failed[3] == created[4]
    assert failed[4] == {**created[4], "lamports": 5 * 10**9 - 5000}
    assert moved[:3] == (1001, rich, str(moving.signatures[0]))
    assert moved[4] == {**created[4], "lamports": 4 * 10**9 - 10_000}
    assert rpc_balance == 4 * 10**9 - 10_000
    assert gone == (1001, rich, None, moved[4], None)
    assert overridden == (1000, poor, None, None, {**created[4], "lamports": 10**9})


def test_an_account_is_found_by_its_owner_before_or_after(simulator: Simulator) -> None:
    rich = str(RICH.pubkey())
    owner_before, owner_after = Pubkey.from_bytes(b"b" * 32), Pubkey.from_bytes(b"a" * 32)
    with Control(simulator) as control:
        session = control.create(1000, 1009)
        rpc = Rpc(simulator, session)
        rpc.call("modifyAccounts", {rich: account_data(10**9, b"1", owner_before)})
        rpc.call("modifyAccounts", {rich: account_data(10**9, b"22", owner_after)})
        for program, sizes in ((owner_before, [(None, 1), (1, 2)]), (owner_after, [(1, 2)])):
            with Data(simulator, session) as data:
                data.subscribe("accountDiffSubscribe", [diff_filter(str(program), "program"), {}])
                found = [read(data.recv()["params"]["result"]) for _ in sizes]
            assert [(pre and pre["space"], post and post["space"]) for *_, pre, post in found] == sizes


def test_compressed_account_data(simulator: Simulator) -> None:
    zstandard = pytest.importorskip("zstandard")
    rich = str(RICH.pubkey())
    with Control(simulator) as control:
        session = control.create(1000, 1009)
        Rpc(simulator, session).call("modifyAccounts", {rich: account_data(10**9, b"x" * 500)})
        with Data(simulator, session) as data:
            data.subscribe("accountDiffSubscribe", [diff_filter(rich, "account"), {"encoding": "base64+zstd"}])
            text, encoding = data.recv()["params"]["result"]["post"]["data"]
        with Data(simulator, session) as data:
            # Unknown values are ignored.
            data.subscribe("accountDiffSubscribe", [diff_filter(rich, "account"), {"encoding": "rot13", "x": 1}])
            plain = data.recv()["params"]["result"]["post"]["data"]
    assert encoding == "base64+zstd"
    assert zstandard.ZstdDecompressor().decompress(base64.b64decode(text)) == b"x" * 500
    assert plain == [base64.b64encode(b"x" * 500).decode(), "base64"]


@pytest.mark.parametrize(
    "params",
    [[], [None], ["all"], [{"address": SYSTEM}], [diff_filter(SYSTEM, "owner")], [diff_filter("x", "program")]],
)
def test_bad_filters_of_diffs(simulator: Simulator, params: Any) -> None:
    with Control(simulator) as control, Data(simulator, control.create(1000, 1009)) as data:
        assert data.call("accountDiffSubscribe", [*params, {}])["error"]["code"] == -32602


def states(ledger: Ledger, wanted: Callable[[Diff], bool], every: bool) -> list[tuple[int, str, Any]]:
    """Return the states that the diffs of slots 1000 to 1009 lead to."""
    diffs = [(slot, key, post) for slot, key, _, _, post in expected(ledger, 1000, 1009, wanted)]
    if every:
        return diffs
    last = {(slot, key): post for slot, key, post in diffs}
    return [(slot, key, post) for (slot, key), post in last.items()]


@pytest.mark.parametrize("every", [True, False])
def test_states_of_an_account(simulator: Simulator, ledger: Ledger, every: bool) -> None:
    payer = str(
        VersionedTransaction.from_bytes(ledger.blocks[1].transactions[0].wire).message.account_keys[0],
    )
    with Control(simulator) as control:
        session = control.create(1000, 1009)
        control.proceed(100)
        with Data(simulator, session) as data:
            data.subscribe("accountSubscribe", [payer, {"encoding": "base64", "intraSlotUpdates": every}])
            found = [(result["context"]["slot"], payer, result["value"]) for result in data.results()]
    assert found
    assert found == states(ledger, lambda diff: diff[1] == payer, every)


@pytest.mark.parametrize("every", [True, False])
def test_states_of_the_accounts_of_a_program(simulator: Simulator, ledger: Ledger, every: bool) -> None:
    with Control(simulator) as control:
        session = control.create(1000, 1009)
        control.proceed(100)
        with Data(simulator, session) as data:
            data.subscribe(
                "programSubscribe",
                [TOKEN, {"filters": [{"dataSize": 165}], "encoding": "base64", "intraSlotUpdates": every}],
            )
            found = [
                (one["context"]["slot"], one["value"]["pubkey"], one["value"]["account"]) for one in data.results()
            ]
    wanted = states(ledger, lambda diff: owner(TOKEN)(diff), every)
    wanted = [row for row in wanted if row[2] is not None and row[2]["space"] == 165]
    assert wanted
    assert sorted(found, key=json.dumps) == sorted(wanted, key=json.dumps)


def test_states_between_blocks_are_notified_at_once(simulator: Simulator) -> None:
    rich = str(RICH.pubkey())
    with Control(simulator) as control:
        session = control.create(1000, 1009)
        with Data(simulator, session) as data:
            data.subscribe("accountSubscribe", [rich, {"encoding": "base64"}])
            rpc = Rpc(simulator, session)
            for lamports in (10**9, 2 * 10**9, 0):
                rpc.call("modifyAccounts", {rich: account_data(lamports)})
                result = data.recv()["params"]["result"]
                assert result["value"] == shown(Account(lamports, b"", Pubkey.default()))


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("accountSubscribe", ["x"]),
        ("accountSubscribe", []),
        ("programSubscribe", [7]),
        ("programSubscribe", [SYSTEM, {"filters": [{"size": 1}]}]),
        ("programSubscribe", [SYSTEM, {"filters": [{"memcmp": {"offset": -1, "bytes": ""}}]}]),
    ],
)
def test_bad_params_of_states(simulator: Simulator, method: str, params: Any) -> None:
    with Control(simulator) as control, Data(simulator, control.create(1000, 1009)) as data:
        assert data.call(method, params)["error"]["code"] == -32602
