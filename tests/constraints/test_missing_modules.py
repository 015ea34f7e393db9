"""What is advised for a module that is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from constraints.missing_modules import MissingModule, remedy

HERE = Path("/here")


@pytest.mark.parametrize(
    "name", ["utils", "config", "models", "model", "my_model", "train_utils", "custom_resnet", "model9"]
)
def test_a_name_of_a_projects_own_module_is_no_package_of_the_index(name: str) -> None:
    module = MissingModule(name=name, folder=HERE)
    assert module.lack() == f"{name} is not in /here"
    assert module.remedy() == f"put {name}.py into /here"
    assert remedy(name) == f"put {name}.py beside the file"


@pytest.mark.parametrize(
    ("name", "distribution"),
    [
        ("timm", "timm"),
        ("hydra", "hydra-core"),
        ("cv2", "opencv-python-headless"),
        ("pytorch_grad_cam", "grad-cam"),
        ("pytorch_model_summary", "pytorch-model-summary"),
        ("torch_lr_finder", "torch-lr-finder"),
        ("datasets", "datasets"),
    ],
)
def test_a_known_package_is_installed_by_its_distribution(name: str, distribution: str) -> None:
    module = MissingModule(name=name, folder=HERE)
    assert module.lack() == f"{name} is not installed"
    assert module.remedy() == f"run uv run --with {distribution} search.py ..."


def test_a_name_that_is_neither_may_be_both() -> None:
    module = MissingModule(name="convmix_x", folder=HERE)
    assert module.lack() == "convmix_x is neither in /here nor installed"
    assert module.remedy() == (
        "put convmix_x.py into /here or, if it is a package, run uv run --with convmix-x search.py ..."
    )


def test_the_file_of_an_inner_module_is_named() -> None:
    module = MissingModule(name="models", folder=HERE)
    assert module.remedy("models.nets.small.Net()", ["models", "models.nets", "models.nets.small", "utils"]) == (
        "put models/nets/small.py into /here"
    )
    inner = MissingModule(name="pkg.common", folder=HERE / "pkg")
    assert inner.lack() == "common is not in /here/pkg"
    assert inner.remedy("pkg.common.blocks.Block", ["pkg.common", "pkg.common.blocks"]) == (
        "put common/blocks.py into /here/pkg"
    )


@pytest.mark.parametrize(
    ("name", "distribution"),
    [
        ("sklearn.svm", "scikit-learn"),
        ("skimage.metrics.simple", "scikit-image"),
        ("torch_geometric.nn", "torch-geometric"),
        ("timm.layers", "timm"),
    ],
)
def test_a_module_of_a_known_package_is_installed_by_its_distribution(name: str, distribution: str) -> None:
    assert remedy(name) == f"run uv run --with {distribution} search.py ..."


def test_a_part_of_a_package_that_distributions_share_is_installed() -> None:
    assert remedy("google.colab") == "run uv run --with google-colab search.py ..."
