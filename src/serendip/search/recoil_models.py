"""The trained models of a recoil search, as bytes that travel from the tasks that train to those that score."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import UInt8

from serendip.score.semi.anomaly_function import AnomalyFunction
from serendip.score.semi.recoil_classifier import RecoilClassifier
from serendip.score.semi.recoil_vae import RecoilVae
from serendip.search.recoil_prepare import recoil_prepared

T = TypeVar("T")


@dataclass(frozen=True)
class Models:
    """What was trained, under one config; hashable, so that a worker reads each once.

    Attributes:
        config: canonical JSON of the config.
        classifier: the file that `RecoilClassifier.save` writes.
        vae: the file that `RecoilVae.save` writes.
        standard: the file that `AnomalyFunction.save` writes; empty before the terms were standardised.
    """

    config: str
    classifier: bytes
    vae: bytes
    standard: bytes = b""

    @property
    def function(self) -> AnomalyFunction:
        """The score; the same object for the same models."""
        return _function(self)

    @property
    def autoencoder(self) -> RecoilVae:
        """The score's model of electron recoils."""
        vae = self.function.vae
        assert isinstance(vae, RecoilVae)  # `_function` made it
        return vae


@lru_cache(maxsize=1)
def _function(models: Models) -> AnomalyFunction:
    classifier, vae = from_bytes(RecoilClassifier.load, models.classifier), from_bytes(RecoilVae.load, models.vae)
    if not models.standard:
        return AnomalyFunction(vae, classifier, along=recoil_prepared(models.config).config.anomaly.along)
    return from_bytes(lambda path: AnomalyFunction.load(path, vae, classifier), models.standard)


def as_bytes(model: Any) -> UInt8[np.ndarray, " bytes"]:
    """What the model's `save` writes, as an array for a task's result."""
    with tempfile.TemporaryDirectory() as folder:
        model.save(path := Path(folder) / "model.npz")
        return np.frombuffer(path.read_bytes(), np.uint8)


def from_bytes(load: Callable[[Path], T], content: bytes) -> T:
    """The model that `as_bytes` was given; nothing in it is executed."""
    with tempfile.TemporaryDirectory() as folder:
        (path := Path(folder) / "model.npz").write_bytes(content)
        return load(path)
