"""The global p of independent small searches: uniform without a signal, as small as it can be with one.

Each experiment goes through the chain of a real search: `prepared`, `observed_task`, `fit_scan`, `toy_task`.
"""

from inspect import signature

import numpy as np
import pytest
from scipy import stats

from serendip.config import make_config
from serendip.score import METHODS
from serendip.search.prepare import prepared
from serendip.search.scan import fit_scan, observed_task, toy_task
from serendip.seeds import rng_for

TOYS = 19
EXPERIMENTS = 42  # KS at p = 0.001 tells a distance of 0.29 from uniform
MANY = 400  # and one of 0.1
FEW_TOYS = 9


def experiment(seed, *, background=6000, signal=0, **more):
    """The config of one small search: three windows, one cut, one small ensemble."""
    return make_config(
        {
            "search": "resonance",
            "data": {
                "simulate": {"background": background, "signal": signal, "signal_mass": 2800, "seed": 1000 + seed}
            },
            "features": ["mj_light", "dmj", "tau21_1", "tau21_2"],
            "mass": {"name": "mjj", "range": [2000, 5000], "bin_width": 200},
            "windows": {"from": 2200, "to": 3400, "width": 400, "step": 400},
            "method": {"name": "cwola", "folds": 2, "classifier": {"members": 2, "iterations": 4}},
            "cuts": [0.1],
            "null": {"toys": TOYS},
            "seed": seed,
            **more,
        }
    ).analysis()


def scan_of_data(config_json):
    p = prepared(config_json)
    tasks = [observed_task(config_json, i) for i in range(len(p.config.method) * len(p.windows))]
    return fit_scan(p, *(np.stack([task[key] for task in tasks]) for key in ("counts", "variances")))


def toys_that_reach(config_json, toys=TOYS):
    """How many toys are at least as significant as the data: 0 … TOYS, each as likely if there is nothing."""
    largest = scan_of_data(config_json).largest_z
    return sum(float(toy_task(config_json, i)["z"].max()) >= largest for i in range(toys))


def fractions(reached, toys=TOYS, seed=7):
    """The p between k / (n + 1) and (k + 1) / (n + 1), so that it is uniform and not in steps."""
    return (np.array(reached) + rng_for(seed, "between").random(len(reached))) / (toys + 1)


def require_uniform(reached):
    """Kolmogorov–Smirnov on all of it, and the count of the smallest p, which is what a discovery would quote."""
    assert stats.kstest(fractions(reached), "uniform").pvalue > 1e-3
    assert stats.binomtest(reached.count(0), len(reached), 1 / (TOYS + 1)).pvalue > 1e-3


def test_the_global_p_is_uniform_without_a_signal():
    require_uniform([toys_that_reach(experiment(seed)) for seed in range(EXPERIMENTS)])


@pytest.mark.slow
def test_the_global_p_is_uniform_over_many_experiments():
    require_uniform([toys_that_reach(experiment(seed)) for seed in range(MANY)])


TWO_METHODS = [
    {"name": "cwola", "folds": 2, "classifier": {"members": 1, "iterations": 3}},
    {"name": "cwola", "label": "narrow", "sidebands": 600, "folds": 3, "classifier": {"members": 1, "iterations": 3}},
]


@pytest.mark.slow
def test_the_global_p_counts_the_choice_among_methods_and_cuts():
    configs = [experiment(seed, method=TWO_METHODS, cuts=[0.2, 0.05]) for seed in range(200)]
    require_uniform([toys_that_reach(config) for config in configs])


def test_independent_experiments_and_their_toys_share_no_random_numbers():
    tasks = [toy_task(experiment(seed), i)["observed"] for seed in range(3) for i in range(3)]
    tasks += [scan_of_data(experiment(seed)).observed for seed in range(3)]
    assert len({task.tobytes() for task in tasks}) == len(tasks)


@pytest.mark.parametrize("seed", range(4))
def test_a_signal_has_the_smallest_global_p(seed):
    config = experiment(seed, signal=150)
    data = scan_of_data(config)
    assert prepared(config).windows[data.best[1]].contains(np.array([2800.0])).all()
    assert toys_that_reach(config) == 0


def with_reference(seed, times, events=4000, **more):
    """Data beside a background sample `times` as large, which the toys are drawn from."""
    return experiment(
        seed,
        background=events * (times + 1),
        reference={"split": times / (times + 1), "seed": seed},
        null={"generator": "reference", "toys": TOYS},
        **more,
    )


