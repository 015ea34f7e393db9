"""The page in a headless Chromium: it sorts, draws what is chosen, asks the network for nothing, and prints."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from constraints.rules import ASSIGNMENT
from nas.architecture.spec import parse
from nas.results.report import page as pages
from nas.results.report.page import render
from nas.search.study import CURVE, IDENTITY, MEASURED, REASON, REJECTED, TARGET
from nas.space.analytic import board_metrics
from nas.space.attributes import ARCHITECTURE
from nas.space.space import load
from tests.nas.results.known import GATED, PLAIN, add

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
EVIL = "</script><img src=x onerror=alert(1)><script>alert(2)</script>"
ACCURACIES = (0.61, 0.79, 0.7, 0.9, 0.55)
WIDTHS = (112, 96, 80, 64, 48)
"""Channels of the last convolution, in place of 32: each further one has 24 * 9 + 2 + 10 = 228 parameters."""
PARAMS = ("48,858", "43,338", "41,562", "36,042", "34,266")
"""30,618 of PLAIN, or 28,746 of GATED, and 228 for each channel above 32."""
BEST = GATED.replace("c32", "c64")

TICKS = "getComputedStyle(document.querySelector('#scatter-0 .xtick text')).fill"
"""Colour of the labels of an axis."""

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Open = Callable[..., "Page"]
PATIENCE = 300
"""Seconds within which a page does anything on the busiest machine."""


def browser_path() -> str:
    """The installed browser; skips where there is none."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        missing = f"no browser: none of {', '.join(BROWSERS)} is installed"
        if "CI" in os.environ:
            pytest.fail(missing)
        pytest.skip(missing)
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = browser_path()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=path)
        yield started
        started.close()


def hostile_study() -> optuna.Study:
    """Five complete trials of PLAIN and GATED, one of them confirmed, and a pruned one; every name is hostile."""
    study = optuna.create_study(direction="maximize", study_name=EVIL)
    identity = {
        "space": {"name": "tiny", "hash": load("tiny").fingerprint},
        "constraints": list(ASSIGNMENT),
        "epochs": 3,
    }
    for name, value in {IDENTITY: identity, TARGET: 0.85, REJECTED: {EVIL: 3}}.items():
        study.set_user_attr(name, value)
    study.set_user_attr("confirmed:1", {"mean": 0.77, "std": 0.01, "seeds": [0, 1]})
    kinds = {"width": IntDistribution(1, 9), EVIL: CategoricalDistribution([EVIL, "c3"])}
    for i, accuracy in enumerate(ACCURACIES):
        curve = [accuracy / 2, accuracy * 0.75, accuracy]
        study.add_trial(
            create_trial(
                value=accuracy,
                params={"width": i + 1, EVIL: EVIL if i % 2 else "c3"},
                distributions=kinds,
                intermediate_values=dict(enumerate(curve, start=1)),
                user_attrs={
                    ARCHITECTURE: (text := (GATED if i % 2 else PLAIN).replace("c32", f"c{WIDTHS[i]}")),
                    CURVE: [
                        {"epoch": e, "loss": 1 / e, "val_accuracy": a, "seconds": 60.0 * i}
                        for e, a in enumerate(curve, start=1)
                    ],
                    **board_metrics(parse(text)),
                    "convs": 12 + i,
                },
            )
        )
    add(study, [0.3], params=250_000, network=EVIL, state=TrialState.PRUNED, **{REASON: EVIL})
    return study


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("report") / "page.html"
    place.write_text(render(hostile_study()), encoding="utf-8")
    return place


@contextmanager
def watched(browser: Browser, file: Path) -> Iterator[Open]:
    """Opens the page; afterwards nothing was complained of, asked for or popped up."""
    faults: list[str] = []
    requests: list[str] = []
    contexts = []

    opened = {file.as_uri()}

    def begin(
        scheme: Literal["light", "dark"] = "light", place: str = "", width: int = 1280, file: Path = file
    ) -> Page:
        opened.add(file.as_uri())
        context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
        context.set_default_timeout(1000 * PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda dialog: faults.append(dialog.message))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(file.as_uri() + place)
        page.wait_for_selector("body[data-ready]")
        return page

    yield begin
    for context in contexts:
        context.close()
    assert faults == []
    assert {url.partition("#")[0] for url in requests if not url.startswith("blob:")} <= opened


