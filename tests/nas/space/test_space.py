"""The parametric space: presets, files, decoding."""

import random
from pathlib import Path

import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution

from constraints.errors import UnusableInputError
from nas.architecture.components import Conv, Unshuffle
from nas.architecture.spec import parse
from nas.space.space import PRESETS, Space, load

TINY_CHOICES: dict[str, bool | int | str] = {
    "form": "strided", "head": "fc", "c1.residual": True, "c1.layer2": "sep3", "c1.down": "c3",
    "c2.width": 16, "c2.residual": True, "c2.layer1": "c3", "c2.layer2": "sep3d2", "c2.down": "sep3",
    "c3.width": 8, "c3.residual": False, "c3.layer1": "c3", "c3.layer2": "c3", "c3.down": "c3",
    "c4.width": 16, "c4.residual": False, "c4.layer1": "c3", "c4.layer2": "sep3", "c4.down": "c3",
    "last.width": 24,
}  # fmt: skip


def test_a_choice_becomes_the_network_that_the_preset_describes() -> None:
    expected = "BR/c8-+dw.pw8-c16s2/+c16-+dwd2.pw16-dws2-pw8/c8-c8-c16s2/c16-dw-pw16-c24/fc"
    assert str(load("tiny").decode(TINY_CHOICES)) == expected


def test_strided_last_strides_the_last_stage_too() -> None:
    network = load("tiny").decode({**TINY_CHOICES, "form": "strided-last", "head": "gap"})
    assert str(network).endswith("/c16-dw-pw16-c24s2-pw10:N/gap")


def test_the_dilated_form_strides_nowhere_and_is_narrower() -> None:
    space = load("assignment")
    choices = {**space.random(random.Random(0)), "form": "dilated", "c1.width": 16, "c2.width": 24}
    convs = [p.component for p in space.decode(choices).placed if isinstance(p.component, Conv)]
    assert {c.stride for c in convs} == {1}
    assert convs[0].out == 8
    assert [max(c.dilation for c in convs[i:j]) for i, j in [(0, len(convs))]] == [8]


@pytest.mark.parametrize("preset", PRESETS)
def test_every_network_of_a_preset_has_four_stages_and_reads_back(preset: str) -> None:
    space, generator = load(preset), random.Random(1)
    for _ in range(200):
        network = space.decode(space.random(generator))
        assert len(network.stages) == 4
        assert parse(str(network)) == network


def test_every_parameter_has_a_choice_and_decoding_needs_no_other() -> None:
    space = load("tiny")
    assert set(space.distributions) == set(TINY_CHOICES)
    assert "activation" not in space.distributions


def test_the_default_space_holds_more_than_a_trillion_encodings() -> None:
    size = 1
    for distribution in load("assignment").distributions.values():
        if isinstance(distribution, IntDistribution):
            size *= (distribution.high - distribution.low) // distribution.step + 1
        else:
            assert isinstance(distribution, CategoricalDistribution)
            size *= len(distribution.choices)
    assert size > 10**12


def test_other_images_and_classes() -> None:
    network = load("tiny", input=(1, 28, 28), classes=7).decode(TINY_CHOICES)
    assert (network.input, network.classes) == ((1, 28, 28), 7)


@pytest.mark.parametrize(
    ("shape", "stride"),
    [
        ((3, 95, 96), 1),
        ((3, 96, 96), 2),
        ((1, 96, 250), 2),
        ((3, 97, 96), 1),  # no number divides both sides
        ((3, 191, 500), 1),
        ((3, 190, 190), 2),
        ((4, 192, 224), 4),
        ((3, 194, 224), 2),
    ],
)
def test_large_images_are_unshuffled_where_that_divides_them(shape: tuple[int, int, int], stride: int) -> None:
    space = load("tiny", input=shape, classes=7)
    first = space.decode(TINY_CHOICES).stages[0][0].components[0]
    assert space.stem_stride == stride
    assert first == (Unshuffle(factor=stride) if stride > 1 else Conv(out=8, kernel=3))


