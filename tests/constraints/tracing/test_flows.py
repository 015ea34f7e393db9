"""Chains of convolutions that are joined: the deepest counts, dilated where a branch beside it is."""

from __future__ import annotations

from constraints.tracing.flows import fresh, merge_flows
from constraints.tracing.values import Call, Flow, Head, Path, Value


def call(index: int) -> Call:
    return Call(index, "convolution", f"c{index}", (index,), (), {}, {}, [])


def chain(*dilated: bool, before: Path | None = None, first: int = 0) -> Path:
    """Spatial convolutions one after the other, numbered from ``first``."""
    path = before
    for i, is_dilated in enumerate(dilated, first):
        spatial, total, places = (path.spatial, path.total, path.dilated) if path else (0, 0, 0)
        path = Path(spatial + 1, total + 1, call(i), path, places + is_dilated)
    assert path is not None
    return path


def dilated(path: Path | None) -> list[bool]:
    found: list[bool] = []
    while path is not None:
        found.insert(0, path.is_dilated)
        path = path.before
    return found


def merged(*paths: Path) -> list[bool]:
    return dilated(merge_flows([Flow(object(), path=path) for path in paths]).path)


def test_the_deepest_chain_counts() -> None:
    trunk = chain(False)
    assert merged(chain(False, False, before=trunk, first=1), chain(False, before=trunk, first=7)) == [False] * 3


def test_a_branch_that_is_dilated_makes_its_place_so_counted_from_the_join() -> None:
    trunk = chain(False)
    deep = chain(False, False, before=trunk, first=1)
    assert merged(deep, chain(True, before=trunk, first=7)) == [False, False, True]
    assert merged(deep, chain(True, False, before=trunk, first=7)) == [False, True, False]
    assert merged(chain(True, False, before=trunk, first=1), chain(True, before=trunk, first=7)) == [False, True, True]
    assert merged(deep, trunk) == [False] * 3


def test_what_was_inherited_is_joined() -> None:
    earlier, later = (Value((1,), (), Flow(), None, index) for index in (1, 2))
    heads = [Head("mean", call(i)) for i in range(2)]
    flows = [
        Flow(object(), heads=frozenset([head]), map=m, context=c, poison=frozenset([p]))
        for head, m, c, p in zip(heads, (later, earlier), (True, False), "ab", strict=True)
    ]
    found = merge_flows(flows)
    assert (found.heads, found.map, found.context, found.poison) == (frozenset(heads), later, True, frozenset("ab"))
    assert merge_flows(flows[:1]) is flows[0]


def test_what_is_no_elementwise_function_is_of_another_origin() -> None:
    flow = Flow(object(), depthwise=frozenset([("d",)]), total=4.0, scale=0.5, poison=frozenset(["why"]))
    found = fresh(flow, context=True)
    assert found.origin is not flow.origin
    assert (found.depthwise, found.total, found.scale, found.context, found.poison) == (
        frozenset(),
        0,
        1,
        True,
        frozenset(["why"]),
    )
