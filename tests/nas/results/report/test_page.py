"""The page as a text: what it holds, how large it is, what it escapes."""

import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

import search
from nas.results.leaderboard import leaderboard
from nas.results.report import page
from nas.results.report.page import MOST_BYTES, cells, render
from nas.search.storage import open_storage
from nas.search.study import IDENTITY, REASON, TARGET
from tests.nas.results.known import PLAIN, add, network_study

Captured = pytest.CaptureFixture[str]
EVIL = "</script><script>alert(1)</script>"


class Reader(HTMLParser):
    """Tags with their attributes, and the text of the table's cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "td":
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] in {"td", "button", "code", "small"} and self.cells:
            self.cells[-1] += data.strip()


def embedded(text: str) -> dict[str, Any]:
    """What the page draws."""
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert match is not None
    document = json.loads(match[1], parse_constant=pytest.fail)  # NaN is no JSON
    assert isinstance(document, dict)
    return document


def empty_study(journal: Path) -> optuna.Study:
    return optuna.create_study(storage=open_storage(str(journal), write=True), study_name="empty", direction="maximize")


def test_rows_are_the_leaderboards(study: optuna.Study) -> None:
    found = Reader(render(study))
    rows = [found.cells[i : i + 11] for i in range(0, 6 * 11, 11)]
    assert rows[0] == [
        "1*",
        "1",
        "complete",
        "86.00",
        "84.00 ± 1.00 (n=2)",
        "150,000",
        "150.0",
        "46",
        "2",
        "2s",
        "network-1",
    ]
    assert [row[1] for row in rows] == ["1", "2", "0", "3", "5", "4"]
    assert rows[3][10] == "network-3below the better half at epoch 1"
    assert (rows[5][3], rows[5][4]) == ("-", "-")


def test_what_a_cell_shows(study: optuna.Study) -> None:
    row = leaderboard(study).rows[1]
    assert cells(row)["val_accuracy"] == "85.00"
    assert cells(row)["test_accuracy"] == "-"
    assert cells(row)["seconds"] == "2s"  # twice 1.25 s, to the even


def test_nothing_is_loaded_from_elsewhere(study: optuna.Study) -> None:
    tags = Reader(render(study)).tags
    links = [value for _, attrs in tags for name, value in attrs.items() if name in {"src", "href", "action", "data"}]
    assert links == ["#leaderboard"]
    policy = next(attrs["content"] for tag, attrs in tags if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy


def test_hostile_names_are_text(tmp_path: Path) -> None:
    study = empty_study(tmp_path / "journal.log")
    study.set_user_attr(IDENTITY, {"constraints": ["params < 200k"], "space": {"name": EVIL, "hash": EVIL}})
    add(study, [0.5], params=1, network=EVIL, state=TrialState.PRUNED, **{REASON: EVIL})
    text = render(study)
    scripts = [attrs for tag, attrs in Reader(text).tags if tag == "script"]
    assert [attrs.get("id") for attrs in scripts] == ["data", "plotly", None]
    assert EVIL not in text
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in text


def test_an_empty_study_is_a_page(tmp_path: Path) -> None:
    text = render(empty_study(tmp_path / "journal.log"))
    assert "No network was proposed yet." in text
    assert "This needs two complete trials; the study has 0." in text


RULES = ["macs <= 10M", "params < 200k", "mine > 3", "params >= 5"]


@pytest.mark.parametrize("kept", [RULES, ", ".join(RULES)], ids=["list", "text of an earlier version"])
def test_limits_are_those_of_the_studys_constraints(tmp_path: Path, kept: list[str] | str) -> None:
    study = network_study(tmp_path / "journal.log")
    study.set_user_attr(IDENTITY, {"constraints": kept})
    document = embedded(render(study))
    assert document["limits"]["macs"] == [{"at": 10_000_000, "text": "macs <= 10000000"}]
    assert document["limits"]["params"] == [
        {"at": 200_000, "text": "params < 200000"},
        {"at": 5, "text": "params >= 5"},
    ]
    assert document["target"] == 0.85


def test_an_accuracy_that_is_no_number_is_unknown(tmp_path: Path) -> None:
    study = empty_study(tmp_path / "journal.log")
    add(study, [0.5, math.nan], params=1, state=TrialState.FAIL)
    add(study, [0.25, 0.75], params=2)
    document = embedded(render(study))
    failed = next(row for row in document["rows"] if row["trial"] == 0)
    assert (failed["accuracy"], failed["curve"]) == (None, [0.5, None])


def test_fronts_are_of_each_cost(tmp_path: Path) -> None:
    study = empty_study(tmp_path / "journal.log")
    for accuracy, params, macs in [(0.9, 30, 10), (0.8, 20, 40), (0.7, 10, 20), (0.6, 15, 5), (0.5, 40, 40)]:
        add(study, [accuracy], params=params, macs=macs)
    document = embedded(render(study))
    assert document["fronts"] == {"params": [0, 1, 2], "macs": [0, 3]}
    assert [(row["accuracy"], row["params"], row["macs"]) for row in document["rows"]][2] == (0.7, 10, 20)


def test_a_page_leaves_the_worst_trials_out_where_it_would_grow_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = optuna.create_study(direction="maximize")
    study.set_user_attr(TARGET, None)
    for i in range(100):
        add(study, [0.1, i / 1000] * 60, params=100 + i, network=PLAIN)
    small = render(network_study(tmp_path / "journal.log"))
    limit = len(small.encode()) + page._FRAME_BYTES + 100_000
    monkeypatch.setattr(page, "MOST_BYTES", limit)
    text = render(study)
    match = re.search(r"The best ([\d,]+) of 100 trials are here", text)
    assert match is not None
    shown = int(match[1])
    assert text.count("<tr data-trial=") == shown
    assert '<tr data-trial="99"' in text  # the best
    assert '<tr data-trial="0"' not in text
    assert limit - 150_000 < len(text.encode()) <= limit
    assert embedded(text)["fronts"] == {cost: list(range(99, 99 - shown, -1)) for cost in ("params", "macs")}
    assert MOST_BYTES == 6_000_000


def test_the_command_writes_the_page(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    network_study(tmp_path / "journal.log")
    assert search.run(["report", "--storage", "journal.log", "--to", "page.html"]) == 0
    out, err = capsys.readouterr()
    size = (tmp_path / "page.html").stat().st_size
    assert (out, err) == (f"page.html: {size / 1e6:.1f} MB, study networks\n", "")
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "page.pdf"], "the report is a page: 'page.pdf': give a file name that ends with .html"),
        (["--to", "gone/page.html"], "cannot write gone/page.html: No such file or directory: give a writable path"),
        (["--study", "other"], "no such study: 'other': this storage holds networks"),
        (["--storage", "none.log"], "no storage at none.log: "),
    ],
)
def test_one_line_for_each_error(
    arguments: list[str], message: str, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    network_study(tmp_path / "journal.log")
    assert search.run(["report", "--storage", "journal.log", *arguments]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1
    assert not list(tmp_path.glob("*.html"))
