import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from serendip.nets.bijections import Affine, Autoregressive, Chain, Coupling, Permutation, ShiftScale, Stack
from serendip.nets.made import Made
from serendip.nets.mlp import Mlp
from serendip.nets.splines import RationalQuadratic

D, K = 3, 2
SPLINE = RationalQuadratic(bins=5, reach=3.0)


def shaken(module):
    """With parameters away from their first values, of which many are zero."""
    rng = np.random.default_rng(7)
    parameters, rest = eqx.partition(module, eqx.is_inexact_array)
    shake = lambda leaf: jnp.asarray(0.5 * leaf + 0.25 * rng.normal(size=leaf.shape), jnp.float32)  # noqa: E731
    moved = jax.tree.map(shake, parameters)
    return eqx.combine(moved, rest)


def autoregressive(element, key=None):
    key = jr.key(1) if key is None else key
    return Autoregressive(Made(D, K, element.parameters, hidden=8, layers=2, key=key), element)


def small_network():
    return shaken(Made(D, K, 2, hidden=7, layers=2, key=jr.key(1)))  # groups of different size


def coupling():
    network = Mlp((K + 1, 8, 2 * SPLINE.parameters), jr.key(2))
    return Coupling(eqx.tree_at(lambda net: net.weights[-1], network, jnp.zeros((8, 2 * SPLINE.parameters))), SPLINE)


def stack():
    return Stack(eqx.filter_vmap(lambda k: autoregressive(ShiftScale(), k))(jr.split(jr.key(3), 3)))


BIJECTIONS = {
    "affine": lambda: Affine(jnp.ones(D), jnp.full(D, 0.3)),
    "permutation": lambda: Permutation(jnp.array([2, 0, 1])),
    "masked affine": lambda: shaken(autoregressive(ShiftScale())),
    "masked spline": lambda: shaken(autoregressive(SPLINE)),
    "coupling": lambda: shaken(coupling()),
    "chain": lambda: Chain((Permutation(jnp.array([2, 0, 1])), shaken(autoregressive(SPLINE)), shaken(coupling()))),
    "stack": lambda: shaken(stack()),
}


@pytest.fixture(params=sorted(BIJECTIONS), scope="module")
def bijection(request):
    return BIJECTIONS[request.param]()


@pytest.fixture(scope="module")
def events():
    """Some of them beyond the range of the splines."""
    rng = np.random.default_rng(5)
    return jnp.asarray(2 * rng.normal(size=(64, D)), jnp.float32), jnp.asarray(rng.normal(size=(64, K)), jnp.float32)


@eqx.filter_jit
def forward(bijection, x, c):
    return bijection.forward(x, c)


@eqx.filter_jit
def jacobians_of(function, module, *arrays):
    """Of one event's result by one event's first array, (n, …)."""
    of_one = lambda *one: function(module, *(array[None] for array in one))[0]  # noqa: E731
    return jax.vmap(jax.jacfwd(of_one))(*arrays)


def test_inverse_undoes_forward(bijection, events):
    x, c = events
    z, _ = forward(bijection, x, c)
    assert not np.allclose(z, x, atol=0.1)
    np.testing.assert_allclose(
        eqx.filter_jit(lambda b, z, c: b.inverse(z, c))(bijection, z, c), x, atol=1e-2
    )  # float32, behind slopes down to e⁻⁷


def test_log_determinant_is_that_of_the_jacobian(bijection, events):
    x, c = events
    _, log_det = forward(bijection, x, c)
    jacobians = jacobians_of(lambda b, x, c: b.forward(x, c)[0], bijection, x, c)
    np.testing.assert_allclose(log_det, np.linalg.slogdet(jacobians)[1], atol=1e-4)


def test_masked_map_sees_only_the_features_before(events):
    x, c = events
    jacobians = jacobians_of(lambda network, x, c: network(x, c), small_network(), x, c)
    assert np.array_equal(np.abs(jacobians).max((0, 2)) > 0, np.tri(D, k=-1, dtype=bool))


def test_every_feature_knows_the_context(events):
    x, c = events
    jacobians = jacobians_of(lambda network, c, x: network(x, c), small_network(), c, x)
    assert (np.abs(jacobians).max((0, 2)) > 0).all()


def test_network_goes_feature_by_feature_to_the_same_parameters(events):
    x, c = events
    network = small_network()
    known, whole = network.start(), network(x, c)
    for i in range(D):
        p, known = network.step(i, known, x[:, :i], c)
        np.testing.assert_allclose(p, whole[:, i], atol=1e-5)


def test_stack_is_its_blocks_one_after_the_other(events):
    x, c = events
    stacked = shaken(stack())
    blocks = [jax.tree.map(lambda leaf, i=i: leaf[i] if eqx.is_array(leaf) else leaf, stacked.blocks) for i in range(3)]
    z, log_det = Chain(tuple(blocks)).forward(x, c)
    np.testing.assert_allclose(forward(stacked, x, c)[0], z, atol=1e-4)
    np.testing.assert_allclose(forward(stacked, x, c)[1], log_det, atol=1e-4)


@pytest.mark.parametrize("element", [ShiftScale(), SPLINE], ids=["affine", "spline"])
def test_parameters_of_zero_are_the_identity(element):
    x = jnp.linspace(-5, 5, 41)
    y, log_slope = jax.jit(element.forward)(x, jnp.zeros((41, element.parameters)))
    np.testing.assert_allclose(y, x, atol=1e-5)
    np.testing.assert_allclose(log_slope, 0, atol=1e-5)


@pytest.mark.parametrize("element", [ShiftScale(), SPLINE], ids=["affine", "spline"])
@pytest.mark.parametrize("size", [1.0, 100.0])
def test_values_and_gradients_stay_finite(element, size):
    # At the ends of the range, at a knot, and far beyond; parameters moderate and absurd.
    x = jnp.array([-3.0, 3.0, 0.0, -1e6, 1e6, np.nextafter(np.float32(3), np.float32(0))])
    p = size * jr.normal(jr.key(0), (len(x), element.parameters))
    both = lambda x, p: sum(jnp.sum(part) for part in element.forward(x, p))  # noqa: E731
    value, gradients = jax.jit(jax.value_and_grad(both, argnums=(0, 1)))(x, p)
    assert np.isfinite(value)
    assert all(np.isfinite(g).all() for g in gradients)
    assert np.isfinite(jax.jit(element.inverse)(x, p)).all()


def test_spline_rises_through_its_range_and_is_the_identity_beyond():
    x = jnp.linspace(-4, 4, 2001)
    p = jnp.broadcast_to(2 * jr.normal(jr.key(0), (SPLINE.parameters,)), (len(x), SPLINE.parameters))
    y, log_slope = jax.jit(SPLINE.forward)(x, p)
    assert (np.diff(y) > 0).all()
    outside = np.abs(x) >= 3.0
    np.testing.assert_array_equal(y[outside], x[outside])
    inner = ~outside[1:-1]
    slopes = ((y[2:] - y[:-2]) / (x[2:] - x[:-2]))[inner]
    np.testing.assert_allclose(np.median(np.log(slopes) - log_slope[1:-1][inner]), 0, atol=1e-2)
    assert np.abs(y - x).max() > 0.3
