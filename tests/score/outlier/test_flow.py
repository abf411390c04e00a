import numpy as np
import pytest
from scipy import stats

from serendip.errors import ConfigError, InputError
from serendip.score.densities import DENSITIES
from serendip.score.outlier import ConditionalFlow, Flow, FlowMatching

RNG = np.random.default_rng(0)
M = RNG.uniform(1, 3, 4000)
X = RNG.normal(size=(4000, 2)) + 3 * M[:, None]  # the features know the mass


def test_is_minus_the_log_density():
    score = Flow(density="gaussian").fit(X).anomaly_score(X[:200])
    expected = -stats.multivariate_normal(X.mean(axis=0), np.cov(X.T)).logpdf(X[:200])
    assert score == pytest.approx(expected, abs=0.02)


def test_no_mass_is_rare_in_itself_for_the_conditional_one():
    sparse = M > 2.9
    plain = Flow(density="gaussian").fit(X).anomaly_score(X)
    conditional = ConditionalFlow(density="gaussian").fit(X, M).anomaly_score(X, M)
    assert plain[sparse].mean() > plain.mean() + 0.5
    assert conditional[sparse].mean() == pytest.approx(conditional.mean(), abs=0.2)


def test_the_conditional_one_calls_an_event_at_the_wrong_mass_rare():
    conditional = ConditionalFlow(density="gaussian").fit(X, M)
    right = conditional.anomaly_score(X, M)
    assert np.mean(conditional.anomaly_score(X, M[::-1].copy()) > right) > 0.8


def test_flow_matching_is_a_flow_with_another_default():
    assert FlowMatching().density == "flow_matching"
    assert Flow().density == "spline_maf"
    assert {FlowMatching().density, Flow().density} <= DENSITIES.keys()
    scores = [kind(density="gaussian").fit(X).anomaly_score(X) for kind in (Flow, FlowMatching)]
    assert np.array_equal(*scores)


def test_settings_and_seed_reach_the_density():
    flow = Flow(density="gaussian", density_settings={"degree": 1}, seed=3).fit(X)
    assert (flow.density_.degree, flow.density_.seed) == (1, 3)
    with pytest.raises(ConfigError, match=r"density\.blcks"):
        Flow(density="gaussian", density_settings={"blcks": 2}).fit(X)


def test_refuses_to_score_what_is_not_finite():
    conditional = ConditionalFlow(density="gaussian").fit(X, M)
    with pytest.raises(InputError, match="NaN"):
        conditional.anomaly_score(X, np.where(np.arange(4000) == 5, np.nan, M))
    with pytest.raises(InputError, match="NaN"):
        conditional.anomaly_score(np.where(X > 10, np.inf, X), M)
