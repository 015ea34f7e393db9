"""Code that is compiled within other code."""

from __future__ import annotations

from constraints.sandbox.code_objects import codes


def test_code_is_followed_by_all_that_it_defines() -> None:
    text = "x = 1\nclass A:\n    def f(self):\n        return lambda: [y for y in x]\ndef g(): pass\n"
    names = [code.co_name for code in codes(compile(text, "net.py", "exec"))]
    assert names[:4] == ["<module>", "A", "f", "<lambda>"]
    assert names[-1] == "g"


def test_code_without_definitions_is_itself_alone() -> None:
    code = compile("1 + x", "net.py", "eval")
    assert list(codes(code)) == [code]
