"""The Python of a notebook's cell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from constraints.errors import UnusableInputError
from constraints.sandbox.cells import cells, python_of


@pytest.mark.parametrize(
    ("cell", "python", "left_out"),
    [
        ("x = 1\ny = 2", "x = 1\ny = 2", 0),
        ("x = 5 % 3", "x = 5 % 3", 0),
        ("!ls\nx = 1", "pass\nx = 1", 1),
        ("if x:\n    %cd a\ny?", "if x:\n    pass\npass", 2),
        ("!pip install a \\\n  b\nx = 1", "pass\n\nx = 1", 2),
        ("%%bash\nls\nls", "", 3),
        ("%%time\nx = 1", "pass\nx = 1", 1),
        ("!ls\nt = '''\n!a\n'''\n!ls", "pass\nt = '''\n!a\n'''\npass", 2),
        ('!ls\nt = r"""#\\"""\n%a\n""" # \'\'\'\n%a', 'pass\nt = r"""#\\"""\n%a\n""" # \'\'\'\npass', 2),
        ('!ls\nt = \'"""\' + "it\'s"\n%a', 'pass\nt = \'"""\' + "it\'s"\npass', 2),
        ("!ls \\\n  %cd\nx = 1", "pass\n\nx = 1", 2),
    ],
)
def test_lines_of_shell_and_magic_are_replaced_so_that_the_others_keep_their_numbers(
    cell: str, python: str, left_out: int
) -> None:
    assert python_of(cell) == (python, left_out)


@pytest.mark.parametrize(
    "metadata",
    [None, {}, {"kernelspec": None, "language_info": None}, {"kernelspec": {}, "language_info": {"name": None}}],
)
def test_a_notebook_that_does_not_say_its_language_is_of_python(metadata: object) -> None:
    code = {"cell_type": "code", "source": ["x = 1\n", "y = 2"]}
    text = json.dumps({"metadata": metadata, "cells": [code]})
    assert list(cells(Path("a.ipynb"), text)) == [(1, "x = 1\ny = 2")]


@pytest.mark.parametrize("metadata", ["python", [1], {"kernelspec": 3}, {"language_info": ["python"]}])
def test_metadata_of_another_shape_are_those_of_no_notebook(metadata: object) -> None:
    with pytest.raises(UnusableInputError, match=r"not a notebook: 'a\.ipynb'"):
        list(cells(Path("a.ipynb"), json.dumps({"metadata": metadata, "cells": []})))
