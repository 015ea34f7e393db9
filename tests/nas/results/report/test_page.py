"""The page as a text: what it holds, how large it is, what it escapes."""

import base64
import gzip
import json
import math
import re
from datetime import datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

import search
from nas.results.board import leaderboard
from nas.results.report import page
from nas.results.report.page import MOST_BYTES, render
from nas.results.report.table_columns import cells
from nas.results.rows import STATES
from nas.search.storage import open_storage
from nas.search.study import CURVE, DATA, IDENTITY, LAUNCHES, MEASURED, REASON, TARGET
from nas.space.attributes import FINISHED
from tests.nas.results.known import PLAIN, SIZES, add, network_study

Captured = pytest.CaptureFixture[str]
EVIL = "</script><script>alert(1)</script>\u202e"


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
    """What the page draws; each row with its values by name."""
    parts = dict(re.findall(r'<script type="application/(?:json|gzip)" id="(\w+)">(.*?)</script>', text, re.DOTALL))
    document = json.loads(parts["data"], parse_constant=pytest.fail)  # NaN is no JSON
    assert isinstance(document, dict)
    rows = json.loads(gzip.decompress(base64.b64decode(parts["rows"])), parse_constant=pytest.fail)
    named = [dict(zip(document["names"], row["values"], strict=True)) for row in rows]
    return {**document, "rows": [{**row, **values} for row, values in zip(rows, named, strict=True)]}


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


def test_each_state_has_a_colour_in_every_theme() -> None:
    style = (Path(page.__file__).parent / "report.css").read_text(encoding="utf-8")
    themes = style.count("--page:")
    assert themes > 1
    assert {state: style.count(f"--{state}:") for state in STATES} == dict.fromkeys(STATES, themes)


def test_nothing_is_loaded_from_elsewhere(study: optuna.Study) -> None:
    tags = Reader(render(study)).tags
    links = [value for _, attrs in tags for name, value in attrs.items() if name in {"src", "href", "action", "data"}]
    assert links == ["#leaderboard", "#provenance"]
    policy = next(attrs["content"] for tag, attrs in tags if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy


def test_hostile_names_are_text(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path / "journal.log"), write=True)
    study = optuna.create_study(storage=storage, study_name=EVIL, direction="maximize")
    study.set_user_attr(IDENTITY, {"constraints": ["params < 200k"], "space": {"name": EVIL, "hash": EVIL}})
    study.set_user_attr(DATA, EVIL)
    add(study, [0.5], params=1, network=EVIL, state=TrialState.PRUNED, **{REASON: EVIL})
    text = render(study)
    scripts = [attrs for tag, attrs in Reader(text).tags if tag == "script"]
    assert [attrs.get("id") for attrs in scripts] == ["data", "rows", "plotly", None]
    assert EVIL not in text
    assert "\u202e" not in text
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in text


def test_an_empty_study_is_a_page(tmp_path: Path) -> None:
    text = render(empty_study(tmp_path / "journal.log"))
    assert "No network was proposed yet." in text
    assert "This needs two complete trials; the study has 0." in text


RULES = ["macs <= 10M", "params < 200k", "mine > 3", "params >= 29k"]


@pytest.mark.parametrize("kept", [RULES, ", ".join(RULES)], ids=["list", "text of an earlier version"])
def test_limits_are_those_of_the_studys_constraints(tmp_path: Path, kept: list[str] | str) -> None:
    study = network_study(tmp_path / "journal.log")
    study.set_user_attr(IDENTITY, {"constraints": kept})
    document = embedded(render(study))
    assert document["rules"] == [
        {"metric": "macs", "limit": 10_000_000, "text": "macs <= 10000000"},
        {"metric": "params", "limit": 200_000, "text": "params < 200000"},
        {"metric": "mine", "limit": 3, "text": "mine > 3"},
        {"metric": "params", "limit": 29_000, "text": "params >= 29000"},
    ]
    assert [row["rules"] for row in document["rows"]] == [  # "mine" was not measured
        [[macs, True], [params, True], [None, None], [params, params >= 29_000]] for params, macs in SIZES.values()
    ]
    assert document["target"] == 0.85


def test_an_accuracy_that_is_no_number_is_unknown(tmp_path: Path) -> None:
    study = empty_study(tmp_path / "journal.log")
    add(study, [0.5, math.nan], params=1, state=TrialState.FAIL)
    add(study, [0.25, 0.75], params=2)
    document = embedded(render(study))
    failed = next(row for row in document["rows"] if row["trial"] == 0)
    assert (failed["val_accuracy"], failed["curve"]) == (None, [0.5, None])


