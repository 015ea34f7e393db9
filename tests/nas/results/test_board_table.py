from __future__ import annotations

import csv
import io
import json
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState
from rich.console import Console

from constraints.errors import UnusableInputError
from constraints.output.console import SafeConsole
from nas.results.board import leaderboard
from nas.results.board_table import as_table, as_text, print_board
from nas.results.numbers import duration
from nas.search.study import CONFIRMED, MEASURED, REASON
from tests.nas.results.known import add

ARCHITECTURE = "c3.16 " + "r3.24 " * 25


def rendered(study: optuna.Study, width: int) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=width).print(as_table(leaderboard(study), width))
    return file.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_table_fits_its_width_and_cuts_no_number(study: optuna.Study, width: int) -> None:
    add(study, [0.123456] * 100, params=199_999, state=TrialState.PRUNED)
    study.set_user_attr(f"{CONFIRMED}6", {"mean": 0.8712, "std": 0.0123})
    lines = rendered(study, width)
    assert max(map(len, lines)) <= width
    assert "…" not in "".join(lines)
    assert lines[0] == "study known on digits, target over 85.00%"
    (best,) = (line for line in lines if line.strip().startswith("1* "))
    deviation = ["±", "1.00", "(n=2)"] if width >= 120 else []
    figures = ["1*", "1", "complete", "86.00", "84.00", *deviation, "150,000", "150.0", "46", "2", "2s", "▅▇"]
    assert best.split() == figures + (["network-1"] if width >= 120 else [])


def test_a_narrow_table_names_the_best_network_and_deviations_below(study: optuna.Study) -> None:
    lines = rendered(study, 80)
    assert lines[-1] == "#1, trial 1: network-1"
    assert "trial 1 confirmed: test 84.00 ± 1.00 (n=2) %" in lines
    assert "network-2" not in "".join(lines)
    assert "network-2" in "".join(rendered(study, 120))


def test_long_networks_fold_and_stay_whole(study: optuna.Study) -> None:
    add(study, [0.9], params=1, architecture=ARCHITECTURE)
    for width in (80, 120):
        lines = rendered(study, width)
        assert max(map(len, lines)) <= width
        assert "".join(lines).count("r3.24") == 25


