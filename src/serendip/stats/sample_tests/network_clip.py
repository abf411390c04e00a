"""How tightly to bound the weights of a network NPLM: until null t follow a χ² of as many degrees as parameters.

Source: D'Agnolo et al. 2019, arXiv:1912.12155, sec. 3.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy import stats

from serendip.errors import InputError, require_events
from serendip.stats.sample_tests.network_nplm import NetworkNPLM
from serendip.stats.sample_tests.sample import Sample


@dataclass(frozen=True, eq=False)
class ClipScan:
    """Null t for several bounds of the weights.

    Attributes:
        clips: the bounds.
        t: of each toy and bound, (toys, clips).
        degrees: parameters of the network, hence degrees of freedom of the χ².
        ks_p: p of the Kolmogorov–Smirnov test of each bound's t against that χ².
    """

    clips: tuple[float, ...]
    t: Float[np.ndarray, "toys clips"]
    degrees: int
    ks_p: Float[np.ndarray, " clips"]

    @property
    def best(self) -> float:
        """The bound whose t are most like the χ²; use other toys for the p of data. A small `ks_p` here: none is."""
        return self.clips[int(np.argmax(self.ks_p))]


def scan_clips(
    test: NetworkNPLM,
    reference: Sample,
    expected: float,
    toys: Sequence[Sample],
    clips: Sequence[float],
    *,
    seed: int = 0,
) -> ClipScan:
    """Fit null toys under each bound.

    Args:
        test: all other settings.
        reference: as for `NetworkNPLM.prepare`, and `expected`, `seed` likewise.
        expected: N(R).
        toys: samples drawn from the reference's distribution.
        clips: bounds to try; near the best one the mean of t grows slowly with the bound.
        seed: of the start.

    Raises:
        TooFewEventsError: fewer than ten toys.
        InputError: no bound.
    """
    require_events(10, toys=toys)
    if not clips:
        raise InputError("Got no clips, but expected at least one bound of the weights.")
    columns = [
        replace(test, clip=clip).prepare(reference, expected, seed=seed).statistics(toys)[:, 0] for clip in clips
    ]
    degrees = test.parameters(reference.x.shape[1])
    ks_p = [stats.kstest(column, stats.chi2(degrees).cdf).pvalue for column in columns]
    return ClipScan(tuple(clips), np.stack(columns, axis=1), degrees, np.array(ks_p, dtype=float))
