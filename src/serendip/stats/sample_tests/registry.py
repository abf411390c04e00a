"""Tests of a sample against a reference, by name; all follow one contract, so that they share toys and calibration.

A test joins by an entry in `TESTS`: a frozen dataclass of settings with `prepare`.
"""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from serendip.errors import ConfigError, unknown_name
from serendip.stats.sample_tests.anderson_darling import AndersonDarling
from serendip.stats.sample_tests.binned import BinnedChi2, BinnedLikelihood
from serendip.stats.sample_tests.c2st import C2st
from serendip.stats.sample_tests.energy import Energy
from serendip.stats.sample_tests.kernel_nplm import KernelNPLM
from serendip.stats.sample_tests.kolmogorov_smirnov import KolmogorovSmirnov
from serendip.stats.sample_tests.mmd import Mmd
from serendip.stats.sample_tests.network_nplm import NetworkNPLM
from serendip.stats.sample_tests.point_to_point import PointToPoint
from serendip.stats.sample_tests.sample import Sample
from serendip.stats.sample_tests.sliced_wasserstein import SlicedWasserstein


@runtime_checkable
class PreparedTest(Protocol):
    """A test with everything computed that samples share: scaling, centres, the reference's part of the statistic."""

    labels: tuple[str, ...]  # of the columns of `statistics`: widths, features; one for a test with one statistic

    def statistics(self, samples: Sequence[Sample]) -> Float[np.ndarray, "toys columns"]:
        """The statistics of many samples at once, of any sizes; larger is less like the reference."""


@runtime_checkable
class SampleTest(Protocol):
    """The settings of a test; frozen, with a default each."""

    source: ClassVar[str]
    summary: ClassVar[str]
    counts: ClassVar[bool]  # whether the number of events is tested too, or only their shape
    has_ratio: ClassVar[bool]  # whether what it prepares has `log_ratio(sample, x) -> (n, columns)`

    def prepare(self, reference: Sample, expected: float, *, seed: int = 0) -> PreparedTest:
        """Compute what samples share.

        Args:
            reference: what the data are compared with.
            expected: N(R), how many events the reference predicts in the data.
            seed: of centres, projections, folds.
        """


TESTS: dict[str, type[Any]] = {
    "anderson_darling": AndersonDarling,
    "binned_chi2": BinnedChi2,
    "binned_likelihood": BinnedLikelihood,
    "c2st": C2st,
    "energy": Energy,
    "kolmogorov_smirnov": KolmogorovSmirnov,
    "mmd": Mmd,
    "nplm": KernelNPLM,
    "nplm_network": NetworkNPLM,
    "point_to_point": PointToPoint,
    "sliced_wasserstein": SlicedWasserstein,
}


def make_test(name: str, **settings: Any) -> Any:
    """A test by name.

    Raises:
        ConfigError: the name or a setting is unknown.
        InputError: a setting has a value that cannot be.
    """
    if name not in TESTS:
        raise ConfigError("test.name: " + unknown_name("test", name, TESTS))
    known = {field.name for field in fields(TESTS[name])}
    for setting in settings:
        if setting not in known:
            raise ConfigError(f"test.{setting}: " + unknown_name(f"setting of {name}", setting, known))
    return TESTS[name](**settings)
