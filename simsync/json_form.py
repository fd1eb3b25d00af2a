"""The JSON form of params, summaries and reports, by dataclasses-json, which is imported when it is first used.

Importing it takes longer than all of simsync, and most programs never ask for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable, Optional, TypeVar

Form = TypeVar("Form", bound="JsonForm")


class JsonForm:
    """Mixed into a dataclass: the methods of ``dataclasses_json.DataClassJsonMixin``. Unknown keys are left out."""

    __slots__ = ()

    def to_dict(self, encode_json: bool = False) -> dict[str, Any]:
        """The fields as what JSON can hold."""
        from dataclasses_json import DataClassJsonMixin

        return DataClassJsonMixin.to_dict(self, encode_json)  # type: ignore[arg-type]

    def to_json(self, **options: Any) -> str:
        """One JSON document; ``options`` are those of :func:`json.dumps`."""
        from dataclasses_json import DataClassJsonMixin

        return DataClassJsonMixin.to_json(self, **options)  # type: ignore[arg-type]

    @classmethod
    def from_dict(cls: type[Form], data: Mapping[str, Any], *, infer_missing: bool = False) -> Form:
        """From what :meth:`to_dict` has made."""
        from dataclasses_json import DataClassJsonMixin

        made: Form = DataClassJsonMixin.from_dict.__func__(cls, data, infer_missing=infer_missing)  # type: ignore[attr-defined]
        return made

    @classmethod
    def from_json(cls: type[Form], text: str, **options: Any) -> Form:
        """From what :meth:`to_json` has made; ``options`` are those of :func:`json.loads`."""
        from dataclasses_json import DataClassJsonMixin

        made: Form = DataClassJsonMixin.from_json.__func__(cls, text, **options)  # type: ignore[attr-defined]
        return made


def config(
    *,
    encoder: Optional[Callable[[Any], Any]] = None,
    decoder: Optional[Callable[[Any], Any]] = None,
    exclude: Optional[Callable[[Any], bool]] = None,
) -> dict[str, dict[str, Any]]:
    """Metadata of a field, as ``dataclasses_json.config`` makes it."""
    rules = {"encoder": encoder, "decoder": decoder, "exclude": exclude}
    return {"dataclasses_json": {name: rule for name, rule in rules.items() if rule is not None}}
