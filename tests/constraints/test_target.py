"""What a command line points at, read without running it."""

import ast
import re
from pathlib import Path

import pytest

from constraints.errors import UnusableInputError
from constraints.target import line_of, parse_target, possible_metrics, read_source


@pytest.mark.parametrize(
    ("text", "file", "module", "name"),
    [
        ("net.py:Net", "net.py", "", "Net"),
        ("a/b:Net", "a/b", "", "Net"),
        ("a\\b:Net", "a\\b", "", "Net"),
        ("C:/x.py:Net.inner", "C:/x.py", "", "Net.inner"),
        ("package.module:make", None, "package.module", "make"),
        ("größe:Net", None, "größe", "Net"),
    ],
)
def test_files_and_modules(text: str, file: str | None, module: str, name: str) -> None:
    target = parse_target(text)
    assert (target.text, target.module, target.name) == (text, module, name)
    assert target.file == (None if file is None else Path(file))
    assert target.place == (file or module)


@pytest.mark.parametrize("text", ["net.py", ":Net", "net.py:", "net.py:1x", "net.py:a.", "net.py:a b", ""])
def test_a_target_without_a_name(text: str) -> None:
    with pytest.raises(UnusableInputError, match=re.escape(f"no NAME in target: {text!r}: write file.py:NAME")):
        parse_target(text)


@pytest.mark.parametrize("place", ["1net", "a..b", "a-b", ".a"])
def test_a_place_that_is_neither(place: str) -> None:
    with pytest.raises(UnusableInputError, match=re.escape(f"neither a .py file nor a module: {place!r}")):
        parse_target(f"{place}:Net")


def test_a_modules_source_is_not_looked_for() -> None:
    assert read_source(parse_target("no.such:Net")) is None
    assert possible_metrics(None) is None


def test_errors_of_a_file_name_it_and_the_line(tmp_path: Path) -> None:
    with pytest.raises(
        UnusableInputError, match=r"cannot read the file: '.*none\.py': No such file or directory: give"
    ):
        read_source(parse_target(f"{tmp_path}/none.py:Net"))
    broken = tmp_path / "broken.py"
    broken.write_text("x = 1\nclass Net(:\n")
    with pytest.raises(UnusableInputError, match=r"syntax error: .*broken\.py:2: .*: mend that line"):
        read_source(parse_target(f"{broken}:Net"))
    broken.write_bytes(b"x = 1\0")
    with pytest.raises(UnusableInputError, match=r"broken\.py"):
        read_source(parse_target(f"{broken}:Net"))


SOURCE = """from metrics import deep as depth
import other

def net():
    def inner(): ...
class Net: ...
Net = wrapped = 3
first, second = 1, 2
size: int = 4
size = 5
"""


@pytest.mark.parametrize(
    ("name", "line"),
    [("net", 4), ("Net", 7), ("wrapped", 7), ("size", 10), ("inner", None), ("first", None), ("other", None)],
)
def test_the_line_on_which_a_name_is_defined_last(name: str, line: int | None) -> None:
    assert line_of(ast.parse(SOURCE), name) == line


def test_names_that_may_be_metrics() -> None:
    found = possible_metrics(ast.parse(SOURCE))
    assert found is not None
    assert {"params", "net", "inner", "deep"} <= found
    assert not {"Net", "other", "size"} & found
    assert possible_metrics(ast.parse("from metrics import *")) is None  # only running it would tell
