"""Several tests of one sample, such as several kernel widths, combined into one global p.

Source: Grosso and Letizia 2024, arXiv:2408.12296, and the code published with it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy import special

from serendip.errors import InputError, unknown_name
from serendip.stats.calibration import fitted_dof, log_chi_squared_tail
from serendip.stats.p_value import PValue, p_value_from_log, toy_p_value

Local = Literal["empirical", "chi2"]


def _min_p(t: Float[np.ndarray, "rows k"], log_p: Float[np.ndarray, "rows k"]) -> Float[np.ndarray, " rows"]:
    """−ln of the smallest local p: best where one test is sensitive, and which is not known."""
    return -log_p.min(axis=1)


def _prod_p(t: Float[np.ndarray, "rows k"], log_p: Float[np.ndarray, "rows k"]) -> Float[np.ndarray, " rows"]:
    """−ln of the product of local p; 2 × it is χ² with 2 k degrees of freedom if they are independent (Fisher)."""
    return -log_p.sum(axis=1)


def _avg_p(t: Float[np.ndarray, "rows k"], log_p: Float[np.ndarray, "rows k"]) -> Float[np.ndarray, " rows"]:
    """−ln of the mean local p: asks all tests to agree."""
    return math.log(log_p.shape[1]) - special.logsumexp(log_p, axis=1)


def _smax_t(t: Float[np.ndarray, "rows k"], log_p: Float[np.ndarray, "rows k"]) -> Float[np.ndarray, " rows"]:
    """The smooth maximum of the statistics, ln ⟨e^t⟩: that of the test whose t is largest by nature."""
    return special.logsumexp(t, axis=1) - math.log(t.shape[1])


COMBINATIONS: dict[str, Callable[..., Float[np.ndarray, " rows"]]] = {
    "avg-p": _avg_p,
    "min-p": _min_p,
    "prod-p": _prod_p,
    "smax-t": _smax_t,
}


@dataclass(frozen=True, eq=False)
class Combined:
    """The global p of several tests.

    Attributes:
        p: global, by toys.
        statistic: of the combination; larger is less like the null.
        toys: the same of each toy.
        local: the p of each test alone, in the order of the columns.
        best: which column has the smallest.
        how: name of the combination.
    """

    p: PValue
    statistic: float
    toys: Float[np.ndarray, " n"]
    local: tuple[PValue, ...]
    best: int
    how: str


def combine(
    observed: Float[np.ndarray, " k"],
    toys: Float[np.ndarray, "n columns"],
    how: str = "min-p",
    *,
    local: Local = "empirical",
) -> Combined:
    """Combine the columns, and calibrate the combination with the same toys.

    Data and toys are one table of n + 1 rows, and each row gets its local p's and its combination by one rule that is
    symmetric in the rows. The rank of the data's row is then uniform under the null at any n and for any dependence
    between columns, as long as the toys are like the data. Ties count as reached, after those of min-p and the like
    were decided by the product of local p's.

    Args:
        observed: the statistics of the data.
        toys: the same of null toys, each row from one toy: columns keep their dependence.
        how: one of `COMBINATIONS`.
        local: how a statistic becomes a local p. "empirical" is the share of other rows that reach it, as published:
            beyond all toys it says 1 / (n + 1), however far, and the combination saturates. "chi2" takes a χ²
            fitted to the column of all rows: smooth beyond the toys. A poor χ² costs power, and leaves p valid.

    Raises:
        InputError: the name is unknown, shapes do not fit, a value is not finite, or a column has no χ².
    """
    rows = _table(observed, toys)
    if how not in COMBINATIONS:
        raise InputError(unknown_name("combination", how, COMBINATIONS))
    log_p = _log_local_p(rows, local)
    values = COMBINATIONS[how](rows, log_p)
    ties = _prod_p(rows, log_p)
    reached = (values[1:] > values[0]) | ((values[1:] == values[0]) & (ties[1:] >= ties[0]))
    p = toy_p_value(int(reached.sum()), len(toys), f"toys, {how}")
    return Combined(p, float(values[0]), values[1:], _local(rows, log_p, local), int(log_p[0].argmin()), how)


def _table(observed: Float[np.ndarray, " k"], toys: Float[np.ndarray, "n columns"]) -> Float[np.ndarray, "rows k"]:
    if len(toys) == 0 or len(observed) == 0 or toys.shape[1] != len(observed):
        raise InputError(
            f"Got {len(observed)} statistics and toys of shape {toys.shape}, but expected (toys, statistics)."
        )
    rows = np.concatenate([observed[None], toys]).astype(float)
    bad = int((~np.isfinite(rows)).any(axis=1).sum())
    if bad:
        raise InputError(f"Got {bad} rows with a statistic that is NaN or infinite, but expected finite values.")
    return rows


def _log_local_p(rows: Float[np.ndarray, "rows k"], local: Local) -> Float[np.ndarray, "rows k"]:
    """ln p of each row, by χ² or among all rows; a row reaches itself, so that the smallest p is 1 / rows."""
    if local == "chi2":
        return np.stack([log_chi_squared_tail(column, _dof(column)) for column in rows.T], axis=1)
    ordered = np.sort(rows, axis=0)
    below = np.stack([np.searchsorted(ordered[:, i], rows[:, i]) for i in range(rows.shape[1])], axis=1)
    return np.log((len(rows) - below) / len(rows))


def _dof(column: Float[np.ndarray, " rows"]) -> float:
    positive = column[column > 0]
    if len(positive) < 2 or positive.min() == positive.max():
        raise InputError(
            'Got a column that has no χ², but expected values above 0 that differ. Take local="empirical".'
        )
    return float(fitted_dof(positive[None])[0])


def _local(rows: Float[np.ndarray, "rows k"], log_p: Float[np.ndarray, "rows k"], local: Local) -> tuple[PValue, ...]:
    if local == "chi2":
        fitted = (p_value_from_log(float(value), "χ² fit") for value in log_p[0])
        return tuple(replace(p, n_toys=len(rows) - 1) for p in fitted)
    reached = (rows[1:] >= rows[0]).sum(axis=0)
    return tuple(toy_p_value(int(k), len(rows) - 1) for k in reached)
