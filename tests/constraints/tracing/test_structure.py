from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from constraints import check
from constraints.rules import parse_all
from constraints.stages import split
from constraints.tracer import trace
from constraints.tracing.structure import distinct, main_path
from constraints.tracing.values import Call, Flow, Key, Path, Value
from tests.constraints.written import Written


def call(key: str, stride: int = 1, kernel: int = 3, dilation: int = 1) -> Call:
    made = Call(0, "convolution", key, (key,), (), {}, {}, [])
    made.kernel, made.stride, made.dilation = (kernel, kernel), (stride, stride), (dilation, dilation)
    return made


def chain(*calls: Call) -> Value:
    """A value at the end of a chain of calls."""
    path: Path | None = None
    for one in calls:
        spatial, total, dilated = (path.spatial, path.total, path.dilated) if path else (0, 0, 0)
        path = Path(spatial + one.is_spatial, total + 1, one, path, dilated + one.is_dilated)
    return Value((), (), Flow(path=path), None)


def counted(*path: Call, ends: dict[Key, set[Key]] | None = None) -> list[int]:
    return list(split(main_path([chain(*path)], ends or {})).convs_per_stage)


def test_a_stride_ends_a_stage_and_spatial_layers_behind_it_make_one_more() -> None:
    assert counted(call("a"), call("b", 2), call("c")) == [2, 1]
    assert counted(call("a"), call("b", 2), call("c", kernel=1)) == [2]
    assert counted(call("a"), call("b", 2)) == [2]
    assert counted() == []


def test_without_constraints_strides_alone_end_stages() -> None:
    assert counted(call("a", dilation=2), call("b", dilation=2), call("c")) == [3]
    assert counted(call("a", dilation=2), call("b", 2), call("c")) == [2, 1]


def test_a_pair_is_one_convolution_in_the_stage_of_its_depthwise_part() -> None:
    ends: dict[Key, set[Key]] = {("pw",): {("dw",)}}
    assert counted(call("a"), call("dw", 2), call("pw", kernel=1), ends=ends) == [2]
    assert counted(call("a"), call("pw", kernel=1), ends=ends) == [2]  # its depthwise part is on another path


def test_a_layer_called_twice_is_one() -> None:
    first, again = call("a"), call("a")
    assert distinct([first, again, call("b")])[0] is first
    assert len(distinct([first, again, call("b")])) == 2


def test_the_main_path_is_the_deepest() -> None:
    values = [chain(call("s", kernel=1)), chain(call("a"), call("b"))]
    assert [place.name for place in main_path(values, {})] == ["a", "b"]


class Parallel(nn.Module):
    """Branches side by side, each a chain of 3x3 convolutions of these dilations, joined by a sum."""

    def __init__(self, *branches: tuple[int, ...]) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.branches = nn.ModuleList(
            nn.Sequential(*(nn.Conv2d(4, 4, 3, padding=d, dilation=d) for d in branch)) for branch in branches
        )
        self.last = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        joined: torch.Tensor = sum(branch(x) for branch in self.branches)
        return self.last(joined)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("branches", "dilated"),
    [
        ([(1,), (2,), (4,)], [1]),
        ([(1, 1), (2, 1)], [1]),
        ([(1, 1), (1, 2)], [2]),
        ([(1, 1, 1), (2,)], [3]),  # a shorter branch is beside the end of the deepest
        ([(2, 1), (1, 2)], [1, 2]),
        ([(1, 1), ()], []),
        ([(1,), (1,)], []),
    ],
)
def test_branches_that_are_joined_are_one_place(branches: list[tuple[int, ...]], dilated: list[int]) -> None:
    path = trace(Parallel(*branches)).path
    assert [i for i, place in enumerate(path) if place.is_dilated] == dilated
    assert len(path) == 2 + max(map(len, branches))


def test_two_joins_in_a_row() -> None:
    net = nn.Sequential(Parallel((1,), (2,)), nn.Conv2d(4, 3, 1), Parallel((2,), (1, 1)))
    assert [place.is_dilated for place in trace(net).path] == [False, True, False, False, False, False, True, False]
    assert split(trace(net).path, parse_all(["stages == 3"])).convs_per_stage == (2, 5, 1)


