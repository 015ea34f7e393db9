"""A user's file as statements: Python files, and the cells of notebooks without what is no Python."""

from __future__ import annotations

import ast
import json
from itertools import pairwise
from pathlib import Path

import pytest

from constraints.errors import NoModelError, UnusableInputError
from constraints.sandbox.notebooks import script
from constraints.sandbox.source import Source, read
from constraints.sandbox.source_text import decoded, editable


def notebook(*cells: str, **metadata: object) -> str:
    found = [{"cell_type": "markdown", "source": "# words"}]
    found += [{"cell_type": "code", "source": cell} for cell in cells]
    return json.dumps({"cells": found, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture
def book(tmp_path: Path) -> Path:
    return tmp_path / "book.ipynb"


def source(book: Path, *cells: str) -> Source:
    book.write_text(notebook(*cells))
    return read(book)


def lines(found: Source) -> list[str]:
    return [ast.unparse(s) for s in found.tree.body]


def test_shell_and_magic_lines_are_left_out_and_counted(book: Path) -> None:
    found = source(book, "!pip install a \\\n  b\n%matplotlib inline\nx = 1\nfiles = !ls\nx?", "y = 2")
    assert [line for line in lines(found) if line != "pass"] == ["x = 1", "y = 2"]
    assert found.warnings == (f"{book}: 5 lines of shell or magic left out",)
    assert found.is_notebook
    assert [p.name for p in found.parts] == [f"{book}, cell 1", f"{book}, cell 2"]
    assert found.tree.body[2].lineno == 4  # of x = 1, as in the cell


def test_a_shell_line_keeps_its_block(book: Path) -> None:
    assert lines(source(book, "if True:\n    !ls\nx = 1")) == ["if True:\n    pass", "x = 1"]


def test_what_only_looks_like_magic_stays(book: Path) -> None:
    found = source(book, "t = '''\n!not a command\n'''\nr = (7\n% 4)")
    assert lines(found) == ["t = '\\n!not a command\\n'", "r = 7 % 4"]
    assert found.warnings == ()


def test_a_cell_of_another_language_is_left_out(book: Path) -> None:
    found = source(book, "%%bash\nls | wc", "%%time\nx = 1", "for (i in 1:3) print(i)")
    assert [line for line in lines(found) if line != "pass"] == ["x = 1"]
    assert f"{book}, cell 3: left out, because it is not Python: line 1: invalid syntax" in found.warnings[0]


@pytest.mark.parametrize(
    "cell",
    [
        "%%bash\n%run cfg.py",
        "%%time\nif False:\n    %run cfg.py",
        "!ls\ntext = '''\n%run cfg.py\n'''",
        "!echo \\\n%run cfg.py",
        "%run cfg.py\nx = = 1",
    ],
)
def test_what_jupyter_does_not_run_is_not_run(book: Path, cell: str) -> None:
    book.with_name("cfg.py").write_text("width = 16")
    found = source(book, cell)
    assert "width = 16" not in lines(found)
    assert found.others == ()


def test_an_indented_run_is_left_out_with_a_warning(book: Path) -> None:
    book.with_name("cfg.py").write_text("width = 16")
    found = source(book, "if x:\n    %run cfg.py")
    what = "whether it runs is not known before the code runs: do not indent it"
    assert found.warnings == (f"{book}, cell 1: %run cfg.py left out: {what}",)


def test_parts_of_a_cell_are_one_part_of_its_notebook(book: Path) -> None:
    book.with_name("cfg.py").write_text("width = 16")
    found = source(book, "a = 1\n%run cfg.py\nb = 2")
    assert lines(found) == ["a = 1", "pass", "width = 16", "b = 2"]
    (own,) = found.own_parts
    assert (own.text, own.start, [s.lineno for s in own.statements]) == ("a = 1\npass\nb = 2", 0, [1, 2, 3])
    assert script(found, "b") == "b = 2\n"
    assert script(found, "width") == "width = 16\n"


@pytest.mark.parametrize("options", ["", "-n "])
def test_a_main_block_of_a_file_that_is_run_is_named(book: Path, options: str) -> None:
    cfg = book.with_name("cfg.py")
    cfg.write_text("width = 8\nif __name__ == '__main__':\n    width = 16")
    found = source(book, f"%run {options}cfg.py")
    what = "left out, although %run enters it: if __name__ == '__main__': move what the model needs out of it"
    assert found.warnings[1:] == (() if options else (f"{cfg}:2: {what}",))


def test_notebooks_that_run_the_next_one_twice_are_refused(tmp_path: Path) -> None:
    """The last of 17 has one statement; one that runs the next one twice has two lines, and twice its statements."""
    files = [tmp_path / f"n{i}.ipynb" for i in range(17)]
    for file, after in pairwise(files):
        file.write_text(notebook(f"%run {after.name}\n%run {after.name}"))
    files[-1].write_text(notebook("x = 1"))
    assert len(read(files[-3]).tree.body) == 2 + 2 * (2 + 2 * 1)
    assert [path for path, _ in read(files[-3]).files(files[-3])] == files[-3:]
    with pytest.raises(UnusableInputError, match=r"has more than 20000 statements: .*: run each file once$"):
        read(files[0])


@pytest.mark.parametrize("length", [51, 52, 1200])
def test_a_long_chain_of_notebooks_is_refused(tmp_path: Path, length: int) -> None:
    """The first one and 50 that it and the others run are the most."""
    for i in range(length):
        (tmp_path / f"n{i}.ipynb").write_text(notebook(f"%run n{i + 1}.ipynb" if i + 1 < length else "x = 1"))
    if length == 51:
        assert lines(read(tmp_path / "n0.ipynb")) == ["pass"] * 50 + ["x = 1"]
        return
    with pytest.raises(UnusableInputError, match=r"a chain of more than 50: .*n51\.ipynb': put their code into fewer"):
        read(tmp_path / "n0.ipynb")


def test_the_third_format_of_notebooks_is_read_too(book: Path) -> None:
    cells = [{"cell_type": "code", "input": ["x = 1\n", "y = 2"]}]
    book.write_text(json.dumps({"worksheets": [{"cells": cells}], "metadata": {}, "nbformat": 3}))
    assert lines(read(book)) == ["x = 1", "y = 2"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not a notebook: .*: get it again, or save it again where it is open"),
        ("[]", "not a notebook"),
        ("", "not a notebook: .*: it is empty: get it again"),
        ("<!DOCTYPE html><html></html>", "not a notebook: .*: it is a web page: download the notebook itself"),
        (
            '{\n<<<<<<< HEAD\n"cells": [],\n=======\n"cells": [1],\n>>>>>>> other\n"nbformat": 4}',
            "not a notebook: .*: git left a conflict at line 2: keep one side",
        ),
        ('{"cells": 3}', "not a notebook"),
        ("[" * 100_000, "not a notebook"),
        (notebook("x", language_info={"name": "R"}), "not a Python notebook: .*: its language is R"),
        (notebook("x", kernelspec={"name": "ir"}), "not a Python notebook: .*: its language is R"),
        (notebook("x", kernelspec={"name": "julia-1.9"}), "not a Python notebook: .*: its language is Julia"),
    ],
)
def test_what_is_no_python_notebook_is_refused_in_one_line(book: Path, content: str, message: str) -> None:
    book.write_text(content)
    with pytest.raises(UnusableInputError, match=message) as error:
        read(book)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kernel", ["python3", "irvine", "", "torch-env", None])
def test_a_kernel_of_any_other_name_is_one_of_python(book: Path, kernel: str | None) -> None:
    book.write_text(notebook("x", kernelspec={"name": kernel}))
    assert lines(read(book)) == ["x"]


def test_a_python_file_is_one_part(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("x = 1\nclass Net: pass\n")
    found = read(tmp_path / "net.py")
    assert [type(s) for s in found.tree.body] == [ast.Assign, ast.ClassDef]
    assert (len(found.parts), found.is_notebook, found.warnings) == (1, False, ())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"x = 1\n# r\xe9seau\n", r"cannot decode .*a\.py:2: byte 0xe9 is no UTF-8: save it as UTF-8, or say on its"),
        (b"# r\xe9seau\n", r"a\.py:1: byte 0xe9"),
        (b"\n\n\nx = 'r\xe9seau'\n", r"a\.py:4: byte 0xe9"),
        (b"# coding: ascii\n#\n#\n# \xff\n", r"a\.py:4: byte 0xff is no ASCII"),
        ("x = 1\n".encode("utf-16"), "holds null bytes, as UTF-16 does: save it as UTF-8"),
        ("x = 1\n".encode("utf-16-be"), "holds null bytes, as UTF-16 does: save it as UTF-8"),
        (b"# coding: nothing\n", r"syntax error: .*a\.py:1: unknown encoding: nothing: fix that line"),
        (b"# coding: rot13\n", r"syntax error: .*a\.py:1: 'rot13' is not a text encoding.*: fix that line"),
        (b"\xef\xbb\xbf# coding: latin-1\n", "syntax error: .*encoding problem.*: fix that line"),
    ],
)
def test_what_python_refuses_to_decode_is_said_in_one_line(tmp_path: Path, data: bytes, reason: str) -> None:
    """It refuses the program; ``ast.parse`` takes what is in a comment."""
    (tmp_path / "a.py").write_bytes(data)
    with pytest.raises(UnusableInputError, match=reason):
        read(tmp_path / "a.py")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x = 1\n<<<<<<< HEAD\ny = 2\n", r"a\.py:2: .*: git left a conflict there: keep one side of it$"),
        (">>> x = 1\n", r"a\.py:1: .*: it is copied from a session of Python: take the prompts out$"),
        ("if 1:\n\tx = 1\n        y = 2\n", r"a\.py:3: inconsistent .*: indent with spaces alone$"),
        ("print 'x'\n", r"a\.py:1: .*: the file is for Python 2: write it for Python 3$"),
        ("x = 'C:\\Users\\me'\n", r"a\.py:1: .*: write that path with /, or as r'...'$"),
        ("%matplotlib inline\nx = (\n", r"a\.py:1: invalid syntax: fix that line$"),
    ],
)
def test_a_syntax_error_of_a_kind_that_people_make_has_its_own_remedy(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "a.py").write_text(text)
    with pytest.raises(UnusableInputError, match=reason):
        read(tmp_path / "a.py")


