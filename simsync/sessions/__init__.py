"""The sessions of the public API: single sessions, parallel sessions and their sub-sessions."""

from __future__ import annotations
