"""The only package of the client that knows the simulator's messages: their JSON keys, method names and encodings.

It has no threads, no sockets and no clock. Where the vendor documents nothing, the code guesses. Each guess lives in
one place and is listed in ``docs/internals/compatibility.md``; the least certain ones can be changed through
:class:`simsync.wire.dialect.Dialect`.
"""

from __future__ import annotations
