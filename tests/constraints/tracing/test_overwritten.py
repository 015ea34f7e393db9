"""Putting back what a run overwrote."""

import torch
from torch import nn

from constraints.tracing.overwritten import Overwritten, tensors_among
from constraints.tracing.registry import Registry
from tests.constraints.tracing.test_registry import Nobody


def test_what_is_written_through_a_view_is_put_back() -> None:
    model, other = nn.BatchNorm1d(2), torch.arange(4.0)
    kept = Overwritten(Registry({"": model}, (), Nobody()))
    kept.outside.append(other)
    for tensor in (model.running_mean, other[:]):
        assert tensor is not None
        kept.keep([tensor], None)
        tensor.fill_(7)
    kept.restore()
    assert model.running_mean is not None
    assert not model.running_mean.any()
    assert other.tolist() == [0, 1, 2, 3]


def test_tensors_are_found_among_values_and_in_lists_among_them() -> None:
    a, b = torch.zeros(1), torch.ones(1)
    assert [t is a or t is b for t in tensors_among([a, [None, b], [1, 2], 3, "text"])] == [True, True]
    assert tensors_among(None) == []
