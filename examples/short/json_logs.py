"""The log as JSON lines, for Loki, Elasticsearch or jq: which session, which connection, which attempt."""

from __future__ import annotations

import json
import logging
import sys

import simsync


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = {name: getattr(record, name, None) for name in ("session_id", "plane", "attempt", "slot")}
        return json.dumps({"level": record.levelname, "logger": record.name, "text": record.getMessage(), **fields})


handler = logging.StreamHandler(sys.stdout)
handler.setFormatter(JsonLines())
logging.basicConfig(level=logging.INFO, handlers=[handler])
with simsync.Client().session(simsync.CreateSession(1_050, 1_079)) as session:
    for event in session.events(advance=5):
        if isinstance(event, simsync.Slot) and event.slot == 1_060:
            session.drop_connection()  # so that there is something to log
