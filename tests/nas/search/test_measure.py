"""The accuracy that a study judges by."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from constraints.errors import UnusableInputError
from nas.search.measure import images_of, measure_of, objective_of


def study(**attrs: object) -> SimpleNamespace:
    return SimpleNamespace(study_name="known", user_attrs=attrs)


def test_a_study_says_what_it_judges_by() -> None:
    assert measure_of(study()) == "accuracy"
    found = objective_of(study(identity={"objective": "balanced_accuracy,params,own:max"}))
    assert found == ("balanced_accuracy", (("params", None), ("own", True)))


def test_a_study_of_others_is_refused() -> None:
    with pytest.raises(UnusableInputError, match="was not made by this tool: its objective: the first objective is an"):
        measure_of(study(identity={"objective": "beauty"}))


def test_a_balanced_accuracy_is_as_certain_as_its_smallest_classes() -> None:
    even, uneven = np.repeat([0, 1], [50, 50]), np.repeat([0, 2], [97, 3])
    assert (images_of("accuracy", uneven), images_of("balanced_accuracy", even)) == (100, 100)
    assert images_of("balanced_accuracy", uneven) == round(4 / (1 / 97 + 1 / 3))  # 12
