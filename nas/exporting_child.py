"""``export`` of a network of user code in the child process: builds it, loads its weights, writes the file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from constraints.errors import ConstraintError, UnusableInputError, with_type
from constraints.model_state import copied
from constraints.sandbox.loading import Loader
from constraints.sandbox.named import Send, load_model, stage
from constraints.sandbox.seeding import seed_everything
from nas.architecture.formats import FORMATS, ExportedNetwork, load_weights
from nas.search.given import Given
from nas.search.given_outputs import check_outputs

_LONGEST = 200


def write(arguments: Mapping[str, Any], send: Send) -> dict[str, Any]:
    """Write the network to ``to``, whose ending chooses the format; ``unchecked`` says why it was not compared.

    Raises UnusableInputError for weights of another network, and for a network that the format cannot express.
    """
    given, to = Given.from_dict(arguments["given"]), Path(arguments["to"])
    seed_everything(arguments["seed"])
    with Loader(seconds=given.limits.seconds) as loader:
        model = load_model(given.target, given.arguments, loader, send)
        model.float()  # as it was trained
        with stage("its export", send):
            _materialise(model, arguments["input"])
            if arguments["weights"]:
                load_weights(model, Path(arguments["weights"]))
            model.eval()  # now, since code may compute from its weights here
            why = ""
            if arguments["weights"]:
                why = check_outputs(copied(model), arguments["input"], Path(arguments["weights"]))
            _written(model, arguments, to)
    return {"unchecked": why}


def _materialise(model: nn.Module, shape: list[int]) -> None:
    """Run the model once, so that lazy modules create their parameters."""
    with torch.no_grad():
        model.eval()  # which returns nothing where the code overrides train() so
        model(torch.zeros(1, *shape, dtype=torch.float32))  # whatever default type the code has set
    model.train()


def _written(model: nn.Module, arguments: Mapping[str, Any], to: Path) -> None:
    network = ExportedNetwork(
        model=model,
        input=tuple(arguments["input"]),
        about=arguments["about"],
        source=lambda _: "",
    )
    try:
        FORMATS[to.suffix].write(network, to)
    except ConstraintError:
        raise
    except Exception as error:
        others = " or ".join(ending for ending in (".safetensors", ".py") if ending != to.suffix)
        reason = f"{with_type(error, _LONGEST)}: give --to with the ending {others}"
        raise UnusableInputError(f"the model cannot be written as {to.suffix}: {reason}") from error
