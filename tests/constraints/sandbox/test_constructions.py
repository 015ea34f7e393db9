"""The calls by which modules are made, with their places in the user's file."""

from torch import nn

from constraints.sandbox.constructions import Constructions

TEXT = """from torch import nn
def conv(i, o, *, d=1):
    return nn.Sequential(nn.Conv2d(i, o, 3, dilation=d), nn.ReLU())
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = conv(3, 8)
        self.b = nn.ModuleList(conv(8, 8) for _ in range(2))
"""


def made(text: str, *, is_wanted: bool = True) -> tuple[Constructions, nn.Module]:
    names: dict[str, type[nn.Module]] = {}
    with Constructions(is_wanted=is_wanted) as found:
        exec(compile(text, "net_under_test.py", "exec"), names)
        model = names["Net"]()
    return found, model


def test_calls_are_the_innermost_first_with_the_parameters_around_them() -> None:
    found, model = made(TEXT)
    inner, outer, *_ = found.calls(model.get_submodule("a.0"))
    assert (inner.file, inner.position.line, outer.position.line) == ("net_under_test.py", 3, 7)
    line = TEXT.splitlines()[2]
    assert line[inner.position.column : inner.position.end_column] == "nn.Conv2d(i, o, 3, dilation=d)"
    assert TEXT.splitlines()[6][outer.position.column : outer.position.end_column] == "conv(3, 8)"
    assert inner.parameters == ("i", "o", "d")
    assert outer.parameters == ("self",)


def test_layers_of_a_loop_have_the_same_calls() -> None:
    found, model = made(TEXT)
    first, second, other = (found.calls(model.get_submodule(name)) for name in ("b.0.0", "b.1.0", "a.0"))
    assert first == second != other


def test_nothing_is_noted_unless_it_is_wanted_nor_afterwards() -> None:
    before = nn.Module.__init__
    found, model = made(TEXT, is_wanted=False)
    assert found.calls(model) == ()
    found, _ = made(TEXT)
    assert nn.Module.__init__ is before
    assert found.calls(nn.ReLU()) == ()
