"""The local Z of a fixed window, held against closed forms, and its spread where nothing is to be found."""

import numpy as np
import pytest
from scipy import stats

from serendip.config import make_config
from serendip.data import Window
from serendip.data.write import write_events
from serendip.search.prepare import prepared
from serendip.search.scan import fit_scan, observed_task, toy_task
from serendip.seeds import rng_for
from serendip.simulate.dijet import background_cdf, simulate_dijet
from serendip.stats.excess import excesses, local_p_value
from serendip.stats.spectrum import Spectrum

EDGES = np.arange(2000.0, 6401.0, 100.0)
WINDOW = Window(3300.0, 3500.0)
INSIDE = (EDGES[:-1] >= WINDOW.low) & (EDGES[1:] <= WINDOW.high)


def background(events):
    """Expected counts a bin, without fluctuations."""
    return events * np.diff(background_cdf(EDGES))


def with_signal(counts, signal):
    return counts + signal * INSIDE / INSIDE.sum()


def asimov_z(n, b, error):
    """Z of n events over b ± error. Source: Cowan 2012 (Asimov significance with background uncertainty), eq. 20."""
    v = error**2
    return np.sign(n - b) * np.sqrt(
        2 * (n * np.log(n * (b + v) / (b**2 + n * v)) - b**2 / v * np.log1p(v * (n - b) / (b * (b + v))))
    )


@pytest.mark.parametrize("events", [2_000, 20_000, 200_000])
@pytest.mark.parametrize("size", [-1.5, 2.0, 5.0])
def test_z_of_a_spectrum_without_fluctuations_is_the_closed_form(events, size):
    counts = background(events)
    signal = size * np.sqrt(counts[INSIDE].sum())
    found = excesses(with_signal(counts, signal)[None], EDGES, [WINDOW], "dijet", 3)
    assert found.expected[0] == pytest.approx(counts[INSIDE].sum(), rel=0.01)
    assert found.z[0] == pytest.approx(
        asimov_z(found.observed[0], found.expected[0], found.expected_error[0]), rel=0.02
    )


def test_batched_and_minuit_fits_give_the_same_local_p():
    counts = rng_for(1, "one").poisson(with_signal(background(20_000), 90)).astype(float)
    single = local_p_value(Spectrum.from_counts(counts, EDGES), WINDOW, order=3)
    batched = excesses(counts[None], EDGES, [WINDOW], order=3)
    assert batched.z[0] == pytest.approx(single.z, abs=0.01)
    assert single.asymptotic.p == pytest.approx(stats.norm.sf(single.z), rel=1e-6)


@pytest.mark.parametrize("scale", [1.0, 0.02, 50.0])
def test_z_is_a_standard_gaussian_whatever_the_unit_of_the_weights(scale):
    n = rng_for(2, "many").poisson(background(5_000), (1500, len(EDGES) - 1)).astype(float)
    z = excesses(n * scale, EDGES, [WINDOW] * len(n), order=3, variances=n * scale**2).z
    assert stats.kstest(z, "norm").pvalue > 1e-3
    assert stats.binomtest(int((z > 2).sum()), len(z), stats.norm.sf(2)).pvalue > 1e-3


SIGNED = {
    "search": "resonance",
    "features": ["mj_light", "dmj", "tau21_1", "tau21_2"],
    "mass": {"name": "mjj", "range": [2000, 5000], "bin_width": 200},
    "windows": {"from": 2200, "to": 3400, "width": 400, "step": 400},
    "method": {"name": "cwola", "folds": 2, "classifier": {"members": 2, "iterations": 4}},
    "cuts": [0.1],
}


def signed(folder, seed, weights=(1.0, -1.0), share=0.15):
    """A background-only search whose events have weights of either sign."""
    events, _ = simulate_dijet(8000, 0, seed=5000 + seed)
    w = np.where(rng_for(seed, "signs").random(len(events)) < share, weights[1], weights[0])
    object.__setattr__(events, "w", w)
    path = write_events(folder / f"{seed}.h5", events)
    return make_config({**SIGNED, "data": {"path": str(path), "weight": "weight"}, "seed": seed}).analysis()


def scan_of_data(config_json):
    p = prepared(config_json)
    tasks = [observed_task(config_json, i) for i in range(len(p.windows))]
    return fit_scan(p, *(np.stack([task[key] for task in tasks]) for key in ("counts", "variances")))


def require_sane(z):
    """Mean and spread of Z over experiments (rows) and windows: cross-fitting widens it a little."""
    assert np.isfinite(z).all()
    assert abs(z.mean()) < 0.3
    assert 0.8 < z.std() < 1.35


def test_signed_weights_keep_the_null_z_centred(tmp_path):
    require_sane(np.array([scan_of_data(signed(tmp_path, seed)).z.ravel() for seed in range(40)]))


def test_toys_of_signed_data_are_like_such_data(tmp_path):
    config = signed(tmp_path, 99)
    toys = [toy_task(config, i) for i in range(60)]
    require_sane(np.array([toy["z"].ravel() for toy in toys]))
    data = prepared(config)
    in_window = [data.events.w[window.contains(data.m)].sum() for window in data.windows]
    assert np.mean([toy["observed"].ravel() for toy in toys], axis=0) == pytest.approx(
        0.1 * np.array(in_window), rel=0.15
    )
