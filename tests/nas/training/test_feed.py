"""Augmented epochs: pure functions of data, pipeline, seed and number."""

import pickle
import resource
from dataclasses import replace
from pathlib import Path

import albumentations as A
import numpy as np
import pytest

from constraints.errors import UnusableInputError
from nas.training import feed, splits
from nas.training.decoded import Dataset
from nas.training.errors import AugmentationFailedError
from nas.training.feed import Feed


def test_a_seed_and_an_epoch_fix_the_images(digits_feed: Feed, tmp_path: Path) -> None:
    elsewhere = replace(digits_feed, folder=tmp_path)
    first, second = digits_feed.epoch(0), digits_feed.epoch(1)
    np.testing.assert_array_equal(first, elsewhere.epoch(0))
    assert (first != second).any(axis=(1, 2, 3)).mean() > 0.5
    other = replace(digits_feed, seed=4, folder=tmp_path).epoch(0)
    assert (first != other).any(axis=(1, 2, 3)).mean() > 0.5


def test_no_two_pieces_draw_alike(digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "PIECE", 16)
    same = np.zeros(96, dtype=np.int64)  # one image again and again: all that differs is the draw
    chosen = splits.Split(train=same, validation=same)
    source = Feed(
        dataset=digits,
        split=chosen,
        folder=tmp_path,
        probabilities={"shift_scale_rotate": 1.0, "dropout": 1.0},
    )
    drawn = [image.tobytes() for number in range(3) for image in source.epoch(number)]
    assert len(set(drawn)) == len(drawn)


def test_images_keep_their_places(digits_feed: Feed, tmp_path: Path) -> None:
    plain = replace(digits_feed, augmentation="none", folder=tmp_path)
    np.testing.assert_array_equal(plain.epoch(0), plain.dataset.train_images[plain.indices])
    np.testing.assert_array_equal(plain.labels, plain.dataset.train_labels[plain.indices])


def test_statistics_come_from_the_training_part_alone(digits: Dataset, tmp_path: Path) -> None:
    dark = np.flatnonzero(digits.train_images.mean(axis=(1, 2, 3)) < 70)
    light = np.setdiff1d(np.arange(len(digits.train_labels)), dark)
    source = Feed(dataset=digits, split=splits.Split(train=dark, validation=light), folder=tmp_path)
    np.testing.assert_allclose(source.mean, (digits.train_images[dark] / 255).mean(axis=(0, 1, 2)))
    np.testing.assert_allclose(source.std, (digits.train_images[dark] / 255).std(axis=(0, 1, 2)))


def test_the_evaluation_is_validation_or_test(digits_feed: Feed) -> None:
    assert digits_feed.split is not None
    images, labels = digits_feed.evaluation
    np.testing.assert_array_equal(images, digits_feed.dataset.train_images[digits_feed.split.validation])
    assert len(images) == len(labels) == len(digits_feed.split.validation)
    whole = replace(digits_feed, split=None)
    assert len(whole.labels) == len(digits_feed.dataset.train_labels)
    assert whole.evaluation[0] is digits_feed.dataset.test_images


def test_another_pipeline_seed_or_split_has_another_key(digits_feed: Feed) -> None:
    others = [
        replace(digits_feed, seed=4),
        replace(digits_feed, split=None),
        replace(digits_feed, augmentation="seed"),
        replace(digits_feed, probabilities={"dropout": 0.25}),
    ]
    assert len({digits_feed.key, *(other.key for other in others)}) == 5
    assert replace(digits_feed, keep_bytes=1).key == digits_feed.key


def test_an_epoch_cut_short_is_made_again(digits_feed: Feed, tmp_path: Path) -> None:
    source = replace(digits_feed, folder=tmp_path)
    whole = np.array(source.epoch(0))
    place = tmp_path / source.key / "epoch-0000.npy"
    place.write_bytes(place.read_bytes()[:-1000])
    np.testing.assert_array_equal(source.epoch(0), whole)


def test_on_a_full_disk_epochs_are_made_in_memory(digits_feed: Feed, tmp_path: Path) -> None:
    source = replace(digits_feed, folder=tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))  # the system refuses to write more to a file
    try:
        np.testing.assert_array_equal(source.epoch(0), digits_feed.epoch(0))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.glob("*/*.npy"))
    np.testing.assert_array_equal(source.epoch(0), digits_feed.epoch(0))  # nothing half made is in the way
    assert len(list(tmp_path.glob("*/*.npy"))) == 1


