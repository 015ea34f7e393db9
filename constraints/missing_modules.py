"""What to do about a module that an import does not find: add the file, or install the distribution; no torch."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_DISTRIBUTIONS = {
    "IPython": "ipython",
    "PIL": "pillow",
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "git": "GitPython",
    "hydra": "hydra-core",
    "ignite": "pytorch-ignite",
    "mpl_toolkits": "matplotlib",
    "pl_bolts": "lightning-bolts",
    "pytorch_grad_cam": "grad-cam",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
"""Import name -> distribution name, where the two differ by more than underscores."""
_INSTALLABLE_TEXT = """
accelerate adabelief_pytorch albumentations antialiased_cnns beartype captum clearml click comet_ml cupy datasets
deeplake diffusers easydict efficientnet_pytorch einops fastai fire flax fvcore gdown gradio h5py huggingface_hub
imageio imgaug imutils iopath ipywidgets jax jaxtyping joblib kaggle kagglehub keras kornia lightning
lightning_fabric lion_pytorch lmdb loguru lpips madgrad matplotlib ml_collections mlflow natsort neptune nltk numba
omegaconf onnx onnxruntime opendatasets optuna pandas plotly prettytable prodigyopt psutil ptflops pycm pydantic
pytorch_lightning pytorch_metric_learning pytorch_model_summary pytorch_msssim pytorch_warmup pytorchcv ray
requests rich safetensors scipy seaborn segmentation_models_pytorch skorch streamlit tabulate tensorboard
tensorboardX tensorflow termcolor thop timm toml torch_ema torch_geometric torch_lr_finder torch_optimizer
torch_pruning torch_scatter torchaudio torchdata torcheval torchinfo torchmetrics torchscan torchsummary
torchsummaryX torchtext torchview torchviz torchvision tqdm transformers typeguard visdom wandb yacs zarr
"""
_INSTALLABLE = frozenset(_INSTALLABLE_TEXT.split())
"""Import names of distributions that files with networks use."""
_FRAMEWORKS = frozenset({"flax", "haiku", "keras", "mxnet", "paddle", "tensorflow"})
_OWN_WORDS_TEXT = """
arch architecture architectures aug augment augmentation augmentations backbone backbones base basic block blocks
build builder cfg classifier cnn common config configs configuration constants conv core custom data dataloader
dataloaders datamodule dataset engine eval evaluate evaluation experiment experiments gradcam helper helpers
hyperparams layer layers lib libs loader loaders logger logging loss losses main metrics misc model models module
modules my net nets network networks nn optim optimizer options params parameters plot plots plotting predict
preprocess preprocessing project resnet scheduler schedulers scripts session settings source src summary test
tester testing tests tools train trainer training transform transforms util utilities utility utils visualisation
visualise visualization visualize
"""
_OWN_WORDS = frozenset(_OWN_WORDS_TEXT.split())
"""Words in names of modules that projects contain themselves, of which the package index has other packages."""
_WORD = re.compile(r"[a-z]+")


@dataclass(frozen=True, kw_only=True)
class MissingModule:
    """A module that an import did not find."""

    name: str
    folder: Path | None = None
    """Where its file would be; None for a part of an installed package, or where no file is known."""

    @property
    def is_installable(self) -> bool:
        """Whether it belongs to a distribution that is known."""
        first, dot, _ = self.name.partition(".")
        return (bool(dot) and self.folder is None) or (not dot and first in _INSTALLABLE | _DISTRIBUTIONS.keys())

    @property
    def is_own(self) -> bool:
        """Whether it belongs to the file's own package, or has a name such as ``utils`` or ``my_model``."""
        is_inner = "." in self.name and self.folder is not None
        return is_inner or (not self.is_installable and not _OWN_WORDS.isdisjoint(_WORD.findall(self.name.lower())))

    @property
    def is_file(self) -> bool:
        """Whether it may be a file that is missing in a folder."""
        return self.is_own or (self.folder is not None and not self.is_installable)

    def lack(self) -> str:
        """Where it is not."""
        if self.folder is None or not self.is_file:
            return f"{self.name} is not installed"
        if self.is_own:
            return f"{self.name.rpartition('.')[2]} is not in {self.folder}"
        return f"{self.name} is neither in {self.folder} nor installed"

    def remedy(self, path: str = "", modules: Iterable[str] = ()) -> str:
        """What to do to have it; the file that is named defines ``path``, found in one of the missing ``modules``.

        A package of the index is advised only where the name is not one that projects give their own modules, since
        a package of that name is something else.
        """
        if (framework := self.name.partition(".")[0]) in _FRAMEWORKS:
            return f"write the network with torch.nn: networks of {framework} are not checked"
        install = f"run uv run --with {distribution(self.name)} search.py ..."
        if self.is_installable:
            return install
        put = f"put {self._file(path, modules)} {f'into {self.folder}' if self.folder else 'beside the file'}"
        if self.is_own:
            return put
        return f"{put} or, if it is a package, {install}" if self.folder else install

    def _file(self, path: str, modules: Iterable[str]) -> str:
        inside = [m for m in modules if f"{path}.".startswith(f"{m}.") and f"{m}.".startswith(f"{self.name}.")]
        deepest = max([self.name, *inside], key=len)
        above = self.name.rpartition(".")[0]
        return deepest[len(above) + bool(above) :].replace(".", "/") + ".py"


def distribution(package: str) -> str:
    """The name under which a package, or what a module of it belongs to, is installed.

    Distributions may share a package (``google.colab`` is google-colab); one with a known name holds all of it.
    """
    first = package.partition(".")[0]
    if first in _INSTALLABLE | _DISTRIBUTIONS.keys():
        return _DISTRIBUTIONS.get(first, first.replace("_", "-"))
    return package.replace("_", "-").replace(".", "-")


def remedy(package: str) -> str:
    """What to do about a package that is missing, where no file is known that could import it from its folder."""
    return MissingModule(name=package).remedy()
