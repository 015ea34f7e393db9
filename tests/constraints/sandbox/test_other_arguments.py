"""A network that the file makes with arguments, beside the checked class without."""

from __future__ import annotations

import ast

import pytest
import torch
from torch import nn

from constraints.sandbox.other_arguments import made_if_run, made_otherwise


class Net(nn.Sequential):
    def __init__(self, width: int = 8) -> None:
        super().__init__(nn.Conv2d(3, width, 3))


@pytest.mark.parametrize(
    ("line", "made"),
    [
        ("model = Net(width=64).to(device)", "Net(width=64)"),
        ("model = torch.compile(Net(64))", "Net(64)"),
        ("model: nn.Module = Net(64)", "Net(64)"),
        ("model, loss = Net(64), nn.MSELoss()", "Net(64)"),
        ("[loss, model] = nn.MSELoss(), Net(64)", "Net(64)"),
        ("model = backbone = Net(64)", "Net(64)"),
        ("model, rest = make(Net(64), 3)", ""),
        ("model = nn.DataParallel(Net(64).cuda())", "Net(64)"),
        ("def make():\n    model = Net(64)", ""),
        ("model = [Net(64)]", ""),
        ("model = sum(p.numel() for p in Net(64).parameters())", ""),
        ("model = Other(64)", ""),
        ("width = 64", ""),
    ],
)
def test_a_network_with_arguments_is_named(line: str, made: str) -> None:
    said = f"model is {made} in the file, and this is Net without arguments: to check the former, name model"
    assert made_otherwise(ast.parse(f"import torch\n{line}"), "Net", {"model": Net(64)}, Net()) == (
        said if made else ""
    )
    assert made_otherwise(ast.parse(line), "Net", {}, Net()) == (
        said if made else ""
    )  # a notebook's, which did not run


@pytest.mark.parametrize(
    "line",
    [
        "with torch.device('cpu'):\n    model = Net(64)",
        "try:\n    if torch:\n        model = Net(64)\nexcept ValueError:\n    pass",
    ],
)
def test_a_network_of_a_block_is_named_if_the_block_was_run(line: str) -> None:
    said = "model is Net(64) in the file, and this is Net without arguments: to check the former, name model"
    assert made_otherwise(ast.parse(line), "Net", {"model": Net(64)}, Net()) == said
    assert not made_otherwise(ast.parse(line), "Net", {}, Net())


def test_a_network_of_the_class_itself_is_no_other() -> None:
    assert not made_otherwise(ast.parse("model = Net()"), "Net", {"model": Net()}, Net())
    assert not made_otherwise(ast.parse("model = Net()"), "Net", {}, Net())


def test_arguments_that_are_the_defaults_make_no_other_network() -> None:
    for space in ({"model": Net(8)}, {}):
        assert not made_otherwise(ast.parse("model = Net(width=8)"), "Net", space, Net())
    assert made_otherwise(ast.parse("model = Net(width)"), "Net", {}, Net())


def test_arguments_that_change_no_parameter_make_another_network() -> None:
    made = nn.Sequential(nn.Conv2d(3, 8, 3, dilation=4))
    assert made_otherwise(ast.parse("model = Net(dilation=4)"), "Net", {"model": made}, Net())


class Lazy(nn.Sequential):
    def __init__(self, width: int = 8) -> None:
        super().__init__(nn.LazyConv2d(width, 3), nn.LazyBatchNorm2d(), nn.Conv2d(width, 16, 3))


@pytest.mark.parametrize("has_run", [False, True])
def test_a_lazy_network_that_only_ran_is_the_same_one(*, has_run: bool) -> None:
    same, other = Lazy(8), Lazy(64)
    if has_run:
        same(torch.zeros(2, 3, 8, 8))
        other(torch.zeros(2, 3, 8, 8))
    assert not made_otherwise(ast.parse("model = Lazy()"), "Lazy", {"model": same}, Lazy())
    assert not made_otherwise(ast.parse("model = Lazy(8)"), "Lazy", {"model": same}, Lazy())
    assert "model is Lazy(64)" in made_otherwise(ast.parse("model = Lazy(64)"), "Lazy", {"model": other}, Lazy())
    same[0] = nn.LazyConv2d(8, 5)
    assert "changed later" in made_otherwise(ast.parse("model = Lazy()"), "Lazy", {"model": same}, Lazy())


