"""``simsync doctor``: checks of the way to a simulator, or a probe of how it speaks."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import click

from simsync.cli import options
from simsync.cli.output import show_json
from simsync.cli.settings import Settings, pass_settings
from simsync.run.output_file import own_descriptor


@click.command()
@click.option(
    "--capture",
    type=options.OUTPUT_FILE,
    help="Run a few short sessions instead, record every frame in this file (without the key, the host and session"
    " ids), and show which guesses about the wire format hold. Exit code 1 if a guess needs a setting or a step fails.",
)
@click.option("--hide", multiple=True, metavar="TEXT", help="With --capture: also remove this text from the file.")
@click.option("--review", is_flag=True, help="With --capture: also list the texts of the server that are in the file.")
@click.option("--verbose", is_flag=True, help="With --capture: also list the guesses that no capture shows.")
@options.as_json
@pass_settings
def doctor(
    settings: Settings, capture: Optional[Path], hide: tuple[str, ...], review: bool, verbose: bool, as_json: bool
) -> int:
    """Check Python, packages, address, connection, key, ranges and clock. Exit code 1 if a check fails."""
    # Imported here, because no other command needs it and it takes long.
    from simsync.doctor.checkup import FAILED, OK, check_up

    if capture is not None:
        from simsync.cli.probe import probe_and_show

        if own_descriptor(capture) == 1:
            shown = "the JSON document" if as_json else "the table"
            raise click.UsageError(f"--capture {capture}: {shown} goes to standard output as well; pass a file")
        return probe_and_show(settings, capture, hide, review=review, verbose=verbose, as_json=as_json)
    if hide or review or verbose:
        raise click.UsageError("--hide, --review and --verbose need --capture")
    styles = {OK: "green", FAILED: "red"}
    results = []
    for one in check_up(settings.client() if settings.url else None):
        results.append(one)
        if not as_json:
            mark = click.style(f"{one.result:<8}", fg=styles.get(one.result, "yellow"))
            click.echo(f"{mark} {one.check:<14} {one.detail}")
            if one.advice:
                click.echo(f"{'':<8} {'':<14} → {one.advice}")
    if as_json:
        show_json([one.to_dict() for one in results])
    return int(any(one.result == FAILED for one in results))
