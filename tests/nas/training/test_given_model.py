"""A user's own model as one that returns a row of logits for each image."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from constraints.errors import UnusableInputError
from nas.training.given_model import GivenModel

IMAGES = torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(0))


def linear() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 10))


@pytest.mark.parametrize("axes", [(10,), (10, 1, 1), (5, 2)])
def test_outputs_with_further_axes_are_flattened_to_rows(axes: tuple[int, ...]) -> None:
    model = linear()
    found = GivenModel(nn.Sequential(model, nn.Unflatten(1, axes)), 10)(IMAGES)
    torch.testing.assert_close(found, model(IMAGES))


def test_probabilities_become_their_logarithm_and_zero_stays_finite() -> None:
    model = GivenModel(nn.Flatten(), 12)
    model.gives_probabilities = True
    images = torch.zeros(2, 3, 2, 2)
    images[:, 0, 0, 0] = 1.0
    found = model(images)
    assert found[:, 0].tolist() == [0.0, 0.0]
    assert torch.isfinite(found).all()


def test_a_model_is_called_after_its_heartbeat() -> None:
    beats: list[int] = []
    GivenModel(linear(), 10, alive=lambda: beats.append(1))(IMAGES)
    assert beats == [1]


@pytest.mark.parametrize(("classes", "is_refused"), [(9, True), (10, False), (11, True)])
def test_another_number_of_outputs_is_refused(classes: int, is_refused: bool) -> None:
    model = GivenModel(linear(), classes)
    if not is_refused:
        assert model(IMAGES).shape == (4, 10)
        return
    with pytest.raises(UnusableInputError, match=rf"10 outputs an image \(4x10 for 4\), the data has {classes} "):
        model(IMAGES)


def test_weights_without_values_are_refused() -> None:
    with pytest.raises(UnusableInputError, match=r"no values: 0\.weight is on the device meta: make it on the cpu"):
        GivenModel(nn.Sequential(nn.Conv2d(3, 4, 3, device="meta")), 10)


class Counting(nn.Sequential):
    """A model with a number in its state that is no tensor."""

    def get_extra_state(self) -> object:
        return {"calls": 1}


@pytest.mark.parametrize(
    ("model", "name"), [(Counting(), "_extra_state"), (nn.Sequential(Counting()), "0._extra_state")]
)
def test_a_state_that_no_checkpoint_holds_is_refused(model: nn.Module, name: str) -> None:
    with pytest.raises(UnusableInputError, match=rf"^the model keeps what is no tensor, .*: {name}: register it as"):
        GivenModel(model, 10)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("is_sparse", [True, False])
def test_sparse_and_quantised_tensors_are_refused_only_in_the_state(is_sparse: bool) -> None:
    kept = torch.eye(2).to_sparse() if is_sparse else torch.quantize_per_tensor(torch.eye(2), 0.1, 0, torch.qint8)
    model = linear()
    model.register_buffer("kept", kept, persistent=False)
    assert GivenModel(model, 10)(IMAGES).shape == (4, 10)
    model.register_buffer("kept", kept)
    with pytest.raises(UnusableInputError, match=r"keeps a sparse or quantised tensor, .*: kept: keep it dense, or"):
        GivenModel(model, 10)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_a_quantised_model_is_refused_as_such() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(12, 10)))
    quantised = torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)  # type: ignore[no-untyped-call]
    with pytest.raises(
        UnusableInputError, match=r"^the model is quantised, .*: 1\.0: give the float model that it was"
    ):
        GivenModel(quantised, 10)
