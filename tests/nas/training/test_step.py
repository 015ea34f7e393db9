"""One step: what it adds up, in how many parts, and at which resolution."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from nas.training.averaging import Average
from nas.training.batchwise import Drawn
from nas.training.evaluation import normaliser
from nas.training.halves import Halves
from nas.training.optimisers import Optimisers
from nas.training.options.phase import Phase
from nas.training.recipes import Recipe
from nas.training.registered_tensors import RegisteredTensors
from nas.training.step import TrainingStep, shrink

CPU = torch.device("cpu")


class Sizes(nn.Module):
    """A linear classifier of mean colours that notes what it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.linear: nn.Module = nn.Linear(3, 4)
        self.seen = list[tuple[int, ...]]()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N x 3 x H x W to N x 4."""
        self.seen.append(tuple(x.shape))
        logits: torch.Tensor = self.linear(x.mean((2, 3)))
        return logits


def step(parts: int = 1) -> tuple[Sizes, TrainingStep]:
    """A step of plain gradient descent at rate 1 on eight images of 8 x 12 pixels."""
    torch.manual_seed(0)
    model = Sizes()
    recipe = Recipe(name="own", phases=(Phase(peak_lr=1.0, momentum=0.0, weight_decay=0.0),), low_resolution=0.5)
    made = TrainingStep(
        model=model,
        recipe=recipe,
        optimisers=Optimisers(model, recipe),
        average=None,
        normalise=normaliser(np.full(3, 0.5), np.full(3, 0.25), CPU),
        precision="float32",
        images=torch.from_numpy(np.random.default_rng(0).integers(0, 256, (8, 8, 12, 3), dtype=np.uint8)),
        labels=torch.arange(8) % 4,
        chosen=torch.empty(5, dtype=torch.int64),
        loss=torch.zeros(()),
        parts=parts,
    )
    return model, made


CHOSEN = torch.tensor([7, 0, 3, 3, 1])


@pytest.mark.parametrize(("parts", "sizes"), [(1, [5]), (2, [3, 2]), (4, [2, 1, 1, 1])])
def test_parts_add_up_to_the_whole(parts: int, sizes: list[int]) -> None:
    model, made = step(parts)
    images = made.normalise(made.images[CHOSEN])
    loss = nn.functional.cross_entropy(model(images), made.labels[CHOSEN])
    gradient, bias = torch.autograd.grad(loss, list(model.parameters()))
    before = [parameter.detach().clone() for parameter in model.parameters()]
    model.seen.clear()
    made.run(CHOSEN)
    torch.testing.assert_close(made.loss, loss.detach())
    torch.testing.assert_close(list(model.parameters()), [before[0] - gradient, before[1] - bias])
    assert [shape[0] for shape in model.seen] == sizes


@pytest.mark.parametrize(("count", "shown"), [(31, 31), (32, 16)])
def test_only_a_large_batch_is_halved_where_halves_have_their_own_norms(count: int, shown: int) -> None:
    """Statistics of fewer than sixteen images say too little: such a batch is computed whole."""
    model, made = step()
    model.linear = nn.Sequential(nn.BatchNorm1d(3), model.linear)
    made.halves = Halves(model, 2, own_norms=True)
    made.chosen = torch.empty(count, dtype=torch.int64)
    made.optimisers.set_rate(0.0)
    made.run(torch.arange(count) % 8)
    assert [shape[0] for shape in model.seen] == [shown], "what the network itself, not its twin, was shown"


def test_losses_of_steps_add_up() -> None:
    _, made = step()
    made.optimisers.set_rate(0.0)
    made.run(CHOSEN)
    once = made.loss.clone()
    made.run(CHOSEN)
    torch.testing.assert_close(made.loss, 2 * once)


def test_low_resolution_is_three_quarters_of_either_side() -> None:
    model, made = step()
    made.show(0.49)
    made.run(CHOSEN)
    made.show(0.5)
    made.run(CHOSEN)
    assert model.seen == [(5, 3, 6, 9), (5, 3, 8, 12)]


def test_shrinking_keeps_the_mean_and_the_layout() -> None:
    flat = torch.full((2, 3, 32, 32), 0.7)
    small = shrink(flat)
    torch.testing.assert_close(small, torch.full((2, 3, 24, 24), 0.7))
    assert small.is_contiguous(memory_format=torch.channels_last)


def test_cutting_drops_what_the_failed_attempt_left() -> None:
    model, made = step()
    made.run(CHOSEN)
    assert model.linear.weight.grad is not None
    made.cut()
    assert model.linear.weight.grad is None
    assert made.parts == 4


def test_mixup_blends_images_and_labels_alike() -> None:
    model, made = step()
    made.recipe = replace(made.recipe, mixup=1.0)
    torch.manual_seed(3)
    share = 1 - torch.rand(())
    images, labels = made.normalise(made.images[CHOSEN]), made.labels[CHOSEN]
    logits = model(share * images + (1 - share) * images.flip(0))
    entropy = nn.functional.cross_entropy
    wanted = share * entropy(logits, labels) + (1 - share) * entropy(logits, labels.flip(0))
    torch.manual_seed(3)
    made.run(CHOSEN)
    torch.testing.assert_close(made.loss, wanted.detach())


def test_a_recipe_without_batchwise_changes_shows_the_images_as_they_are() -> None:
    _, made = step()
    images = made.normalise(made.images[CHOSEN])
    assert made._changed(images, CHOSEN) is images
    made.recipe = replace(made.recipe, crop=2, flip=True)
    assert made._changed(images, CHOSEN).shape == images.shape
    assert not torch.equal(made._changed(images, CHOSEN), images)


def test_a_growing_mixup_blends_by_its_strength_of_the_moment() -> None:
    model, made = step()
    made.recipe = replace(made.recipe, mixup=0.8, mixup_growth=0.5, low_resolution=0.0)
    made.__post_init__()
    images, labels = made.normalise(made.images[CHOSEN]), made.labels[CHOSEN]
    made.show(0.125)  # a quarter of the way to half of the training: a strength of 0.2
    torch.manual_seed(3)
    share = 1 - 0.2 * torch.rand(())
    logits = model(share * images + (1 - share) * images.flip(0))
    entropy = nn.functional.cross_entropy
    wanted = share * entropy(logits, labels) + (1 - share) * entropy(logits, labels.flip(0))
    torch.manual_seed(3)
    made.run(CHOSEN)
    torch.testing.assert_close(made.loss, wanted.detach())


def test_what_is_drawn_for_the_epoch_is_that_of_the_images_chosen() -> None:
    _, made = step()
    made.recipe = replace(made.recipe, alternating_flip=True)
    images = made.normalise(made.images[CHOSEN])
    made.drawn = Drawn(mirrored=torch.tensor([True, False, False, True, False, False, False, False]))
    shown = made._changed(images, CHOSEN)  # images 7, 0, 3, 3 and 1
    wanted = [images[0], images[1].flip(2), images[2].flip(2), images[3].flip(2), images[4]]
    torch.testing.assert_close(shown, torch.stack(wanted))


class Counting(Sizes):
    """As above, with a buffer that each forward pass replaces."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N x 3 x H x W to N x 4."""
        self.mean = x.detach().mean((0, 2, 3))
        return super().forward(x)


def test_a_buffer_that_the_code_replaces_is_averaged() -> None:
    """The first update takes the values of the model as they are."""
    _, made = step()
    model = Counting()
    made.model, made.average, made.registered = model, Average(model, 0.9), RegisteredTensors(model)
    made.optimisers = Optimisers(model, made.recipe)
    wanted = made.normalise(made.images[CHOSEN]).mean((0, 2, 3))
    before = model.mean
    made.average.advance()
    made.run(CHOSEN)
    torch.testing.assert_close(made.average.model.get_buffer("mean"), wanted)
    assert model.mean is before
