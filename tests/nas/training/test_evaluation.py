"""Accuracy against counting."""

import numpy as np
import pytest
import torch
from torch import nn

from nas.training.evaluation import BATCH, CPU_BATCH, NotANumberError, batch_size, evaluate, normaliser, scores


class BrightestChannel(nn.Module):
    """Logits are the mean of each channel; counts its samples in a batch-norm if left in train mode."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)

        self.batches: list[int] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N x 3 x H x W to N x 3."""
        self.batches.append(len(x))
        logits: torch.Tensor = self.norm(x).mean((2, 3))
        return logits


def test_the_share_of_right_answers_over_uneven_batches() -> None:
    count = 10 * CPU_BATCH + 7
    truth = np.random.default_rng(0).integers(0, 3, count)
    images = np.zeros((count, 4, 5, 3), dtype=np.uint8)
    images[np.arange(count), :, :, truth] = 200
    labels = truth.copy()
    labels[:100] = (labels[:100] + 1) % 3
    labels[-3:] = (labels[-3:] + 1) % 3
    model = BrightestChannel()
    found = evaluate(model, images, labels, np.full(3, 0.5), np.full(3, 0.25))
    assert found.accuracy == (count - 103) / count
    assert model.batches == [*[CPU_BATCH] * 10, 7], "few at once, whose maps stay in the cache"
    assert model.training
    assert model.norm.num_batches_tracked == 0
    assert evaluate(model.eval(), images, labels, np.full(3, 0.5), np.full(3, 0.25)) == found
    assert not model.training


def test_an_accelerator_classifies_more_images_at_once_than_a_processor() -> None:
    assert batch_size(torch.device("cpu")) == CPU_BATCH < BATCH == batch_size(torch.device("cuda", 0))


def test_the_balanced_accuracy_is_the_mean_recall_of_the_classes_that_are_there() -> None:
    labels = np.repeat([0, 1, 3], [97, 2, 1])  # class 2 has no image
    is_right = np.array([True] * 97 + [True, False] + [False])
    assert scores(labels, is_right).accuracy == 0.98
    assert scores(labels, is_right).balanced_accuracy == pytest.approx((1 + 0.5 + 0) / 3)


def test_normalising_is_the_textbook_s_and_channels_last() -> None:
    images = np.random.default_rng(1).integers(0, 256, (4, 6, 5, 3), dtype=np.uint8)
    mean, std = np.array([0.4, 0.5, 0.6]), np.array([0.2, 0.25, 0.3])
    got = normaliser(mean, std, torch.device("cpu"))(torch.from_numpy(images))
    wanted = ((images / 255 - mean) / std).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(got.numpy(), wanted, atol=1e-6)
    assert got.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("value", "is_refused"), [(torch.nan, True), (torch.inf, False), (-torch.inf, False)])
def test_outputs_that_are_not_a_number_have_no_class(value: float, is_refused: bool) -> None:
    class Spoilt(BrightestChannel):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            found = super().forward(x)
            found[::50, 2] = value
            return found

    images = np.zeros((CPU_BATCH + 1, 4, 4, 3), dtype=np.uint8)
    given = (Spoilt(), images, np.zeros(len(images), dtype=np.int64), np.full(3, 0.5), np.full(3, 0.25))
    if not is_refused:
        assert evaluate(*given).accuracy in (0.97, pytest.approx(1 - 3 / (CPU_BATCH + 1)), 1.0)
        return
    with pytest.raises(NotANumberError, match=rf"^outputs are not a number for 3 of {CPU_BATCH + 1} images$"):
        evaluate(*given)
