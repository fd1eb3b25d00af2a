"""How many cases of which kind were run, and how they ended; the table on the page about reliability."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

EQUAL, HONEST, TOLD, WAITED = "equal", "honest", "told", "waited"
PAGE = Path(__file__).parents[2] / "docs" / "internals" / "reliability.md"
BEGIN = "<!-- table of faults: python -m pytest tests/faults --thorough --write-reliability -->"
END = "<!-- end of the table -->"


class Tally:
    """One per test session."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str, str]] = Counter()

    def add(self, kind: str, plane: str, outcome: str) -> None:
        self.counts[kind, plane, outcome] += 1

    def table(self) -> str:
        """Markdown."""
        lines = [
            "| kind | control cases | data cases | equal runs | honest errors | told | caller's timeout |",
            "| --- | --- | --- | --- | --- | --- | --- |",
        ]
        kinds = list(dict.fromkeys(kind for kind, _plane, _outcome in self.counts))
        for kind in kinds:
            lines.append(f"| {kind} | {' | '.join(str(number) for number in self._numbers(kind))} |")
        sums = [sum(column) for column in zip(*(self._numbers(kind) for kind in kinds))]
        lines.append(f"| **all** | {' | '.join(str(number) for number in sums)} |")
        return "\n".join(lines)

    def _numbers(self, kind: str) -> tuple[int, ...]:
        def count(*wanted: str) -> int:
            return sum(number for key, number in self.counts.items() if key[0] == kind and set(wanted) & set(key[1:]))

        return count("control"), count("data"), count(EQUAL), count(HONEST), count(TOLD), count(WAITED)

    def write(self) -> None:
        """Put the table into its place on the page."""
        text = PAGE.read_text(encoding="utf-8")
        before, rest = text.split(BEGIN)
        _old, after = rest.split(END)
        PAGE.write_text(f"{before}{BEGIN}\n{self.table()}\n{END}{after}", encoding="utf-8")


def kinds_on_the_page() -> list[str]:
    """The first column of the table."""
    table = PAGE.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0]
    rows = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("|")]
    return [row for row in rows if row not in ("kind", "---", "**all**")]
