"""Finding out which guesses about the wire format hold for a server: a capture of a probe, and what it shows.

``docs/capture.md`` describes the file, what is taken out of it, and what the probe does.
"""

from __future__ import annotations

from simsync.run.probing.capture import CaptureFile, Record, read_capture
from simsync.run.probing.findings import findings
from simsync.run.probing.observation import ALSO, DIFFERS, HIDDEN, HOLDS, NOT_SEEN, Finding
from simsync.run.probing.probe import Limits, probe
from simsync.run.probing.redaction import Redaction

__all__ = [
    "ALSO",
    "DIFFERS",
    "HIDDEN",
    "HOLDS",
    "NOT_SEEN",
    "CaptureFile",
    "Finding",
    "Limits",
    "Record",
    "Redaction",
    "findings",
    "probe",
    "read_capture",
]