def test_a_convolution_after_the_global_pool_is_of_no_stage() -> None:
    body = (nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, stride=2), nn.Conv2d(8, 8, 3))
    model = nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 10, 1), nn.Flatten())
    figures = trace(model).metrics
    assert (figures.convs, figures.stages, figures.convs_per_stage) == (4, 2, (2, 1))


def conv(i: int, o: int, k: int = 3, **options: Any) -> nn.Conv2d:
    return nn.Conv2d(i, o, k, padding=k // 2, **options)


def _hidden(x: torch.Tensor) -> torch.Tensor:
    return F.max_pool2d(x, 2)


DILATED = nn.Conv2d(3, 4, (1, 3), dilation=(1, 2))
DEPTHWISE, POINTWISE, SPATIAL = conv(4, 8, groups=4), conv(8, 4, 1), conv(8, 4)
ADVERSARIAL: dict[str, tuple[nn.Module, dict[str, tuple[str, ...]]]] = {
    "dilation on a 1x1 kernel": (nn.Sequential(nn.Conv2d(3, 4, 1, dilation=2)), {"dilated_convs": ()}),
    "dilation on the short axis of a kernel": (
        nn.Sequential(nn.Conv2d(3, 4, (1, 3), dilation=(2, 1)), conv(4, 4)),
        {"dilated_convs": ()},
    ),
    "dilation on the long axis of a kernel": (nn.Sequential(DILATED, conv(4, 4)), {"dilated_convs": ("0",)}),
    "a dilated layer that is never called": (
        Written(lambda m, x: m.used(x), used=conv(3, 4), spare=conv(4, 4, dilation=2)),
        {"dilated_convs": (), "convs": ("used",)},
    ),
    "groups of one channel": (nn.Sequential(conv(3, 1), conv(1, 8)), {"depthwise_convs": ()}),
    "groups of two channels": (nn.Sequential(conv(3, 8), conv(8, 8, groups=4)), {"depthwise_convs": ()}),
    "depthwise with a multiplier": (
        nn.Sequential(conv(3, 4), DEPTHWISE, POINTWISE),
        {"depthwise_convs": ("1",), "depthwise_separable_convs": ("1",)},
    ),
    "depthwise followed by a 3x3": (
        nn.Sequential(conv(3, 4), DEPTHWISE, SPATIAL),
        {"depthwise_convs": ("1",), "depthwise_separable_convs": ()},
    ),
    "depthwise followed by a grouped 1x1": (
        nn.Sequential(conv(3, 4), DEPTHWISE, conv(8, 4, 1, groups=2)),
        {"depthwise_separable_convs": ()},
    ),
    "neighbours in the list that the dataflow parts": (
        Written(lambda m, x: m.deep(x) + m.point(x), deep=conv(3, 3, groups=3), point=conv(3, 3, 1)),
        {"depthwise_convs": ("deep",), "depthwise_separable_convs": ()},
    ),
    "apart in the list, one behind the other in the dataflow": (
        Written(lambda m, x: m.point(m.deep(x)), point=conv(3, 3, 1), other=conv(3, 3), deep=conv(3, 3, groups=3)),
        {"depthwise_separable_convs": ("deep",)},
    ),
    "pooling to 2x2": (
        nn.Sequential(conv(3, 4), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 10)),
        {"global_average_pools": (), "fully_connected": ()},
    ),
    "a global pool before the last layer": (
        nn.Sequential(conv(3, 4), nn.AvgPool2d(32), nn.Flatten(), nn.Linear(4, 10)),
        {"global_average_pools": ("1",), "fully_connected": ("3",)},
    ),
    "a maximum hidden in a function": (
        Written(lambda m, x: _hidden(m.a(x)), a=conv(3, 4)),
        {"max_pools": ("max_pool2d",)},
    ),
    "a maximum of slices": (
        Written(lambda m, x: torch.maximum(x[..., ::2], x[..., 1::2]), a=conv(3, 4)),
        {"max_pools": ("maximum",)},
    ),
}


