"""Which class folders are refused, and what the error points at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from constraints.errors import UnusableInputError
from nas.training.class_folders import ClassFolders
from nas.training.image_tree import VALIDATION


def folders(train: Sequence[str], test: Sequence[str], val: Sequence[str] = (), **more: Any) -> ClassFolders:
    pairs = [(part, name) for part, names in (("train", train), ("test", test), (VALIDATION, val)) for name in names]
    return ClassFolders(origin="data", classes=pairs, **more)


def test_the_classes_are_sorted_whatever_their_order() -> None:
    assert folders(["b", "a", "C"], ["C", "b", "a"], ["a", "C", "b"]).check() == ("C", "a", "b")
    assert folders(["b", "a"], ["a", "b"]).check() == ("a", "b")


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (folders([], []), "the data holds no train/<class>/ and test/<class>/ folders: data: name them so"),
        (folders(["a"], ["a"]), "the data holds only the class 'a': data: give it two classes or more"),
        (folders(["a"], ["a"], unmatched="line 3"), "only the class 'a' (line 3): data: "),
        (folders(["a", "b"], ["a"]), "train and test hold different classes: 'b' is only in train: data: "),
        (folders(["a"], ["a", "b", "c"]), "different classes: 'b' is only in test: data: "),
        (
            folders(["a", "b"], ["a", "b"], ["a"]),
            "train and validation hold different classes: 'b' is only in train",
        ),
        (
            folders(["a", "Cat"], ["a", "cat"]),
            "'Cat' is only in train, 'cat' only in test, and they differ in upper and",
        ),
        (folders(["a", "Cat"], ["a", "cat", "aa"]), "'Cat' is only in train, 'cat' only in test"),
        (folders(["a", "b", "z", "Cat"], ["cat"]), "'Cat' is only in train, 'cat' only in test"),
        (
            folders(["a"], [], loose=["test/1.png"]),
            "images of test are in no class folder, and there is no labels.csv of",
        ),
        (folders([], [], loose=["train/1.png", "test/2.png"]), "images of train are in no class folder"),
        (
            folders([], ["a"], loose=["train/1.png"], tables=["x.csv"]),
            "and x.csv gives a label to none of them: train/1",
        ),
        (
            folders(["a", "b"], ["a", "b"], ["c"], loose=["val/1.png"]),
            "train and validation hold different classes: 'a' is only",
        ),
    ],
)
def test_what_is_wrong_is_named(found: ClassFolders, message: str) -> None:
    with pytest.raises(UnusableInputError) as raised:
        found.check()
    assert message in str(raised.value)


def test_images_beside_class_folders_are_no_error() -> None:
    assert folders(["a", "b"], ["a", "b"], loose=["train/readme.png"]).check() == ("a", "b")
