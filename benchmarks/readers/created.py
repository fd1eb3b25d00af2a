"""What clients without simsync say and read to get a parallel session."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from benchmarks import traffic


def create_request(events: int) -> bytes:
    params = {"startSlot": traffic.FIRST_SLOT, "endSlot": traffic.FIRST_SLOT + events - 1, "parallel": True}
    return traffic.message("createBacktestSession", params)


def continue_request(session_id: str, advance: int) -> bytes:
    params = {"session_id": session_id, "sessionId": session_id, "request": {"advanceCount": advance}}
    return traffic.message("continueSessionV1", params)


def subscribe_request(*, packed: bool) -> bytes:
    config = {"commitment": "confirmed", **({"compression": "zstd"} if packed else {})}
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "transactionSubscribe", "params": ["all", config]}).encode()


class Created:
    """The sub-sessions, once every message up to the last first ready has been fed in."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.starts: dict[str, int] = {}
        self.ends: dict[str, int] = {}
        self._readies = 0

    def feed(self, text: str | bytes) -> bool:
        """True with the last one."""
        message: Mapping[str, Any] = json.loads(text)
        if message["method"] == "sessionsCreatedV2":
            params = message["params"]
            self.ids = params["session_ids"]
            self.starts = dict(zip(self.ids, params["start_slots"]))
            self.ends = dict(zip(self.ids, params["end_slots"]))
        elif message["method"] == "sessionEventV2":
            self._readies += 1
        return bool(self.ids) and self._readies == len(self.ids)
