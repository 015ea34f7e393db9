"""What is not known of results."""

import torch

from tests.constraints.tracing.known import CONV, known, sizes


def test_what_is_not_known_is_named_once_and_spoils_only_what_comes_of_it() -> None:
    found = known(lambda m, x: (torch.cumsum(torch.cumsum(x, 2), 2), m.a(x)), a=CONV)
    reason = "cumsum: what it does to the receptive field is not known"
    assert found.outcomes.reasons == {reason: "cumsum"}
    first, second = found.outputs
    assert all(view is not None and view.unknown == reason for view in first.views)
    assert first.flow.poison == {reason}
    assert (second.flow.poison, sizes(known(lambda m, x: m.a(x), a=CONV))) == (frozenset(), [3, 3])


def test_an_operation_that_may_multiply_hides_products_before_a_pool_and_layers_behind_one() -> None:
    reason = "linalg_cross: how many multiplications it takes is not known"
    assert known(lambda m, x: torch.linalg.cross(x, x, dim=1)).outcomes.hidden == {reason: "products"}
    behind = known(lambda m, x: torch.linalg.cross(x.mean((2, 3)), x.mean((2, 3)), dim=1))
    assert behind.outcomes.hidden == {reason: "linear"}


def test_an_operation_that_orders_places_of_a_map_may_pick_a_maximum_and_one_over_channels_may_not() -> None:
    reason = "sort: it may pick the maximum of a region"
    assert known(lambda m, x: x.sort(3)[0][..., -1]).outcomes.hidden == {reason: "maxima"}
    assert known(lambda m, x: x.sort(1)[0][:, -1]).outcomes.hidden == {}
    assert known(lambda m, x: x.flatten(2).kthvalue(4, 2)[0]).outcomes.hidden != {}
