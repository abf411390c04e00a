"""Products with a Gaussian kernel block that is never in memory as a whole: made, used and forgotten in slices.

Everything is float64. Single precision takes about half the time, but where the penalty is small the statistic depends on
eigenvalues of the centres' kernel far below its noise of 1e-7.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float
from threadpoolctl import ThreadpoolController

SLICE = 1 << 18  # kernel values at once in a thread: 2 MiB, which a core's cache holds
FEWEST = 16  # rows in a slice, below which matrix products are slow


@dataclass(frozen=True, eq=False)
class KernelProducts:
    """The Gaussian kernel exp(−|x − c|²/2σ²) between any events and fixed centres.

    Attributes:
        centres: c, (M, d).
        width: σ, in the units of the centres.
    """

    centres: Float[np.ndarray, "m d"]
    width: float

    def block(self, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n m"]:
        """K itself, for few events."""
        out = np.empty((len(x), len(self.centres)))

        def fill(rows: slice, kernel: np.ndarray) -> None:
            out[rows] = kernel

        self._sweep(x, fill)
        return out

    def times(self, x: Float[np.ndarray, "n d"], v: Float[np.ndarray, "m k"]) -> Float[np.ndarray, "n k"]:
        """K v."""
        out = np.empty((len(x), v.shape[1]))

        def fill(rows: slice, kernel: np.ndarray) -> None:
            np.matmul(kernel, v, out=out[rows])

        self._sweep(x, fill)
        return out

    def transposed_times(self, x: Float[np.ndarray, "n d"], u: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "m k"]:
        """Kᵀ u."""
        return sum(self._sweep(x, lambda rows, kernel: kernel.T @ u[rows]), np.zeros((len(self.centres), u.shape[1])))

    def normal(
        self, x: Float[np.ndarray, "n d"], weights: Float[np.ndarray, " n"], v: Float[np.ndarray, "m k"]
    ) -> Float[np.ndarray, "m k"]:
        """Kᵀ diag(weights) K v, in one pass over the kernel."""
        w = weights[:, None]
        return sum(self._sweep(x, lambda rows, kernel: kernel.T @ (w[rows] * (kernel @ v))), np.zeros_like(v))

    def _sweep(self, x: np.ndarray, use: Callable[[slice, np.ndarray], np.ndarray | None]) -> list[np.ndarray]:
        """Hand every slice of K to `use`; the sum of what it returns, for each thread.

        Threads take fixed parts, so that the sums do not depend on which is faster. As many as BLAS may use now: one
        inside a worker of the engine.
        """
        threads = 1 if len(x) * len(self.centres) < 4 * SLICE else _threads()
        edges = np.linspace(0, len(x), threads + 1).astype(int)
        left, right = _lifted(x / self.width, self.centres / self.width)

        def part(i: int) -> np.ndarray | None:
            total = None
            buffer = np.empty((self._rows, len(self.centres)))
            for rows in self._slices(edges[i], edges[i + 1]):
                kernel = np.matmul(left[rows], right, out=buffer[: rows.stop - rows.start])
                result = use(rows, np.exp(kernel, out=kernel))
                if result is not None:
                    total = result if total is None else np.add(total, result, out=total)
            return total

        if threads == 1:
            totals = [part(0)]
        else:
            with _libraries().limit(limits=1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
                totals = list(pool.map(part, range(threads)))
        return [total for total in totals if total is not None]

    @property
    def _rows(self) -> int:
        return max(FEWEST, SLICE // len(self.centres))

    def _slices(self, start: int, stop: int) -> Iterator[slice]:
        return (slice(i, min(i + self._rows, stop)) for i in range(start, stop, self._rows))


def _lifted(x: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows whose dot product with the columns is −|x − c|²/2; about the mean, where little cancels."""
    middle = c.mean(axis=0)
    x, c = x - middle, c - middle
    half = -0.5 * np.einsum("nd,nd->n", x, x)[:, None]
    left = np.concatenate([x, half, np.ones((len(x), 1))], axis=1)
    right = np.concatenate([c, np.ones((len(c), 1)), -0.5 * np.einsum("md,md->m", c, c)[:, None]], axis=1)
    return left, np.ascontiguousarray(right.T)


def _threads() -> int:
    return max((library["num_threads"] for library in _libraries().info() if library["user_api"] == "blas"), default=1)


@cache
def _libraries() -> ThreadpoolController:
    """Found once: the search takes longer than a small product."""
    return ThreadpoolController()
