"""The JSON form of requests, summaries and reports.

It is made by dataclasses-json, which is imported on first use, because importing it takes as long as importing the
rest of simsync and most programs never need it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable, Optional, TypeVar

Form = TypeVar("Form", bound="JsonForm")


class JsonForm:
    """Mixin that gives a dataclass the methods of ``dataclasses_json.DataClassJsonMixin``."""

    __slots__ = ()

    def to_dict(self, encode_json: bool = False) -> dict[str, Any]:
        """Return the fields by name.

        Args:
            encode_json: Also convert values such as times to those that JSON has.
        """
        from dataclasses_json import DataClassJsonMixin

        return DataClassJsonMixin.to_dict(self, encode_json)  # type: ignore[arg-type]

    def to_json(self, **options: object) -> str:
        """Return a JSON document.

        Args:
            options: Keyword arguments of :func:`json.dumps`.
        """
        from dataclasses_json import DataClassJsonMixin

        return DataClassJsonMixin.to_json(self, **options)  # type: ignore[arg-type]

    @classmethod
    def from_dict(cls: type[Form], data: Mapping[str, object], *, infer_missing: bool = False) -> Form:
        """Create an object from the result of :meth:`to_dict`. Unknown keys are ignored.

        Args:
            data: Field name → value.
            infer_missing: Set fields that are missing and have no default to None.
        """
        from dataclasses_json import DataClassJsonMixin

        made: Form = DataClassJsonMixin.from_dict.__func__(cls, data, infer_missing=infer_missing)  # type: ignore[attr-defined]
        return made

    @classmethod
    def from_json(cls: type[Form], text: str, **options: object) -> Form:
        """Create an object from the result of :meth:`to_json`.

        Args:
            text: The JSON document.
            options: Keyword arguments of :func:`json.loads`.
        """
        from dataclasses_json import DataClassJsonMixin

        made: Form = DataClassJsonMixin.from_json.__func__(cls, text, **options)  # type: ignore[attr-defined]
        return made


def config(
    *,
    encoder: Optional[Callable[[Any], Any]] = None,
    decoder: Optional[Callable[[Any], Any]] = None,
    exclude: Optional[Callable[[Any], bool]] = None,
) -> dict[str, dict[str, Any]]:
    """Return the metadata of a field, as ``dataclasses_json.config`` does, without importing dataclasses-json."""
    rules = {"encoder": encoder, "decoder": decoder, "exclude": exclude}
    return {"dataclasses_json": {name: rule for name, rule in rules.items() if rule is not None}}