@pytest.fixture
def show(browser: Browser, file: Path) -> Iterator[Open]:
    with watched(browser, file) as begin:
        yield begin


@pytest.fixture(scope="module")
def unchanged(browser: Browser, file: Path) -> Iterator[Page]:
    """The page for tests that only look at it: to open one takes half a second of a processor."""
    with watched(browser, file) as begin:
        yield begin()


def drawn(page: Page, *figures: str) -> None:
    """Wait until figures are drawn, which happens when they are near the window."""
    page.wait_for_selector("body[data-figures]", state="attached")
    for figure in figures:
        page.locator(f"#{figure}").scroll_into_view_if_needed()
        page.wait_for_selector(f"#{figure}.js-plotly-plot .main-svg")


def column(page: Page, index: int) -> list[str]:
    """Texts of the cells, also of rows that the browser has not laid out yet, which have no inner text."""
    return [text.strip() for text in page.locator(f"#trials tbody td:nth-child({index})").all_text_contents()]


def until(page: Page, condition: Callable[[], bool]) -> None:
    """Until a condition holds; the page's policy forbids what playwright waits for functions with."""
    for _ in range(10 * PATIENCE):
        if condition():
            return
        page.wait_for_timeout(100)
    assert condition()


def wait_for_ticks(page: Page, *colours: str) -> None:
    """Until figures are redrawn."""
    until(page, lambda: page.evaluate(TICKS) in colours)


def are_labels_legible(page: Page) -> bool:
    """Whether the labels of fields have a usual size and do not overlap."""
    boxes = page.locator("svg.field text").evaluate_all(
        "(all) => all.map((t) => t.getBoundingClientRect()).map(({ height, top }) => [height, top])"
    )
    tops = [top for _, top in boxes]
    return all(12 <= height <= 20 for height, _ in boxes) and all(
        abs(a - b) > 12 for i, a in enumerate(tops) for b in tops[:i]
    )


def test_a_heading_sorts_up_and_down_from_the_keyboard(show: Open) -> None:
    page = show()
    assert column(page, 4) == ["90.00", "79.00", "70.00", "61.00", "55.00", "30.00"]
    heading = page.locator("#trials th[data-key=params]")
    heading.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert column(page, 6) == [*PARAMS[::-1], "250,000"]
    assert heading.get_attribute("aria-sort") == "ascending"
    assert page.locator("th[aria-sort]").count() == 1  # no other heading claims the order
    page.keyboard.press("Space")
    assert column(page, 6) == ["250,000", *PARAMS]
    assert heading.get_attribute("aria-sort") == "descending"


def test_what_is_not_known_comes_last_whichever_way(show: Open) -> None:
    page = show()
    for _ in range(2):
        page.get_by_role("columnheader", name="test %").get_by_role("button").click()
        assert column(page, 5) == ["77.00 ± 1.00 (n=2)", *["-"] * 5]
    page.get_by_role("columnheader", name="state").get_by_role("button").click()
    assert column(page, 3) == [*["complete"] * 5, "pruned"]


def test_the_best_trial_is_drawn_first(unchanged: Page) -> None:
    page = unchanged
    assert page.locator("#chosen-title").inner_text() == "Trial 3: complete, validation 90.00%"
    assert page.locator("#diagram p code").inner_text() == BEST
    assert page.locator(".network > li").count() == 1 + 4 + 1  # input, stages, head
    assert page.locator(".network .residual").count() == 2
    assert page.locator("tr.chosen").get_attribute("data-trial") == "3"


