"""The squares that layers see, against offsets and jumps by hand."""

from __future__ import annotations

from xml.etree import ElementTree

from torch import nn

from constraints import check
from constraints.output.drawing import drawing


def test_the_middle_unit_of_each_layer_is_drawn_where_it_sees() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, stride=2, padding=1))
    figure = ElementTree.fromstring(drawing(check(model, (3, 8, 8), [], fixes=False)))
    image, *seen = figure.findall("./svg/rect")
    assert (image.get("width"), image.get("height")) == ("8", "8")
    places = [tuple(float(square.get(key, "")) for key in ("x", "y", "width", "height")) for square in seen]
    # Unit 4 of 8 sees 3 pixels from -1 + 4; unit 2 of 4 sees 5 pixels from -1 - 1 + 2 * 2.
    assert places == [(3, 3, 3, 3), (2, 2, 5, 5)]
    assert [text.text for text in figure.findall("./svg/text")] == ["C1 5"]


def test_each_stage_has_its_name_and_colour() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, stride=2, padding=1), nn.Conv2d(4, 4, 3, padding=1)
    )
    figure = ElementTree.fromstring(drawing(check(model, (3, 8, 8), ["stages == 2"], fixes=False)))
    assert [text.text for text in figure.findall("./svg/text")] == ["C1 5", "C2 9"]
    colours = [square.get("style", "") for square in figure.findall("./svg/rect")[1:]]
    assert ["--s1" in c for c in colours] == [True, True, False]


def test_a_name_that_its_square_has_no_room_for_is_in_the_legend_alone() -> None:
    """Of 64 pixels a letter has 64 / 24 * 0.6: the 3 of the first stage have no room for four."""
    model = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.Conv2d(4, 4, 15, padding=7))
    figure = ElementTree.fromstring(drawing(check(model, (3, 64, 64), ["stages == 2"], fixes=False)))
    assert [text.text for text in figure.findall("./svg/text")] == ["C2 31"]
    assert [name.text for name in figure.findall("./figcaption/b")] == ["C1 3", "C2 31"]


def test_without_an_image_there_is_no_drawing() -> None:
    assert drawing(check(nn.Linear(4, 2), (4,), [], fixes=False)) == ""
