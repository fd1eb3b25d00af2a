"""Pages about runs: their content, that they need no other file, and how a browser shows them."""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import simsync
from simsync.local import Faults, Ledger, Simulator
from simsync.run import Comparison, Recorder, RunPlan, record_run
from simsync.run.database import RecordingDatabase
from simsync.run.report import write_comparison, write_history, write_report
from simsync.run.report.series import BINS, balance_lines, busiest_balances, slot_bins

from .files import ALICE, BOB, METADATA, MINT, PROGRAM, tx, write_lines, write_object

EVIL = "<script>alert('evil')</script>"
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
WALLET = "9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM"


def gain(account: str, before: int, after: int) -> dict[str, Any]:
    return {"account": account, "pre": before, "post": after}


def content(page: Path) -> str:
    """The part of the page that is not a script."""
    text = page.read_text(encoding="utf-8")
    return text[: text.index('<script type="text/plain"')]


def data(page: Path) -> dict[str, Any]:
    """The figures and tables that the page holds in compressed form."""
    match = re.search(r'id="data">([^<]+)<', page.read_text(encoding="utf-8"))
    assert match is not None
    found: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(match.group(1))))
    return found


def charts(page: Path) -> list[list[dict[str, Any]]]:
    """The data of each chart, in the order of the page."""
    return [figure["data"] for figure in data(page)["figures"]]


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
    for words in ("Slots 10 to 19", "1 of 3 transactions failed (33.3\u00a0%)", "<b>150</b>", PROGRAM):
        assert words in text
    assert "Most often: <code>{&#34;Custom&#34;:1}</code> (1)" in text
    assert "no times, so there is no timeline" in text
    (succeeded, failed), (units,), (balance,) = charts(page)
    assert succeeded["x"] == failed["x"] == list(range(10, 20))
    assert (sum(succeeded["y"]), succeeded["y"][0], succeeded["y"][2]) == (2, 1, 1)
    assert failed["y"] == [0] * 9 + [1]
    assert units["y"][:3] == [100, 0, 50]
    assert (balance["x"], balance["y"]) == ([10, 12], [7e-9, 6e-9])  # that of ALICE; BOB's changed once only
    assert ALICE in text
    assert BOB not in text


def test_the_failed_transactions_with_logs_and_links(tmp_path: Path) -> None:
    run = write_lines(tmp_path / "run.ndjson", [tx(10, "s1"), tx(11, "s2", error="boom", compute_units=7)])
    page = tmp_path / "page.html"
    write_report(run, page)
    (row,) = data(page)["tables"]["failures"]["rows"]
    assert row["cells"] == [11, "s2", "boom", 7]
    assert row["link"] == "https://explorer.solana.com/tx/s2"
    assert f"Program {PROGRAM} invoke [1]" in row["logs"][0]["text"]
    write_report(write_lines(tmp_path / "good.ndjson", [tx(10, "s1")]), page)
    assert "All 1 transactions succeeded." in content(page)
    assert data(page)["tables"] == {}


def test_many_failures_do_not_make_a_large_page(tmp_path: Path) -> None:
    logs = [f"Program log: {number}" * 20 for number in range(30)]
    run = write_lines(tmp_path / "run.ndjson", [tx(10, f"s{n:086}", error="boom", logs=logs) for n in range(3_000)])
    page = tmp_path / "page.html"
    write_report(run, page)
    assert len(data(page)["tables"]["failures"]["rows"]) == 200
    assert "the first 200 of 3,000" in content(page)
    assert 150_000 < page.stat().st_size < 600_000


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


def test_text_of_a_file_is_escaped_in_the_page(tmp_path: Path) -> None:
    changes = [gain(EVIL, 1, 2), gain(EVIL, 2, 3)]
    run = write_lines(
        tmp_path / "run.ndjson", [tx(10, EVIL, error=EVIL, logs=[f"Program {EVIL} invoke [1]"], sol_changes=changes)]
    )
    page = tmp_path / "page.html"
    write_report(run, page)
    assert EVIL not in page.read_text(encoding="utf-8")
    with Comparison(write_lines(tmp_path / "base.ndjson", [tx(10, EVIL)]), run) as comparison:
        write_comparison(comparison, page)
    assert EVIL not in page.read_text(encoding="utf-8")


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
    complete, other, reconnects, control = charts(page)[-1]
    assert complete["y"] == ["1000–1004", "1005–1009", "1010–1014", "1015–1019"]
    assert other["y"] == []
    assert len(reconnects["x"]) == 1
    assert len([x for x in control["x"] if x is not None]) == 2  # both ends of one line
    assert content(page).count('<td class="good">complete</td>') == 4


