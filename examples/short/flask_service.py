"""A web service in front of a simulator: GET /failures/1050/1079 lists what failed in these slots.

flask --app flask_service run
"""

from __future__ import annotations

from flask import Flask

import simsync

app = Flask(__name__)
client = simsync.Client()


@app.get("/failures/<int:first>/<int:last>")
def failures(first: int, last: int) -> tuple[dict[str, object], int]:
    try:
        with client.session(simsync.CreateSession(first, last)) as session:
            session.subscribe_transactions()
            run = session.collect(deadline=60)
    except simsync.SimsyncError as error:
        return {"error": str(error)}, 503 if error.retryable else 400
    return {"complete": run.complete, "failures": {one.signature: one.error_text for one in run.failures}}, 200
