"""What every worker imports, loaded once by the process that workers are forked from."""

from __future__ import annotations

import nas.training.augmentation  # before albumentations: it turns off albumentations' check for updates

import albumentations  # isort: skip
import safetensors.torch
import torch

import nas.architecture.model
import nas.search.worker
import nas.training.training_run

__all__ = ["albumentations", "nas", "safetensors", "torch"]
