"""Solana JSON-RPC of a session."""

from __future__ import annotations
