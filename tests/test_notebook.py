"""A real notebook: a search with spawned workers, and everything that a user looks at afterwards."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
CELLS = (
    "import nas\n"
    "search = nas.launch(data='digits', space='tiny', trials=2, epochs=1, workers=2, device='cpu', progress=True)",
    "search.board",
    "board = nas.leaderboard('runs/journal.log')\nboard.to_dataframe()",
    "nas.confirm(board.best, workers=1, device='cpu', progress=True).accuracies",
    "nas.show(board.best)",
    "nas.export(board.best, 'net.py')",
    "from constraints import check\nfrom net import Net\ncheck(Net(), require=['params < 200k'])",
    "board.best.trial, 'torch' in __import__('sys').modules",
)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> list[list[dict[str, Any]]]:
    """What each of CELLS shows, run in a folder of its own."""
    import nbformat
    from nbclient import NotebookClient

    folder = tmp_path_factory.mktemp("notebook")
    environment = {"XDG_CACHE_HOME": "cache", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "IPYTHONDIR": "ipython"}
    made: Any = nbformat.v4
    notebook = made.new_notebook(cells=[made.new_code_cell(cell) for cell in CELLS])
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, str(folder / value) if name != "OMP_NUM_THREADS" else value)
        NotebookClient(notebook, timeout=None, resources={"metadata": {"path": str(folder)}}).execute()
    return [cell["outputs"] for cell in notebook.cells]


def shown(outputs: list[dict[str, Any]], kind: str) -> str:
    """The last output of a cell, which is its value."""
    assert outputs[-1]["output_type"] == "execute_result", outputs
    return str(outputs[-1]["data"][kind])


def test_a_search_shows_its_progress_in_the_cell_and_leaves_no_more_than_notes(
    outputs: list[list[dict[str, Any]]],
) -> None:
    texts = [output["text"] for output in outputs[0] if output["output_type"] == "stream"]
    assert all("UserWarning: a whole training has 10 steps" in text for text in texts), texts
    shows = [output for output in outputs[0] if output["output_type"] != "stream"]
    assert {output["output_type"] for output in shows} == {"display_data"}
    pages = [output["data"].get("text/html", "") for output in shows]
    assert "" in pages, "the live view is gone at the end"
    assert any("an epoch takes about" in page for page in pages)
    lines = [line for page in pages for line in re.sub(r"<[^>]*>", "", page).splitlines()]
    assert max(map(len, lines)) <= 115, "no line is wider than the cell"
    assert "search ended: every trial of the budget is done; next, of what launch returns: .board" in pages[-1]


@pytest.mark.parametrize(("cell", "left"), [(1, []), (2, []), (3, [""]), (4, [])])
def test_a_cell_leaves_its_value_and_no_line_of_its_progress(
    outputs: list[list[dict[str, Any]]], cell: int, left: list[str]
) -> None:
    *shows, value = outputs[cell]
    assert value["output_type"] == "execute_result"
    assert [show["data"]["text/html"] for show in shows] == left


def test_boards_trials_and_reports_are_html(outputs: list[list[dict[str, Any]]]) -> None:
    assert "<b>study search on digits, target over 85.00%</b>" in shown(outputs[1], "text/html")
    assert shown(outputs[1], "text/html").count("<tr>") == 1 + 2
    assert "<th>val_accuracy</th>" in shown(outputs[2], "text/html")
    assert "<th>stage</th>" in shown(outputs[4], "text/html")
    assert "Net: the constraint holds" in shown(outputs[6], "text/html")
    assert "<details" in shown(outputs[6], "text/html")


def test_a_winner_is_confirmed_and_written(outputs: list[list[dict[str, Any]]]) -> None:
    accuracy = float(shown(outputs[3], "text/plain").strip("(),"))
    assert 0 < accuracy < 1
    assert "net.safetensors" in shown(outputs[5], "text/plain")
