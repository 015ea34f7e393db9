"""Curves of long trainings: tables are read back, and the picture shows all of them."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import date
from pathlib import Path

import pytest

from benchmarks.long_training import PICTURE, TABLES, Table, champions_of, entry, picture, tables
from benchmarks.svg import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH
from constraints.errors import UnusableInputError
from nas.champions.registry import champions
from nas.training.recipes import LONG

SVG = "{http://www.w3.org/2000/svg}"


def table(label: str = "a", accuracies: tuple[float, ...] = (0.62, 0.70, 0.74), **more: object) -> Table:
    return Table.model_validate(
        {
            "label": label, "architecture": "BR/c8/fc", "params": 1_000, "recipe": "seed", "data": "digits",
            "machine": "AVX2", "date": date(2026, 1, 2), "commit": "abc", "command": "train",
            "val_accuracies": accuracies, **more,
        }
    )  # fmt: skip


def test_a_table_is_read_back(tmp_path: Path) -> None:
    kept = [table("b", test_epochs=4, test_accuracies=(0.7, 0.72)), table('c "d"')]
    for one, name in zip(kept, ("1", "2"), strict=True):
        (tmp_path / f"{name}.toml").write_text(entry(one), encoding="utf-8")
    assert tables(tmp_path) == kept
    assert kept[0].mark is not None
    assert kept[0].mark[0] == 4
    assert kept[0].mark[1] == pytest.approx(71.0)
    assert kept[1].mark is None


def test_what_is_no_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text('label = "a"\n')
    with pytest.raises(UnusableInputError, match=r"bad\.toml"):
        tables(tmp_path)
    assert tables(tmp_path / "nothing") == []


def test_each_training_is_a_line_and_its_confirmation_a_mark() -> None:
    drawn = ET.fromstring(picture([table(), table("<b>", (0.61, 0.65), test_epochs=6, test_accuracies=(0.8,))]))
    lines, (mark,) = list(drawn.iter(f"{SVG}polyline")), drawn.iter(f"{SVG}circle")
    frame = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    # Six epochs across; 61 to 80 percent, so that the frame goes from 61 at its foot to 81.
    points = [point.split(",") for point in lines[0].attrib["points"].split()]
    for (x, y), epoch, percent in zip(points, (1, 2, 3), (62, 70, 74), strict=True):
        assert float(x) == pytest.approx(LEFT + frame[0] * epoch / 6, abs=0.06)
        assert float(y) == pytest.approx(TOP + frame[1] * (81 - percent) / 20, abs=0.06)
    assert float(mark.attrib["cx"]) == WIDTH - RIGHT
    assert float(mark.attrib["cy"]) == pytest.approx(TOP + frame[1] / 20, abs=0.06)
    assert "test 80.00 % after 6 epochs" in (mark[0].text or "")


def test_what_others_published_is_marks_without_a_curve(tmp_path: Path) -> None:
    author = table("author", (), published=((10, 0.7), (20, 0.8)))
    (tmp_path / "1.toml").write_text(entry(author), encoding="utf-8")
    assert tables(tmp_path) == [author]
    drawn = ET.fromstring(picture([author, table()]))
    assert [float(mark.attrib["cx"]) for mark in drawn.iter(f"{SVG}circle")] == [
        LEFT + (WIDTH - LEFT - RIGHT) * epoch / 20 for epoch in (10, 20)
    ]
    assert len(list(drawn.iter(f"{SVG}polyline"))) == 1
    with pytest.raises(ValueError, match="give val_accuracies of two epochs or more"):
        table("nothing", (0.5,))


def test_champions_of_long_trainings_are_marks() -> None:
    found = champions_of(LONG)
    assert {one.label for one in found} == {name for name, one in champions().items() if one.epochs >= LONG}
    wide = next(one for one in found if one.label == "champion-wide-30")
    assert (wide.test_epochs, wide.test_accuracies, wide.points) == (30, (0.8762,), [])


def test_first_epochs_far_below_are_not_drawn() -> None:
    (line,) = ET.fromstring(picture([table(accuracies=(0.1, 0.3, 0.9, 0.91))])).iter(f"{SVG}polyline")
    assert len(line.attrib["points"].split()) == 2


def test_the_picture_of_the_pages_is_the_one_that_is_drawn_now() -> None:
    now = picture([*tables(TABLES), *champions_of(LONG)])
    assert PICTURE.read_text(encoding="utf-8") == now, "run python -m benchmarks.long_training"
