"""What ``space`` prints."""

import json

import pytest

from constraints.errors import UnusableInputError
from constraints.rules import ASSIGNMENT, parse_all
from nas.space.show import show_neighbours, show_space
from nas.space.space import load

HERE = "BR/c8-+dw.pw8-c16s2/+c16-+dwd2.pw16-dws2-pw8/c8-c8-c16s2/c16-dw-pw16-c24/fc"


def test_the_document_goes_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert show_space("tiny", parse_all(ASSIGNMENT), "json") == 0
    document = json.loads(capsys.readouterr().out)
    assert [c["expr"] for c in document["constraints"]] == [c.expr for c in parse_all(ASSIGNMENT)]
    assert document["share"] == document["feasible"] / document["size"]


def test_the_table_holds_every_part(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert show_space("tiny", parse_all(["params < 100"]), "table") == 1
    text = capsys.readouterr().out
    assert "space tiny: 53,747,712 networks; feasible: 0 (0.00%, counted exactly)" in text
    assert "relax params < 100 (to let params be 2,320): the smallest change that makes it" in " ".join(text.split())
    assert "53,747,712" in text.split("params < 100 ", 2)[2].splitlines()[0]
    assert "downsampled_by" in text
    assert show_space("tiny", parse_all(["params < 10k"]), "table") == 0
    assert "params below" in capsys.readouterr().out


def test_neighbours_change_one_parameter_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert show_neighbours("tiny", HERE, parse_all(["params < 200k"]), "json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["architecture"], found["broken"]) == (HERE, [])
    alternatives = sum(len(values) - 1 for values in load("tiny").parameters.values())
    assert len(found["neighbours"]) == alternatives
    assert all(len(one["change"]) == 1 for one in found["neighbours"])
    widest = next(one for one in found["neighbours"] if one["change"] == {"last.width": [24, 32]})
    assert widest["architecture"] == HERE.replace("c24/", "c32/")
    assert show_neighbours("tiny", HERE, parse_all(["params < 200k"]), "table") == 0
    assert "last.width: 24 to 32" in " ".join(capsys.readouterr().out.split())


def test_neighbours_keep_the_constraints(capsys: pytest.CaptureFixture[str]) -> None:
    assert show_neighbours("tiny", HERE, parse_all(["fully_connected == 1"]), "json") == 0
    assert all(one["architecture"].endswith("/fc") for one in json.loads(capsys.readouterr().out)["neighbours"])
    assert show_neighbours("tiny", HERE, parse_all(["params < 100"]), "json") == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["broken"], found["neighbours"]) == (["params < 100"], [])


def test_a_network_of_another_space_has_no_neighbours() -> None:
    with pytest.raises(UnusableInputError, match="not a network of the space tiny: 'BS/c8-c8s2/c8/fc': take one"):
        show_neighbours("tiny", "BS/c8-c8s2/c8/fc", (), "json")


def test_an_unknown_format_is_named() -> None:
    with pytest.raises(UnusableInputError, match="unknown format: 'xml': use table, json"):
        show_space("tiny", (), "xml")
