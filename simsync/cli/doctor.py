"""``simsync doctor``: what stands between this machine and a simulator, and how that simulator speaks."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import click

from simsync.cli import options
from simsync.cli.output import show_json
from simsync.cli.probe import probe_and_show
from simsync.cli.settings import Settings, pass_settings
from simsync.run.checkup import FAILED, OK, check_up

_STYLES = {OK: "green", FAILED: "red"}


@click.command()
@click.option(
    "--capture",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Run a few short sessions instead, record every frame in this file (without key, host and ids of sessions),"
    " and say which guesses about the wire format hold. Exit code 1 if something needs a setting or failed.",
)
@click.option("--hide", multiple=True, metavar="TEXT", help="With --capture: take this text out of the file, too.")
@click.option("--verbose", is_flag=True, help="With --capture: list the guesses that no capture shows, too.")
@options.as_json
@pass_settings
def doctor(settings: Settings, capture: Optional[Path], hide: tuple[str, ...], verbose: bool, as_json: bool) -> int:
    """Check Python, packages, address, connection, key, ranges and clock. Exit code 1 if something failed."""
    if capture is not None:
        return probe_and_show(settings, capture, hide, verbose=verbose, as_json=as_json)
    if hide or verbose:
        raise click.UsageError("--hide and --verbose go with --capture")
    findings = []
    for finding in check_up(settings.client() if settings.url else None):
        findings.append(finding)
        if not as_json:
            mark = click.style(f"{finding.result:<8}", fg=_STYLES.get(finding.result, "yellow"))
            click.echo(f"{mark} {finding.check:<14} {finding.detail}")
            if finding.advice:
                click.echo(f"{'':<8} {'':<14} → {finding.advice}")
    if as_json:
        show_json([finding.to_dict() for finding in findings])
    return int(any(finding.result == FAILED for finding in findings))