def test_where_a_folder_cannot_be_made_epochs_are_made_in_memory(digits_feed: Feed, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    source = replace(digits_feed, folder=tmp_path / "file" / "epochs")
    np.testing.assert_array_equal(source.epoch(1), digits_feed.epoch(1))


def test_what_is_read_may_be_changed_without_harm(digits_feed: Feed) -> None:
    mine = digits_feed.epoch(0)
    before = mine[0].copy()
    mine[0] = 255 - mine[0]
    np.testing.assert_array_equal(digits_feed.epoch(0)[0], before)


def test_pickling_leaves_out_what_can_be_computed(digits_feed: Feed) -> None:
    digits_feed.evaluation  # noqa: B018 - fills the cache
    assert len(pickle.dumps(digits_feed)) < 30_000
    assert pickle.loads(pickle.dumps(digits_feed)).key == digits_feed.key


def test_an_unknown_pipeline_is_refused(digits_feed: Feed) -> None:
    with pytest.raises(UnusableInputError, match="no such augmentation: 'mixup': choose one of assignment, seed, none"):
        replace(digits_feed, augmentation="mixup")


def test_a_feed_names_its_augmentation(digits_feed: Feed) -> None:
    assert digits_feed.description == "augmentation: assignment"
    often = replace(digits_feed, probabilities={"flip": 0.5, "dropout": 0.1})
    assert often.description == "augmentation: assignment (flip 0.5, dropout 0.1)"


def test_a_user_s_pipeline_is_named_by_its_parts_and_keyed_by_all_it_holds(
    digits_feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "PIECE", 60)

    def own(p: float, name: str = "own.py:x", **settings: object) -> Feed:
        flip = {"__class_fullname__": "HorizontalFlip", "p": p, **settings}
        table = {"__class_fullname__": "Compose", "p": 1.0, "transforms": [flip]}
        return replace(digits_feed, augmentation=name, probabilities={}, transform=table)

    assert own(0.5).description == "augmentation: own.py:x (HorizontalFlip)"
    assert own(0.5).key == own(0.5, "other.py:y").key
    assert len({own(0.5).key, own(0.25).key, replace(own(0.5), seed=9).key, digits_feed.key}) == 4
    mirrored = own(1.0)._augmented(0, 1)
    np.testing.assert_array_equal(mirrored, digits_feed.dataset.train_images[digits_feed.indices[60:120]][:, :, ::-1])


@pytest.mark.parametrize(
    ("kind", "settings", "made"),
    [
        ("Resize", {"height": 8, "width": 8}, r"uint8 \(8, 8, 3\)"),
        ("ToFloat", {}, r"float32 \(32, 32, 3\)"),
    ],
)
def test_an_image_of_another_size_or_kind_is_refused(
    digits_feed: Feed, kind: str, settings: dict[str, int], made: str
) -> None:
    part = {"__class_fullname__": kind, "p": 1.0, **settings}
    table = {"__class_fullname__": "Compose", "p": 1.0, "transforms": [part]}
    feed = replace(digits_feed, augmentation="own.py:x", probabilities={}, transform=table)
    first = int(feed.indices[0])
    with pytest.raises(
        AugmentationFailedError,
        match=rf"augmentation own.py:x: it makes {made} of uint8 \(32, 32, 3\): at training image {first} ",
    ):
        feed._augmented(0, 0)


def test_what_a_transform_raises_names_it_and_the_image(digits_feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    flip = {"__class_fullname__": "HorizontalFlip", "p": 1.0}
    table = {"__class_fullname__": "Compose", "p": 1.0, "transforms": [flip]}
    feed = replace(digits_feed, augmentation="own.py:x", probabilities={}, transform=table)
    third = int(feed.indices[2])

    def fail(self: A.HorizontalFlip, img: np.ndarray, **params: object) -> np.ndarray:
        if np.array_equal(img, feed.dataset.train_images[third]):
            raise ZeroDivisionError("no pixel is bright")
        return img

    monkeypatch.setattr(A.HorizontalFlip, "apply", fail)
    label = feed.dataset.classes[feed.dataset.train_labels[third]]
    with pytest.raises(
        AugmentationFailedError,
        match=rf"^augmentation own.py:x: HorizontalFlip raised ZeroDivisionError: no pixel is bright: "
        rf"at training image {third} \(class {label}\) in epoch 5: every candidate meets it: ",
    ):
        feed._augmented(4, 0)
