"""Encodes the requests of the control connection."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from simsync.params import (
    AccountData,
    Anchor,
    Continue,
    ContinueTo,
    CreateSession,
    DiagnosticProbe,
    DirectFill,
    DiscoveryFilter,
    MintPair,
    OracleUpdate,
    ProgramExecuted,
    Reroute,
    ScheduledAction,
)
from simsync.wire import json_codec
from simsync.wire.dialect import Dialect
from simsync.wire.spelling import camel_case


# guess: options that are not given: null or omitted
def without_none(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are set. Whether the server accepts null for an absent option is not documented."""
    return {key: value for key, value in fields.items() if value is not None}


# guess: `params` of messages without content
def _message(method: str, params: Any = None) -> bytes:
    envelope = {"method": method} if params is None else {"method": method, "params": params}
    return json_codec.dumps(envelope)


# guess: the session id in continues and closes of one sub-session
def _session_id(session_id: str, dialect: Dialect) -> dict[str, Any]:
    if dialect.both_id_spellings:
        return {"session_id": session_id, "sessionId": session_id}
    return _inline({"session_id": session_id}, dialect)


def _inline(fields: Mapping[str, Any], dialect: Dialect) -> dict[str, Any]:
    """The keys of an inline variant. A guess, since the vendor's source and documentation disagree."""
    if dialect.inline_case == "camel":
        return {camel_case(key): value for key, value in fields.items()}
    return dict(fields)


def _encoded_binary(data: bytes) -> dict[str, str]:
    return {"data": base64.b64encode(data).decode("ascii"), "encoding": "base64"}


def account(state: AccountData | Mapping[str, Any]) -> Any:
    """One account state. A mapping is passed through."""
    if not isinstance(state, AccountData):
        return dict(state)
    return {
        "data": _encoded_binary(state.data),
        "executable": state.executable,
        "lamports": state.lamports,
        "owner": state.owner,
        "space": state.space,
    }


def account_modifications(states: Mapping[str, AccountData | Mapping[str, Any]]) -> dict[str, Any]:
    return {address: account(state) for address, state in states.items()}


# guess: tagging of discovery filters
def discovery_filter(value: DiscoveryFilter | Mapping[str, Any]) -> Any:
    """External tagging."""
    if isinstance(value, ProgramExecuted):
        return {"programExecuted": value.program}
    # guess: oracle updates
    if isinstance(value, OracleUpdate):
        return {"oracleUpdate": {"programs": list(value.programs), "accounts": list(value.accounts)}}
    return dict(value) if isinstance(value, Mapping) else value


_ANCHOR_NAMES = {
    "after_slot": "afterSlot",
    "before_slot": "beforeSlot",
    "before_match": "beforeMatch",
    "after_match": "afterMatch",
    "before_every_slot": "beforeEverySlot",
    "after_every_slot": "afterEverySlot",
}


# guess: tagging of anchors
def anchor(value: Anchor) -> Any:
    """External tagging."""
    name = _ANCHOR_NAMES[value.where]
    # guess: match anchors
    if value.filter is not None:
        return {name: {"filter": discovery_filter(value.filter)}}
    # guess: anchors at every n slots, and their key
    if value.every is not None:
        # In both spellings, because that of the server is not known.
        return {name: {"every_n_slots": value.every, "everyNSlots": value.every}}
    return {name: {"slots": list(value.slots)}} if value.slots else name


# guess: other keys of an action
def scheduled_action(action: ScheduledAction | Mapping[str, Any]) -> Any:
    if not isinstance(action, ScheduledAction):
        return dict(action)
    fields = {
        "anchor": anchor(action.anchor),
        "kind": action.kind,
        # guess: transactions of an action
        "transactions": list(action.transactions),
        "accountOverrides": account_modifications(action.account_overrides),
        "returnAccounts": list(action.return_accounts),
        "label": action.label,
        "feedsReroute": action.feeds_reroute or None,
    }
    return without_none(fields)


# guess: overrides per slot
# guess: overrides of a slot without a block
# guess: overrides per slot when the range is split
def override_actions(overrides: Mapping[int, Mapping[str, AccountData | Mapping[str, Any]]]) -> list[Any]:
    """Overrides per slot become actions before that slot that contain only overrides."""
    return [
        scheduled_action(ScheduledAction(Anchor("before_slot", [slot]), account_overrides=states))
        for slot, states in sorted(overrides.items())
        if states
    ]


# guess: aggregators
def aggregators(names: Sequence[str]) -> Any:
    """A list of names in lower case."""
    return list(names)


# guess: mint pairs
def mint_pair(pair: MintPair | Mapping[str, Any]) -> Any:
    """A list of both: serde reads it as a tuple and as a struct with two fields of any name."""
    return [pair.mint_a, pair.mint_b] if isinstance(pair, MintPair) else dict(pair)


# guess: direct fills
def direct_fill(fill: DirectFill | Mapping[str, Any]) -> Any:
    """The template as in the vendor's example."""
    if not isinstance(fill, DirectFill):
        return dict(fill)
    accounts = [
        without_none({"address": one.address, "writable": one.writable, "signer": one.signer or None})
        for one in fill.instruction.accounts
    ]
    return {
        "label": fill.label,
        "mode": fill.mode,
        "inputMint": fill.input_mint,
        "outputMint": fill.output_mint,
        "instruction": {
            "programId": fill.instruction.program_id,
            "accounts": accounts,
            "data": _encoded_binary(fill.instruction.data),
        },
        "amountOffset": fill.amount_offset,
        "taker": {
            "user": list(fill.taker.user),
            "inputTokenAccount": fill.taker.input_token_account,
            "outputTokenAccount": fill.taker.output_token_account,
        },
    }


