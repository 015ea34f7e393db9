"""The layer words of a space file."""

import pytest

from constraints.errors import UnusableInputError
from nas.architecture.components import Conv, Excite, Gated, Mixed, MixedPart
from nas.space.layer_words import check_first, check_last, check_word, components, misfit, read, word_of

POST = ("batch_norm", "relu")


def test_a_standard_layer_is_one_convolution() -> None:
    assert components("c5d2", 8, 16, post=POST) == (Conv(out=16, kernel=5, dilation=2, post=POST),)
    assert components("c3g4", 8, 16, post=POST, stride=2) == (Conv(out=16, groups=4, stride=2, post=POST),)
    assert components("pw", 8, 16, post=()) == (Conv(out=16, kernel=1, post=()),)


def test_a_separable_layer_strides_and_dilates_in_its_depthwise_part() -> None:
    depthwise, pointwise = components("sep5d3", 8, 16, post=POST, stride=2)
    assert depthwise == Conv(out=8, kernel=5, stride=2, dilation=3, groups=8, post=POST)
    assert pointwise == Conv(out=16, kernel=1, post=POST)


def test_a_given_dilation_takes_the_place_of_the_words() -> None:
    assert components("c3d2", 8, 8, post=POST, dilation=4) == (Conv(out=8, dilation=4, post=POST),)


@pytest.mark.parametrize(
    "word",
    [
        "",
        "c",
        "c4",
        "c1",
        "sep3g2",
        "pw3",
        "conv3",
        "c3d0",
        "c3g0",
        "x",
        "1\N{FULLWIDTH DIGIT TWO}c3",
        "9" * 5000 + "c3",
    ],
)
def test_a_word_that_names_no_layer_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="not a layer: write c3"):
        check_word(word)


def test_an_unknown_word_is_named() -> None:
    with pytest.raises(UnusableInputError, match="'c_3': not a layer"):
        components("c_3", 8, 8, post=POST)


def test_an_inverted_residual_has_a_linear_end() -> None:
    expand, depthwise, project = components("ir5e4", 8, 16, post=POST, stride=2)
    assert expand == Conv(out=32, kernel=1, post=POST)
    assert depthwise == Conv(out=32, kernel=5, stride=2, groups=32, post=POST)
    assert project == Conv(out=16, kernel=1, post=("batch_norm",))


def test_a_gate_multiplies_two_halves() -> None:
    depthwise, gated, last = components("gate7", 8, 16, post=POST)
    assert depthwise == Conv(out=8, kernel=7, groups=8, post=("batch_norm",))
    assert gated == Gated(out=8, bias=True, post=("relu",))
    assert last == Conv(out=16, kernel=1, bias=True, post=())


def test_several_kernels_share_the_channels() -> None:
    mixed, _ = components("sep1_3_7d3a3", 12, 16, post=POST)
    assert mixed == Mixed(parts=(MixedPart(1), MixedPart(3), MixedPart(7, 3, 3)), post=POST)
    spread, _ = components("sep3_5", 12, 16, post=POST, stride=2, dilation=4)
    assert spread == Mixed(parts=(MixedPart(3, 4), MixedPart(5, 4)), stride=2, post=POST)


def test_squeeze_and_excitation_ends_any_layer() -> None:
    assert components("c3se4", 8, 16, post=POST)[1:] == (Excite(reduction=4),)
    assert components("ir3e2se8", 8, 16, post=POST)[-1] == Excite(reduction=8)


@pytest.mark.parametrize(
    "word", ["c3d1", "c3g1", "ir3e1", "ir3", "sep3e2", "sep1", "sep3a3", "sep3_3", "sep3_4", "pwd2"]
)
def test_no_layer_has_two_words(word: str) -> None:
    with pytest.raises(ValueError, match="not a layer"):
        check_word(word)


@pytest.mark.parametrize("word", ["c3d2", "sep1_3", "sep3d2"])
def test_the_last_layer_of_a_stage_takes_its_stride_and_dilation_from_the_form(word: str) -> None:
    with pytest.raises(ValueError, match="not the last layer of a stage"):
        check_last(word)
    assert check_last("sep3_5") == "sep3_5"


def test_what_does_not_fit_a_width_says_why() -> None:
    assert misfit("c3g4", 10) == "the groups of 'c3g4' do not divide the width 10"
    assert misfit("c3g4", 4) == "the groups of 'c3g4' make it depthwise at the width 4: write sep"
    assert misfit("sep3_5_7", 8) == "the 3 kernels of 'sep3_5_7' do not divide the width 8"
    assert misfit("ir3_5_7e3", 8) == misfit("c3g4", 8) == misfit("c3", 7) == ""


def test_a_bias_takes_the_convolution_s_own_activation_and_a_gate_keeps_its() -> None:
    post = ("layer_norm", "tanhexp")
    assert components("c3g4b", 8, 16, post=post, stride=2) == (
        Conv(out=16, kernel=3, stride=2, groups=4, bias=True, post=("layer_norm",)),
    )
    depthwise, gated, last = components("gate7b", 8, 8, post=post)
    assert depthwise == Conv(out=8, kernel=7, groups=8, bias=True, post=("layer_norm",))
    assert (gated, last) == components("gate7", 8, 8, post=post)[1:]


@pytest.mark.parametrize("word", ["pwb", "sep3b", "ir3e2b", "*c3", "++c3"])
def test_only_a_convolution_and_a_gate_have_a_bias_of_their_own(word: str) -> None:
    with pytest.raises(ValueError, match="not a layer"):
        check_word(word)


def test_a_body_layer_may_be_called_several_times() -> None:
    assert (read("2gate7").calls, read("12c3d2").calls, read("sep3").calls) == (2, 12, 1)
    assert components("2sep3", 8, 8, post=POST) == components("sep3", 8, 8, post=POST)  # of one call
    assert check_word("3ir3e2se4") == "3ir3e2se4"
    for check in (check_first, check_last):
        with pytest.raises(ValueError, match="only a body layer is called several times"):
            check("2c3")
        with pytest.raises(ValueError, match="not a layer"):
            check("1c3")
    with pytest.raises(ValueError, match="called at most 64 times"):
        check_word("65c3")


def test_a_sum_of_its_own_is_for_the_last_layer() -> None:
    assert check_last("%gate1_3_7_7d3a3b") == "%gate1_3_7_7d3a3b"
    with pytest.raises(ValueError, match="only the last layer of the last stage"):
        check_word("+c3")


@pytest.mark.parametrize(
    "word", ["c3", "c5d2", "c3g4", "c3b", "pw", "sep5", "sep3_5d2", "ir3e4", "gate7", "gate7b", "sep5se4", "pwse2"]
)
@pytest.mark.parametrize(("out", "stride"), [(8, 1), (8, 2), (24, 2)])
def test_components_are_read_back_as_their_word(word: str, out: int, stride: int) -> None:
    post = ("batch_norm", "relu")
    made = components(word, 8, out, post=post, stride=stride)
    assert word_of(made, 8, post) == word + (f"s{stride}" if stride > 1 else "")


def test_components_of_no_word_have_none() -> None:
    conv = Conv(out=8, kernel=3, padding=0, post=("batch_norm", "relu"))
    assert not word_of((conv,), 8, ("batch_norm", "relu"))
    assert not word_of((conv, conv), 8, ("batch_norm", "relu"))
