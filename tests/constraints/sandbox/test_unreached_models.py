"""Models that an import of a file does not make, and what to do about them."""

from __future__ import annotations

import ast

import pytest

from constraints.sandbox.unreached_models import defining_functions, unreached, written_model

MODEL = "    layers = []\n    model = nn.Sequential(*layers).to('cpu')\n"
CLASS = "    class Net(pl.LightningModule):\n        pass\n"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            f"import x\nif __name__ == '__main__':\n{MODEL}",
            "line 4 makes model only if the file is run: move it out of if __name__ == '__main__'",
        ),
        (
            f"if __name__ == '__main__':\n{CLASS}{MODEL}",
            "line 2 defines the class Net only if the file is run: move it out of if __name__ == '__main__'",
        ),
        (f"class Zoo:\n{CLASS}", "the class Net is inside Zoo: name Zoo.Net"),
        (f"class Zoo:\n  class Inner:\n{CLASS}", "the class Net is inside Zoo.Inner: name Zoo.Inner.Net"),
        (f"class Zoo:\n  def make(self):\n{CLASS}", "the class Net is inside make: move it out of that function"),
        (f"def main(args):\n{MODEL}", "line 3 makes model inside main: move it out of that function"),
        (f"def main():\n{CLASS}{MODEL}", "the class Net is inside main: move it out of that function"),
        ("def train(model):\n    loss = criterion(model)\n", ""),
        (f"if DEBUG:\n{MODEL}", ""),
    ],
)
def test_where_a_network_is_made(code: str, said: str) -> None:
    assert unreached(ast.parse(code)) == said


def test_a_network_in_a_file_that_a_cell_writes_is_named_with_its_import() -> None:
    files = {
        "bad.py": "class (",
        "a/b.py": "class Data:\n    pass\n",
        "a/__init__.py": "class Net(nn.Module):\n    pass\n",
    }
    assert written_model(files) == "a cell writes a/__init__.py: add a cell after it: from a import Net"
    assert written_model({"a/b.py": files["a/__init__.py"]}).endswith("from a.b import Net")
    assert written_model({"a/b.py": files["a/b.py"]}) == ""


def test_functions_that_define_a_network_are_known() -> None:
    tree = ast.parse(f"def make(n):\n{CLASS}    return Net()\ndef main():\n    make(3)\n")
    assert defining_functions(tree) == {"make"}
