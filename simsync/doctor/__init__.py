"""``simsync doctor``: checks of the way to a simulator, and a probe that shows how a simulator speaks.

:func:`check_up` checks this machine, the connection and the services. :func:`probe` runs a few short sessions and
records every frame in a :class:`CaptureFile`; :func:`findings` compares such a capture with the guesses that simsync
makes about the wire format. ``docs/internals/capture.md`` describes the file, what is removed from it, and the probe.
"""

from __future__ import annotations

from simsync.doctor.capture import CaptureFile, Record, read_capture
from simsync.doctor.checkup import CheckResult, check_up
from simsync.doctor.generation import Generation, generation_of
from simsync.doctor.observation import Finding
from simsync.doctor.probe import Limits, probe
from simsync.doctor.redaction import Redaction
from simsync.doctor.review import RemainingText, remaining_texts, removed
from simsync.doctor.table import findings

__all__ = [
    "CaptureFile",
    "CheckResult",
    "Finding",
    "Generation",
    "Limits",
    "Record",
    "Redaction",
    "RemainingText",
    "check_up",
    "findings",
    "generation_of",
    "probe",
    "read_capture",
    "remaining_texts",
    "removed",
]
