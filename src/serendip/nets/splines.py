"""Monotone rational-quadratic splines with linear tails, element by element.

Inside [−reach, reach] a spline runs through knots with given slopes; outside it is the identity, so that features far
from everything learned from pass unharmed.

Source: Durkan et al. 2019, Neural spline flows, arXiv:1906.04032, eqs. 4–8; the interpolation is that of Gregory and
Delbourgo 1982, doi:10.1093/imanum/2.2.123.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

MIN_STEP = 1e-3  # smallest bin, as part of the range
MIN_SLOPE = 1e-3
SLOPE_ONE = 0.541324854612918  # softplus(x) = 1 there: parameters of zero give the identity

Elements = Float[Array, "*shape"]
Parameters = Float[Array, "*shape p"]


class RationalQuadratic(eqx.Module):
    """Maps each element by a spline of its own, whose knots are parameters.

    Args:
        bins: of the spline.
        reach: where the linear tails begin, on either side of 0.
    """

    bins: int = eqx.field(static=True, default=8)
    reach: float = eqx.field(static=True, default=5.0)

    @property
    def parameters(self) -> int:
        """Numbers an element needs: widths and heights of the bins, slopes at the inner knots."""
        return 3 * self.bins - 1

    def forward(self, x: Elements, p: Parameters) -> tuple[Elements, Elements]:
        """The mapped elements, and the logarithm of the slope at each."""
        inside = jnp.abs(x) < self.reach
        safe = jnp.where(inside, x, 0.0)
        x_0, width, y_0, height, left, right = self._bin_of(safe, p, by_height=False)
        y, log_slope = _forward((safe - x_0) / width, width, y_0, height, left, right)
        return jnp.where(inside, y, x), jnp.where(inside, log_slope, 0.0)

    def inverse(self, y: Elements, p: Parameters) -> Elements:
        """The elements that `forward` maps to y."""
        inside = jnp.abs(y) < self.reach
        safe = jnp.where(inside, y, 0.0)
        x_0, width, y_0, height, left, right = self._bin_of(safe, p, by_height=True)
        return jnp.where(inside, x_0 + width * _inverse((safe - y_0) / height, height / width, left, right), y)

    def _bin_of(self, value: Elements, p: Parameters, *, by_height: bool) -> tuple[Elements, ...]:
        """Where the bin that holds `value` begins, its size and its slopes.

        Sums of what lies below take the place of a gather, which is slow on a CPU and slower still to differentiate.
        """
        k = self.bins
        widths, heights = self._steps(p[..., :k]), self._steps(p[..., k : 2 * k])
        slopes = MIN_SLOPE + (1 - MIN_SLOPE) * jax.nn.softplus(p[..., 2 * k :] + SLOPE_ONE)
        ones = jnp.ones_like(slopes[..., :1])
        slopes = jnp.concatenate([ones, slopes, ones], axis=-1)
        edges = jnp.cumsum(heights if by_height else widths, axis=-1)[..., :-1] - self.reach
        above = (value[..., None] >= edges).astype(value.dtype)
        one, zero = jnp.ones_like(above[..., :1]), jnp.zeros_like(above[..., :1])
        passed = jnp.concatenate([above, zero], axis=-1)
        here = jnp.concatenate([one, above], axis=-1) - passed
        return (
            jnp.sum(passed * widths, axis=-1) - self.reach,
            jnp.sum(here * widths, axis=-1),
            jnp.sum(passed * heights, axis=-1) - self.reach,
            jnp.sum(here * heights, axis=-1),
            jnp.sum(here * slopes[..., :-1], axis=-1),
            jnp.sum(here * slopes[..., 1:], axis=-1),
        )

    def _steps(self, raw: Float[Array, "*shape k"]) -> Float[Array, "*shape k"]:
        share = MIN_STEP + (1 - MIN_STEP * self.bins) * jax.nn.softmax(raw, axis=-1)
        return 2 * self.reach * share


def _forward(
    t: Elements, width: Elements, y_0: Elements, height: Elements, left: Elements, right: Elements
) -> tuple[Elements, Elements]:
    """Value and log-slope at the part t of a bin, 0 ≤ t ≤ 1: eqs. 4 and 5."""
    s, u = height / width, t * (1 - t)
    below = s + (left + right - 2 * s) * u
    y = y_0 + height * (s * t**2 + left * u) / below
    above = right * t**2 + 2 * s * u + left * (1 - t) ** 2
    return y, 2 * jnp.log(s) + jnp.log(above) - 2 * jnp.log(below)


def _inverse(r: Elements, s: Elements, left: Elements, right: Elements) -> Elements:
    """The part of a bin at the part r of its height: the root of eqs. 6–8 that does not cancel."""
    bend = r * (left + right - 2 * s)
    a, b, c = s - left + bend, left - bend, -s * r
    root = jnp.sqrt(jnp.maximum(b**2 - 4 * a * c, 0.0))
    return 2 * c / (-b - root)
