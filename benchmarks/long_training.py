"""Draws accuracy against epochs of long trainings, from stored tables: benchmarks/tables/long/NAME.toml.

Run ``python -m benchmarks.long_training`` to draw what tables there are, and
``python -m benchmarks.long_training NAME --study STUDY [--trial N] [--storage PLACE] --label TEXT [--machine TEXT]
[--command TEXT] [--commit HASH]`` to keep one of a trial of a study. A table holds the accuracy on the validation part
after every epoch, which is the curve, and the test accuracies of the trial's longest confirmation where there is one,
whose mean is the mark at its end. One that is written by hand may hold `published`, what others came to after how many
epochs, in place of a curve. The champions of LONG epochs and more are marks too. The same tables give the same bytes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from math import ceil, floor
from pathlib import Path
from statistics import fmean
from typing import Annotated
from xml.sax.saxutils import escape

from pydantic import BaseModel, ConfigDict, Field, model_validator

from benchmarks.champion import recipe_text
from benchmarks.rungs import until_unknown
from benchmarks.svg import BOTTOM, HEIGHT, LEFT, RIGHT, STYLE, TOP, WIDTH, columns, document, frame, rows, text
from nas import atomic
from nas.champions.registry import champions
from nas.cpu import cpu_class
from nas.results.selection import find
from nas.search.confirmation import confirmations
from nas.search.study import identity
from nas.search.study_opening import open_study
from nas.search.training_way import Training
from nas.toml import read_toml, validated
from nas.training.recipes import LONG

TABLES = Path(__file__).with_name("tables") / "long"
PICTURE = Path(__file__).parents[1] / "docs" / "long_training.svg"
COLOURS = ("#0969da", "#bc4c00", "#1a7f37", "#8250df", "#6e7781", "#bf3989")
LINES = "\n".join(f".line{i} {{ stroke: {c}; fill: none }} .mark{i} {{ fill: {c} }}" for i, c in enumerate(COLOURS))
LOWEST = 60
"""Least percentage in the picture, since first epochs would take most of it."""

Share = Annotated[float, Field(ge=0, le=1)]


class Table(BaseModel):
    """One training: its description, and its accuracy after every epoch."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str = Field(min_length=1)
    """Its label in the picture's legend."""
    architecture: str
    params: int = Field(ge=1)
    recipe: str
    data: str
    machine: str
    date: date
    commit: str
    command: str
    """The command that repeats it."""
    val_accuracies: tuple[Share, ...] = ()
    """After each epoch, 0 to 1; empty where none was measured."""
    test_epochs: int | None = None
    """Epochs of the confirmation, which trains on the whole training set."""
    test_accuracies: tuple[Share, ...] = ()
    """One per seed."""
    published: tuple[tuple[int, Share], ...] = ()
    """(epochs, test accuracy) of the same training, as published by others."""

    @model_validator(mode="after")
    def _is_drawn(self) -> Table:
        if not self.marks and len(self.val_accuracies) < 2:
            raise ValueError("give val_accuracies of two epochs or more, test_accuracies or published")
        return self

    @property
    def points(self) -> list[tuple[int, float]]:
        """(epoch, validation accuracy in percent)."""
        return [(epoch, 100 * accuracy) for epoch, accuracy in enumerate(self.val_accuracies, start=1)]

    @property
    def mark(self) -> tuple[int, float] | None:
        """(epochs, mean test accuracy in percent) of the confirmation; None if there is none."""
        if not self.test_accuracies or self.test_epochs is None:
            return None
        return self.test_epochs, 100 * fmean(self.test_accuracies)

    @property
    def marks(self) -> list[tuple[int, float]]:
        """(epochs, test accuracy in percent) of the published results and of the confirmation."""
        found = [(epochs, 100 * accuracy) for epochs, accuracy in self.published]
        return found if self.mark is None else [*found, self.mark]

    def title(self) -> str:
        """Its data in one line."""
        tested = "" if self.mark is None else f", test {self.mark[1]:.2f} % after {self.mark[0]} epochs"
        made = f"{self.data}, {self.machine}, {self.commit}"
        return f"{self.label}: {self.params:,} parameters, {self.recipe}{tested}. {made}"


def tables(folder: Path = TABLES) -> list[Table]:
    """Every table by the name of its file; UnusableInputError for an invalid one."""
    return [validated(Table, read_toml(file), str(file)) for file in sorted(folder.glob("*.toml"))]


