"""Mixtures of correlated Gaussians in many dimensions, known in closed form: what generators are judged on.

Source: Coccaro et al. 2023, arXiv:2302.12024, sec. 4.1, for the kind of mixture.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import special

from serendip.errors import InputError
from serendip.seeds import rng_for


@dataclass(frozen=True, eq=False)
class GaussianMixture:
    """A mixture of Gaussians.

    Attributes:
        shares: of the components, (k,); their sum is 1.
        means: (k, d).
        factors: lower triangular L of each covariance L Lᵀ, (k, d, d).
    """

    shares: Float[np.ndarray, " k"]
    means: Float[np.ndarray, "k d"]
    factors: Float[np.ndarray, "k d d"]

    def sample(self, n: int, rng: np.random.Generator) -> Float[np.ndarray, "n d"]:
        """Independent events."""
        component = rng.choice(len(self.shares), size=n, p=self.shares)
        x = rng.normal(size=(n, self.means.shape[1]))
        for i, (mean, factor) in enumerate(zip(self.means, self.factors, strict=True)):
            x[component == i] = mean + x[component == i] @ factor.T
        return x

    def log_prob(self, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """ln p(x)."""
        terms = [
            -0.5 * np.sum(np.linalg.solve(factor, (x - mean).T) ** 2, axis=0) - np.log(np.diag(factor)).sum()
            for mean, factor in zip(self.means, self.factors, strict=True)
        ]
        constant = 0.5 * x.shape[1] * np.log(2 * np.pi)
        return special.logsumexp(np.log(self.shares)[:, None] + terms, axis=0) - constant


def correlated_mixture(d: int, *, components: int = 5, seed: int = 0) -> GaussianMixture:
    """A random mixture: means in [0, 10], standard deviations in [0.2, 1], any correlations, random shares.

    Args:
        d: dimension.
        components: how many Gaussians.
        seed: of all of it.

    Raises:
        InputError: `d` or `components` is below 1.
    """
    for name, value in (("d", d), ("components", components)):
        if value < 1:
            raise InputError(f"{name}: Got {value}, but expected at least 1.")
    rng = rng_for(seed, "gaussian_mixture", d)
    shares = rng.uniform(0.5, 1.5, components)
    mixed = rng.normal(size=(components, d, 2 * d))
    covariance = mixed @ mixed.transpose(0, 2, 1)
    spread = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    sd = rng.uniform(0.2, 1.0, (components, d))
    covariance *= (sd / spread)[:, :, None] * (sd / spread)[:, None, :]
    return GaussianMixture(shares / shares.sum(), rng.uniform(0, 10, (components, d)), np.linalg.cholesky(covariance))
