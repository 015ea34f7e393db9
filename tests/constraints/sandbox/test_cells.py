"""The Python of a notebook's cell."""

from __future__ import annotations

import pytest

from constraints.sandbox.cells import python_of


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
