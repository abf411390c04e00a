"""Does the answer hang on numbers that nobody knows: a kernel's centres, width and penalty?

Each is changed in turn, and the data and the same toys are tested anew.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from serendip.seeds import rng_for
from serendip.stats.sample_tests import Sample
from serendip.stats.sample_tests.kernel_nplm import KernelNPLM
from serendip.stats.sample_tests.nplm_recipe import draw_centres
from serendip.stats.sample_tests.tau_delta import NuisanceNPLM

RESAMPLES = 200
SMALL_Z = 2.0  # below it, changes are held against this


@dataclass(frozen=True)
class Variant:
    """A test under another setting, one test a column.

    Attributes:
        number: of the test in the config.
        name: what was changed, such as "M × 2".
        tests: what takes the place of each column.
    """

    number: int
    name: str
    tests: tuple[Any, ...]


def variants(number: int, test: Any, prepared: Any, reference: Sample, expected: float) -> Iterator[Variant]:
    """A kernel test with half and twice the centres and widths, and a tenth and ten times the penalty; none for others."""
    kernel = kernel_of(test)
    if kernel is None:
        return
    fitted = getattr(prepared, "kernel", prepared)
    columns = list(zip(fitted.widths, fitted.penalties, strict=True))

    def changed(name: str, centres: float = 1.0, width: float = 1.0, penalty: float = 1.0) -> Variant:
        count = min(max(1, round(centres * centre_count(kernel, reference, expected))), len(reference))
        one_width = [
            replace(kernel, widths=(width * w,), percentiles=(), centres=count, penalty=penalty * p) for w, p in columns
        ]
        return Variant(number, name, tuple(one if test is kernel else replace(test, test=one) for one in one_width))

    yield changed("M ÷ 2", centres=0.5)
    yield changed("M × 2", centres=2.0)
    yield changed("σ ÷ 2", width=0.5)
    yield changed("σ × 2", width=2.0)
    yield changed("λ ÷ 10", penalty=0.1)
    yield changed("λ × 10", penalty=10.0)


def kernel_of(test: Any) -> KernelNPLM | None:
    """The kernel test, itself or within one with nuisances; None for others."""
    inner = test.test if isinstance(test, NuisanceNPLM) else test
    return inner if isinstance(inner, KernelNPLM) else None


def centre_count(test: KernelNPLM, reference: Sample, expected: float) -> int:
    """M, as given or by the recipe."""
    return test.centres or len(draw_centres(reference.x, None, len(reference) + expected, 0))


@dataclass(frozen=True)
class Shift:
    """How far Z moves under another setting.

    Attributes:
        test: title of the test.
        name: of the variant.
        before: Z as configured, by the same toys.
        after: Z under the other setting.
        error: of their difference, from the toys.
    """

    test: str
    name: str
    before: float
    after: float
    error: float

    @property
    def relative(self) -> float:
        """|ΔZ|, two errors allowed, over the larger Z, or over 2 where both are small."""
        moved = max(abs(self.after - self.before) - 2 * self.error, 0.0)
        return moved / max(abs(self.before), abs(self.after), SMALL_Z)


def shift(
    test: str,
    name: str,
    before: tuple[float, Float[np.ndarray, " toys"]],
    after: tuple[float, Float[np.ndarray, " toys"]],
    seed: int,
) -> Shift:
    """Compare observed values among their toys; toys of the same place are the same events.

    Args:
        test: title of the test.
        name: of the variant.
        before: the statistic of the data and those of the toys, as configured.
        after: the same under the other setting.
        seed: of the bootstrap.
    """
    toys = len(before[1])
    rows = rng_for(seed, "stability").integers(toys, size=(RESAMPLES, toys))
    drawn = gaussian_z(after[0], after[1][rows]) - gaussian_z(before[0], before[1][rows])
    z = [float(gaussian_z(observed, values[None])[0]) for observed, values in (before, after)]
    return Shift(test, name, z[0], z[1], float(np.std(drawn)))


def gaussian_z(observed: float, toys: Float[np.ndarray, "rows toys"]) -> Float[np.ndarray, " rows"]:
    """Z from mean and spread of cube roots, which are nearly Gaussian for a χ²: smooth, if rough, beyond all toys.

    Source: Wilson and Hilferty 1931, doi:10.1073/pnas.17.12.684.
    """
    roots = np.cbrt(toys)
    spread = np.maximum(roots.std(axis=1, ddof=1), 1e-12)
    return (np.cbrt(observed) - roots.mean(axis=1)) / spread
