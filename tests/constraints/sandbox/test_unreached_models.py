"""Models that an import of a file does not make, and what to do about them."""

from __future__ import annotations

import ast

import pytest

from constraints.sandbox.unreached_models import unreached

MODEL = "    layers = []\n    model = nn.Sequential(*layers).to('cpu')\n"
CLASS = "    class Net(pl.LightningModule):\n        pass\n"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            f"import x\nif __name__ == '__main__':\n{MODEL}",
            "line 4 makes model only if the file is run: move it out of if __name__ == '__main__'",
        ),
        (f"def main(args):\n{MODEL}", "line 3 makes model inside main: move it out of that function"),
        (f"def main():\n{CLASS}{MODEL}", "the class Net is inside main: move it out of that function"),
        ("def train(model):\n    loss = criterion(model)\n", ""),
        (f"if DEBUG:\n{MODEL}", ""),
    ],
)
def test_where_a_network_is_made(code: str, said: str) -> None:
    assert unreached(ast.parse(code)) == said
