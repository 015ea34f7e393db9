"""What messages show of URLs."""

import pytest

from nas.passwords import masked


def test_passwords_are_masked_wherever_they_are() -> None:
    assert masked("to postgresql://a:b:c@h/d and mysql://u:p@h") == "to postgresql://a:***@h/d and mysql://u:***@h"
    assert masked("postgresql://user@host:5432/db") == "postgresql://user@host:5432/db"
    assert (
        masked("postgresql://h/d?user=a&password=b&sslmode=require")
        == "postgresql://h/d?user=a&password=***&sslmode=require"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://me:a/b@h/d", "postgresql://me:***@h/d"),
        ("http://me:secret@h:5000/x", "http://me:***@h:5000/x"),
        ("postgresql://me:a@b@h/d", "postgresql://me:***@h/d"),
        ("postgresql://me:a@b/c@h/d", "postgresql://me:***@h/d"),
        ("postgresql://me:@@h/d?x=a@b", "postgresql://me:***@h/d?x=a@b"),
        ("https://token@h/x", "https://***@h/x"),
        ("sqlite:////tmp/me@home.db", "sqlite:////tmp/me@home.db"),
    ],
)
def test_a_password_may_hold_a_slash_and_a_token_be_a_user(text: str, expected: str) -> None:
    assert masked(text) == expected
