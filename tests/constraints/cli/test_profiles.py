"""Tables of constraints in TOML: expressions, tables, profiles, and one-line errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from constraints.cli.profiles import chosen, read_constraints
from constraints.errors import UnusableInputError
from constraints.rules import ASSIGNMENT

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
        ("params = " + "[" * 5000, None, "not TOML: .*: .*recursion"),
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
