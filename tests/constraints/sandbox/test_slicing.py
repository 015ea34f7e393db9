"""Which statements of a notebook a model needs."""

from __future__ import annotations

import ast

import pytest

from constraints.sandbox.slicing import free_names, needed

NET = "class Net(nn.Module):\n    def __init__(self):\n        self.c = conv(widths[0], DROP)\n"


def kept(code: str, name: str = "Net") -> list[str]:
    statements = ast.parse(code).body
    return [ast.unparse(s) for s, keep in zip(statements, needed(statements, name), strict=True) if keep]


def test_what_trains_plots_or_loads_is_left_out() -> None:
    code = (
        "import torch\nfrom torch import nn\ndata = load()\nDROP = 0.1\nwidths = [8]\n"
        + NET
        + "def conv(a, b): return a\n"
        "model = Net()\noptimiser = SGD(model.parameters())\n"
        "for epoch in range(9):\n    optimiser.step()\nplt.plot(data)\n"
    )
    names = [line.split("\n")[0] for line in kept(code)]
    assert names == ["import torch", "from torch import nn", "DROP = 0.1", "widths = [8]", "class Net(nn.Module):",
                     "def conv(a, b):"]  # fmt: skip


@pytest.mark.parametrize(
    "change",
    ["widths.append(3)", "widths[0] = 4", "widths += [4]", "for w in (1, 2):\n    widths.append(w)", "del widths[0]"],
)
def test_what_changes_a_value_that_the_model_reads_is_kept(change: str) -> None:
    assert change in kept(f"widths = [1]\nDROP = 0\n{change}\n{NET}")


def test_a_value_that_a_helper_reads_is_kept_with_what_it_is_made_of() -> None:
    code = f"base = 4\nlast = 9\nwide = 2 * base\nwidths = [1]\nDROP = 0\ndef conv(a, b): return wide\n{NET}"
    assert {"base = 4", "wide = 2 * base"} <= set(kept(code))
    assert "last = 9" not in kept(code)


def test_what_makes_a_class_with_required_arguments_is_kept_with_them() -> None:
    made = "model = Wide(cfg).to('cuda')"
    code = f"cfg = load()\nclass Wide(nn.Module):\n    def __init__(self, cfg, deep=1):\n        pass\n{made}\nn = 3\n"
    assert {"cfg = load()", made} <= set(kept(code, ""))
    assert "n = 3" not in kept(code, "")
    assert made not in kept(code.replace("self, cfg,", "self, cfg=None,"), "")


def test_names_that_a_file_reads_and_binds_nowhere() -> None:
    code = "import a.b\nfrom c import d as e\ndef f(g):\n    return g, h, len(a), e\nclass I(J):\n    k = l"
    assert free_names(ast.parse(code)) == {"h", "J", "l"}


def test_a_local_name_of_a_method_is_no_global_one() -> None:
    code = "x = batch()\nclass Net(nn.Module):\n    def forward(self, x):\n        return x\n"
    assert "x = batch()" not in kept(code)


def test_a_finished_model_is_built_and_not_trained() -> None:
    built = ["layers = []", "for w in (8, 16):\n    layers.append(w)", "model = nn.Sequential(*layers)", "model.eval()"]
    assert kept("\n".join([*built, "fit(model)"]), "model") == built
    loop = "for x in data:\n    loss(model(x)).backward()\n    model.zero_grad()"
    assert loop not in kept(f"model = make()\n{loop}\n", "model")


def test_a_guarded_import_is_an_import() -> None:
    guarded = "try:\n    import apex\nexcept ImportError:\n    apex = None"
    assert guarded in kept(guarded)


@pytest.mark.parametrize("change", ["Net.forward = forward", "setattr(Net, 'forward', forward)"])
def test_a_method_that_is_given_to_a_class_later_is_kept(change: str) -> None:
    code = f"DROP = 0\nwidths = [1]\n{NET}def forward(self, x):\n    return x\n{change}\nprint(Net)\n"
    assert change in kept(code, "")
    assert "print(Net)" not in kept(code, "")
