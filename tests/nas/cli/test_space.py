"""What ``space`` prints."""

from __future__ import annotations

import json

import pytest

import search
from constraints.rules import ASSIGNMENT, parse_all
from nas.space.space import load
from tests.nas.cli.refused import refused

Captured = pytest.CaptureFixture[str]
HERE = "BR/c8-+dw.pw8-c16s2/+c16-+dwd2.pw16-dws2-pw8/c8-c8-c16s2/c16-dw-pw16-c24/fc"
SMALL = ("--require", "params < 200k")


def test_the_document_goes_to_stdout(capsys: Captured) -> None:
    assert search.run(["space", "tiny", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [c["expr"] for c in document["constraints"]] == [c.expr for c in parse_all(ASSIGNMENT)]
    assert document["share"] == document["feasible"] / document["size"]


def test_the_table_holds_every_part(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert search.run(["space", "tiny", "--require", "params < 100"]) == 1
    text = capsys.readouterr().out
    assert "space tiny: 53,747,712 networks; feasible: 0 (0.00%, counted exactly)" in text
    assert "relax params < 100 (to let params be 2,320): the smallest change that makes it" in " ".join(text.split())
    assert "53,747,712" in text.split("params < 100 ", 2)[2].splitlines()[0]
    assert "downsampled_by" in text
    assert search.run(["space", "tiny", "--require", "params < 10k"]) == 0
    assert "params below" in capsys.readouterr().out


def test_neighbours_change_one_parameter_each(capsys: Captured) -> None:
    assert search.run(["space", "tiny", "--neighbours", HERE, *SMALL, "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["architecture"], found["broken"]) == (HERE, [])
    alternatives = sum(len(values) - 1 for values in load("tiny").parameters.values())
    assert len(found["neighbours"]) == alternatives
    assert all(len(one["change"]) == 1 for one in found["neighbours"])
    widest = next(one for one in found["neighbours"] if one["change"] == {"last.width": [24, 32]})
    assert widest["architecture"] == HERE.replace("c24/", "c32/")
    assert search.run(["space", "tiny", "--neighbours", HERE, *SMALL]) == 0
    assert "last.width: 24 to 32" in " ".join(capsys.readouterr().out.split())


def test_neighbours_keep_the_constraints(capsys: Captured) -> None:
    of_here = ("space", "tiny", "--neighbours", HERE, "--format", "json")
    assert search.run([*of_here, "--require", "fully_connected == 1"]) == 0
    assert all(one["architecture"].endswith("/fc") for one in json.loads(capsys.readouterr().out)["neighbours"])
    assert search.run([*of_here, "--require", "params < 100"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["broken"], found["neighbours"]) == (["params < 100"], [])


@pytest.mark.parametrize("text", ["BS/c8-c8s2/c8/fc", "seed"])
def test_a_network_of_another_space_has_no_neighbours(text: str, capsys: Captured) -> None:
    message = refused(capsys, "space", "tiny", "--neighbours", text)
    assert message == f"not a network of the space tiny: {text!r}: take one that the space can make"


def test_an_unknown_format_is_named(capsys: Captured) -> None:
    assert refused(capsys, "space", "tiny", "--format", "xml") == "--format: unknown format: 'xml': use table, json"
