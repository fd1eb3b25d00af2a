"""The commands: their options, their output, and their exit codes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

import simsync
from simsync.errors import SimsyncError

FAILED = 1
INTERRUPTED = 130
DEFAULT_KEY = "local-dev-key"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(simsync.__version__)
def cli() -> None:
    """Drive a Solana backtest simulator from plain, blocking Python."""


@cli.command()
@click.option("--ledger", "path", type=click.Path(path_type=Path), help="Ledger file; without one a ledger is made.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8900, show_default=True, help="0 takes any free port.")
@click.option("--api-key", envvar="SIMULATOR_API_KEY", default=DEFAULT_KEY, show_default=True, help="Empty: none.")
def local(path: Path | None, port: int, api_key: str) -> None:
    """Serve the embedded simulator on this machine until it is interrupted (extra [local])."""
    from simsync.local import Ledger, Simulator
    from simsync.local.command import describe, serve

    ledger = Ledger.generate() if path is None else Ledger.load(path)

    def announce(simulator: Simulator) -> None:
        click.echo(describe(ledger))
        shown = api_key if api_key == DEFAULT_KEY else "..."
        click.echo(f"serving on {simulator.url}; stop with Ctrl-C")
        click.echo(f"in another shell: export SIMULATOR_URL={simulator.url} SIMULATOR_API_KEY={shown}")
        sys.stdout.flush()

    serve(ledger, port=port, api_key=api_key, on_ready=announce)


@cli.group()
def ledger() -> None:
    """Make and look at ledger files of the embedded simulator (extra [local])."""


@ledger.command("make")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--start-slot", type=click.IntRange(0), default=1_000, show_default=True)
@click.option("--slots", type=click.IntRange(1), default=400, show_default=True)
@click.option("--transactions-per-slot", type=click.IntRange(0), default=50, show_default=True)
@click.option("--bundle-size", type=click.IntRange(1), default=50, show_default=True, help="Slots per bundle.")
@click.option("--skip-every", type=click.IntRange(2), default=None, help="Every n-th slot carries no block.")
@click.option("--tiny-program", is_flag=True, help="With an upgradeable program that some transactions call.")
def make_ledger(path: Path, **options: Any) -> None:
    """Generate a ledger of executed transactions; the same options give the same file. *.zst is compressed."""
    from simsync.local import Ledger
    from simsync.local.command import describe

    made = Ledger.generate(**options)
    made.save(path)
    click.echo(describe(made))


@ledger.command("show")
@click.argument("path", type=click.Path(path_type=Path))
def show_ledger(path: Path) -> None:
    """Say what is in a ledger file."""
    from simsync.local import Ledger
    from simsync.local.command import describe

    click.echo(describe(Ledger.load(path)))


def run(arguments: list[str] | None = None) -> int:
    """Parse and run; whatever goes wrong is one line on standard error, never a traceback."""
    try:
        cli.main(arguments, prog_name="simsync", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (SimsyncError, OSError) as error:
        click.echo(f"simsync: {error}", err=True)
        return FAILED
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    return 0
