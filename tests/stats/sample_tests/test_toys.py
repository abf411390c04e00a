import math
import pickle
from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats

from serendip.errors import InputError
from serendip.seeds import rng_for
from serendip.stats.p_value import toy_p_value
from serendip.stats.sample_tests.draws import draw_unweighted
from serendip.stats.sample_tests.null_statistics import null_statistics, observed_statistics
from serendip.stats.sample_tests.sample import Sample
from serendip.stats.sample_tests.toys import TOY_SOURCES, DisjointSplits, IndependentDraws, Permutation
from serendip.stats.uniformity import uniformity


@dataclass(frozen=True)
class MeanShift:
    """How far the mean of each feature lies from the reference's; stands for any test."""

    def prepare(self, reference, expected, *, seed=0):
        return Prepared(np.average(reference.x, axis=0, weights=reference.w), seed)


@dataclass(frozen=True)
class Prepared:
    centre: np.ndarray
    seed: int
    labels: tuple = ("first", "second")

    def statistics(self, samples):
        return np.stack([abs(np.average(s.x, axis=0, weights=s.w) - self.centre) for s in samples])


@dataclass(frozen=True)
class PooledMeanShift(MeanShift):
    def pooled_statistics(self, x, is_data, w):
        assert w is None
        return np.stack([abs(x[chosen].mean(axis=0) - x[~chosen].mean(axis=0)) for chosen in is_data])


def events(n, seed=0, shift=0.0, w=None):
    return Sample(np.random.default_rng(seed).normal(shift, 1, (n, 2)), np.ones(n) if w is None else w)


def simulate(rng, n):
    return Sample(rng.normal(size=(n, 2)))


def numbered(n, w=None):
    return Sample(np.arange(n, dtype=float)[:, None], np.ones(n) if w is None else w)


def sources():
    pool = events(2000)
    return {
        "independent": IndependentDraws(pool, 100, seed=3),
        "permutation": Permutation(events(100), events(500, 1), seed=3),
        "splits": DisjointSplits(pool, 500, 100, seed=3),
    }


@pytest.mark.parametrize("name", sorted(TOY_SOURCES))
def test_a_toy_belongs_to_seed_and_index_alone(name):
    first, second = sources()[name], pickle.loads(pickle.dumps(sources()[name]))
    late = second.toy(7).sample.x
    assert np.array_equal(first.toy(7).sample.x, late)
    assert not np.array_equal(first.toy(6).sample.x[:50], late[:50])


def test_simulated_toys_are_poisson_or_fixed():
    poisson = [len(IndependentDraws(simulate, 50, seed=1).toy(i).sample) for i in range(2000)]
    assert np.mean(poisson) == pytest.approx(50, abs=0.6)
    assert np.var(poisson) == pytest.approx(50, rel=0.12)
    fixed = IndependentDraws(simulate, 50.4, counts="fixed")
    assert {len(fixed.toy(i).sample) for i in range(20)} == {50}


def test_no_event_is_drawn_twice_into_a_toy_and_its_reference():
    toy = IndependentDraws(numbered(400), 100, redraw=250).toy(0)
    together = np.concatenate([toy.sample.x, toy.reference.x])
    assert len(toy.reference) == 250
    assert len(np.unique(together)) == len(together)


def test_a_redrawn_reference_keeps_its_weights():
    """At unit weight it would fluctuate less than the observed one."""
    w = np.random.default_rng(0).uniform(0.5, 1, 400)
    toy = IndependentDraws(numbered(400, w), 50, redraw=200).toy(0)
    np.testing.assert_array_equal(toy.reference.w, w[toy.reference.x[:, 0].astype(int)])
    assert np.all(toy.sample.w == 1)
    assert not np.isin(toy.sample.x, toy.reference.x).any()


def test_overlap_is_the_share_of_events_that_two_toys_have():
    rng = np.random.default_rng(0)
    for w in (None, rng.uniform(0.2, 1, 1000)):
        source = IndependentDraws(numbered(1000, w), 200, counts="fixed")
        drawn = [set(source.toy(i).sample.x[:, 0]) for i in range(60)]
        shared = [len(drawn[i] & drawn[i + 1]) / 200 for i in range(59)]
        assert np.mean(shared) == pytest.approx(source.overlap, abs=0.012)
    assert IndependentDraws(simulate, 200).overlap == 0


def test_toys_scatter_about_their_pool_less_by_the_overlap():
    pool = events(400)
    source = IndependentDraws(pool, 200, counts="fixed")
    means = np.array([source.toy(i).sample.x.mean(axis=0) for i in range(600)])
    expected = pool.x.var(axis=0, ddof=1) / 200 * (1 - source.overlap)
    np.testing.assert_allclose(means.var(axis=0), expected, rtol=0.2)


