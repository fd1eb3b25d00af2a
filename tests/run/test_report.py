"""Pages about runs: their content, that they need no other file, and how a browser shows them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import simsync
from simsync.local import Faults, Ledger, Simulator
from simsync.run import Comparison, Recorder, RunPlan, record_run
from simsync.run.event_records import transaction_of
from simsync.run.report import write_comparison, write_report
from simsync.run.report.series import BINS, BalanceTraces, BusiestBalances, SlotBins

from .files import ALICE, BOB, MINT, PROGRAM, tx, write_lines, write_object

EVIL = "<script>alert('evil')</script>"
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


def gain(account: str, before: int, after: int) -> dict[str, Any]:
    return {"account": account, "pre": before, "post": after}


def content(page: Path) -> str:
    """The page without the plotting library."""
    text = page.read_text(encoding="utf-8")
    first = text.index("<script>") + len("<script>")
    return text[:first] + text[text.index("</script>\n</head>") :]


def charts(page: Path) -> list[list[dict[str, Any]]]:
    """The data of each chart, in the order of the page."""
    found = []
    for match in re.finditer(r"Plotly\.newPlot\(\s*\"chart-\d+\",\s*", content(page)):
        found.append(json.JSONDecoder().raw_decode(content(page), match.end())[0])
    return found


# feature: (not the vendor's) strategies, pages, tables, a demo
def test_a_run_as_a_page(tmp_path: Path) -> None:
    run = write_lines(
        tmp_path / "run.ndjson",
        [
            tx(10, "s1", compute_units=100, sol_changes=[gain(ALICE, 5, 7)]),
            tx(12, "s2", compute_units=50, sol_changes=[gain(ALICE, 7, 6), gain(BOB, 0, 1)]),
            tx(19, "s3", error={"Custom": 1}),
        ],
    )
    page = tmp_path / "page.html"
    totals = write_report(run, page)
    assert (totals.transactions, totals.failed) == (3, 1)
    text = content(page)
    for words in ("Slots 10 to 19", "<b>3</b><span>transactions", "failed (33.3 %)", "<b>150</b>", PROGRAM):
        assert words in text
    assert "{&#34;Custom&#34;: 1}" in text
    assert "no times, so there is no timeline" in text
    (succeeded, failed), (units,), (balance,) = charts(page)
    assert succeeded["x"] == failed["x"] == list(range(10, 20))
    assert (sum(succeeded["y"]), succeeded["y"][0], succeeded["y"][2]) == (2, 1, 1)
    assert failed["y"] == [0] * 9 + [1]
    assert units["y"][:3] == [100, 0, 50]
    assert (balance["x"], balance["y"]) == ([10, 12], [7e-9, 6e-9])  # that of ALICE; BOB's changed once only
    assert ALICE in text
    assert BOB not in text


def test_chosen_accounts(tmp_path: Path) -> None:
    changes = [{"account": WALLET, "mint": MINT, "decimals": 0, "pre": "1", "post": "4"}]
    run = write_object(tmp_path / "run.json", [tx(10, "s1", sol_changes=[gain(ALICE, 1, 2)], token_changes=changes)])
    page = tmp_path / "page.html"
    write_report(run, page, [WALLET])
    text = content(page)
    assert f"{WALLET}<br>token {MINT}" in text
    assert ALICE not in text
    with pytest.raises(simsync.InvalidParams, match=r"accounts\[0\]='typo'"):
        write_report(run, page, ["typo"])


WALLET = "9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM"


def test_text_of_a_file_is_escaped_in_the_page(tmp_path: Path) -> None:
    changes = [gain(EVIL, 1, 2), gain(EVIL, 2, 3)]
    run = write_lines(
        tmp_path / "run.ndjson", [tx(10, EVIL, error=EVIL, logs=[f"Program {EVIL} invoke [1]"], sol_changes=changes)]
    )
    page = tmp_path / "page.html"
    write_report(run, page)
    assert EVIL not in content(page)
    with Comparison(write_lines(tmp_path / "base.ndjson", [tx(10, EVIL)]), run) as comparison:
        write_comparison(comparison, page)
    assert EVIL not in content(page)


def test_the_page_of_a_real_run_shows_reconnects(tmp_path: Path) -> None:
    faults = Faults().drop_control(after=12).drop_data_at(20)
    ledger = Ledger.generate(seed=2, slots=20, transactions_per_slot=5, bundle_size=5)
    path, page = tmp_path / "run.ndjson", tmp_path / "page.html"
    with Simulator(ledger, faults=faults) as simulator, Recorder(path) as recorder:
        options = simsync.Options(backoff_initial=0.01, backoff_max=0.02)
        client = simsync.Client(simulator.url, simulator.api_key, options=options)
        plan = RunPlan(simsync.CreateSession(1_000, slot_count=20), True, advance=2)
        assert record_run(client, plan, recorder).reconnects == 1
        assert set(faults.fired) == {"drop_control_after", "drop_data_at"}
    write_report(path, page)
    assert "<b>2</b><span>reconnects" in content(page)
    complete, other, data, control = charts(page)[-1]
    assert complete["y"] == ["1000–1004", "1005–1009", "1010–1014", "1015–1019"]
    assert other["y"] == []
    assert len(data["x"]) == 1
    assert len([x for x in control["x"] if x is not None]) == 2  # both ends of one line
    assert content(page).count('<td class="good">complete</td>') == 4


def test_a_run_that_was_stopped(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "run.ndjson", [tx(10, "s1")], end=False)
    with path.open("a", encoding="utf-8") as file:
        file.write('{"type":"stopped","data":{"reasons":["it was enough"]}}\n')
    write_report(path, tmp_path / "page.html")
    assert "Stopped: it was enough" in content(tmp_path / "page.html")
    assert '<b class="bad">incomplete</b>' in content(tmp_path / "page.html")


def test_two_runs_as_a_page(tmp_path: Path) -> None:
    base = write_lines(tmp_path / "base.ndjson", [tx(10, "s1", compute_units=9), tx(11, "s2", error="boom")])
    other = write_lines(
        tmp_path / "other.ndjson",
        [tx(10, "s1", error="bang", compute_units=5, sol_changes=[gain(ALICE, 1, 4)]), tx(11, "s2")],
    )
    page = tmp_path / "page.html"
    with Comparison(base, other) as comparison:
        write_comparison(comparison, page)
    text = content(page)
    assert "base.ndjson compared with other.ndjson" in text
    assert "Regressions: newly failing (1)" in text
    assert "Improvements: newly succeeding (1)" in text
    assert "Failing with a different error (" not in text
    assert "bang" in text
    (units,), (balances,) = charts(page)
    assert (units["x"], balances["x"]) == ([-4], [3])


def test_a_page_is_replaced_atomically(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_number: int) -> None:
        raise OSError(28, "No space left on device")

    run = write_lines(tmp_path / "run.ndjson", [tx(10, "s1")])
    page = tmp_path / "page.html"
    page.write_text("the one before", encoding="utf-8")
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_report(run, page)
    assert page.read_text(encoding="utf-8") == "the one before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", "run.ndjson"]


@pytest.mark.parametrize(("slots", "width"), [(1, 1), (BINS, 1), (BINS + 1, 2), (100_000, 417)])
def test_bars_cover_the_range_and_no_transaction_is_lost(slots: int, width: int) -> None:
    bins = SlotBins(1_000, 999 + slots)
    assert bins.width == width
    assert len(bins.starts) <= BINS
    for slot in (0, 1_000, 999 + slots, 1_000 + slots):  # what lies outside counts at the edges
        bins.add(transaction_of(tx(slot, "s")))
    assert sum(bins.succeeded) == 4
    assert bins.starts[-1] <= 999 + slots < bins.starts[-1] + width


def test_balances_keep_their_last_value_of_a_slot_and_their_end() -> None:
    traces = BalanceTraces(accounts=[ALICE])
    for slot in range(2_500):
        traces.add(transaction_of(tx(slot, "s", sol_changes=[gain(ALICE, 0, 1), gain(ALICE, 1, slot)])))
    ((account, mint, points),) = traces.traces()
    assert (account, mint, points[0], points[-1]) == (ALICE, None, (0, 0), (2_499, 2_499))
    assert len(points) <= 1_001


def test_the_busiest_balances() -> None:
    busiest = BusiestBalances()
    for slot in range(3):
        busiest.add(transaction_of(tx(slot, "s", sol_changes=[gain(BOB, 0, 1)] * (slot + 1) + [gain(ALICE, 0, 1)])))
    busiest.add(transaction_of(tx(9, "s", sol_changes=[gain("C" * 43, 0, 1)])))
    assert busiest.most(5) == [(BOB, None), (ALICE, None)]


@pytest.mark.skipif(BROWSER is None, reason="needs chromium")
@pytest.mark.parametrize("dark", [False, True])
def test_a_browser_draws_all_charts_without_messages(tmp_path: Path, dark: bool) -> None:
    run = write_lines(
        tmp_path / "run.ndjson", [tx(10 + n, f"s{n}", sol_changes=[gain(ALICE, n, n + 1)]) for n in range(9)]
    )
    page = tmp_path / "page.html"
    write_report(run, page)
    done = subprocess.run(
        [
            *(str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *("--virtual-time-budget=5000", "--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}"),
            *([f"--blink-settings=preferredColorScheme={0 if dark else 1}", "--dump-dom", page.as_uri()]),
        ],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert "CONSOLE" not in done.stderr
    assert done.stdout.count('class="main-svg"') >= 2 * len(charts(page))
