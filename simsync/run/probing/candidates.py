"""The readings that the probe tries one after the other: first what simsync assumes, then what else is plausible."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any, Callable

from simsync import AccountData, Anchor, CreateSession, Dialect, ProgramExecuted, ScheduledAction

TOKEN_PROGRAM = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
TOKEN_ACCOUNT_PROGRAM = "ATokenGPvbdGVxr1b9hvZbsiqW5xWH25efTNsLJA8knL"
SYSTEM_PROGRAM = "11111111111111111111111111111111"
MADE_UP_ACCOUNT = "SimsyncProbe1111111111111111111111111111111"
"""An address that nobody has; the probe gives it lamports by an override."""
LAMPORTS = 1_234_567_890

DIALECTS = tuple(
    (
        f"{'nested' if nested else 'flat'}, {ids}",
        Dialect(nested_continue=nested, both_id_spellings=both, inline_case=case),
    )
    for (ids, both, case), nested in itertools.product(
        (("both spellings", True, "snake"), ("snake_case", False, "snake"), ("camelCase", False, "camel")),
        (True, False),
    )
)
"""How a continue of a sub-session may have to look."""

ID_SETTINGS = {
    "snake_case": "Dialect(both_id_spellings=False)",
    "camelCase": 'Dialect(both_id_spellings=False, inline_case="camel")',
}


_ID = "<id>"


@dataclass(frozen=True)
class FilterForm:
    """A form of a filter of subscriptions; ``template`` is JSON with a mark where an address stands."""

    template: Any

    def make(self, address: str) -> Any:
        return _filled(self.template, address)

    @property
    def text(self) -> str:
        """As Python text, with the name ``id`` for the address."""
        return repr(self.template).replace(f"'{_ID}'", "id").replace("'", '"')

    @property
    def shown(self) -> str:
        return "null" if self.template is None else self.text


def _filled(template: Any, address: str) -> Any:
    if isinstance(template, dict):
        return {key: _filled(value, address) for key, value in template.items()}
    if isinstance(template, list):
        return [_filled(value, address) for value in template]
    return address if template == _ID else template


@dataclass(frozen=True)
class StreamForms:
    """The forms of the filter of one row of ``STREAMS``, simsync's first. ``address``: what the probe asks for."""

    row: str
    method: str
    address: str
    forms: Sequence[FilterForm]

    def setting(self, form: FilterForm) -> str:
        made = form.text
        if self.row == "transactions":
            made = f'"all" if id is None else {form.text}'
        elif self.row == "all_transactions":
            made = f'{form.text} if id is None else {{"mentions": [id]}}'
        name = "transactions" if self.row == "all_transactions" else self.row
        return f'Dialect(streams={{**STREAMS, "{name}": replace(STREAMS["{name}"], filter=lambda id: {made})}})'


def _stream(row: str, method: str, address: str, *templates: Any) -> StreamForms:
    return StreamForms(row, method, address, [FilterForm(template) for template in templates])


STREAM_FORMS: Mapping[str, StreamForms] = {
    one.row: one
    for one in (
        _stream(
            "transactions",
            "transactionSubscribe",
            TOKEN_ACCOUNT_PROGRAM,
            {"mentions": [_ID]},
            _ID,
            [_ID],
            {"programs": [_ID]},
            {"program_ids": [_ID]},
            {"programIds": [_ID]},
            {"accountInclude": [_ID]},
            {"mentionsAccountOrProgram": _ID},
        ),
        _stream("all_transactions", "transactionSubscribe", "", "all", None, {}, []),
        _stream(
            "program_diffs",
            "accountDiffSubscribe",
            TOKEN_PROGRAM,
            {"address": _ID, "address_type": "program"},
            {"address": _ID, "addressType": "program"},
            {"program": _ID},
            {"program_id": _ID},
            {"programId": _ID},
            {"owner": _ID},
        ),
        _stream(
            "account_diffs",
            "accountDiffSubscribe",
            MADE_UP_ACCOUNT,
            {"address": _ID, "address_type": "account"},
            {"address": _ID, "addressType": "account"},
            {"account": _ID},
            {"accounts": [_ID]},
            _ID,
        ),
        _stream("actions", "actionSubscribe", "", None, "all", {}),
    )
}


