"""How the payload of a transaction is decoded: the quick way if it has the usual form, else the tolerant one."""

from __future__ import annotations

from simsync.events import TransactionFields, TransactionReading
from simsync.wire import quick_transactions
from simsync.wire.instructions import called_programs, transaction_instructions
from simsync.wire.notification_results import result_of
from simsync.wire.notifications import transaction_fields
from simsync.wire.transaction_bytes import serialized_transaction


def _transaction_fields(payload: bytes) -> TransactionFields:
    fields = quick_transactions.read(payload)
    return transaction_fields(result_of(payload)) if fields is None else fields


def _programs(payload: bytes) -> tuple[str, ...]:
    programs = quick_transactions.read_programs(payload)
    return called_programs(result_of(payload)) if programs is None else programs


TRANSACTION = TransactionReading(
    _transaction_fields,
    result_of,
    quick_transactions.read_status,
    _programs,
    transaction_instructions,
    serialized_transaction,
)