def test_a_trial_is_chosen_from_the_keyboard(show: Open) -> None:
    page = show()
    button = page.get_by_role("button", name="draw trial 2")
    button.focus()
    page.keyboard.press("Enter")
    assert page.locator("#chosen-title").inner_text() == "Trial 2: complete, validation 70.00%"
    assert button.get_attribute("aria-pressed") == "true"
    assert page.locator("button[aria-pressed=true]").count() == 1
    assert page.url.endswith("#trial-2")
    # PLAIN's fields: 3x3 and 3x3 and 3x3 of stride 2 see 7 pixels, then 19, 43 and 107 (see test_card)
    labels = [f"C{i} {side}\N{MULTIPLICATION SIGN}{side}" for i, side in enumerate((7, 19, 43, 107), start=1)]
    assert page.locator("svg.field text").all_text_contents() == labels
    last = page.locator("svg.field .seen").last
    # 4x4 units at the end, 8 pixels apart, symmetric around pixel 0 of unit 0: unit 2 is at 16
    assert [last.get_attribute(name) for name in ("x", "y", "width")] == ["-37", "-37", "107"]
    assert page.locator(".layers tbody tr").count() == 3 + 3 + 3 + 4


def test_a_link_opens_its_trial_and_one_to_no_trial_the_best(show: Open) -> None:
    assert show(place="#trial-4").locator("tr.chosen").get_attribute("data-trial") == "4"
    assert show(place="#trial-99").locator("tr.chosen").get_attribute("data-trial") == "3"


def test_a_layer_in_focus_lights_its_field(show: Open) -> None:
    page = show()
    page.locator(".layers tbody tr").nth(5).focus()
    assert page.locator("svg.field .seen.lit").count() == 1
    page.locator(".layers tbody tr").nth(6).focus()
    assert page.locator("svg.field .seen.lit").count() == 1


def test_a_point_of_a_figure_chooses_its_trial(show: Open) -> None:
    page = show()
    drawn(page, "scatter-0")
    point = page.locator("#scatter-0 .scatterlayer .trace").first.locator(".point").last
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert page.locator("#chosen-title").inner_text() == "Trial 4: complete, validation 55.00%"


def test_limits_target_and_front_are_drawn(unchanged: Page) -> None:
    page = unchanged
    drawn(page, "scatter-0", "scatter-1")
    texts = page.locator("#scatter-0 .annotation-text").all_text_contents()
    assert texts == ["params < 200000", "target 85.00%"]
    assert page.locator("#scatter-1 .annotation-text").all_text_contents() == ["target 85.00%"]
    assert page.locator("#scatter-0 .shapelayer path").count() == 2
    # trial 3 beats 0 to 2 in both accuracy and parameters; 4 has fewer parameters
    front = page.evaluate("document.getElementById('scatter-0').data.find((t) => t.name === 'Pareto front').customdata")
    assert front == [3, 4]


def test_optunas_figures_are_drawn(unchanged: Page) -> None:
    page = unchanged
    drawn(page, "plot-importance", "plot-parallel")
    assert page.locator("#plot-importance .bars .point").count() == 2
    assert page.locator("#plot-parallel .scatterlayer .js-line").count() == len(ACCURACIES)
    assert "<img" in " ".join(page.locator("#plot-importance .ytick text").all_text_contents())  # as text, in full


def test_hostile_names_are_shown_as_they_are(show: Open) -> None:
    page = show(place="#trial-5")
    assert page.locator("h1").inner_text() == f"Study {EVIL}"
    assert page.locator("#diagram p").nth(1).inner_text() == EVIL
    assert page.locator("#diagram .error").inner_text().startswith("Cannot be drawn: not an architecture")
    assert page.locator("body img").count() == 0


def test_dark_and_light_have_their_own_colours_also_in_the_figures(show: Open) -> None:
    colours = {}
    for scheme in ("light", "dark"):
        page = show(scheme=scheme)
        drawn(page, "scatter-0")
        body = page.evaluate("getComputedStyle(document.body).backgroundColor")
        colours[scheme] = (body, page.evaluate(TICKS))
    assert colours == {
        "light": ("rgb(255, 255, 255)", "rgb(28, 36, 48)"),
        "dark": ("rgb(18, 22, 28)", "rgb(228, 233, 240)"),
    }


def test_a_change_of_scheme_reaches_the_figures(show: Open) -> None:
    page = show(scheme="light")
    drawn(page, "scatter-0")
    page.emulate_media(color_scheme="dark")
    wait_for_ticks(page, "rgb(228, 233, 240)")


