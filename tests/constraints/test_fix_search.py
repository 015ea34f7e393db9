"""Every rule is tried in turn; sets of edits that fix every rule at once."""

from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from constraints import Trace, check, metric
from constraints.checker import examined
from constraints.edits import apply
from constraints.errors import UnusableInputError
from constraints.question import Question
from tests.constraints.fixable import LAYERS, conv, fixes, layer, net, pooled


def test_every_rule_gets_its_turn() -> None:
    """The first change for each of two rules is tried before the second one for either."""
    rules = ["receptive_field > 12", "params < 1500"]
    reports = list(examined(net(), Question(input_size=(3, 32, 32), require=rules, fixes_seconds=1e9)))
    found = [[len([f for f in v.fix if " makes " in f]) for v in report.constraints] for report in reports]
    assert found.index([1, 0]) < found.index([1, 1]) < found.index([2, 1])


def test_the_smallest_set_that_fixes_every_rule_comes_with_the_single_fixes() -> None:
    """A dilation in layer 3 serves two rules: 1 + 2 + 2 + 4 + 8 = 17, and 8 more."""
    model = pooled(conv(3, 8), conv(8, 8, 2), conv(8, 8, 2), conv(8, 8))
    report = check(model, require=["receptive_field > 24", "dilated_convs >= 1"])
    assert report.fix_all is not None
    assert report.fix_all.text == (
        "dilation 2 and padding 2 in layer 3.0 makes every constraint hold: "
        "receptive_field 25, dilated_convs 1, params unchanged"
    )
    assert report.fix_all.edits == ("dilation 2 and padding 2 in layer 3.0",)
    assert all(" makes " in v.fix[0] for v in report.constraints)
    apply(model, *report.change)
    assert check(model, require=["receptive_field > 24", "dilated_convs >= 1"]).ok


def test_edits_for_several_rules_are_put_together() -> None:
    model = pooled(conv(3, 8), conv(8, 8, 2), nn.MaxPool2d(2), conv(8, 8), conv(8, 8))
    report = check(model, require=["max_pools == 0", "dilated_convs >= 1", "depthwise_separable_convs >= 1"])
    assert report.fix_all is not None
    assert len(report.fix_all.edits) == 3
    for edit in report.change:
        apply(model, edit)
    assert check(model, require=["max_pools == 0", "dilated_convs >= 1", "depthwise_separable_convs >= 1"]).ok


def test_what_one_fix_would_break_another_edit_makes_good() -> None:
    """One more convolution raises the field, and the parameters past their limit."""
    plain = [nn.Conv2d(3 if i == 0 else 8, 8, 3, padding=1, bias=False) for i in range(4)]
    rules = ["depthwise_separable_convs >= 1", f"params <= {216 + 3 * 576}", "convs == 5"]
    report = check(nn.Sequential(*plain), require=rules)  # splitting makes five of four, and saves parameters
    assert report.fix_all is not None
    assert len(report.fix_all.edits) == 1


def test_a_rule_that_another_rules_fix_makes_hold_is_not_untried() -> None:
    @metric
    def mine(model: nn.Module, trace: Trace) -> int:
        """No change is known to move it."""
        return trace.metrics.dilated_convs

    model = nn.Sequential(conv(3, 8), conv(8, 8))
    report = check(model, require=["dilated_convs >= 1", "mine >= 1"], metrics=[mine])
    (fix,) = fixes(report, "mine")
    assert fix == "dilation 2 and padding 2 in layer 0.0 makes mine 1, params unchanged"


def test_a_model_that_no_set_fixes_has_none() -> None:
    report = check(net(), require=["dilated_convs >= 1", "fully_connected >= 1"])
    assert report.fix_all is None
    assert report.change == ()
    assert check(net(dilation=2), require=["dilated_convs >= 1"]).fix_all is None


@settings(max_examples=8, deadline=None)
@given(
    kinds=st.lists(LAYERS, min_size=2, max_size=6),
    rules=st.lists(
        st.sampled_from(
            ["receptive_field > 20", "dilated_convs >= 2", "depthwise_separable_convs >= 1", "max_pools == 0",
             "stages == 2", "convs_per_stage >= 2", "params < 2k", "receptive_field < 12", "global_average_pools >= 1"]
        ), min_size=1, max_size=3, unique=True
    ),
    pool=st.sampled_from([nn.AdaptiveAvgPool2d(1), nn.AdaptiveMaxPool2d(1), nn.AvgPool2d(2), nn.Identity()]),
)  # fmt: skip
def test_whatever_is_found_for_a_drawn_network_makes_the_rules_hold(
    kinds: list[str], rules: list[str], pool: nn.Module
) -> None:
    model = nn.Sequential(conv(3, 8), *map(layer, kinds), pool, nn.Conv2d(8, 10, 1))
    try:
        report = check(model, (3, 16, 16), rules, fixes_timeout=1e9)
    except UnusableInputError:
        return
    again = check(model, (3, 16, 16), rules, fixes_timeout=1e9)
    assert (again.fix_all, [v.fix for v in again.constraints]) == (report.fix_all, [v.fix for v in report.constraints])
    assert report.fix_all is None or not report.ok
    for edit in report.change:
        apply(model, edit)
    after = check(model, (3, 16, 16), rules, fixes=False)
    assert after.ok == (report.ok or report.fix_all is not None)
