"""The first lines of a command that trains."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from nas.cli.introducing import decoding, introduce, introduce_settings, print_line
from nas.project_settings import settings
from nas.training.decoded import Dataset


def printed(width: int = 200) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, width=width, color_system=None), out


def test_the_data_is_named_after_its_warnings(tmp_path: Path) -> None:
    found = Dataset(
        name="pets",
        classes=("cat", "dog"),
        train_images=np.zeros((1200, 2, 2, 1), np.uint8),
        train_labels=np.zeros(1200, np.int64),
        test_images=np.zeros((3, 2, 2, 1), np.uint8),
        test_labels=np.zeros(3, np.int64),
        content_hash="",
        folder=tmp_path,
        warnings=("[b]few[/b] test images",),
    )
    console, out = printed()
    introduce(found, console)
    assert out.getvalue().splitlines() == [
        "warning: [b]few[/b] test images",
        "data: pets, 1,200 training and 3 test images, 2 classes",
    ]


def test_a_line_is_printed_as_it_is() -> None:
    console, out = printed(width=10)
    print_line("[red]cats :dog: are many, so many", console)
    assert out.getvalue() == "[red]cats :dog: are many, so many\n"


def test_a_terminal_breaks_a_line_between_words() -> None:
    out = io.StringIO()
    print_line("breaks: max_pools == 0, stages == 4", Console(file=out, width=26, force_terminal=True))
    assert [line.strip() for line in out.getvalue().splitlines()] == ["breaks: max_pools == 0,", "stages == 4"]


def test_settings_of_the_project_are_named_if_the_command_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.nas]\nspace = "tiny"\n')
    monkeypatch.chdir(tmp_path)
    for fields, lines in ((["space"], 1), (["epochs"], 0)):
        console, out = printed()
        introduce_settings(settings(Path()), fields, console)
        assert len(out.getvalue().splitlines()) == lines, out.getvalue()
        assert ("space" in out.getvalue()) == bool(lines)


def test_no_bar_of_decoded_images_without_a_terminal() -> None:
    console, out = printed()
    with decoding(console) as decoded:
        shown: Any = decoded(1, 2)
    assert (shown, out.getvalue()) == (None, "")