def test_it_prints_on_paper_in_light_colours(show: Open, tmp_path: Path) -> None:
    page = show(scheme="dark")
    drawn(page, "scatter-0")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    wait_for_ticks(page, "rgb(0, 0, 0)")
    assert page.evaluate("document.getElementById('plot-parallel').querySelector('svg').clientWidth") == 660
    page.emulate_media(media="screen")
    wait_for_ticks(page, "rgb(28, 36, 48)", "rgb(228, 233, 240)")


def test_what_is_printed_has_the_tables_the_figures_and_the_chosen_network(browser: Browser, file: Path) -> None:
    """By the command with which scripts make a PDF of a page."""
    from pypdf import PdfReader

    place = file.with_suffix(".pdf")
    waits = ["--virtual-time-budget=60000", "--no-pdf-header-footer", "--no-sandbox"]
    command = [browser_path(), "--headless", *waits, f"--print-to-pdf={place}", file.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)
    pages = PdfReader(place).pages
    whole = " ".join(page.extract_text() for page in pages)
    text = " ".join(unicodedata.normalize("NFKC", whole).split())  # without ligatures
    for wanted in (
        "Leaderboard",
        "Trial 3: complete, validation 90.00%",
        "C4 107",
        "global average pool",
        "below 200,000",
    ):
        assert wanted in text
    for trial, accuracy in enumerate(ACCURACIES):
        assert re.search(rf"\b{trial} complete {100 * accuracy:.2f} ", text)
    for axis in ("parameters", "multiply-accumulates", "training loss", "by the clock of the machine", "importance"):
        assert axis in text.replace("\N{HYPHEN}", "-"), "an axis of a figure"
    for said in ("Save as CSV", "Choose a heading"):
        assert said not in text, "it is for a screen"
    width, height = (float(pages[0].mediabox[i]) for i in (2, 3))
    assert (width, height) == pytest.approx((612, 792), abs=1), "letter: 8.5 by 11 inches of 72 points"
    assert 3 <= len(pages) <= 12


def test_the_script_that_draws_runs_with_the_first_figure_or_the_first_print(show: Open) -> None:
    page = show()
    page.wait_for_selector("body[data-figures]", state="attached")
    page.get_by_role("columnheader", name="params").get_by_role("button").click()
    assert page.evaluate("typeof Plotly") == "undefined", "no figure is near the window"
    page.emulate_media(media="print")
    page.wait_for_selector("#plot-losses .main-svg", state="attached")
    page.emulate_media(media="screen")
    read = show()
    drawn(read, "scatter-0")
    assert not read.locator("#plot-losses .main-svg").count(), "which is farther away"


def sliced(monkeypatch: pytest.MonkeyPatch, folder: Path, rows: int) -> Path:
    """The page of the hostile study with bodies of ``rows`` rows."""
    monkeypatch.setattr(pages, "_SLICE", rows)
    place = folder / "sliced.html"
    place.write_text(render(hostile_study()), encoding="utf-8")
    return place