def test_every_number_that_differs_can_be_drawn(tmp_path: Path) -> None:
    study = empty_study(tmp_path / "journal.log")
    for i, speed in enumerate((1.5, 2.5)):
        known: dict[str, Any] = {"convs": 12 + i, "stages": 4, MEASURED: {"speed": speed}}
        add(study, [0.5], params=10 + i, **known)
    document = embedded(render(study))
    assert document["names"] == [
        "val_accuracy", "test_accuracy", "params", "macs", "receptive_field", "epochs", "seconds", "speed", "convs",
    ]  # fmt: skip
    assert document["rows"][1]["values"] == [0.5, None, 11, 11_000, 46, 1, 1.2, 2.5, 13]


def test_a_star_is_only_for_what_was_trained_to_the_end(tmp_path: Path) -> None:
    study = empty_study(tmp_path / "journal.log")
    add(study, [0.9], params=10, state=TrialState.PRUNED)
    add(study, [0.8], params=20)
    add(study, [0.7], params=30)
    confirmed: dict[str, Any] = {FINISHED: {"epochs": 1}}  # straight to its confirmation
    add(study, [0.6], params=1, **confirmed)
    text = render(study)
    ranks = [cell for cell in Reader(text).cells if cell.rstrip("*") in {"1", "2", "3", "4"}]
    assert [row["trial"] for row in embedded(text)["rows"] if row["whole"]] == [1, 2]
    assert [rank for rank in ranks if "*" in rank] == ["2*"]


def test_losses_and_times_are_those_of_the_trial(tmp_path: Path) -> None:
    study = empty_study(tmp_path / "journal.log")
    study.set_user_attr(IDENTITY, {"epochs": 4, "first_rung": 1})
    begun = datetime(2026, 1, 1, 12)
    for i in range(2):
        curve = [{"epoch": e, "loss": 2.0 / e, "val_accuracy": 0.5, "seconds": 10.0 + e} for e in (1, 2, 3, 4)]
        attrs = {"architecture": "x", "params": 1, "macs": 1, "receptive_field": 1, CURVE: curve}
        done = create_trial(value=0.5, user_attrs=attrs, intermediate_values=dict.fromkeys((1, 2, 3, 4), 0.5))
        done.datetime_start = begun + timedelta(seconds=30 * i)
        done.datetime_complete = begun + timedelta(seconds=100)
        study.add_trial(done)
    document = embedded(render(study))
    first, second = document["rows"]
    # rungs of 4 epochs are 1, 2 and 4: after 11, 11 + 12 and 11 + 12 + 13 + 14 seconds of training
    assert (document["levels"], first["rungs"]) == ([1, 2, 4], [11.0, 23.0, 50.0])
    assert first["loss"] == [2.0, 1.0, 0.666667, 0.5]
    assert second["end"] - first["start"] == 100.0
    assert second["start"] - first["start"] == 30.0


def test_where_a_study_is_from(study: optuna.Study) -> None:
    text = render(study)
    assert text.count("not kept") >= 10  # this one was made by no launch
    kept = {"command": f"search.py {EVIL}", "date": "2026-11-28T09:30:00+00:00", "version": "0.2.0", "machine": "AVX2"}
    study.set_user_attr(LAUNCHES, [{**kept, "configuration": f"study = {EVIL}"}])
    way = {"recipe": {"name": "sgd"}, "augmentation": {"name": "none", "probabilities": {}}}
    study.set_user_attr(IDENTITY, {"seed": 3, **way, "epochs": 2, "constraints": []})
    text = render(study)
    assert "Last launched 2026-11-28 09:30 UTC by version 0.2.0 on AVX2." in text
    assert "<dt>seed</dt><dd>3</dd>" in text
    assert "<dt>recipe</dt><dd>sgd</dd>" in text
    assert text.count("search.py &lt;/script&gt;") == 1
    assert EVIL not in text
    assert "\u202e" not in text


def test_a_page_leaves_the_worst_trials_out_where_it_would_grow_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = optuna.create_study(direction="maximize")
    study.set_user_attr(TARGET, None)
    for i in range(100):
        add(study, [0.1, i / 1000] * 60, params=100 + i, network=PLAIN)
    small = render(network_study(tmp_path / "journal.log"))
    limit = len(small.encode()) + page._FRAME_BYTES - 40_000
    monkeypatch.setattr(page, "MOST_BYTES", limit)
    text = render(study)
    match = re.search(r"The best ([\d,]+) of 100 trials are here", text)
    assert match is not None
    shown = int(match[1])
    assert text.count("<tr data-trial=") == shown
    assert '<tr data-trial="99"' in text  # the best
    assert '<tr data-trial="0"' not in text
    assert limit - 150_000 < len(text.encode()) <= limit
    assert [row["trial"] for row in embedded(text)["rows"]] == list(range(99, 99 - shown, -1))
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
        (["--to", "page.pdf"], "--to: the report is an HTML page: 'page.pdf': give a file name that ends with .html"),
        (
            ["--to", "gone/page.html"],
            "--to: cannot write gone/page.html: No such file or directory: give a writable path",
        ),
        (["--study", "other"], "--study: no such study: 'other': this storage holds 'networks'"),
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
