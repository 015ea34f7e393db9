"""The picture: which networks are on the front, where a point is, and that the picture in the pages is up to date."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from benchmarks.landscape import PICTURE, Axes, Point, on_front, picture, points
from benchmarks.svg import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH
from nas.champions.registry import champions


def point(params: int, accuracy: float, name: str = "a") -> Point:
    return Point(kind="published", name=name, params=params, accuracy=accuracy)


def test_the_front_is_what_nothing_beats_in_both() -> None:
    several = [point(100, 90.0), point(50, 91.0), point(200, 95.0), point(60, 90.5), point(20, 80.0)]
    assert [(one.params, one.accuracy) for one in on_front(several)] == [(20, 80.0), (50, 91.0), (200, 95.0)]


def test_parameters_are_in_the_logarithm_and_accuracies_even() -> None:
    axes = Axes(left=10_000, right=1_000_000, low=80, high=100)
    assert (axes.x(10_000), axes.x(1_000_000)) == (LEFT, WIDTH - RIGHT)
    assert axes.x(100_000) == (LEFT + WIDTH - RIGHT) / 2
    assert (axes.y(100), axes.y(90), axes.y(80)) == (TOP, (TOP + HEIGHT - BOTTOM) / 2, HEIGHT - BOTTOM)


def test_every_network_is_drawn_once_with_its_source() -> None:
    several = points()
    assert {one.name for one in several if one.kind == "ours"} == {n.removeprefix("champion-") for n in champions()}
    titles = [element.text for element in ET.fromstring(picture(several)).iter("{http://www.w3.org/2000/svg}title")]
    assert len(titles) == len(several)
    assert all(one.source for one in several)


def test_a_name_is_text_and_no_markup() -> None:
    drawn = picture([point(100, 90.0, "<script>&"), point(200, 95.0)])
    assert "&lt;script&gt;&amp;" in drawn
    ET.fromstring(drawn)


def test_the_picture_of_the_pages_is_the_one_that_is_drawn_now_and_small() -> None:
    assert PICTURE.read_text(encoding="utf-8") == picture(points()), "run python -m benchmarks.landscape"
    assert PICTURE.stat().st_size < 200_000
