"""Errors of the Python functions name keywords."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_type_hints

import pytest
import torch

import nas
from constraints.errors import UnusableInputError
from nas.api.keywords import in_keywords
from nas.config import LaunchFields
from tests.nas.api.messages import messages

KNOWN = LaunchFields.__annotations__.keys() | {"anew", "arguments", "force", "to", "untrained"}
SIGNS = {**dict.fromkeys(["anew", "force", "guess", "stop_at_target", "untrained"], "=True"), "to": "="}
VALUES = {
    "--arg a:b": "arguments={'a:b': ...}",
    "--augmentation a:b,flip=0": "augmentation='a:b,flip=0'",
    "--augmentation a:b,flip=1": "augmentation='a:b,flip=1'",
    "--augmentation assignment,flip=1": "augmentation='assignment,flip=1'",
    "--constraints FILE.toml": "constraints=['FILE.toml']",
    "--device cpu": "device='cpu'",
    "--engine local": "engine='local'",
    "--engine ray": "engine='ray'",
    "--epochs a:b": "epochs='a:b'",
    "--log a:b": "log=['a:b']",
    "--objective balanced_accuracy": "objective='balanced_accuracy'",
    "--recipe FILE.toml": "recipe='FILE.toml'",
    "--recipe sgd": "recipe='sgd'",
    "--storage a:b": "storage='a:b'",
    "--storage sqlite:///a:b": "storage='sqlite:///a:b'",
    "--study a:b": "study='a:b'",
    "--teacher a:b": "teacher=['a:b']",
    "--timeout a:b": "timeout='a:b'",
    "--to net.py": "to='net.py'",
    "--tune a:b": "tune='a:b'",
}
"""Every flag with a value in a message of the packages, in which ``a:b`` stands for what it is filled with."""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("--from-study: 'a': none", "from_study: 'a': none"),
        ("give --data DIR, or another --study", "give data=DIR, or another study"),
        ("give --timeout 90s", "give timeout='90s'"),
        ("give --timeout 90, or longer", "give timeout=90, or longer"),
        ("no GPU: take --device cpu", "no GPU: take device='cpu'"),
        ("take --device cpu, or none", "take device='cpu', or none"),
        ("--data 'x': it is of other data", "data='x': it is of other data"),
        ("--study a,b: is no name", "study='a,b': is no name"),
        ("give --arg dropout=... --arg width=3", "give arguments={'dropout': ..., 'width': 3}"),
        ("in a new --study", "in a new study"),
        ("give --data a path that may be read", "give data a path that may be read"),
        ("--require: 'x'", "constraints: 'x'"),
        ("uv run --extra ray search.py", "uv run --extra ray search.py"),
        ("a--data b", "a--data b"),
        ("give --storage sqlite:///x.db", "give storage='sqlite:///x.db'"),
        ("give --storage sqlite:///x.db: it is", "give storage='sqlite:///x.db': it is"),
        ("leave out --log mlflow:http://x:1/a", "leave out log=['mlflow:http://x:1/a']"),
        ("--log mlflow needs it", "log=['mlflow'] needs it"),
        ("--log nothing of it", "log nothing of it"),
        ("--teacher A:B: no such study", "teacher=['A:B']: no such study"),
        ("--teacher gone: no such study", "teacher=['gone']: no such study"),
        ("give --augmentation crop,flip=0, in a new --study", "give augmentation='crop,flip=0', in a new study"),
        ("give a --study without it", "give a study without it"),
        ("give another --study too: it is full", "give another study too: it is full"),
        ("--study 'a b': none", "study='a b': none"),
        ("takes none: --arg width: leave it out", "takes none: arguments={'width': ...}: leave it out"),
        ("--arg width=3: no", "arguments={'width': 3}: no"),
        ("--arg deep=true --arg name=a=b", "arguments={'deep': True, 'name': 'a=b'}"),
        ("perhaps by --arg", "perhaps by arguments"),
        ("give another --to, or --force to write over it", "give another to=, or force=True to write over it"),
        ("give --to a writable path", "give to= a writable path"),
        ("replaced by --anew after 3 epochs", "replaced by anew=True after 3 epochs"),
        ("give --untrained", "give untrained=True"),
        ("(--data 10%)", "(data='10%')"),
        ("take --engine ray:10.0.0.1:6379, or --engine local", "take engine='ray:10.0.0.1:6379', or engine='local'"),
        ('--require "params < 3": x', 'constraints=["params < 3"]: x'),
    ],
)
def test_flags_become_keywords_where_they_are_some(text: str, said: str) -> None:
    assert in_keywords(text, KNOWN) == said


def test_keywords_of_lists_are_those_that_take_no_text() -> None:
    lists = {name for name, kind in get_type_hints(LaunchFields).items() if "Sequence" in str(kind)}
    assert {name for name in lists if in_keywords(f"--{name} 3", KNOWN) == f"{name}=[3]"} == lists - {"tune"}


def test_every_message_with_a_flag_stays_a_sentence() -> None:
    """In each of them only the values of VALUES change, besides the dashes of flags that are keywords."""
    found: set[str] = set()
    for text in messages():
        expected = text
        for flag, keyword in VALUES.items():
            expected, count = re.subn(rf"(?<![\w-]){re.escape(flag)}(?![\w=/]|,\w|:\S)", keyword, expected)
            found |= {flag} if count else set()
        for name in KNOWN:
            flag = name.replace("_", "-")
            expected = re.sub(rf"(?<![\w-])--{flag}(?![\w-])", f"{name}{SIGNS.get(name, '')}", expected)
        expected = re.sub(r"(?<![\w-])--arg(?![\w-])", "arguments", expected)
        expected = re.sub(r"(?<![\w-])--require(?![\w-])", "constraints", expected)
        said = in_keywords(text, KNOWN)
        assert said == expected
        assert all(said.count(mark) % 2 == text.count(mark) % 2 for mark in "'\""), said
    assert found == VALUES.keys()


def test_an_unknown_keyword_is_named_as_it_was_given() -> None:
    with pytest.raises(UnusableInputError, match=r"^early_stop: 3: unknown key: "):
        nas.launch(data="digits", early_stop=3)  # type: ignore[call-arg]


def test_functions_on_studies_name_keywords(tmp_path: Path) -> None:
    reason = "launch a search, or give storage$"
    with pytest.raises(UnusableInputError, match=reason):
        nas.enqueue("seed", storage=tmp_path / "none.log")
    with pytest.raises(UnusableInputError, match=reason), nas.open_study(tmp_path / "none.log"):
        pass


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_device_is_advised_as_a_keyword(tmp_path: Path) -> None:
    with pytest.raises(UnusableInputError, match=r"can use: take device='cpu'$"):
        nas.launch(data="digits", space="tiny", trials=1, device="cuda", storage=str(tmp_path / "journal.log"))
