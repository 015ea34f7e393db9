"""The squares that layers see, against offsets and jumps by hand."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree

from torch import nn

from constraints import check
from constraints.output.field_drawing import drawing


def test_the_middle_unit_of_each_layer_is_drawn_where_it_sees() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, stride=2, padding=1))
    figure = ElementTree.fromstring(drawing(check(model, (3, 8, 8), [], fixes=False)))
    image, *seen = figure.findall("./svg/rect")
    assert (image.get("width"), image.get("height")) == ("8", "8")
    places = [tuple(float(square.get(key, "")) for key in ("x", "y", "width", "height")) for square in seen]
    # Unit 4 of 8 sees 3 pixels from -1 + 4; unit 2 of 4 sees 5 pixels from -1 - 1 + 2 * 2.
    assert places == [(3, 3, 3, 3), (2, 2, 5, 5)]
    assert [text.text for text in figure.findall("./svg/text")] == ["C1 5\N{MULTIPLICATION SIGN}5"]


def test_each_stage_has_its_name_and_colour() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, stride=2, padding=1), nn.Conv2d(4, 4, 3, padding=1)
    )
    figure = ElementTree.fromstring(drawing(check(model, (3, 8, 8), ["stages == 2"], fixes=False)))
    assert [text.text for text in figure.findall("./svg/text")] == [
        "C1 5\N{MULTIPLICATION SIGN}5",
        "C2 9\N{MULTIPLICATION SIGN}9",
    ]
    colours = [square.get("style", "") for square in figure.findall("./svg/rect")[1:]]
    assert ["--s1" in c for c in colours] == [True, True, False]


def test_labels_have_one_size_and_do_not_cover_one_another() -> None:
    model = nn.Sequential(*(nn.Conv2d(3, 3, 3, stride=2, padding=1) for _ in range(5)))
    figure = ElementTree.fromstring(drawing(check(model, (3, 64, 64), [], fixes=False)))
    texts = figure.findall("./svg/text")
    assert [text.text for text in texts] == [
        "C1 3\N{MULTIPLICATION SIGN}3",
        "C2 7\N{MULTIPLICATION SIGN}7",
        "C3 15\N{MULTIPLICATION SIGN}15",
        "C4 31\N{MULTIPLICATION SIGN}31",
        "C5 63\N{MULTIPLICATION SIGN}63",
    ]
    (size,) = {float(text.get("font-size", "")) for text in texts}
    assert round(24 * size, 3) == 64, "the last layer's unit 1 of 2 sees 63 pixels from 1 on: nothing beyond the image"
    heights = sorted(float(text.get("y", "")) for text in texts)
    assert all(below - above >= size for above, below in pairwise(heights))


def test_without_an_image_there_is_no_drawing() -> None:
    assert drawing(check(nn.Linear(4, 2), (4,), [], fixes=False)) == ""
