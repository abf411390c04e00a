"""Conditional flows on LHCO sidebands: Serendip and nflows side by side, torch with one thread.

Run `python -m benchmarks.bench_flows` with SERENDIP_DATA set and `nflows` installed. Side by side: a training step and
draws of the flow of arXiv:2109.00546 (15 affine blocks of two hidden layers of 128, 4 features and the mass, batch 256,
ReLU on both sides); draws of our default density; and the time until the template in 3.3–3.7 TeV is as good: nflows trains
that flow, Serendip its `spline_maf` as it stands, compilation included. Both see features whose quantiles were made
normal; on the paper's min-max and logit features nflows, which has no batch norm here, diverged. Template quality is the
C2ST AUC against true background in the window; nflows is stopped as soon as it gets as low as Serendip.
"""

import argparse
import time
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.bench_trees import lhco
from serendip.nets.flows import Flow, maf, negative_log_prob
from serendip.nets.training import Training, train
from serendip.score.classifiers import make_classifier
from serendip.score.densities import make_density
from serendip.score.quantile_map import QuantileMap
from serendip.seeds import rng_for
from serendip.stats.two_sample import two_sample_test

BLOCKS, HIDDEN, BATCH, RATE = 15, 128, 256, 1e-4
STEPS, DRAWS, ROUNDS = 40, 10_000, 3


def sidebands() -> tuple[np.ndarray, ...]:
    """Features and masses of background beside the window, about 60 000 events, and within it."""
    x, m, is_signal = lhco()
    kept = ~is_signal & (m >= 2600) & (m < 6500)
    x, m = x[kept], m[kept]
    inside = (m >= 3300) & (m < 3700)
    return x[~inside], m[~inside], x[inside], m[inside]


def nflows_maf():
    """The paper's flow, its optimiser, and torch with one thread."""
    import torch
    from nflows import distributions, flows, transforms

    torch.set_num_threads(1)
    torch.manual_seed(0)
    parts: list = []
    for _ in range(BLOCKS):
        parts.append(transforms.ReversePermutation(4))
        settings = {"context_features": 1, "num_blocks": 1, "use_residual_blocks": False}
        parts.append(transforms.MaskedAffineAutoregressiveTransform(4, HIDDEN, **settings))
    flow = flows.Flow(transforms.CompositeTransform(parts), distributions.StandardNormal([4]))
    return torch, flow, torch.optim.Adam(flow.parameters(), lr=RATE)


def nflows_step(torch, flow, optimiser, x, c) -> None:
    optimiser.zero_grad()
    loss = -flow.log_prob(torch.from_numpy(x), context=torch.from_numpy(c)).mean()
    loss.backward()
    optimiser.step()


