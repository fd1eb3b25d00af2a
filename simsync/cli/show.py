"""``simsync show``: transactions of a recorded run."""

from __future__ import annotations

from pathlib import Path

import click

from simsync.cli import options
from simsync.cli.output import Link, one_line, show_json, show_table
from simsync.run.database import RecordingDatabase
from simsync.run.lookup import FoundTransaction, TransactionFilter, find_transactions, parse_slots
from simsync.times import unix_time


@click.command()
@click.argument("file", type=options.RECORDING)
@click.argument("signature", required=False)
@click.option("--failed", is_flag=True, help="Only failed transactions.")
@click.option("--error", metavar="TEXT", help="Only those whose error contains this text.")
@click.option("--program", metavar="ADDRESS", help="Only those whose logs name this program.")
@click.option("--account", metavar="ADDRESS", help="Only those that changed this account.")
@click.option("--slot", metavar="N[-M]", help="Only those of this slot, or of these slots, both included.")
@click.option("--logs", is_flag=True, help="Also print the logs.")
@click.option("--limit", type=options.LIMIT, default=20, show_default=True, help="Transactions at most.")
@options.max_memory
@options.as_json
def show(
    file: Path,
    signature: str | None,
    failed: bool,
    error: str | None,
    program: str | None,
    account: str | None,
    slot: str | None,
    logs: bool,
    limit: int,
    max_memory: int,
    as_json: bool,
) -> int:
    """Show transactions of a recorded run (extra [report]): one with all details, or a list.

    SIGNATURE may be shortened to its beginning. Exit code 1 if no transaction is found.
    """
    first, last = (None, None) if slot is None else parse_slots(slot)
    wanted = TransactionFilter(signature, failed, error, program, account, first, last)
    with RecordingDatabase(file, max_memory=max_memory) as database:
        found, total = find_transactions(database, wanted, limit)
        details = signature is not None and total == 1
        balances = _balances(database, found[0]) if details and found else []
    if as_json:
        rows = [_as_json(one, logs or details) for one in found]
        if details and rows:
            rows[0]["balances"] = balances
        show_json({"total": total, "transactions": rows})
    elif not total:
        click.echo(f"simsync: {file} has no such transaction", err=True)
    elif details and found:
        _show_details(found[0], balances)
    else:
        _show_list(found, total, logs)
    return int(not total)


def _balances(database: RecordingDatabase, one: FoundTransaction) -> list[dict[str, object]]:
    columns = ("account", "mint", "before", "after", "change")
    rows = database.query(
        f"SELECT {', '.join(columns)} FROM balances WHERE signature = ? AND slot IS NOT DISTINCT FROM ?",
        one.signature,
        one.slot,
    )
    return [dict(zip(columns, row)) for row in rows]


def _as_json(one: FoundTransaction, logs: bool) -> dict[str, object]:
    row = {**one.to_dict(), "explorer": one.explorer, "logs": one.logs.splitlines()}
    if not logs:
        del row["logs"]
    return row


def _show_list(found: list[FoundTransaction], total: int, logs: bool) -> None:
    if logs:
        for one in found:
            _show_details(one, [])
            click.echo()
    elif found:
        show_table(
            ("slot", "signature", "result", "units", "fee"),
            [
                (one.slot, Link(one.signature or "", one.explorer), one.error or "ok", one.compute_units, one.fee)
                for one in found
            ],
        )
    if len(found) < total:
        click.echo(f"{len(found):,} of {total:,} transactions; --limit shows more", err=True)


def _show_details(one: FoundTransaction, balances: list[dict[str, object]]) -> None:
    show_table(
        ("transaction", "value"),
        [
            ("signature", one.signature),
            ("slot", str(one.slot)),
            ("time of the block (UTC)", unix_time(one.timestamp)),
            ("result", one.error or "ok"),
            ("compute units", None if one.compute_units is None else f"{one.compute_units:,}"),
            ("fee in lamports", None if one.fee is None else f"{one.fee:,}"),
            ("session", one.session_id),
            ("explorer", Link(one.explorer, one.explorer)),
        ],
    )
    if balances:
        click.echo("\nbalances")
        show_table(
            ("account", "mint", "before", "after", "change"),
            [
                (row["account"], row["mint"] or "lamports", row["before"], row["after"], row["change"])
                for row in balances
            ],
        )
    if one.logs:
        click.echo("\nlogs")
        for line in one.logs.splitlines():
            click.echo("  " + one_line(line))
