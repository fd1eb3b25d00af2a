"""Faults that the simulator can be told to make, one small class per kind."""

from __future__ import annotations

from simsync.local.faults.faults import Faults

__all__ = ["Faults"]
