"""The command line (extra ``[cli]``), on the public API only."""

from __future__ import annotations
