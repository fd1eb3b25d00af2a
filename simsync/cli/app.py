"""The command ``simsync``: the options of all commands, logging, and how a command ends."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

import simsync
from simsync.cli.bundles import bundle
from simsync.cli.compare import compare
from simsync.cli.demo import demo
from simsync.cli.doctor import doctor
from simsync.cli.ended import Ended
from simsync.cli.exit_codes import INTERRUPTED, MEANINGS, PIPE_CLOSED, exit_code
from simsync.cli.export import export
from simsync.cli.global_options import log_level, version_line, with_global_options
from simsync.cli.ledger import ledger
from simsync.cli.local import local
from simsync.cli.ranges import ranges
from simsync.cli.report import report
from simsync.cli.run import run as run_command
from simsync.cli.settings import Settings
from simsync.cli.show import show
from simsync.cli.signals import signals_end_the_command
from simsync.cli.sql import sql
from simsync.cli.summarize import summarize
from simsync.cli.sweep import sweep
from simsync.cli.usage import usage
from simsync.run.compressed_file import pipes_are_kept

_EXTRAS = {"export": "report", "local": "local", "ledger": "local", "demo": "local", "sweep": "dask"}
"""The extra whose packages a command imports, for those that do not say it themselves."""


class _ReaderGone(Exception):
    """The reader of a pipe went away. click would end the process for a BrokenPipeError."""


class _Commands(click.Group):
    """Turns an exception that no command foresees into one line; with ``--verbose`` its traceback comes first."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(context, args)
        except BrokenPipeError as error:  # while it printed the help
            raise _ReaderGone from error

    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
        except BrokenPipeError as error:
            raise _ReaderGone from error
        except (click.ClickException, click.exceptions.Exit, click.Abort, simsync.SimsyncError, OSError, _ReaderGone):
            raise
        except KeyboardInterrupt as error:
            raise Ended(error) from error
        except ImportError as error:
            _show_traceback()
            extra = _EXTRAS.get(context.invoked_subcommand or "", "report")
            raise click.ClickException(f"{error}; install what is missing: pip install 'simsync[{extra}]'") from error
        except Exception as error:
            where = "" if _show_traceback() else " (--verbose shows where)"
            raise click.ClickException(f"{type(error).__name__}: {error}{where}") from error


def _show_traceback() -> bool:
    """Print the present exception's traceback if the log is verbose."""
    verbose = logging.getLogger("simsync").isEnabledFor(logging.INFO)
    if verbose:
        traceback.print_exc()
    return verbose


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: " + "; ".join(f"{code} {meaning.replace('`', '')}" for code, meaning in MEANINGS.items()) + ".",
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
@click.version_option(simsync.__version__, message=version_line())
@click.pass_context
def cli(
    context: click.Context, url: str | None, api_key: str | None, ca_bundle: Path | None, quiet: bool, verbose: int
) -> None:
    """Drive a Solana backtest simulator from plain, blocking Python."""
    context.obj = Settings(url, api_key, ca_bundle)
    if os.environ.get("NO_COLOR"):
        context.color = False
    context.with_resource(_logging(log_level(quiet, verbose)))


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


for command in (
    ranges,
    run_command,
    usage,
    bundle,
    summarize,
    compare,
    show,
    sql,
    report,
    export,
    demo,
    doctor,
    local,
    ledger,
    sweep,
):
    cli.add_command(with_global_options(command))


_NO_ARGUMENTS: tuple[type[click.UsageError], ...] = tuple(
    filter(None, [getattr(click.exceptions, "NoArgsIsHelpError", None)])  # since click 8.2; before, click printed it
)


def run(arguments: Sequence[str] | None = None) -> int:
    """Parse the arguments and run a command. An error is one line on standard error; ``--verbose`` shows where.

    Args:
        arguments: The words of the command line after ``simsync``; by default those of this process.

    Returns:
        The exit code.
    """
    try:
        with signals_end_the_command(), pipes_are_kept():
            code = cli.main(arguments, prog_name="simsync", standalone_mode=False)
            sys.stdout.flush()
    except _NO_ARGUMENTS as error:
        click.echo(error.format_message(), err=True)  # the help
        return error.exit_code
    except click.ClickException as error:
        hint = f" (see: {error.ctx.command_path} --help)" if isinstance(error, click.UsageError) and error.ctx else ""
        _say(f"{_one_line(error.format_message())}{hint}")
        return error.exit_code
    except (_ReaderGone, BrokenPipeError):
        return _pipe_closed()
    except (simsync.SimsyncError, OSError) as error:
        _say(_one_line(str(error)))
        return exit_code(error)
    except (click.Abort, KeyboardInterrupt) as error:
        return _interrupted(error)
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)  # as for shell completion
    return code if isinstance(code, int) else 0


def _say(text: str) -> None:
    with contextlib.suppress(OSError):
        click.echo(f"simsync: {text}", err=True)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _interrupted(error: BaseException) -> int:
    """Say what ended the command; a signal may also arrive before the command begins or after its end."""
    interrupt = error.__cause__ if isinstance(error, click.Abort) else error
    if isinstance(error, Ended):
        ended = error
    elif isinstance(interrupt, KeyboardInterrupt):
        ended = Ended(interrupt)
    else:
        return INTERRUPTED  # a question was not answered
    _say(ended.line)
    return ended.exit_code


def _pipe_closed() -> int:
    """The reader has what it wanted (``simsync ranges | head -1``): nothing needs to be said."""
    # The interpreter flushes standard output when it ends, and would complain.
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return PIPE_CLOSED