def test_weighted_events_are_drawn_in_proportion_at_unit_weight():
    w = np.random.default_rng(0).uniform(0.1, 1, 200)
    chosen = np.zeros(200)
    for i in range(2000):
        drawn = draw_unweighted(numbered(200, w), 60, rng_for(0, "test", i))
        assert np.all(drawn.w == 1)
        chosen[drawn.x[:, 0].astype(int)] += 1
    probability = 60 * w / w.sum()
    pulls = (chosen / 2000 - probability) / np.sqrt(probability * (1 - probability) / 2000)
    assert np.sqrt(np.mean(pulls**2)) == pytest.approx(1, abs=0.15)


def test_splits_share_no_event_with_each_other_or_the_reference():
    source = DisjointSplits(numbered(1000), 300, 40.0)
    parts = [source.reference.x, *(source.toy(i).sample.x for i in range(source.limit))]
    together = np.concatenate(parts)
    assert len(np.unique(together)) == len(together) > 900
    assert 14 <= source.limit <= 20


def test_fixed_splits_use_all_that_fits():
    source = DisjointSplits(numbered(1000), 300, 70, counts="fixed")
    assert source.limit == 10
    assert {len(source.toy(i).sample) for i in range(10)} == {70}


def test_more_splits_than_fit_are_refused_with_both_numbers_and_the_way_out():
    with pytest.raises(InputError, match=r"toy 11, but expected at most 10.*another source"):
        DisjointSplits(numbered(1000), 300, 70, counts="fixed").toy(10)


def test_weighted_splits_have_unit_weights_and_the_reference_keeps_its_own():
    w = np.random.default_rng(0).uniform(0.5, 1, 1000)
    source = DisjointSplits(numbered(1000, w), 300, 50, counts="fixed")
    assert np.all(source.toy(0).sample.w == 1)
    assert np.array_equal(source.reference.w, w[source.reference.x[:, 0].astype(int)])
    drawn = np.concatenate([source.toy(i).sample.x[:, 0] for i in range(source.limit)]).astype(int)
    left = np.setdiff1d(np.arange(1000), source.reference.x[:, 0].astype(int))
    expected = np.sum(w[left] ** 2) / w[left].sum()
    assert w[drawn].mean() == pytest.approx(expected, abs=0.02)
    assert expected > w[left].mean() + 0.02


def test_permutations_keep_counts_and_deal_every_event_once():
    w = np.random.default_rng(0).normal(1, 0.5, 40)
    source = Permutation(numbered(15), Sample(numbered(40).x + 100, w))
    toy = source.toy(3)
    assert len(toy.sample) == 15
    assert np.array_equal(toy.reference.w, w)
    assert np.array_equal(np.sort(np.concatenate([toy.sample.x, toy.reference.x]), axis=0), source.x)
    assert source.expected == 15


def test_labels_mark_the_events_of_the_toy():
    source = Permutation(numbered(15), Sample(numbered(40).x + 100))
    labels = source.labels(range(5))
    for i in range(5):
        assert np.array_equal(np.sort(source.x[labels[i]], axis=0), np.sort(source.toy(i).sample.x, axis=0))


def test_pooled_and_dealt_permutations_agree():
    source = Permutation(events(30), events(200, 1))
    assert source.weightless
    pooled = null_statistics(PooledMeanShift(), None, source, range(20))
    np.testing.assert_allclose(pooled, null_statistics(MeanShift(), None, source, range(20)), rtol=1e-12)
    np.testing.assert_allclose(
        observed_statistics(PooledMeanShift(), None, source, source.data),
        observed_statistics(MeanShift(), None, source, source.data),
    )


def test_weights_that_differ_are_never_pooled():
    w = np.random.default_rng(0).uniform(0.5, 1, 200)
    source = Permutation(events(30), events(200, 1, w=w))
    assert not source.weightless
    assert null_statistics(PooledMeanShift(), None, source, range(3)).shape == (3, 2)


def test_statistics_do_not_depend_on_batches_or_order():
    reference = events(500, 9)
    for source in (sources()["independent"], IndependentDraws(events(2000), 100, redraw=300)):
        prepared = MeanShift().prepare(reference, 100)
        whole = null_statistics(MeanShift(), prepared, source, range(13))
        parts = null_statistics(MeanShift(), prepared, source, [12, *range(12)], batch=5)
        assert np.array_equal(whole, np.roll(parts, -1, axis=0))


def test_redrawn_references_are_prepared_each_with_its_own_seed():
    seeds = []

    class Recording(MeanShift):
        def prepare(self, reference, expected, *, seed=0):
            seeds.append(seed)
            return super().prepare(reference, expected, seed=seed)

    null_statistics(Recording(), None, IndependentDraws(simulate, 20, redraw=50), range(5))
    assert len(set(seeds)) == 5


def p_values(experiment, n=100, toys=29):
    """p between its steps, of experiments that give observed statistics and those of toys."""
    rng, p = np.random.default_rng(1), []
    for seed in range(n):
        observed, null = experiment(seed, toys)
        k = int((null[:, 0] >= observed[0]).sum())
        p.append((k + rng.random()) / (toys + 1))
    return np.array(p)


