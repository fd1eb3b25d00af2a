"""What became of the caller's own transactions. No event of the control stream tells, so the session's RPC is asked."""

from __future__ import annotations

import base64
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Optional

from simsync.cancel import CancelToken
from simsync.errors import Cancelled, SimsyncError
from simsync.events import ErrorInWords
from simsync.options import Options
from simsync.rpc import ask_outcomes
from simsync.wire.notifications import transaction_fields
from simsync.wire.transaction_bytes import first_signature

if TYPE_CHECKING:
    from simsync.reports import SignatureStatus

logger = logging.getLogger("simsync.session")

_FROM_STATUS = "getSignatureStatuses of the session's RPC"
_FROM_BOTH = "getSignatureStatuses and getTransaction of the session's RPC"
_NO_STATUS = f"{_FROM_STATUS}: it has none for this signature, so the transaction was not executed, or is not known yet"
_NO_SIGNATURE = "the transaction has no signature by which the session's RPC could be asked"


@dataclass(frozen=True)
class OwnTransaction(ErrorInWords):
    """What became of one of your own transactions. ``error_text`` says an error in words.

    Attributes:
        signature: Its first signature, base58; None if it has none.
        succeeded: True if it was executed without an error, False if it failed, None if that is not known.
        error: The error as JSON values of the RPC, None without one.
        slot: Slot in which it was executed or failed, None if it is not known.
        compute_units: Compute units consumed, None if they are not known.
        fee: Fee in lamports, None if it is not known.
        logs: Log lines of the programs, empty if they are not known.
        how: How this was found out, or why it could not be.
    """

    signature: Optional[str]
    succeeded: Optional[bool] = None
    error: Any = field(default=None, hash=False)
    slot: Optional[int] = None
    compute_units: Optional[int] = None
    fee: Optional[int] = None
    logs: Sequence[str] = field(default=(), repr=False, hash=False)
    how: str = field(default="", repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields and the error in words, by name, as JSON values."""
        return {
            "signature": self.signature,
            "slot": self.slot,
            "succeeded": self.succeeded,
            "error": self.error,
            "error_text": self.error_text,
            "error_code": self.error_code,
            "error_instruction": self.error_instruction,
            "compute_units": self.compute_units,
            "fee": self.fee,
            "logs": list(self.logs),
            "how": self.how,
        }


def signatures_of(transactions: Sequence[str]) -> list[str | None]:
    """The first signature of each transaction, given as base64."""
    return [first_signature(base64.b64decode(text)) for text in transactions]


def find_outcomes(
    endpoint: str,
    options: Options,
    signatures: Sequence[str | None],
    deadline: float | None,
    cancel: CancelToken,
) -> tuple[OwnTransaction, ...]:
    """Ask for the outcome of each transaction. Raises Cancelled; any other failure leaves the outcomes unknown."""
    known = list(dict.fromkeys(signature for signature in signatures if signature is not None))
    try:
        statuses, replies = ask_outcomes(endpoint, options, known, deadline, cancel)
    except Cancelled:
        raise
    except SimsyncError as error:
        logger.warning("the outcome of own transactions is not known: %s", error)
        how = f"not known, as the session's RPC could not be asked: {error}"
        return tuple(OwnTransaction(signature, how=how) for signature in signatures)
    found = {
        signature: _outcome(signature, status, reply) for signature, status, reply in zip(known, statuses, replies)
    }
    outcomes = tuple(
        OwnTransaction(None, how=_NO_SIGNATURE) if signature is None else found[signature] for signature in signatures
    )
    return tuple(_ambiguous(outcome) if _repeats(outcome, signatures) else outcome for outcome in outcomes)


def _outcome(signature: str, status: SignatureStatus | None, reply: object) -> OwnTransaction:
    if status is None:
        return OwnTransaction(signature, how=_NO_STATUS)
    succeeded = status.error is None
    if reply is None:
        return OwnTransaction(signature, succeeded, status.error, status.slot, how=_FROM_STATUS)
    fields = transaction_fields(reply)
    return OwnTransaction(
        signature,
        succeeded,
        status.error,
        status.slot,
        fields.compute_units,
        fields.fee,
        fields.logs,
        _FROM_BOTH,
    )


def _repeats(outcome: OwnTransaction, signatures: Sequence[str | None]) -> bool:
    return outcome.signature is not None and signatures.count(outcome.signature) > 1


def _ambiguous(outcome: OwnTransaction) -> OwnTransaction:
    """Signatures are not verified, so unsigned transactions all have the same one."""
    how = f"not known, as several of the transactions have this signature; one of them: {outcome.error_text or 'ok'}"
    return OwnTransaction(outcome.signature, slot=outcome.slot, how=how)
