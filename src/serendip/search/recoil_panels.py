"""The figures of a recoil search, in the order of its steps; the tables stand in `recoil_tables`."""

import numpy as np

from serendip.report import (
    AnomalyPanel,
    Band,
    BandEvents,
    BandPanel,
    EventPulses,
    LatentPanel,
    Panel,
    PredictivePanel,
    PulsePanel,
    ToyPanel,
    band_of,
    predictive_feature,
)
from serendip.report.anomaly_panels import filled
from serendip.report.canvas import scientific
from serendip.score.semi.latent import MIN_EVENTS, energy_plane, latent_energy_score
from serendip.search.recoil_findings import RecoilFindings
from serendip.search.recoil_power_panels import power_panels
from serendip.search.recoil_statistics import learned_test
from serendip.search.recoil_tables import expected_background, recoil_tables
from serendip.simulate.tpc.response import pmt_positions
from serendip.stats.pseudo_experiments import Pool
from serendip.stats.two_sample import two_sample_test

BINS = 40
PREDICTED = (
    *("log S1", "log S2", "log top share", "log S1 fall", "log S2 fall"),
    *("√drift time", "pattern mode 1", "log pattern residual"),
)  # of the autoencoder's summaries
CM_PER_INCH = 2.54
SHOWN_TAIL = 3e-3  # of the background, beyond either end
MOST_POINTS = 3000  # events drawn over the bands


def recoil_panels(found: RecoilFindings) -> tuple[list[Panel], list[str]]:
    """Everything that the report shows, in its order, and remarks."""
    figures: list[Panel] = [anomaly_panel(found)]
    if found.p.config.data is not None:
        figures.append(toy_panel(found))
    figures += [
        *power_panels(found),
        pulse_panel(found),
        bands_panel(found),
        *latent_panels(found),
        predictive_panel(found),
    ]
    return [*figures, *recoil_tables(found)], [_counted(found), _fixed(found), *_unblinded(found)]


def _counted(found: RecoilFindings) -> str:
    """Exposure, events, and what backgrounds alone would give."""
    config, s = found.p.config, found.scores
    expected, error = expected_background(found)
    low, high = config.selection.energy
    where = f"{config.exposure:g} t y in {config.selection.fiducial_mass:g} t, {low:g}–{high:g} keV after all cuts: "
    seen = f"{len(s.columns('data')['cs1']):,} events; " if s.has("data") else ""
    return f"{where}{seen}backgrounds alone give {expected:,.0f} ± {error:,.0f}, beside Poisson fluctuations."


def _fixed(found: RecoilFindings) -> str:
    scores = found.scores
    cut = "no cut" if scores.keep == 1 else f"the {scores.keep:.0%} of the background with the highest TS"
    return (
        f"Fixed before the data were looked at, from simulation alone: R = {scores.ratio:g}, {cut}, the statistic "
        f"{found.statistic!r}. So there is one test, and its local p is the global one."
    )


def _unblinded(found: RecoilFindings) -> list[str]:
    return [] if found.p.config.data is not None else ["No data were given: what follows is what would be expected."]


def anomaly_panel(found: RecoilFindings) -> AnomalyPanel:
    """TS of the data over the background, and of signals."""
    s, anomaly = found.scores, found.p.config.anomaly
    pools = s.backgrounds("toys")
    signals = [s.signal(mass, anomaly.cross_section, "toys") for mass in anomaly.masses]
    test = learned_test(s)
    low, high = test.density.isf(np.array([1 - SHOWN_TAIL, SHOWN_TAIL])).tolist()
    edges = np.linspace(low, max(high, *(float(np.quantile(one.column("ts"), 0.9)) for one in signals)), BINS + 1)
    counts = [_counts(pool, edges) for pool in pools]
    error = np.sqrt(sum((pool.uncertainty * n) ** 2 for pool, n in zip(pools, counts)))
    return AnomalyPanel(
        "anomaly_score",
        "Anomaly score",
        edges,
        np.sum(counts, axis=0),
        error,
        tuple((f"{one.name}, {scientific(anomaly.cross_section)} cm²", _counts(one, edges)) for one in signals),
        filled(s.columns("data")["ts"], edges) if s.has("data") else None,
        float(test.cut) if np.isfinite(test.cut) else None,
        note=f"R = {s.ratio:g}",
        caption="TS of the events that pass the cuts; what lies beyond either end counts into the last bin. The band is the "
        "uncertainty of the background's rates. Where a part is shaded, it does not enter the test.",
    )


