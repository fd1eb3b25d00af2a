"""Calls to a node of somebody else: at a limited rate, and again later where the node is busy."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import tenacity

from simsync.errors import ConnectError, HttpStatusError, InvalidParams, RpcError
from simsync.options import Options
from simsync.params import checks
from simsync.rpc import Rpc

ATTEMPTS = 6
_TIMEOUT = 60.0
_LARGEST = 1024**3
"""Bytes of a reply: an account may have 10 MiB, and a call asks for many."""
_LONGEST_WAIT = 120.0
"""Seconds; a node that asks for more is left alone."""
_SERVER_ERROR = 500
_BUSY = frozenset({429, -32429, -32014})
"""RPC errors that pass: too many requests, as providers say it in a reply of HTTP 200; a block that is not ready."""
_UNHEALTHY = -32005
_PASSES = re.compile(r"behind|unhealthy|\brate\b|limit|too many", re.IGNORECASE)
"""What a node says with ``_UNHEALTHY`` when it will answer later; providers use that code for other things too."""


_SHORTEST_SECRET = 8
"""Characters of a part of an address that is masked in what a node says: a shorter one may be any word."""


class PoliteNode:
    """The RPC of a node. Errors do not show its address, as many hold a key, also where the node quotes it.

    Args:
        rpc_url: The address.
        per_second: Requests in a second at most.

    Raises:
        InvalidParams: It is not an address.
    """

    def __init__(self, rpc_url: str, per_second: float) -> None:
        checks.text("rpc_url", rpc_url)
        try:
            parts = urlsplit(rpc_url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise InvalidParams("rpc_url", "...", "must be an address that begins with http:// or https://")
            self._rpc = Rpc(rpc_url, Options(rpc_timeout=_TIMEOUT, max_message=_LARGEST))
        except ValueError as error:  # details in parentheses quote the address
            rule = error.rule.partition(" (")[0] if isinstance(error, InvalidParams) else "is not a valid address"
            raise InvalidParams("rpc_url", "...", rule) from None
        self._url = rpc_url
        self._host = f"{parts.scheme}://{parts.hostname}"
        words = re.split(r"[/?&=]", f"{parts.path}?{parts.query}")
        self._secrets = sorted((word for word in words if len(word) >= _SHORTEST_SECRET), key=len, reverse=True)
        self._pause = 1 / per_second
        self._next = 0.0

    def close(self) -> None:
        """Close the connections."""
        self._rpc.close()

    def ask(self, method: str, params: Sequence[object]) -> Any:
        """Return the result of a call; one that fails for a while is repeated.

        Raises:
            ConnectError: The node does not answer.
            HttpStatusError: The node answered with an HTTP error.
            RpcError: The node answered with an error.
        """
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_transient),
            wait=_wait,
            stop=tenacity.stop_after_attempt(ATTEMPTS),
            reraise=True,
        )
        return retrying(self._once, method, params)

    def _once(self, method: str, params: Sequence[object]) -> object:
        time.sleep(max(0.0, self._next - time.monotonic()))
        self._next = time.monotonic() + self._pause
        try:
            return self._rpc.call(method, params)
        except HttpStatusError as error:
            # What simsync raises has the whole address, and with it the key.
            body = self._masked(error.body)
            raise HttpStatusError(self._host, error.status, body, retry_after=error.retry_after) from None
        except ConnectError as error:
            raise ConnectError(self._masked(str(error).replace(self._url, self._host))) from None
        except RpcError as error:
            raise RpcError(error.method, error.code, self._masked(error.message)) from None

    def _masked(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "...")
        return text


def _is_transient(error: BaseException) -> bool:
    if isinstance(error, RpcError):
        return error.code in _BUSY or (error.code == _UNHEALTHY and _PASSES.search(error.message) is not None)
    if isinstance(error, HttpStatusError):
        return (error.retryable or error.status == _SERVER_ERROR) and error.retry_after <= _LONGEST_WAIT
    return isinstance(error, ConnectError)


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome is not None else None
    backoff = tenacity.wait_exponential(multiplier=0.5, max=30)(state)
    return max(error.retry_after, backoff) if isinstance(error, HttpStatusError) else backoff
