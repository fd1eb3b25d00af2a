"""The readings that the probe tries one after the other: first what simsync assumes, then what else is plausible."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Callable

from simsync import CreateSession, Dialect, ProgramExecuted

TOKEN_PROGRAM = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
TOKEN_ACCOUNT_PROGRAM = "ATokenGPvbdGVxr1b9hvZbsiqW5xWH25efTNsLJA8knL"
SYSTEM_PROGRAM = "11111111111111111111111111111111"
PROBE_ACCOUNT = "SimsyncProbe1111111111111111111111111111111"
"""An address without an owner; the probe gives it lamports by an override."""
LAMPORTS = 1_234_567_890
UNKNOWN_METHOD = "simsyncProbeSubscribe"

DIALECTS = tuple(
    (
        f"{'nested' if nested else 'flat'}, {spelling}",
        Dialect(nested_continue=nested, both_id_spellings=both, inline_case=case),
    )
    for spelling, both, case in (
        ("both spellings", True, "snake"),
        ("snake_case", False, "snake"),
        ("camelCase", False, "camel"),
    )
    for nested in (True, False)
)
"""Layouts and spellings of a continue of a sub-session."""


@dataclass(frozen=True)
class StreamForms:
    """The forms of the filter of a kind of subscription, simsync's first, as JSON with ``id`` in place of an address.

    ``address`` is what the probe asks for.
    """

    method: str
    address: str
    forms: Sequence[str]

    def filter(self, form: str, address: str | None = None) -> Any:
        """The filter in this form, for ``address`` or another address."""
        return json.loads(re.sub(r"\bid\b", json.dumps(address or self.address), form))


STREAM_FORMS: Mapping[str, StreamForms] = {
    "transactions": StreamForms(
        "transactionSubscribe",
        TOKEN_ACCOUNT_PROGRAM,
        (
            '{"mentions": [id]}',
            "id",
            "[id]",
            '{"programs": [id]}',
            '{"program_ids": [id]}',
            '{"programIds": [id]}',
            '{"accountInclude": [id]}',
            '{"mentionsAccountOrProgram": id}',
        ),
    ),
    "all_transactions": StreamForms("transactionSubscribe", "", ('"all"', "null", "{}", "[]")),
    "program_diffs": StreamForms(
        "accountDiffSubscribe",
        TOKEN_PROGRAM,
        (
            '{"address": id, "address_type": "program"}',
            '{"address": id, "addressType": "program"}',
            '{"program": id}',
            '{"program_id": id}',
            '{"programId": id}',
            '{"owner": id}',
        ),
    ),
    "account_diffs": StreamForms(
        "accountDiffSubscribe",
        PROBE_ACCOUNT,
        (
            '{"address": id, "address_type": "account"}',
            '{"address": id, "addressType": "account"}',
            '{"account": id}',
            '{"accounts": [id]}',
            "id",
        ),
    ),
    "actions": StreamForms("actionSubscribe", "", ("null", '"all"', "{}")),
}

Tagging = Callable[[str, Mapping[str, Any]], Any]
"""Writes one variant of an enum with its fields."""


def external(variant: str, fields: Mapping[str, Any]) -> Any:
    return {variant: dict(fields)} if fields else variant


def _beside(tag: str) -> Tagging:
    return lambda variant, fields: {tag: variant, **fields}


def _under(tag: str, key: str) -> Tagging:
    return lambda variant, fields: {tag: variant, key: dict(fields)} if fields else {tag: variant}


_OTHER_TAGGINGS: Mapping[str, Tagging] = {
    "type": _beside("type"),
    "method, params": _under("method", "params"),
    "type, data": _under("type", "data"),
    "kind": _beside("kind"),
}
TAGGINGS: Sequence[Tagging] = (external, *_OTHER_TAGGINGS.values())
"""That of simsync first."""


def discovery_filters() -> list[tuple[str, Any]]:
    """Names and filters, simsync's first."""
    tagged = [(name, write("programExecuted", {"program": TOKEN_PROGRAM})) for name, write in _OTHER_TAGGINGS.items()]
    return [("external", ProgramExecuted(TOKEN_PROGRAM)), *tagged]


def snake_create(create: CreateSession) -> dict[str, Any]:
    """The keys of a create request once more, in snake_case, for ``CreateSession(extra=...)``."""
    return {
        "start_slot": create.start_slot,
        "end_slot": create.last_slot,
        "disconnect_timeout_secs": create.disconnect_timeout,
        "send_summary": create.send_summary,
        "capacity_wait_timeout_secs": create.capacity_wait_timeout,
    }
