"""Double precision for the statistics, without touching the precision of anyone else's JAX."""

from contextlib import AbstractContextManager

import jax


def float64() -> AbstractContextManager:
    """A context in which JAX computes in float64, in this thread only.

    A jitted function must be called inside it, not only defined there. Older JAX keeps the switch elsewhere.
    """
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(True)
    from jax import experimental

    return experimental.enable_x64()  # type: ignore[attr-defined]
