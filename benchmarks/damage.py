"""What damage costs: one file of a study is damaged at random, then it is shown, launched again and exported.

``python -m benchmarks.damage [--quick] [--json] [--cases 500] [--seed 0]``. The data are 240 of scikit-learn's digits.
One small search is run once; each case is a copy of its folder and of its cache in which one byte is flipped, or a file
cut, removed, given another time, or a folder moved away. Commands run in this process. Permissions are left out: they
do not bind root. Damage of the storage itself is told apart, since its lines carry no check sums.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Collection
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import search
from benchmarks.crashes import make_data
from nas.search import resources
from nas.search.engine import Placement

T = TypeVar("T")
STUDY = ["--data", "data", "--space", "tiny", "--epochs", "4", "--workers", "1", "--device", "cpu", "--no-guess"]
TRIALS = 3
KINDS = ("byte", "cut", "removed", "time", "moved")
COUNTED = ("tracebacks", "wrong_figures", "lost_epochs")


class HereEngine:
    """An engine of this process: what is submitted is done at once."""

    slots = 1

    def submit(self, function: Callable[..., T], *args: Any) -> Future[T]:
        """Call the function now."""
        future: Future[T] = Future()
        try:
            future.set_result(function(Placement(device="cpu", threads=1), *args))
        except Exception as error:
            future.set_exception(error)
        return future

    def wait(self, futures: Collection[Future[Any]], seconds: float) -> None:
        """Everything is done."""

    def shutdown(self) -> None:
        """Nothing runs."""


def command(*arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = search.run(list(arguments))
        except Exception as error:
            return 4, out.getvalue(), f"Traceback: {type(error).__name__}: {error}"
    return code, out.getvalue(), err.getvalue()


def rows(text: str) -> dict[int, tuple[str, int, float | None]]:
    """Trial -> network, epochs and accuracy, as a leaderboard's JSON has them."""
    return {r["trial"]: (r["architecture"], r["epochs"], r["val_accuracy"]) for r in json.loads(text)["rows"]}


def damage(folder: Path, draw: random.Random) -> tuple[str, Path]:
    """Damage one thing in ``folder``; how, and which."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    groups = sorted({(path.suffix, path.parent.parent.name[:5]) for path in files})
    group = draw.choice(groups)  # a kind of file first, as most files are images
    path = draw.choice([path for path in files if (path.suffix, path.parent.parent.name[:5]) == group])
    kind, content = draw.choice(KINDS), path.read_bytes()
    if kind == "byte" and content:
        place = draw.randrange(len(content))
        path.write_bytes(content[:place] + bytes([content[place] ^ (1 << draw.randrange(8))]) + content[place + 1 :])
    elif kind == "cut":
        path.write_bytes(content[: draw.randrange(len(content) + 1)])
    elif kind == "removed":
        path.unlink()
    elif kind == "time":
        os.utime(path, (draw.choice([0, 4e9]),) * 2)
    elif path.parent.parent != folder:
        path.parent.rename(path.parent.with_name(f"{path.parent.name}-moved"))
    return kind, path.relative_to(folder)


def case(whole: Path, folder: Path, draw: random.Random, known: dict[int, Any]) -> tuple[str, list[str]]:
    """Damage a copy and use it; the kind and the file, and what went wrong, a line each."""
    shutil.copytree(whole, folder)
    os.chdir(folder)
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    kind, path = damage(folder, draw)
    found: list[str] = []
    board = ["leaderboard", "--top", "1000", "--format", "json"]
    for arguments in (board, ["launch", *STUDY, "--trials", str(TRIALS + 1)], board, ["export", "0", "--to", "net.py"]):
        code, out, err = command(*arguments)
        if code == 4 or "Traceback" in err:
            found.append(f"tracebacks: {arguments[0]}: {err.strip().splitlines()[-1][:200] if err.strip() else code}")
        if arguments is board and code == 0:
            now = rows(out)
            lost = [trial for trial, row in known.items() if row[2] is not None and trial not in now]
            wrong = [t for t, row in known.items() if t in now and row[2] is not None and now[t] != row]
            found += [f"lost_epochs: trials {lost}"] if lost else []
            found += [f"wrong_figures: {[(known[t], now[t]) for t in wrong]}"[:300]] if wrong else []
    return f"{kind} {path}", list(dict.fromkeys(found))


def measure(cases: int, seed: int) -> dict[str, Any]:
    """All cases; counts, and what was found in each case that was not as it should be."""
    counts, of_storage, found = Counter[str](), Counter[str](), list[str]()
    setattr(resources, "LocalEngine", lambda places, **_: HereEngine())  # noqa: B010 (a class in place of another)
    kinds, here = Counter[str](), Path.cwd()
    with tempfile.TemporaryDirectory() as name:
        whole = Path(name) / "whole"
        make_data(whole / "data")
        os.chdir(whole)
        os.environ["XDG_CACHE_HOME"] = str(whole / "cache")
        code, _, err = command("launch", *STUDY, "--trials", str(TRIALS))
        if code:
            raise RuntimeError(f"the search could not be run: {err}")
        known = rows(command("leaderboard", "--top", "1000", "--format", "json")[1])
        for number in range(cases):
            what, wrong = case(whole, Path(name) / "case", random.Random(f"{seed}/{number}"), known)
            os.chdir(here)
            shutil.rmtree(Path(name) / "case")
            kinds[what.partition(" ")[0]] += 1
            (of_storage if what.endswith("journal.log") else counts).update(line.partition(":")[0] for line in wrong)
            found += [f"{number}: {what}: {line}" for line in wrong]
    return {
        "cases": cases,
        **{key: counts[key] for key in COUNTED},
        **{f"{key}_storage": of_storage[key] for key in COUNTED},
        "kinds": dict(kinds),
        "found": found,
    }


def main() -> None:
    """Run the cases and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="40 cases")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    result = measure(40 if given.quick else given.cases, given.seed)
    if given.json:
        print(json.dumps(result))
    else:
        for key, value in result.items():
            print(f"{key}: {value}" if key != "found" else "\n".join(value))


if __name__ == "__main__":
    main()
