"""The command line (extra ``[cli]``). It uses the public API of simsync only."""

from __future__ import annotations
