import jax
import numpy as np
import pytest

from serendip.nets.mlp import ACTIVATIONS, Mlp, cross_entropy, mean_logit, stacked_mlps

X = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_is_matrices_and_activations(activation):
    model = Mlp((3, 8, 5, 2), jax.random.key(0), activation=activation)
    hidden = X
    for weight in model.weights[:-1]:
        hidden = np.asarray(ACTIVATIONS[activation](hidden @ np.asarray(weight)))
    np.testing.assert_allclose(model(X), hidden @ np.asarray(model.weights[-1]), rtol=1e-4, atol=1e-5)


def test_variance_is_kept_through_the_layers():
    model = Mlp((64, 64, 64, 64, 1), jax.random.key(0))
    assert 0.3 < np.std(model(np.random.default_rng(0).normal(size=(2000, 64)))) < 3


def test_dropout_needs_a_key_and_keeps_the_mean():
    model = Mlp((3, 500, 1), jax.random.key(0), dropout=0.5)
    dropped = np.mean([model(X, key=jax.random.key(k)) for k in range(30)], axis=0)
    plain = Mlp((3, 500, 1), jax.random.key(0))(X)
    assert np.corrcoef(dropped[:, 0], plain[:, 0])[0, 1] > 0.9
    assert not np.allclose(model(X, key=jax.random.key(0)), plain)


def test_loss_is_the_logistic_one():
    model = Mlp((3, 4, 1), jax.random.key(0))
    y = (np.arange(50) % 2).astype(np.float32)
    p = 1 / (1 + np.exp(-np.asarray(model(X)[:, 0], dtype=float)))
    expected = -np.log(np.where(y == 1, p, 1 - p))
    np.testing.assert_allclose(cross_entropy(model, X, y, key=jax.random.key(0)), expected, rtol=1e-4)


def test_ensemble_averages_its_members():
    stacked = stacked_mlps(np.uint32(1), 3, (3, 4, 1), "relu", 0.3)
    weights = [[np.asarray(w[k]) for w in stacked.weights] for k in range(3)]
    plain = [(np.maximum(X @ first, 0) @ last)[:, 0] for first, last in weights]
    np.testing.assert_allclose(mean_logit(stacked, X), np.mean(plain, axis=0), rtol=1e-4, atol=1e-5)
