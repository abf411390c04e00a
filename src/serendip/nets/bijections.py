"""Maps between events x and latent z that can be undone, with the logarithm of their volume change.

Each has `forward(x, c) -> (z, log|det ∂z/∂x|)` and `inverse(z, c) -> x`, on batches: x and z of shape (n, d), the
context c of shape (n, k) or None, the log-determinant of shape (n,).

Sources: Papamakarios et al. 2017, arXiv:1705.07057 (masked autoregressive); Dinh et al. 2016, arXiv:1605.08803
(coupling).
"""

from typing import Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from serendip.nets.made import Context, Made
from serendip.nets.mlp import Mlp

Batch = Float[Array, "n d"]
LogDet = Float[Array, " n"]


class Bijection(Protocol):
    """What the maps of this file can do."""

    def forward(self, x: Batch, c: Context = None) -> tuple[Batch, LogDet]:
        """Events to latent."""

    def inverse(self, z: Batch, c: Context = None) -> Batch:
        """Latent to events."""


class Elementwise(Protocol):
    """A map of single numbers whose `parameters` numbers a network gives; all zero is the identity."""

    @property
    def parameters(self) -> int:
        """How many numbers an element needs."""

    def forward(self, x: Array, p: Array) -> tuple[Array, Array]:
        """The mapped elements, and the logarithm of the slope at each."""

    def inverse(self, y: Array, p: Array) -> Array:
        """The elements that `forward` maps to y."""


class ShiftScale(eqx.Module):
    """y = x · exp(s) + t with |s| < `bound`, so that no event, however far, gets an infinite density."""

    bound: float = eqx.field(static=True, default=2.0)
    parameters = 2

    def forward(self, x: Array, p: Array) -> tuple[Array, Array]:
        """The mapped elements, and s."""
        s = self._log_scale(p)
        return x * jnp.exp(s) + p[..., 1], s

    def inverse(self, y: Array, p: Array) -> Array:
        """The elements that `forward` maps to y."""
        return (y - p[..., 1]) * jnp.exp(-self._log_scale(p))

    def _log_scale(self, p: Array) -> Array:
        return self.bound * jnp.tanh(p[..., 0] / self.bound)


class Permutation(eqx.Module):
    """Features in another order."""

    order: Int[Array, " d"]

    def forward(self, x: Batch, c: Context = None) -> tuple[Batch, LogDet]:
        """Column j of z is column `order[j]` of x."""
        return x[:, self.order], jnp.zeros(len(x), x.dtype)

    def inverse(self, z: Batch, c: Context = None) -> Batch:
        """Back in their order."""
        return z[:, jnp.argsort(self.order)]


class Affine(eqx.Module):
    """z = (x − shift) / scale, feature by feature, whatever the context."""

    shift: Float[Array, " d"]
    log_scale: Float[Array, " d"]

    def forward(self, x: Batch, c: Context = None) -> tuple[Batch, LogDet]:
        """Shifted, then divided."""
        return (x - self.shift) * jnp.exp(-self.log_scale), jnp.full(len(x), -jnp.sum(self.log_scale))

    def inverse(self, z: Batch, c: Context = None) -> Batch:
        """Multiplied, then shifted."""
        return z * jnp.exp(self.log_scale) + self.shift


class Autoregressive(eqx.Module):
    """Feature i is mapped by an element map whose parameters depend on the features before it and the context.

    Forward is one pass; inverse goes feature by feature, yet needs each hidden unit only once.
    """

    network: Made
    element: Elementwise

    def forward(self, x: Batch, c: Context = None) -> tuple[Batch, LogDet]:
        """All features at once."""
        z, log_slope = self.element.forward(x, self.network(x, c))
        return z, jnp.sum(log_slope, axis=1)

    def inverse(self, z: Batch, c: Context = None) -> Batch:
        """One feature after the other."""
        x, known = z[:, :0], self.network.start()
        for i in range(z.shape[1]):
            p, known = self.network.step(i, known, x, c)
            x = jnp.concatenate([x, self.element.inverse(z[:, i], p)[:, None]], axis=1)
        return x


class Coupling(eqx.Module):
    """The first half of the features passes; the other is mapped with parameters from the first and the context."""

    network: Mlp
    element: Elementwise

    def forward(self, x: Batch, c: Context = None) -> tuple[Batch, LogDet]:
        """One pass."""
        kept, moved = self._halves(x)
        moved, log_slope = self.element.forward(moved, self._parameters(kept, moved, c))
        return jnp.concatenate([kept, moved], axis=1), jnp.sum(log_slope, axis=1)

    def inverse(self, z: Batch, c: Context = None) -> Batch:
        """One pass too."""
        kept, moved = self._halves(z)
        return jnp.concatenate([kept, self.element.inverse(moved, self._parameters(kept, moved, c))], axis=1)

    def _halves(self, x: Batch) -> tuple[Batch, Batch]:
        half = x.shape[1] // 2
        return x[:, :half], x[:, half:]

    def _parameters(self, kept: Batch, moved: Batch, c: Context) -> Float[Array, "n m p"]:
        seen = kept if c is None else jnp.concatenate([c, kept], axis=1)
        return self.network(seen).reshape(*moved.shape, self.element.parameters)


class Chain(eqx.Module):
    """One map after the other."""

    parts: tuple[Bijection, ...]

    def forward(self, x: Batch, c: Context = None) -> tuple[Batch, LogDet]:
        """First to last."""
        total = jnp.zeros(len(x), x.dtype)
        for part in self.parts:
            x, log_det = part.forward(x, c)
            total = total + log_det
        return x, total

    def inverse(self, z: Batch, c: Context = None) -> Batch:
        """Last to first."""
        for part in reversed(self.parts):
            z = part.inverse(z, c)
        return z


class Stack(eqx.Module):
    """Maps of one make, one after the other, with stacked leaves: compiled once however many there are.

    Build it by `Stack(eqx.filter_vmap(build)(keys))`.
    """

    blocks: Bijection

    def forward(self, x: Batch, c: Context = None) -> tuple[Batch, LogDet]:
        """First to last."""
        arrays, rest = eqx.partition(self.blocks, eqx.is_array)

        def through(carry, block):
            x, total = carry
            z, log_det = eqx.combine(block, rest).forward(x, c)
            return (z, total + log_det), None

        return jax.lax.scan(through, (x, jnp.zeros(len(x), x.dtype)), arrays)[0]

    def inverse(self, z: Batch, c: Context = None) -> Batch:
        """Last to first."""
        arrays, rest = eqx.partition(self.blocks, eqx.is_array)
        return jax.lax.scan(lambda z, block: (eqx.combine(block, rest).inverse(z, c), None), z, arrays, reverse=True)[0]
