"""The table of operations against torch's dispatcher itself, which says what exists and what shares memory."""

from collections.abc import Callable

import pytest
import torch

from constraints.tracer import trace
from constraints.tracing.operations import CONSTANT, OPERATIONS
from tests.constraints.written import Written


def test_every_name_is_an_operation_of_the_dispatcher() -> None:
    missing = [n for n in (*OPERATIONS, *CONSTANT) if not any(hasattr(torch.ops.aten, m) for m in (n, f"{n}_"))]
    assert missing == []


def test_no_operation_is_both_followed_and_constant() -> None:
    assert CONSTANT & set(OPERATIONS) == set()


@pytest.mark.parametrize("name", ["_unsafe_view", "unsafe_split", "unsafe_split_with_sizes"])
def test_views_that_do_not_say_so_in_their_schema_share_memory_all_the_same(name: str) -> None:
    x = torch.zeros(4)
    made = getattr(torch.ops.aten, name)(x, 2 if name == "unsafe_split" else [2, 2])
    first = made if isinstance(made, torch.Tensor) else made[0]
    assert first.untyped_storage().data_ptr() == x.untyped_storage().data_ptr()


def test_labels_are_the_names_that_people_know() -> None:
    labels = {name: OPERATIONS[name].label for name in (
        "relu", "_softmax", "max_pool2d_with_indices", "upsample_bilinear2d", "native_batch_norm", "im2col",
        "_scaled_dot_product_flash_attention_for_cpu", "addmm", "constant_pad_nd", "_adaptive_avg_pool2d",
    )}  # fmt: skip
    assert list(labels.values()) == [
        "relu", "softmax", "max_pool2d", "interpolate", "batch_norm", "unfold", "scaled_dot_product_attention",
        "matmul", "pad", "adaptive_avg_pool2d",
    ]  # fmt: skip
    assert not any(operation.label.startswith("_") for operation in OPERATIONS.values())


@pytest.mark.parametrize("part", [torch.real, torch.Tensor.detach])
def test_a_view_takes_no_memory_of_its_own(part: Callable[[torch.Tensor], torch.Tensor]) -> None:
    model = Written(lambda m, x: part(x) + x)
    assert trace(model, (2, 4, 4)).metrics.peak_activation_bytes == 4 * (32 + 32)  # the input and the sum