def test_a_file_may_ask_for_another_stem(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('base = "tiny"\nstem_stride = 2\n')
    assert str(load(str(file)).decode(TINY_CHOICES)).startswith("BR/u2-c8")
    with pytest.raises(UnusableInputError, match="stem_stride 2 does not divide images of 32x31 pixels"):
        load(str(file), input=(3, 32, 31))
    file.write_text('base = "tiny"\nstem_stride = 1\n')
    assert load(str(file), input=(3, 224, 224)).stem_stride == 1


def test_a_file_changes_what_it_names_and_keeps_the_rest(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('base = "assignment"\nactivations = ["gelu"]\n')
    space = load(str(file))
    assert space.activations == ["gelu"]
    assert space.stages == load("assignment").stages
    assert space.fingerprint != load("assignment").fingerprint


STAGE = '[[stages]]\ndepth = [3]\nwidth = {{ low = 8, high = 16 }}\nbody = ["c3"]\ndown = ["c3"]\n{}'
HEAD = 'forms = ["strided"]\nactivations = ["relu"]\nheads = ["fc"]\nlast_width = { low = 8, high = 16 }\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('base = "nope"', "base: 'nope': start from one of assignment, wide, tiny"),
        ('base = "tiny"\nforms = ["round"]', r"forms\.1: 'round': give strided"),
        ('base = "tiny"\nwidth = 3', "width: 3: unknown key: did you mean last_width"),
        ('base = "tiny"\nforms = []', "forms: .* give 1 or more"),
        ('base = "tiny"\nlast_width = { low = 8, high = 20 }', "last_width: high 20 must be low 8 plus a multiple"),
        ('base = "tiny"\nstage_dilations = [2, 2]', "stage_dilations has 2 values for 4 stages"),
        (HEAD + "stage_dilations = [2]\n" + STAGE.format('residual = [true, true]'), "a value is given twice"),
        (HEAD + "stage_dilations = [2]\n" + STAGE.format("depht = 1"), r"stages\.1\.depht: 1: unknown key"),
        (
            HEAD + "stage_dilations = [2]\n" + STAGE.format("").replace('["c3"]', '["c3g3"]'),
            "stage 1: the groups of 'c3g3' do not divide the width 8",
        ),
        (HEAD + "stage_dilations = [2]\n" + STAGE.format("").replace("c3", "c4"), r"body\.1: 'c4': not a layer"),
        (HEAD + "stage_dilations = [2]\n" + STAGE.format("residual = ['yes']"), r"1: .yes.: write true, false or"),
        (HEAD + "stage_dilations = [2]\n" + STAGE.format("residual = [1]"), r"residual\.1: 1: write true, false or"),
        (
            HEAD.replace("forms", "form") + "stage_dilations = [2]\n" + STAGE.format(""),
            r"form: \['strided'\]: unknown key: did you mean forms\?",
        ),
        (
            HEAD + "stage_dilations = [2, 2]\n" + STAGE.format("") + "\n" + STAGE.format('stem = ["c5"]'),
            r"stages\.2\.stem: \['c5'\]: the first layer is in stage 1 alone: take the key out",
        ),
        ("forms = [", "is not TOML"),
        ('base = "tiny"\nclasses = 5', "classes: 5: follows from the data: take the key out"),
        ('base = "tiny"\nactivations = ["swish"]', "use relu, silu, gelu, hardswish, tanhexp"),
        ('base = "tiny"\nactivations = ["relu", "tanhexp"]', "different numbers of maps: relu, tanhexp: give"),
        (
            HEAD + "stage_dilations = [2]\n" + STAGE.format("").replace('body = ["c3"]', 'body = ["+c3"]'),
            "only the last layer of the last stage has",
        ),
        (
            'base = "long"\nforms = ["strided-last"]',
            "stage 4: '%gate1_3_7_7d3a3b' ends a stage by stride or dilation: take the % off",
        ),
        ('base = "tiny"\nnorms = ["group"]', "norms.*'group': use batch, layer"),
        ('base = "tiny"\nactivations = "relu"', "activations: 'relu': write a list"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_file_is_named(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(UnusableInputError, match=message) as error:
        load(str(file))
    assert str(file) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_and_an_unknown_preset_are_named() -> None:
    with pytest.raises(UnusableInputError, match=r"cannot read nowhere\.toml: No such file"):
        load("nowhere.toml")
    with pytest.raises(
        UnusableInputError, match=r"no such space: 'huge': give assignment, wide, tiny, long, small or a \.toml"
    ):
        load("huge")


def test_the_fingerprint_is_of_the_choices() -> None:
    assert load("tiny").fingerprint == load("tiny").fingerprint
    assert load("tiny").fingerprint != load("tiny", classes=7).fingerprint
    assert isinstance(load("tiny"), Space)


def test_what_a_release_adds_changes_no_fingerprint() -> None:
    """Studies know their space by it."""
    known = {"assignment": "0e99043ced86bb5f", "wide": "f71674e3589260e6", "tiny": "d6ab2aa3d03a48b1"}
    assert {name: load(name).fingerprint for name in known} == known
