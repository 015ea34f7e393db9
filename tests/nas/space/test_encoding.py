"""From a network back to its choices."""

import numpy as np
import pytest

from nas.architecture.named import MOBILENET, SEED
from nas.architecture.spec import ArchitectureError
from nas.space.bulk_metrics import Vector
from nas.space.encoding import choices_of
from nas.space.space import PRESETS, load
from nas.space.uniform_draws import draw


@pytest.mark.parametrize("preset", PRESETS)
def test_every_network_of_a_preset_is_read_back_to_its_own_row(preset: str) -> None:
    space = load(preset)
    vector = Vector(space)
    for row in draw(vector, 60, np.random.default_rng(0)):
        network = space.decode(space.choices(row))
        for given in (network, str(network)):
            found = choices_of(space, given)
            assert found is not None
            assert set(found) == set(space.distributions)
            assert space.decode(found) == network
            assert (vector.canonical(vector.encode([found]))[0] == row).all()


def test_a_network_that_the_space_cannot_make_is_none() -> None:
    space = load("tiny")
    inside = "BR/c8-c8-c16s2/c16-c16-c8s2/c8-c8-c16s2/c16-c16-c24/fc"
    assert choices_of(space, inside) is not None
    for outside in (
        inside.replace("BR/", "BS/"),  # another activation
        inside.replace("c24/fc", "c25/fc"),  # another width
        inside.replace("/fc", "/conv"),  # another head
        inside.replace("c8-c8-c16s2/c16", "c8-c16s2/c16", 1),  # another depth
        inside.replace("c16s2", "c16k5s2", 1),  # another last layer
        "BR/c8-c8-c16s2/c16-c16-c24/fc",  # other stages
        inside.replace("BR/", "BR.1x28x28.10/"),  # another input
    ):
        assert choices_of(space, outside) is None, outside
    assert choices_of(load("wide"), SEED) is None
    assert choices_of(load("wide"), MOBILENET) is None


def test_a_name_is_a_network() -> None:
    assert choices_of(load("wide"), "seed") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("c8", "no such architecture: 'c8': give seed, tiniest, mobilenet or a text like BR/c16"),
        ("BR/c16/softmax", "unknown head: 'softmax'"),
    ],
)
def test_a_text_that_is_no_network(text: str, message: str) -> None:
    with pytest.raises(ArchitectureError, match=message):
        choices_of(load("tiny"), text)
