"""A result and panels as a search would hand them over, from a toy with a bump at 3,500 GeV."""

import numpy as np
import pytest
from scipy import stats

from serendip.data.window import Window
from serendip.report import (
    AnomalyPanel,
    BandEvents,
    BandPanel,
    CoordinatePanel,
    CoordinateSeries,
    DriverFeature,
    DriversPanel,
    EventPulses,
    LatentPanel,
    LatentScanPanel,
    MedianBand,
    MixtureScanPanel,
    PairMaps,
    PairPanel,
    PredictivePanel,
    PulsePanel,
    RatioPanel,
    RejectionPanel,
    RocCurve,
    RocPanel,
    ScanPanel,
    ScanSeries,
    ScorePanel,
    SicPanel,
    SpectrumPanel,
    TablePanel,
    TailCurve,
    ToyPanel,
    band_of,
    predictive_feature,
)
from serendip.seeds import rng_for

BEST = Window(3300, 3700)


def spectrum(name: str = "spectrum_cut_0.002", events: float = 400, bump: float = 40) -> SpectrumPanel:
    rng = rng_for(1, name)
    edges = np.linspace(2000, 6500, 46)
    centres = 0.5 * (edges[1:] + edges[:-1])
    shape = np.exp(-centres / 600)
    expected = events * shape / shape.sum()
    signal = bump * np.diff(stats.norm.cdf(edges, 3500, 100))
    counts = rng.poisson(expected + signal).astype(float)
    return SpectrumPanel(
        name=name,
        title="Spectrum after the cut at 0.2 %",
        edges=edges,
        counts=counts,
        variances=counts,
        expected=expected,
        expected_error=expected * (0.05 + 0.1 * (centres - 2000) / 4500),
        window=BEST,
        mass_name="$m_{jj}$",
        unit="GeV",
        caption="Data and the background fitted outside the window.",
        goodness_p=0.43,
    )


def scan() -> ScanPanel:
    mass = np.arange(2700, 5301, 200.0)
    bump = np.exp(-0.5 * ((mass - 3500) / 180) ** 2)
    noise = rng_for(1, "scan").normal(size=(2, len(mass)))
    series = tuple(
        ScanSeries(label, mass, stats.norm.sf(height * bump + 0.7 * wiggle))
        for label, height, wiggle in (("cut 1 %", 5.5, noise[0]), ("cut 0.2 %", 6.8, noise[1]))
    )
    return ScanPanel(
        "scan",
        "Local p in each window",
        series,
        BEST,
        "p < 0.0057, Z > 2.53",
        "$m_{jj}$",
        "GeV",
        "Local p of every window.",
    )


def scores() -> ScorePanel:
    rng = rng_for(1, "scores")
    window, sidebands = rng.beta(2, 5, 8000), rng.beta(2, 5.2, 40000)
    window[:150] = rng.beta(9, 1.5, 150)
    cuts = tuple((f"{100 * e:g} %", float(np.quantile(sidebands, 1 - e))) for e in (0.01, 0.002))
    return ScorePanel(
        "scores", "Scores in the window 3300–3700 GeV", window, sidebands, cuts, caption="Scores, normalised."
    )


