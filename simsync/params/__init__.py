"""What the caller sends: plain dataclasses that check their fields when they are created.

An object that was created can be sent. A wrong value raises :class:`~simsync.InvalidParams`, which names the argument
and shows the value.
"""

from __future__ import annotations

from simsync.params.account import AccountData, AccountModifications, EncodedBinary
from simsync.params.continues import Continue, ContinueTo
from simsync.params.create import CreateSession
from simsync.params.discovery import DiscoveryFilter, OracleUpdate, ProgramExecuted
from simsync.params.probe import DiagnosticProbe
from simsync.params.reroute import DirectFill, FillAccount, FillInstruction, FillTaker, MintPair, Reroute
from simsync.params.schedule import Anchor, ScheduledAction

__all__ = [
    "AccountData",
    "AccountModifications",
    "Anchor",
    "Continue",
    "ContinueTo",
    "CreateSession",
    "DiagnosticProbe",
    "DirectFill",
    "DiscoveryFilter",
    "EncodedBinary",
    "FillAccount",
    "FillInstruction",
    "FillTaker",
    "MintPair",
    "OracleUpdate",
    "ProgramExecuted",
    "Reroute",
    "ScheduledAction",
]
