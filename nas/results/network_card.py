"""Makes the card of a network that is not in a study."""

from __future__ import annotations

from constraints.rules import ASSIGNMENT, parse_all
from nas.architecture import named
from nas.results.network_description import described
from nas.results.rows import Row
from nas.results.trial_card import Card


def network_card(text: str, label: str) -> Card:
    """The card of a network's text or name, judged by the assignment's constraints; its accuracy is unknown."""
    network = named.architecture(text)
    made = described(network, parse_all(ASSIGNMENT), label)
    metrics = made.report.metrics
    row = Row(
        rank=0,
        trial=0,
        state="complete",
        val_accuracy=None,
        test_accuracy=None,
        params=metrics["params"],
        macs=metrics["macs"],
        receptive_field=metrics["receptive_field"],
        epochs=0,
        seconds=None,
        meets_target=None,
        architecture=str(network),
    )
    return Card(
        study="",
        label=label,
        row=row,
        report=made.report,
        sizes=made.sizes,
        stages=made.stages,
        head=network.head,
        curve=(),
    )