@pytest.mark.parametrize(("model", "layers"), ADVERSARIAL.values(), ids=ADVERSARIAL.keys())
def test_each_detector_names_the_layers_that_it_means(model: nn.Module, layers: dict[str, tuple[str, ...]]) -> None:
    found = trace(model)
    assert {name: found.responsible[name] for name in layers} == layers
    assert {name: getattr(found.metrics, name) for name in layers} == {name: len(n) for name, n in layers.items()}


@pytest.mark.parametrize(("dilation", "field", "ok"), [(42, 43, False), (43, 44, False), (44, 45, True)])
def test_a_field_of_exactly_44_is_not_larger_than_44(dilation: int, field: int, ok: bool) -> None:
    report = check(nn.Conv2d(3, 3, 2, dilation=dilation), input_size=(3, 64, 64), require=["receptive_field > 44"])
    assert (report.metrics["receptive_field"], report.ok) == (field, ok)


@pytest.mark.parametrize(("spare", "params", "ok"), [(2, 199_999, True), (3, 200_000, False), (4, 200_001, False)])
def test_exactly_200000_parameters_are_not_fewer_than_200k(spare: int, params: int, ok: bool) -> None:
    model = nn.Sequential(nn.Conv2d(3, 49_999, 1), nn.ReLU())  # 3 * 49,999 + 49,999 = 199,996
    model.register_parameter("spare", nn.Parameter(torch.ones(spare + 1)))
    report = check(model, input_size=(3, 4, 4), require=["params < 200k"])
    assert (report.metrics["params"], report.ok) == (params, ok)


def _by_einsum(m: Any, x: torch.Tensor) -> torch.Tensor:
    return torch.einsum("bchw,dc->bdhw", x, torch.ones(4, 4))


STRIP = {
    "a": nn.Conv2d(3, 4, (1, 4)),  # of 12 x 4 pixels 12 x 1 units, which see 1 x 4
    "b": nn.Conv2d(4, 4, 3, padding=1),  # 3 x 6
    "c": nn.Conv2d(4, 4, (5, 3), padding=(2, 1)),  # 7 x 8
    "whole": nn.Conv2d(3, 4, (12, 4)),
    "line": nn.Conv1d(4, 4, 3, padding=1),
}


@pytest.mark.parametrize(
    ("run", "field", "down"),
    [
        (lambda m, x: (m.a(x).mean((2, 3)), _by_einsum(m, m.b(m.a(x))).mean((2, 3))), (3, 6), (1, 4)),
        (lambda m, x: m.b(_by_einsum(m, m.a(x))), (3, 6), (1, 4)),
        (lambda m, x: m.c(_by_einsum(m, m.b(m.a(x)))).flatten(1), (7, 8), (1, 4)),
        (lambda m, x: m.c(m.b(m.a(x)).squeeze(3).unsqueeze(3)), (7, 8), (1, 4)),
        (lambda m, x: m.c(m.b(m.a(x)).flatten(2).view(1, 4, 12, 1)), (7, 8), (1, 4)),
        (lambda m, x: m.line(m.b(m.a(x)).squeeze(3)), (5, 6), (1, 4)),
        (lambda m, x: m.line(m.b(m.a(x)).squeeze(3)).mean(2), (5, 6), (1, 4)),
        (lambda m, x: m.c(m.b(m.a(x))[..., 0].unsqueeze(3)), (7, 8), (1, 4)),
        (lambda m, x: m.b(_by_einsum(m, m.whole(x))), (14, 6), (12, 4)),
        # a row that is picked is no map until its axis is back: the one that it was picked of is the last
        (lambda m, x: m.line(m.b(m.a(x))[:, :, 5]), (3, 6), (1, 4)),
        (lambda m, x: m.line(m.b(m.a(x))[:, :, 5]).mean(2), (3, 6), (1, 4)),
        (lambda m, x: m.c(m.b(m.a(x))[:, :, 5].unsqueeze(2)), (7, 8), (12, 4)),
        # a pooled vector beside one unit is none either
        (lambda m, x: torch.cat([m.b(m.a(x)).mean((2, 3)), m.a(x)[:, :, 5:6].flatten(1)], 1), (3, 6), (1, 4)),
    ],
)
def test_a_map_of_one_unit_is_a_map_also_where_its_axis_is_gone(
    run: Any, field: tuple[int, int], down: tuple[int, int]
) -> None:
    found = trace(Written(run, **STRIP), (3, 12, 4))
    assert (found.metrics.receptive_field_hw, found.metrics.downsampled_by) == (field, down)


