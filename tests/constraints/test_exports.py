"""The public names of the package, in any order of imports."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from torch import nn

import constraints
from constraints import tracer

FOLDER = Path(constraints.__file__).parent


def test_every_name_loads() -> None:
    assert {name for name in constraints.__all__ if getattr(constraints, name) is None} == set()
    assert {name for name in dir(constraints) if not name.startswith("__")} == set(constraints.__all__) - {
        "__version__"
    }
    assert set(constraints.__all__) <= set(dir(constraints))


def test_no_module_hides_a_name() -> None:
    modules = {path.stem for path in FOLDER.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert modules & {*constraints.__all__} == {"trace"}, "which can be called as the name can"


def test_the_module_that_0_1_0_had_still_gives_the_tracer_and_hides_nothing() -> None:
    old = importlib.import_module("constraints.trace")
    assert (old.trace, old.Trace) == (tracer.trace, tracer.Trace)
    assert constraints.trace(nn.Conv2d(3, 4, 1)).metrics.params == 3 * 4 + 4


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'constraints' has no attribute 'chek'"):
        getattr(constraints, "chek")  # noqa: B009 (a type checker knows that too)


def test_the_rules_need_no_torch() -> None:
    code = (
        "import sys; from constraints import ASSIGNMENT, Constraint, Layer, Metrics, Verdict, parse, Report\n"
        "assert parse(ASSIGNMENT[1]).metric == 'params'; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
