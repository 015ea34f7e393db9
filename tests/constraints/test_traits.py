"""Networks that hide what they do: a few of those that ``python -m tests.constraints.traits`` draws by the thousand."""

import pytest
from torch import nn

from constraints.tracer import trace
from tests.constraints.drawn import CHANNELS, Function
from tests.constraints.traits import REARRANGING, UNKNOWN, Drawn, judged

FOUND = {
    10182: "channels that a pooling had been seen to join",
    40092: "rows written one by one, then a sum",
    306224: "a last map of one unit along an axis that is reshaped away",
    10036: "a list of indices behind a value that was read",
}


@pytest.mark.parametrize("number", [*range(34), *range(REARRANGING, REARRANGING + 6), *FOUND])
def test_the_trace_agrees_with_gradients_and_what_is_unknown_spreads(number: int) -> None:
    kind, text = judged(number)
    assert not text, text
    assert "differ" not in kind


@pytest.mark.parametrize("name", UNKNOWN)
@pytest.mark.parametrize("output", ["tensor", "dataclass"])
def test_every_unknown_operator_spreads_to_a_head(name: str, output: str) -> None:
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CHANNELS, 5))
    trunk = [nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1), Function(name, UNKNOWN[name])]
    found = trace(Drawn([*trunk, nn.Conv2d(CHANNELS, CHANNELS, 3)], None, head, output).eval(), (3, 20, 20))
    assert found.metrics.receptive_field_hw is None
    assert found.unknown["receptive_field"]
