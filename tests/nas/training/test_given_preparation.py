"""A user's own model is tried before it is trained: what it is trained with, and why it is refused."""

from __future__ import annotations

import copy
import functools
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from constraints.errors import UnusableInputError
from nas.training.averaging import Average
from nas.training.evaluation import evaluate
from nas.training.given_model import GivenModel
from nas.training.given_preparation import PreparedModel, prepare
from nas.training.optimisers import Optimisers, hidden_filters
from nas.training.recipes import Recipe, default, sgd

IMAGES = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
Forward = Callable[["Net", torch.Tensor], object]


class Net(nn.Module):
    """A convolution and a linear layer, whose forward pass a test may replace."""

    count: int

    def __init__(self, forward: Forward | None = None, classes: int = 10, width: int = 32) -> None:
        super().__init__()
        self.conv, self.last, self.way = nn.Conv2d(3, width, 3), nn.Linear(width, classes), forward

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.last(self.conv(images).mean((2, 3)))
        return found

    def forward(self, images: torch.Tensor) -> object:
        return self.way(self, images) if self.way else self.logits(images)


def prepared(model: nn.Module, recipe: Recipe | None = None, *, is_finished: bool = False) -> PreparedModel:
    torch.manual_seed(0)
    return prepare(GivenModel(model, 10), IMAGES, recipe or default(2), "float32", is_finished=is_finished)


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        (
            lambda net, x: (net.logits(x), x) if net.training else net.logits(x),
            "the model gives no tensor in training: tuple of 2: let its forward method return the logits alone, also ",
        ),
        (
            lambda net, x: net.logits(x) if net.training else {"logits": net.logits(x)},
            "the model gives no tensor in eval mode: dict of 1: let its forward method return the logits alone",
        ),
        (lambda net, x: net.logits(x)[:, :1], "the model gives 1 output an image (4x1 for 4), the data has 10 "),
        (lambda net, x: net.logits(x) + 1j, "the model gives complex numbers: torch.complex64: "),
        (
            lambda net, x: net.logits(x)[:, :7],
            "the model gives 7 outputs an image (4x7 for 4), the data has 10 ",
        ),
        (lambda net, x: net.logits(x).sum(0), "the model does not give a row an image: 10 for 4 images: "),
        (lambda net, x: net.logits(x).sum(), "the model does not give a row an image: a single number for 4 images: "),
        (lambda net, x: net.logits(x).detach(), "the model's outputs depend on no weight that is trained: "),
    ],
)
def test_outputs_that_are_no_logits_are_refused(forward: Forward, message: str) -> None:
    with pytest.raises(UnusableInputError) as refused:
        prepared(Net(forward))
    assert str(refused.value).startswith(message)


def test_outputs_that_are_not_finite_are_refused_with_the_weights_that_are_not() -> None:
    spoilt = Net()
    with torch.no_grad():
        spoilt.last.weight[3, 1] = torch.nan
    with pytest.raises(UnusableInputError, match=r"not a number before any training: so are values of last\.weight: "):
        prepared(spoilt)
    with pytest.raises(UnusableInputError, match="before any training, though its weights are finite: look for"):
        prepared(Net(lambda net, x: net.logits(x) / 0))


def test_weights_that_are_not_finite_and_not_used_are_left() -> None:
    spoilt = Net()
    spoilt.spare = nn.Parameter(torch.full((2,), torch.nan))
    assert prepared(spoilt).precision == "float32"


def test_what_is_only_finite_in_float32_is_trained_in_it() -> None:
    found = prepare(
        GivenModel(Net(lambda net, x: net.logits(x) / (net.logits(x) * 0 + 1.001 - 1)), 10),
        IMAGES,
        default(2),
        "bfloat16",
        is_finished=True,
    )
    assert (found.precision, found.notes[0]) == (
        "float32", "the model is trained in float32, since it does not run in bfloat16"
    )  # fmt: skip


