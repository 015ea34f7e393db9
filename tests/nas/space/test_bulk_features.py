"""Arrays of candidates: the same features as one by one."""

import random

import pytest

from nas.space.bulk_features import BulkFeatures
from nas.space.bulk_metrics import Vector
from nas.space.proxy_features import ProxyFeatures
from nas.space.space import PRESETS, load


@pytest.mark.parametrize("preset", PRESETS)
def test_arrays_have_the_features_of_each_network(preset: str) -> None:
    space, generator = load(preset), random.Random(preset)
    vector = Vector(space)
    several = [space.random(generator) for _ in range(150)]
    ours, each = BulkFeatures(vector)(vector.encode(several)), ProxyFeatures.of([space.decode(c) for c in several])
    assert ours.macs.tolist() == each.macs.tolist()
    for found, wanted in ((ours.accuracy, each.accuracy), (ours.work, each.work)):
        assert {name: values.tolist() for name, values in found.items()} == {
            name: values.tolist() for name, values in wanted.items()
        }
