"""The latent plane and the predictive check draw every event, and say their numbers."""

import numpy as np
import pytest

from serendip.errors import InputError
from serendip.report.canvas import render, style
from serendip.report.latent_figures import draw_latent, draw_predictive
from serendip.report.latent_panels import LatentPanel, PredictiveFeature, PredictivePanel, predictive_feature


def latent(n=60, **other):
    rng = np.random.default_rng(0)
    given = {"x": rng.normal(size=n), "y": rng.normal(size=n), "energy": np.geomspace(1, 100, n)}
    return LatentPanel("latent", "Latent", **given | {"is_nr": np.arange(n) % 3 == 0} | other)


def test_each_kind_has_its_plot_with_the_other_in_grey():
    with style():
        figure = draw_latent(latent())
    for ax, own in zip(figure.axes, (40, 20)):
        assert [len(points.get_offsets()) for points in ax.collections] == [60 - own, own]
    assert figure.axes[0].get_legend().get_texts()[0].get_text() == "Electron recoils (40)"


@pytest.mark.parametrize("other", [{"is_nr": np.zeros(60, bool)}, {"energy": np.full(60, 5.0)}])
def test_one_kind_or_one_energy_draws(other):
    with style():
        assert render(draw_latent(latent(**other)), "png").startswith(b"\x89PNG")


def test_energies_of_zero_and_columns_of_other_length_are_refused():
    with pytest.raises(InputError, match="latent: Got energies of 0 or less"):
        latent(energy=np.zeros(60))
    with pytest.raises(InputError, match="latent: Got 3 entries, but expected 60"):
        latent(y=np.ones(3))


def test_both_samples_count_fully_and_the_numbers_say_so():
    rng = np.random.default_rng(1)
    features = tuple(predictive_feature(f, rng.normal(size=500), rng.normal(0, 3, 900)) for f in ("log S1", "log S2"))
    for feature in features:
        assert feature.data.sum() == pytest.approx(1)
        assert feature.drawn.sum() == pytest.approx(1)
    panel = PredictivePanel("check", "Check", features)
    numbers = panel.numbers()
    assert list(numbers["series"]) == ["log S1"] * 30 + ["log S2"] * 30
    with style():
        figure = draw_predictive(panel)
    for ax, feature in zip(figure.axes, features):
        assert ax.get_ylim()[1] > max(feature.data.max(), feature.drawn.max())


def test_a_constant_quantity_has_bins():
    feature = predictive_feature("width", np.ones(10), np.zeros(5))
    assert feature.data[0] == 1
    assert feature.drawn[0] == 1


def test_bins_and_values_must_match():
    with pytest.raises(InputError, match="width: Got 2 entries, but expected 1"):
        PredictiveFeature("width", np.arange(2.0), np.ones(2), np.ones(1), np.ones(1))
