"""Norms and activations behind a convolution, as a graph has them."""

from __future__ import annotations

import pytest
from torch import nn

from constraints.errors import UnusableInputError
from nas.architecture.graph import Graph, only
from nas.architecture.held_tensors import Tensors
from nas.architecture.post_reading import read_post


def post_of(*following: nn.Module) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is read behind a convolution, and the tensors noted of it."""
    graph = Graph(nn.Sequential(nn.Conv2d(2, 2, 1), *following, nn.Flatten()).eval(), (2, 4, 4))
    held = Tensors(graph)
    post, _ = read_post(held, only(graph, graph.images))
    return post, held.names


def test_a_norm_and_an_activation_are_read_in_their_order() -> None:
    norm = ("1.weight", "1.bias", "1.running_mean", "1.running_var")
    assert post_of() == ((), ())
    assert post_of(nn.BatchNorm2d(2), nn.ReLU()) == (("batch_norm", "relu"), norm)
    assert post_of(nn.SiLU(), nn.BatchNorm2d(2))[0] == ("silu", "batch_norm")


@pytest.mark.parametrize(
    ("following", "message"),
    [
        ([nn.ReLU(), nn.ReLU()], "a second norm or activation follows one convolution"),
        ([nn.BatchNorm2d(2), nn.BatchNorm2d(2)], "a second norm or activation follows one convolution"),
        ([nn.BatchNorm2d(2, eps=1e-3)], "its epsilon is 0.001: make it 1e-05"),
        ([nn.BatchNorm2d(2, affine=False)], "it has no learned scale and shift"),
        ([nn.BatchNorm2d(2, track_running_stats=False)], "it keeps no running statistics"),
    ],
)
def test_what_an_architecture_has_no_word_for_is_named(following: list[nn.Module], message: str) -> None:
    with pytest.raises(UnusableInputError, match=message):
        post_of(*following)