@pytest.mark.parametrize("output_format", ["table", "csv", "markdown", "json"])
def test_what_another_wrote_into_the_study_holds_no_escape(
    study: optuna.Study, output_format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "\x1b]0;title\x07\x9b2J"
    add(study, [0.9], params=1, network=f"c3.16{evil}")
    add(study, [], params=1, state=TrialState.FAIL, **{REASON: evil})
    print_board(leaderboard(study), output_format, SafeConsole())
    print_board(leaderboard(study), output_format, SafeConsole(), ("trial", "reason", "architecture"))
    written = capsys.readouterr().out
    assert not {"\x1b", "\x07", "\x9b"} & {*written}
    assert ("\\u001b]0;title" if output_format == "json" else "␛]0;title") in written


def test_what_is_not_known_yet_is_a_dash(study: optuna.Study) -> None:
    (running,) = (line for line in rendered(study, 80) if "running" in line and "4" in line.split()[:2])
    assert running.split() == ["6", "4", "running", "-", "-", "90,000", "90.0", "49", "0", "0s"]


def test_csv_reads_back_as_the_rows_of_the_json(study: optuna.Study) -> None:
    add(study, [0.2], params=1, state=TrialState.FAIL, **{REASON: 'a "quoted", comma\nand line'})
    board = leaderboard(study)
    rows = list(csv.DictReader(io.StringIO(as_text(board, "csv"))))
    expected = board.as_dict()["rows"]
    assert len(rows) == len(expected) == 7
    for got, wanted in zip(rows, expected, strict=True):
        del wanted["curve"]
        wanted["broken"] = ", ".join(wanted["broken"])
        assert got == {key: "" if value is None else str(value) for key, value in wanted.items()}


def test_json_text_is_the_document(study: optuna.Study) -> None:
    board = leaderboard(study)
    assert json.loads(as_text(board, "json")) == json.loads(json.dumps(board.as_dict()))


def test_markdown_is_one_table_with_a_row_a_trial(study: optuna.Study) -> None:
    lines = as_text(leaderboard(study), "markdown").splitlines()
    assert lines[0] == "| # | trial | state | val % | test % | params | MMACs | RF | ep | time | architecture |"
    assert lines[2] == (
        "| 1* | 1 | complete | 86.00 | 84.00 ± 1.00 (n=2) | 150,000 | 150.0 | 46 | 2 | 2s | `network-1` |"
    )
    assert len(lines) == 2 + 6
    assert {line.count("|") for line in lines} == {12}


@pytest.mark.parametrize("output_format", ["json", "csv", "markdown", "table"])
def test_elsewhere_than_on_a_terminal_nothing_is_coloured_cut_or_folded(
    study: optuna.Study, output_format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    add(study, [0.9], params=1, architecture=ARCHITECTURE)
    file = io.StringIO()
    print_board(leaderboard(study), output_format, Console(file=file))
    assert "\x1b" not in file.getvalue()
    assert ARCHITECTURE.strip() in file.getvalue()


def test_a_terminal_is_coloured_unless_it_asks_for_none(study: optuna.Study, monkeypatch: pytest.MonkeyPatch) -> None:
    def printed() -> str:
        file = io.StringIO()
        console = Console(file=file, force_terminal=True, width=120, color_system="truecolor")
        print_board(leaderboard(study), "table", console)
        return file.getvalue()

    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[1;32m" in printed(), "what meets the target is green"
    monkeypatch.setenv("NO_COLOR", "1")
    assert "32m" not in printed()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (-3, "0s"), (59.4, "59s"), (59.6, "1m00s"), (187, "3m07s"), (3599, "59m59s"), (7500, "2h05m")],
)
def test_durations_are_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_columns_are_chosen_by_name(study: optuna.Study) -> None:
    board, names = leaderboard(study, top=2), ("trial", "val_accuracy", "macs", "meets_target", "curve", "broken")
    assert as_text(board, "csv", names).splitlines() == [
        "trial,val_accuracy,macs,meets_target,curve,broken",
        '1,0.86,150000000,True,"0.6, 0.86",',
        '2,0.85,120000000,False,"0.7, 0.85",',
    ]
    assert as_text(board, "markdown", ("trial", "state")).splitlines()[2] == "| 1 | complete |"
    rows = json.loads(as_text(board, "json", names))["rows"]
    assert rows[0] == {
        "trial": 1, "val_accuracy": 0.86, "macs": 150_000_000, "meets_target": True, "curve": [0.6, 0.86], "broken": []
    }  # fmt: skip
    file = io.StringIO()
    Console(file=file, width=80).print(as_table(board, 80, names))
    lines = [line.split() for line in file.getvalue().splitlines()]
    assert lines[1] == ["trial", "val", "%", "MMACs", "meets_target", "curve", "broken"]
    assert lines[3] == ["1", "86.00", "150.0", "yes", "▅▇"]
    assert "no other complete trial shown beats it" not in file.getvalue(), "no column has the star"
    assert "no other complete trial shown beats it" in "\n".join(rendered(study, 80))


def test_a_column_that_there_is_not(study: optuna.Study) -> None:
    with pytest.raises(UnusableInputError, match=r"^unknown column: 'acc': use one of rank, trial, .*, curve$"):
        print_board(leaderboard(study), "csv", Console(file=io.StringIO()), ("trial", "acc"))


def test_colours_are_explained_where_there_are_any(study: optuna.Study) -> None:
    file = io.StringIO()
    Console(file=file, width=80).print(as_table(leaderboard(study), 80, is_coloured=True))
    line = "green over the target, cyan running, grey pruned or unfinished, red failed"
    assert line in file.getvalue()
    assert "green" not in "".join(rendered(study, 80))
    file = io.StringIO()
    Console(file=file, width=80).print(as_table(leaderboard(study, states=["pruned"]), 80, is_coloured=True))
    assert "grey pruned or unfinished\n" in file.getvalue()
    assert "green" not in file.getvalue()


def test_networks_are_broken_between_layers(study: optuna.Study) -> None:
    network = "BR/" + "c16-" * 60 + "fc"
    add(study, [0.9], params=1, architecture=network)
    for width in (80, 140):
        found = "".join(rendered(study, width))
        assert "c16-" * 4 in found
        assert found.count("c16-") == 60, "none is broken"
        assert "…" not in found, "and no number is cut for it"
    file = io.StringIO()
    Console(file=file, width=60).print(as_table(leaderboard(study), 60, ("trial", "architecture", "state")))
    assert "…" not in file.getvalue()


def test_what_diverged_to_no_number_is_not_known(study: optuna.Study) -> None:
    nan = float("nan")
    add(study, [0.9, nan], params=1, state=TrialState.PRUNED)
    add(study, [nan, 0.89], params=2)
    known = json.loads(as_text(leaderboard(study), "json"), parse_constant=pytest.fail)
    first, last = known["rows"][0], next(row for row in known["rows"] if row["params"] == 1)
    assert (first["val_accuracy"], first["curve"]) == (0.89, [None, 0.89])
    assert (last["val_accuracy"], last["curve"]) == (None, [0.9, None])


@pytest.mark.parametrize("width", [24, 40, 60, 80, 140])
def test_columns_that_have_no_room_are_left_out_whole(study: optuna.Study, width: int) -> None:
    """Sixty metrics of eight characters with two between need 600 columns."""
    attrs: dict[str, Any] = {MEASURED: {f"metric_{i}": -1.5 * i for i in range(60)}}
    add(study, [0.9], params=1_234, **attrs)
    lines = rendered(study, width)
    assert max(map(len, lines)) <= width
    table = lines[: next(i for i, line in enumerate(lines) if " left out" in " ".join(lines[i : i + 2]))]
    assert "…" not in "".join(table)
    assert [name in "".join(table) for name in ("trial", "val %", "90.00")] == [True] * 3
    assert ("metric_0" in "".join(table)) == (width >= 80)
    assert "metric_59" not in "".join(table)


def test_a_name_of_several_lines_is_in_one() -> None:
    study = optuna.create_study(study_name="a\nb", direction="maximize")
    add(study, [0.9], params=1, state=TrialState.FAIL, **{REASON: "it broke\nover two lines"})
    lines = rendered(study, 80)
    assert lines[0].startswith("study a␊b on ")
    assert "trial 0 failed: it broke over two lines" in lines
