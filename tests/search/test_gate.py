import dataclasses

import numpy as np
import pytest

from serendip.search import resonance
from serendip.search.gate import check_all
from serendip.search.prepare import prepared
from serendip.search.scan import Scan

from .conftest import small

SHAPE = (1, 4, 1)


def scan(z, **changes):
    """A scan with these Z, and everything else as it should be."""
    full = lambda value: np.full(SHAPE, value)  # noqa: E731
    fields = {
        "z": np.array(z, dtype=float).reshape(SHAPE),
        "observed": full(50.0),
        "expected": full(50.0),
        "expected_error": full(3.0),
        "order": full(3),
        "goodness_p": full(0.5),
        "converged": full(True),
    }
    return Scan(**fields | changes)


@pytest.fixture(scope="module")
def analysis():
    return prepared(small().analysis())


def checks(analysis, data, toys, mass_auc=(0.5,) * 4, spurious=0.1):
    return {check.name: check for check in check_all(analysis, data, toys, np.array(mass_auc), spurious)}


def good_toys(n=40, sd=1.0, mean=0.0):
    return [scan(z) for z in np.random.default_rng(1).normal(mean, sd, (n, 4))]


def test_a_sound_search_passes_every_check(analysis):
    found = checks(analysis, scan([0.3, 6.0, -0.5, 0.1]), good_toys())
    assert all(check.passed for check in found.values()), [c for c in found.values() if not c.passed]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("features know the mass", {"mass_auc": (0.6, 0.58, 0.61, 0.62)}),
        ("spurious signal", {"spurious": -0.8}),
        ("enough toys", {"toys": []}),
        ("p-values uniform", {"toys": good_toys(sd=2.0)}),
        ("sculpting, in toys", {"toys": good_toys(mean=2.0)}),
        ("sculpting, in the data", {"data": scan([4.0, 6.0, 5.0, 4.5])}),
        ("background fit", {"data": scan([0, 6, 0, 0], goodness_p=np.full(SHAPE, 1e-4))}),
        ("expected background", {"data": scan([0, 6, 0, 0], expected=np.full(SHAPE, 0.5))}),
        ("enough toys", {"toys": [dataclasses.replace(t, converged=np.zeros(SHAPE, bool)) for t in good_toys()]}),
    ],
)
def test_a_fault_fails_its_own_check_and_no_other(analysis, name, arguments):
    given = {"data": scan([0.3, 6.0, -0.5, 0.1]), "toys": good_toys()} | arguments
    found = checks(analysis, **given)
    assert not found[name].passed
    others = {"sculpting, in the data", "p-values uniform", "sculpting, in toys"}
    assert all(check.passed for check in found.values() if check.name not in {name} | others)


def test_a_signal_in_its_window_is_not_taken_for_mass_dependence(analysis):
    found = checks(analysis, scan([0.3, 6.0, -0.5, 0.1]), good_toys(), mass_auc=(0.5, 0.6, 0.5, 0.5))
    assert found["features know the mass"].passed


def test_features_that_depend_on_the_mass_make_the_result_invalid(tmp_path):
    """FACTS: a shift of 0.1 m_jj gives large Z from nothing, with a good fit."""
    config = small(
        data__simulate={"background": 16_000, "seed": 5},
        features={"mj_light": "mj_light + 0.1 * mjj", "dmj": "dmj + 0.1 * mjj", "tau21_1": "tau21_1"},
        null={"toys": 10},
    )
    result = resonance(config, tmp_path / "run")
    check = next(check for check in result.checks if check.name == "features know the mass")
    assert not check.passed
    assert check.value > 0.6
    assert not result.valid
    assert "NOT VALID" in (tmp_path / "run" / "report.html").read_text().upper()


def weighted(w, **changes):
    """The small analysis with these weights on its simulated events."""
    p = prepared(small(**changes).analysis())
    events = dataclasses.replace(p.events, w=w(p.events))
    return dataclasses.replace(p, events=events)


def test_the_unit_of_the_weights_changes_no_check(analysis):
    heavy = weighted(lambda events: np.full(len(events), 50.0))
    data = scan([0.3, 6.0, -0.5, 0.1], expected=np.full(SHAPE, 50.0 * 50), observed=np.full(SHAPE, 50.0 * 50))
    ours, theirs = checks(analysis, scan([0.3, 6.0, -0.5, 0.1]), good_toys()), checks(heavy, data, good_toys())
    assert theirs["expected background"].value == pytest.approx(ours["expected background"].value)
    assert all(check.passed for check in theirs.values())


def test_weights_that_follow_the_mass_are_caught():
    p = weighted(lambda events: np.where(events.m > 3500, 0.2, 2.0))
    assert not checks(p, scan([0.3, 6.0, -0.5, 0.1]), good_toys())["weights know the mass"].passed


def test_a_small_reference_is_caught():
    p = prepared(small(null={"generator": "reference", "toys": 2}, reference={"split": 0.2}).analysis())
    found = checks(p, scan([0.3, 6.0, -0.5, 0.1]), good_toys())
    assert not found["reference size"].passed
    assert "null spectrum" not in found