def test_a_run_that_was_stopped(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "run.ndjson", [tx(10, "s1")], end=False)
    with path.open("a", encoding="utf-8") as file:
        file.write('{"type":"stopped","data":{"reasons":["it was enough"]}}\n')
    write_report(path, tmp_path / "page.html")
    assert "<strong>Incomplete:</strong> the run was stopped: it was enough" in content(tmp_path / "page.html")
    assert '<b class="bad">incomplete</b>' in content(tmp_path / "page.html")


def test_two_runs_as_a_page(tmp_path: Path) -> None:
    base = write_lines(tmp_path / "base.ndjson", [tx(10, "s1", compute_units=9), tx(11, "s2", error="boom")])
    other = write_lines(
        tmp_path / "other.ndjson",
        [tx(10, "s1", error="bang", compute_units=5, sol_changes=[gain(ALICE, 1, 4)], logs=["after"]), tx(11, "s2")],
    )
    page = tmp_path / "page.html"
    with Comparison(base, other) as comparison:
        write_comparison(comparison, page)
    text = content(page)
    assert "base.ndjson compared with other.ndjson" in text
    assert "1 of 2 transactions newly fail (50.0\u00a0%)" in text
    assert "1 newly succeed, 0 fail with a different error" in text
    assert "No conclusion" not in text
    regression, improvement = data(page)["tables"]["changed"]["rows"]
    assert (regression["kind"], regression["cells"][1:]) == ("regression", [10, "s1", "ok", "bang", -4])
    assert [one["title"] for one in regression["logs"]] == ["first run", "second run"]
    assert regression["logs"][1]["text"] == "after"
    assert (improvement["kind"], improvement["tone"]) == ("improvement", "good")
    (units,), (balances,) = charts(page)
    assert (units["x"], balances["x"]) == ([-4], [3])
    assert units["marker"]["color"] != balances["marker"]["color"]


def test_the_page_says_when_no_conclusion_can_be_drawn(tmp_path: Path) -> None:
    base = write_lines(tmp_path / "base.ndjson", [tx(10, "s1"), tx(11, "s2")])
    cut = write_lines(tmp_path / "cut.ndjson", [tx(10, "s1")], end=False)
    with Comparison(base, cut) as comparison:
        write_comparison(comparison, tmp_path / "page.html")
    text = content(tmp_path / "page.html")
    assert "<strong>No conclusion can be drawn:</strong> the second run is not complete" in text
    (row,) = data(tmp_path / "page.html")["tables"]["changed"]["rows"]
    assert (row["kind"], row["cells"][2]) == ("only in the first", "s2")


def test_a_page_does_not_replace_a_recording(tmp_path: Path) -> None:
    run = write_lines(tmp_path / "run.ndjson", [tx(10, "s1")])
    before = run.read_bytes()
    with pytest.raises(simsync.InvalidParams, match="target"):
        write_report(run, run)
    with Comparison(run, run) as comparison, pytest.raises(simsync.InvalidParams, match="target"):
        write_comparison(comparison, run)
    assert run.read_bytes() == before


def test_a_history_of_three_nights(tmp_path: Path) -> None:
    nights = [[tx(10, "s1"), tx(11, "s2")], [tx(10, "s1", error="boom"), tx(11, "s2")], [tx(10, "s1", error="boom")]]
    names = ["night0.ndjson", "night1.NDJSON", "night2.ndjson"]
    for number, transactions in enumerate(nights):
        path = write_lines(tmp_path / names[number], transactions, end=number < 2)
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        lines[0] = json.dumps({"type": "metadata", "data": {**METADATA, "ran_at_unix_secs": 86_400 * number}}) + "\n"
        path.write_text("".join(lines), encoding="utf-8")
    (tmp_path / "notes.json").write_text("[]", encoding="utf-8")
    (tmp_path / "readme.txt").write_text("hello", encoding="utf-8")
    page = tmp_path / "history.html"
    found = write_history(tmp_path, page)
    assert [night.path.name for night in found] == names
    (failed,), _units, (regressions,) = charts(page)
    assert failed["y"] == [0.0, 50.0, 100.0]
    assert regressions["y"] == [None, 1, None]
    assert found[1].regressions == {PROGRAM: 1}
    assert "incomplete, the file ends without a summary" in content(page)
    with pytest.raises(simsync.InvalidParams, match="holds no recording"):
        empty = tmp_path / "empty"
        empty.mkdir()
        write_history(empty, page)


