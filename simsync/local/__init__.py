"""The embedded simulator: a server on this machine that speaks the simulator's protocol and runs real Solana programs.

    from simsync.local import Ledger, Simulator

    with Simulator(Ledger.generate(slots=100)) as simulator:
        print(simulator.url, simulator.api_key)

Install it with ``pip install 'simsync[local]'``; otherwise the import raises MissingExtra, an ImportError.
"""

from __future__ import annotations

from simsync.errors import MissingExtra

try:
    import aiohttp as _aiohttp  # noqa: F401
    import solders.litesvm as _litesvm  # noqa: F401
except ImportError as error:
    raise MissingExtra("simsync.local", "local") from error

from simsync.local.action_blob import action_blob
from simsync.local.behaviour import Behaviour
from simsync.local.engine.programs import TINY_PROGRAM, mint_account, program_accounts, tiny_program
from simsync.local.faults.faults import Faults
from simsync.local.ledger.account_files import read_account_files
from simsync.local.ledger.blocks import Block, Bundle, HistoricalTransaction
from simsync.local.ledger.ledger import Ledger
from simsync.local.simulator import Simulator

__all__ = [
    "TINY_PROGRAM",
    "Behaviour",
    "Block",
    "Bundle",
    "Faults",
    "HistoricalTransaction",
    "Ledger",
    "Simulator",
    "action_blob",
    "mint_account",
    "program_accounts",
    "read_account_files",
    "tiny_program",
]
