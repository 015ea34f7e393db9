"""Every measured figure of README.md and docs/ names its commit, every time its class of processor."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.goals import Goal, read
from tests.figures import COMMIT, sections

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
STATED = {
    "README.md": ("85 %", "70.41 %", "0.13 MB"),  # the target; an exact share; what the layers add up to
    "measurements/results.md": ("24 GiB",),  # the machine
    "receptive-fields.md": ("20 seconds", "256 MiB"),  # limits
    "metrics.md": ("97 %", "50 %"),  # of an example
    "start.md": ("3.50 points",),  # an example of the output
    "launch.md": ("95 %", "59m07s", "78.32%", "16s", "3s", "13s", "13m26s", "35s", "33s", "19s", "215 images/s"),
    "recipes.md": ("1 MB",),  # 50,000 images, ten classes, two bytes
    "report.md": ("6 MB",),  # a limit
    "algorithm.md": ("2 points",),  # a rule
    "space.md": ("4 times",),  # channels of a layer
    "training.md": ("4 GiB", "64 MB", "64 MiB"),  # defaults, a limit
    "validate.md": ("10 MB",),  # a limit
}
"""Page -> its numbers with a unit that were not measured: targets, limits, defaults, assumptions, exact counts."""


def name(page: Path) -> str:
    """A page as STATED calls it."""
    return page.relative_to(ROOT).as_posix().removeprefix("docs/")


def faults(page: Path, stated: tuple[str, ...] = ()) -> Iterator[str]:
    for section in sections(page.read_text(encoding="utf-8")):
        for fault in section.faults(stated):
            yield f"{page.name}, {section.heading}: {fault}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_figure_of_a_page_names_its_commit_and_every_time_its_processor(page: Path) -> None:
    found = list(faults(page, STATED.get(name(page), ())))
    remedy = "name what it was measured with in this section, or list it in STATED where it was not measured"
    assert not found, f"{'; '.join(found)}: {remedy}"


@pytest.mark.parametrize("stated", STATED)
def test_what_is_stated_is_on_its_page(stated: str) -> None:
    page = next(page for page in PAGES if name(page) == stated)
    there = {figure.text for section in sections(page.read_text(encoding="utf-8")) for figure in section.figures()}
    assert set(STATED[stated]) <= there


def test_commits_of_the_pages_are_in_the_history() -> None:
    git = ["git", "-C", str(ROOT)]
    shallow = subprocess.run(
        [*git, "rev-parse", "--is-shallow-repository"], capture_output=True, text=True, check=False
    )
    if shallow.stdout.strip() != "false":
        pytest.skip("Git knows no history here, or a part of it")
    named = {(page.name, commit) for page in PAGES for commit in COMMIT.findall(page.read_text(encoding="utf-8"))}
    assert len(named) > 10
    asked = "".join(f"{commit}^{{commit}}\n" for _, commit in sorted(named))
    found = subprocess.run([*git, "cat-file", "--batch-check"], input=asked, capture_output=True, text=True, check=True)
    answers = zip(sorted(named), found.stdout.splitlines(), strict=True)
    assert [name for name, answer in answers if " commit " not in answer] == []


@pytest.mark.parametrize("goal", read()[1], ids=lambda goal: goal.name)
def test_the_page_of_a_goal_states_its_figure(goal: Goal) -> None:
    assert goal.quote in " ".join((ROOT / goal.where).read_text(encoding="utf-8").split())


BY = "at commit `0123abc`"
ON = "AVX-512 with bfloat16"


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("It takes 3.4 ms.", ["commit", "processor"]),
        (f"It takes 3.4 ms {BY}.", ["processor"]),
        (f"It takes 3.4 ms on {ON}.", ["commit"]),
        (f"It takes 3.4 ms {BY}, {ON}.", []),
        ("It takes 3.4 ms at commit 0123abc, AVX2.", ["commit"]),
        ("We reach 86.18 % in the end.", ["commit"]),
        (f"We reach 86.18 % {BY}.", []),
        ("Ours is 2.47 times as fast.", ["commit"]),
        ("It trains 1,118 images a second.", ["commit", "processor"]),
        ("It judges 7.50 million/s.", ["commit", "processor"]),
        ("After 38 minutes it was done.", ["commit", "processor"]),
        ("Its rank correlation with the accuracy is 0.86.", ["commit"]),
        ("The digest takes 420 MB.", ["commit"]),
        ("Ours takes `3.4 ms` and `--timeout 60s`.", []),
        ("It holds 479,291,273,822,592 networks of 64x64 pixels, commit or not.", []),
        ("Ten times it took two minutes with torch 2.15.0 in 2026.", []),
        ("| tool | s an epoch |\n|---|---|\n| ours | 47 |", ["commit", "processor"]),
        ("| proxy | correlation |\n|---|---|\n| fitted | **0.86** |", ["commit"]),
        ("| tool | epochs |\n|---|---|\n| ours | 47 |", []),
        (f"{BY}, {ON}:\n\n| tool | s an epoch |\n|---|---|\n| ours | 47 |", []),
        ("So:\n\n    uv run search.py launch --timeout 60 s\n", []),
        ("So:\n\n    trial 0: 61.72% after 1 of 20 epochs, 21m29s\n", ["commit", "processor"]),
        ("So:\n\n```\ntrial 0: 61.72% after 1 of 20 epochs\n```\n", ["commit"]),
        ("So:\n\n```toml\ntimeout = 60 s\n```\n", []),
    ],
)
def test_a_page_without_what_belongs_to_a_figure_has_a_fault(text: str, missing: list[str], tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Speed\n\n{text}\n")
    found = list(faults(page))
    assert len(found) == len(missing)
    for fault, what in zip(found, missing, strict=True):
        assert fault.startswith("page.md, Speed: ")
        assert fault.endswith({"commit": "names no commit", "processor": "names no class of the processor"}[what])


def test_a_commit_counts_for_the_sections_within_and_for_none_beside(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# A\n\n## B\n\n{BY}\n\n### C\n\n5 %\n\n## D\n\n6 %\n")
    assert list(faults(page)) == ["page.md, D: '6 %' names no commit"]


def test_what_was_not_measured_needs_no_commit(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A\n\nA limit of 60 s, of which it took 3 s.\n")
    assert len(list(faults(page, ("60 s",)))) == 2
    assert list(faults(page, ("60 s", "3 s"))) == []


def test_pages_state_the_space_as_it_is_counted() -> None:
    kept = (ROOT / "tests" / "outputs" / "space-assignment.json.txt").read_text(encoding="utf-8")
    found, _ = json.JSONDecoder().raw_decode(kept[kept.index("\n{") + 1 :])
    size, feasible, share = f"{found['size']:,} networks", f"{found['feasible']:,}", f"{100 * found['share']:.2f} %"
    assert f"{size}, of which {share} keep every rule" in (ROOT / "README.md").read_text(encoding="utf-8")
    measured = (ROOT / "docs" / "measurements" / "space.md").read_text(encoding="utf-8")
    assert f"{size}, of which {feasible} ({share}) satisfy every rule" in measured