def of_images(net: Net, images: torch.Tensor) -> torch.Tensor:
    """A step down the gradient of an energy by the images, then the logits."""
    with torch.enable_grad():
        at = images.detach().requires_grad_()
        (slope,) = torch.autograd.grad(net.conv(at).pow(2).sum(), at, create_graph=net.training)
    return net.logits(images - 0.01 * slope)


def of_weights(net: Net, images: torch.Tensor) -> torch.Tensor:
    with torch.enable_grad():
        loss = net.conv(images).pow(2).mean()
        (slope,) = torch.autograd.grad(loss, net.conv.weight, create_graph=net.training)
    found: torch.Tensor = net.last(F.conv2d(images, net.conv.weight - 0.01 * slope, net.conv.bias).mean((2, 3)))
    return found


def by_backward(net: Net, images: torch.Tensor) -> torch.Tensor:
    with torch.enable_grad():
        at = images.detach().clone().requires_grad_()
        net.conv(at).pow(2).sum().backward(inputs=[at])
    assert at.grad is not None
    return net.logits(images - 0.01 * at.grad)


def by_function(net: Net, images: torch.Tensor) -> torch.Tensor:
    slope = torch.func.grad(lambda at: net.conv(at).pow(2).sum())(images)
    return net.logits(images - 0.01 * slope)


@pytest.mark.parametrize("forward", [of_images, of_weights, by_backward, by_function])
def test_a_model_that_takes_gradients_in_eval_mode_is_trained(forward: Forward) -> None:
    net = Net(forward)
    average: Any = Average(prepared(net).model, decay=0.5)
    black: Any = forward(net.eval(), torch.full((1, 3, 8, 8), -2.0))
    images, labels = np.zeros((2, 8, 8, 3), dtype=np.uint8), np.array([black.argmax(), (black.argmax() + 1) % 10])
    assert evaluate(average.model, images, labels, np.full(3, 0.5), np.full(3, 0.25)).accuracy == 0.5


