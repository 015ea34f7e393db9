"""Counts the product's lines, long files, tests of a component's kind, and uses of private Optuna names.

Run ``python -m benchmarks.house [FOLDER] [--json]``; FOLDER is a checkout, this one by default.
"""

from __future__ import annotations

import argparse
import ast
import json
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PRODUCT = ("nas/**/*.py", "constraints/**/*.py", "search.py")
LONG = 250
"""A file with more lines is long."""
COMPONENTS = frozenset(
    {"Component", "Unit", "Conv", "Gated", "Mixed", "Excite", "Unshuffle", "GatedConv", "MixedConv", "SqueezeExcite"}
)
"""Kinds of components, by their present and former names."""
OPTUNA = frozenset({"study", "trial", "storage", "frozen", "backend", "journal", "sampler", "super()", "self._study"})
"""Names of variables with Optuna's values, whose private attributes are counted."""


def sources(root: Path) -> dict[Path, str]:
    """The product's Python files."""
    return {file: file.read_text(encoding="utf-8") for pattern in PRODUCT for file in sorted(root.glob(pattern))}


def measured(root: Path) -> dict[str, int]:
    """Every number by its name."""
    texts = sources(root)
    trees = [ast.parse(text) for text in texts.values()]
    lengths = [text.count("\n") for text in texts.values()]
    private = [ast.parse(text) for text in texts.values() if "optuna" in text]
    return {
        "files": len(texts),
        "lines": sum(lengths),
        "long_files": sum(length > LONG for length in lengths),
        "kind_tests": sum(1 for tree in trees for _ in kind_tests(tree)),
        "private_optuna": sum(1 for tree in private for _ in private_names(tree)),
    }


def kind_tests(tree: ast.AST) -> Iterator[ast.AST]:
    """Number of ``isinstance`` tests for a kind of component, and of match patterns."""
    for node in ast.walk(tree):
        of = node.cls if isinstance(node, ast.MatchClass) else None
        if isinstance(node, ast.Call) and _name(node.func) == "isinstance" and len(node.args) == 2:
            of = node.args[1]
        if of is not None and {_name(part) for part in ast.walk(of)} & COMPONENTS:
            yield node


def private_names(tree: ast.AST) -> Iterator[ast.Attribute]:
    """Number of attributes with one leading underscore on variables with Optuna's values."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr[:1] == "_" != node.attr[1:2] and _owner(node) in OPTUNA:
            yield node


def _owner(node: ast.Attribute) -> str:
    return ast.unparse(node.value)


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def main() -> None:
    """Print one line per number, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measured(options.folder)
    print(json.dumps(found) if options.json else "\n".join(f"{value:>7,} {name}" for name, value in found.items()))


if __name__ == "__main__":
    main()
