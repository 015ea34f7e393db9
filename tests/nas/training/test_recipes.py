"""Schedules against arithmetic, and what a recipe refuses."""

import math

import pytest

from constraints.errors import UnusableInputError
from nas.training import recipes
from nas.training.options.phase import Phase
from nas.training.recipes import Recipe


def test_one_cycle_rises_and_falls_in_straight_lines() -> None:
    phase = Phase(peak_lr=1.0, floor_lr=0.0, warmup=0.2)
    rates = [phase.learning_rate(progress, 10) for progress in (0, 0.1, 0.2, 0.6, 1)]
    assert rates == pytest.approx([0, 0.5, 1, 0.5, 0])


@pytest.mark.parametrize(("warmup", "first", "last"), [(0.0, 1.0, 0.0), (1.0, 0.0, 1.0)])
def test_one_cycle_may_only_fall_or_only_rise(warmup: float, first: float, last: float) -> None:
    phase = Phase(peak_lr=1.0, warmup=warmup)
    assert [phase.learning_rate(progress, 10) for progress in (0, 1)] == pytest.approx([first, last])


def test_cycles_shrink() -> None:
    phase = Phase(schedule="cyclic", peak_lr=1.1, floor_lr=0.1, step_epochs=10, gamma=0.5)
    rates = [phase.learning_rate(epoch / 60, 60) for epoch in (0, 5, 10, 15, 20, 30, 40, 50)]
    assert rates == pytest.approx([0.1, 0.6, 1.1, 0.6, 0.1, 0.6, 0.1, 0.35])


def test_steps_multiply() -> None:
    phase = Phase(schedule="step", peak_lr=1.0, step_epochs=2, gamma=0.5)
    rates = [phase.learning_rate(epoch / 6, 6) for epoch in (0, 1.9, 2.1, 3.9, 4.1)]
    assert rates == pytest.approx([1, 1, 0.5, 0.5, 0.25])


def test_a_rate_past_every_float_is_infinite_and_one_of_endless_steps_falls_to_nothing() -> None:
    growing = Phase(schedule="step", peak_lr=1.0, step_epochs=0.001, gamma=1000)
    assert growing.learning_rate(0.5, 2) == math.inf  # 1000 ** 1000
    assert Phase(schedule="cyclic", step_epochs=0.001, gamma=1000).learning_rate(0.50049, 2) == math.inf
    assert Phase(schedule="step", peak_lr=1.0, step_epochs=5e-324, gamma=0.5).learning_rate(0.5, 2) == 0


def test_phases_follow_one_another() -> None:
    recipe = recipes.seed()
    assert [recipe.position(epoch / 400)[0] for epoch in (0, 99, 100, 249, 250, 399)] == [0, 0, 1, 1, 2, 2]
    assert recipe.position(1.0) == (2, 1.0)
    assert [phase.optimiser for phase in recipe.phases] == ["sgd", "adam", "sgd"]
    assert recipe.learning_rate(0, 400) == pytest.approx(0.003)
    assert recipe.learning_rate(10 / 400, 400) == pytest.approx(0.1)
    assert recipe.learning_rate(100 / 400, 400) == pytest.approx(0.005)
    assert recipe.learning_rate(250 / 400, 400) == pytest.approx(0.001)
    assert recipe.learning_rate(252.5 / 400, 400) == pytest.approx(0.001 * 0.93)


@pytest.mark.parametrize("epochs", [1, 2, 10, 200])
def test_the_default_ends_near_nothing(epochs: int) -> None:
    recipe = recipes.default(epochs)
    peak = max(recipe.learning_rate(step / 1000, epochs) for step in range(1001))
    assert recipe.learning_rate(1, epochs) < 0.01 * peak


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("share", 1.01),
        ("warmup", -0.01),
        ("momentum", 1.01),
        ("peak_lr", -1),
        ("peak_lr", 1000.1),
        ("rest_lr", 1000.1),
        ("floor_lr", 1000.1),
        ("gamma", 1000.1),
        ("weight_decay", -1e-9),
        ("rest_weight_decay", -0.1),
    ],
)
def test_a_phase_refuses(name: str, value: float) -> None:
    with pytest.raises(UnusableInputError, match=f"{name} is out of range: {value}"):
        Phase(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"phases": (Phase(share=0.5),)}, r"shares do not add up to 1: \[0\.5\]"),
        ({"batch_size": 0}, "batch_size is out of range: 0"),
        ({"batch_size": 100_001}, "batch_size is out of range: 100001: give 1 to 100000"),
        ({"phases": (Phase(peak_lr=0.0),)}, r"no phase has a learning rate above 0: peak_lr \[0.0\]"),
        ({"phases": (Phase(peak_lr=0.0, schedule="step", floor_lr=0.1),)}, "no phase has a learning rate above 0"),
        ({"label_smoothing": 1.0}, "label_smoothing is out of range: 1.0: give 0 or more and less than 1"),
        ({"ema_decay": 1.0}, "ema_decay is out of range: 1.0: give 0 or more and less than 1"),
        ({"mixup_growth": 1.1}, "mixup_growth is out of range: 1.1: give 0 to 1"),
    ],
)
def test_a_recipe_refuses(change: dict[str, object], message: str) -> None:
    with pytest.raises(UnusableInputError, match=message):
        Recipe(name="bad", **change)  # type: ignore[arg-type]


def test_a_phase_may_rest_and_a_floor_is_a_rate() -> None:
    resting = Phase(share=0.5, peak_lr=0.0)
    assert Recipe(name="own", phases=(Phase(share=0.5), resting), batch_size=100_000).learning_rate(0.75, 8) == 0
    assert Recipe(name="own", phases=(Phase(peak_lr=0.0, floor_lr=0.1),)).learning_rate(0, 8) == 0.1


@pytest.mark.parametrize(("progress", "strength"), [(0.0, 0.0), (0.1, 0.05), (0.2, 0.1), (0.4, 0.2), (1.0, 0.2)])
def test_mixup_grows_in_a_straight_line_to_its_strength(progress: float, strength: float) -> None:
    assert Recipe(name="own", mixup=0.2, mixup_growth=0.4).mixup_at(progress) == pytest.approx(strength)
    assert Recipe(name="own", mixup=0.2).mixup_at(progress) == 0.2


@pytest.mark.parametrize(("epochs", "decay"), [(29, 0.99), (30, 0.999), (400, 0.999)])
def test_the_long_recipe_averages_over_a_thousand_steps_where_there_are_enough(epochs: int, decay: float) -> None:
    recipe = recipes.long(epochs)
    assert (recipe.name, recipe.ema_decay) == ("long", decay)
    assert recipe.learning_rate(1, epochs) == 0
