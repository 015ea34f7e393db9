"""From a network back to its choices."""

import re
from pathlib import Path

import numpy as np
import pytest

from constraints.rules import ASSIGNMENT, parse_all
from constraints.verdicts import judge
from nas.architecture.named import MOBILENET, SEED
from nas.architecture.spec import ArchitectureError, parse
from nas.space.analytic import metrics
from nas.space.bulk_metrics import Vector
from nas.space.encoding import choices_of
from nas.space.space import PRESETS, load
from nas.space.uniform_draws import draw


@pytest.mark.parametrize("preset", PRESETS)
def test_every_network_of_a_preset_is_read_back_to_its_own_row(preset: str) -> None:
    space = load(preset)
    vector = Vector(space)
    for row in draw(vector, 30, np.random.default_rng(0)):
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


LONG = (
    "bL/c48-B48-B48-B48-c72k3s2g8/B72-B72-B72-c80k3s2g8/B80-B80-c80k3s2g8/B80-B80/fc",
    "bL/c40-B40-B40-B40-c48k3s2g8/B48-B48-B48-c56k3s2g8/B56-B56-c48k3s2g8/B48-B48/fc",
    "bL/c24-B24-B24-c24k3s2g4/B24-B24-B24-c20k3s2g4/B20-B20-c20k3s2g4/B20-B20/fc",
)
"""Four stages of the blocks of xvel/cifar10-tiniest, B for short."""
FOURS = """base = "long"
last_width = { low = 16, high = 32, step = 4 }
[[stages]]
depth = [4]
width = { low = 16, high = 32, step = 4 }
stem = ["c3b"]
body = ["gate1_3_7_7d3a3b"]
down = ["c3g4b"]
residual = ["scaled"]
[[stages]]
depth = [4]
width = { low = 16, high = 32, step = 4 }
body = ["gate1_3_7_7d3a3b"]
down = ["c3g4b"]
residual = ["scaled"]
[[stages]]
depth = [3]
width = { low = 16, high = 32, step = 4 }
body = ["gate1_3_7_7d3a3b"]
down = ["c3g4b"]
residual = ["scaled"]
[[stages]]
depth = [2]
width = { low = 16, high = 32, step = 4 }
body = ["gate1_3_7_7d3a3b"]
down = ["%gate1_3_7_7d3a3b"]
residual = ["scaled"]
"""


@pytest.mark.parametrize(
    ("short", "params", "own"), [(LONG[0], 187_486, ""), (LONG[1], 93_942, ""), (LONG[2], 24_538, FOURS)]
)
def test_the_space_long_holds_networks_of_the_best_blocks(short: str, params: int, own: str, tmp_path: Path) -> None:
    network = parse(re.sub(r"B(\d+)", r"%mx1_3_7_7d3a3.gl\1:bT.pw\1:b", short))
    rules = parse_all(ASSIGNMENT)
    found = metrics(network, rules)
    assert found.params == params
    assert all(verdict.ok for verdict in judge(rules, found.as_dict()))
    (tmp_path / "fours.toml").write_text(own)
    space = load(str(tmp_path / "fours.toml") if own else "long")
    choices = choices_of(space, network)
    assert choices is not None
    assert space.decode(choices) == network
