"""The only place that knows a JSON key, a method name or an encoding.

Nothing here has a thread, a socket or a clock. What the vendor does not document is a guess; each guess is marked in
:mod:`simsync.wire.dialect` or in ``docs/compatibility.md`` and lives in one place.
"""

from __future__ import annotations
