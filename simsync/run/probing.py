"""The name that :mod:`simsync.doctor` had before; it warns, and goes away in the release after this one."""

from __future__ import annotations

import importlib
import warnings
from typing import TYPE_CHECKING

if not TYPE_CHECKING:  # otherwise type checkers would accept every name

    def __getattr__(name: str) -> object:
        # The package is named, not imported: what is in `run` does not depend on the doctor.
        doctor = importlib.import_module("simsync.doctor")
        if name not in doctor.__all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}; simsync.doctor has taken its place")
        warnings.warn(f"import {name} from simsync.doctor", DeprecationWarning, stacklevel=2)
        return getattr(doctor, name)