def test_of_many_rows_a_browser_leaves_the_distant_ones_out_and_still_finds_their_text(
    show: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page = show(file=sliced(monkeypatch, tmp_path, 2))
    bodies = page.locator("#trials tbody")
    assert bodies.count() == 3
    page.locator(".scroll:has(#trials)").evaluate("(box) => { box.style.height = '3rem'; }")
    bodies.nth(2).evaluate("(body) => { body.style.marginTop = '50000px'; }")
    is_laid_out = "(row) => row.checkVisibility({ contentVisibilityAuto: true })"
    until(page, lambda: not page.locator("tr[data-trial='5']").evaluate(is_laid_out))
    assert page.locator("tr[data-trial='3']").evaluate(is_laid_out)
    assert page.evaluate("find('below nothing')") is False
    assert page.evaluate("find('250,000')") is True  # the browser's own search, of its parameters
    found = "getSelection().getRangeAt(0).startContainer.parentElement.closest('tr').dataset.trial"
    assert page.evaluate(found) == "5"


def test_of_many_rows_all_are_searched_sorted_and_saved(
    show: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page = show(file=sliced(monkeypatch, tmp_path, 4), place="#trial-5")
    page.get_by_role("searchbox", name="Search").fill("below nothing")
    assert column(page, 2) == []
    page.get_by_role("searchbox", name="Search").fill("onerror")
    assert column(page, 2) == ["5"]
    page.get_by_role("searchbox", name="Search").fill("")
    assert page.locator("#found").inner_text() == "6 of 6 trials"
    page.get_by_role("columnheader", name="params").get_by_role("button").click()
    page.get_by_role("columnheader", name="params").get_by_role("button").click()
    assert column(page, 6) == ["250,000", *PARAMS]
    assert page.locator("#trials tbody").evaluate_all("(all) => all.map((body) => body.rows.length)") == [4, 2]
    assert page.locator("tr.chosen").get_attribute("data-trial") == "5", "as it was chosen by the address"
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as CSV").click()
    assert len(saved.value.path().read_text(encoding="utf-8").splitlines()) == 1 + 6


@pytest.mark.parametrize("width", [720, 1280])
def test_cells_are_below_their_headings_and_wide_enough(show: Open, width: int) -> None:
    """The columns have their widths before the rows are laid out; hidden and added ones too."""
    page = show(width=width)
    page.get_by_text("Columns", exact=True).click()
    page.get_by_role("checkbox", name="MMACs").uncheck()
    page.get_by_role("checkbox", name="convs", exact=True).check()
    left = "Math.round(cell.getBoundingClientRect().left)"
    lefts = f"(row) => [...row.cells].filter((cell) => cell.offsetWidth).map((cell) => {left})"
    head = page.locator("#trials thead tr").evaluate(lefts)
    assert len(head) == 11
    for row in page.locator("#trials tbody tr").all():
        assert row.evaluate(lefts) == head
    is_cut = "(all) => all.filter((cell) => cell.offsetWidth && cell.scrollWidth > cell.clientWidth + 1).length"
    assert page.locator("#trials :is(th, td)").evaluate_all(is_cut) == 0


def test_the_search_the_states_and_the_columns_choose_what_the_table_shows(show: Open) -> None:
    page = show()
    visible = "#trials tbody tr:not([hidden])"
    page.get_by_role("searchbox", name="Search").fill("BG/ dw.pw16")
    assert page.locator(visible).evaluate_all("(rows) => rows.map((row) => row.dataset.trial)") == ["3", "1"]
    assert page.locator("#found").inner_text() == "2 of 6 trials"
    page.get_by_role("searchbox", name="Search").fill("")
    page.get_by_role("checkbox", name="complete").uncheck()
    assert page.locator(visible).evaluate_all("(rows) => rows.map((row) => row.dataset.trial)") == ["5"]
    page.get_by_role("checkbox", name="complete").check()
    page.get_by_text("Columns", exact=True).click()
    page.get_by_role("checkbox", name="MMACs").uncheck()
    page.get_by_role("checkbox", name="convs", exact=True).check()
    assert not page.get_by_role("columnheader", name="MMACs").is_visible()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as CSV").click()
    lines = saved.value.path().read_text(encoding="utf-8").splitlines()
    assert (
        lines[0]
        == "rank,trial,state,val_accuracy,test_accuracy,params,receptive_field,epochs,seconds,convs,architecture"
    )
    assert lines[1] == f"1,3,complete,0.9,,36042,107,3,540.0,15,{BEST}"
    assert lines[6].endswith(f",{EVIL}")


def test_two_trials_are_shown_side_by_side(show: Open) -> None:
    page = show(place="#trial-2-beside-1")
    assert (
        page.locator("#chosen-title").inner_text() == "Trial 2: complete, validation 70.00% \N{EN DASH} beside trial 1"
    )
    assert page.locator("svg.field").count() == 2
    row = page.locator(".figures-table tr", has_text="validation accuracy").first
    assert row.locator("td").all_inner_texts() == ["70.00%", "79.00%", "+9.00 points"]
    rule = page.locator(".rules tr", has_text="params < 200000")
    assert rule.locator("td").all_inner_texts() == [
        "ok 41,562: 158,438 below 200,000",
        "ok 43,338: 156,662 below 200,000",
    ]
    page.get_by_role("button", name="Swap").click()
    assert page.url.endswith("#trial-1-beside-2")
    page.get_by_role("button", name="Leave trial 2 out").click()
    assert page.locator("svg.field").count() == 1


def test_no_word_of_a_rule_is_broken_beside_another_trial(show: Open) -> None:
    """A line of a rule ends between words only: ``depthwise_separable_convs >= 1`` has at most three lines."""
    page = show(place="#trial-1-beside-2")
    lines = "[...document.querySelectorAll('.rules code')].map((c) => [c.textContent, c.getClientRects().length])"
    for width in (1280, 1000):
        page.set_viewport_size({"width": width, "height": 800})
        found = page.evaluate(lines)
        assert len(found) == len(ASSIGNMENT)
        assert all(count <= len(text.split()) for text, count in found), found


def test_a_study_with_two_metrics_of_ones_own_fits_the_window_of_a_laptop(browser: Browser, tmp_path: Path) -> None:
    study = optuna.create_study(direction="maximize", study_name="own")
    study.set_user_attr(IDENTITY, {"constraints": list(ASSIGNMENT), "epochs": 1})
    own: dict[str, Any] = {MEASURED: {"sharpness": 0.846344, "latency_ms": 12.3456}}
    add(study, [0.5], params=190_000, network=PLAIN, **own)
    place = tmp_path / "own.html"
    place.write_text(render(study), encoding="utf-8")
    with watched(browser, place) as show:
        page = show()
        assert page.evaluate("document.getElementById('trials').parentElement.scrollWidth") <= 1280 - 2 * 24


def test_any_figure_is_drawn_against_any_other(show: Open) -> None:
    page = show()
    drawn(page, "scatter-0")
    page.locator("#x-0").select_option("epochs")
    page.locator("#y-0").select_option("params")
    read = "(name) => document.getElementById('scatter-0').layout[name].title.text"
    assert [page.evaluate(read, axis) for axis in ("xaxis", "yaxis")] == ["epochs", "parameters"]
    low, high = page.evaluate("document.getElementById('scatter-0').layout.yaxis.range")
    assert 0 < low < 34_266  # the points are from 34,266 to 250,000, and the limit is between them
    assert 250_000 < high < 300_000


def test_the_front_leaves_out_what_was_not_trained_to_the_end(unchanged: Page) -> None:
    page = unchanged
    drawn(page, "plot-history", "plot-losses", "plot-timeline")
    assert page.evaluate("document.getElementById('plot-history').data.at(-2).y") == [0.61, 0.79, 0.79, 0.9, 0.9, 0.9]
    assert page.locator("#plot-losses .scatterlayer .trace").count() >= 1
    assert page.locator("#plot-timeline .scatterlayer .trace").count() >= 2
    ticks = page.evaluate(
        "[...document.querySelectorAll('#plot-history .xtick, #plot-timeline .ytick')].map(e => e.textContent)"
    )
    assert ticks
    assert all(tick.isdigit() for tick in ticks), "trials have whole numbers"


def test_labels_of_fields_have_one_size_at_every_width(show: Open) -> None:
    page = show(width=390)
    assert page.locator("svg.field text").count() == 4
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        until(page, lambda: are_labels_legible(page))


def test_a_figure_that_there_is_not_takes_no_room(show: Open) -> None:
    page = show()
    page.evaluate("document.querySelector('.plot.tall').replaceChildren()")
    page.evaluate("document.querySelector('.plot.tall').classList.add('empty')")
    assert page.evaluate("document.querySelector('.plot.tall').offsetHeight") == 0


def test_a_narrow_window_scrolls_tables_not_the_page(show: Open) -> None:
    page = show(width=360)
    for width in (360, 390, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        rejects = page.locator("table", has_text="What rejects")
        assert width < 390 or rejects.evaluate("table => table.scrollWidth <= table.clientWidth")
