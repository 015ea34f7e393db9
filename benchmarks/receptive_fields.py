"""Compares the traced receptive field of every torchvision classifier with the one measured by the gradient probe.

Run ``python -m benchmarks.receptive_fields [--quick] [--json] [--random N [--seed S]] [NAME ...]``, nets with few
parameters first, each line printed as it is known. ``--quick`` stops taking up nets after a minute; ``--random N``
draws N networks in place of torchvision's. A dash means that the probe cannot measure it. Exit 1 where they differ.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

import torchvision
from torch import nn

from constraints.errors import UnusableInputError
from constraints.gradient_probe import probe
from constraints.tracer import trace

QUICK_SECONDS = 60
_SIZES = {"inception_v3": 299}
_UNLOADED = {"googlenet": {"init_weights": False}, "inception_v3": {"init_weights": False}}
_WHOLE = ("vit_", "swin", "maxvit")
"""Nets whose attention sees the whole map, or whose windows fix the input's size; a strip cannot measure them."""
_FLATTENED = ("alexnet", "vgg")
"""Nets that flatten a map of a fixed size, which a strip would change; the probe gets the layers before that."""
_ACROSS = {"alexnet": 64, "inception_v3": 96}
"""Net -> width of a strip at which no map becomes empty, where 32 pixels are not enough."""
_MARGIN = 128
"""Pixels by which a strip is longer than the traced field, since a unit's field need not be in its middle."""
_LINE = "{name:<20} {traced:>12} {probed:>12} {agree:>6} {trace_seconds:>8} {probe_seconds:>8}  {note}"
Row = dict[str, Any]
Show = Callable[[Row], None]


def main() -> None:
    """Print the table as it grows, or one JSON object."""
    parser = parser_of_nets(__doc__)
    parser.add_argument("--random", type=int, default=0, metavar="N", help="N random networks instead")
    parser.add_argument("--seed", type=int, default=0, help="where the random networks begin")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.random:
        found = _random(options.random, options.seed)
        print(json.dumps(found) if options.json else ", ".join(f"{n} axes {what}" for what, n in found.items()))
        sys.exit(1 if "differ" in found else 0)
    rows = _classifiers(options.names, options.quick, show=(lambda row: None) if options.json else _show)
    compared, differing = (sum(row["agree"] in answers for row in rows) for answers in ({"yes", "NO"}, {"NO"}))
    if options.json:
        fields = {row["name"]: row for row in rows}
        print(json.dumps({"receptive_fields": fields, "compared": compared, "differing": differing}))
    if differing:
        sys.exit(1)


def parser_of_nets(description: str | None) -> argparse.ArgumentParser:
    """The options of a benchmark that goes through torchvision's classifiers."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--quick", action="store_true", help="take up no further net after a minute")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    return parser


def _classifiers(names: list[str], quick: bool, show: Show) -> list[Row]:
    rows = []
    show({key: key.replace("_seconds", " s") for key in _row("")})
    started = time.perf_counter()
    for name in names or by_size():
        late = quick and time.perf_counter() - started > QUICK_SECONDS
        rows.append(_row(name, note="not run") if late else _compared(name))
        show(rows[-1])
    return rows


def by_size() -> list[str]:
    """The names of torchvision's classifiers, those with few parameters (as published) first."""
    models = torchvision.models
    names: list[str] = models.list_models(module=models)
    return sorted(names, key=lambda name: models.get_model_weights(name).DEFAULT.meta["num_params"])


def input_size(name: str) -> tuple[int, int, int]:
    """The input size that a network was published with."""
    side = _SIZES.get(name, 224)
    return 3, side, side


def built(name: str) -> nn.Module:
    """A classifier of torchvision, with random weights."""
    model: nn.Module = torchvision.models.get_model(name, weights=None, **_UNLOADED.get(name, {}))
    return model


def _compared(name: str) -> Row:
    """One net: both fields, and the seconds of each measurement."""
    model, probed, note = built(name), None, ""
    start = time.perf_counter()
    found = trace(model, input_size(name))
    middle = time.perf_counter()
    if name.startswith(_WHOLE):
        note = "attention over the map"
    else:
        try:
            probed = _probed(name, model, found.metrics.receptive_field or 0)
        except (UnusableInputError, RuntimeError) as error:  # a map that a strip makes empty, say
            note = f"not probed: {str(error).splitlines()[0][:80]}"
    end = time.perf_counter()
    if found.warnings:
        note = f"{note or 'trace'}: {len(found.warnings)} warnings, first {found.warnings[0]}"
    return _row(name, found.metrics.receptive_field_hw, probed, (middle - start, end - middle), note)


def _probed(name: str, model: nn.Module, traced: int) -> tuple[int, ...]:
    """The probed field, on strips a little longer than the traced field, which the probe lengthens if necessary."""
    part = model.get_submodule("features") if name.startswith(_FLATTENED) else model
    across = _ACROSS.get(name, 32)
    return probe(part, (3, across, across), shortest=traced + _MARGIN, longest=32_768)


def _row(
    name: str,
    traced: tuple[int, ...] | None = None,
    probed: tuple[int, ...] | None = None,
    seconds: tuple[float, float] = (0, 0),
    note: str = "",
) -> Row:
    agree = "-" if probed is None else "yes" if probed == traced else "NO"
    taken = {"trace_seconds": round(seconds[0], 2), "probe_seconds": round(seconds[1], 2)}
    return {"name": name, "traced": traced, "probed": probed, "agree": agree, **taken, "note": note}


def _show(row: Row) -> None:
    fields = {side: "x".join(map(str, row[side])) for side in ("traced", "probed") if isinstance(row[side], tuple)}
    print(_LINE.format(**{k: "-" if v is None else v for k, v in (row | fields).items()}), flush=True)


def _random(count: int, seed: int) -> dict[str, int]:
    """Draw networks with every kind of layer; a difference ends it with the smallest network that shows it."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded
    from hypothesis import strategies as st

    from tests.constraints.compared import along
    from tests.constraints.drawn import networks, strips

    outcomes: Counter[str] = Counter()
    any_dims = st.sampled_from([1, 2, 2, 2, 3]).flatmap(lambda dims: st.tuples(st.just(dims), networks(dims)))

    @seeded(seed)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(any_dims)
    def compare(drawn: tuple[int, nn.Module]) -> None:
        dims, model = drawn
        for axis, size in enumerate(strips(dims)):
            outcome = along(model, axis, size)
            outcomes[outcome.kind] += 1
            assert outcome.kind != "differ", outcome.text

    try:
        compare()
    except AssertionError as difference:
        print(difference)
    return dict(outcomes)


if __name__ == "__main__":
    main()
