import io
from dataclasses import replace

import pytest
from rich.console import Console

from nas.results.board import leaderboard
from nas.results.card_table import print_card
from nas.results.comparison_table import print_comparison
from nas.results.trial_card import Card, card
from tests.nas.results.known import network_study


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> list[Card]:
    study = network_study(tmp_path_factory.mktemp("study") / "journal.log")
    return [card(study, row) for row in leaderboard(study).rows]


def console(width: int) -> Console:
    return Console(file=io.StringIO(), width=width, color_system=None)


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [80, 120])
def test_a_trial_fits_its_terminal(cards: list[Card], width: int) -> None:
    screen = console(width)
    print_card(cards[0], screen)
    text = printed(screen)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    for part in ("trial 0: complete", "validation 87.50%", "c8 → c8 → c16s2", "43", "global pool → fc", "FAIL"):
        assert (part in text) == (part != "FAIL")
    assert "sizes in MB: input 0.01" in text
    assert " 87.50%" in text


def test_a_long_curve_is_cut_in_its_middle(cards: list[Card]) -> None:
    curve = [{**cards[0].curve[0], "epoch": e} for e in range(1, 31)]
    screen = console(80)
    print_card(Card(**{**vars(cards[0]), "curve": tuple(curve)}), screen)
    rows = [line.split()[0] for line in printed(screen).splitlines() if line.endswith("1s")]
    assert rows == ["1", "2", "3", "4", "5", "6", "25", "26", "27", "28", "29", "30"]


def test_a_trial_before_its_first_epoch_says_so(cards: list[Card]) -> None:
    screen = console(80)
    print_card(cards[2], screen)
    assert "no epoch was trained yet" in printed(screen)


def test_parameters_of_a_layer_are_those_with_its_norm_as_in_show(cards: list[Card]) -> None:
    """The first one is c8: 3 x 8 x 3 x 3 weights, and 2 x 8 of its batch norm."""
    for is_alone in (True, False):
        screen = console(120)
        if is_alone:
            print_card(cards[0], screen)
        else:
            print_comparison(cards[0], cards[0], screen)
        (layer, *_) = (line for line in printed(screen).splitlines() if "8x32x32" in line and " 3" in line)
        assert str(3 * 8 * 9 + 2 * 8) in layer.split(), layer


def test_accuracies_have_standard_error_deviation_and_number(cards: list[Card]) -> None:
    screen = console(200)
    row = replace(cards[0].row, test_accuracy=0.84, test_std=0.01, test_seeds=3)
    print_card(replace(cards[0], row=row, images=7_000), screen)
    # sqrt(0.875 x 0.125 / 7000) = 0.003953
    assert "validation 87.50% ± 0.40, test 84.00% ± 1.00 (n=3)" in printed(screen).splitlines()[0]
