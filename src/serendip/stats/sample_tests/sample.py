"""A sample of events as tests of goodness of fit see it: features, signed weights, auxiliary measurements."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from serendip.errors import InputError


@dataclass(frozen=True, eq=False)
class Sample:
    """Events to be tested, or to be tested against.

    Attributes:
        x: features, (n, d), finite.
        w: weights of either sign, (n,); 1 where not given.
        auxiliary: what was measured elsewhere of each nuisance parameter, in units of its σ, (k,); 0 where not given.

    Raises:
        InputError: shapes do not fit, or a value is not finite.
    """

    x: Float[np.ndarray, "n d"]
    w: Float[np.ndarray, " n"] = None  # type: ignore[assignment]  # ones, once the length is known
    auxiliary: Float[np.ndarray, " k"] | None = None

    def __post_init__(self) -> None:
        x = np.asarray(self.x, dtype=float)
        if x.ndim != 2:
            raise InputError(f"Got features of shape {x.shape}, but expected (events, features).")
        w = np.ones(len(x)) if self.w is None else np.asarray(self.w, dtype=float)
        if w.shape != (len(x),):
            raise InputError(f"Got weights of shape {w.shape}, but expected ({len(x)},), one for each event.")
        for name, values in (("features", x), ("weights", w)):
            bad = int((~np.isfinite(values)).sum())
            if bad:
                raise InputError(
                    f"Got {bad} {name} that are NaN or infinite, but expected finite values. Drop those events."
                )
        object.__setattr__(self, "x", x)
        object.__setattr__(self, "w", w)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, rows: np.ndarray | slice) -> "Sample":
        """The events of a mask, an index array or a slice."""
        return Sample(self.x[rows], self.w[rows], self.auxiliary)

    @property
    def total(self) -> float:
        """The sum of weights."""
        return float(self.w.sum())
