from torch import nn

from constraints.trace import trace
from constraints.tracing.structure import distinct, main_path, stages
from constraints.tracing.values import Call, Flow, Key, Path, Value


def call(key: str, stride: int = 1, kernel: int = 3, dilation: int = 1) -> Call:
    made = Call(0, "convolution", key, (key,), (), {}, {}, [])
    made.kernel, made.stride, made.dilation = (kernel, kernel), (stride, stride), (dilation, dilation)
    return made


def counted(*path: Call, ends: dict[Key, set[Key]] | None = None) -> list[int]:
    return stages(path, ends or {})


def test_a_stride_ends_a_stage_and_spatial_layers_behind_it_make_one_more() -> None:
    assert counted(call("a"), call("b", 2), call("c")) == [2, 1]
    assert counted(call("a"), call("b", 2), call("c", kernel=1)) == [2]
    assert counted(call("a"), call("b", 2)) == [2]
    assert counted() == []


def test_dilation_ends_stages_only_without_strides() -> None:
    assert counted(call("a", dilation=2), call("b", dilation=2), call("c")) == [1, 1, 1]
    assert counted(call("a", dilation=2), call("b", 2), call("c")) == [2, 1]


def test_a_pair_is_one_convolution_in_the_stage_of_its_depthwise_part() -> None:
    ends: dict[Key, set[Key]] = {("pw",): {("dw",)}}
    assert counted(call("a"), call("dw", 2), call("pw", kernel=1), ends=ends) == [2]
    assert counted(call("a"), call("pw", kernel=1), ends=ends) == [2]  # its depthwise part lies on another path


def test_a_layer_called_twice_is_one() -> None:
    first, again = call("a"), call("a")
    assert distinct([first, again, call("b")])[0] is first
    assert len(distinct([first, again, call("b")])) == 2


def test_the_main_path_is_the_deepest() -> None:
    a, b, shortcut = call("a"), call("b"), call("s", kernel=1)
    deep = Path(2, 2, b, Path(1, 1, a, None))
    values = [Value((), (), Flow(path=p), None) for p in (Path(0, 1, shortcut, None), deep)]
    assert main_path(values) == [a, b]


def test_a_convolution_after_the_global_pool_is_of_no_stage() -> None:
    body = (nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, stride=2), nn.Conv2d(8, 8, 3))
    model = nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 10, 1), nn.Flatten())
    figures = trace(model).metrics
    assert (figures.convs, figures.stages, figures.convs_per_stage) == (4, 2, (2, 1))