def permuted(seed, toys, shift=0.0):
    source = Permutation(events(30, seed, shift), events(150, 1000 + seed), seed=seed)
    observed = observed_statistics(PooledMeanShift(), None, source, source.data)
    return observed, null_statistics(PooledMeanShift(), None, source, range(toys))


def drawn(seed, toys, redraw=0, shift=0.0):
    reference, data = events(150, 1000 + seed), events(30, seed, shift)
    source = IndependentDraws(simulate, 30, counts="fixed", redraw=redraw, seed=seed)
    prepared = MeanShift().prepare(reference, 30)
    observed = observed_statistics(MeanShift(), prepared, source, data)
    return observed, null_statistics(MeanShift(), prepared, source, range(toys))


def split(seed, toys):
    source = DisjointSplits(events(1500, seed), 150, 30, counts="fixed", seed=seed)
    prepared = MeanShift().prepare(source.reference, 30)
    observed = observed_statistics(MeanShift(), prepared, source, events(30, 1000 + seed))
    return observed, null_statistics(MeanShift(), prepared, source, range(toys))


@pytest.mark.parametrize("experiment", [permuted, drawn, split, lambda s, n: drawn(s, n, redraw=150)])
def test_p_is_uniform_without_a_signal(experiment):
    assert uniformity(p_values(experiment)).uniform


@pytest.mark.parametrize("experiment", [permuted, drawn])
def test_finds_a_shift(experiment):
    observed, null = experiment(0, 199, shift=1.0)
    assert toy_p_value(int((null[:, 0] >= observed[0]).sum()), 199).p < 0.02


def test_permutation_p_is_that_of_the_exact_test():
    data, reference = events(8, 2, shift=0.8), events(12, 3)
    exact = stats.permutation_test(
        (data.x[:, 0], reference.x[:, 0]),
        lambda a, b, axis: abs(a.mean(axis) - b.mean(axis)),
        vectorized=True,
        alternative="greater",
    ).pvalue
    source = Permutation(data, reference)
    null = null_statistics(PooledMeanShift(), None, source, range(2000))[:, 0]
    observed = observed_statistics(PooledMeanShift(), None, source, data)[0]
    assert np.mean(null >= observed - 1e-12) == pytest.approx(exact, abs=3 * math.sqrt(exact / 2000))


def test_empty_toy_that_a_test_cannot_judge_is_named():
    source = IndependentDraws(lambda rng, n: Sample(np.full((n, 1), np.nan) if n else np.zeros((0, 1))), 0.001)

    class Empty(Prepared):
        def statistics(self, samples):
            return np.array([[float(len(s)) or math.nan] for s in samples])

    with pytest.raises(InputError, match="toy 0 has 0 events"):
        null_statistics(MeanShift(), Empty(np.zeros(1), 0), source, range(2))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: IndependentDraws(numbered(50), 60), "60"),
        (lambda: IndependentDraws(numbered(50), 40, redraw=20), "at least 60"),
        (lambda: IndependentDraws(numbered(50), 40, redraw=-1), "redraw=-1"),
        (lambda: IndependentDraws(numbered(50), 0.0), "expected=0"),
        (lambda: IndependentDraws(numbered(50), math.nan), "expected=nan"),
        (lambda: IndependentDraws(numbered(50), 0.2, counts="fixed"), "at least one event"),
        (lambda: IndependentDraws(numbered(3, np.array([1.0, -1, 1])), 1), "1 events of negative weight"),
        (lambda: IndependentDraws(numbered(3, np.zeros(3)), 1), "sum to 0"),
        (lambda: IndependentDraws(numbered(3, np.array([9.0, 1, 1])), 2), "from which 1 can be drawn"),
        (lambda: DisjointSplits(numbered(50), 50, 5), "1 … 49"),
        (lambda: DisjointSplits(numbered(50), 40, 20, counts="fixed"), "10 events beside the reference"),
        (lambda: Permutation(numbered(0), numbered(5)), "events in both"),
        (lambda: Permutation(numbered(5), events(5)), "same features"),
        (lambda: Permutation(numbered(2, np.array([1.0, -1])), numbered(5)), "sum to 0"),
    ],
)
def test_refuses_what_cannot_give_toys(make, words):
    with pytest.raises(InputError, match=words):
        make()


def test_refuses_statistics_that_have_nothing_to_stand_on():
    source = IndependentDraws(simulate, 5)
    with pytest.raises(InputError, match="no prepared test"):
        null_statistics(MeanShift(), None, source, range(2))
    with pytest.raises(InputError, match="no toys"):
        null_statistics(MeanShift(), None, source, [])
    with pytest.raises(InputError, match="differ from those the permutations"):
        observed_statistics(MeanShift(), None, Permutation(events(5), events(9)), events(5))
