"""The options that give accounts, programs and mints to a ledger."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, TypeVar

import click

if TYPE_CHECKING:
    from solders.pubkey import Pubkey

    from simsync.local import Ledger

Command = TypeVar("Command", bound=Callable[..., Any])

_NAMED = 5
"""Programs of a list that are named."""
_ACCOUNT_HELP = (
    "Accounts to start with: a file as `solana account ADDRESS --output json` writes it, or a folder of them."
    " May be given several times."
)


def account_options(command: Command) -> Command:
    """Add ``--account``, ``--program`` and ``--mint``."""
    for option in (
        click.option(
            "--mint",
            "mints",
            multiple=True,
            metavar="ADDRESS=DECIMALS",
            help="A token mint without supply.",
        ),
        click.option(
            "--program", "programs", multiple=True, metavar="ID=FILE", help="A compiled program (.so) at this address."
        ),
        click.option(
            "--account",
            "--accounts",
            "accounts",
            multiple=True,
            metavar="PATH",
            type=click.Path(path_type=Path),
            help=_ACCOUNT_HELP,
        ),
    ):
        command = option(command)
    return command


def program_files(programs: tuple[str, ...]) -> list[Path]:
    """The files that ``--program`` names."""
    return [Path(file) for file in (text.partition("=")[2] for text in programs) if file]


def with_accounts(
    ledger: Ledger, accounts: tuple[Path, ...], programs: tuple[str, ...], mints: tuple[str, ...]
) -> Ledger:
    """The ledger with what these options name. Raises InvalidParams, OSError or click.UsageError."""
    from simsync.local import mint_account, program_accounts
    from simsync.local.ledger.account_files import read_accounts
    from simsync.local.ledger.upgradeable_programs import lonely_programs

    found, missing = read_accounts(accounts)
    if missing:
        click.echo(f"left out {_several(missing, 'account')} that the node did not have (null in the files)", err=True)
    for text in programs:
        address, path = _pair("--program", text, "ID=FILE")
        found.update(program_accounts(address, Path(path).read_bytes()))
    for text in mints:
        address, decimals = _pair("--mint", text, "ADDRESS=DECIMALS")
        if not decimals.isdecimal():
            raise click.UsageError(f"--mint {text}: the decimals must be a number, as in {address}=6")
        found[address] = mint_account(int(decimals))
    lonely = list(lonely_programs(found, ledger.accounts))
    for address in lonely:
        del found[address]
    if lonely:
        names = ", ".join(map(str, lonely[:_NAMED])) + (" ..." if len(lonely) > _NAMED else "")
        text = f"left out {_several(len(lonely), 'program')} without ProgramData, which could not be called: {names}"
        click.echo(text, err=True)
    return ledger.with_accounts(found) if found else ledger


def _several(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _pair(option: str, text: str, form: str) -> tuple[Pubkey, str]:
    from solders.pubkey import Pubkey

    name, sign, value = text.partition("=")
    if not sign or not value:
        raise click.UsageError(f"{option} {text}: must be {form}")
    try:
        return Pubkey.from_string(name), value
    except ValueError as error:
        raise click.UsageError(f"{option} {text}: {name!r} is not a Solana address (base58 of 32 bytes)") from error
