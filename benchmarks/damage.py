"""Measures what damage costs: one file of an interrupted search is damaged at random, then it is resumed and exported.

``python -m benchmarks.damage [--quick] [--json] [--cases 500] [--seed 0] [--kind KIND]``. The data are 200 of
scikit-learn's digits, 8x8. One small search is interrupted in the middle of an epoch's candidate, once in a journal and
once in a SQLite database. Each case is a copy of its folder and of its cache in which a byte is flipped, a file is
truncated, partly zeroed, removed, or given another time or the content of a similar file, a folder is moved away, a
permission is removed from a file or a folder, or the clock is set. The outputs must equal, to the last digit, those of
the same search resumed without damage, which a seed determines. Commands run in this process; root, whom permissions do
not restrict, becomes another user for such a case. Damage of the storage itself is counted separately, since a flipped
digit may be a valid digit.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import numpy as np
import typer.main
from safetensors.numpy import load_file

import search
from nas.search import resources
from nas.search.engine import Placement
from nas.search.worker import Task

T = TypeVar("T")
RECIPE = "recipe.toml"
STUDY = ["--data", "data", "--space", "tiny", "--epochs", "8", "--recipe", RECIPE, "--no-guess"]
HERE = ["--workers", "1", "--device", "cpu"]
TRIALS = 4
INTERRUPTED_AFTER = 14
"""Epochs before the interruption: one trial is complete, others wait at a rung, and one is between two rungs."""
STORAGES = {"journal": "runs/journal.log", "sqlite": "sqlite:///study.db"}
KINDS = ("byte", "byte", "cut", "zeros", "removed", "time", "swapped", "moved", "permission", "clock")
MODES = (0o000, 0o444, 0o555)
"""Remaining permissions: none, read, read and enter."""
NOBODY = 65_534
"""A user whom permissions restrict."""
COUNTED = ("tracebacks", "wrong_figures", "lost_epochs")
YEAR = 365 * 86_400.0
BLOCK = 4096


class HereEngine:
    """An engine that runs each task at once in this process, and is interrupted after ``epochs`` of all tasks."""

    slots = 1

    def __init__(self, epochs: int | None = None) -> None:
        """``epochs`` None means no interruption."""
        self._left = epochs

    def submit(self, function: Callable[..., T], *args: Any) -> Future[T]:
        """Call the function at once."""
        future: Future[T] = Future()
        try:
            counted = [replace(arg, after_epoch=self._count) if isinstance(arg, Task) else arg for arg in args]
            future.set_result(function(Placement(device="cpu", threads=1), *counted))
        except Exception as error:
            future.set_exception(error)
        return future

    def _count(self) -> None:
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                raise KeyboardInterrupt

    def wait(self, futures: Collection[Future[Any]], seconds: float) -> None:
        """Return: everything is done."""

    def shutdown(self) -> None:
        """Do nothing: nothing is running."""


_flags = cache(typer.main.get_command)
"""The flags of all commands, read from their signatures once, since typer takes 0.1 s for it in every call."""


def command(*arguments: str, engine: HereEngine | None = None) -> tuple[int, str, str]:
    """Run a command; returns exit code, stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    here = mock.patch.object(resources, "LocalEngine", return_value=engine or HereEngine())
    parsed = mock.patch("typer.main.get_command", _flags)
    with here, parsed, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = search.run(list(arguments))
        except Exception as error:
            return 4, out.getvalue(), f"Traceback: {type(error).__name__}: {error}"
    return code, out.getvalue(), err.getvalue()


def make_data(folder: Path) -> None:
    """Write 16 training and 4 test images of each digit, 8x8 pixels."""
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    for label in range(10):
        for number, index in enumerate((digits.target == label).nonzero()[0][:20]):
            place = folder / ("train" if number < 16 else "test") / str(label)
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray((digits.images[index] * 15.9).astype("uint8")).save(place / f"{number}.png")


Row = tuple[str, int, float | None, tuple[float, ...]]


