import random
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from constraints.errors import UnusableInputError
from constraints.gradient_probe import probe_axis
from constraints.tracer import Trace, shaped, trace
from tests.constraints.written import Written

PIXELS = 32 * 32


def conv(i: int, o: int, k: int = 3, **options: Any) -> nn.Conv2d:
    return nn.Conv2d(i, o, k, padding=options.pop("padding", k // 2), bias=False, **options)


def figures(model: nn.Module, size: Any = (3, 32, 32)) -> dict[str, Any]:
    return trace(model, size).metrics.as_dict()


def from_torchvision(name: str) -> nn.Module:
    import torchvision  # as long as torch itself, in every process that collects the tests

    model: nn.Module = torchvision.models.get_model(name, weights=None)
    return model


def same_parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("name", "field"),
    [("resnet18", 435), ("mobilenet_v2", 491), ("shufflenet_v2_x0_5", 527), ("squeezenet1_1", 207)],
)
def test_torchvision_fields_are_those_of_the_literature(name: str, field: int) -> None:
    model = from_torchvision(name)
    found = figures(model, (3, 64, 64))
    assert found["receptive_field_hw"] == [field, field]
    assert found["params"] == same_parameters(model)
    assert found["global_average_pools"] == 1


# fvcore counts one operation for each multiply-accumulate of these, and others for what is no matrix product
PRODUCTS = {"conv", "addmm", "linear", "matmul", "bmm"}
OTHERS = {
    "resnet18": {"batch_norm", "adaptive_avg_pool2d"},
    "mobilenet_v3_small": {"batch_norm", "adaptive_avg_pool2d"},
    "squeezenet1_1": {"adaptive_avg_pool2d"},
    "shufflenet_v2_x0_5": {"batch_norm"},  # its global pool is a mean, which fvcore leaves out
}


@pytest.mark.parametrize("name", OTHERS)
def test_macs_are_those_of_fvcore_its_norms_and_pools_aside(name: str) -> None:
    from fvcore.nn import FlopCountAnalysis

    model = from_torchvision(name).eval()
    counted = FlopCountAnalysis(model, torch.zeros(1, 3, 64, 64))
    counted.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    operations = counted.by_operator()
    assert figures(model, (3, 64, 64))["macs"] == sum(operations[op] for op in PRODUCTS)
    assert {op for op, count in operations.items() if count} - PRODUCTS == OTHERS[name]


def test_a_gate_neither_enlarges_nor_ends_the_field() -> None:
    found = figures(from_torchvision("mobilenet_v3_small"), (3, 64, 64))
    assert found["receptive_field"] == 639
    assert found["global_context"] is True
    assert (found["global_average_pools"], found["fully_connected"]) == (1, 2)


TENTHS = [
    ("dilated 1, 2, 4", nn.Sequential(*(conv(3, 3, dilation=d) for d in (1, 2, 4))), [15, 15]),
    ("1x7 then 3x3", nn.Sequential(nn.Conv2d(3, 3, (1, 7)), nn.Conv2d(3, 3, 3)), [3, 9]),
    ("padding same, even kernel", nn.Sequential(nn.Conv2d(3, 3, 4, padding="same")), [4, 4]),
    ("functional conv", Written(lambda m, x: F.conv2d(x, m.w), w=nn.Parameter(torch.ones(3, 3, 7, 7))), [7, 7]),
    ("functional pool", Written(lambda m, x: F.avg_pool2d(F.avg_pool2d(x, 4), 2)), [8, 8]),
    ("residual of unequal extent", Written(lambda m, x: m.a(x) + m.b(x), a=conv(3, 3, 5), b=conv(3, 3, 3)), [5, 5]),
    ("roll", Written(lambda m, x: x + x.roll((2, -1), (2, 3))), [3, 2]),
    ("window attention is local", Written(lambda m, x: _windows(x)), [8, 8]),
    ("window attention by the plain kernel", Written(lambda m, x: _plain_windows(x)), [8, 8]),
    ("pixel unshuffle", nn.Sequential(nn.PixelUnshuffle(2), conv(12, 12), nn.PixelShuffle(2)), [6, 6]),
    ("spatial gate", Written(lambda m, x: x * m.a(x.mean(1, keepdim=True)).sigmoid(), a=conv(1, 1, 7)), [7, 7]),
    ("circular", nn.Sequential(nn.Conv2d(3, 3, 3, padding=1, padding_mode="circular")), [3, 3]),
]


def _windows(x: torch.Tensor) -> torch.Tensor:
    b, c, h, w = x.shape
    tokens = x.reshape(b, c, h // 8, 8, w // 8, 8).permute(0, 2, 4, 3, 5, 1).reshape(-1, 64, c)
    mixed = F.scaled_dot_product_attention(tokens, tokens, tokens)
    return mixed.reshape(b, h // 8, w // 8, 8, 8, c).permute(0, 5, 1, 3, 2, 4).reshape(b, c, h, w)


def _plain_windows(x: torch.Tensor) -> torch.Tensor:
    with sdpa_kernel(SDPBackend.MATH):  # what torch 2.11 takes of itself
        return _windows(x)


@pytest.mark.parametrize(("model", "field"), [pytest.param(m, f, id=n) for n, m, f in TENTHS])
def test_fields_by_hand(model: nn.Module, field: list[int]) -> None:
    assert figures(model)["receptive_field_hw"] == field


def test_one_layer_called_three_times_counts_once_and_is_seen_three_times() -> None:
    shared = conv(3, 3)
    found = figures(nn.Sequential(shared, shared, shared))
    assert (found["receptive_field"], found["convs"], found["params"]) == (7, 1, 81)
    assert found["macs"] == 3 * PIXELS * 81


def test_a_transposed_convolution_counts_its_largest_phase() -> None:
    model = nn.Sequential(conv(3, 8, stride=2), conv(8, 8), nn.ConvTranspose2d(8, 8, 4, 2, 1), conv(8, 10))
    found = figures(model)
    # 3, then 3 + 2*2 = 7, two neighbours of it 7 + 2 = 9, then a 3x3 that reaches one neighbour more: 11
    assert found["receptive_field"] == 11
    assert found["downsampled_by"] == [1, 1]
    assert found["macs"] == 256 * 27 * 8 + 256 * 72 * 8 + 256 * 8 * 8 * 16 + 1024 * 72 * 10


@pytest.mark.parametrize(
    ("between", "pairs"),
    [
        (nn.Sequential(nn.BatchNorm2d(8), nn.SiLU(), nn.Dropout(), nn.Identity()), 1),
        (Written(lambda m, x: x * torch.sigmoid(x)), 1),
        (Written(lambda m, x: torch.cat([x, x], 1)[:, :8]), 0),
        (Written(lambda m, x: x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)), 1),
        (Written(lambda m, x: x + x.roll(1, 2)), 0),
        (Written(lambda m, x: x * x.mean((2, 3), keepdim=True)), 0),
        (nn.MaxPool2d(2), 0),
    ],
)
def test_a_pair_survives_only_what_does_not_mix(between: nn.Module, pairs: int) -> None:
    model = nn.Sequential(conv(3, 8), conv(8, 8, groups=8), between, conv(8, 16, 1))
    assert figures(model)["depthwise_separable_convs"] == pairs


def test_a_depthwise_layer_before_a_spatial_one_makes_no_pair() -> None:
    found = figures(nn.Sequential(conv(3, 8), conv(8, 8, groups=8), conv(8, 8)))
    assert (found["depthwise_convs"], found["depthwise_separable_convs"]) == (1, 0)


def test_a_linear_layer_over_channels_ends_a_pair() -> None:
    model = Written(
        lambda m, x: m.mix(m.deep(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2),
        deep=conv(3, 3, groups=3),
        mix=nn.Linear(3, 5),
    )
    assert figures(model)["depthwise_separable_convs"] == 1


def test_dilation_of_a_pointwise_kernel_dilates_nothing() -> None:
    assert figures(nn.Sequential(nn.Conv2d(3, 8, 1, dilation=2)))["dilated_convs"] == 0
    assert figures(nn.Sequential(nn.Conv2d(3, 8, (1, 3), dilation=(2, 1))))["dilated_convs"] == 0
    assert figures(nn.Sequential(nn.Conv2d(3, 8, (1, 3), dilation=(1, 2))))["dilated_convs"] == 1


def test_groups_of_a_single_channel_are_not_depthwise() -> None:
    assert figures(nn.Sequential(nn.Conv2d(1, 8, 3, groups=1)), (1, 8, 8))["depthwise_convs"] == 0


AVERAGES: list[tuple[Callable[[torch.Tensor], torch.Tensor], int]] = [
    (lambda x: F.adaptive_avg_pool2d(x, 1), 1),
    (lambda x: F.avg_pool2d(x, 32), 1),
    (lambda x: x.flatten(2) @ torch.full((PIXELS, 1), 1 / PIXELS), 1),
    (lambda x: x.flatten(2) @ torch.ones(PIXELS, 1).div(PIXELS), 1),
    (lambda x: (x.flatten(2) @ torch.ones(PIXELS))[..., None] / PIXELS, 1),
    (lambda x: x.flatten(2) @ torch.full((PIXELS, 1), 0.5), 0),
    (lambda x: x.mean((2, 3)), 1),
    (lambda x: x.mean(3).mean(2), 1),
    (lambda x: x.flatten(2).mean(-1), 1),
    (lambda x: x.sum((2, 3)) / PIXELS, 1),
    (lambda x: F.adaptive_avg_pool2d(x, 2), 0),
    (lambda x: F.avg_pool2d(x, 31), 0),
    (lambda x: F.adaptive_max_pool2d(x, 1), 0),
    (lambda x: x * x.mean((2, 3), keepdim=True), 0),
    (lambda x: x.mean(1), 0),
]


@pytest.mark.parametrize(("pool", "count"), AVERAGES)
def test_global_averages_in_any_form(pool: Callable[[torch.Tensor], torch.Tensor], count: int) -> None:
    assert figures(Written(lambda m, x: pool(m.a(x)), a=conv(3, 4)))["global_average_pools"] == count


MAXIMA: list[tuple[Callable[[torch.Tensor], torch.Tensor], int]] = [
    (lambda x: F.max_pool2d(x, 2), 1),
    (lambda x: F.adaptive_max_pool2d(x, 1), 1),
    (lambda x: x.amax((2, 3)), 1),
    (lambda x: x.flatten(2).max(-1).values, 1),
    (lambda x: x.unfold(2, 2, 2).unfold(3, 2, 2).amax((-2, -1)), 1),
    (lambda x: x.amax(1), 0),
    (lambda x: torch.maximum(x, -x), 0),
]


@pytest.mark.parametrize(("pool", "count"), MAXIMA)
def test_spatial_maxima_in_any_form(pool: Callable[[torch.Tensor], torch.Tensor], count: int) -> None:
    assert figures(Written(lambda m, x: pool(m.a(x)), a=conv(3, 4)))["max_pools"] == count


def test_stages_end_with_strides_on_the_main_path() -> None:
    found = figures(from_torchvision("resnet18"), (3, 64, 64))
    # conv1 | layer1 (4) and the strided 3x3 of layer2 | 3 + 1 | 3 + 1 | 3: the 1x1 shortcuts are beside the path
    assert found["convs_per_stage"] == [1, 5, 4, 4, 3]


def test_without_constraints_on_stages_strides_alone_end_them() -> None:
    bonus = nn.Sequential(conv(3, 4), conv(4, 4, dilation=2), conv(4, 4), conv(4, 4, groups=4), conv(4, 4, 1))
    assert figures(bonus)["convs_per_stage"] == [4]
    assert figures(nn.Sequential(conv(3, 3, stride=2), bonus))["convs_per_stage"] == [1, 4]


def test_pointwise_layers_after_the_last_stride_make_no_stage() -> None:
    assert figures(nn.Sequential(conv(3, 4), conv(4, 4, stride=2), conv(4, 9, 1)))["convs_per_stage"] == [2]


def test_peak_memory_is_the_largest_input_and_output_of_a_chain() -> None:
    model = nn.Sequential(conv(3, 8), nn.ReLU(), conv(8, 4), nn.ReLU(inplace=True))
    assert figures(model)["peak_activation_bytes"] == 4 * PIXELS * (8 + 8)
    in_place = nn.Sequential(conv(3, 8), nn.ReLU(inplace=True), conv(8, 4))
    assert figures(in_place)["peak_activation_bytes"] == 4 * PIXELS * (8 + 4)
    assert figures(in_place.half())["peak_activation_bytes"] == 4 * PIXELS * (8 + 4)


def test_parameters_count_once_however_they_are_used() -> None:
    tied = Written(lambda m, x: F.conv2d(m.a(x), m.a.weight[:, :1]), a=conv(3, 8, 1), spare=nn.Linear(5, 5))
    tied.a.requires_grad_(False)
    with pytest.raises(RuntimeError, match="expected input"):
        trace(tied)
    model = Written(lambda m, x: F.conv2d(x * m.scale, m.a.weight), a=conv(3, 8, 1), scale=nn.Parameter(torch.ones(1)))
    model.spare = nn.Linear(5, 5)
    model.a.requires_grad_(False)
    found = trace(model)
    assert (found.metrics.params, found.metrics.trainable_params) == (24 + 1 + 30, 31)
    assert found.warnings == tuple(f"spare.{p}: never used by the forward pass" for p in ("weight", "bias"))


def test_what_is_not_known_is_named_and_poisons_only_what_depends_on_it() -> None:
    model = Written(
        lambda m, x: F.grid_sample(m.a(x), torch.zeros(1, 4, 4, 2), align_corners=False).mean((2, 3)), a=conv(3, 4)
    )
    found = trace(model)
    assert found.warnings == ("grid_sampler_2d: what it does to the receptive field is not known",)
    assert found.metrics.receptive_field is None
    assert "grid_sampler_2d" in found.unknown["receptive_field"]
    assert found.metrics.macs == PIXELS * 27 * 4
    assert found.metrics.max_pools == 0


def test_attention_over_space_is_global() -> None:
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.mix = conv(3, 8), nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.a(x)
            tokens = y.flatten(2).mT
            mixed: torch.Tensor = self.mix(tokens, tokens, tokens)[0]
            return torch.add(y, mixed.mT.reshape(y.shape))

    found = figures(Attention())
    assert found["global_context"] is True
    assert found["receptive_field_hw"] == [3, 3]  # what the query at each place sees


def test_a_forward_pass_in_inference_mode_shows_the_same_operations() -> None:
    body = nn.Sequential(conv(3, 8), nn.BatchNorm2d(8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
    plain, quick = (Written(torch.no_grad()(lambda m, x: m.body(x)), body=body) for _ in range(2))
    quick.run = torch.inference_mode()(lambda m, x: m.body(x))
    assert trace(quick) == trace(plain)


def test_several_inputs_and_outputs() -> None:
    model = Written(lambda m, x, y: (m.a(x) + F.interpolate(y, scale_factor=2), y), a=conv(3, 3))
    found = trace(model, [(3, 32, 32), (3, 16, 16)])
    assert (found.input, found.output) == ((3, 32, 32), (3, 32, 32))
    assert found.metrics.receptive_field_hw == (3, 3)


@pytest.mark.parametrize(
    ("model", "size", "field"),
    [
        (nn.Sequential(nn.Conv1d(3, 8, 3), nn.AvgPool1d(2), nn.Conv1d(8, 8, 5, dilation=2)), (3, 64), [20]),
        (nn.Sequential(nn.Conv3d(3, 4, (1, 3, 5)), nn.Conv3d(4, 4, (3, 1, 1))), (3, 8, 8, 8), [3, 3, 5]),
    ],
)
def test_one_and_three_dimensions(model: nn.Module, size: tuple[int, ...], field: list[int]) -> None:
    assert figures(model, size)["receptive_field_hw"] == field


def test_the_model_is_left_as_it_was() -> None:
    class Restless(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(conv(3, 4), nn.BatchNorm2d(4), nn.Dropout())
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.get_buffer("calls").add_(1)
            random.random()
            torch.rand(1)
            result: torch.Tensor = self.body(x)
            return result

    model = Restless()
    model.body[1].eval()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    draws = (random.getstate(), torch.get_rng_state())
    trace(model)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert [m.training for m in model.modules()] == [True, True, True, False, True]
    assert random.getstate() == draws[0]
    assert torch.equal(torch.get_rng_state(), draws[1])


def test_an_error_of_the_model_goes_through_and_leaves_nothing_behind() -> None:
    model = Written(lambda m, x: 1 / 0, a=conv(3, 3))
    with pytest.raises(ZeroDivisionError):
        trace(model)
    assert model.training
    assert not nn.modules.module._global_forward_pre_hooks
    assert torch.backends.mha.get_fastpath_enabled()


@pytest.mark.parametrize("size", [(), (3, 0, 4), ("3", 2), [(3, 4), ()]])
def test_an_impossible_input_size_is_refused(size: Any) -> None:
    with pytest.raises(UnusableInputError, match=r"unusable input size: .*: give positive integers"):
        trace(conv(3, 3), size)


def test_names_are_paths_and_functions_bear_their_own() -> None:
    inner = Written(lambda m, x: F.max_pool2d(m.a(x), 2), a=conv(3, 3))
    found: Trace = trace(nn.Sequential(inner))
    assert [layer.name for layer in found.layers] == ["0.a", "0.max_pool2d"]
    assert found.responsible["max_pools"] == ("0.max_pool2d",)
    assert found.responsible["convs"] == ("0.a",)


@pytest.mark.parametrize(
    ("model", "offset"),
    [
        (nn.Sequential(conv(3, 4)), [-1, -1]),
        (nn.Sequential(conv(3, 4, 3, padding=0)), [0, 0]),
        (nn.Sequential(conv(3, 4, 7, stride=2), nn.MaxPool2d(3, 2, 1)), [-5, -5]),  # -3, then one unit of jump 2 more
        (nn.Sequential(conv(3, 4, 3, dilation=4, padding=(4, 0))), [-4, 0]),
        (nn.Sequential(nn.ConstantPad2d((2, 0, 1, 0), 0.0), conv(3, 4, 1)), [-1, -2]),  # left 2, top 1
        (nn.Sequential(nn.ZeroPad2d(-3), conv(3, 4, 1)), [3, 3]),  # a crop
        (Written(lambda m, x: m.c(x.flip(3)), c=conv(3, 4, 3)), [-1, 30]),  # the first column is the last one now
    ],
)
def test_the_offset_is_the_first_pixel_that_the_first_unit_sees(model: nn.Module, offset: list[int]) -> None:
    assert trace(model).layers[-1].as_dict()["offset"] == offset


def test_a_unit_that_sees_no_pixel_has_no_offset() -> None:
    model = nn.ConvTranspose2d(3, 4, 1, stride=2, padding=0, output_padding=1)
    assert trace(model).layers[-1].offset == (0, 0)
    shifted = nn.Sequential(model, nn.ZeroPad2d((-1, 0, 0, 0)))  # its first column is between two pixels
    assert trace(shifted).layers[-1].offset == (0, None)


def test_resamplings_by_unrelated_factors_take_no_longer_than_their_maps() -> None:
    sizes = (997, 613, 509, 401, 307, 211, 101)  # periods of primes: 10^17 units before all come round together
    model = Written(lambda m, x: [x := F.interpolate(x, size=(s, 8), mode="bilinear") for s in sizes][-1])
    trace(model, (1, 1009, 8))
    mixed = Written(
        lambda m, x: (
            F.adaptive_avg_pool2d(F.interpolate(x, size=(61, 8)), (53, 8))
            + F.adaptive_avg_pool2d(F.interpolate(x, size=(59, 8)), (53, 8))
        )
    )
    found = trace(mixed, (1, 97, 8)).layers[-1]
    assert found.receptive_field is not None
    assert probe_axis(mixed, (1, 97, 8), 0) == found.receptive_field[0]


@pytest.mark.parametrize(
    ("mode", "antialias"), [("nearest", False), ("bilinear", False), ("bicubic", False), ("bilinear", True)]
)
@pytest.mark.parametrize("factor", [0.5, 0.4, 1.6])
def test_a_factor_is_taken_as_it_is_given_not_as_sizes_have_it(mode: str, antialias: bool, factor: float) -> None:
    # 41 units at half the size make 20: the step is 2 and not 41 / 20
    resize = partial(F.interpolate, scale_factor=factor, mode=mode, antialias=antialias)
    model = nn.Sequential(nn.Upsample(size=(41, 8)), Written(lambda m, x: resize(x)))
    found = trace(model, (1, 256, 8)).metrics.receptive_field_hw
    assert found is not None
    assert found[0] == probe_axis(model, (1, 256, 8), 0)


def test_a_model_whose_eval_raises_is_not_traced_as_if_it_had_none() -> None:
    class NoEval(nn.Conv2d):
        def eval(self) -> "NoEval":
            raise NotImplementedError("eval is not there yet")

    with pytest.raises(NotImplementedError, match="not there yet"):
        trace(NoEval(3, 4, 3), (3, 8, 8))


@pytest.mark.parametrize(
    "use",
    [
        lambda y: y[:, :, :0].mean((2, 3)),
        lambda y: (y[:, :, :0] + y[:, :, :0]).sum((2, 3)),
        lambda y: y[:, :, :0].flip(2).sum((2, 3)),
        lambda y: y[:, :, :0].roll(1, 2).sum((2, 3)) + y.amax((2, 3)),
        lambda y: y[:, :, :0].flatten(2).softmax(-1).sum(-1),
        lambda y: y[:, :, 5:5].sum(2).sum(-1),
    ],
)
def test_what_is_made_of_a_map_without_units_is_unknown(use: Callable[[torch.Tensor], torch.Tensor]) -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), Written(lambda _, y: use(y)))
    found = trace(model, (3, 16, 16)).metrics
    assert (found.receptive_field, found.params) == (None, 8 * 27 + 8)


def test_an_empty_map_beside_another_adds_nothing() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), Written(lambda _, y: torch.cat([y, y[:, :, :0]], 2)))
    assert trace(model, (3, 16, 16)).metrics.receptive_field == 3


def test_each_warning_is_given_once() -> None:
    warnings = trace(Written(lambda _, x: x.view(-1, 10)), (10, 2, 2)).warnings
    assert len(warnings) == len(set(warnings)) >= 1


class Counting(nn.Module):
    calls: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.frozen = nn.LazyLinear(2), nn.Dropout().eval()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        classes: torch.Tensor = self.fc(self.frozen(image.flatten(1)))
        return classes


@pytest.mark.parametrize("size", [(3, 4, 4), (3, 4)])
def test_a_lazy_model_is_filled_and_its_flags_and_buffers_stay(size: tuple[int, ...]) -> None:
    model = Counting()
    shaped(model, size)
    assert model.fc.in_features == 3 * 4 ** (len(size) - 1)
    assert (model.training, model.fc.training, model.frozen.training, float(model.calls)) == (True, True, False, 0)


def test_a_lazy_model_that_fails_keeps_its_flags() -> None:
    model = nn.Sequential(nn.Dropout(), nn.LazyLinear(2), nn.Linear(3, 2))
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        shaped(model, (4,))
    assert all(part.training for part in model.modules())