def test_lines_of_shell_and_magic_in_a_script_are_left_out_and_keep_their_places(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("%matplotlib inline\n!pip install torch\nx = 1\n")
    source = read(file)
    assert source.warnings == (f"{file}: 2 lines of shell or magic left out",)
    assert [s.lineno for s in source.tree.body] == [1, 2, 3]
    with pytest.raises(UnusableInputError, match=r"a\.py:1 is a line of shell or magic: take such lines out, or save"):
        editable(file)


@pytest.mark.parametrize(
    "data",
    ["# r\xe9seau\nx = 1\n".encode("utf-8-sig"), "# coding: latin-1\nx = 'r\xe9seau'\n".encode("latin-1")],
)
def test_marks_and_coding_lines_are_read(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.py").write_bytes(data)
    assert len(read(tmp_path / "a.py").tree.body) == 1


def test_a_notebook_that_is_no_utf_8_is_to_be_saved_as_that(tmp_path: Path) -> None:
    """Jupyter opens no such file, and so cannot save it anew."""
    file = tmp_path / "a.ipynb"
    file.write_bytes('{"cells": [], "\xe9": 1}'.encode("latin-1"))
    with pytest.raises(UnusableInputError, match=r"cannot decode .*: save it as UTF-8$"):
        read(file)
    file.write_text('{"cells": []}', "utf-16")
    with pytest.raises(UnusableInputError, match=r"cannot decode .*: save it as UTF-8$"):
        decoded(file)


def test_a_text_in_place_of_the_file_has_no_coding(tmp_path: Path) -> None:
    (statement,) = read(tmp_path / "a.py", "\ufeff# coding: latin-1\nx = 'ü'\n").tree.body
    assert ast.unparse(statement) == "x = 'ü'"


def test_what_only_the_compiler_finds_is_a_syntax_error_too(tmp_path: Path, book: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("x = 1\nreturn x\n")
    with pytest.raises(UnusableInputError, match=r"syntax error: .*a\.py:2: 'return' outside function: fix that line"):
        read(file)
    found = source(book, "return 3", "await x", "y = 2")
    assert lines(found) == ["await x", "y = 2"]
    assert found.warnings == (f"{book}, cell 1: left out, because it is not Python: line 1: 'return' outside function",)


def test_a_notebook_of_another_language_holds_no_model(book: Path) -> None:
    book.write_text(notebook("x", language_info={"name": "R"}))
    with pytest.raises(NoModelError):  # which is skipped in a folder
        read(book)


def test_lines_of_magic_in_a_notebook_saved_as_a_script_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    magic = "get_ipython().system('pip install x')\nget_ipython().run_line_magic('matplotlib', 'inline')\n"
    file.write_text(f"{magic}x = 1\nfiles = get_ipython().getoutput('ls')\n")
    source = read(file)
    assert [statement.lineno for statement in source.parts[0].statements] == [3, 4]
    assert source.warnings == (f"{file}: 2 lines of shell or magic left out",)
