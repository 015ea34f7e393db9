"""The numbers of the product on a small one whose numbers are counted by hand."""

from __future__ import annotations

import ast
from pathlib import Path

from benchmarks.house import ROOT, measured, private_names, sources

TEXT = """import optuna
def f(component, study):
    match component:
        case [Conv(), nn.Gated()]:
            return study._storage, component._own
    return isinstance(component, (nn.Mixed, str)), isinstance(component, str), study.__class__
"""


def test_the_numbers_by_hand(tmp_path: Path) -> None:
    for name, text in {
        "nas/a.py": TEXT,
        "constraints/b/c.py": "x = 1\n" * 251,
        "search.py": "",
        "tests/d.py": TEXT,
    }.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert measured(tmp_path) == {"files": 3, "lines": 257, "long_files": 1, "kind_tests": 3, "private_optuna": 1}


def test_private_optuna_names_are_in_the_guarded_file_alone() -> None:
    users = {
        file.name for file, text in sources(ROOT).items() if "optuna" in text and [*private_names(ast.parse(text))]
    }
    assert users == {"optuna_private.py"}