def test_a_history_leaves_out_what_cannot_be_read_and_what_is_no_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("one.ndjson", "two.ndjson", "two.new.ndjson", "three.new.ndjson"):
        write_lines(tmp_path / name, [tx(10, "s1")], end="new" not in name)
    (tmp_path / "results.ndjson").write_text('{"type":"sweep","data":{"fingerprint":"x"}}\n', encoding="utf-8")
    (tmp_path / "damaged.ndjson").write_text('{"type":"tx","data":{}}\n{"\n{}\n', encoding="utf-8")
    (tmp_path / "memory.ndjson").symlink_to("/proc/self/mem")  # every read of it is an OSError
    found = {night.path.name for night in write_history(tmp_path, tmp_path / "history.html")}
    assert found == {"one.ndjson", "two.ndjson", "three.new.ndjson"}
    left_out = {message.split(" is left out: ")[0] for message in caplog.messages if " is left out: " in message}
    names = ("two.new.ndjson", "results.ndjson", "damaged.ndjson", "memory.ndjson")
    assert left_out == {str(tmp_path / name) for name in names}
    only = tmp_path / "only"
    only.mkdir()
    (tmp_path / "memory.ndjson").rename(only / "memory.ndjson")
    with pytest.raises(OSError, match="Input/output error"):
        write_history(only, tmp_path / "history.html")


def test_what_is_equal_has_no_sign_and_lists_are_plain(tmp_path: Path) -> None:
    base = write_lines(tmp_path / "base.ndjson", [tx(10, "s1", compute_units=100)])
    text = base.read_text(encoding="utf-8").replace('"program_so": []', '"program_so": ["a.so", "b.so"]')
    experiment = tmp_path / "experiment.ndjson"
    experiment.write_text(text, encoding="utf-8")
    page = tmp_path / "page.html"
    with Comparison(base, experiment) as comparison:
        write_comparison(comparison, page)
    text = content(page)
    assert "Compute units: 0 (" in text
    assert re.search(r'<td>most</td><td class="n">100</td><td class="n">100</td><td class="n">0</td>', text)
    assert '<td>program_so</td><td class="text">–</td><td class="text">a.so, b.so</td>' in text


