"""Names of attributes that code makes at run time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from torch import nn
from torch.nn import functional as F

from constraints.tracing.made_names import names_made

MODEL = nn.ReLU()


def _of_files(self: Any, x: Any) -> Any:
    return getattr(F, self.act)(x)


def _with_default(self: Any, i: int) -> Any:
    return getattr(self, "conv%d_%d" % (1, i), None)  # noqa: UP031


@pytest.mark.parametrize(
    ("function", "named"),
    [
        (lambda self, i: getattr(self, "conv" + str(i)), ()),
        (lambda self, i: getattr(self, "conv" + str(i) + "a")(self), ()),
        (lambda self, i: getattr(self.a.b, "conv%d" % i), ()),  # noqa: UP031
        (_with_default, ()),
        (lambda self, i: getattr(self, "conv{}".format(i)), ()),  # noqa: UP032
        (lambda self, i: getattr(self, "conv{}_{}".format(i, 2), self), ()),  # noqa: UP032
        (lambda self, i: getattr(self, f"conv{i}"), ()),
        (_of_files, (F,)),
    ],
)
def test_a_constant_beginning_tells_names_apart(function: Callable[..., Any], named: tuple[object, ...]) -> None:
    made = list(names_made(function.__code__, named))
    assert not any(may_be("peak") for may_be in made)
    assert named or all(may_be("conv12") for may_be in made[:1])


@pytest.mark.parametrize(
    ("function", "named"),
    [
        (lambda self, i: getattr(self, self.name), ()),
        (lambda self, i: getattr(self, "conv peak".split(i)[i]), ()),
        (lambda self, i: getattr(self, "convpeak"[4:i]), ()),
        (lambda self, i: getattr(self, ("conv" + "peak"[:i])[i:]), ()),
        (lambda self, i: getattr(self, "%s" % i), ()),  # noqa: UP031
        (lambda self, i: getattr(self, "{}".format(i)), ()),  # noqa: UP032
        (lambda self, i: getattr(self, "conv".replace("conv", i)), ()),
        (lambda self, i: getattr(self, "conv" if i else i), ()),
        (lambda self, i: getattr(self, str("conv" + i)[i]), ()),
        (lambda self, i: getattr(self, "conv%d" % i) + getattr(self, i), ()),  # noqa: UP031
        (lambda self, i: getattr(MODEL, i), (MODEL,)),
        (lambda self, i: getattr(F, self.act)(vars(self)[i]), (F,)),
    ],
)
def test_any_other_name_may_be_made(function: Callable[..., Any], named: tuple[object, ...]) -> None:
    assert any(may_be("peak") for may_be in names_made(function.__code__, named))
