from __future__ import annotations

import pytest

import search


@pytest.mark.parametrize(
    ("value", "note"),
    [
        ("45", "note: --timeout 45 is 45 seconds: write 45s, or 45m for minutes\n"),
        ("45s", ""),
        ("1m", ""),
    ],
)
def test_a_plain_number_for_a_duration_is_said_to_be_seconds(
    value: str, note: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert search.run(["validate", "none.py:Net", "--timeout", value]) == 2
    first, _, rest = capsys.readouterr().err.partition("error: ")
    assert first == note
    assert rest.startswith("cannot read")
