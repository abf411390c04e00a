import numpy as np
import pytest
from sklearn.decomposition import PCA

from serendip.errors import InputError, TooFewEventsError
from serendip.score.generalisation import FAKES, generalisation
from serendip.score.outlier import ConditionalFlow, Flow, Kde


def background(n, seed):
    """A ring, and a narrow feature that does not depend on it."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi, n)
    ring = np.column_stack([np.cos(angle), np.sin(angle)]) + 0.05 * rng.normal(size=(n, 2))
    return np.column_stack([ring, 0.1 * rng.normal(size=n)])


X, HELD_OUT = background(4000, 0), background(1500, 1)


class Reconstructor:
    """The reconstruction error of a linear autoencoder, whose two latent numbers carry the whole plane of the ring."""

    def __init__(self):
        self.pca = PCA(2).fit(X)

    def anomaly_score(self, x):
        return np.sum((x - self.pca.inverse_transform(self.pca.transform(x))) ** 2, axis=1)


def test_a_density_notices_what_is_unlike_all_that_it_learned():
    result = generalisation(Kde(bandwidth="held_out").fit(X), HELD_OUT)
    assert result.warning is None
    assert all(result.score[kind] > 0.8 for kind in FAKES)  # there is nothing between events of a ring


def test_warns_of_a_reconstruction_that_is_good_at_everything():
    result = generalisation(Reconstructor(), HELD_OUT)
    assert result.classifier["permuted"] > 0.7
    assert result.score["permuted"] == pytest.approx(0.5, abs=0.05)
    assert result.missed == ["permuted"]
    assert "does not notice events unlike all" in result.warning
    assert "permuted (AUC 0.5" in result.warning


def test_does_not_blame_a_score_for_what_no_classifier_sees():
    x = np.random.default_rng(0).normal(size=(1500, 3))
    result = generalisation(Flow(density="gaussian").fit(x[:700]), x[700:])
    assert result.classifier["permuted"] == pytest.approx(0.5, abs=0.08)
    assert result.score["permuted"] == pytest.approx(0.5, abs=0.05)
    assert "permuted" not in result.missed


def test_same_seed_same_figures():
    flow = Flow(density="gaussian").fit(X)
    assert generalisation(flow, HELD_OUT, seed=1) == generalisation(flow, HELD_OUT, seed=1)
    assert generalisation(flow, HELD_OUT, seed=1) != generalisation(flow, HELD_OUT, seed=2)


def test_the_table_has_a_row_a_kind():
    columns, rows = generalisation(Flow(density="gaussian").fit(X), HELD_OUT).table()
    assert [row[0] for row in rows] == list(FAKES)
    assert all(len(row) == len(columns) for row in rows)


def test_a_method_that_scores_with_the_mass_needs_it():
    m = np.random.default_rng(2).uniform(1, 3, 5500)
    flow = ConditionalFlow(density="gaussian").fit(X, m[:4000])
    assert generalisation(flow, HELD_OUT, m=m[4000:]).score["far"] > 0.9
    with pytest.raises(InputError, match="m: Got none"):
        generalisation(flow, HELD_OUT)


def test_too_few_events_are_refused():
    with pytest.raises(TooFewEventsError, match="held out sample"):
        generalisation(Flow(density="gaussian").fit(X), HELD_OUT[:100])