def test_a_torchscript_program_is_refused_before_its_training() -> None:
    held = nn.Sequential(torch.jit.script(nn.Conv2d(3, 10, 3)), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(
        UnusableInputError, match=r"a TorchScript program with weights, .*: model\.0: give the module that it"
    ):
        prepared(held)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_torchscript_program_without_weights_is_trained_with_its_model() -> None:
    def forward(net: Any, x: torch.Tensor) -> object:
        return net.last(net.script(net.conv(x)).mean((2, 3)))

    net: Any = Net(forward)
    net.script = torch.jit.script(nn.Sequential(nn.ReLU(), nn.Dropout()))
    found = prepared(net)
    average: Any = Average(found.model, decay=0.5)
    wanted = net.last(net.conv(IMAGES).relu().mean((2, 3)))
    assert torch.allclose(average.model.eval()(IMAGES), wanted, atol=1e-6)  # its dropout follows the mode


def test_what_a_step_changes_outside_of_the_state_dict_is_said() -> None:
    def counted(net: Net, images: torch.Tensor) -> torch.Tensor:
        net.count = getattr(net, "count", 0) + net.training
        return net.logits(images)

    model = Net(counted)
    model.count = 0
    notes = prepared(model).notes
    assert [note for note in notes if note.startswith("count changes in training outside of the state_dict: ")]
    assert model.count == 0
    assert not [note for note in prepared(Net()).notes if "state_dict" in note]


def test_random_outputs_in_eval_mode_are_said() -> None:
    notes = prepared(Net(lambda net, x: net.logits(x + torch.randn_like(x)))).notes
    assert (
        "the model gives other outputs for the same images in eval mode: each evaluation has another accuracy" in notes
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_code_that_needs_another_precision_is_refused_as_such(dtype: torch.dtype) -> None:
    model = Net(lambda net, x: net.logits(x.to(dtype))).to(dtype)
    with pytest.raises(
        UnusableInputError, match=r"^the model's weights are trained in float32, not torch\.float\d+, in "
    ):
        prepared(model)


def test_nothing_to_train_is_refused() -> None:
    with pytest.raises(UnusableInputError, match="nothing to train: no parameter requires a gradient"):
        prepared(Net().requires_grad_(False))


def test_a_softmax_is_trained_as_its_logits_are() -> None:
    ends = prepared(Net(lambda net, x: net.logits(x).softmax(1)))
    plain = prepared(copy.deepcopy(ends.model.model))
    assert any(note.startswith("the model ends in a softmax") for note in ends.notes)
    inner: Any = ends.model.model
    wanted = F.cross_entropy(inner.logits(IMAGES), torch.arange(4))
    assert torch.allclose(F.cross_entropy(ends.model(IMAGES), torch.arange(4)), wanted, atol=1e-6)
    assert plain.model.gives_probabilities  # the same forward pass


@pytest.mark.parametrize("end", [lambda x: x, lambda x: x.log_softmax(1), lambda x: x[:, :, None, None]])
def test_logits_of_any_form_are_taken_as_they_are(end: Callable[[torch.Tensor], torch.Tensor]) -> None:
    found = prepared(Net(lambda net, x: end(net.logits(x))))
    assert not found.model.gives_probabilities
    assert found.model(IMAGES).shape == (4, 10)


def test_trying_changes_nothing() -> None:
    model = nn.Sequential(nn.Conv2d(3, 32, 3), nn.BatchNorm2d(32), nn.Dropout(), nn.Flatten(), nn.Linear(32 * 36, 10))
    before = copy.deepcopy(model.state_dict())
    state = torch.random.get_rng_state()
    prepare(GivenModel(model, 10), IMAGES, default(2), "float32")
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert torch.equal(state, torch.random.get_rng_state())


def test_a_model_that_reads_its_maps_in_memory_order_has_the_channels_first() -> None:
    class Viewing(Net):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Linear(32 * 36, 10)

        def logits(self, images: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.last(self.conv(images).view(len(images), -1))
            return found

    assert prepared(Viewing()).model.layout == torch.contiguous_format
    assert prepared(Net()).model.layout == torch.channels_last


def test_lazy_modules_find_their_shapes_and_uncalled_ones_are_refused() -> None:
    model = nn.Sequential(nn.LazyConv2d(4, 3), nn.Flatten(), nn.LazyLinear(10))
    prepared(model)
    assert [tuple(p.shape) for p in model.parameters()] == [(4, 3, 3, 3), (4,), (10, 4 * 36), (10,)]
    net = Net()
    net.spare = nn.LazyLinear(3)
    with pytest.raises(UnusableInputError, match="a lazy module is never called"):
        prepared(net)


def test_weights_of_another_precision_are_trained_in_float32() -> None:
    found = prepared(Net().double())
    assert found.notes[0] == "the model's weights are trained in float32, not torch.float64"
    assert {p.dtype for p in found.model.parameters()} == {torch.float32}


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_weight_that_the_old_weight_norm_computes_is_copied_with_its_model() -> None:
    net = Net()
    nn.utils.weight_norm(net.conv)
    assert net.conv.weight.grad_fn is not None  # no leaf, which torch does not copy
    found = prepared(net)
    names = {name for name, _ in found.model.named_parameters()}
    assert {name.rsplit(".", 1)[1] for name in names if "conv" in name} >= {"weight_g", "weight_v"}


@pytest.mark.parametrize("norm", [torch.nn.utils.weight_norm, torch.nn.utils.parametrizations.weight_norm])
def test_weights_that_are_computed_are_said_to_be_left_out_by_muon(norm: Callable[[nn.Module], nn.Module]) -> None:
    def layers() -> nn.Sequential:
        hidden = nn.Conv2d(32, 8, 3, padding=1)
        return nn.Sequential(nn.Conv2d(3, 32, 3), norm(hidden), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))

    said = "the recipe's Muon leaves out computed weights (1, such as that of 1), which learn by SGD: --recipe sgd may"
    assert any(note.startswith(said) for note in prepared(layers(), default(2)).notes)
    assert not any("Muon" in note for note in prepared(layers(), sgd(2)).notes)


def test_a_model_that_cannot_be_copied_is_refused() -> None:
    net = Net()
    net.kept = threading.Lock()  # type: ignore[assignment]
    with pytest.raises(UnusableInputError, match="the model cannot be copied: TypeError: "):
        prepared(net)


def test_a_model_whose_copy_calls_the_model_itself_is_refused() -> None:
    model: Any = Net()
    model.way = functools.partial(_last_of, Shared(model))
    with pytest.raises(
        UnusableInputError, match="the model cannot be copied: its copy calls conv of the model itself,"
    ):
        prepared(model)


class Shared:
    """Holds a model, and is shared by its copies."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def __deepcopy__(self, _: object) -> Shared:
        return self


def _last_of(cache: Shared, net: Net, images: torch.Tensor) -> object:
    return net.last(cache.model.conv(images).mean((2, 3)))


def test_a_lambda_of_a_model_is_steady_in_eval_mode() -> None:
    model: Any = Net()
    model.norm, model.drop = nn.BatchNorm2d(32), nn.Dropout()
    model.feat = lambda x: model.drop(model.norm(model.conv(x)))
    model.way = _by_feat
    before = model.norm.running_mean.clone()
    assert not [note for note in prepared(model).notes if "eval mode" in note]
    assert torch.equal(model.norm.running_mean, before)


def _by_feat(net: Any, images: torch.Tensor) -> object:
    return net.last(net.feat(images).mean((2, 3)))


def test_whitening_takes_the_convolution_that_takes_the_images() -> None:
    class Late(Net):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 3, 1)
            self.conv, self.other = nn.Conv2d(32, 32, 3), nn.Conv2d(3, 32, 3)

        def logits(self, images: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.last(self.conv(self.other(images)).mean((2, 3)))
            return found

    found = prepared(Late())
    model: Any = found.model.model
    before = copy.deepcopy(model.state_dict())
    default(2).initialise(found.model, lambda: IMAGES)
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(before[name], tensor)}
    assert (found.model.first, changed) == ("model.other", {"other.weight"})
    assert not model.other.weight.requires_grad
    assert "first" not in {name.split(".")[0] for name in found.model.state_dict()}


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (Net(lambda net, x: net.logits(x / 2)), "no convolution alone takes the images as they are"),
        (
            Net(lambda net, x: net.logits(x) + net.conv(x).mean((1, 2, 3))[:, None]),
            "no convolution alone takes the images as they are",
        ),
        (Net(width=8), "conv has fewer filters (8) than a patch has values (27)"),
        (nn.Sequential(nn.Flatten(), nn.Linear(192, 10)), "no convolution alone takes the images as they are"),
    ],
)
def test_whitening_is_left_out_with_its_reason(model: nn.Module, reason: str) -> None:
    found = prepared(model)
    assert found.notes == (f"the recipe's whitening is left out: {reason}",)
    before = copy.deepcopy(model.state_dict())
    default(2).initialise(found.model, lambda: IMAGES)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_a_finished_module_keeps_its_weights() -> None:
    (note,) = prepared(Net(), is_finished=True).notes
    assert note.startswith("the recipe's whitening is left out: the model came with its weights")


def test_a_shared_weight_is_averaged_and_updated_once() -> None:
    model: Any = nn.Sequential(*(nn.Conv2d(4, 4, 1, bias=False) for _ in range(4)))
    weight = model[2].weight = model[1].weight
    assert len(hidden_filters(model)) == 1
    average = Average(model, decay=0.5)
    averaged: Any = average.model
    averaged[1].weight.data.zero_()
    average.advance()
    average.advance()  # 2 of 11 are kept: after one update 9 / 11 of the weight, after two 117 / 121
    average.update()
    assert torch.allclose(averaged[1].weight, weight * 9 / 11)


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_muon_takes_the_same_step_in_either_layout(layout: torch.memory_format) -> None:
    def stepped(layout: torch.memory_format) -> torch.Tensor:
        torch.manual_seed(0)
        model: Any = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3))
        model = model.to(memory_format=layout)
        optimisers = Optimisers(model, default(2))
        model(IMAGES).square().mean().backward()
        optimisers.set_rate(0.1)
        optimisers.step()
        weight: torch.Tensor = model[1].weight.detach()
        return weight

    assert torch.allclose(stepped(layout), stepped(torch.channels_last), atol=1e-2)  # Muon's own matrices are bfloat16


def test_complex_weights_take_the_step_of_their_gradient() -> None:
    model, recipe = nn.ParameterList([nn.Parameter(torch.tensor([3 + 4j, -2j]))]), sgd(2)
    before = model[0].detach().clone()
    (phase,) = recipe.phases
    optimisers = Optimisers(model, recipe)
    model[0].abs().square().sum().backward()  # by torch's convention the gradient of |w|^2 is 2 w
    optimisers.set_rate(0.1)
    optimisers.step()
    rate = 0.1 * recipe.norm_bias_lr * (1 + phase.momentum if phase.nesterov else 1)
    assert torch.allclose(model[0], before * (1 - 2 * rate))


def test_weights_that_no_optimiser_takes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise RuntimeError("no such type\nand more")

    monkeypatch.setattr("nas.training.given_preparation.Optimisers", refuse)
    with pytest.raises(
        UnusableInputError, match=r"muon cannot train weights of torch\.float32: no such type: keep them"
    ):
        prepared(Net(), default(2))


def test_what_a_first_forward_pass_makes_is_made_before_the_training() -> None:
    class Late(Net):
        def __init__(self) -> None:
            super().__init__()
            self.head: Any = None
            self.register_buffer("size", None)

        def logits(self, images: torch.Tensor) -> torch.Tensor:
            found = self.conv(images).mean((2, 3))
            if self.head is None:
                self.head, self.size = nn.Linear(found.shape[1], 10), torch.zeros(2)
            rows: torch.Tensor = self.head(found)
            return rows

    made = prepared(Late())
    assert made.notes[0] == "the model makes size in its first forward pass, which was run before its training"
    assert {"model.head.weight", "model.head.bias"} <= {name for name, _ in made.model.named_parameters()}
    average: Any = Average(made.model, decay=0.5)
    assert average.model.model.head.weight.shape == (10, 32)


def test_a_layer_that_every_forward_pass_makes_is_refused_where_it_is_registered_and_said_where_not() -> None:
    def registered(net: Any, images: torch.Tensor) -> object:
        net.head = nn.Linear(32, 10)
        return net.head(net.conv(images).mean((2, 3)))

    with pytest.raises(UnusableInputError, match=r"^the model replaces its parameter head\.\w+ while it trains"):
        prepared(Net(registered))
    loose = prepared(Net(lambda net, x: nn.Linear(32, 10)(net.conv(x).mean((2, 3))))).notes
    assert any(": 10 of float32, 10x32 of float32: register it in __init__" in note for note in loose)


def test_layers_in_a_plain_list_are_said_not_to_be_trained() -> None:
    def forward(net: Any, images: torch.Tensor) -> object:
        return net.last(net.layers[0](net.conv(images)).mean((2, 3)))

    model: Any = Net(forward)
    model.layers = [nn.Conv2d(32, 32, 1)]
    assert any(": layers.0.bias, layers.0.weight: register it" in note for note in prepared(model).notes)


def test_a_buffer_that_grows_is_refused() -> None:
    model: Any = Net(lambda net, x: net.logits(_grown(net, x)))
    model.register_buffer("bank", torch.zeros(0))
    with pytest.raises(
        UnusableInputError, match=r"^the buffer bank becomes another one while it trains, 1 of float32 "
    ):
        prepared(model)


def _grown(net: Any, images: torch.Tensor) -> torch.Tensor:
    net.bank = torch.cat([net.bank, torch.ones(1)])
    return images


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_sigmoid_at_the_end_is_said_in_either_precision(precision: Any) -> None:
    found = prepare(GivenModel(Net(lambda net, x: net.logits(x).sigmoid()), 10), IMAGES, sgd(2), precision)
    assert any(note.startswith("the model ends in a sigmoid, ") for note in found.notes)
    assert not found.model.gives_probabilities
