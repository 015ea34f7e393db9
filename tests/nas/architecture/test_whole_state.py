"""What a network stores, also where its own state_dict leaves parts out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from constraints.errors import UnusableInputError
from nas.architecture.formats import load_weights
from nas.architecture.whole_state import give_state, left_out, whole_state
from nas.training.averaging import Average


class Partial(nn.Module):
    """Stores the last layer only; the layer ``shared`` is ``last`` again."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.base, self.last = nn.BatchNorm1d(2), nn.Linear(2, 2)
        self.shared = self.last
        self.register_buffer("grid", torch.zeros(3), persistent=False)
        for tensor in [*self.parameters(), *self.buffers()]:
            tensor.data.fill_(value)

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        whole = super().state_dict(*args, **kwargs)
        for name in [name for name in whole if "base." in name]:
            del whole[name]
        return whole


LAST = {"last.weight", "last.bias", "shared.weight", "shared.bias"}
BASE = {f"base.{name}" for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")}


def values(model: nn.Module) -> set[float]:
    return {float(value) for tensor in whole_state(model).values() for value in tensor.flatten()}


def test_all_that_is_stored_is_given_to_another_instance() -> None:
    one, other = nn.Sequential(Partial(1)), nn.Sequential(Partial(2))
    assert whole_state(one[0]).keys() == LAST | BASE
    assert left_out(one[0]).keys() == BASE
    give_state(other, whole_state(one))
    assert values(other) == {1}
    assert dict(other.named_buffers())["0.grid"].tolist() == [2, 2, 2]  # not stored
    with pytest.raises(LookupError, match=r"^another network's state: 0\.base\.bias$"):
        give_state(other, one.state_dict())


def test_a_file_of_weights_leaves_the_other_parts(tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    save_file({name: torch.full_like(tensor, 5) for name, tensor in Partial(1).state_dict().items()}, file)
    model = Partial(2)
    load_weights(model, file)
    assert {name for name, tensor in whole_state(model).items() if (tensor == 5).all()} == LAST
    save_file({"last.bias": torch.zeros(2)}, file)
    with pytest.raises(UnusableInputError, match="unusable weights"):
        load_weights(model, file)


def test_parts_that_no_state_dict_has_are_averaged_and_restored() -> None:
    model = Partial(1)
    average = Average(model, decay=0.5)
    average.advance()
    model.base.weight.data.fill_(3)
    average.update()
    kept: Any = average.model
    assert kept.base.weight.tolist() == [3, 3]  # the first update takes all of it
    again = Average(Partial(2), decay=0.5)
    again.restore(average.state())
    assert again.model.base.weight.tolist() == [3, 3]  # type: ignore[union-attr,operator]
