"""A posterior by simulation: an autoregressive flow over parameters, given what a network makes of an event.

Every map keeps the order of the parameters, so that the first one's marginal density is a factor of the joint density,
known in closed form like the whole.

Sources: Papamakarios and Murray 2016, arXiv:1605.06376 (neural posterior estimation); Papamakarios et al. 2017,
arXiv:1705.07057, and Durkan et al. 2019, arXiv:1906.04032 (the flow).
"""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from serendip.nets.bijections import Autoregressive, ShiftScale
from serendip.nets.flows import LEAST, LOG_2PI
from serendip.nets.made import Made
from serendip.nets.mlp import Mlp
from serendip.nets.splines import RationalQuadratic

STRETCH = (
    4.0  # largest |ln scale| of the affine map: posteriors may be fifty times narrower than the parameters' spread
)

Parameters = Float[Array, "n p"]
Inputs = Float[Array, "n d"]


class Posterior(eqx.Module):
    """p(θ | x), x first condensed to a few summaries.

    Args:
        parameters: how many.
        inputs: features of an event.
        summaries: that the first network makes of them.
        hidden: units of a hidden layer, in all networks.
        layers: hidden layers of each.
        bins: of the splines.
        key: of the first weights.
    """

    condense: Mlp
    affine: Autoregressive
    spline: Autoregressive

    def __init__(
        self, parameters: int, inputs: int, summaries: int, hidden: int, layers: int, bins: int, *, key: PRNGKeyArray
    ) -> None:
        k_condense, k_affine, k_spline = jr.split(key, 3)
        self.condense = Mlp((inputs, *[hidden] * layers, summaries), k_condense, activation="silu")
        element, bent = ShiftScale(STRETCH), RationalQuadratic(bins)
        self.affine = Autoregressive(Made(parameters, summaries, 2, hidden, layers, key=k_affine), element)
        self.spline = Autoregressive(Made(parameters, summaries, bent.parameters, hidden, layers, key=k_spline), bent)

    def log_prob(self, theta: Parameters, x: Inputs) -> Float[Array, " n"]:
        """ln p(θ | x) of each event."""
        c = self.condense(x)
        middle, log_affine = self.affine.forward(theta, c)
        z, log_spline = self.spline.forward(middle, c)
        return log_affine + log_spline - 0.5 * jnp.sum(z**2 + LOG_2PI, axis=1)

    def from_latent(self, z: Parameters, x: Inputs) -> Parameters:
        """The parameters that standard normal numbers stand for."""
        c = self.condense(x)
        return self.affine.inverse(self.spline.inverse(z, c), c)

    def log_marginal(self, theta: Float[Array, "n k"], x: Inputs) -> Float[Array, "n k"]:
        """ln p(θ₁ | x) at k values of the first parameter in each event."""
        (affine, p_affine), (spline, p_spline) = self._of_first(x, theta.shape)
        middle, log_affine = affine.forward(theta, p_affine)
        z, log_spline = spline.forward(middle, p_spline)
        return log_affine + log_spline - 0.5 * (z**2 + LOG_2PI)

    def marginal_from_latent(self, z: Float[Array, "n k"], x: Inputs) -> Float[Array, "n k"]:
        """The values of the first parameter that k standard normal numbers stand for: its quantiles."""
        (affine, p_affine), (spline, p_spline) = self._of_first(x, z.shape)
        return affine.inverse(spline.inverse(z, p_spline), p_affine)

    def _of_first(self, x: Inputs, shape: tuple[int, ...]):
        """Both element maps of the first parameter, with their parameters spread over its values."""
        c = self.condense(x)
        for step in (self.affine, self.spline):
            p, _ = step.network.step(0, step.network.start(), jnp.zeros((len(x), 0), x.dtype), c)
            yield step.element, jnp.broadcast_to(p[:, None], (*shape, p.shape[1]))


def posterior_loss(model: Posterior, theta: Parameters, x: Inputs, *, key: PRNGKeyArray) -> Float[Array, " n"]:
    """−ln p(θ | x) for `train`, bounded above as in `negative_log_prob`."""
    return jnp.minimum(-model.log_prob(theta, x), LEAST + 0.5 * LOG_2PI * theta.shape[1])