def test_the_last_of_several_pooled_maps_is_judged_in_whatever_order_they_are_pooled() -> None:
    def run(m: Any, x: torch.Tensor) -> Any:
        early = m.b(x)
        late = m.c(early)
        return late.mean((2, 3)), early.mean((2, 3)), early.amax((2, 3))

    parts = {"b": nn.Conv2d(3, 4, 3), "c": nn.Conv2d(4, 4, 5, 2)}
    found = trace(Written(run, **parts), (3, 16, 16)).metrics
    assert (found.receptive_field_hw, found.downsampled_by, found.global_average_pools) == ((7, 7), (3.2, 3.2), 2)


def _flipped(x: torch.Tensor) -> torch.Tensor:
    return torch.cat([x, x.flip(3)])


def _in_patches(x: torch.Tensor) -> torch.Tensor:
    return x.unfold(2, 8, 8).unfold(3, 8, 8).permute(0, 2, 3, 1, 4, 5).reshape(4, 3, 8, 8)


def _unflipped(y: torch.Tensor) -> torch.Tensor:
    first, second = y.chunk(2)
    return first + second.flip(3)


def _pooled(y: torch.Tensor) -> torch.Tensor:
    return y.mean((2, 3)).mean(0, keepdim=True)


@pytest.mark.parametrize(
    ("run", "field"),
    [
        (lambda m, x: _pooled(m.b(_flipped(x))), (3, 3)),
        (lambda m, x: _pooled(F.relu(m.b(_flipped(x))) + m.b(_flipped(x))), (3, 3)),
        (lambda m, x: _unflipped(m.b(_flipped(x))), (3, 3)),
        (lambda m, x: _pooled(m.b(torch.cat([x[..., :9, :9], x[..., -9:, -9:]]))), (3, 3)),
        (lambda m, x: _pooled(m.b(torch.cat([x, F.avg_pool2d(x, 3, 1, 1)]))), (5, 5)),
        (lambda m, x: m.b(_in_patches(x)), (3, 3)),
        (lambda m, x: m.b(_in_patches(x)).flatten(1).sum(1), (3, 3)),
        (lambda m, x: _flipped(m.b(x)).sum(0, keepdim=True), None),  # a place and the one opposite
    ],
)
def test_rows_of_a_batch_see_each_by_itself(run: Any, field: tuple[int, int] | None) -> None:
    found = trace(Written(run, b=nn.Conv2d(3, 4, 3, padding=1)), (3, 16, 16))
    assert found.metrics.receptive_field_hw == field
    assert field or "rows of a batch" in found.unknown["receptive_field"]


@pytest.mark.parametrize(
    ("join", "field"),
    [
        (lambda m, y: m.b(y.squeeze(2)).mean((2, 3)), [5, 5]),
        (lambda m, y: m.b(y[:, :, 0]).mean((2, 3)), [5, 5]),
        (lambda m, y: m.c(y).mean((2, 3, 4)), [3, 5, 5]),
        (lambda m, y: m.c(m.b(y.squeeze(2))[:, :, None]).mean((2, 3, 4)), [3, 7, 7]),
    ],
)
def test_frames_that_a_kernel_covers_are_an_axis_only_where_the_map_has_it(join: Any, field: list[int]) -> None:
    # 3x3x3 over three frames leaves one; then 3x3, which sees 2 further pixels
    parts = {"a": nn.Conv3d(3, 4, 3, padding=(0, 1, 1)), "b": nn.Conv2d(4, 4, 3), "c": nn.Conv3d(4, 4, (1, 3, 3))}
    found = trace(Written(lambda m, x: join(m, m.a(x)), **parts), (3, 3, 16, 16))
    assert found.metrics.receptive_field_hw == tuple(field)
    assert found.metrics.receptive_field == min(field)
    assert found.metrics.global_average_pools == 1
