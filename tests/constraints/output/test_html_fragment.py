"""The HTML of a report is well formed, folds by module, and escapes what a model or a user named."""

from dataclasses import replace
from xml.etree import ElementTree

from torch import nn

from constraints import Report, check

HOSTILE = "<script>alert(1)</script>\u202e"
SHOWN = "<script>alert(1)</script>\N{REPLACEMENT CHARACTER}"


def hostile() -> Report:
    block = nn.Sequential()
    block.add_module(HOSTILE, nn.Conv2d(3, 4, 3))
    block.add_module("last", nn.Conv2d(4, 4, 3))
    report = check(nn.Sequential(block), require=["params < 3"], fixes=False, target=HOSTILE)
    verdict = replace(report.constraints[0], why=HOSTILE, fix=(f"{HOSTILE} & more",))
    return replace(report, constraints=(verdict,), warnings=(HOSTILE,))


def test_every_text_is_escaped_and_no_script_is_there() -> None:
    page = hostile()._repr_html_()
    assert "<script" not in page
    assert "\u202e" not in page
    root = ElementTree.fromstring(page.replace("<br>", "<br/>").replace("<details open ", "<details "))
    texts = [text.strip() for text in root.itertext()]
    assert sum(SHOWN in text for text in texts) == 6  # title, reason, fix, square, layer, warning


def test_layers_are_nested_in_their_module_with_its_costs() -> None:
    page = hostile()._repr_html_().replace("<br>", "<br/>").replace("<details open ", "<details ")
    (module,) = ElementTree.fromstring(page).findall("./details/details")
    summary = module.find("summary")
    assert summary is not None
    params = (3 * 9 * 4 + 4) + (4 * 9 * 4 + 4)
    assert "".join(summary.itertext()).startswith(f"0 params {params}, MACs ")
    assert len(module.findall("div")) == 2
