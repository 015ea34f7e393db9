"""Changes to a whole batch, against what each image may become."""

import pytest
import torch

from nas.training.batchwise import crop, flip, mix, mixture
from nas.training.recipes import Recipe

CPU = torch.device("cpu")


def images(count: int = 64, size: tuple[int, int] = (6, 5)) -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(count, 3, *size).contiguous(memory_format=torch.channels_last)


def test_about_half_of_the_images_are_mirrored_and_the_others_left() -> None:
    before = images(1000)
    after = flip(before)
    same = (after == before).flatten(1).all(1)
    mirrored = (after == before.flip(3)).flatten(1).all(1)
    assert bool((same ^ mirrored).all())
    assert 430 < int(mirrored.sum()) < 570  # 4.5 standard deviations of a fair coin


@pytest.mark.parametrize("pad", [1, 2])
def test_a_crop_is_one_of_the_windows_of_the_reflected_image_and_all_occur(pad: int) -> None:
    one = images(1)
    after = crop(one.expand(1000, -1, -1, -1), pad)
    assert after.is_contiguous(memory_format=torch.channels_last)
    padded = torch.nn.functional.pad(one, (pad, pad, pad, pad), mode="reflect")[0]
    windows = [padded[:, y : y + 6, x : x + 5] for y in range(2 * pad + 1) for x in range(2 * pad + 1)]
    found = torch.stack([(after == window).flatten(1).all(1) for window in windows])
    assert bool((found.sum(0) == 1).all())
    assert bool((found.sum(1) > 0).all())


def test_a_mixture_holds_at_least_what_its_strength_leaves() -> None:
    shares = torch.stack([mixture(0.4, CPU) for _ in range(500)])
    assert 0.6 <= float(shares.min()) < 0.62
    assert 0.98 < float(shares.max()) <= 1
    assert float(mixture(0.0, CPU)) == 1


def test_mixing_adds_the_opposite_image() -> None:
    before = images(4)
    after = mix(before, torch.tensor(0.75))
    torch.testing.assert_close(after[0], 0.75 * before[0] + 0.25 * before[3])
    torch.testing.assert_close(after[1], 0.75 * before[1] + 0.25 * before[2])


def test_alternating_flips_mirror_each_image_in_every_other_epoch() -> None:
    recipe = Recipe(name="own", alternating_flip=True)
    drawn = [recipe.drawn(1000, 7, number) for number in range(4)]
    mirrored = [one.mirrored for one in drawn if one is not None and one.mirrored is not None]
    assert len(mirrored) == 4
    assert 430 < int(mirrored[0].sum()) < 570
    assert torch.equal(mirrored[1], ~mirrored[0])
    assert torch.equal(mirrored[2], mirrored[0])
    assert torch.equal(mirrored[3], mirrored[1])
    other = recipe.drawn(1000, 8, 0)
    assert other is not None
    assert other.mirrored is not None
    assert not torch.equal(other.mirrored, mirrored[0])


def test_nothing_is_drawn_for_an_epoch_where_no_option_asks_for_it() -> None:
    assert Recipe(name="own", flip=True, crop=2).drawn(10, 0, 0) is None


def test_given_corners_are_where_the_windows_are() -> None:
    one = images(2)
    after = crop(one, 1, torch.tensor([[0, 2], [1, 2]]))
    padded = torch.nn.functional.pad(one, (1, 1, 1, 1), mode="reflect")
    torch.testing.assert_close(after[0], padded[0, :, 0:6, 1:6])
    torch.testing.assert_close(after[1], padded[1, :, 2:8, 2:7])