@pytest.mark.parametrize("line", ["size = count(Net(64))", "models = build(Net(64))"])
def test_what_is_no_network_is_not_named(line: str) -> None:
    assert not made_otherwise(ast.parse(line), "Net", {"size": 5, "models": [Net(64)]}, Net())


@pytest.mark.parametrize(
    ("line", "is_named"),
    [
        ("model[0] = nn.Conv2d(3, 8, 5)", True),
        ("model.forward = print", True),
        ("model.eval()", False),
        ("model.names = ['cat']", False),
    ],
)
def test_a_network_that_is_changed_after_it_was_made_is_named(line: str, is_named: bool) -> None:
    said = "model is Net() in the file, changed later, and this is Net itself: to check the former, name model"
    space = {"Net": Net, "model": Net(), "nn": nn}
    exec(line, space)
    for made in ("Net()", "nn.DataParallel(Net().cuda())"):
        assert made_otherwise(ast.parse(f"model = {made}\n{line}"), "Net", space, Net()) == (said if is_named else "")


def test_a_network_within_another_one_is_not_a_changed_one() -> None:
    for made in (nn.DataParallel(Net()), nn.Sequential(Net(), nn.ReLU())):
        assert not made_otherwise(ast.parse("model = wrap(Net())"), "Net", {"model": made}, Net())


@pytest.mark.parametrize(
    ("line", "is_named"),
    [
        ("model.head = nn.Linear(8, 5)", True),
        ("model.head[1] = nn.Linear(8, 5)", True),
        ("model.head[1].bias = None", False),
        ("model.device = torch.device('cuda')", False),
        ("model = model.eval()", False),
        ("other.head = nn.Linear(8, 5)", False),
    ],
)
def test_in_a_notebook_the_statement_that_replaces_a_layer_counts(line: str, is_named: bool) -> None:
    net = Net()
    net.head = nn.Sequential(nn.Flatten(), nn.Linear(8, 10))
    assert bool(made_otherwise(ast.parse(f"model = Net()\n{line}"), "Net", {}, net)) is is_named


class Wide(nn.Sequential):
    def __init__(self, width: int = 8, act: str = "relu", *, is_deep: bool = False, **sizes: int) -> None:
        super().__init__(nn.Conv2d(3, width, 3))
        self.act, self.is_deep = act, is_deep

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self[0](x) if self.act == "relu" else x


@pytest.mark.parametrize(
    ("call", "flags"),
    [
        ("Wide(64)", "--arg width=64"),
        ("Wide(width=64, is_deep=True)", "--arg width=64 --arg is_deep=true"),
        ("Wide(8, 'it is')", "--arg 'act=\"it is\"'"),
        ("Wide(8)", ""),
        ("Wide(is_deep=True)", ""),
        ("Wide(width='x')", "--arg 'width=\"x\"'"),
        ("Wide(None)", ""),
        ("Wide({'a': 1})", ""),
        ("Wide(8, sizes=[1, 2])", ""),
        ("Wide()", ""),
        ("Wide(args.width)", ""),
        ("Wide(*sizes)", ""),
        ("Wide(1, 2, 3)", ""),
        ("Other(64)", ""),
    ],
)
@pytest.mark.parametrize("block", ["if __name__ == '__main__':", "def main():"])
def test_arguments_with_which_only_a_script_makes_the_network_are_given_as_flags(
    call: str, flags: str, block: str
) -> None:
    said = f"line 3 makes {call} only if the file is run, and this is Wide without arguments: to check the former, give"
    for made in (call, f"{call}.to(device)", f"torch.compile({call})"):
        tree = ast.parse(f"import torch\n{block}\n    model = {made}\n")
        assert made_if_run(tree, "Wide", Wide, Wide()) == (f"{said} {flags}" if flags else "")