def _counts(pool: Pool, edges: np.ndarray) -> np.ndarray:
    return filled(pool.column("ts"), edges, pool.expected * pool.share)


def toy_panel(found: RecoilFindings) -> ToyPanel:
    """The statistic of the data among background pseudo-experiments."""
    assert found.observed is not None  # the caller saw to it
    return ToyPanel(
        "toys",
        "Background alone",
        found.null.toys,
        found.observed,
        caption=f"The statistic {found.statistic!r} of the data among background pseudo-experiments. {found.local_p}.",
        statistic=f"Statistic of the test: {found.statistic}",
    )


def pulse_panel(found: RecoilFindings) -> PulsePanel:
    """What the photomultipliers saw of an electron and a nuclear recoil."""
    judged, detector = found.judged, found.p.detector
    waves = [judged[f"example_{name}"].astype(float) for name in ("s1", "s2", "pattern")]
    events = tuple(
        EventPulses(label, waves[0][i], waves[1][i], waves[2][i], tuple(judged["example_place"][i].tolist()))
        for i, label in enumerate(("Electron recoil", "Nuclear recoil"))
    )
    return PulsePanel(
        "pulses",
        "An electron and a nuclear recoil of one energy",
        events,
        pmt_positions(detector),
        detector.pmt_diameter * CM_PER_INCH,
        (detector.s1_sample, detector.s2_sample),
        caption="Of equal energy on the combined scale, among the events held out.",
    )


def bands_panel(found: RecoilFindings) -> BandPanel:
    """Where recoils lie in S1 and S2, and the data over them."""
    s, masses = found.scores, found.p.config.masses
    kinds = [("electron recoils", s.columns(found.p.kinds[0].name))]
    kinds += [(f"WIMPs of {mass:g} GeV", s.columns(f"{mass:g} GeV")) for mass in masses[-1:]]
    edges = np.linspace(0, float(np.quantile(kinds[0][1]["cs1"], 0.99)), 26)
    bands: list[Band] = [band_of(label, columns["cs1"], columns["cs2"], edges) for label, columns in kinds]
    events: tuple[BandEvents, ...] = ()
    if s.has("data"):
        data = s.columns("data")
        events = (BandEvents("data", data["cs1"][:MOST_POINTS], data["cs2"][:MOST_POINTS]),)
    return BandPanel(
        "bands",
        "Bands of the searched events",
        tuple(bands),
        events,
        caption="Within all cuts; 10, 50 and 90 % of the S2.",
    )


def latent_panels(found: RecoilFindings) -> list[LatentPanel]:
    """What the autoencoder, trained on electron recoils alone, knows of the energy; nothing where few were held out."""
    judged = found.judged
    latent, energy, is_nr = judged["latent"], judged["latent_energy"], judged["latent_nr"]
    if min(np.sum(is_nr), np.sum(~is_nr)) < MIN_EVENTS:
        return []
    plane = energy_plane(latent, energy, is_nr)
    scores = latent_energy_score(latent, energy, is_nr)
    note = ", ".join(f"{name.upper()}: R² {score.r2:.2f}" for name, score in scores.items())
    panel = LatentPanel(
        "latent",
        "Latent space",
        plane[:, 0],
        plane[:, 1],
        energy,
        is_nr,
        ("along ln E of electron recoils", "most variance across it"),
        note=note,
        caption="Posterior means of events held out, by their true energies. "
        "R² is that of ln E read from all latent numbers; no nuclear recoil and no energy was trained on.",
    )
    return [panel]


def predictive_panel(found: RecoilFindings) -> PredictivePanel:
    """Electron recoils held out against those that the autoencoder draws in their place."""
    names, seen, drawn = (found.judged[name] for name in ("summaries", "seen", "drawn"))
    shown = [names.index(name) for name in PREDICTED if name in names]
    features = [predictive_feature(names[i], seen[:, i], drawn[:, i]) for i in shown]
    found_auc = two_sample_test(seen, drawn, seed=found.p.seed("predictive"))
    return PredictivePanel(
        "predictive",
        "Posterior predictive check",
        tuple(features),
        caption=f"Some of the {len(names)} summaries that it models. By all of them, a classifier tells the two apart with "
        f"an AUC of {found_auc.auc:.3f} ± {found_auc.error:.3f}. What the autoencoder draws wrongly costs −ELBO its sense, "
        "and p nothing: f0 is taken from events.",
    )
