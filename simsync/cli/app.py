"""The command ``simsync``: the options of all commands, logging, and the exit codes."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

import simsync
from simsync.cli.bundles import bundle
from simsync.cli.compare import compare
from simsync.cli.demo import demo
from simsync.cli.doctor import doctor
from simsync.cli.export import export
from simsync.cli.ledger import ledger
from simsync.cli.local import local
from simsync.cli.ranges import ranges
from simsync.cli.report import report
from simsync.cli.run import run as run_command
from simsync.cli.settings import Settings
from simsync.cli.summarize import summarize
from simsync.cli.usage import usage

FAILED = 1
USAGE = 2
NOT_REACHABLE = 3
INTERRUPTED = 130

_UNAUTHORISED = (401, 403)
"""HTTP status codes of a rejected key."""
_LEVELS = (logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG)
"""From ``--quiet`` to ``-vv``."""


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 success, 1 failed, 2 wrong usage, 3 not reachable or not authorised, 130 interrupted.",
)
@click.option("--url", envvar="SIMULATOR_URL", help="Address of the simulator.  [env: SIMULATOR_URL]")
@click.option("--api-key", envvar="SIMULATOR_API_KEY", help="API key of the simulator.  [env: SIMULATOR_API_KEY]")
@click.option(
    "--ca-bundle",
    type=click.Path(path_type=Path),
    help="File or folder with the CA certificates to trust; by default as REQUESTS_CA_BUNDLE or SSL_CERT_FILE say.",
)
@click.option("-q", "--quiet", is_flag=True, help="Log errors only.")
@click.option("-v", "--verbose", count=True, help="Log more; -vv logs everything except keys and payloads.")
@click.version_option(simsync.__version__)
@click.pass_context
def cli(
    context: click.Context, url: str | None, api_key: str | None, ca_bundle: Path | None, quiet: bool, verbose: int
) -> None:
    """Drive a Solana backtest simulator from plain, blocking Python."""
    context.obj = Settings(url, api_key, ca_bundle)
    if os.environ.get("NO_COLOR"):
        context.color = False
    context.with_resource(_logging(_LEVELS[0] if quiet else _LEVELS[min(1 + verbose, len(_LEVELS) - 1)]))


@contextlib.contextmanager
def _logging(level: int) -> Iterator[None]:
    """Write the log of the library to standard error while the command runs."""
    logger = logging.getLogger("simsync")
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


for command in (ranges, run_command, usage, bundle, summarize, compare, report, export, demo, doctor, local, ledger):
    cli.add_command(command)


def run(arguments: Sequence[str] | None = None) -> int:
    """Parse the arguments and run a command. An error is one line on standard error, never a traceback.

    Args:
        arguments: The words of the command line after ``simsync``; by default those of this process.

    Returns:
        The exit code.
    """
    try:
        code = cli.main(arguments, prog_name="simsync", standalone_mode=False)
    except click.ClickException as error:
        hint = f" (see: {error.ctx.command_path} --help)" if isinstance(error, click.UsageError) and error.ctx else ""
        click.echo(f"simsync: {error.format_message()}{hint}", err=True)
        return error.exit_code
    except (simsync.SimsyncError, OSError) as error:
        click.echo(f"simsync: {error}", err=True)
        return _exit_code(error)
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except SystemExit:
        # click exits when the reader of standard output has closed the pipe (`simsync ranges | head -1`). It has
        # replaced standard output, so that the interpreter does not fail to flush it when it ends.
        click.echo("simsync: standard output was closed before everything was written", err=True)
        return FAILED
    return code if isinstance(code, int) else 0


def _exit_code(error: Exception) -> int:
    if isinstance(error, simsync.InvalidParams):
        return USAGE
    if isinstance(error, simsync.HttpStatusError):
        return NOT_REACHABLE if error.status in _UNAUTHORISED else FAILED
    return NOT_REACHABLE if isinstance(error, simsync.ConnectError) else FAILED
