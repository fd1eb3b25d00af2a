"""``simsync ledger``: ledger files of the embedded simulator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simsync.cli import options
from simsync.cli.output import show_json
from simsync.run.output_file import is_written_through, replaced

if TYPE_CHECKING:
    from simsync.local import Ledger


@click.group()
def ledger() -> None:
    """Generate and inspect ledger files of the embedded simulator (extra [local])."""


@ledger.command("make")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the generator.")
@click.option("--start-slot", type=click.IntRange(0), default=1_000, show_default=True, help="First slot.")
@click.option("--slots", type=click.IntRange(1), default=400, show_default=True, help="How many slots.")
@click.option(
    "--transactions-per-slot", type=click.IntRange(0), default=50, show_default=True, help="Transactions in each slot."
)
@click.option("--bundle-size", type=click.IntRange(1), default=50, show_default=True, help="Slots per bundle.")
@click.option("--skip-every", type=click.IntRange(2), default=None, help="Leave every n-th slot without a block.")
@click.option("--tiny-program", is_flag=True, help="Include an upgradeable program that some transactions call.")
@options.as_json
def make_ledger(path: Path, as_json: bool, **settings: Any) -> None:
    """Generate a ledger of executed transactions. The same options give the same file; *.zst is compressed."""
    from simsync.local import Ledger
    from simsync.local.command import describe

    made = Ledger.generate(**settings)
    with replaced(path) as part:
        made.save(part)
    if as_json and not is_written_through(path):
        show_json(_numbers(made))
    else:
        click.echo(describe(made), err=is_written_through(path))


@ledger.command("show")
@click.argument("path", type=click.Path(path_type=Path))
@options.as_json
def show_ledger(path: Path, as_json: bool) -> None:
    """Describe a ledger file."""
    from simsync.local import Ledger
    from simsync.local.command import describe

    found = Ledger.load(path)
    if as_json:
        show_json(_numbers(found))
    else:
        click.echo(describe(found))


def _numbers(ledger: Ledger) -> dict[str, Any]:
    return {
        "start_slot": ledger.start_slot,
        "end_slot": ledger.end_slot,
        "blocks": len(ledger.blocks),
        "bundles": len(ledger.bundles),
        "transactions": ledger.transaction_count,
        "accounts": len(ledger.accounts),
        "origin": ledger.origin or None,
    }
