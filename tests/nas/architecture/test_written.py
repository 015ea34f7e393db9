"""Networks as attributes that are named after their text."""

from __future__ import annotations

import pytest
from torch import nn

from nas.architecture import written
from nas.architecture.written_names import name_of, text_of


@pytest.mark.parametrize("text", ["BR/c16-c16s2/fc", "bR.1x28x28.10/%mx1_3d2.pw8:b/gap"])
def test_the_name_of_a_text_is_one_of_python_and_gives_it_back(text: str) -> None:
    assert name_of(text).isidentifier()
    assert text_of(name_of(text)) == text


def test_the_attribute_of_that_name_is_the_network() -> None:
    network = getattr(written, name_of("bR/c8d2p1/fc"))
    assert [m.dilation for m in network.modules() if isinstance(m, nn.Conv2d)] == [(2, 2)]
    assert not network.training


@pytest.mark.parametrize("name", ["net", "network_", "network_zz", "network_ff"])
def test_other_names_are_no_attributes(name: str) -> None:
    assert not hasattr(written, name)
