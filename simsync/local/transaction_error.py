"""Transaction errors in the form that Solana's JSON-RPC gives them."""

from __future__ import annotations

from typing import Any

from solders.transaction_status import (
    InstructionErrorBorshIO,
    InstructionErrorCustom,
    TransactionErrorDuplicateInstruction,
    TransactionErrorInstructionError,
    TransactionErrorInsufficientFundsForRent,
    TransactionErrorProgramExecutionTemporarilyRestricted,
)


def _name(error: object) -> str:
    return str(error).rpartition(".")[2]


def _instruction_error(error: object) -> Any:
    if isinstance(error, InstructionErrorCustom):
        return {"Custom": error.code}
    if isinstance(error, InstructionErrorBorshIO):
        return {"BorshIoError": error.value}
    return _name(error)


def error_json(error: object) -> Any:
    """Return the JSON-RPC form of a transaction error of solders: a name, or an object with one key."""
    if isinstance(error, TransactionErrorInstructionError):
        return {"InstructionError": [error.index, _instruction_error(error.err)]}
    if isinstance(error, TransactionErrorDuplicateInstruction):
        return {"DuplicateInstruction": error.index}
    if isinstance(error, TransactionErrorInsufficientFundsForRent):
        return {"InsufficientFundsForRent": {"account_index": error.account_index}}
    if isinstance(error, TransactionErrorProgramExecutionTemporarilyRestricted):
        return {"ProgramExecutionTemporarilyRestricted": {"account_index": error.account_index}}
    return _name(error)


def describe_error(error: Any) -> str:
    """Return the sentence with which a validator reports ``error`` (JSON-RPC form)."""
    if isinstance(error, dict) and "InstructionError" in error:
        index, inner = error["InstructionError"]
        if isinstance(inner, dict) and "Custom" in inner:
            inner = f"custom program error: {inner['Custom']:#x}"
        return f"Error processing Instruction {index}: {inner}"
    return str(error)
