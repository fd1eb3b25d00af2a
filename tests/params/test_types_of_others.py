"""Type checkers accept numbers of numpy and keys of solders wherever they are taken at run time.

mypy checks this file with all others: an argument that refuses them is an error there.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
from typing import TYPE_CHECKING, Any

import pytest

import simsync
from simsync import accounts, programs

if TYPE_CHECKING:
    import numpy
    from solders.pubkey import Pubkey

WALLET = "9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM"
MINT = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
ELF = b"\x7fELF"


def requests(key: Pubkey, mint: Pubkey, n: numpy.int64, f: numpy.float32, yes: bool) -> list[object]:
    """Everything that can be made without a session."""
    taker = simsync.FillTaker([n], n, [n])
    fill_accounts = [simsync.FillAccount(key, yes, yes)] * 2
    instruction = simsync.FillInstruction(key, fill_accounts, bytes(16))
    anchor = simsync.Anchor("after_slot", [n])
    ranges = [simsync.AvailableRange(1, 9)]
    return [
        *(simsync.ProgramExecuted(key), simsync.OracleUpdate([key], [key]), simsync.MintPair(key, mint)),
        *(anchor, simsync.Anchor("after_every_slot", every=n), taker, instruction),
        simsync.ScheduledAction(
            anchor, transactions=[b"a"], return_accounts=[key], account_overrides={key: simsync.AccountData(n, key)}
        ),
        simsync.DirectFill("x", key, mint, instruction, n, taker),
        simsync.DiagnosticProbe(anchor, [key], [n]),
        simsync.Reroute(extra_markets=[key], pairs=[simsync.MintPair(key, mint)]),
        simsync.CreateSession(n, n, signer_filter=[key], overrides={n: {key: simsync.AccountData(n)}}),
        *(simsync.Continue(n, modify_accounts={key: simsync.AccountData(n)}), simsync.ContinueTo(n, n)),
        *(simsync.Options(ping_interval=f, connect_timeout=f), simsync.Options(reconnect_attempts=n, buffer_events=n)),
        *(accounts.rent_exempt_minimum(n), accounts.system_account(n), accounts.native_token_account(key, n)),
        accounts.token_account(mint, key, n, lamports=n, delegate=key, delegated_amount=n, close_authority=key),
        *(accounts.token_2022_account(mint, key, n, lamports=n), accounts.mint_account(n, n, lamports=n)),
        *(programs.deploy_slot_before(n), programs.program_data_bytes(ELF, n, key)),
        *(programs.program_account(key, 10**9 + n), programs.build_program_injection(key, ELF, n, lamports=10**9 + n)),
        *(simsync.filter_ranges(ranges, after=n, size=n), simsync.split_range(ranges, 1, n), simsync.SlotRange(n, n)),
    ]


def only_for_type_checkers(
    client: simsync.Client, session: simsync.BacktestSession, key: Pubkey, n: numpy.int64, f: numpy.float32
) -> None:
    """What needs a session, a server or a file: other tests run it."""
    client.attach("x", n, timeout=f)
    client.build_bundle(n, n, bundle_size=n)
    client.wait_for_bundle("x", timeout=f, poll_interval=f)
    client.delete_bundle(n, n)
    client.parallel(simsync.CreateSession(n, n)).map(lambda sub: sub.session_id, workers=n)
    session.subscribe_transactions([key], from_slot=n)
    session.subscribe("accountSubscribe", key)
    session.advance(n, timeout=f, modify_accounts={key: simsync.AccountData(n)})
    session.collect(advance=n, timeout=f, deadline=f)
    session.modify_program(key, ELF, deploy_slot=n)
    session.rpc.get_minimum_balance_for_rent_exemption(n)
    session.rpc.get_program_accounts(key, data_size=n, memcmp=[(n, key)])
    session.rpc.modify_program(key, ELF, deploy_slot=n)
    for slot in session.steps(n, timeout=f, deadline=f):
        print(slot)
    recording = simsync.record(
        simsync.CreateSession(n, n),
        "x",
        advance=n,
        workers=n,
        wait=f,
        deadline=f,
        program_ids=[key],
        binaries={key: ELF},
    )
    recording.transactions(limit=n, slots=(n, n), program=key, account=key, signature=key)
    recording.sql("select ?, ?", n, key)
    simsync.read_run("x", max_memory=n).balances(key)
    with simsync.sweep(
        len, (n, n), attempts=n, workers=n, in_flight=n, max_bytes=n, capacity_wait=n
    ) as results:  # len stands for a strategy
        print(results.total)


def test_they_are_taken_at_run_time_too() -> None:
    numpy = pytest.importorskip("numpy")
    key = pytest.importorskip("solders.pubkey").Pubkey.from_string
    made = requests(key(WALLET), key(MINT), numpy.int64(1), numpy.float32(1), True)
    assert len(made) > 25


def dataclasses_with_types_of_their_own() -> list[Any]:
    found = [one for one in vars(simsync).values() if dataclasses.is_dataclass(one)]
    return [one for one in found if "if TYPE_CHECKING:" in inspect.getsource(one)]  # type: ignore[arg-type]


def test_the_arguments_for_type_checkers_are_the_fields_with_their_defaults() -> None:
    classes = dataclasses_with_types_of_their_own()
    assert len(classes) > 12
    for one in classes:
        (tree,) = ast.parse(inspect.getsource(one)).body
        (init,) = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "__init__"]
        names = [argument.arg for argument in init.args.args[1:]]
        given = [ast.unparse(default) for default in init.args.defaults]
        wanted: dict[str, str] = {}
        for node in tree.body:  # type: ignore[attr-defined]
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                wanted[node.target.id] = default_of(node.value)
        assert names == list(wanted), one
        assert given == [value for value in wanted.values() if value], one


def default_of(value: ast.expr | None) -> str:
    """The default of a field as an argument has it; empty for a field without one."""
    if not isinstance(value, ast.Call):
        return "" if value is None else ast.unparse(value)
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in value.keywords}
    return "..." if "default_factory" in given else given.get("default", "")
