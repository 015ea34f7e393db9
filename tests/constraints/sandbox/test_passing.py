"""New values for some of the layers that one call makes: the edited file makes just those."""

from __future__ import annotations

from pathlib import Path

import pytest

from constraints.errors import UnusableInputError
from constraints.sandbox.passing import Passing
from constraints.source_edits import edited
from tests.constraints.sandbox.made import made_layers

FUNCTION = """from torch import nn
def conv(o):
    return nn.Conv2d(3, o, 1)
net = nn.Sequential(conv(3), conv(3), conv(3))
"""
LOOP = """from torch import nn
net = nn.Sequential(*[nn.Conv2d(3, 3, 1) for _ in range(3)])
"""
LIST = """from torch import nn
net = nn.Sequential(*[nn.Conv2d(3, 3, 1, dilation=d) for d in (1, 1, 1)])
"""
STARS = """from torch import nn
def conv(o, **more):
    return nn.Conv2d(3, o, 1, **more)
net = nn.Sequential(conv(3), conv(3, bias=False), conv(3))
"""


@pytest.mark.parametrize("text", [FUNCTION, LOOP, LIST, STARS], ids=["function", "loop", "list", "stars"])
@pytest.mark.parametrize(
    "values", [{"1": "2"}, {"0": "2", "2": "2"}, {"0": "2", "1": "3"}, {"0": "2", "1": "2", "2": "2"}]
)
def test_the_edited_file_makes_layers_with_these_values(tmp_path: Path, text: str, values: dict[str, str]) -> None:
    passing = Passing.of(made_layers(tmp_path, text))
    passing.give("dilation", values, "1")
    new = edited(text, list(passing.calls.values()), passing.pieces())
    names: dict[str, list[object]] = {}
    exec(compile(new, "net.py", "exec"), names)
    found = [layer.dilation[0] for layer in names["net"]]  # type: ignore[attr-defined]
    assert found == [int(values.get(str(i), "1")) for i in range(3)], new


def test_a_condition_is_true_of_these_layers_alone(tmp_path: Path) -> None:
    passing = Passing.of(made_layers(tmp_path, LOOP))
    assert passing.condition(["0", "2"], "is_wide") == "i in (0, 2)"


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ("made = map(lambda _: nn.Conv2d(3, 3, 1), 'ab')", "the call at line 2 is in no function of its own"),
        (
            "made = []\nwhile len(made) < 2:\n    made.append(nn.Conv2d(3, 3, 1))",
            "no edit changes only some of what the call at line 4 makes",
        ),
    ],
)
def test_what_no_edit_distinguishes_is_refused(tmp_path: Path, made: str, message: str) -> None:
    passing = Passing.of(made_layers(tmp_path, f"from torch import nn\n{made}\nnet = nn.Sequential(*made)\n"))
    with pytest.raises(UnusableInputError, match=message):
        passing.give("dilation", {"0": "2"}, "1")
