"""The champions as modules that ``validate`` takes."""

from __future__ import annotations

import pytest
import torch

from nas.champions import networks
from nas.champions.registry import find


def test_a_champion_is_a_module_by_its_name_with_underscores() -> None:
    model = networks.champion_wide
    assert sum(parameter.numel() for parameter in model.parameters()) == find("champion-wide").params == 196_666
    assert model(torch.zeros(1, 3, 32, 32)).shape == (1, 10)


@pytest.mark.parametrize("name", ["nothing", "champion_nothing", "champion_1k"])
def test_another_name_is_no_attribute(name: str) -> None:
    assert not hasattr(networks, name)
    with pytest.raises(AttributeError, match=f"no such champion: '?{name.replace('_', '-')}"):
        getattr(networks, name)
