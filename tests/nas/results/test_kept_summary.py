"""The cache file of a summary: what is read is what was written, or nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.results.kept_summary import VERSION, keep, read

DOCUMENT = {"trials": [[0, [1, 2, "ü\n", None]]]}
JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")), st.lists)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "digests" / "x.json"


@settings(max_examples=15)
@given(st.dictionaries(st.text(st.characters(codec="utf-8")), JSON))
def test_what_was_written_is_read(tmp_path_factory: pytest.TempPathFactory, document: dict[str, Any]) -> None:
    kept = tmp_path_factory.mktemp("kept") / "x.json"
    keep(kept, document)
    assert read(kept) == document


def test_no_cache_is_empty_and_its_folder_is_made(kept: Path) -> None:
    assert read(kept) == {}
    keep(kept, DOCUMENT)
    assert read(kept) == DOCUMENT
    keep(kept, {})
    assert read(kept) == {}


def test_any_other_byte_makes_it_nothing(kept: Path) -> None:
    keep(kept, DOCUMENT)
    whole = kept.read_bytes()
    for at in range(len(whole)):
        kept.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert read(kept) == {}
    kept.write_bytes(whole[:-1])
    assert read(kept) == {}
    kept.write_bytes(whole)
    assert read(kept) == DOCUMENT


def test_another_version_is_not_read(kept: Path) -> None:
    keep(kept, DOCUMENT)
    text = kept.read_text("utf-8")
    assert text.startswith(f"{VERSION} ")
    kept.write_text(text.replace(f"{VERSION} ", f"{VERSION + 1} ", 1), "utf-8")
    assert read(kept) == {}
    kept.write_text(json.dumps(DOCUMENT), "utf-8")
    assert read(kept) == {}


def test_where_nothing_can_be_written_nothing_is_raised(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    keep(tmp_path / "file" / "x.json", DOCUMENT)
    assert read(tmp_path / "file" / "x.json") == {}
    assert read(tmp_path) == {}
