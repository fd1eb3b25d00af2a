"""The data plane: subscriptions to the results of a session."""

from __future__ import annotations
