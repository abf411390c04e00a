import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.decomposition import PCA

from serendip.data import Truth
from serendip.errors import ConfigError, InputError
from serendip.score.latent_scan import LatentScan, latent_scan
from serendip.score.outlier import Autoencoder, Flow

RNG = np.random.default_rng(0)
PLANE = RNG.normal(size=(2, 5))
X = RNG.normal(size=(2000, 2)) @ PLANE + 0.1 * RNG.normal(size=(2000, 5))
HELD_OUT = np.concatenate(
    [RNG.normal(size=(800, 2)) @ PLANE + 0.1 * RNG.normal(size=(800, 5)), RNG.normal(size=(200, 5))]
)
TRUTH = Truth(np.arange(1000) >= 800)


class Linear(BaseEstimator):
    """The best linear autoencoder, which shows what the scan does in no time."""

    def __init__(self, latent=1):
        self.latent = latent

    def fit(self, x, *, w=None):
        self.pca_ = PCA(self.latent).fit(x)
        return self

    def anomaly_score(self, x):
        return np.sum((x - self.pca_.inverse_transform(self.pca_.transform(x))) ** 2, axis=1)


def test_the_elbow_is_at_the_dimension_of_the_data():
    scan = latent_scan(Linear(), X, HELD_OUT, (1, 2, 3, 4), truth=TRUTH)
    assert scan.elbow == 2
    assert np.all(np.diff(scan.loss) < 0)
    assert int(scan.sizes[np.argmax(scan.auc)]) == 2
    assert np.all(scan.error < 0.2 * scan.loss)


def test_there_is_no_elbow_where_the_data_fill_all_dimensions():
    x = RNG.normal(size=(2000, 5))
    assert latent_scan(Linear(), x, x, (1, 2, 3, 4)).elbow is None
    assert latent_scan(Linear(), x, x, (2,)).elbow is None


def test_the_elbow_is_seen_on_a_logarithmic_axis_where_the_loss_falls_far():
    falling = np.array([2.85, 1.12, 0.42, 0.008, 0.008])  # four dimensions in six features
    scan = LatentScan(np.arange(1, 6), falling, 0 * falling, None, 0 * falling)
    assert scan.is_logarithmic
    assert scan.elbow == 4
    bound = LatentScan(np.arange(1, 6), falling - 3, 0 * falling, None, 0 * falling)  # −ELBO may be negative
    assert not bound.is_logarithmic
    assert bound.elbow == 2


def test_labels_decide_what_the_loss_is_measured_on_and_nothing_else():
    labelled = latent_scan(Linear(), X, HELD_OUT, (1, 2), truth=TRUTH)
    plain = latent_scan(Linear(), X, HELD_OUT[:800], (1, 2))
    assert np.array_equal(labelled.loss, plain.loss)
    assert plain.auc is None


def test_the_table_has_a_row_a_size():
    columns, rows = latent_scan(Linear(), X, HELD_OUT, (1, 3)).table()
    assert [row[0] for row in rows] == [1, 3]
    assert [row[3] for row in rows] == [None, None]
    assert all(len(row) == len(columns) for row in rows)


def test_scans_an_autoencoder():
    method = Autoencoder(latent=3, hidden=(8,), epochs=3, batch=256)
    scan = latent_scan(method, X, HELD_OUT[:800], (1,))
    assert scan.loss[0] == pytest.approx(clone(method).set_params(latent=1).fit(X).anomaly_score(HELD_OUT[:800]).mean())
    assert method.latent == 3  # the one that was passed is left alone
    assert not hasattr(method, "trained_")


def test_names_what_cannot_be_scanned():
    with pytest.raises(ConfigError, match="Flow, which has no latent size"):
        latent_scan(Flow(), X, HELD_OUT, (1, 2))
    for sizes in ((), (0, 1), (2, 2), (3, 1)):
        with pytest.raises(InputError, match="expected rising ones from 1 on"):
            latent_scan(Linear(), X, HELD_OUT, sizes)
    with pytest.raises(InputError, match="of one kind"):
        latent_scan(Linear(), X, HELD_OUT, (1,), truth=Truth(np.zeros(1000, dtype=bool)))
