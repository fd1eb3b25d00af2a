"""Is the module ``websocket`` the one of websocket-client? Several others have the same name."""

from __future__ import annotations

import os
import sys

_COMMANDS = ("-m", "simsync")
"""The first word of the command line while ``python -m simsync`` or ``simsync`` imports the package."""
_NEEDED = ("ABNF", "WebSocket", "WebSocketBadStatusException", "WebSocketTimeoutException")


def is_command() -> bool:
    """True while the command line imports the package."""
    # Without pathlib: importing it would be a fortieth of the time from the start of a program to its first event.
    return os.path.basename(sys.argv[0] if sys.argv else "") in _COMMANDS  # noqa: PTH119


def check_library() -> None:
    """Raise ImportError, with one line of advice, if ``import websocket`` does not find websocket-client."""
    advice = "pip install websocket-client"
    try:
        import websocket
    except ModuleNotFoundError as error:
        if error.name == "websocket":
            _fail(f"simsync needs the package websocket-client: {advice}")
        found = f"another module of that name, which fails ({error})"
    except Exception as error:  # noqa: BLE001  a foreign module may fail in any way
        found = f"another module of that name, which fails ({type(error).__name__}: {error})"
    else:
        if all(hasattr(websocket, name) for name in _NEEDED):
            return
        found = str(getattr(websocket, "__file__", None) or getattr(websocket, "__path__", "a module without a file"))
    _fail(
        f"simsync needs the module 'websocket' of websocket-client, but Python finds {found}: rename it if it is a file"
        f" or folder of yours, else pip uninstall websocket; then {advice} --force-reinstall"
    )


def _fail(advice: str) -> None:
    if is_command():
        raise SystemExit(f"simsync: {advice}")
    raise ImportError(advice, name="websocket")