def test_runs_of_a_history_that_began_in_the_same_second(tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        path = write_lines(tmp_path / f"{name}.ndjson", [tx(10, "s1")])
        os.utime(path, (86_400, 86_400))
    page = tmp_path / "history.html"
    write_history(tmp_path, page)
    (failed,), _units, _regressions = charts(page)
    assert failed["x"] == [0, 1, 2]
    axis = data(page)["figures"][0]["layout"]["xaxis"]
    assert axis["ticktext"] == ["01-02<br>00:00"] * 3


def test_a_history_names_the_programs_of_the_last_runs_first(tmp_path: Path) -> None:
    for number in range(9):
        failed = {"error": "boom"} if number % 2 else {}
        path = write_lines(tmp_path / f"night{number}.ndjson", [tx(10, "s1", **failed)])
        os.utime(path, (86_400 * number, 86_400 * number))
    page = tmp_path / "history.html"
    write_history(tmp_path, page)
    text = content(page)
    heads = re.findall(r'<th scope="col" class="n when">(.{10})', text)
    assert heads == [f"1970-01-0{day}" for day in (9, 8, 7, 6, 5)]
    (row,) = re.findall(rf'<td class="id">{PROGRAM}</td>(.*)</tr>', text)
    assert re.findall(r">([^<>]+)</td>", row) == ["4", "0", "1", "0", "1", "0"]


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


def test_the_same_run_gives_the_same_page(tmp_path: Path) -> None:
    run = write_lines(tmp_path / "run.ndjson", [tx(10, "s1", error="boom"), tx(11, "s2")])
    pages = [tmp_path / "a.html", tmp_path / "b.html"]
    for page in pages:
        write_report(run, page)
    assert pages[0].read_bytes() == pages[1].read_bytes()


@pytest.mark.parametrize(("slots", "width"), [(1, 1), (BINS, 1), (BINS + 1, 2), (100_000, 417)])
def test_bars_cover_the_range_and_no_transaction_is_lost(tmp_path: Path, slots: int, width: int) -> None:
    edges = (0, 1_000, 999 + slots, 1_000 + slots)  # what lies outside counts at the edges
    run = write_lines(tmp_path / "run.ndjson", [tx(slot, f"s{number}") for number, slot in enumerate(edges)])
    with RecordingDatabase(run) as database:
        bins = slot_bins(database, 1_000, 999 + slots)
    assert bins.width == width
    assert len(bins.starts) <= BINS
    assert sum(bins.succeeded) == 4
    assert bins.starts[-1] <= 999 + slots < bins.starts[-1] + width


def test_balances_keep_their_last_value_of_a_slot_and_their_end(tmp_path: Path) -> None:
    changes = [tx(n, f"s{n}", sol_changes=[gain(ALICE, 0, 1), gain(ALICE, 1, n)]) for n in range(2_500)]
    with RecordingDatabase(write_lines(tmp_path / "run.ndjson", changes)) as database:
        (((account, mint), line),) = balance_lines(database, [ALICE]).items()
    assert (account, mint, line.points[0], line.points[-1]) == (ALICE, None, (0, 0), (2_499, 2_499))
    assert (len(line.points) <= 1_001, line.of_changes) == (True, False)


def test_the_busiest_balances(tmp_path: Path) -> None:
    changes = [
        tx(slot, f"s{slot}", sol_changes=[gain(BOB, 0, 1)] * (slot + 1) + [gain(ALICE, 0, 1)]) for slot in range(3)
    ]
    changes.append(tx(9, "s9", sol_changes=[gain("C" * 43, 0, 1)]))
    with RecordingDatabase(write_lines(tmp_path / "run.ndjson", changes)) as database:
        assert busiest_balances(database, 5) == [(BOB, None), (ALICE, None)]


def test_balances_of_a_file_that_holds_changes_only_are_sums(tmp_path: Path) -> None:
    rows = [tx(12, "s2", sol_changes={WALLET: 7}), tx(10, "s1", sol_changes={WALLET: -5_000, ALICE: 1})]
    run, page = write_object(tmp_path / "run.json", rows), tmp_path / "page.html"
    for accounts in ([WALLET], []):  # chosen, and because it changes most often
        assert write_report(run, page, accounts).left_out == []
        (balance,) = charts(page)[-1]
        assert balance["x"] == [10, 12]
        assert balance["text"] == ["-5,000 lamports", "-4,993 lamports"]
        assert f"{WALLET}<br>gain: the file holds changes only" in content(page)


def test_transactions_without_a_slot_are_in_no_bar_and_are_said(tmp_path: Path) -> None:
    rows = [tx(11, "s1"), {**tx(0, "s2"), "slot": None}, {**tx(0, "s3"), "slot": "x"}]
    page = tmp_path / "page.html"
    assert write_report(write_lines(tmp_path / "run.ndjson", rows), page).without_slot == 2
    succeeded, _failed = charts(page)[0]
    assert succeeded["y"] == [0, 1] + [0] * 8
    assert "2 transactions have no slot and are in no chart by slot" in content(page)


@pytest.mark.parametrize("number", [10**400, 10**40, -(10**40), 1e300])
def test_numbers_that_nothing_holds_are_missing(tmp_path: Path, number: float) -> None:
    run = write_lines(tmp_path / "run.ndjson", [tx(12, "s1")])
    records = [json.loads(line) for line in run.read_text(encoding="utf-8").splitlines()]
    records[0]["data"].update(start_slot=number, ran_at_unix_secs=number)
    records[1]["data"].update(start_slot=number, at_unix_secs=number)
    run.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    page = tmp_path / "page.html"
    write_report(run, page)
    assert "Slots 12 to 19" in content(page)
    assert len(write_history(tmp_path, page)) == 1


def shown_in_a_browser(page: Path, tmp_path: Path, *more: str) -> tuple[str, str]:
    """The document after its scripts have run, and what the browser logged."""
    done = subprocess.run(
        [
            *(str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *("--virtual-time-budget=5000", "--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}"),
            *(*more, "--dump-dom", page.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    return done.stdout, done.stderr


@pytest.mark.skipif(BROWSER is None, reason="needs chromium")
@pytest.mark.parametrize("dark", [False, True])
def test_a_browser_draws_all_charts_without_messages(tmp_path: Path, dark: bool) -> None:
    run = write_lines(
        tmp_path / "run.ndjson",
        [tx(10 + n, f"s{n}", error=f"error {n}", sol_changes=[gain(ALICE, n, n + 1)]) for n in range(9)],
    )
    page = tmp_path / "page.html"
    write_report(run, page)
    shown, messages = shown_in_a_browser(page, tmp_path, f"--blink-settings=preferredColorScheme={0 if dark else 1}")
    assert "CONSOLE" not in messages
    assert shown.count('class="main-svg"') >= 2 * len(charts(page))
    assert "9 of 9 rows" in shown
    assert shown.count('href="https://explorer.solana.com/tx/s') == 9


@pytest.mark.skipif(BROWSER is None, reason="needs chromium")
def test_a_browser_filters_sorts_and_expands_the_table(tmp_path: Path) -> None:
    run = write_lines(
        tmp_path / "run.ndjson",
        [tx(10 + n, f"s{n}", error=f"error {n}", compute_units=100 - n, logs=[f"line {n}"]) for n in range(9)],
    )
    page = tmp_path / "page.html"
    write_report(run, page)
    text = page.read_text(encoding="utf-8")
    steps = """<script>
    setTimeout(() => document.querySelector("#failures th:nth-child(4)").click(), 2000);
    setTimeout(() => {
        const form = document.querySelector("form");
        form.elements.text.value = "LINE 8"; form.dispatchEvent(new Event("input"));
        document.querySelector("#failures tbody tr:not([hidden]) button").click();
        document.title = "first " + document.querySelector("#failures tbody tr:not(.detail)").cells[0].textContent;
    }, 3000)</script></body>"""
    page.write_text(text.replace("</body>", steps), encoding="utf-8")
    shown, messages = shown_in_a_browser(page, tmp_path)
    assert "CONSOLE" not in messages
    assert "1 of 9 rows" in shown
    assert "<title>first 18</title>" in shown  # the fewest compute units
    assert re.search(r'<tr class="detail">.*<pre tabindex="0">line 8</pre>', shown)


@pytest.mark.skipif(BROWSER is None, reason="needs chromium")
def test_no_page_is_wider_than_a_phone(tmp_path: Path) -> None:
    run = write_lines(
        tmp_path / "run.ndjson", [tx(312_000_000, "s" * 88, error="x" * 200, compute_units=10**15, logs=["y" * 500])]
    )
    page = tmp_path / "page.html"
    write_report(run, page)
    frame = tmp_path / "frame.html"
    frame.write_text(
        f'<iframe src="{page.as_uri()}" style="width:360px;height:2000px"></iframe><script>setTimeout(() => {{'
        "const inside = document.querySelector('iframe').contentDocument.documentElement;"
        "document.title = `${inside.scrollWidth} of ${inside.clientWidth}`}, 2500)</script>",
        encoding="utf-8",
    )
    shown, _messages = shown_in_a_browser(frame, tmp_path, "--allow-file-access-from-files")
    match = re.search(r"<title>(\d+) of (\d+)</title>", shown)
    assert match is not None
    assert int(match.group(1)) <= int(match.group(2))


@pytest.mark.skipif(BROWSER is None, reason="needs chromium")
def test_logs_stay_in_view_when_a_wide_table_is_moved(tmp_path: Path) -> None:
    base = write_lines(tmp_path / "base.ndjson", [tx(312_000_000, "s" * 88, logs=["y" * 500], compute_units=1)])
    other = [tx(312_000_000, "s" * 88, error="x" * 200, logs=["z" * 500], compute_units=5)]
    experiment = write_lines(tmp_path / "experiment.ndjson", other)
    page, frame = tmp_path / "page.html", tmp_path / "frame.html"
    with Comparison(base, experiment) as comparison:
        write_comparison(comparison, page)
    frame.write_text(
        f'<iframe src="{page.as_uri()}" style="width:360px;height:2000px"></iframe><script>setTimeout(() => {{'
        "const inside = document.querySelector('iframe').contentDocument;"
        "inside.querySelector('#changed button').click();"
        "inside.querySelector('#changed').parentElement.scrollLeft = 10000;"
        "const boxes = [...inside.querySelectorAll('#changed pre')].map((one) => one.getBoundingClientRect());"
        "const units = [...inside.querySelectorAll('#changed td.n')].map((one) => one.textContent);"
        "document.title = `${boxes.length} logs, ${boxes.every((one) => one.left >= 0 && one.right <= 360)}, ${units}`"
        "}, 2500)</script>",
        encoding="utf-8",
    )
    shown, _messages = shown_in_a_browser(frame, tmp_path, "--allow-file-access-from-files")
    assert "<title>2 logs, true, 312000000,+4,logs</title>" in shown
