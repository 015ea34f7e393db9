"""Arrays of candidates: the same metrics and verdicts as one by one."""

import random

import numpy as np
import pytest

from constraints.errors import UnusableInputError
from constraints.rules import ASSIGNMENT, Constraint, parse_all
from constraints.verdicts import judge
from nas.space.analytic import metrics
from nas.space.bulk_metrics import Vector, compare
from nas.space.space import PRESETS, load

RULES = [
    *ASSIGNMENT, "params > 99999.5", "macs <= 8M", "convs != 12", "stages != 4",
    "convs_per_stage <= 4", "convs_per_stage == 3",
    "peak_activation_bytes < 200k", "downsampled_by < 16", "receptive_field_hw >= 60", "global_context == true",
]  # fmt: skip


@pytest.mark.parametrize("preset", PRESETS)
def test_arrays_have_the_metrics_and_verdicts_of_each_network(preset: str) -> None:
    space, generator = load(preset), random.Random(preset)
    vector, constraints = Vector(space), parse_all(RULES)
    several = [space.random(generator) for _ in range(150)]
    encoded = vector.encode(several)
    found, verdicts = vector.metrics(encoded), vector.verdicts(encoded, constraints)
    for i, (choices, whole) in enumerate(zip(several, vector.metrics_of(encoded), strict=True)):
        assert whole == metrics(space.decode(choices))
        wanted = whole.as_dict()
        ours = {name: np.asarray(values[i]).tolist() for name, values in found.items()}
        ours["convs_per_stage"] = [n for n in ours["convs_per_stage"] if n >= 0]
        assert ours == wanted
        judged = metrics(space.decode(choices), constraints).as_dict()
        assert verdicts[i].tolist() == [v.ok for v in judge(constraints, judged)]


def test_equal_canonical_rows_are_equal_networks() -> None:
    space, generator = load("wide"), random.Random(0)
    vector = Vector(space)
    choices = {**space.random(generator), "c1.depth": 3, "c1.layer5": "c3"}
    changed = {**choices, "c1.layer5": "sep3", "c1.layer3": "pw", "c1.layer4": "pw"}
    rows = vector.canonical(vector.encode([choices, changed]))
    assert (rows[0] == rows[1]).all()
    assert space.decode(vector.choices(rows[0])) == space.decode(changed) == space.decode(choices)


def test_a_fraction_is_rounded_to_the_nearer_whole_side() -> None:
    values = np.array([1, 2, 3])
    rules = parse_all([f"params {op} 2.5" for op in ("<", "<=", ">", ">=", "==", "!=")])
    for rule in rules:
        assert compare(rule, values).tolist() == [rule.holds(int(v)) for v in values]


def test_a_metric_of_a_user_needs_a_model() -> None:
    vector = Vector(load("tiny"))
    with pytest.raises(UnusableInputError, match="not known without a model: 'mine': use a built-in metric"):
        vector.verdicts(vector.encode([{}]), [Constraint(metric="mine", op="<", limit=1)])
