import numpy as np
import pytest

from serendip.data import Events
from serendip.errors import InputError
from serendip.features import check_features, is_monotone

RNG = np.random.default_rng(3)
N = 500


def events(**columns: np.ndarray) -> Events:
    m = np.linspace(2000.0, 6000.0, N)[np.random.default_rng(1).permutation(N)]
    return Events({"x": np.random.default_rng(2).normal(size=N), **columns}, m, mass_name="mjj")


def test_ordinary_features_pass() -> None:
    check_features(events(y=RNG.normal(size=N)))


def test_a_feature_that_only_depends_on_the_mass_passes() -> None:
    sample = events()
    check_features(Events({"x": sample.columns["x"] + 0.01 * sample.m}, sample.m))


def test_a_constant_feature_is_named() -> None:
    with pytest.raises(InputError, match=r"features.flat: Got the value 3"):
        check_features(events(flat=np.full(N, 3.0)))


def test_features_that_are_not_asked_for_are_not_checked() -> None:
    check_features(events(flat=np.full(N, 3.0)), ["x"])


def test_a_non_finite_feature_is_counted() -> None:
    y = RNG.normal(size=N)
    y[[7, 9]] = np.inf
    with pytest.raises(InputError, match=r"features.y: Got 2 non-finite values \(the first, inf, for event 7\)"):
        check_features(events(y=y))


@pytest.mark.parametrize(
    "of_mass",
    [
        lambda m: m,
        lambda m: -m / 1000,
        lambda m: np.log(m),
        lambda m: m.astype(np.float32).astype(np.float64),
        lambda m: (m > 3500).astype(np.float64),
    ],
    ids=["itself", "negative", "log", "rounded", "window"],
)
def test_the_mass_is_known_under_any_name(of_mass) -> None:
    sample = events()
    with pytest.raises(InputError, match=r"features.y: .*mass orders completely"):
        check_features(events(y=of_mass(sample.m)))


def test_the_mass_by_its_own_name_is_refused() -> None:
    with pytest.raises(InputError, match=r"features.mjj: Got the mass"):
        check_features(events(), ["x", "mjj"])


def test_an_unknown_feature_suggests_the_nearest() -> None:
    with pytest.raises(InputError, match="Did you mean 'tau21'"):
        check_features(events(tau21=RNG.normal(size=N)), ["tau12"])


def test_few_events_in_order_prove_nothing() -> None:
    few = np.arange(5.0)
    assert not is_monotone(few, few)
