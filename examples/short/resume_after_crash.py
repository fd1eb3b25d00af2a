"""Continue where a killed process has stopped: the session is still on the server, and a file says how far we were."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import simsync

CREATE = simsync.CreateSession(1_050, 1_079)
STATE, NEXT = Path(sys.argv[1]), Path(sys.argv[1] + ".next")

client = simsync.Client()
saved = json.loads(STATE.read_text()) if STATE.exists() else None
with client.attach(*saved, create=CREATE) if saved else client.session(CREATE) as session:
    for event in session.events(advance=10):
        if isinstance(event, simsync.Slot):
            print(f"slot {event.slot}", flush=True)
        NEXT.write_text(json.dumps([session.session_id, session.last_sequence]))
        NEXT.replace(STATE)  # never half a file
STATE.unlink()
