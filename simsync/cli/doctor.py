"""``simsync doctor``: what stands between this machine and a simulator."""

from __future__ import annotations

import click

from simsync.cli import options
from simsync.cli.output import show_json
from simsync.cli.settings import Settings, pass_settings
from simsync.run.checkup import FAILED, OK, check_up

_STYLES = {OK: "green", FAILED: "red"}


@click.command()
@options.as_json
@pass_settings
def doctor(settings: Settings, as_json: bool) -> int:
    """Check Python, packages, address, connection, key, ranges and clock. Exit code 1 if something failed."""
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
