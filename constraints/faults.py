"""Decide whether an exception is the fault of the model's code or of this tool, and find its line; no torch."""

from __future__ import annotations

import importlib.util
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import CodeType
from typing import ParamSpec, TypeVar

from constraints.errors import LONGEST_REASON, ModelFailedError, ToolFailedError, first_line, shortened, with_type
from constraints.missing_modules import remedy
from constraints.owners import OURS, is_users
from constraints.unknown_names import hint_of_name

_OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "unable to mmap", "cannot allocate memory")
_EXIT = "take the exit out, or put it under if __name__ == '__main__'"
_LAYER = "_failed_layer"
"""Attribute of an exception: the layer that raised it."""
_callers_of_user_code: dict[int, CodeType] = {}
"""Code objects by ``id``, since hashing them is slow and functions are wrapped anew in every run."""
P = ParamSpec("P")
R = TypeVar("R")

NO_DOWNLOAD = (
    "nothing is downloaded here: build it without weights (pretrained=False, weights=None) or data (download=False)"
)
_OTHER_INPUT = (
    "if the model is made for another input, give its shape: --input 3,224,224, in Python input_size=(3, 224, 224)"
)
_HINTS = {
    "'Cutout'": "CoarseDropout took the place of Cutout in albumentations: CoarseDropout(num_holes_range=(1, 1), "
    "hole_height_range=(16, 16), hole_width_range=(16, 16), fill=MEAN, fill_mask=None)",
    "module 'albumentations' has no attribute": "the installed version has no such transform: use one that it has",
    "from 'albumentations'": "the installed version has no such transform: use one that it has",
    "urlopen error": NO_DOWNLOAD,
    "outgoing traffic has been disabled": "nothing is downloaded here: build it without weights (pretrained=False)",
    "there is no internet connection": "nothing is downloaded here: build it without weights, from a file that is here",
    "locate the file on the Hub": "nothing is downloaded here: build it without weights (pretrained=False)",
    "before Module.__init__() call": "call super().__init__() first",
    "more than 1 value per channel": "one sample is traced, and a norm takes its statistics over the batch: let it "
    "keep running statistics (track_running_stats=True), or use a GroupNorm",
    "argument #1 'indices' to have one of the following scalar types": "this input is token numbers: give it as "
    "--input int64:16, in Python as input_data=",
    "element 0 of tensors does not require grad and does not have a grad_fn": "a model is checked and evaluated "
    "without gradients: where its forward takes some, put that into a block: with torch.enable_grad():",
    "shapes cannot be multiplied": _OTHER_INPUT,
    "must match the size of tensor b": _OTHER_INPUT,
    "forward() takes 1 positional argument but 2 were given": "its first parameter is the module: def forward(self, x)",
    "attempted relative import": "relative imports work where the modules are that they name: put the file there",
    "'tuple' object is not callable": "perhaps a comma ends the line that makes it: take that comma out",
    "found element of type float": "sizes of layers are whole numbers: divide them with //",
}
"""Part of a message -> what to do, for errors that occur only when a model is traced."""
_SQUEEZED = "one sample is traced, in a batch of 1, which squeeze() without an axis takes away too: use flatten(1)"
_OF_ONE_SAMPLE = {
    re.compile(r"expected to be in range of \[-1, 0\], but got 1"): _SQUEEZED,
    re.compile(r"shape '\[(?:[2-9]|\d\d+), .*' is invalid for input of size"): "one sample is traced, so that a fixed "
    "batch size does not fit: use x.view(x.size(0), -1)",
}
"""Message of an error in a forward pass -> what to do, for code that needs a batch of more than one sample."""
_OTHER_ROW = re.compile(r"shapes cannot be multiplied \(1x(?P<got>\d+) and \d+x\d+\)")
"""Error message of a linear layer whose input, one row, has the wrong length."""
_OTHER_CHANNELS = re.compile(r"expected input\[1, [1-4], (?P<size>\d+, \d+)\] to have (?P<channels>\d+) channels")
"""Error message of a convolution whose input has the wrong number of channels."""
_CHANNELS_LAST = re.compile(
    r"expected input\[1, \d+, (?P<width>\d+), (?!(?P=width)\])(?P<channels>\d+)\] to have (?P=channels) channels"
)
"""The same, where the last axis has the channels that it expects and the map would not be square in torch's order."""
_ON_GPU = "checks run on the CPU: take this condition out, or let it hold there"


def calls_user_code(function: Callable[P, R]) -> Callable[P, R]:
    """Mark a function that only calls the model's code or torch: an exception raised in it is not this tool's fault."""
    code = function.__code__
    _callers_of_user_code[id(code)] = code
    return function


def note_layer(error: BaseException, path: str) -> None:
    """Note in an exception the layer that raised it; a layer around that one changes nothing."""
    vars(error).setdefault(_LAYER, path)


