"""The page about many recorded runs, for example one of each night."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

import simsync
from simsync.errors import InvalidParams, SimsyncError
from simsync.run.comparison import Comparison, ComparisonTotals
from simsync.run.database import DEFAULT_MEMORY, RecordingDatabase
from simsync.run.gate import incomparable_because
from simsync.run.output_file import refuse_same_file
from simsync.run.record_file import KINDS, PathLike, number, read_records
from simsync.run.recorder import unfinished_path
from simsync.run.report import figures
from simsync.run.report.page import time_text, write_page
from simsync.run.report.series import unit_percentiles
from simsync.run.totals import RunTotals, totals_of

logger = logging.getLogger("simsync.run")

_ENDINGS = (".ndjson", ".jsonl", ".json")
_COMPRESSED = (".gz", ".zst", ".zstd")
_PROGRAMS = 15
"""Rows of the table of programs."""
_RECENT = 5
"""Runs that have a column in it, the last one first."""


@dataclass
class Night:
    """One run of a history.

    Attributes:
        path: Its file.
        totals: Its totals.
        units: Percentiles of the compute units of a transaction; None if none were recorded.
        changed: When the file was changed last, in Unix seconds.
        against: What changed since the run before; None if the two cannot be compared.
        regressions: Regressions since the run before, by program.
        reason: Why the two cannot be compared.
    """

    path: Path
    totals: RunTotals
    units: Optional[dict[str, int]]
    changed: float
    against: Optional[ComparisonTotals] = None
    regressions: dict[str, int] = field(default_factory=dict)
    reason: str = ""

    @property
    def began(self) -> float:
        """When the run began, in Unix seconds."""
        at = number(self.totals.metadata.get("ran_at_unix_secs"))
        return self.changed if at is None else at

    @property
    def label(self) -> str:
        """When the run began, as text."""
        return time_text(self.began) or self.path.name

    @property
    def failed_share(self) -> float:
        """Failed transactions in percent."""
        return 100 * self.totals.failed / self.totals.transactions if self.totals.transactions else 0.0


def write_history(folder: PathLike, target: PathLike, max_memory: int = DEFAULT_MEMORY) -> list[Night]:
    """Write a page about all recordings of a folder: failed share, compute units, and regressions by program.

    Each run is compared with the one before. The page is replaced atomically.

    Args:
        folder: The folder. Files that are not recordings or cannot be read are left out with a warning.
        target: The HTML file to write.
        max_memory: MiB that the process may take.

    Returns:
        The runs in the order of time.

    Raises:
        InvalidParams: The folder holds no recording.
        OSError: The folder, or every file in it, cannot be read, or the page cannot be written.
        SimsyncError: No file can be read, because the memory limit is too small or the temporary folder is full.
    """
    recordings = _recordings(Path(folder))
    refuse_same_file("target", target, recordings)
    nights = sorted(_read(recordings, max_memory), key=lambda night: (night.began, night.path.name))
    if not nights:
        raise InvalidParams("history", str(folder), "holds no recording (*.ndjson, *.jsonl, *.json, also .gz and .zst)")
    for before, night in zip(nights, nights[1:]):
        _compare(before, night, max_memory)
    programs: dict[str, int] = {}
    for night in nights:
        for program, count in night.regressions.items():
            programs[program] = programs.get(program, 0) + count
    most = sorted(programs, key=lambda program: (-programs[program], program))[:_PROGRAMS]
    labels = [night.label for night in nights]
    values = {
        "title": f"History of {Path(folder).resolve().name}",
        "version": simsync.__version__,
        "nights": nights,
        "programs": [(program, programs[program]) for program in most],
        "recent": nights[:0:-1][:_RECENT],
        "failed": figures.over_runs(labels, [night.failed_share for night in nights], "failed, %", figures.BAD),
        "units": figures.over_runs(
            labels, [(night.units or {}).get("50 %") for night in nights], "compute units", figures.NEUTRAL
        ),
        "regressions": figures.over_runs(
            labels,
            [None if night.against is None else night.against.regressions for night in nights],
            "regressions",
            figures.BAD,
        ),
    }
    write_page(target, "history.html", values, [])
    return nights


def _recordings(folder: Path) -> list[Path]:
    """The files of a folder that are recordings by their names, without those that were to replace one of them."""
    found = []
    for path in sorted(folder.iterdir()):
        name = (path.stem if path.suffix.lower() in _COMPRESSED else path.name).lower()
        if not name.startswith(".") and name.endswith(_ENDINGS) and path.is_file():
            found.append(path)
    unfinished = {unfinished_path(path) for path in found}
    for path in unfinished.intersection(found):
        logger.warning("%s is left out: it was to replace another recording of the folder", path)
    return [path for path in found if path not in unfinished]


def _read(paths: list[Path], max_memory: int) -> list[Night]:
    """The runs that can be read. Raises the error of the first file if none can be."""
    nights: list[Night] = []
    failure: SimsyncError | OSError | None = None
    for path in paths:
        try:
            first = next(read_records(path), None)
            if first is not None and first.kind not in KINDS:
                raise InvalidParams("path", str(path), f"is not a recorded run: it begins with a record {first.kind!r}")
            with RecordingDatabase(path, max_memory=max_memory) as database:
                night = Night(path, totals_of(database), unit_percentiles(database), path.stat().st_mtime)
            nights.append(night)
        except (SimsyncError, OSError) as error:
            logger.warning("%s is left out: %s", path, error)
            failure = failure or error
    if failure is not None and not nights and not isinstance(failure, InvalidParams):
        raise failure
    return nights


def _compare(before: Night, night: Night, max_memory: int) -> None:
    try:
        _compare_files(before, night, max_memory)
    except (SimsyncError, OSError) as error:
        logger.warning("%s is not compared with %s: %s", night.path, before.path, error)
        night.against, night.reason = None, str(error)


def _compare_files(before: Night, night: Night, max_memory: int) -> None:
    with Comparison(before.path, night.path, max_memory) as comparison:
        reasons = incomparable_because(comparison)
        if reasons:
            night.reason = "; ".join(reasons)
            return
        night.against = comparison.totals()
        if night.against.regressions:
            night.regressions = {row.program: row.regressions for row in comparison.programs() if row.regressions}
