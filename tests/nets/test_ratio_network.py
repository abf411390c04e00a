"""Networks fitted to whole samples: against an exact minimum, their bound, and alone as beside others."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from serendip.nets.ratio_network import (
    Block,
    fit_networks,
    log_ratio,
    log_ratio_float64,
    one_network,
    parameter_count,
    start_network,
)
from serendip.seeds import rng_for

START = start_network((2, 3, 1), jr.key(1))


def blocks(fits: int, b: float = 1.5) -> tuple[Block, ...]:
    x = rng_for(1, "network events").normal(size=(fits, 2, 200))
    shared = Block(jnp.asarray(x[0], jnp.float32), jnp.ones(200), None)
    return shared, Block(jnp.asarray(x, jnp.float32), None, jnp.full((fits, 200), b))


def test_parameters_are_counted_as_they_are_built():
    assert parameter_count((2, 3, 1)) == sum(leaf.size for leaf in jax.tree.leaves(START)) == 13
    assert parameter_count((5, 5, 5, 5, 1)) == 96  # arXiv:1912.12155, for five features


def test_the_same_events_at_another_weight_are_a_ratio_of_that_weight():
    shared, own = blocks(1)
    layers = fit_networks(START, (shared, own._replace(x=shared.x[None])), 5.0, 0.05, 2000)
    f = log_ratio_float64(one_network(layers, 0), np.asarray(shared.x, float))
    np.testing.assert_allclose(f, np.log(1.5), atol=0.01)


def test_weights_stay_within_the_bound_and_biases_need_not():
    layers = fit_networks(START, blocks(2, b=40.0), 0.25, 0.05, 500)
    weights = np.concatenate([np.ravel(weight) for weight, _ in layers])
    assert np.max(np.abs(weights)) == pytest.approx(0.25)
    assert np.max(np.abs(layers[-1][1])) > 0.25


def test_a_fit_does_not_see_its_neighbours():
    shared, own = blocks(3)
    turned = own._replace(x=own.x[::-1])
    one, other = (fit_networks(START, (shared, block), 5.0, 0.05, 200) for block in (own, turned))
    for left, right in zip(jax.tree.leaves(one), jax.tree.leaves(other)):
        np.testing.assert_array_equal(left, right[::-1])


def test_events_of_no_weight_change_nothing():
    shared, own = blocks(2)
    fitted = fit_networks(START, (shared, own), 5.0, 0.05, 100)
    more = own._replace(x=jnp.pad(own.x, ((0, 0), (0, 0), (0, 56))), b=jnp.pad(own.b, ((0, 0), (0, 56))))
    padded = fit_networks(START, (shared, more), 5.0, 0.05, 100)
    for left, right in zip(jax.tree.leaves(fitted), jax.tree.leaves(padded)):
        np.testing.assert_allclose(left, right, atol=1e-4)


def test_both_precisions_give_the_same_log_ratio():
    x = rng_for(2, "network events").normal(size=(2, 50))
    np.testing.assert_allclose(log_ratio(START, jnp.asarray(x)), log_ratio_float64(START, x), atol=1e-6)
