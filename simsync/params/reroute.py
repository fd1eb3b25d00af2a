"""Ask the router anew for the historical swaps, or price them against instructions of your own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from simsync.errors import InvalidParams
from simsync.json_form import JsonForm, config
from simsync.params import checks
from simsync.params.account import data_from_json, data_to_json
from simsync.params.stand_ins import checked_each, must_be, restored_each

AGGREGATORS = ("jupiter", "okx", "titan", "dflow")
FILL_MODES = ("ExactIn", "ExactOut")

_AMOUNT_SIZE = 8


@dataclass(frozen=True)
class MintPair(JsonForm):
    """Two mints (addresses); swaps in either direction."""

    mint_a: str
    mint_b: str

    def __post_init__(self) -> None:
        checks.assign(self, mint_a=checks.address("mint_a", self.mint_a), mint_b=checks.address("mint_b", self.mint_b))
        if self.mint_a == self.mint_b:
            raise InvalidParams("mint_b", self.mint_b, "must differ from mint_a")


@dataclass(frozen=True)
class FillAccount(JsonForm):
    """An account of a fill's instruction. Where the server puts the taker's, give the system program."""

    address: str
    writable: bool = False
    signer: bool = False

    def __post_init__(self) -> None:
        checks.assign(self, address=checks.address("address", self.address))
        checks.flag("writable", self.writable)
        checks.flag("signer", self.signer)


def _accounts_from_json(values: Sequence[Mapping[str, Any]]) -> list[FillAccount]:
    return [FillAccount.from_dict(dict(value)) for value in values]


@dataclass(frozen=True)
class FillInstruction(JsonForm):
    """The instruction that swaps. ``data`` may also be given as base64 text; the least output in it should be 0."""

    program_id: str
    accounts: Sequence[FillAccount] = field(metadata=config(decoder=_accounts_from_json))
    data: bytes = field(metadata=config(encoder=data_to_json, decoder=data_from_json))

    def __post_init__(self) -> None:
        accounts = checks.items("accounts", self.accounts)
        for index, account in enumerate(accounts):
            if not isinstance(account, FillAccount):
                raise InvalidParams(f"accounts[{index}]", account, "must be a FillAccount(...)")
        checks.assign(
            self,
            program_id=checks.address("program_id", self.program_id),
            accounts=accounts,
            data=checks.binary("data", self.data),
        )


@dataclass(frozen=True)
class FillTaker(JsonForm):
    """Which accounts of the instruction the server replaces by the taker's, as indices into its ``accounts``."""

    user: Sequence[int]
    input_token_account: int
    output_token_account: int

    def __post_init__(self) -> None:
        user = tuple(
            checks.integer(f"user[{index}]", place, 0, checks.U32)
            for index, place in enumerate(checks.items("user", self.user))
        )
        checks.integer("input_token_account", self.input_token_account, 0, checks.U32)
        checks.integer("output_token_account", self.output_token_account, 0, checks.U32)
        checks.assign(self, user=user)


@dataclass(frozen=True)
class DirectFill(JsonForm):
    """An instruction of your own against which historical swaps are priced; one direction.

    ``label``: unique, names it in the summary. ``amount_offset``: where in the data the amount goes, 8 bytes, little
    endian. ``mode``: ``ExactIn`` (the amount is what goes in) or ``ExactOut``.
    """

    label: str
    input_mint: str
    output_mint: str
    instruction: FillInstruction
    amount_offset: int
    taker: FillTaker
    mode: str = "ExactIn"

    def __post_init__(self) -> None:
        if not checks.text("label", self.label):
            raise InvalidParams("label", self.label, "is empty")
        checks.assign(
            self,
            input_mint=checks.address("input_mint", self.input_mint),
            output_mint=checks.address("output_mint", self.output_mint),
        )
        if self.input_mint == self.output_mint:
            raise InvalidParams("output_mint", self.output_mint, "must differ from input_mint")
        if self.mode not in FILL_MODES:
            raise InvalidParams("mode", self.mode, f"must be {' or '.join(map(repr, FILL_MODES))}")
        if not isinstance(self.instruction, FillInstruction):
            raise InvalidParams("instruction", self.instruction, "must be a FillInstruction(...)")
        if not isinstance(self.taker, FillTaker):
            raise InvalidParams("taker", self.taker, "must be a FillTaker(...)")
        checks.integer("amount_offset", self.amount_offset, 0, checks.U64)
        size = len(self.instruction.data)
        if self.amount_offset + _AMOUNT_SIZE > size:
            rule = f"the amount takes {_AMOUNT_SIZE} bytes, the data have only {size}"
            raise InvalidParams("amount_offset", self.amount_offset, rule)
        count = len(self.instruction.accounts)
        for place in (*self.taker.user, self.taker.input_token_account, self.taker.output_token_account):
            if place >= count:
                raise InvalidParams("taker", self.taker, f"names account {place} of an instruction with {count}")


@dataclass(frozen=True)
class Reroute(JsonForm):
    """Route each historical swap anew and simulate that just before the original; nothing of it stays.

    ``aggregators``: whose swaps, of ``jupiter``, ``okx``, ``titan`` and ``dflow``; without any the server's default.
    ``pairs``: only swaps between the mints of one :class:`MintPair`; None: all. ``detect_failed_l1_swaps``: also swaps
    that failed on chain. ``circular_arbs``: also cycles. ``requote=False``: no new routes, only ``direct_fill``.
    ``direct_fill``: one :class:`DirectFill` per instruction and direction. ``extra_markets``: pools (addresses) that
    the router shall know although they are not on chain. A plain mapping in place of a pair or a fill is sent as it is.
    """

    aggregators: Sequence[str] = ()
    pairs: Optional[Sequence[Any]] = field(default=None, metadata=config(decoder=restored_each(MintPair)))
    detect_failed_l1_swaps: bool = False
    circular_arbs: bool = False
    requote: bool = True
    direct_fill: Sequence[Any] = field(default=(), metadata=config(decoder=restored_each(DirectFill)))
    extra_markets: Sequence[str] = ()

    def __post_init__(self) -> None:
        checks.flag("detect_failed_l1_swaps", self.detect_failed_l1_swaps)
        checks.flag("circular_arbs", self.circular_arbs)
        checks.flag("requote", self.requote)
        checks.assign(
            self,
            aggregators=tuple(
                _aggregator(f"aggregators[{index}]", name)
                for index, name in enumerate(checks.items("aggregators", self.aggregators))
            ),
            pairs=None if self.pairs is None else checked_each("pairs", self.pairs, must_be(MintPair)),
            direct_fill=checked_each("direct_fill", self.direct_fill, must_be(DirectFill)),
            extra_markets=checks.addresses("extra_markets", self.extra_markets),
        )
        if self.pairs is not None and not self.pairs:
            raise InvalidParams("pairs", self.pairs, "is empty; None means all pairs")
        labels: set[Any] = set()
        for index, fill in enumerate(self.direct_fill):
            if isinstance(fill, DirectFill):
                if fill.label in labels:
                    raise InvalidParams(f"direct_fill[{index}]", fill.label, "has the label of an earlier one")
                labels.add(fill.label)


def _aggregator(argument: str, name: object) -> str:
    if not isinstance(name, str) or name.lower() not in AGGREGATORS:
        raise InvalidParams(argument, name, "must be one of " + ", ".join(AGGREGATORS))
    return name.lower()
