"""Routing historical swaps again, or pricing them against your own instructions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Optional, SupportsIndex, Union

from simsync.errors import InvalidParams
from simsync.json_form import JsonForm, config
from simsync.params import checks
from simsync.params.account import data_from_json, data_to_json
from simsync.params.plain_mappings import instance_of, objects_from_json, objects_or_mappings

AGGREGATORS = ("jupiter", "okx", "titan", "dflow")
FILL_MODES = ("ExactIn", "ExactOut")

_AMOUNT_SIZE = 8
_MOST_ACCOUNTS = 255
"""Largest index of an account, which is one byte in an instruction."""


@dataclass(frozen=True)
class MintPair(JsonForm):
    """Two mints, for swaps in either direction.

    Attributes:
        mint_a: Address of one mint.
        mint_b: Address of the other.
    """

    mint_a: str
    mint_b: str

    if TYPE_CHECKING:

        def __init__(
            self,
            mint_a: object,
            mint_b: object,
        ) -> None: ...

    def __post_init__(self) -> None:
        checks.assign(self, mint_a=checks.address("mint_a", self.mint_a), mint_b=checks.address("mint_b", self.mint_b))
        if self.mint_a == self.mint_b:
            raise InvalidParams("mint_b", self.mint_b, "must differ from mint_a")


@dataclass(frozen=True)
class FillAccount(JsonForm):
    """An account of the instruction of a :class:`DirectFill`.

    Attributes:
        address: Address of the account; the system program where the server inserts an account of the taker.
        writable: True if the instruction writes it.
        signer: True if it signs.
    """

    address: str
    writable: bool = False
    signer: bool = False

    if TYPE_CHECKING:

        def __init__(
            self,
            address: object,
            writable: bool = False,
            signer: bool = False,
        ) -> None: ...

    def __post_init__(self) -> None:
        checks.assign(
            self,
            address=checks.address("address", self.address),
            writable=checks.flag("writable", self.writable),
            signer=checks.flag("signer", self.signer),
        )


def _accounts_from_json(values: Sequence[Mapping[str, object]]) -> list[FillAccount]:
    return [FillAccount.from_dict(dict(value)) for value in values]


@dataclass(frozen=True)
class FillInstruction(JsonForm):
    """The instruction of a :class:`DirectFill`, which swaps.

    Attributes:
        program_id: Address of the program.
        accounts: Accounts of the instruction, in order.
        data: Data of the instruction, with a minimum output of 0; the constructor also accepts base64 text.
    """

    program_id: str
    accounts: Sequence[FillAccount] = field(metadata=config(decoder=_accounts_from_json))
    data: bytes = field(metadata=config(encoder=data_to_json, decoder=data_from_json))

    if TYPE_CHECKING:

        def __init__(
            self,
            program_id: object,
            accounts: Sequence[FillAccount],
            data: object,
        ) -> None: ...

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
    """The accounts of a :class:`FillInstruction` that the server replaces by those of the taker.

    Indices are at most 255. Several token accounts on one side, and ``derived``, are for servers from 0.28 on.

    Attributes:
        user: Indices of the accounts to be replaced by the taker's wallet, at least one.
        input_token_account: Index, or list of indices, of the accounts to be replaced by the taker's account of the
            input mint.
        output_token_account: The same for the output mint.
        derived: Addresses that the server derives anew for each taker: mappings with ``program``, an address,
            ``seeds``, whose forms are not documented, and ``slots``, the indices of the accounts to be replaced.
    """

    user: Sequence[int]
    input_token_account: Union[int, Sequence[int]]
    output_token_account: Union[int, Sequence[int]]
    derived: Sequence[Mapping[str, Any]] = ()

    if TYPE_CHECKING:

        def __init__(
            self,
            user: Sequence[SupportsIndex],
            input_token_account: Union[SupportsIndex, Sequence[SupportsIndex]],
            output_token_account: Union[SupportsIndex, Sequence[SupportsIndex]],
            derived: Sequence[Mapping[str, object]] = (),
        ) -> None: ...

    def __post_init__(self) -> None:
        checks.assign(
            self,
            user=_indices("user", self.user),
            input_token_account=_one_or_more("input_token_account", self.input_token_account),
            output_token_account=_one_or_more("output_token_account", self.output_token_account),
            derived=tuple(
                _derived(f"derived[{index}]", one) for index, one in enumerate(checks.items("derived", self.derived))
            ),
        )

    @property
    def token_accounts(self) -> tuple[int, ...]:
        """Indices of the token accounts of both sides."""
        sides = (self.input_token_account, self.output_token_account)
        return tuple(index for side in sides for index in ((side,) if isinstance(side, int) else side))

    @property
    def derived_accounts(self) -> tuple[int, ...]:
        """Indices of the accounts whose addresses are derived."""
        return tuple(index for one in self.derived for index in one["slots"])

    @property
    def needs_lists(self) -> bool:
        """True if only servers from 0.28 on can read it."""
        return len(self.token_accounts) > 2 or bool(self.derived)


def _derived(argument: str, value: object) -> dict[str, Any]:
    given = checks.plain_mapping(argument, value)
    if set(given) != {"program", "seeds", "slots"}:
        raise InvalidParams(argument, value, "must have the keys program, seeds and slots, and no others")
    return {
        "program": checks.address(f"{argument}.program", given["program"]),
        "seeds": given["seeds"],
        "slots": list(_indices(f"{argument}.slots", given["slots"])),
    }


def _indices(argument: str, values: object) -> tuple[int, ...]:
    indices = checks.integers(argument, values, 0, _MOST_ACCOUNTS)
    if not indices:
        raise InvalidParams(argument, values, "must name at least one account")
    return indices


def _one_or_more(argument: str, value: object) -> int | tuple[int, ...]:
    """One index is kept bare, because servers before 0.28 read nothing else."""
    if isinstance(value, Iterable) and not checks.is_integer(value) and not isinstance(value, (str, bytes)):
        indices = _indices(argument, value)
        return indices[0] if len(indices) == 1 else indices
    return checks.integer(argument, value, 0, _MOST_ACCOUNTS)


@dataclass(frozen=True)
class DirectFill(JsonForm):
    """An instruction of your own against which historical swaps in one direction are priced.

    Attributes:
        label: Unique name in the summary, not blank.
        input_mint: Address of the mint that is paid.
        output_mint: Address of the mint that is received.
        instruction: The instruction.
        amount_offset: Offset in bytes at which the server writes the amount into the data, as 8 bytes, little endian.
        taker: The accounts that the server replaces.
        mode: ``"ExactIn"`` if the amount is the input, ``"ExactOut"`` if it is the output.
    """

    label: str
    input_mint: str
    output_mint: str
    instruction: FillInstruction
    amount_offset: int
    taker: FillTaker
    mode: str = "ExactIn"

    if TYPE_CHECKING:

        def __init__(
            self,
            label: str,
            input_mint: object,
            output_mint: object,
            instruction: FillInstruction,
            amount_offset: SupportsIndex,
            taker: FillTaker,
            mode: str = "ExactIn",
        ) -> None: ...

    def __post_init__(self) -> None:
        if not checks.text("label", self.label).strip():
            raise InvalidParams("label", self.label, "must not be blank")
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
        checks.assign(self, amount_offset=checks.integer("amount_offset", self.amount_offset, 0, checks.U32))
        size = len(self.instruction.data)
        if self.amount_offset + _AMOUNT_SIZE > size:
            rule = f"the amount needs {_AMOUNT_SIZE} bytes from there, but the data has {size} bytes"
            raise InvalidParams("amount_offset", self.amount_offset, rule)
        accounts = self.instruction.accounts
        for place in (*self.taker.user, *self.taker.token_accounts, *self.taker.derived_accounts):
            if place >= len(accounts):
                raise InvalidParams(
                    "taker", self.taker, f"refers to account {place} of an instruction with {len(accounts)} accounts"
                )
        # One template that breaks these rules makes the server refuse the whole create.
        for place in self.taker.user:
            if not accounts[place].signer:
                raise InvalidParams("taker", self.taker, f"account {place} is the user, so it must be a signer")
        for place in self.taker.token_accounts:
            if not accounts[place].writable:
                raise InvalidParams("taker", self.taker, f"account {place} holds tokens, so it must be writable")


@dataclass(frozen=True)
class Reroute(JsonForm):
    """Routes each historical swap again, and simulates the result just before the original. No change is kept.

    A plain mapping in place of a pair or a fill is sent unchanged.

    Attributes:
        aggregators: Whose swaps: any of ``"jupiter"``, ``"okx"``, ``"titan"`` and ``"dflow"``. Empty leaves the choice
            to the server.
        pairs: Only swaps between the mints of one :class:`MintPair`; None means all swaps.
        detect_failed_l1_swaps: Include swaps that failed on chain.
        circular_arbs: Include circular arbitrage.
        requote: Compute new routes; False only prices against ``direct_fill``.
        direct_fill: One :class:`DirectFill` per instruction and direction, with unique labels.
        extra_markets: Addresses of pools that the router should know although they do not exist on chain.
    """

    aggregators: Sequence[str] = ()
    pairs: Optional[Sequence[Any]] = field(default=None, metadata=config(decoder=objects_from_json(MintPair)))
    detect_failed_l1_swaps: bool = False
    circular_arbs: bool = False
    requote: bool = True
    direct_fill: Sequence[Any] = field(default=(), metadata=config(decoder=objects_from_json(DirectFill)))
    extra_markets: Sequence[str] = ()

    if TYPE_CHECKING:

        def __init__(
            self,
            aggregators: Sequence[str] = (),
            pairs: Optional[Sequence[object]] = None,
            detect_failed_l1_swaps: bool = False,
            circular_arbs: bool = False,
            requote: bool = True,
            direct_fill: Sequence[object] = (),
            extra_markets: Sequence[object] = (),
        ) -> None: ...

    def __post_init__(self) -> None:
        checks.assign(
            self,
            detect_failed_l1_swaps=checks.flag("detect_failed_l1_swaps", self.detect_failed_l1_swaps),
            circular_arbs=checks.flag("circular_arbs", self.circular_arbs),
            requote=checks.flag("requote", self.requote),
            aggregators=tuple(
                _aggregator(f"aggregators[{index}]", name)
                for index, name in enumerate(checks.items("aggregators", self.aggregators))
            ),
            pairs=None if self.pairs is None else objects_or_mappings("pairs", self.pairs, instance_of(MintPair)),
            direct_fill=objects_or_mappings("direct_fill", self.direct_fill, instance_of(DirectFill)),
            extra_markets=checks.addresses("extra_markets", self.extra_markets),
        )
        if self.pairs is not None and not self.pairs:
            raise InvalidParams("pairs", self.pairs, "must not be empty; None means all pairs")
        labels: set[Any] = set()
        for index, fill in enumerate(self.direct_fill):
            if isinstance(fill, DirectFill):
                label = fill.label.strip()  # as the server compares them
                if label in labels:
                    raise InvalidParams(f"direct_fill[{index}]", fill.label, "repeats the label of an earlier fill")
                labels.add(label)


def _aggregator(argument: str, name: object) -> str:
    if not isinstance(name, str) or name.lower() not in AGGREGATORS:
        raise InvalidParams(argument, name, "must be one of " + ", ".join(AGGREGATORS))
    return name.lower()
