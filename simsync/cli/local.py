"""``simsync local``: the embedded simulator as a server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from simsync.local import Simulator

DEFAULT_KEY = "local-dev-key"


@click.command()
@click.option("--ledger", "path", type=click.Path(path_type=Path), help="Ledger file; without one a ledger is made.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Any but a loopback address lets others in.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8900, show_default=True, help="0 takes any free port.")
@click.option("--api-key", envvar="SIMULATOR_API_KEY", default=DEFAULT_KEY, show_default=True, help="Empty: none.")
@click.option("--chaos", type=int, metavar="SEED", help="Drop connections, stall and replay, as this seed says.")
def local(path: Path | None, host: str, port: int, api_key: str, chaos: int | None) -> None:
    """Serve the embedded simulator on this machine until it is interrupted (extra [local])."""
    from simsync.local import Faults, Ledger
    from simsync.local.command import describe, serve

    if path is None:
        click.echo("making a ledger ...", err=True)
    ledger = Ledger.generate() if path is None else Ledger.load(path)

    def announce(simulator: Simulator) -> None:
        click.echo(describe(ledger))
        if chaos is not None:
            click.echo(f"chaos         --chaos {chaos}")
        shown = api_key if api_key == DEFAULT_KEY else "..."
        click.echo(f"serving on {simulator.url}; stop with Ctrl-C")
        click.echo(f"in another shell: export SIMULATOR_URL={simulator.url} SIMULATOR_API_KEY={shown}")
        sys.stdout.flush()

    serve(ledger, host, port, api_key, on_ready=announce, faults=Faults(seed=chaos), allow_remote=True)
