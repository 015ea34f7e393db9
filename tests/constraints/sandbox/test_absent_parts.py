"""Parts of a model that a missing module has made."""

from __future__ import annotations

from torch import nn

from constraints.sandbox.absent_parts import absent_parts
from constraints.sandbox.standins import StandIns


def test_what_a_missing_class_has_made_may_have_parameters() -> None:
    absent = StandIns()
    absent.allow("mine_x")
    model = nn.Sequential(nn.Linear(2, 2))
    model[0].gate = absent.part("mine_x.Gate")(3)
    model[0].kind = absent.part("mine_x.Gate")
    model.metric = absent.part("torchmetrics.Accuracy")()
    (warning,) = absent_parts(model)
    assert warning.startswith("0.gate: not in params, if it has parameters: it is made by mine_x.Gate, which is not")
