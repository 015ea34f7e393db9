"""The layer words of a space file."""

import pytest

from constraints.errors import UnusableInputError
from nas.architecture.spec import Conv
from nas.space.layers import check_word, convs, groups_of

POST = ("batch_norm", "relu")


def test_a_standard_layer_is_one_convolution() -> None:
    assert convs("c5d2", 8, 16, post=POST) == (Conv(out=16, kernel=5, dilation=2, post=POST),)
    assert convs("c3g4", 8, 16, post=POST, stride=2) == (Conv(out=16, groups=4, stride=2, post=POST),)
    assert convs("pw", 8, 16, post=()) == (Conv(out=16, kernel=1, post=()),)


def test_a_separable_layer_strides_and_dilates_in_its_depthwise_part() -> None:
    depthwise, pointwise = convs("sep5d3", 8, 16, post=POST, stride=2)
    assert depthwise == Conv(out=8, kernel=5, stride=2, dilation=3, groups=8, post=POST)
    assert pointwise == Conv(out=16, kernel=1, post=POST)


def test_a_given_dilation_takes_the_place_of_the_words() -> None:
    assert convs("c3d2", 8, 8, post=POST, dilation=4)[0].dilation == 4


@pytest.mark.parametrize("word", ["", "c", "c4", "c1", "sep3g2", "pw3", "conv3", "c3d0", "c3g0", "x"])
def test_a_word_that_names_no_layer_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="not a layer: write c3"):
        check_word(word)


def test_an_unknown_word_is_named() -> None:
    with pytest.raises(UnusableInputError, match="not a layer: 'c_3'"):
        convs("c_3", 8, 8, post=POST)


def test_groups_of_a_word() -> None:
    assert [groups_of(w) for w in ("c3", "c3g4", "sep3", "pw")] == [1, 4, 1, 1]