# guess: keys of `reroute`
def reroute(value: Reroute | Mapping[str, Any] | None) -> Any:
    if not isinstance(value, Reroute):
        return None if value is None else dict(value)
    fields = {
        "aggregators": aggregators(value.aggregators) if value.aggregators else None,
        "filter": None if value.pairs is None else {"pairs": [mint_pair(pair) for pair in value.pairs]},
        # Always sent, because the server's defaults are not documented for certain.
        "detectFailedL1Swaps": value.detect_failed_l1_swaps,
        "circularArbs": value.circular_arbs,
        "requote": value.requote,
        # guess: direct fills
        # A list: the first servers that supported it took one object.
        "directFill": [direct_fill(fill) for fill in value.direct_fill] or None,
        "extraMarkets": list(value.extra_markets) or None,
    }
    return without_none(fields)


# guess: diagnostic probes
def diagnostic_probe(probe: DiagnosticProbe | Mapping[str, Any]) -> Any:
    if not isinstance(probe, DiagnosticProbe):
        return dict(probe)
    fields = {
        "anchor": anchor(probe.anchor),
        "markets": list(probe.markets),
        "usdValues": list(probe.usd_values),
        "label": probe.label,
    }
    return without_none(fields)


# guess: keys of all other requests
def create_session(create: CreateSession, *, parallel: bool) -> bytes:
    """``createBacktestSession``: one flat object."""
    # The caller's actions come first, because results refer to an action by its index in the list.
    actions = [scheduled_action(value) for value in create.actions] + override_actions(create.overrides)
    fields = {
        "startSlot": create.start_slot,
        "endSlot": create.last_slot,
        # guess: `parallel` flat beside the other keys
        "parallel": parallel or None,
        "signerFilter": list(create.signer_filter) or None,
        "sendSummary": create.send_summary or None,
        # guess: names of the other create options
        "capacityWaitTimeoutSecs": create.capacity_wait_timeout,
        "disconnectTimeoutSecs": create.disconnect_timeout,
        "extraComputeUnits": create.extra_compute_units,
        "discoveries": [discovery_filter(value) for value in create.discoveries] or None,
        "actions": actions or None,
        "agents": list(create.agents) or None,
        "replayAccountState": create.replay_account_state or None,
        "reroute": reroute(create.reroute),
        "diagnosticProbes": [diagnostic_probe(value) for value in create.diagnostic_probes] or None,
    }
    # guess: create options that simsync does not have
    # A null in extra is sent: the caller may want to try one.
    # guess: messages of newer protocol versions
    return _message("createBacktestSession", {**without_none(fields), **create.extra})


# guess: a continue by more blocks than are left
def _continue_fields(request: Continue) -> dict[str, Any]:
    fields = {
        # guess: default of `advanceCount`
        # Always sent, because the server's default is not documented for certain.
        "advanceCount": request.advance_count,
        # guess: when the transactions of a continue run
        "transactions": list(request.transactions) or None,
        "modifyAccountStates": account_modifications(request.modify_accounts) or None,
    }
    return without_none(fields)


# guess: fields of `continueTo`
# guess: whether a pause falls before or after the batch, and other fields of `continueTo`
def _continue_to_fields(request: ContinueTo) -> dict[str, Any]:
    """``slot``, and ``batchIndex`` if given."""
    return without_none({"slot": request.slot, "batchIndex": request.batch_index})


def continue_session(session_id: str, request: Continue | ContinueTo, dialect: Dialect) -> bytes:
    """``continueSessionV1`` or ``continueToSessionV1``: continues one sub-session."""
    if isinstance(request, Continue):
        method, fields = "continueSessionV1", _continue_fields(request)
    else:
        method, fields = "continueToSessionV1", _continue_to_fields(request)
    params = _session_id(session_id, dialect)
    # guess: layout of `continueSessionV1` and `continueToSessionV1`
    params.update({"request": fields} if dialect.nested_continue else fields)
    return _message(method, params)


def continue_single(request: Continue | ContinueTo) -> bytes:
    """``continue`` or ``continueTo``: continues a single session."""
    if isinstance(request, Continue):
        return _message("continue", _continue_fields(request))
    return _message("continueTo", _continue_to_fields(request))


# guess: closing a connection with all its sessions
def close_all() -> bytes:
    """``closeBacktestSession``: ends every session of this connection."""
    return _message("closeBacktestSession")


# guess: fields of `closeSessionV1`
def close_session(session_id: str, dialect: Dialect) -> bytes:
    """``closeSessionV1``: ends one sub-session."""
    return _message("closeSessionV1", _session_id(session_id, dialect))


# guess: keys of attach requests
def attach_session(session_id: str, last_sequence: int | None, dialect: Dialect) -> bytes:
    """``attachBacktestSession``. Without ``last_sequence`` the server replays everything that it retains."""
    params = without_none({"session_id": session_id, "last_sequence": last_sequence})
    return _message("attachBacktestSession", _inline(params, dialect))


def resume_attached() -> bytes:
    return _message("resumeAttachedSession")


# guess: keys of attach requests
def attach_parallel(control_session_id: str, last_sequences: Mapping[str, int], dialect: Dialect) -> bytes:
    """``attachParallelControlSessionV2``. The server replays everything that it retains of a session not listed."""
    params = {"control_session_id": control_session_id, "last_sequences": dict(last_sequences)}
    return _message("attachParallelControlSessionV2", _inline(params, dialect))
