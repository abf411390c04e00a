"""The same window, p and t as pyBumpHunter 0.5.1, live where it is installed and against its stored numbers."""

import contextlib
import io

import numpy as np
import pytest

from serendip.stats.bump_hunter import bump_hunt

# scan: (widths, step, side_bands), then what pyBumpHunter 0.5.1 gives on `histogram()`: first bin, width, t
STORED = [
    (((1, None, 1), 1, None), (20, 3, 12.274068798239183)),
    (((2, 10, 2), "half", None), (19, 4, 11.7021209125082)),
    (((3, 9, 3), "full", None), (19, 3, 9.36849982049279)),
    (((1, 8, 1), 2, None), (19, 4, 11.7021209125082)),
    (((1, 12, 1), 1, 0), (20, 3, 13.6545179360876)),
    (((2, 8, 1), 1, 4), (20, 3, 13.6545179360876)),
]


def histogram():
    """A falling spectrum with a bump and empty background bins at its ends; integers, so that no generator matters."""
    background = np.round(400 * np.exp(-4 * np.arange(50) / 50), 3)
    counts = np.round(background + 2.5 * np.sqrt(background) * np.sin(1.7 * np.arange(50) ** 1.3)).astype(int)
    counts[21:25] += 12
    background[[0, 48, 49]] = 0.0
    return np.maximum(counts, 0), background, np.linspace(100.0, 600.0, 51)


def theirs(counts, background, edges, widths, step, side_bands):
    module = pytest.importorskip("pyBumpHunter")
    hunter = module.BumpHunter1D(
        bins=edges,
        width_min=widths[0],
        width_max=widths[1],
        width_step=widths[2],
        scan_step=step,
        npe=1,
        nworker=1,
        use_sideband=side_bands is not None,
        sideband_width=side_bands or None,
    )
    with contextlib.redirect_stdout(io.StringIO()):
        hunter.bump_scan(counts, background, is_hist=True)
    return hunter


@pytest.mark.parametrize(("scan", "stored"), STORED)
def test_agrees_with_stored_numbers(scan, stored):
    widths, step, side_bands = scan
    first, width, t = stored
    result = bump_hunt(*histogram(), widths=widths, step=step, side_bands=side_bands, toys=1)
    assert result.bins == (first, first + width)
    assert result.t == pytest.approx(t, rel=1e-9)
    assert result.local_p.p == pytest.approx(np.exp(-t), rel=1e-9)


@pytest.mark.parametrize("scan", [scan for scan, _ in STORED])
def test_agrees_live(scan):
    widths, step, side_bands = scan
    for seed in range(10):
        counts, background, edges = histogram()
        counts = np.random.default_rng(seed).poisson(background * (1 + 0.5 * (np.arange(50) // 4 == seed)))
        other = theirs(counts, background, edges, widths, step, side_bands)
        result = bump_hunt(counts, background, edges, widths=widths, step=step, side_bands=side_bands, toys=1)
        assert result.bins == (other.min_loc_ar[0], other.min_loc_ar[0] + other.min_width_ar[0])
        assert result.t == pytest.approx(other.t_ar[0], rel=1e-9)
        assert result.local_p.p == pytest.approx(other.min_Pval_ar[0], rel=1e-9)
        assert result.observed - result.expected == pytest.approx(other.signal_eval, rel=1e-9, abs=1e-9)


def test_agrees_on_the_global_p():
    counts, background, edges = histogram()
    counts = np.random.default_rng(10).poisson(background)
    module = pytest.importorskip("pyBumpHunter")
    hunter = module.BumpHunter1D(bins=edges, width_max=10, npe=1000, nworker=1, seed=1)
    with contextlib.redirect_stdout(io.StringIO()):
        hunter.bump_scan(counts, background, is_hist=True)
    ours = bump_hunt(counts, background, edges, widths=(1, 10, 1), toys=4000)
    error = np.hypot(*(np.sqrt(hunter.global_Pval * (1 - hunter.global_Pval) / n) for n in (1000, 4000)))
    assert 0.05 < hunter.global_Pval < 0.95
    assert abs(ours.global_p.p - hunter.global_Pval) < 4 * error
