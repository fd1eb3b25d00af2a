"""``simsync local``: the embedded simulator as a server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from simsync.cli import options
from simsync.cli.ledger_accounts import account_options, with_accounts
from simsync.cli.output import show_json

if TYPE_CHECKING:
    from simsync.local import Simulator

DEFAULT_KEY = "local-dev-key"
_HOST_HELP = "Address to listen on. Other machines can connect unless it is a loopback address."


@click.command()
@click.option(
    "--ledger",
    "path",
    type=click.Path(path_type=Path),
    help="Ledger file, or a folder of getBlock replies; by default one is generated.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help=_HOST_HELP,
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8900,
    show_default=True,
    help="0 for any free port.",
)
@click.option(
    "--api-key",
    envvar="SIMULATOR_API_KEY",
    default=DEFAULT_KEY,
    show_default=True,
    help="Empty for none.",
)
@account_options
@click.option(
    "--workers",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Processes that run the sessions; with 0 or 1 the server's process does.",
)
@click.option("--chaos", type=int, metavar="SEED", help="Inject faults chosen by this seed: drops, stalls and replays.")
@click.option(
    "--end-of-stream",
    type=click.Choice(["a", "b", "c"]),
    default="a",
    show_default=True,
    help="End of a subscription: a a message with completed, b a message of its own, c a clean close.",
)
@click.option(
    "--generation",
    default="any",
    show_default=True,
    metavar="VERSION",
    help="Read only the requests that a server of this protocol version knows, such as 0.13; any reads all.",
)
@click.option("--hosted-surface", is_flag=True, help="Serve only the methods that the hosted simulator documents.")
@options.as_json
def local(
    path: Path | None,
    host: str,
    port: int,
    api_key: str,
    workers: int,
    chaos: int | None,
    end_of_stream: str,
    generation: str,
    hosted_surface: bool,
    accounts: tuple[Path, ...],
    programs: tuple[str, ...],
    mints: tuple[str, ...],
    as_json: bool,
) -> None:
    """Run the embedded simulator as a server until it is interrupted (extra [local])."""
    from simsync.local import Faults, Ledger
    from simsync.local.command import describe, serve

    if path is None:
        click.echo("generating a ledger ...", err=True)
        ledger = Ledger.generate()
    else:
        ledger = Ledger.from_files(path) if path.is_dir() else Ledger.load(path)
    ledger = with_accounts(ledger, accounts, programs, mints)

    def announce(simulator: Simulator) -> None:
        if as_json:
            show_json({"url": simulator.url, "start_slot": ledger.start_slot, "end_slot": ledger.end_slot})
        else:
            click.echo(describe(ledger))
            if chaos is not None:
                click.echo(f"chaos         --chaos {chaos}")
            shown = api_key if api_key == DEFAULT_KEY else "..."  # a chosen key must not end up in a log
            click.echo(f"serving on {simulator.url}; stop with Ctrl-C")
            click.echo(f"in another shell: export SIMULATOR_URL={simulator.url} SIMULATOR_API_KEY={shown}")
        sys.stdout.flush()  # a script may be waiting for these lines in a pipe

    serve(
        ledger,
        host,
        port,
        api_key,
        on_ready=announce,
        faults=Faults(seed=chaos),
        allow_remote=True,
        workers=workers,
        end_of_stream=end_of_stream,
        generation=generation,
        hosted_surface=hosted_surface,
    )
