"""Networks for other data: the expected texts are written by hand."""

from __future__ import annotations

import pytest

from constraints.errors import UnusableInputError
from nas.architecture.adapting import adapted, for_data
from nas.architecture.spec import Shape, parse


@pytest.mark.parametrize("change", [adapted, for_data])
def test_a_network_for_other_images_and_classes_keeps_its_layers(change: object) -> None:
    assert callable(change)
    network = parse("BR/c8-c8s2/c16-pw10:N/gap")
    assert str(change(network, (1, 28, 28), 7)) == "BR.1x28x28.7/c8-c8s2/c16-pw7:N/gap"
    assert change(network, (3, 32, 32), 10) == network
    with pytest.raises(UnusableInputError, match="does not fit images of 1x4x4 and 7 classes"):
        change(parse("BR/c8-c8s2/c16k9p0/fc"), (1, 4, 4), 7)


@pytest.mark.parametrize(("shape", "classes"), [((3, 32, 32), 10), ((1, 28, 28), 5), ((1, 14, 14), 7)])
def test_a_text_that_says_its_data_is_for_no_other(shape: Shape, classes: int) -> None:
    network = parse("BR.1x28x28.7/c8-c8s2/fc")
    assert for_data(network, (1, 28, 28), 7) == network
    with pytest.raises(UnusableInputError, match=r"is for images of 1x28x28 and 7 classes, not .*: give the text with"):
        for_data(network, shape, classes)
