"""A notebook's cells are edited in its JSON and nothing else of it; a script has what the model needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from constraints.errors import UnusableInputError
from constraints.sandbox import notebooks
from constraints.sandbox.source import Source, read

CELLS = (
    "!pip install x\nimport torch\nacc = !date\nwidth = 8  # channels\n",
    "%%bash\nls",
    "# plots\nplt.show(); depth = 3\n# the network\nclass Net:\n    w = width\n    d = depth",
)
LAID_OUT = [
    {"indent": 1, "ensure_ascii": False},
    {"indent": 2},
    {"separators": (",", ":"), "ensure_ascii": False},
    {},
]


def document(kind: type = list) -> dict[str, Any]:
    cells: list[dict[str, Any]] = [{"cell_type": "markdown", "source": ["ü"]}]
    for text in CELLS:
        source = text.splitlines(keepends=True) if kind is list else text
        cells.append({"cell_type": "code", "outputs": [{"text": ["1.50e-3"]}], "source": source})
    return {"cells": cells, "nbformat": 4}


def written(folder: Path, text: str) -> Source:
    (folder / "net.ipynb").write_text(text, "utf-8", newline="")
    return read(folder / "net.ipynb")


@pytest.mark.parametrize("kind", [list, str])
@pytest.mark.parametrize("layout", LAID_OUT)
@pytest.mark.parametrize("end", ["", "\n"])
def test_one_line_changes_and_the_rest_stays(tmp_path: Path, layout: dict[str, Any], end: str, kind: type) -> None:
    text = json.dumps(document(kind), **layout) + end
    source = written(tmp_path, text)
    joined = notebooks.joined(source)
    assert notebooks.with_text(text, source, joined) == text
    new = notebooks.with_text(text, source, joined.replace("width = 8", "width = 12\nmore = 1"))
    if kind is str:
        assert new == text.replace("width = 8", "width = 12\\nmore = 1")
    cells = ["".join(cell["source"]) for cell in json.loads(new)["cells"][1:]]
    assert cells == [CELLS[0].replace("width = 8", "width = 12\nmore = 1"), *CELLS[1:]]


def test_a_byte_order_mark_stays(tmp_path: Path) -> None:
    text = "\ufeff" + json.dumps(document(), indent=1)
    source = written(tmp_path, text)
    joined = notebooks.joined(source)
    assert notebooks.with_text(text, source, joined) == text


def test_a_layout_of_no_program_is_refused(tmp_path: Path) -> None:
    text = json.dumps(document(), indent=1).replace(": ", ":  ")
    source = written(tmp_path, text)
    with pytest.raises(UnusableInputError, match="not laid out as Jupyter saves it"):
        notebooks.with_text(text, source, notebooks.joined(source))


def test_lines_of_cells_in_the_joined_text_and_in_messages(tmp_path: Path) -> None:
    source = written(tmp_path, json.dumps(document()))
    lines = notebooks.joined(source).split("\n")
    starts = notebooks.starts(source)
    third = next(name for name in starts if name.endswith("cell 3"))
    assert lines[starts[third]] == "# plots"
    at = lines.index("    w = width") + 1
    assert notebooks.placed(f"w: net.ipynb:{at}", source) == "w: net.ipynb, cell 3:5"
    assert (
        notebooks.placed(f"the call at line {at} makes others", source) == "the call at line 5 of cell 3 makes others"
    )


def test_a_script_has_the_statements_that_the_model_needs(tmp_path: Path) -> None:
    source = written(tmp_path, json.dumps(document()))
    assert notebooks.script(source, "Net") == (
        "import torch\nwidth = 8  # channels\n\ndepth = 3\n# the network\nclass Net:\n    w = width\n    d = depth\n"
    )


def test_a_script_has_imports_of_the_future_first(tmp_path: Path) -> None:
    texts = ("import torch", "from __future__ import annotations\nfrom math import pi", "class Net:\n    pass")
    cells = [{"cell_type": "code", "source": text} for text in texts]
    script = notebooks.script(written(tmp_path, json.dumps({"cells": cells, "nbformat": 4})), "Net")
    assert script.startswith("from __future__ import annotations\n\nimport torch\n\nfrom math import pi\n\nclass Net:")
    compile(script, "net.py", "exec")


@pytest.mark.parametrize(
    ("cell", "kept"),
    [
        ("net = Net(); net.fit(data)", "net = Net()\n"),
        ("# all\nnet = []; net.append(3)  # one", "# all\nnet = []\nnet.append(3)\n"),
        ('text = """\na"""; net = text; other = 3\n', "text = '\\na'\nnet = text\n"),
    ],
)
def test_statements_that_share_a_line_are_written_once_where_they_are_needed(
    tmp_path: Path, cell: str, kept: str
) -> None:
    cells = [{"cell_type": "code", "source": text} for text in ("class Net:\n    pass", cell)]
    script = notebooks.script(written(tmp_path, json.dumps({"cells": cells, "nbformat": 4})), "net")
    assert script.removeprefix("class Net:\n    pass\n\n") == kept


def test_a_line_of_ones_own_that_begins_a_cell_is_refused(tmp_path: Path) -> None:
    cells = [{"cell_type": "code", "source": text} for text in ("a = 3", "b = 1\n# %% cell 2\nc = 2")]
    source = written(tmp_path, json.dumps({"cells": cells, "nbformat": 4}))
    with pytest.raises(UnusableInputError, match=r"^a cell has a line '# %% cell 2': take it out$"):
        notebooks.joined(source)
