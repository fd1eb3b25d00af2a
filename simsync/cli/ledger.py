"""``simsync ledger``: ledger files of the embedded simulator."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simsync.cli import options
from simsync.cli.ledger_accounts import account_options, program_files, with_accounts
from simsync.cli.output import show_json
from simsync.run.lookup import parse_slots
from simsync.run.output_file import is_written_through, refuse_same_file, replaced

if TYPE_CHECKING:
    from simsync.local import Ledger


@click.group()
def ledger() -> None:
    """Generate and inspect ledger files of the embedded simulator (extra [local])."""


@ledger.command("make")
@click.argument("path", type=options.ANY_PATH)
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


@ledger.command("import")
@click.argument("paths", nargs=-1, required=True, metavar="FILE...", type=options.ANY_PATH)
@click.option("--output", type=options.ANY_PATH, help="Ledger file to write; by default the last FILE.", metavar="PATH")
@click.option("--bundle-size", type=click.IntRange(1), help="Slots per bundle; by default there is one bundle.")
@click.option(
    "--execute",
    is_flag=True,
    help="Execute the transactions instead of serving them unchanged; needs the accounts before the first block.",
)
@account_options
@options.as_json
def import_ledger(
    paths: tuple[Path, ...],
    output: Path | None,
    bundle_size: int | None,
    execute: bool,
    accounts: tuple[Path, ...],
    programs: tuple[str, ...],
    mints: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make a ledger of getBlock replies. FILE is a file or a folder of them, also a captured one.

    A file holds one reply (.json, named by its slot), a list of them or an object of slots and replies, or one a line
    (.jsonl, .ndjson), as the node gave them; .gz and .zst are decompressed. Hidden files are left out.
    """
    from simsync.local import Ledger
    from simsync.local.command import describe

    if output is None:
        if len(paths) < 2:
            raise click.UsageError("name the ledger to write: give it as the last FILE, or with --output")
        *sources, output = paths
        if output.exists():
            text = f"{output} exists; to replace it or to import it too, name the ledger with --output"
            raise click.UsageError(text)
    else:
        sources = list(paths)
    inputs = [*sources, *accounts, *program_files(programs)]
    refuse_same_file(
        "output", output, [one for path in inputs for one in (path.rglob("*") if path.is_dir() else [path])]
    )
    made = Ledger.from_files(*sources, bundle_size=bundle_size, execute=execute)
    made = with_accounts(made, accounts, programs, mints)
    with replaced(output) as part:
        made.save(part)
    if as_json and not is_written_through(output):
        show_json(_numbers(made))
    else:
        click.echo(describe(made), err=is_written_through(output))


@ledger.command("capture")
@click.argument("folder", type=options.FOLDER)
@click.option("--rpc", "rpc_url", required=True, envvar="SOLANA_RPC_URL", help="RPC of a node.  [env: SOLANA_RPC_URL]")
@click.option("--slots", required=True, metavar="A-B", help="First and last slot, both included.")
@click.option("--program", metavar="ID", help="Keep only transactions that mention this program.")
@click.option("--accounts", is_flag=True, help="Also fetch the accounts that they name, as the node has them now.")
@click.option("--per-second", type=click.FloatRange(0.01), default=5.0, show_default=True, help="Requests at most.")
@options.as_json
def capture_ledger(
    folder: Path, rpc_url: str, slots: str, program: str | None, accounts: bool, per_second: float, as_json: bool
) -> None:
    """Fetch blocks from a node into a folder; again after an interruption to fetch the rest.

    simsync ledger import FOLDER --account FOLDER --output LEDGER then makes a ledger of them. The accounts are fetched
    with lookup tables and the code of programs. Slots that the node does not have yet are counted as missing.
    """
    from simsync.run.ledger_capture import capture_blocks

    first, last = parse_slots(slots)
    done = capture_blocks(rpc_url, first, last, folder, program=program, accounts=accounts, per_second=per_second)
    if as_json:
        show_json(asdict(done))
    else:
        text = f"{folder}: {done.blocks} blocks, {done.skipped} slots without one, {done.fetched} fetched now"
        click.echo(text + (f", {done.accounts} accounts" if accounts else ""))
    if done.missing:
        click.echo(f"the node did not have {done.missing} of the slots (null): capture them again later", err=True)


@ledger.command("show")
@click.argument("path", type=options.ANY_PATH)
@options.as_json
def show_ledger(path: Path, as_json: bool) -> None:
    """Describe a ledger file, or a folder of getBlock replies."""
    from simsync.local import Ledger
    from simsync.local.command import describe

    found = Ledger.from_files(path) if path.is_dir() else Ledger.load(path)
    if as_json:
        show_json(_numbers(found))
    else:
        click.echo(describe(found))


def _numbers(ledger: Ledger) -> dict[str, object]:
    return {
        "start_slot": ledger.start_slot,
        "end_slot": ledger.end_slot,
        "blocks": len(ledger.blocks),
        "bundles": len(ledger.bundles),
        "transactions": ledger.transaction_count,
        "accounts": len(ledger.accounts),
        "origin": ledger.origin or None,
    }
