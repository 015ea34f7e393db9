"""The table of operations against torch's dispatcher itself, which says what exists and what shares memory."""

from collections.abc import Callable

import pytest
import torch

from constraints.tracer import trace
from constraints.tracing.operations import CONSTANT, OPERATIONS
from tests.constraints.written import Written


def overloads(name: str) -> list[torch._ops.OpOverload]:
    packet = getattr(torch.ops.aten, name, None) or getattr(torch.ops.aten, f"{name}_")
    return [getattr(packet, overload) for overload in packet.overloads()]


def test_every_name_is_an_operation_of_the_dispatcher() -> None:
    missing = [n for n in (*OPERATIONS, *CONSTANT) if not any(hasattr(torch.ops.aten, m) for m in (n, f"{n}_"))]
    assert missing == []


def test_no_operation_is_both_followed_and_constant() -> None:
    assert CONSTANT & set(OPERATIONS) == set()


def test_what_shares_its_inputs_memory_is_what_the_schema_says() -> None:
    def is_view(name: str) -> bool:
        """Whether some result is an alias that is not written to."""
        results = [r.alias_info for o in overloads(name) for r in o._schema.returns]
        return any(alias is not None and not alias.is_write for alias in results)

    said = {name for name, operation in OPERATIONS.items() if operation.is_view}
    listed = {name for name in OPERATIONS if is_view(name)}
    assert listed - said == set()
    # Torch runs these as views although their schemas do not say so, or hides that behind an internal name.
    assert said - listed <= {"_unsafe_view", "_reshape_copy", "unsafe_split", "unsafe_split_with_sizes", "lift_fresh"}


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
