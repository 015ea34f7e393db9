"""Makes the card of a champion."""

from __future__ import annotations

from constraints.rules import ASSIGNMENT, parse_all
from nas.architecture.spec import parse
from nas.champions.registry import Champion
from nas.results.network_description import described
from nas.results.rows import Row
from nas.results.trial_card import Card


def champion_card(champion: Champion) -> Card:
    """The card of a champion: its network judged by the assignment's constraints, and its confirmed accuracy."""
    network = parse(champion.architecture)
    made = described(network, parse_all(ASSIGNMENT), champion.name)
    row = Row(
        rank=1,
        trial=0,
        state="complete",
        val_accuracy=None,
        test_accuracy=champion.test_accuracy,
        test_std=champion.test_std,
        test_seeds=len(champion.seeds),
        params=champion.params,
        macs=champion.macs,
        receptive_field=made.report.metrics["receptive_field"],
        epochs=champion.epochs,
        seconds=None,
        meets_target=None,
        architecture=champion.architecture,
        origin=champion.name,
    )
    taught = f", taught by {champion.teacher}" if champion.teacher else ""
    return Card(
        study=champion.name,
        champion=champion.name,
        row=row,
        report=made.report,
        sizes=made.sizes,
        stages=made.stages,
        head=network.head,
        curve=(),
        recipe=champion.recipe + taught,
        augmentation=champion.augmentation,
    )