class Scaled(nn.Sequential):
    def __init__(self, scale: object = torch.ones(2), *widths: int) -> None:
        super().__init__(nn.Conv2d(3, 8, 3))


@pytest.mark.parametrize("call", ["Scaled(0.5)", "Scaled(0.5, 8, 16)"])
def test_no_flag_is_said_for_what_cannot_be_compared_or_has_none(call: str) -> None:
    assert not made_if_run(ast.parse(f"def main():\n    model = {call}\n"), "Scaled", Scaled, Scaled())


def test_other_functions_may_make_what_they_like() -> None:
    code = "def make_small():\n    model = Wide(2)\n    return model\n"
    assert made_if_run(ast.parse(code), "Wide", Wide, Wide()) == ""


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("def run():\n    model = Wide(2)\nif __name__ == '__main__':\n    run()\n", 2),
        ("async def go():\n    model = Wide(2)\nif '__main__' == __name__:\n    asyncio.run(go())\n", 2),
        ("def a():\n    m = Wide(2)\ndef b():\n    a()\nif __name__ == '__main__' and DEBUG:\n    b()\n", 2),
        ("if DEBUG:\n    pass\nelif __name__ == '__main__':\n    model = Wide(2)\n", 4),
        ("if __name__ in ('__main__', '__mp_main__'):\n    model = Wide(2)\n", 2),
        ("if __name__ != '__main__':\n    pass\nelse:\n    model = Wide(2)\n", 4),
        ("if __name__ != '__main__':\n    model = Wide(2)\n", 0),
        ("if not __name__ == '__main__':\n    model = Wide(2)\n", 0),
        ("if __name__ == '__main__' or DEBUG:\n    model = Wide(2)\n", 0),
        ("def run():\n    model = Wide(2)\n", 0),
    ],
)
def test_what_runs_only_with_the_file_is_what_its_name_decides(code: str, line: int) -> None:
    found = made_if_run(ast.parse(code), "Wide", Wide, Wide())
    assert found.startswith(f"line {line} makes Wide(2) only if the file is run") if line else not found


@pytest.mark.parametrize(
    ("code", "made"),
    [
        ("model = Net(16)\nmodel = Net(64)", "Net(64)"),
        ("model = Net(16)\nmodel = Net()", ""),
        ("model = Net(64)\nmodel = model.to(device)", "Net(64)"),
        ("model = Net()\nif big:\n    model = Net(64)", "Net() or Net(64)"),
        ("if big:\n    model = Net(64)\nelse:\n    model = make(3)", "Net(64) or make(3)"),
        ("if big:\n    model = Net(16)\nmodel = Net(64)", "Net(64)"),
        ("if __name__ != '__main__':\n    model = Net(64)", "Net(64)"),
        ("if __name__ == '__main__':\n    pass\nelse:\n    model = Net(64)", "Net(64)"),
        ("try:\n    import x\nexcept ImportError:\n    model = Net(64)", "Net(64)"),
        ("match size:\n    case 3:\n        model = Net(64)", "Net(64)"),
        ("if __name__ == '__main__':\n    model = Net(64)", ""),
    ],
)
def test_the_last_of_several_statements_is_named(code: str, made: str) -> None:
    said = f"model is {made} in the file, and this is Net without arguments: to check the former, name model"
    width = 64 if made else 8
    assert made_otherwise(ast.parse(code), "Net", {"model": Net(width)}, Net()) == (said if made else "")


class Flag(nn.Module):
    def __init__(self, *, is_pooled: bool = False) -> None:
        super().__init__()
        self.conv, self.is_pooled = nn.Conv2d(3, 8, 3), is_pooled

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.max_pool2d(self.conv(x), 2) if self.is_pooled else self.conv(x)


def test_a_flag_that_only_the_forward_pass_reads_makes_another_network() -> None:
    made = made_otherwise(ast.parse("model = Flag(is_pooled=True)"), "Flag", {"model": Flag(is_pooled=True)}, Flag())
    assert made.startswith("model is Flag(is_pooled=True) in the file")
