import numpy as np
import pytest

from serendip.errors import InputError
from serendip.features import Standardise

X = np.random.default_rng(5).normal([1e6, -3.0, 0.1], [10.0, 2.0, 1e-4], (2000, 3))


def test_scaled_features_have_mean_0_and_deviation_1() -> None:
    z = Standardise.fit(X).transform(X)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(z.std(axis=0), 1, rtol=1e-9)


def test_the_inverse_gives_the_features_back() -> None:
    scaling = Standardise.fit(X)
    np.testing.assert_allclose(scaling.inverse(scaling.transform(X)), X, rtol=1e-14)


def test_the_log_determinant_is_that_of_the_jacobian() -> None:
    scaling = Standardise.fit(X)
    jacobian = (scaling.transform(X[:1] + np.diag([8.0, 8.0, 8.0])) - scaling.transform(X[:1])) / 8.0
    np.testing.assert_allclose(scaling.log_det(X[:4]), np.linalg.slogdet(jacobian)[1], rtol=1e-6)


def test_whole_weights_count_as_copies() -> None:
    counts = np.random.default_rng(6).integers(1, 4, len(X))
    weighted, copied = Standardise.fit(X, counts.astype(float)), Standardise.fit(np.repeat(X, counts, axis=0))
    np.testing.assert_allclose(weighted.mean, copied.mean)
    np.testing.assert_allclose(weighted.scale, copied.scale)


def test_an_event_and_its_negative_cancel() -> None:
    w = np.ones(len(X))
    more = Standardise.fit(np.vstack([X, X[:50] * 3, X[:50] * 3]), np.concatenate([w, w[:50], -w[:50]]))
    np.testing.assert_allclose(more.scale, Standardise.fit(X).scale, rtol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.1, -1e9])
def test_a_constant_feature_is_refused_by_column(value: float) -> None:
    x = X.copy()
    x[:, 1] = value
    with pytest.raises(InputError, match="column 1"):
        Standardise.fit(x)


def test_weights_that_sum_to_less_than_0_are_refused() -> None:
    with pytest.raises(InputError, match="sum to -2000"):
        Standardise.fit(X, -np.ones(len(X)))


def test_weights_that_make_a_variance_negative_are_refused() -> None:
    x, w = np.array([[0.0], [1.0], [2.0]]), np.array([-1.0, 4.0, -1.0])
    with pytest.raises(InputError, match="no positive variance in column 0"):
        Standardise.fit(x, w)
