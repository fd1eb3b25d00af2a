"""The control plane: sessions, the groups they belong to, and the socket that commands them."""

from __future__ import annotations
