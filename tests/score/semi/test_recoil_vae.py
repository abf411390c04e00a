from dataclasses import replace

import numpy as np
import pytest
from tests.score.semi.toy_recordings import toy_recordings

from serendip.errors import InputError, TooFewEventsError
from serendip.score.flow_density import FlowDensity
from serendip.score.semi.recoil_summaries import FAR, RecoilSummaries
from serendip.score.semi.recoil_vae import RecoilVae

FAST = {"modes": 4, "dimensions": 4, "hidden": (32,), "epochs": 12, "batch": 128, "prior_epochs": 4, "draws": 4}
ER, HELD_OUT = toy_recordings(3000, 1, 0.0), toy_recordings(800, 2, 0.0)


class Quick(RecoilVae):
    """With a prior that compiles in a third of the time."""

    def _blank_prior(self):
        return FlowDensity("maf", blocks=1, hidden=16, layers=1, epochs=self.prior_epochs, seed=self.seed)


@pytest.fixture(scope="module")
def vae():
    return Quick(**FAST).fit(ER)


@pytest.fixture(scope="module")
def normal_prior():
    return Quick(**FAST | {"prior_epochs": 0}).fit(ER)


def above_most(vae, events):
    """Part of the events whose −ELBO is above the median of electron recoils."""
    return float(np.mean(vae.negative_elbo(events) > np.median(vae.negative_elbo(HELD_OUT))))


def doubled(events):
    """The S2 patterns of two events in one, each with half of its light."""
    other = np.roll(np.arange(len(events)), 1)
    return replace(events, pattern=(events.pattern + events.pattern[other]) / 2)


def test_what_is_no_electron_recoil_is_less_like_one(vae):
    assert above_most(vae, toy_recordings(500, 3, 1.0)) > 0.65
    assert above_most(vae, doubled(HELD_OUT)) > 0.8


def test_every_start_finds_a_use_for_the_latent_space():
    vaes = [Quick(**FAST | {"prior_epochs": 0}, seed=seed).fit(ER) for seed in range(5)]
    losses = [vae.losses_[1, -1] for vae in vaes]
    unused = 0.5 * np.log(2 * np.pi * np.e) * len(vaes[0].summaries_.names)  # of a normal for each summary
    assert max(losses) < unused - 3
    assert max(losses) - min(losses) < 1.2
    assert max(len(vae.dead_) for vae in vaes) == 0


def test_the_parts_add_up_and_an_event_scores_the_same_alone(vae):
    assert np.array_equal(vae.elbo_parts(HELD_OUT).sum(axis=1), vae.negative_elbo(HELD_OUT))
    assert np.allclose(vae.negative_elbo(HELD_OUT[:3]), vae.negative_elbo(HELD_OUT)[:3], rtol=1e-4, atol=1e-3)


def test_the_learned_prior_tightens_the_bound(vae, normal_prior):
    assert vae.negative_elbo(HELD_OUT).mean() < normal_prior.negative_elbo(HELD_OUT).mean() - 0.1


def test_the_pull_does_not_follow_the_energy(vae):
    pull, area = vae.elbo_parts(HELD_OUT)[:, 0], HELD_OUT.events.columns["s1"]
    assert abs(np.corrcoef(pull, np.log(area))[0, 1]) < 0.2


def test_same_seed_same_bits_and_a_saved_one_scores_the_same(vae, tmp_path):
    score = vae.negative_elbo(HELD_OUT)
    vae.save(tmp_path / "vae.npz")
    again = Quick.load(tmp_path / "vae.npz")
    assert np.array_equal(again.negative_elbo(HELD_OUT), score)
    assert np.array_equal(again.simulate(50, seed=3), vae.simulate(50, seed=3))
    assert np.array_equal(Quick(**FAST).fit(ER).negative_elbo(HELD_OUT), score)


def test_what_it_draws_has_the_areas_and_times_of_electron_recoils(vae):
    data = vae.summaries_.values(HELD_OUT)
    for drawn in (vae.simulate(HELD_OUT), vae.simulate(800)):
        for i, name in enumerate(vae.summaries_.names[:5]):
            spread = data[:, i].std()
            assert drawn[:, i].mean() == pytest.approx(data[:, i].mean(), abs=0.2 * spread), name
            assert drawn[:, i].std() == pytest.approx(spread, rel=0.25), name


def test_an_event_beyond_all_others_has_a_finite_score(vae):
    far = replace(HELD_OUT[:5], s1=1e6 * HELD_OUT.s1[:5], pattern=0 * HELD_OUT.pattern[:5])
    assert np.isfinite(vae.negative_elbo(far)).all()
    assert np.abs(vae.summaries_.transform(far)).max() == FAR


def test_the_summaries_are_named_and_standardised():
    summaries = RecoilSummaries(modes=3, drift=False).fit(ER)
    x = summaries.transform(ER)
    assert x.shape == (3000, len(summaries.names))
    assert np.allclose(x.mean(axis=0), 0, atol=1e-2)
    assert np.allclose(x.std(axis=0), 1, atol=0.05)
    assert "√drift time" in RecoilSummaries().names
    assert "√drift time" not in summaries.names


def test_bad_input_is_named(vae):
    with pytest.raises(InputError, match="Got areas alone"):
        vae.negative_elbo(replace(HELD_OUT, s1=None, s2=None, pattern=None))
    with pytest.raises(InputError, match="Got patterns of 60 PMTs, but expected 61"):
        vae.negative_elbo(replace(HELD_OUT, pattern=HELD_OUT.pattern[:, 1:]))
    broken = HELD_OUT.s2[:5].copy()
    broken[2, 7] = np.nan
    with pytest.raises(InputError, match="Got 1 recordings with NaN"):
        vae.negative_elbo(replace(HELD_OUT[:5], s2=broken))
    with pytest.raises(TooFewEventsError, match="Got 50 events in the electron recoils"):
        RecoilVae().fit(ER[:50])
    with pytest.raises(InputError, match=r"least_spread: Got 0\.0"):
        RecoilVae(least_spread=0.0).fit(ER)
    with pytest.raises(InputError, match="latent: Got 99"):
        RecoilVae(dimensions=99).fit(ER)
