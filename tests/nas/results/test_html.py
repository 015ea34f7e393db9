"""HTML of a leaderboard and of a trial: well formed, every text escaped, the numbers of the table."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import optuna
from optuna.trial import TrialState

from nas.results.board import leaderboard
from nas.results.cards import network_card
from nas.results.html import board_html, card_html
from nas.results.selection import find
from nas.results.trial_card import card
from nas.search.study import DATA, REASON
from tests.nas.results.known import add, network_study

HOSTILE = "<script>alert('&')</script>\u202e"
SHOWN = "<script>alert('&')</script>\N{REPLACEMENT CHARACTER}"


def test_every_text_of_a_board_is_escaped(study: optuna.Study) -> None:
    study.set_user_attr(DATA, HOSTILE)
    add(study, [0.9], params=7, network=HOSTILE, state=TrialState.FAIL, **{REASON: HOSTILE})
    page = board_html(leaderboard(study))
    assert "<script" not in page
    texts = list(ElementTree.fromstring(page).itertext())
    assert sum(SHOWN in text for text in texts) == 3  # data, network, reason


def test_a_board_has_a_row_a_trial_and_says_what_the_table_says(study: optuna.Study) -> None:
    root = ElementTree.fromstring(board_html(leaderboard(study, top=2)))
    heading, first, second = root.findall("./table/tr")
    assert [cell.text for cell in heading][:4] == ["#", "trial", "state", "val %"]
    assert ["".join(cell.itertext()).strip() for cell in first] == [
        "1*", "1", "complete", "86.00", "84.00 ± 1.00 (n=2)", "150,000", "150.0", "46", "2", "2s", "▅▇", "network-1",
    ]  # fmt: skip
    assert second[1].text == "2"
    paragraphs = ["".join(p.itertext()) for p in root.findall("p")]
    assert paragraphs[0] == "study known on digits, target over 85.00%"
    assert "* no other complete trial shown beats it in both accuracy and parameters" in paragraphs


def test_a_card_has_its_stages_and_its_report(tmp_path: Path) -> None:
    study = network_study(tmp_path / "journal.log")
    page = card_html(card(study, find(study, "best", is_live=None)))
    root = ElementTree.fromstring(page.replace("<br>", "<br/>").replace("<details open ", "<details "))
    stages = root.find("table")
    assert stages is not None
    assert [row[0].text for row in stages] == ["stage", "C1", "C2", "C3", "C4"]
    assert "trial 0: all 3 constraints hold" in "".join(root.itertext())


def test_a_network_that_no_study_holds_is_no_trial_in_its_html() -> None:
    made = card_html(network_card("BR/c8-c8s2/c16-c16s2/c16-c16s2/c16-c16/fc", "<mine>"))
    assert "<b>&lt;mine&gt;: no study holds it </b>" in made
    assert "trial" not in made