def test_the_global_p_is_uniform_with_toys_from_a_large_reference():
    require_uniform([toys_that_reach(with_reference(seed, 10)) for seed in range(EXPERIMENTS)])


def test_a_signal_has_the_smallest_global_p_with_toys_from_a_reference():
    assert toys_that_reach(with_reference(0, 10, events=6000, signal=150)) == 0


def test_copies_of_one_event_in_a_toy_make_no_excess():
    """A reference no larger than the data: half of a toy's events are copies, which a model must not see and score."""
    deep = {"name": "cwola", "folds": 5, "classifier": {"members": 4, "iterations": 20, "min_leaf": 10}}
    config = with_reference(0, 1, method=deep)
    z = np.array([toy_task(config, i)["z"] for i in range(10)])
    assert abs(z.mean()) < 1.5


def test_toys_from_a_reference_never_hold_data_or_what_methods_train_against():
    config = with_reference(
        0, 10, method={"name": "idealised", "folds": 2, "classifier": {"members": 1, "iterations": 2}}
    )
    p = prepared(config)
    samples = [p.events, p.reference, p.null_reference]
    masses = np.concatenate([sample.m for sample in samples])
    assert len(np.unique(masses)) == sum(len(sample) for sample in samples)
    assert p.null.sample is p.null_reference


MOVING = {
    "method": {"name": "cwola_decorrelated", "folds": 2, "classifier": {"members": 2, "iterations": 4}},
    "null": {"generator": "density", "density": {"name": "quantiles"}},
}


def with_density(seed, signal=0):
    """Features that move with the mass, a method and toys that follow them."""
    data = {"background": 6000, "signal": signal, "signal_mass": 2800, "mass_correlation": 0.1, "seed": 2000 + seed}
    return experiment(seed, **(MOVING | {"data": {"simulate": data}, "windows": [[2600, 3000]]}))


def test_the_global_p_is_uniform_with_toys_from_a_density():
    reached = [toys_that_reach(with_density(seed), FEW_TOYS) for seed in range(EXPERIMENTS)]
    assert stats.kstest(fractions(reached, FEW_TOYS), "uniform").pvalue > 1e-3


def test_a_signal_has_the_smallest_global_p_with_toys_from_a_density():
    assert toys_that_reach(with_density(0, signal=200)) == 0


FEW_EXPERIMENTS = 40
NETWORK = {"hidden": [16, 16], "epochs": 2}
SETTINGS = {
    "autoencoder": NETWORK,
    "vae": NETWORK,
    "normalised_autoencoder": NETWORK | {"epochs": 1, "pretraining": 2},
    "tag_n_train": {"groups": [["mj_light", "tau21_1"], ["dmj", "tau21_2"]]},
}


def every_method(name, seed):
    """One window, one method, the smallest of everything."""
    known = signature(METHODS[name]).parameters
    method = {"name": name, "folds": 2} | SETTINGS.get(name, {})
    if "classifier" in known:
        method["classifier"] = {"members": 2, "iterations": 4}
    if "density" in known and name != "cwola_decorrelated":
        method["density"] = {"name": "gaussian"}
    needs = {"background": {"reference": {"split": 0.3}}, "simulation": {"simulation": {"split": 0.3}}}
    more = {key: value for need in METHODS[name].needs for key, value in needs.get(need, {}).items()}
    return experiment(
        seed, method=method, windows=[[2400, 2800]], null={"toys": FEW_TOYS}, data=plain_data(seed), **more
    )


def plain_data(seed):
    """Background alone, enough of it to set some aside."""
    return {"simulate": {"background": 8000, "seed": 3000 + seed}}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(METHODS) - {"supervised"}))
def test_the_global_p_of_every_method_is_uniform(name):
    if name == "pyod":
        pytest.importorskip("pyod")
    configs = [every_method(name, seed) for seed in range(FEW_EXPERIMENTS)]
    reached = [toys_that_reach(config, FEW_TOYS) for config in configs]
    ks = stats.kstest(fractions(reached, FEW_TOYS), "uniform").pvalue
    print(f"\n{name}: {FEW_EXPERIMENTS} experiments × {FEW_TOYS} toys, KS p = {ks:.3f}")
    assert ks > 0.01 / len(METHODS)  # the smallest of as many p-values
