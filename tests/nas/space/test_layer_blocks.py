"""The blocks of one layer: one a component, or one around all of them."""

from __future__ import annotations

from nas.architecture.components import Conv
from nas.architecture.spec import Block
from nas.space.layer_blocks import layer_blocks

POST = ("batch_norm", "relu")
PAIR = (Conv(out=8, groups=8, post=POST), Conv(out=8, kernel=1, post=POST))


def test_a_plain_layer_is_a_block_a_component() -> None:
    assert layer_blocks("sep3", 8, 8, post=POST) == tuple(Block(components=(component,)) for component in PAIR)


def test_a_residual_or_repeated_layer_is_one_block() -> None:
    assert layer_blocks("sep3", 8, 8, post=POST, residual=True) == (Block(components=PAIR, residual=True),)
    assert layer_blocks("3sep3", 8, 8, post=POST) == (Block(components=PAIR, calls=3),)
    (scaled,) = layer_blocks("2sep3", 8, 8, post=POST, residual="scaled")
    assert (scaled.residual, scaled.scaled, scaled.calls) == (True, True, 2)


def test_a_sum_of_its_own_needs_the_same_size_and_channels() -> None:
    assert layer_blocks("+sep3", 8, 8, post=POST) == (Block(components=PAIR, residual=True),)
    for out, stride in ((16, 1), (8, 2)):
        assert not any(block.residual for block in layer_blocks("+sep3", 8, out, post=POST, stride=stride))
