import numpy as np
import pytest
from sklearn.datasets import make_moons
from sklearn.metrics import roc_auc_score

from serendip.errors import FitError, InputError
from serendip.score.outlier.autoencoder import Autoencoder
from serendip.score.outlier.normalised_autoencoder import NormalisedAutoencoder
from serendip.score.outlier.reconstruction import RobustScale, dead_dimensions, report_dead
from serendip.score.outlier.vae import Vae

FAST = {"hidden": (32, 32), "epochs": 8, "batch": 128}
PLANE = np.random.default_rng(5).normal(size=(2, 4))


def embedded(points, noise, seed):
    """Points of a plane among four features."""
    return points @ PLANE + noise * np.random.default_rng(seed).normal(size=(len(points), 4))


def moons(n, seed):
    return embedded(2 * make_moons(n, noise=0.08, random_state=seed)[0] - [1, 0.5], 0.1, seed)


def between(n, seed):
    """One simple cluster, where the background is not, but in its plane."""
    return embedded(0.3 * np.random.default_rng(seed).normal(size=(n, 2)), 0.08, seed)


def auc(method, n=2000):
    x = np.concatenate([moons(n, 1), between(n, 2)])
    return roc_auc_score(np.repeat([0, 1], n), method.anomaly_score(x))


def test_the_normalised_one_sees_what_is_simpler_than_the_background():
    x = moons(8000, 0)
    assert auc(Autoencoder(**FAST).fit(x)) < 0.52
    assert auc(NormalisedAutoencoder(**FAST | {"hidden": (64, 64)}).fit(x)) > 0.65


def test_an_event_scores_the_same_alone():
    method = Vae(**FAST, flow=1).fit(moons(3000, 0))
    x = moons(50, 3)
    assert np.allclose(method.anomaly_score(x)[:1], method.anomaly_score(x[:1]), rtol=1e-5)


def test_constant_features_do_no_harm():
    x = np.column_stack([moons(3000, 0), np.full(3000, 1e3)])
    score = Autoencoder(**FAST).fit(x).anomaly_score(x)
    assert np.isfinite(score).all()


def test_names_dead_latent_dimensions():
    z = np.random.default_rng(0).normal(size=(100, 3)) * [1, 0, 1]
    assert list(dead_dimensions(z)) == [2]
    with pytest.warns(UserWarning, match="Latent dimension 2 of 3 has zero variance"):
        report_dead(dead_dimensions(z), 3)
    with pytest.raises(FitError, match="zero variance in all 3"):
        report_dead(dead_dimensions(0 * z), 3)


def test_constant_events_leave_no_latent_space():
    with pytest.raises(FitError, match="zero variance in all 2"):
        Autoencoder(**FAST | {"epochs": 1}).fit(np.ones((500, 4)))


def test_a_collapsed_posterior_is_told():
    with pytest.warns(UserWarning, match="zero variance"):
        method = Vae(**FAST, beta=50.0).fit(moons(8000, 0))
    assert list(method.dead_) == [1, 2]


@pytest.mark.parametrize("method", [Autoencoder(latent=4), NormalisedAutoencoder(latent=4), Vae(latent=5)])
def test_a_latent_space_without_a_bottleneck_is_refused(method):
    with pytest.raises(InputError, match=r"latent: Got \d with 4 features"):
        method.fit(moons(300, 0))


@pytest.mark.parametrize("wrong", [{"temperature": 0.0}, {"chains": 0}, {"steps": -1}])
def test_names_the_wrong_setting(wrong):
    with pytest.raises(InputError, match=f"{next(iter(wrong))}: Got"):
        NormalisedAutoencoder(**wrong).fit(moons(300, 0))


def test_robust_scale_ignores_a_far_tail():
    x = np.random.default_rng(0).normal(3, 2, size=(10_000, 1))
    x[:50] = 1e6
    scaled = RobustScale.fit(x)
    assert scaled.centre[0] == pytest.approx(3, abs=0.1)
    assert scaled.spread[0] == pytest.approx(2, abs=0.1)