@dataclass(frozen=True)
class Tagging:
    """A way to write one variant of an enum with its fields. ``text``: an example for the user."""

    name: str
    write: Callable[[str, Mapping[str, Any]], Any]


def _beside(tag: str) -> Tagging:
    return Tagging(tag, lambda variant, content: {tag: variant, **content})


def _under(tag: str, key: str) -> Tagging:
    return Tagging(
        f"{tag}, {key}", lambda variant, content: {tag: variant, key: dict(content)} if content else {tag: variant}
    )


TAGGINGS = (_beside("type"), _under("method", "params"), _under("type", "data"), _beside("kind"))
"""What is tried when external tagging, which is what simsync assumes, is refused."""


def discovery_filters() -> list[tuple[str, Any]]:
    """Name and filter; the first is simsync's."""
    return [
        ("external", ProgramExecuted(TOKEN_PROGRAM)),
        *((one.name, one.write("programExecuted", {"program": TOKEN_PROGRAM})) for one in TAGGINGS),
    ]


@dataclass(frozen=True)
class ActionList:
    """Actions for a create, and overrides per slot where simsync's own way is tried."""

    name: str
    actions: Sequence[Any]
    overrides: Mapping[int, Mapping[str, AccountData]] = dataclass_field(default_factory=dict)


def action_lists(slot: int, transaction: str) -> list[ActionList]:
    """In each tagging an action after each slot, one before a match, one before every slot, and an account overridden
    before ``slot``; then fewer of them.
    """
    kinds = (("match", "every", "override"), ("match", "every"), ("override",), ())
    return [_actions(some, tagging, slot, transaction) for some in kinds for tagging in (None, *TAGGINGS)]


def _actions(some: Sequence[str], tagging: Tagging | None, slot: int, transaction: str) -> ActionList:
    labels = ["after-slot", *(label for label in ("match", "every") if label in some)]
    name = f"{'external' if tagging is None else tagging.name}: {', '.join(('after-slot', *some))}"
    if tagging is None:
        anchors = {
            "after-slot": Anchor("after_slot"),
            "match": Anchor("before_match", filter=ProgramExecuted(TOKEN_PROGRAM)),
            "every": Anchor("before_every_slot", every=1),
        }
        actions: list[Any] = [
            ScheduledAction(anchors[label], transactions=[transaction], return_accounts=[SYSTEM_PROGRAM], label=label)
            for label in labels
        ]
        account = AccountData(lamports=LAMPORTS, owner=SYSTEM_PROGRAM, data=b"")
        return ActionList(name, actions, {slot: {MADE_UP_ACCOUNT: account}} if "override" in some else {})
    written = {
        "after-slot": tagging.write("afterSlot", {}),
        "match": tagging.write("beforeMatch", {"filter": tagging.write("programExecuted", {"program": TOKEN_PROGRAM})}),
        "every": tagging.write("beforeEverySlot", {"everyNSlots": 1}),
    }
    actions = [
        {
            "anchor": written[label],
            "kind": "simulate",
            "transactions": [transaction],
            "returnAccounts": [SYSTEM_PROGRAM],
            "label": label,
        }
        for label in labels
    ]
    if "override" in some:
        account_data = {
            "data": {"data": "", "encoding": "base64"},
            "executable": False,
            "lamports": LAMPORTS,
            "owner": SYSTEM_PROGRAM,
            "space": 0,
        }
        anchor = tagging.write("beforeSlot", {"slots": [slot]})
        overrides = {MADE_UP_ACCOUNT: account_data}
        actions.append({"anchor": anchor, "kind": "simulate", "accountOverrides": overrides})
    return ActionList(name, actions)


def snake_create(create: CreateSession) -> dict[str, Any]:
    """The keys of a create request once more, in snake_case, for ``CreateSession(extra=...)``."""
    return {
        "start_slot": create.start_slot,
        "end_slot": create.last_slot,
        "disconnect_timeout_secs": create.disconnect_timeout,
        "send_summary": create.send_summary,
        "capacity_wait_timeout_secs": create.capacity_wait_timeout,
    }