def nflows_draw(torch, flow, c: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return flow.sample(1, context=torch.from_numpy(c))[:, 0].numpy()


def our_maf() -> Flow:
    return eqx.filter_jit(maf)(4, 1, blocks=BLOCKS, hidden=HIDDEN, layers=2, activation="relu", key=jax.random.key(0))


def seconds_of(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    jax.block_until_ready(function())
    return time.perf_counter() - start


def compare_steps() -> tuple[float, float]:
    """Seconds of a step, best of the rounds, in turns: nflows and Serendip."""
    rng = rng_for(0, "benchmark flows")
    x = rng.normal(size=(STEPS * BATCH, 4)).astype(np.float32)
    c = rng.normal(size=(STEPS * BATCH, 1)).astype(np.float32)
    torch, flow, optimiser = nflows_maf()
    model, settings = our_maf(), Training(epochs=1, batch=BATCH, learning_rate=RATE, validation=0.0)

    def theirs() -> None:
        for i in range(0, len(x), BATCH):
            nflows_step(torch, flow, optimiser, x[i : i + BATCH], c[i : i + BATCH])

    def ours() -> object:
        return train(model, negative_log_prob, (x, c), settings=settings).model

    ours()  # compiles
    found = [(seconds_of(theirs), seconds_of(ours)) for _ in range(ROUNDS)]
    return min(a for a, _ in found) / STEPS, min(b for _, b in found) / STEPS


def compare_draws() -> tuple[float, float]:
    """Seconds of 10 000 draws, best of the rounds, in turns: nflows and Serendip."""
    c = rng_for(0, "benchmark draws").normal(size=(DRAWS, 1)).astype(np.float32)
    torch, flow, _ = nflows_maf()
    model, key, context = our_maf(), jax.random.key(1), jnp.asarray(c)
    draw = eqx.filter_jit(lambda model, context: model.sample(key, DRAWS, context))
    draw(model, context)
    found = [
        (seconds_of(lambda: nflows_draw(torch, flow, c)), seconds_of(lambda: draw(model, context)))
        for _ in range(ROUNDS)
    ]
    return min(a for a, _ in found), min(b for _, b in found)


def template_auc(template: np.ndarray, truth: np.ndarray) -> float:
    return two_sample_test(template, truth, classifier=lambda seed: make_classifier("trees", seed=seed)).auc


def compare_default_draws(density) -> tuple[float, float]:
    """The same of nflows, and of what makes our templates, its quantile maps included."""
    masses = rng_for(0, "benchmark masses").uniform(3300, 3700, DRAWS)
    c = rng_for(0, "benchmark draws").normal(size=(DRAWS, 1)).astype(np.float32)
    torch, flow, _ = nflows_maf()
    density.sample(masses)
    found = [
        (seconds_of(lambda: nflows_draw(torch, flow, c)), seconds_of(lambda: density.sample(masses)))
        for _ in range(ROUNDS)
    ]
    return min(a for a, _ in found), min(b for _, b in found)


def serendip_template() -> tuple[float, float, object]:
    """Seconds of the fit, the first in this process for its flow, the AUC of its template, and the density."""
    x, m, x_window, m_window = sidebands()
    start = time.perf_counter()
    density = make_density("spline_maf").fit(x, m)
    seconds = time.perf_counter() - start
    return seconds, template_auc(density.sample(m_window), x_window), density


def nflows_template(target: float, limit: float) -> tuple[float, float]:
    """Seconds of training until the template is as good, checked after every epoch, and the lowest AUC."""
    x, m, x_window, m_window = sidebands()
    normal = QuantileMap.fit(x, None, np.ones(len(x)), 32)
    z = normal.forward(x, np.zeros(len(x)))[0].astype(np.float32)
    c, c_window = (((masses - m.mean()) / m.std()).astype(np.float32)[:, None] for masses in (m, m_window))
    torch, flow, optimiser = nflows_maf()
    seconds, best, rng = 0.0, 1.0, rng_for(0, "benchmark shuffle")
    while seconds < limit and best > target:
        start, order = time.perf_counter(), rng.permutation(len(z))
        for i in range(0, len(z) - BATCH, BATCH):
            nflows_step(torch, flow, optimiser, z[order[i : i + BATCH]], c[order[i : i + BATCH]])
        seconds += time.perf_counter() - start
        drawn = nflows_draw(torch, flow, c_window).astype(float)
        best = min(best, template_auc(normal.inverse(drawn, np.zeros(len(drawn))), x_window))
    return seconds, best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=float, default=300.0, help="seconds of training after which nflows is stopped")
    limit = parser.parse_args().limit
    ours, auc, density = serendip_template()
    for name, compare in {
        "a training step": compare_steps,
        "10 000 draws": compare_draws,
        "10 000 draws, default": lambda: compare_default_draws(density),
    }.items():
        theirs, own = compare()
        print(f"{name:22s} nflows {1e3 * theirs:8.1f} ms  serendip {1e3 * own:8.1f} ms  {theirs / own:6.1f} x")
    theirs, best = nflows_template(auc, limit)
    reached = "" if best <= auc else "more than "
    print(
        f"{'template':22s} nflows {theirs:8.1f} s  (AUC {best:.4f})  serendip {ours:6.1f} s  (AUC {auc:.4f})", end="  "
    )
    print(f"{reached}{theirs / ours:.1f} x")


if __name__ == "__main__":
    main()
