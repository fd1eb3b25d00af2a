"""Encodes the requests of the control connection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from simsync.params import (
    Continue,
    ContinueTo,
    CreateSession,
    DiagnosticProbe,
    DirectFill,
    MintPair,
    Reroute,
)
from simsync.wire import json_codec
from simsync.wire.accounts import account_modifications, encoded_binary
from simsync.wire.actions import anchor, discovery_filter, scheduled_actions
from simsync.wire.dialect import Dialect
from simsync.wire.spelling import camel_case, without_none


# guess: `params` of messages without content
def _message(method: str, params: object = None) -> bytes:
    envelope = {"method": method} if params is None else {"method": method, "params": params}
    return json_codec.dumps(envelope)


# guess: the session id in continues and closes of one sub-session
def _session_id(session_id: str, dialect: Dialect) -> dict[str, Any]:
    if dialect.both_id_spellings:
        return {"session_id": session_id, "sessionId": session_id}
    return _inline({"session_id": session_id}, dialect)


def _inline(fields: Mapping[str, object], dialect: Dialect) -> dict[str, Any]:
    """The keys of an inline variant. A guess, since the vendor's source and documentation disagree."""
    if dialect.inline_case == "camel":
        return {camel_case(key): value for key, value in fields.items()}
    return dict(fields)


# guess: aggregators
def aggregators(names: Sequence[str]) -> Any:
    """A list of names in lower case."""
    return list(names)


# guess: mint pairs
def mint_pair(pair: MintPair | Mapping[str, object]) -> Any:
    """A list of both: serde reads it as a tuple and as a struct with two fields of any name."""
    return [pair.mint_a, pair.mint_b] if isinstance(pair, MintPair) else dict(pair)


# guess: direct fills
def direct_fill(fill: DirectFill | Mapping[str, object]) -> Any:
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
            "data": encoded_binary(fill.instruction.data),
        },
        "amountOffset": fill.amount_offset,
        "taker": {
            "user": list(fill.taker.user),
            "inputTokenAccount": fill.taker.input_token_account,
            "outputTokenAccount": fill.taker.output_token_account,
            **({"derived": list(fill.taker.derived)} if fill.taker.derived else {}),
        },
    }


# guess: keys of `reroute`
def reroute(value: Reroute | Mapping[str, object] | None) -> Any:
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
def diagnostic_probe(probe: DiagnosticProbe | Mapping[str, object]) -> Any:
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
def create_session(create: CreateSession, dialect: Dialect, *, parallel: bool) -> bytes:
    """``createBacktestSession``: one flat object."""
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
        "actions": scheduled_actions(create, dialect) or None,
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
    # guess: default of `advanceCount`
    # Always sent, because the server's default is not documented for certain.
    fields: dict[str, Any] = {"advanceCount": request.advance_count}
    # guess: when the transactions of a continue run
    if request.transactions:
        fields["transactions"] = list(request.transactions)
    if request.modify_accounts:
        fields["modifyAccountStates"] = account_modifications(request.modify_accounts)
    return fields


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
