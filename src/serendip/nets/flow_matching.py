"""Flow matching: a velocity field that carries normal draws into events along straight lines.

Sources: Lipman et al. 2022, arXiv:2210.02747 (conditional flow matching, optimal-transport paths); Chen et al. 2018,
arXiv:1806.07366 (the density from the integrated divergence).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from serendip.errors import InputError
from serendip.nets.flows import LOG_2PI
from serendip.nets.mlp import Mlp

FREQUENCIES = 4  # of the time embedding: π, 2π, 4π, 8π
LEAST_SPREAD = 1e-4  # of the paths' end around an event, σ_min in arXiv:2210.02747, eq. 22

MOST_STEPS = 4096  # of an event's path


class VelocityField(eqx.Module):
    """v(t, x | c), from the normal distribution at t = 0 to the events at t = 1.

    Args:
        features: d.
        conditions: numbers it is conditional on; 0 for none.
        hidden: widths of the hidden layers.
        key: of the first weights.
    """

    network: Mlp

    def __init__(self, features: int, conditions: int, *, hidden: tuple[int, ...], key: PRNGKeyArray) -> None:
        inputs = features + conditions + 2 * FREQUENCIES + 1
        self.network = Mlp((inputs, *hidden, features), key, activation="silu")

    def __call__(
        self, t: Float[Array, "*n"], x: Float[Array, "*n d"], c: Float[Array, "*n conditions"]
    ) -> Float[Array, "*n d"]:
        """Velocities at these times and places."""
        t = jnp.asarray(t)[..., None]  # oldest diffrax asks for shapes with a number of Python
        angles = t * np.pi * 2.0 ** np.arange(FREQUENCIES)
        return self.network(jnp.concatenate([x, c, t, jnp.sin(angles), jnp.cos(angles)], axis=-1))


def matching_loss(
    model: VelocityField, x: Float[Array, "b d"], c: Float[Array, "b conditions"], key: PRNGKeyArray
) -> Float[Array, " b"]:
    """Squared miss of the straight path's velocity, at one random time and from one normal draw for each event."""
    k_time, k_noise = jr.split(key)
    # One time in each b-th of (0, 1): less noise in a batch's loss, and an event's own time is still uniform.
    t = (jnp.arange(len(x)) + jr.uniform(k_time, (len(x),))) / len(x)
    noise = jr.normal(k_noise, x.shape)
    start = (1 - LEAST_SPREAD) * noise
    at = noise - t[:, None] * start + t[:, None] * x
    return jnp.sum((model(t, at, c) - (x - start)) ** 2, axis=1)


@dataclass(frozen=True)
class Integration:
    """How the path of an event is followed.

    Attributes:
        tolerance: relative and absolute error of an adaptive step (Tsitouras 5/4).
        steps: of equal size, in place of adaptive ones; 0 for adaptive.
    """

    tolerance: float = 1e-5
    steps: int = 0

    def __post_init__(self) -> None:
        if not self.tolerance > 0:
            raise InputError(f"tolerance: Got {self.tolerance}, but expected a number above 0.")
        if self.steps < 0:
            raise InputError(f"steps: Got {self.steps}, but expected 0 for adaptive steps, or how many.")


def carry(
    model: VelocityField,
    x: Float[Array, "n d"],
    c: Float[Array, "n conditions"],
    begin: float,
    end: float,
    how: Integration,
) -> Float[Array, "n d"]:
    """Events moved along the velocity: from time 0 to 1 draws become events, from 1 to 0 events become draws."""
    return jax.vmap(lambda x, c: _solve(lambda t, y, _: model(t, y, c), x, begin, end, how))(x, c)


def log_density(
    model: VelocityField, x: Float[Array, "n d"], c: Float[Array, "n conditions"], how: Integration
) -> Float[Array, " n"]:
    """ln p(x | c): that of the normal draw which an event becomes, and the divergence of the velocity on the way.

    Source: arXiv:1806.07366, eq. 8; the trace is exact, by d directional derivatives.
    """

    def one(x: Array, c: Array) -> Array:
        def velocity(t: Array, state: tuple[Array, Array], _: None) -> tuple[Array, Array]:
            v, push = jax.linearize(lambda y: model(t, y, c), state[0])
            return v, jnp.trace(jax.vmap(push)(jnp.eye(len(x))))

        z, change = _solve(velocity, (x, jnp.zeros(())), 1.0, 0.0, how)
        return change - 0.5 * jnp.sum(z**2 + LOG_2PI)

    return jax.vmap(one)(x, c)


def _solve(velocity: Callable[..., Any], start: Any, begin: float, end: float, how: Integration) -> Any:
    """The state at `end`; NaN where `MOST_STEPS` do not reach it."""
    import diffrax  # here: it takes a fifth of a second to import, and few need it

    adaptive = diffrax.PIDController(rtol=how.tolerance, atol=how.tolerance)
    controller = diffrax.ConstantStepSize() if how.steps else adaptive
    first = (end - begin) / how.steps if how.steps else None
    term = diffrax.ODETerm(velocity)
    options = {"stepsize_controller": controller, "max_steps": MOST_STEPS, "throw": False}
    solution = diffrax.diffeqsolve(term, diffrax.Tsit5(), begin, end, first, start, **options)
    arrived = solution.result == diffrax.RESULTS.successful
    return jax.tree.map(lambda leaf: jnp.where(arrived, leaf[0], jnp.nan), solution.ys)