def _driver(feature: str, unit: str, low: float, high: float, shift: float) -> DriverFeature:
    rng = rng_for(1, feature)
    edges = np.linspace(low, high, 21)
    everything = low + (high - low) * rng.beta(2, 4, 40000)
    selected = low + (high - low) * np.clip(rng.beta(2, 4, 120) + shift, 0, 0.999)
    widths = np.diff(edges)

    def density(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        counts, _ = np.histogram(values, edges)
        return counts / widths / len(values), np.sqrt(counts) / widths / len(values)

    return DriverFeature(feature, edges, *density(selected), *density(everything), unit)


def drivers() -> DriversPanel:
    features = (
        _driver("$m_J$ of the lighter jet", "GeV", 0, 600, 0.0),
        _driver("$Δm_J$", "GeV", 0, 900, 0.25),
        _driver("$τ_{21}$ of jet 1", "", 0, 1, -0.15),
    )
    return DriversPanel("drivers", "What the selected events differ in", features, "Selected against all.")


def curves() -> tuple[RocCurve, ...]:
    fpr = np.concatenate([[0.0], np.geomspace(1e-5, 1, 300)])
    return tuple(
        RocCurve(label, fpr, fpr**power, 90941.0, 9059.0, 1 / (1 + power))
        for label, power in (("supervised", 0.12), ("idealised", 0.16), ("CWoLa", 0.22))
    )


def toys() -> ToyPanel:
    values = stats.gumbel_r.rvs(2.0, 0.4, size=200, random_state=rng_for(1, "toys"))
    z = np.linspace(2.5, 6.5, 50)
    tail = TailCurve(z, stats.gumbel_r.sf(z, 2.0, 0.4), 0.31, "Gumbel tail")
    return ToyPanel("toys", "The largest Z of background-only toys", values, 5.9, tail, "Toys repeat the whole search.")


def coordinates() -> CoordinatePanel:
    maps = ("none, other seed", "logarithm", "square")
    series = (
        CoordinateSeries("CWoLa", maps, np.array([0.98, 1.0, 1.0]), np.array([0.8, 1.0, 1.0])),
        CoordinateSeries("density", maps, np.array([1.0, 0.7, 0.8]), np.array([1.0, 0.4, 0.5])),
    )
    return CoordinatePanel("coordinates", "Scores in other coordinates", series, caption="Rank correlations.")


def latent_scan() -> LatentScanPanel:
    loss = np.array([2.8, 1.1, 0.4, 0.38])
    auc = np.array([0.6, 0.7, 0.75, 0.4])
    return LatentScanPanel("latent_scan", "Latent size", np.arange(1, 5), loss, 0.02 * loss, 3, auc, caption="Losses.")


def ratio() -> RatioPanel:
    edges = np.linspace(0, 6, 31)
    reference = 2000 * np.diff(stats.expon.cdf(edges))
    predicted = reference + 60 * np.diff(stats.norm.cdf(edges, 3, 0.3))
    counts = rng_for(1, "ratio").poisson(predicted).astype(float)
    return RatioPanel(
        "ratio_1", "What drives it: mass", "$m_{jj}$", edges, counts, counts, reference, reference / 25, predicted,
        predicted / 25, "TeV", "shows 82 % of the shape", "Data, reference, reweighted reference.",
    )  # fmt: skip


def pairs() -> PairPanel:
    x, y = np.meshgrid(np.arange(12.0), np.arange(10.0), indexing="ij")
    bump = 6 * np.exp(-0.5 * ((x - 7) ** 2 + (y - 6) ** 2))
    noise = rng_for(1, "pairs").normal(size=x.shape)
    cells = PairMaps(
        ("$m_{jj}$", "TeV"), ("$τ_{21}$", ""), np.linspace(0, 6, 13), np.linspace(0, 1, 11), bump + noise, bump,
        x + y < 3, "shows 97 %",
    )  # fmt: skip
    return PairPanel("pairs", "What drives it: pairs of features", (cells,), "Residuals.")


def latent() -> LatentPanel:
    rng = rng_for(1, "latent")
    energy, is_nr = np.geomspace(1, 100, 600), rng.random(600) < 0.35
    x, y = np.log(energy) - 2 + 0.3 * rng.normal(size=600), rng.normal(size=600) - 1.5 * is_nr
    return LatentPanel("latent", "Latent space", x, y, energy, is_nr, note="R² 0.98 (ER), 0.95 (NR)", caption="Means.")


def predictive() -> PredictivePanel:
    rng = rng_for(1, "predictive")
    names = ("log S1", "log S2", "S1 rise", "S2 width", "lit PMTs")
    features = [predictive_feature(f, *rng.normal(size=(2, 3000)), note="p = 0.31") for f in names]
    return PredictivePanel("predictive", "Posterior predictive check", tuple(features), "Held-out events.")


def anomaly() -> AnomalyPanel:
    edges = np.linspace(-3, 12, 31)
    background = 400 * np.exp(-((edges[1:] + 2) ** 2) / 8) + 0.02
    signals = tuple((f"{mass} GeV", 5.0 * np.exp(-((edges[1:] - mass / 20) ** 2) / 6)) for mass in (30, 100))
    data = rng_for(1, "anomaly").poisson(background + signals[0][1]).astype(float)
    return AnomalyPanel(
        "anomaly", "Anomaly score", edges, background, 0.1 * background, signals, data, -1.0, note="R = 3"
    )


def bands() -> BandPanel:
    rng, edges = rng_for(1, "bands"), np.linspace(0, 100, 21)
    cs1 = rng.uniform(0, 100, 8000)
    er, nr = ((300 * cs1 + 4e4) ** 0.7 * factor * rng.lognormal(0, 0.1, 8000) for factor in (1.0, 0.4))
    data = BandEvents("data", cs1[:200], er[:200])
    return BandPanel("bands", "Bands", (band_of("ER", cs1, er, edges), band_of("NR", cs1, nr, edges)), (data,), "PE")


def mixture_scan() -> MixtureScanPanel:
    weight = np.array([0, 0.1, 0.3, 1, 3, 10, 30, 100])
    z = [2 + np.exp(-0.5 * (np.log(weight + 0.05) - centre) ** 2) for centre in (0, 0.7)]
    named = zip(("30 GeV", "100 GeV"), z)
    found = tuple(MedianBand(name, weight, *(stats.norm.sf(one + up) for up in (1, 0, -1))) for name, one in named)
    return MixtureScanPanel("mixture_scan", "Which mixture tells most", found, 1.0, caption="p against R.")


def rejection() -> RejectionPanel:
    at = np.geomspace(1e-49, 1e-47, 25)
    found = tuple(MedianBand(name, at, *(at / cross * 3 + up for up in (-1, 0, 1))) for name, cross in
                  (("learned score", 1.4e-48), ("2-D template", 1.9e-48), ("signal known", 1.1e-48)))  # fmt: skip
    return RejectionPanel(
        "rejection", "Rejection at 200 t y, 50 GeV", found, (1.4e-48, 1.9e-48, None), (("3e-49", 3e-49),), reach=4.3,
        caption="Medians and bands.",
    )  # fmt: skip


def pulses() -> PulsePanel:
    s1, s2 = 90 * stats.expon.pdf(np.arange(200), 10, 4), 2e4 * stats.norm.pdf(np.arange(300), 150, 30)
    tubes = np.stack(np.meshgrid(*2 * [np.linspace(-30, 30, 7)]), axis=-1).reshape(-1, 2)
    pattern = 900 / (1 + ((tubes - 5) ** 2).sum(1) / 50) ** 1.5
    events = tuple(EventPulses(label, s1, s2, pattern, (5.0, 5.0)) for label in ("ER, 12 keV", "NR, 31 keV"))
    return PulsePanel("pulses", "Recordings", events, tubes, 7.6, (10.0, 50.0), "Waveforms and the top array.")


@pytest.fixture(scope="session")
def panels() -> tuple:
    table = TablePanel(
        "windows", "Windows", ("window", "cut", "observed", "expected", "Z"),
        (("3300–3700", 0.002, 61, 21.3, 5.2), ("4100–4500", 0.01, 52, 48.1, -0.3)),
        "The windows with the smallest p.",
    )  # fmt: skip
    uncut = spectrum("spectrum_uncut", 90000, 500)
    return (
        uncut, spectrum(), scan(), scores(), drivers(), RocPanel("roc", "ROC on labels", curves(), "ROC."),
        SicPanel("sic", "Significance improvement", curves(), (0.01, 0.002), caption="SIC."), toys(),
        coordinates(), latent_scan(), ratio(), pairs(), mixture_scan(), rejection(), anomaly(),
        bands(), pulses(), latent(), predictive(), table,
    )  # fmt: skip


@pytest.fixture
def result() -> dict:
    return {
        "schema": 1,
        "search": "resonance",
        "method": "cwola",
        "local": {
            "p": 1.1e-7, "p_interval": [1.1e-7, 1.1e-7], "z": 5.18, "how": "profile likelihood", "n_toys": 0,
        },
        "global": {"p": 0.00498, "p_interval": [0.0, 0.0057], "z": 2.58, "how": "toys", "n_toys": 200},
        "best": {
            "window": [3300, 3700], "cut": 0.002, "observed": 61, "expected": 21.3, "expected_error": 3.0,
        },
        "trials": {"windows": 12, "cuts": 2, "methods": 1},
        "valid": False,
        "checks": [
            {"name": "sculpting", "passed": True, "value": 0.21, "limit": 0.01,
             "detail": "The cut leaves the background-only spectrum smooth."},
            {"name": "mass leak", "passed": False, "value": 0.61, "limit": 0.53,
             "detail": "A classifier tells sidebands from window without a signal: the features follow the "
                       "mass. Decorrelate them, or drop Δm_J."},
            {"name": "spurious signal", "passed": None, "value": None, "limit": 0.5,
             "detail": "Not run: no background sample was given."},
            {"name": "fit goodness", "passed": True, "value": 0.43, "limit": 0.05, "detail": ""},
        ],
        "inputs": [{"name": "lhco_rnd_100k.features.h5", "sha256": "0123456789abcdef" * 4, "events": 91441}],
        "seed": 1,
        "config_sha256": "fedcba9876543210" * 4,
        "versions": {"serendip": "0.1.0", "numpy": "2.4.6", "scikit-learn": "1.8.0"},
        "timing": {"wall_s": 812.4, "stages": {"read": 1.2, "scan": 61.0, "toys": 740.0, "report": 10.2}},
        "peak_memory_mb": 912.3,
    }  # fmt: skip


@pytest.fixture
def config() -> dict:
    return {
        "search": "resonance",
        "data": {"path": "lhco_rnd_100k.features.h5", "inject": {"signal": 500, "seed": 1}},
        "features": {"mj_light": "min(mj1, mj2)", "dmj": "abs(mj1 - mj2)"},
        "windows": {"from": 2700, "to": 5300, "width": 400, "step": 200},
        "cuts": (0.01, 0.002),
        "seed": 1,
    }
