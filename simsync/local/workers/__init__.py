"""Worker processes: sessions that run outside of the simulator's process, since LiteSVM holds the GIL."""

from __future__ import annotations