@dataclass(frozen=True, kw_only=True)
class Search:
    """An interrupted search, and its results when it is resumed without damage."""

    folder: Path
    storage: str
    known: dict[int, Row]
    """Trial -> network, epochs, accuracy and learning curve at the interruption."""
    ended: dict[int, Row]
    """The same after it was resumed."""
    weights: dict[str, np.ndarray]
    """Weights of the best trial, as exported."""

    @property
    def where(self) -> list[str]:
        """The flag that names the storage."""
        return ["--storage", self.storage]


BOARD = ("leaderboard", "--top", "1000", "--format", "json")
WEIGHTS = "net.safetensors"


def rows(text: str) -> dict[int, Row]:
    """Trial -> network, epochs, accuracy and learning curve, from a leaderboard's JSON."""
    found = json.loads(text)["rows"]
    return {r["trial"]: (r["architecture"], r["epochs"], r["val_accuracy"], tuple(r["curve"])) for r in found}


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Work in a folder with its own cache."""
    with contextlib.chdir(folder), mock.patch.dict(os.environ, {"XDG_CACHE_HOME": str(folder / "cache")}):
        yield


def interrupted(folder: Path, storage: str) -> Search:
    """Run a search until its interruption, and a copy of it to the end."""
    make_data(folder / "data")
    (folder / RECIPE).write_text("batch_size = 36\nema_decay = 0.0\n")
    where, launch = ["--storage", storage], ["launch", *STUDY, *HERE, "--trials", str(TRIALS)]
    with inside(folder):
        code, _, err = command(*launch, *where, engine=HereEngine(INTERRUPTED_AFTER))
        if code != 130:
            raise RuntimeError(f"the search was not interrupted: {code}: {err}")
        known = rows(command(*BOARD, *where)[1])
    whole = shutil.copytree(folder, folder.with_name(f"{folder.name}-whole"))
    with inside(whole):
        command(*launch, *where)
        ended = rows(command(*BOARD, *where)[1])
        command("export", "best", "--to", WEIGHTS, *where)
        weights = load_file(WEIGHTS)
    return Search(folder=folder, storage=storage, known=known, ended=ended, weights=weights)


def group_of(path: Path) -> str:
    """The kind of a file: a known name, or else its ending."""
    return path.name if path.suffix not in {".npy", ".png"} else f"{path.parent.parent.name[:5]}{path.suffix}"


@contextlib.contextmanager
def bound_by_permissions(folder: Path) -> Iterator[None]:
    """Become a user whom permissions restrict, if this is root, and own ``folder``."""
    if os.geteuid():
        yield
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def damage(folder: Path, draw: random.Random, kinds: Sequence[str] = KINDS) -> tuple[str, str, float]:
    """Damage one thing in ``folder``; returns how, which, and by how much to set the clock."""
    kind = draw.choice(kinds)
    if kind == "clock":
        return kind, "clock", draw.choice([-1, 1]) * draw.uniform(0.01, 20) * YEAR
    folders = sorted(path for path in folder.rglob("*") if path.is_dir() and path.parts[-3:-2] != ("data",))
    if kind == "moved":
        chosen = draw.choice(folders)
        chosen.rename(chosen.with_name(f"{chosen.name}-moved"))
        return kind, str(chosen.relative_to(folder)), 0.0
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    group = draw.choice(sorted({group_of(path) for path in files}))  # the kind first: most files are images
    alike = [path for path in files if group_of(path) == group]
    path = draw.choice(alike)
    if kind == "permission":
        path = draw.choice([path, draw.choice(folders)])
        path.chmod(draw.choice(MODES))
        return kind, str(path.relative_to(folder)), 0.0
    content = path.read_bytes()
    place = draw.randrange(len(content) + 1)
    if kind == "byte" and content:
        place %= len(content)
        path.write_bytes(content[:place] + bytes([content[place] ^ (1 << draw.randrange(8))]) + content[place + 1 :])
    elif kind == "cut":
        path.write_bytes(content[:place])
    elif kind == "zeros":
        path.write_bytes(content[:place] + bytes(len(content[place : place + BLOCK])) + content[place + BLOCK :])
    elif kind == "swapped":
        path.write_bytes(draw.choice(alike).read_bytes())
    elif kind == "time":
        os.utime(path, (draw.choice([0, 4e9]),) * 2)
    else:
        path.unlink()
    return kind, str(path.relative_to(folder)), 0.0


def case(of: Search, folder: Path, draw: random.Random, kinds: Sequence[str] = KINDS) -> tuple[str, str, list[str]]:
    """Damage a copy and use it; returns the kind, the file, and what went wrong, a line each."""
    shutil.copytree(of.folder, folder)
    kind, path, shift = damage(folder, draw, kinds)
    now, found = time.time, list[str]()
    launch = ("launch", *STUDY, *HERE, "--trials", str(TRIALS))
    export = ("export", "best", "--to", WEIGHTS)
    expected = of.known
    user = bound_by_permissions(folder) if kind == "permission" else contextlib.nullcontext()
    with inside(folder), user, mock.patch("time.time", side_effect=lambda: now() + shift):
        for arguments in (BOARD, ("studies",), launch, BOARD, ("show", "best"), export):
            code, out, err = command(*arguments, *of.where)
            if code == 4 or "Traceback" in err:
                found.append(
                    f"tracebacks: {arguments[0]}: {err.strip().splitlines()[-1][:300] if err.strip() else code}"
                )
            if arguments is launch and code in {0, 1}:
                expected = of.ended
            if arguments is BOARD and code == 0:
                found += _differences(expected, rows(out))
            if arguments is export and code == 0 and not _are_same(load_file(WEIGHTS), of.weights):
                found.append("wrong_figures: other weights are exported")
    return kind, path, list(dict.fromkeys(found))


def _are_same(weights: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return weights.keys() == other.keys() and all(np.array_equal(weights[name], other[name]) for name in other)


def _differences(expected: dict[int, Row], found: dict[int, Row]) -> Iterator[str]:
    known = {trial: row for trial, row in expected.items() if row[2] is not None}
    if lost := [trial for trial in known if trial not in found or found[trial][1] < known[trial][1]]:
        yield f"lost_epochs: trials {lost}"
    if wrong := [(known[t], found[t]) for t in known if t in found and t not in lost and found[t] != known[t]]:
        yield f"wrong_figures: {wrong}"[:300]


def measure(cases: int, seed: int, damages: Sequence[str] = KINDS) -> dict[str, Any]:
    """Run all cases; returns counts, and the findings of each case with an error."""
    counts, of_storage, found, kinds = Counter[str](), Counter[str](), list[str](), Counter[str]()
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)  # any user may enter it
        searches = {kind: interrupted(Path(name) / kind, storage) for kind, storage in STORAGES.items()}
        for number in range(cases):
            draw = random.Random(f"{seed}/{number}")
            of = draw.choice(list(searches))
            kind, path, wrong = case(searches[of], folder := Path(name) / "case", draw, damages)
            shutil.rmtree(folder)
            kinds[kind] += 1
            is_storage = path in {"runs/journal.log", "study.db"}
            (of_storage if is_storage else counts).update(line.partition(":")[0] for line in wrong)
            lines = [f"{number}: {of}: {kind} {path}: {line}" for line in wrong]
            print("\n".join([f"case {number} of {cases}", *lines]), file=sys.stderr, flush=True)
            found += lines
    return {
        "cases": cases,
        **{key: counts[key] for key in COUNTED},
        **{f"{key}_storage": of_storage[key] for key in COUNTED},
        "kinds": dict(kinds),
        "found": found,
    }


def main() -> None:
    """Run the cases and print the findings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="40 cases")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=sorted({*KINDS}), help="this damage alone")
    given = parser.parse_args()
    result = measure(40 if given.quick else given.cases, given.seed, [given.kind] if given.kind else KINDS)
    if given.json:
        print(json.dumps(result))
    else:
        for key, value in result.items():
            print(f"{key}: {value}" if key != "found" else "\n".join(value))


if __name__ == "__main__":
    main()
