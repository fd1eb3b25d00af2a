"""The conversations as state machines: no thread, no socket, no clock.

They are fed with received payloads and the time (seconds on any steady clock), and answer with what to send, what to
deliver and when to come back.
"""

from __future__ import annotations