def is_ours(error: BaseException) -> bool:
    """Whether the tool's own code raised: its last frame is after those of the model and of marked functions."""
    ours, at = False, error.__traceback__
    while at is not None:
        code, file = at.tb_frame.f_code, at.tb_frame.f_code.co_filename
        if id(code) in _callers_of_user_code:
            ours = False
        elif file.startswith(OURS):
            ours = True
        elif is_users(file):
            ours = False
        at = at.tb_next
    return ours


def failed(stage: str, error: BaseException) -> ModelFailedError | ToolFailedError:
    """The error to report for an exception raised at a stage: one line, with the traceback as an attribute."""
    details = "".join(traceback.format_exception(error))
    is_models = isinstance(error, (SystemExit, KeyboardInterrupt)) or is_out_of_memory(error)
    if not is_models and is_ours(error):
        return ToolFailedError(_at_fault(error), traceback=details)
    return ModelFailedError(_reason(stage, error), traceback=details)


def _at_fault(error: BaseException) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{with_type(error)} ({Path(frame.filename).name}:{frame.lineno})"
    return f"a fault of this tool: {place}: run it again with --debug, and report what that prints"


def _reason(stage: str, error: BaseException) -> str:
    if is_out_of_memory(error):
        return f"the model's code outgrew its memory at {stage}: {type(error).__name__}: raise --memory"
    if isinstance(error, SystemExit):
        return f"the model's code ended the process at {stage}: SystemExit({error.code!r}): {_EXIT}"
    if isinstance(error, ModuleNotFoundError) and (package := missing(error)):
        return (
            f"the model's code imports at {stage} what is not installed: {package!r}{_place(error)}: {remedy(package)}"
        )
    what = first_line(error) or _line(error)
    text = f"the model's code raised at {stage}: {type(error).__name__}: {what}{_place(error)}"
    of_one = (hint for found, hint in _OF_ONE_SAMPLE.items() if stage == "forward" and found.search(str(error)))
    of_gpu = _ON_GPU if isinstance(error, AssertionError) and "cuda" in what else ""
    hint = next(of_one, "") or any_hint(error) or of_gpu
    return f"{text}: {hint}" if hint else text


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed, in Python or in torch."""
    return isinstance(error, MemoryError) or any(mark in str(error).lower() for mark in _OUT_OF_MEMORY)


def missing(error: ModuleNotFoundError) -> str:
    """The package that an import did not find; empty for any other error.

    It is a top-level package, or part of one that several distributions share, such as ``google.colab``.
    """
    name = error.name or ""
    if not name or name in sys.stdlib_module_names or ("." in name and not _is_shared(name.partition(".")[0])):
        return ""
    return name if importlib.util.find_spec(name) is None else ""


def _is_shared(package: str) -> bool:
    """Whether a package is installed and is a namespace package, which several distributions may share."""
    spec = None if package in sys.stdlib_module_names else importlib.util.find_spec(package)
    folders = list(spec.submodule_search_locations or []) if spec and spec.origin is None else []
    return bool(folders) and not any(map(is_users, folders))


def _line(error: BaseException) -> str:
    """The source line of an error without a message, such as an assertion."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if is_users(frame.filename)]
    return shortened(own[-1].line or "", LONGEST_REASON) if own else ""


def hint_of(message: str) -> str:
    """What to do about an error that occurs only when a model is checked; empty where nothing is known."""
    if image := _OTHER_CHANNELS.search(message):
        size, channels = image["size"].replace(" ", ""), image["channels"]
        return (
            f"if the model is made for images of {channels} channel{'s' * (channels != '1')}: --input {channels},{size}"
        )
    if _CHANNELS_LAST.search(message):
        return "if this map has its channels last, put them first: x.permute(0, 3, 1, 2)"
    known = next((hint for part, hint in _HINTS.items() if part in message), "")
    row = _OTHER_ROW.search(message)
    return f"{known}; else make that layer for {row['got']} inputs" if row else known


def any_hint(error: BaseException) -> str:
    """What to do about an error, by its message, the name or the file that is missing; empty where nothing is known."""
    return hint_of_name(error) or hint_of(str(error)) or hint_of_file(error)


def hint_of_file(error: BaseException) -> str:
    """Where to put a file that the code names by a relative path and does not find; empty for any other error."""
    name = error.filename if isinstance(error, FileNotFoundError) else None
    if not isinstance(name, str) or Path(name).is_absolute():
        return ""
    return f"put it into {Path.cwd().joinpath(name).resolve().parent}"


def _place(error: BaseException) -> str:
    """The last traceback line in code that is neither this tool's nor torch's nor Python's, and the noted layer."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if is_users(frame.filename)]
    line = f"{own[-1].filename}:{own[-1].lineno}" if own else ""
    layer = f"in layer {path}" if (path := vars(error).get(_LAYER)) else ""
    return f" ({', '.join(filter(None, (line, layer)))})" if line or layer else ""
