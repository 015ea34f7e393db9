"""Tables of constraints in TOML: expressions, tables, profiles, and one-line errors."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from constraints.cli.profiles import chosen, read_constraints, rules
from constraints.errors import UnusableInputError
from constraints.metrics import Metrics
from constraints.rules import ASSIGNMENT, parse_all
from nas.config import LaunchConfig
from nas.project_settings import settings

PROFILES = """
[profiles.small]
params = "< 50k"
convs_per_stage = [">= 3", "<= 5"]
max_pools = 0
[profiles.wide]
require = ["receptive_field > 44"]
"""


def test_a_profile_is_a_table_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(PROFILES)
    small = ("params < 50k", "convs_per_stage >= 3", "convs_per_stage <= 5", "max_pools == 0")
    assert read_constraints(file, "small") == small
    assert chosen(["macs < 1M"], file, "wide") == ("receptive_field > 44", "macs < 1M")
    assert chosen([], None, None) == ASSIGNMENT


@pytest.mark.parametrize(
    ("text", "profile", "message"),
    [
        ("profiles = 3", "small", r"not a table in .*: profiles = 3: write \[profiles\]"),
        ("[profiles]\nsmall = 'params < 1'", "small", r"not a table in .*: profiles.small = 'params < 1': write"),
        (PROFILES, "tall", "no such profile in .*: 'tall': it has small, wide"),
        (PROFILES, None, "no constraints in .*: its top level is empty: choose one with --profile: small, wide"),
        ("params = 2026-01-31", None, r"not a constraint in .*: params = datetime.date\(2026, 1, 31\): write"),
        ("params = " + "9" * 5000, None, "not TOML: .*: Exceeds the limit"),
        ("params = " + "[" * 5000, None, "not TOML: .*: .*nest deeper"),
        ("params = ", None, "not TOML: .*: Invalid value"),
    ],
)
def test_what_holds_no_constraints_is_refused_in_one_line(
    tmp_path: Path, text: str, profile: str | None, message: str
) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(text)
    with pytest.raises(UnusableInputError, match=message) as error:
        read_constraints(file, profile)
    assert "\n" not in str(error.value)


def test_a_profile_needs_its_file() -> None:
    with pytest.raises(UnusableInputError, match="no file for profile 'small': give --constraints"):
        chosen([], None, "small")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("requires = ['params < 3']", "unknown key in [tool.nas] of {}: 'requires': did you mean require?"),
        ("constraint.params = '< 3'", "unknown key in [tool.nas] of {}: 'constraint': did you mean constraints?"),
        ("require = ['parms < 3']", "[tool.nas] of {}: unknown metric: 'parms': did you mean params?"),
        ("constraints.params = '<'", "[tool.nas] of {}: not a constraint: 'params <': write METRIC OP VALUE"),
    ],
)
def test_what_is_wrong_in_a_project_is_said_with_its_file(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text(f"[tool.nas]\n{text}\n")
    with pytest.raises(UnusableInputError, match=f"^{re.escape(said.format(file))}"):
        rules([], None, None, tmp_path / "inner")


@pytest.mark.parametrize("text", ["[tool.nas]\n{}", "[tool . nas]\n{}", "[tool]\nnas = {{ {} }}", '[tool."nas"]\n{}'])
def test_a_table_of_a_project_is_found_however_it_is_written(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text.format("require = ['params < 3']"))
    assert rules([], None, None, tmp_path) == parse_all("params < 3")
    assert rules(["convs > 2"], None, None, tmp_path) == parse_all("convs > 2")


def test_fields_of_a_launch_are_no_misspelt_constraints(tmp_path: Path) -> None:
    fields = "\n".join(f"{name} = 3" for name in LaunchConfig.model_fields if name != "constraints")
    (tmp_path / "pyproject.toml").write_text(f"[tool.nas]\n{fields}\nrequire = 'params < 3'\n")
    assert rules([], None, None, tmp_path) == parse_all("params < 3")


NESTED = "[tool.nas]\nrequire = ['params < 3']\n"


@pytest.mark.parametrize(
    ("inner", "found"),
    [
        (b"[project]\nname = 'nas'\n", "params < 3"),
        (b"[tool.ruff]\nline-length = 100\n", "params < 3"),
        (b"[project\nname = 'x'\n", "params < 3"),  # damaged, and not about this table
        (b"tool = 3\n", "params < 3"),
        (b"[tool.nas]\n", None),  # as with ruff, an empty table ends the search
        (b"[tool.nas]\nspace = 'tiny'\n", None),
        (b"[tool]\nnas.require = 'convs < 4'\n", "convs < 4"),
        (b'["tool".nas]\nrequire = "convs < 4"\n', "convs < 4"),
        (b"\xef\xbb\xbf[tool.nas]\r\nrequire = 'convs < 4'\r\n", "convs < 4"),
    ],
)
def test_the_nearest_table_is_the_whole_of_it(tmp_path: Path, inner: bytes, found: str | None) -> None:
    (tmp_path / "pyproject.toml").write_text(NESTED)
    folder = tmp_path / "inner" / "deep"
    folder.mkdir(parents=True)
    (folder.parent / "pyproject.toml").write_bytes(inner)
    assert rules([], None, None, folder) == parse_all([found] if found else ASSIGNMENT)
    launched = settings(folder)
    assert ((launched and launched.table.get("constraints")) or None) == ([found] if found else None)


def test_a_link_is_searched_upward_from_where_it_stands(tmp_path: Path) -> None:
    here, away = tmp_path / "here", tmp_path / "away" / "models"
    here.mkdir()
    away.mkdir(parents=True)
    (here / "pyproject.toml").write_text(NESTED)
    (away.parent / "pyproject.toml").write_text("[tool.nas]\nrequire = ['convs < 4']\n")
    (here / "models").symlink_to(away)
    assert rules([], None, None, here / "models") == parse_all("params < 3")
    (here / "models" / "pyproject.toml").mkdir()  # a folder of that name is no file
    assert rules([], None, None, here / "models") == parse_all("params < 3")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[tool.nas]\nparams = '< 3'",
            r"unknown key in \[tool.nas\] of .*: 'params': write it below \[tool.nas.constr",
        ),
        (
            "[tool.nas]\nspeed = ['>= 3']",
            r"unknown key in \[tool.nas\] of .*: 'speed': write it below \[tool.nas.const",
        ),
        ("[tool.nas]\nstages = 4", r"unknown key in \[tool.nas\] of .*: 'stages': write it below \[tool.nas.constr"),
        ("[[tool]]\nnas.require = 'params < 3'", "not a table in .*: tool = .*: write"),
        ("[[tool.nas]]\nrequire = 'params < 3'", "not a table in .*: tool.nas = .*: write"),
        ("[tool.nas]\nrequire = 3", "not a constraint in .*: 3: write"),
        ("[tool.nas]\nrequire = []", "no constraints in .*: its top level is empty: write"),
        ("[tool.nas]\nrequire = ", "not TOML: .*: Invalid value.*: correct the line"),
        ("[tool]\nnas.require = ", "not TOML: .*: Invalid value.*: correct the line"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_table_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, said: str, encoding: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text, encoding)
    if encoding == "utf-16":
        said = "not TOML: .*: it is not text in UTF-8: save it as UTF-8"
    with pytest.raises(UnusableInputError, match=said):
        rules([], None, None, tmp_path)


def test_no_field_of_a_launch_is_named_as_a_metric() -> None:
    assert not {*Metrics.definitions()} & {*LaunchConfig.model_fields}
