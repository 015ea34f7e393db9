from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from constraints.errors import UnusableInputError
from nas.toml import read_toml, validated


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    low: int


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = ""
    width: Inner | None = None
    parts: list[Inner] = []


def test_a_valid_table_becomes_the_model() -> None:
    assert validated(Outer, {"width": {"low": 3}}, "a.toml") == Outer(width=Inner(low=3))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"width": {"low": 1, "hihg": 2}}, "a.toml: width.hihg: 2: unknown key: known are low"),
        ({"parts": [{"low": 1}, {"low": "x"}]}, "a.toml: parts.2.low: 'x': write a whole number"),
        ({"parts": [{"low": 1, "top": 2}]}, "a.toml: parts.1.top: 2: unknown key: known are low"),
        ({"nmae": "x"}, "a.toml: nmae: 'x': unknown key: did you mean name?"),
    ],
)
def test_the_error_names_file_key_value_and_what_is_allowed(table: dict[str, object], message: str) -> None:
    with pytest.raises(UnusableInputError) as caught:
        validated(Outer, table, "a.toml")
    assert str(caught.value).startswith(message)


def test_without_a_file_the_flag_is_named() -> None:
    with pytest.raises(UnusableInputError, match=r"^--name: 3: write text$"):
        validated(Outer, {"name": 3}, "")


def test_a_missing_file_and_one_that_is_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableInputError, match=r"cannot read .*none.toml: No such file"):
        read_toml(tmp_path / "none.toml")
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UnusableInputError, match="is not TOML"):
        read_toml(binary)


@pytest.mark.parametrize("text", ["width = " + "9" * 5000, "width = " + "[" * 5000, "a." * 3000 + "a = 1"])
def test_what_python_cannot_read_of_toml_is_refused_too(tmp_path: Path, text: str) -> None:
    file = tmp_path / "deep.toml"
    file.write_text(text)
    with pytest.raises(UnusableInputError, match="is not TOML"):
        read_toml(file)
