"""The metrics of every layer, by hand."""

from constraints.rules import parse_all
from nas.space.bulk_metrics import Vector
from nas.space.layer_tables import ADDED, GREATEST, Slot, Tables
from nas.space.space import Space, load
from nas.space.stage_automaton import Segment, StageEvent

WIDTHS = {"low": 8, "high": 16, "step": 8}


def space() -> Space:
    stage = {"depth": [2, 3], "width": WIDTHS, "stem": ["c5"], "body": ["c3d2", "sep3"], "down": ["c3"],
             "residual": [False, "scaled"]}  # fmt: skip
    return Space.model_validate(
        {"forms": ["strided-last", "dilated"], "activations": ["relu"], "heads": ["fc", "conv", "gap"],
         "dilated_widths": 0.5, "stage_dilations": [3], "last_width": WIDTHS, "stages": [stage]}
    )  # fmt: skip


def slots() -> dict[tuple[int, int], Slot]:
    return {(slot.stage, slot.layer): slot for slot in Tables(space()).slots}


def figures(at: tuple[int, int], *cell: int) -> dict[str, int]:
    return {name: int(table[cell]) for name, table in slots()[at].metrics.items()}


def test_a_slot_for_every_layer_then_the_head() -> None:
    found = Tables(load("tiny")).slots
    layers = [(stage, layer) for stage in range(1, 5) for layer in (1, 2, 0)]
    assert [(slot.stage, slot.layer) for slot in found] == [*layers, (5, 0)]
    assert list(slots()) == [(1, 1), (1, 2), (1, 0), (2, 0)]


def test_the_columns_are_those_of_encoded_candidates() -> None:
    columns, found = space().columns, slots()
    body, last, head = found[1, 2], found[1, 0], found[2, 0]
    assert (body.word, body.first, body.second) == (columns["c1.layer2"], columns["c1.width"], columns["c1.residual"])
    assert (last.word, last.first, last.second) == (columns["c1.down"], columns["c1.width"], columns["last.width"])
    assert (head.word, head.first, head.second) == (columns["head"], columns["last.width"], None)
    assert found[1, 1].second is None  # a stem is never residual
    assert [found[at].depth for at in found] == [None, columns["c1.depth"], None, None]


def test_a_stem_by_hand() -> None:
    wide = figures((1, 1), 0, 1, 0, 0)
    assert wide == dict.fromkeys((*ADDED, *GREATEST), 0) | {
        "params": 75 * 16 + 2 * 16, "macs": 32**2 * 75 * 16, "receptive_field": 4, "convs": 1,
        "peak_activation_bytes": 4 * 32**2 * (16 + 16), "ram_bytes": 32**2 * (3 + 16),
        "weight_bytes_int8": 75 * 16 + 4 * 2 * 16,
    }  # fmt: skip
    assert figures((1, 1), 1, 1, 0, 0)["params"] == 75 * 8 + 2 * 8  # half the width where nothing strides


def test_body_layers_by_hand() -> None:
    dilated = figures((1, 2), 0, 0, 0, 0)
    assert (dilated["params"], dilated["receptive_field"]) == (72 * 8 + 16, 2 * 2)
    assert (dilated["dilated_convs"], dilated["depthwise_convs"]) == (1, 0)
    scaled = figures((1, 2), 0, 0, 1, 1)
    assert scaled["params"] == (72 + 16) + (64 + 16) + 8  # with a scale a channel
    assert (scaled["convs"], scaled["depthwise_convs"], scaled["depthwise_separable_convs"]) == (2, 1, 1)
    assert scaled["macs"] == 32**2 * (72 + 64)


def test_a_layer_beyond_its_depth_adds_nothing() -> None:
    slot = slots()[1, 2]
    assert slot.events.shape == (2, 2, 2, 2 + 1)
    assert not any(table[..., -1].any() for table in slot.metrics.values())
    assert not slot.events[..., -1].any()


def test_last_layers_stride_or_are_dilated() -> None:
    tables = Tables(space())
    last = {(slot.stage, slot.layer): slot for slot in tables.slots}[1, 0]
    strided, dilated = ({n: int(t[form, 0, 1, 0]) for n, t in last.metrics.items()} for form in (0, 1))
    assert (strided["params"], strided["macs"]) == (9 * 8 * 16 + 32, 16**2 * 9 * 8 * 16)
    assert (dilated["params"], dilated["macs"]) == (9 * 4 * 8 + 16, 32**2 * 9 * 4 * 8)
    assert (strided["receptive_field"], dilated["receptive_field"]) == (2, 2 * 3)
    events = [tables.events[int(last.events[form, 0, 1, 0])] for form in (0, 1)]
    assert events == [StageEvent((Segment(1, True, "stride"),)), StageEvent((Segment(1, True, "dilation"),))]


def test_heads_by_hand() -> None:
    linear, conv, gap = (figures((2, 0), 0, 1, 0, head) for head in range(3))
    assert (linear["params"], linear["macs"], linear["fully_connected"], linear["convs"]) == (170, 160, 1, 0)
    assert (conv["params"], conv["macs"], conv["fully_connected"], conv["convs"]) == (170, 160, 0, 1)
    assert (gap["params"], gap["macs"], gap["convs"]) == (160, 16**2 * 160, 1)  # on the last map, before the pool
    assert linear["peak_activation_bytes"] == 4 * (16 * 16**2 + 16)


def test_jumps_multiply_what_layers_behind_strides_see() -> None:
    fourth = next(slot for slot in Tables(load("tiny")).slots if (slot.stage, slot.layer) == (4, 1))
    assert fourth.metrics["receptive_field"][0, 0, 0].tolist() == [2 * 8, 2 * 8, 4 * 8, 0]


def test_a_networks_metrics_are_the_sums_of_its_slots() -> None:
    vector = Vector(space())
    row = vector.encode([{"form": "dilated", "c1.depth": 2, "c1.width": 16, "last.width": 8, "head": "fc"}])
    params = (75 * 8 + 16) + (9 * 8 * 4 + 8) + (4 * 10 + 10)
    assert vector.verdicts(row, parse_all([f"params == {params}", "receptive_field == 11"])).all()  # 1 + 4 + 2 * 3
