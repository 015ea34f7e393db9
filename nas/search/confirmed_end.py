"""A launch with ``--confirm``: when its search ends, and which trials are confirmed after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.config import LaunchConfig
from nas.search.budget import Goal, LaunchSummary
from nas.search.holding import hold, hold_folder
from nas.search.training_way import Training
from nas.search.trial_store import counts
from nas.training.recipes import Recipe
from nas.training.tuning import tuned

if TYPE_CHECKING:
    from nas.search.confirmation import Confirmation
    from nas.search.driver import Driver
    from nas.training.feed import Feed


def ends_confirmed(config: LaunchConfig) -> bool:
    """Whether the search itself ends once networks are confirmed, rather than confirming the best ones afterwards."""
    return config.stop_at_target and config.confirm > 0


def goal(config: LaunchConfig, feed: Feed, way: Training, folder: Path, held: ExitStack) -> Goal | None:
    """When the search ends by confirmed networks, if it does; no other process confirms until ``held`` is closed."""

    def recipe(epochs: int, params: Mapping[str, Any]) -> Recipe:
        return tuned(way.for_epochs(epochs), params)

    if not ends_confirmed(config):
        return None
    held.enter_context(hold(config.storage, config.study, "confirm"))
    held.enter_context(hold_folder(folder, config.storage, config.study, "confirm"))
    return Goal(count=config.confirm, feed=feed, recipe=recipe)


def to_confirm(config: LaunchConfig, driver: Driver) -> int:
    """How many of the best trials to confirm after the search.

    A search that ends by confirmed networks needs none, unless it ended before it began any confirmation.
    """
    finish = driver.finish
    return 0 if finish and (finish.tried or finish.failed or finish.is_under_way) else config.confirm


def is_any_complete(driver: Driver) -> bool:
    """Whether there is a trial to confirm, including those that were confirmed before."""
    return any(counts(trial) for trial in driver.store.trials())


def is_reached(driver: Driver, summary: LaunchSummary, confirmed: Sequence[Confirmation]) -> bool:
    """Whether some candidate met the target, possibly by what was ``confirmed`` after a search for confirmed networks.

    The study then stores which, as it does where the search itself met the target.
    """
    if (finish := driver.finish) is None or summary.reached:
        return summary.reached
    over = [one.trial for one in confirmed if one.mean > finish.target]
    if over:
        driver.store.set_won(over)
    return bool(over)
