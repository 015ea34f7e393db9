"""A launch that is asked to confirm: what its search ends at, and which trials are confirmed after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.config import LaunchConfig
from nas.search.budget import Goal, Summary
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
    """Whether a launch ends at confirmed networks, instead of confirming the best ones after its end."""
    return config.stop_at_target and config.confirm > 0


def goal(config: LaunchConfig, feed: Feed, way: Training, folder: Path, held: ExitStack) -> Goal | None:
    """The confirmed networks that a launch ends at, if it does; until ``held`` is closed no other process confirms."""

    def recipe(epochs: int, params: Mapping[str, Any]) -> Recipe:
        return tuned(way.for_epochs(epochs), params)

    if not ends_confirmed(config):
        return None
    held.enter_context(hold(config.storage, config.study, "confirm"))
    held.enter_context(hold_folder(folder, config.storage, config.study, "confirm"))
    return Goal(count=config.confirm, feed=feed, recipe=recipe)


def to_confirm(config: LaunchConfig, driver: Driver) -> int:
    """How many of the best trials are to be confirmed after the search.

    Of one that ends at confirmed networks none, unless it ended before it confirmed, or began to confirm, any.
    """
    finish = driver.finish
    return 0 if finish and (finish.tried or finish.failed or finish.is_under_way) else config.confirm


def is_any_complete(driver: Driver) -> bool:
    """Whether there is a trial to confirm, be it one that was confirmed before."""
    return any(counts(trial) for trial in driver.store.trials())


def is_reached(driver: Driver, summary: Summary, confirmed: Sequence[Confirmation]) -> bool:
    """Whether some candidate met the target, be it by what was ``confirmed`` after a search for confirmed networks.

    The study then keeps which, as it does where the search itself ended there.
    """
    if (finish := driver.finish) is None or summary.reached:
        return summary.reached
    over = [one.trial for one in confirmed if one.mean > finish.target]
    if over:
        driver.store.set_won(over)
    return bool(over)
