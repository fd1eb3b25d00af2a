"""The command line (extra ``[cli]``). It uses nothing of ``wire``, ``protocol`` or ``runtime``."""

from __future__ import annotations
