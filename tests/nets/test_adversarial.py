import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from serendip.nets.adversarial import AdversarialMlp, adversarial_loss, reverse_gradient


def test_the_gradient_comes_back_reversed():
    x = jnp.arange(3.0)
    value, gradient = jax.value_and_grad(lambda x: jnp.sum(reverse_gradient(x) ** 2))(x)
    assert value == 5.0
    np.testing.assert_allclose(gradient, -2 * x)


def test_shared_layers_fight_the_head_of_the_domain():
    """Steps against the gradient: of the head alone they lower the domain's loss, of the shared layers they raise it."""
    model = AdversarialMlp(3, (4,), key=jr.key(1))
    x, y = jr.normal(jr.key(2), (50, 3)), jnp.arange(50) % 2.0

    @eqx.filter_jit
    @eqx.filter_grad
    def slope(model):
        return adversarial_loss(model, x, y, y, 0 * y, jnp.ones(50), key=jr.key(0)).mean()

    @eqx.filter_jit
    def domain_loss(model):
        logit = model.logits(x)[1]
        return jnp.mean(jax.nn.softplus(logit) - y * logit)

    step = jax.tree.map(lambda g: -1e-2 * g, slope(model))
    head = eqx.tree_at(lambda m: m.domain, model, eqx.apply_updates(model.domain, step.domain))
    shared = eqx.tree_at(lambda m: m.shared, model, eqx.apply_updates(model.shared, step.shared))
    assert domain_loss(head) < domain_loss(model) < domain_loss(shared)


def test_the_value_is_that_of_the_kind_alone():
    model = AdversarialMlp(3, (4,), key=jr.key(1))
    x, y, one = jr.normal(jr.key(2), (50, 3)), jnp.arange(50) % 2.0, jnp.ones(50)
    with_domain, without = (adversarial_loss(model, x, y, y, one, w, key=jr.key(0)) for w in (one, 0 * one))
    np.testing.assert_allclose(with_domain, without, atol=1e-6)