def picture(several: Sequence[Table]) -> str:
    """The SVG of the curves, of which there must be at least one."""
    drawn_points = [point for one in several for point in (*one.points, *one.marks)]
    most, values = max(epoch for epoch, _ in drawn_points), [value for _, value in drawn_points]
    low, high = max(LOWEST, floor(min(values))), ceil(max(values)) + 1
    low = min(low, high - 2)

    def x(epoch: float) -> float:
        return round(LEFT + epoch / most * (WIDTH - LEFT - RIGHT), 1)

    def y(accuracy: float) -> float:
        return round(TOP + (high - accuracy) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    def drawn() -> Iterator[str]:
        yield from rows({f"{percent}": y(percent) for percent in range(low, high + 1, 2 if high - low <= 24 else 5)})
        yield from columns({f"{most * i // 5}": x(most * i // 5) for i in range(1, 6)})
        yield from frame("epochs", "CIFAR-10 accuracy, % (lines: validation part; marks: test set)")
        for i, one in enumerate(several):
            shown = [f"{x(epoch):g},{y(value):g}" for epoch, value in one.points if value >= low]
            title = f"<title>{escape(one.title())}</title>"
            colour = i % len(COLOURS)
            if shown:
                yield f'<polyline class="line{colour}" stroke-width="1.5" points="{" ".join(shown)}">{title}</polyline>'
            for epoch, value in one.marks:
                at = f'cx="{x(epoch):g}" cy="{y(value):g}"'
                yield f'<circle {at} r="5" class="mark{colour} halo">{title}</circle>'
        yield from _legend(several)

    return document("CIFAR-10 accuracy against epochs of long trainings", drawn(), f"{STYLE}\n{LINES}")


def champions_of(epochs: int) -> list[Table]:
    """The champions that were trained for at least ``epochs``, as tables without a curve."""
    return [
        Table(
            label=one.name,
            architecture=one.architecture,
            params=one.params,
            recipe=one.recipe,
            data=one.data,
            machine=one.machine,
            date=one.date,
            commit=one.commit,
            command=one.command,
            test_epochs=one.epochs,
            test_accuracies=one.test_accuracies,
        )
        for one in champions().values()
        if one.epochs >= epochs
    ]


def _legend(several: Sequence[Table]) -> Iterator[str]:
    """The labels with their colours in the lower right corner of the frame, where there is no curve."""
    foot = HEIGHT - BOTTOM - 14
    for i, one in enumerate(reversed(several)):
        colour = (len(several) - 1 - i) % len(COLOURS)
        y = foot - 18 * i
        yield text(WIDTH - RIGHT - 44, y, f"{one.label}, {one.params:,} parameters", "end")
        yield f'<path class="line{colour}" stroke-width="3" d="M{WIDTH - RIGHT - 36} {y - 4}h26"/>'


def kept(options: argparse.Namespace) -> Table:
    """The table of a trial."""
    with open_study(options.storage, options.study) as study:
        row = find(study, options.trial, is_live=None)
        confirmed = confirmations(study, row.trial)
        longest = confirmed[0] if confirmed else None
        recipe = Training.of(study, row.epochs).for_epochs(row.epochs)
        data = identity(study, "data")["data"]["name"]
    text_of = row.architecture or ""
    seeds = f" --seeds {len(longest.seeds)}" if longest else ""
    return Table(
        label=options.label,
        architecture=text_of,
        params=row.params,
        recipe=f"{recipe_text(recipe, row.epochs)}, {row.epochs} epochs",
        data="CIFAR-10 (JPEG copy)" if data == "cifar10-jpeg.tar.xz" else data,
        machine=options.machine,
        date=datetime.now(UTC).date(),
        commit=options.commit,
        command=options.command or f"uv run search.py train '{text_of}' --epochs {row.epochs}{seeds}",
        val_accuracies=until_unknown(row.curve),
        test_epochs=longest.epochs if longest else None,
        test_accuracies=longest.accuracies if longest else (),
    )


def entry(table: Table) -> str:
    """The file of a table."""
    values = {name: value for name, value in table.model_dump(mode="json").items() if value not in (None, [])}
    return "".join(
        f"{name} = {value if name == 'date' else json.dumps(value, ensure_ascii=False)}\n"
        for name, value in values.items()
    )


def main() -> None:
    """Store a table, or draw all tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="?", help="keep a trial of --study under this name")
    parser.add_argument("--study")
    parser.add_argument("--trial", default="0")
    parser.add_argument("--storage", default="runs/journal.log")
    parser.add_argument("--label")
    parser.add_argument("--machine", default=cpu_class())
    parser.add_argument("--command", default="")
    parser.add_argument("--commit", default="")
    parser.add_argument("--tables", type=Path, default=TABLES)
    parser.add_argument("--to", type=Path, default=PICTURE)
    options = parser.parse_args()
    if options.name:
        options.label, options.commit = options.label or options.name, options.commit or _commit()
        options.tables.mkdir(parents=True, exist_ok=True)
        atomic.write(options.tables / f"{options.name}.toml", entry(kept(options)))
    several = tables(options.tables)
    if not several:
        raise SystemExit(
            f"no table in {options.tables}: train a network, then keep it: {parser.prog} NAME --study STUDY"
        )
    several += champions_of(LONG)
    options.to.write_text(picture(several), encoding="utf-8")
    print(f"wrote {options.to}: {', '.join(one.label for one in several)}")


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


if __name__ == "__main__":
    main()
