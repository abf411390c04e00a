"""The best window as a HistFactory workspace, so that others can combine, limit and reinterpret it.

Source: Cranmer et al. 2012, CERN-OPEN-2012-016; the JSON form is pyhf's, doi:10.21105/joss.02823.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Num

from serendip.errors import InputError
from serendip.report.panels import SpectrumPanel
from serendip.run.folder import write_atomically

NEGLIGIBLE = 1e-6  # a variation that moves no bin by more than this share of its √expected is left out


def window_workspace(
    counts: Num[np.ndarray, " n"],
    expected: Float[np.ndarray, " n"],
    covariance: Float[np.ndarray, "n n"],
    *,
    signal: Float[np.ndarray, " n"] | None = None,
    name: str = "window",
) -> dict[str, Any]:
    """The bins of a window against a background that was fitted outside it.

    Each eigenvector of the covariance becomes one correlated variation with a Gaussian constraint. The
    sidebands stand in it through the covariance alone: give their bins too, and they count twice.

    Args:
        counts: observed events of the bins in the window.
        expected: background expected there, above 0.
        covariance: of `expected`, from the fit outside the window.
        signal: events of each bin at μ = 1; by default the whole excess, or √expected where there is none,
            in the shape of the background.
        name: of the channel.

    Returns:
        A workspace of version 1.0.0 whose parameter of interest is `mu`.

    Raises:
        InputError: the shapes differ, or a bin expects no background.
    """
    _require_usable(counts, expected, covariance)
    variations = _variations(expected, covariance)
    signal = default_signal(counts, expected) if signal is None else signal
    mu = {"name": "mu", "type": "normfactor", "data": None}
    samples = [
        {"name": "signal", "data": signal.tolist(), "modifiers": [mu]},
        {
            "name": "background",
            "data": expected.tolist(),
            "modifiers": [_modifier(i, expected, v) for i, v in variations],
        },
    ]
    ceiling = 5 + 10 * float(np.max(np.abs(counts - expected) + np.sqrt(expected)) / max(float(signal.max()), 1e-12))
    bounds = [{"name": "mu", "inits": [0.5], "bounds": [[0.0, ceiling]]}]
    return {
        "channels": [{"name": name, "samples": samples}],
        "observations": [{"name": name, "data": counts.tolist()}],
        "measurements": [
            {
                "name": "discovery",
                "config": {"poi": "mu", "parameters": bounds + _bounds(expected, variations)},
            }
        ],
        "version": "1.0.0",
    }


def spectrum_workspace(panel: SpectrumPanel) -> dict[str, Any]:
    """The workspace of a drawn spectrum: its window as one bin, the fit's errors taken as fully correlated.

    Weighted events enter as the equivalent count, everything divided by Σw² / Σw of the window.

    Raises:
        InputError: the panel has no window, or no bin in it, or the weights there sum to 0 or less.
    """
    inside = panel.in_window
    if not inside.any():
        raise InputError(f"{panel.name}: Got no bin in the window, but expected one. Give the panel a window.")
    columns = (panel.counts, panel.variances, panel.expected, panel.expected_error)
    observed, variance, expected, error = (float(values[inside].sum()) for values in columns)
    if observed <= 0 and not panel.is_poisson:
        raise InputError(f"{panel.name}: Got {observed:g} weighted events in the window, but expected more than 0.")
    scale = 1.0 if panel.is_poisson else variance / observed
    return window_workspace(
        np.array([observed / scale]),
        np.array([expected / scale]),
        np.array([[(error / scale) ** 2]]),
        name=f"window_{panel.name}",
    )


def write_workspace(folder: Path, workspace: dict[str, Any], name: str = "histfactory") -> Path:
    """Write the workspace to `exports/NAME.json`."""
    text = json.dumps(workspace, indent=2, allow_nan=False)
    return write_atomically(folder / "exports" / f"{name}.json", f"{text}\n".encode())


def default_signal(counts: Num[np.ndarray, " n"], expected: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """The whole excess, or √expected where there is none, in the shape of the background."""
    total = float(np.sum(expected))
    return expected / total * max(float(np.sum(counts)) - total, np.sqrt(total))


def _variations(expected: np.ndarray, covariance: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """One-sigma shifts along the eigenvectors, largest first."""
    values, vectors = np.linalg.eigh(0.5 * (covariance + covariance.T))
    shifts = (np.sqrt(np.maximum(values, 0)) * vectors).T[::-1]
    # An eigenvector has no sign of its own: let each raise the background as a whole.
    shifts = shifts * np.where(shifts.sum(axis=1, keepdims=True) < 0, -1.0, 1.0)
    kept = (shift for shift in shifts if np.any(np.abs(shift) > NEGLIGIBLE * np.sqrt(expected)))
    return list(enumerate(kept))


def _modifier(i: int, expected: np.ndarray, shift: np.ndarray) -> dict[str, Any]:
    data = {"hi_data": (expected + shift).tolist(), "lo_data": (expected - shift).tolist()}
    return {"name": f"background_fit_{i}", "type": "histosys", "data": data}


def _bounds(expected: np.ndarray, variations: list[tuple[int, np.ndarray]]) -> list[dict[str, Any]]:
    """Keeps the variations, pulled together, from driving a bin below 0, where no Poisson is."""
    zero = np.zeros_like(expected)
    raising = sum((np.maximum(shift, 0) for _, shift in variations), zero)
    lowering = sum((np.maximum(-shift, 0) for _, shift in variations), zero)
    share = 0.999 if not lowering.any() else 0.4995  # both sides lower some bin: each may take half of it
    down, up = (float(np.min(share * expected / np.maximum(v, 1e-300), initial=5.0)) for v in (raising, lowering))
    return [{"name": f"background_fit_{i}", "bounds": [[-down, up]]} for i, _ in variations]


def _require_usable(counts: np.ndarray, expected: np.ndarray, covariance: np.ndarray) -> None:
    n = len(counts)
    if len(expected) != n or covariance.shape != (n, n) or n == 0:
        raise InputError(
            f"Got {n} counts, {len(expected)} expected and a covariance of shape {covariance.shape}, "
            "but expected n, n and (n, n)."
        )
    if not np.all(expected > 0):
        raise InputError(f"Got expected={expected}, but expected background above 0 in every bin. Merge bins.")
