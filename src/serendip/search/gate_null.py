"""The part of the validity gate that looks at the toys' generator: what each kind takes for granted."""

import numpy as np

from serendip.run.nulls import DensitySampler
from serendip.score.classifiers import make_classifier
from serendip.search.prepare import Prepared
from serendip.search.result import Check
from serendip.search.scan import Scan
from serendip.seeds import seed_for
from serendip.stats.background_fit import fit_background
from serendip.stats.two_sample import two_sample_test


def null_checks(p: Prepared, data: Scan) -> tuple[Check, ...]:
    """What the null generator takes for granted."""
    if p.config.null.generator == "reference":
        return (reference_size(p),)
    if p.config.null.generator == "density":
        return null_spectrum(p, data), toys_look_like_data(p, data), weights_know_the_mass(p)
    return null_spectrum(p, data), weights_know_the_mass(p)


def null_spectrum(p: Prepared, data: Scan) -> Check:
    """The spectrum that toys draw their masses from is that of the data, the best window left out."""
    limit = p.config.gate.min_goodness
    background = p.config.background
    window = p.windows[data.best[1]]
    fit = fit_background(p.spectrum(p.m, p.events.w), background.shape, p.uncut_fit.order, window)
    return Check(
        "null spectrum",
        bool(fit.goodness_p >= limit),
        float(fit.goodness_p),
        f"goodness p at least {limit:g}",
        f"The smooth function fitted to all events but those of the best window, order {p.uncut_fit.order}. Toys drawn "
        "from a poor fit are not like "
        "the data. Start the mass range above the turn-on, or allow a higher order.",
    )


def reference_size(p: Prepared) -> Check:
    """The background sample is large enough that toys drawn from it do not all share its fluctuations."""
    limit = p.config.gate.min_reference_ratio
    assert p.null_reference is not None  # the config saw to it
    value = len(p.null_reference) / len(p.events)
    return Check(
        "reference size",
        value >= limit,
        value,
        f"at least {limit:g} times the data",
        "Toys are drawn with replacement from the reference. Where it is not much larger than the data, they repeat its "
        "fluctuations, find them again, and the global p is too large. Give more events, or use mass_shuffle.",
    )


def toys_look_like_data(p: Prepared, data: Scan) -> Check:
    """Closure of the density null: features that it draws at the data's masses, against the data, best window left out.

    The classifier sees the mass beside the features: it is the same in both samples, so that it tells nothing by itself,
    but shows features that are right on the whole and wrong at a mass.
    """
    limit = p.config.gate.max_null_auc
    away = ~p.windows[data.best[1]].contains(p.m)
    x, m, w = p.events.x()[away], p.m[away], p.events.w[away]
    assert isinstance(p.null, DensitySampler)
    drawn = p.null.events(m, seed_for(p.config.seed, "null closure")).x()
    found = two_sample_test(
        np.column_stack([drawn, m]),
        np.column_stack([x, m]),
        w,
        w,
        classifier=lambda seed: make_classifier("trees", seed=seed),
        seed=seed_for(p.config.seed, "null closure test"),
    )
    return Check(
        "null density",
        bool(found.auc <= limit),
        found.auc,
        f"AUC of toys against data at most {limit:g}",
        "A classifier between events drawn from the density that toys are made of and the data, mass included, the best "
        "window left out. Where it tells them apart, toys are not like the data. Train null.density longer, or choose "
        "another one.",
    )


def weights_know_the_mass(p: Prepared) -> Check:
    """The weights are alike at all masses, as mass_shuffle and density take for granted when they give an event a mass."""
    limit = p.config.gate.max_weight_drift
    drifts = [p.weight_scale(window, outside=False) / p.weight_scale(window, outside=True) - 1 for window in p.windows]
    value = float(max(drifts, key=abs))
    return Check(
        "weights know the mass",
        bool(abs(value) <= limit),
        value,
        f"at most {limit:g} from window to sidebands",
        "Relative change of Σw²/Σw between a window and its sidebands, the largest. Where weights depend on the mass, toys "
        "of mass_shuffle or a density have other errors than the data. Unweight the events, or use a reference.",
    )
