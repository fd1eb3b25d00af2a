"""``simsync doctor --capture``: runs the probe, and prints the table of the guesses."""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

import simsync
from simsync.cli.output import show_json, show_table
from simsync.cli.settings import Settings
from simsync.doctor import (
    CaptureFile,
    Finding,
    Record,
    Redaction,
    findings,
    generation_of,
    probe,
    read_capture,
    remaining_texts,
    removed,
)
from simsync.doctor.observation import ALSO, DIFFERS, HIDDEN, HOLDS, NOT_SEEN
from simsync.run.output_file import replaced

_COLUMNS = ("guess", "simsync assumes", "this server", "setting")
_UNSETTLED = {DIFFERS: "set or edit", ALSO: "nothing to set", HOLDS: "", NOT_SEEN: "not seen", HIDDEN: "not observable"}


def probe_and_show(
    settings: Settings, path: Path, hidden: Sequence[str], *, review: bool, verbose: bool, as_json: bool
) -> int:
    """Run the probe and print the table. Returns the exit code: 0 if no setting is needed and no step failed."""
    client = settings.client()
    redaction = Redaction.of(settings.api_key or "", client.url, hidden)
    failure: simsync.SimsyncError | KeyboardInterrupt | None = None
    with replaced(path, wait=0) as part:  # the other writer may be a capture, which takes longer than anyone waits
        with CaptureFile(part, redaction) as capture, _quiet_library():
            try:
                ended_early = probe(client.url, settings.api_key or "", capture, options=client.options)
            except (simsync.SimsyncError, KeyboardInterrupt) as error:
                if path.exists():
                    raise  # the older capture shows more than this one
                failure = error
        # From the file, so that everyone who has it gets the same table.
        records = read_capture(part)
        found = findings(records)
    if failure is not None:
        raise failure
    if as_json:
        show_json([finding.to_dict() for finding in found])
    else:
        _show(found, path, verbose=verbose)
        _show_what_was_removed(records, client.options.dialect, review=review)
    failed = any(record.kind == "failed" for record in capture.records if record.plane == "probe")
    if ended_early is not None:
        click.echo(f"simsync: {ended_early}; {path} has the frames up to then", err=True)
    return int(failed or any(finding.result == DIFFERS for finding in found))


def _show(found: Sequence[Finding], path: Path, *, verbose: bool) -> None:
    shown = [finding for finding in found if verbose or finding.result != HIDDEN]
    show_table(_COLUMNS, ((one.guess, one.assumes, one.server, one.setting or _UNSETTLED[one.result]) for one in shown))
    count = Counter(finding.result for finding in found)
    click.echo(
        f"\n{count[HOLDS]} guesses hold, {count[ALSO]} hold in another form that simsync reads, {count[DIFFERS]} need a"
        f" setting, {count[NOT_SEEN]} were not seen, {count[HIDDEN]} are not observable"
        f"{'' if verbose else ' (--verbose lists them)'}."
        f"\nEvery frame is in {path}, without the key, the host and session ids; docs/internals/capture.md describes"
        " the file."
    )


def _show_what_was_removed(records: Sequence[Record], dialect: simsync.Dialect, *, review: bool) -> None:
    counts = ", ".join(f"{name} {count:,}" for name, count in sorted(removed(records).items()))
    texts = remaining_texts(records)
    click.echo(f"Removed: {counts or 'nothing'}.")
    click.echo(
        f"{len(texts)} texts of the server stayed that simsync does not know: only a reader can tell what is in them"
        f"{'' if review or not texts else ' (--review lists them)'}."
    )
    if review and texts:
        show_table(("line", "times", "key", "text"), texts)
    click.echo(generation_of(records).advice(dialect))


@contextlib.contextmanager
def _quiet_library() -> Iterator[None]:
    """Hide warnings: the probe provokes refusals and lost connections. ``-v`` shows them."""
    logger = logging.getLogger("simsync")
    before = logger.level
    if before >= logging.WARNING:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
