"""``simsync ledger``: ledger files of the embedded simulator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from simsync.run.output_file import is_written_through, replaced


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
def make_ledger(path: Path, **options: Any) -> None:
    """Generate a ledger of executed transactions. The same options give the same file; *.zst is compressed."""
    from simsync.local import Ledger
    from simsync.local.command import describe

    made = Ledger.generate(**options)
    with replaced(path) as part:
        made.save(part)
    click.echo(describe(made), err=is_written_through(path))


@ledger.command("show")
@click.argument("path", type=click.Path(path_type=Path))
def show_ledger(path: Path) -> None:
    """Describe a ledger file."""
    from simsync.local import Ledger
    from simsync.local.command import describe

    click.echo(describe(Ledger.load(path)))
