"""What to run and record."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from simsync import programs
from simsync._version import __version__
from simsync.errors import InvalidParams
from simsync.params import CreateSession, checks
from simsync.run import fingerprint
from simsync.run.strategy import Strategy


@dataclass(frozen=True)
class RunPlan:
    """A run to record.

    Attributes:
        create: The range and its options.
        parallel: Let the server split the range into sub-sessions.
        program_ids: Record transactions that mention any of these programs; if empty, all transactions.
        binaries: ELF files that replace programs, by program id.
        binary_names: Names of these files, for the metadata of the recorded run.
        account_diffs: Also record the diffs of accounts that ``program_ids`` own.
        advance: Blocks per continue.
        strategy: Drives each session; what it leaves of the range is run to the end.
        workers: How many sub-sessions are driven at the same time; None for all.
        generation: The version of the server, if the client was told.

    Raises:
        InvalidParams: A value is not valid; nothing was sent.
    """

    create: CreateSession
    parallel: bool = False
    program_ids: Sequence[str] = ()
    binaries: Mapping[str, bytes] = field(default_factory=dict)
    binary_names: Sequence[str] = ()
    account_diffs: bool = False
    advance: int = 100
    strategy: Optional[Strategy] = None
    workers: Optional[int] = None
    generation: Optional[str] = None

    def __post_init__(self) -> None:
        checks.assign(
            self,
            program_ids=checks.addresses("program_ids", self.program_ids),
            advance=checks.integer("advance", self.advance, 1, checks.U64),
            workers=checks.optional_integer("workers", self.workers, 1, checks.U32),
        )
        checks.flag("account_diffs", self.account_diffs)
        if self.strategy is not None and not callable(self.strategy):
            raise InvalidParams("strategy", self.strategy, "must be a function of one session")
        checks.assign(self, binaries=_checked_binaries(self.binaries))
        if self.account_diffs and not self.program_ids:
            raise InvalidParams("account_diffs", True, "needs program_ids: the programs whose accounts are recorded")

    def fingerprint_parts(self) -> dict[str, Any]:
        """Everything that changes the results of this run, as JSON values by the name of the option."""
        parts = {
            **fingerprint.parts_of_create(self.create),
            "parallel": self.parallel,
            "program_ids": sorted(self.program_ids),
            "binaries": {program: fingerprint.hash_of(binary) for program, binary in self.binaries.items()},
            "account_diffs": self.account_diffs,
            "simsync": __version__,
        }
        if self.generation is not None:
            parts["generation"] = self.generation
        if self.strategy is not None:
            parts.update(fingerprint.parts_of_function(self.strategy))
        return fingerprint.plain(parts)

    def metadata(self) -> dict[str, Any]:
        """The data of the ``metadata`` record, which begins the file of this run.

        Returns:
            The range, programs and binaries as JSON values, the time in Unix seconds, the version of simsync, and the
            fingerprint with its parts (``options``).
        """
        parts = self.fingerprint_parts()
        return {
            "start_slot": self.create.start_slot,
            "end_slot": self.create.last_slot,
            "program_ids": list(self.program_ids),
            "program_so": list(self.binary_names),
            "ran_at_unix_secs": int(time.time()),
            "session_ids": [],
            "recorded_by": f"simsync {__version__}",
            "fingerprint": fingerprint.digest(parts),
            "options": parts,
        }


def _checked_binaries(values: object) -> dict[str, bytes]:
    checked = {}
    for key, elf in checks.mapping("binaries", values).items():
        program = checks.address("binaries key", key)
        try:
            programs.program_data_bytes(elf, 0)
        except InvalidParams as error:
            raise InvalidParams(f"binaries[{program}]", error.value, error.rule) from None
        checked[program] = bytes(elf)
    return checked
