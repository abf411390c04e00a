import copy
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from serendip.config import make_config
from serendip.errors import InputError
from serendip.search import goodness_of_fit
from serendip.search.fit_gate import check_fit, variations_large, weight_checks
from serendip.search.fit_prepare import fit_prepared
from serendip.search.fit_stability import gaussian_z, shift
from serendip.search.fit_tasks import all_variants, null_task, observed_task
from serendip.seeds import rng_for
from serendip.stats.calibration import calibrate
from serendip.stats.sample_tests.nuisances import LearnedShape
from serendip.stats.sample_tests.sample import Sample

KERNEL = {"name": "nplm", "widths": [0.3], "standardise": False, "centres": 40, "penalty": 1e-5}
SMALL = {
    "search": "goodness_of_fit",
    "data": {
        "simulate": {"kind": "exponential", "background": 400, "signals": [{"events": 60, "mean": 0.8, "width": 0.02}]}
    },
    "features": ["x"],
    "reference": {"simulate": {"kind": "exponential", "background": 4000, "seed": 2}},
    "expected": 400,
    "test": [KERNEL, "kolmogorov_smirnov"],
    "null": {"toys": 60, "batch": 20},
    "gate": {"min_toys": 50, "stability_toys": 20},
}


def table(path, **columns):
    """A CSV file of these columns."""
    rows = zip(*columns.values())
    path.write_text("\n".join([",".join(columns), *(",".join(map(repr, map(float, row))) for row in rows)]) + "\n")
    return str(path)


def small(**changes):
    """The small config with some keys set; `a__b` means a.b."""
    given = copy.deepcopy(SMALL)
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = given
        for key in parents:
            place = place.setdefault(key, {})
        place[last] = value
    return make_config(given)


def without_timings(folder):
    result = json.loads((folder / "result.json").read_text())
    return {k: v for k, v in result.items() if k not in ("timing", "peak_memory_mb")}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished small search with a signal: (config, run folder, result)."""
    folder = tmp_path_factory.mktemp("run") / "small"
    config = small()
    return config, folder, goodness_of_fit(config, folder)


def test_finds_the_hidden_peak(finished):
    _, _, result = finished
    assert result.best.test == "nplm"
    assert result.local_p.is_limit  # 60 toys are too few to quote a χ²
    assert result.global_p.is_limit
    assert result.valid, [check for check in result.checks if not check.passed]


def test_beyond_the_toys_the_combination_has_a_tail_fit_beside_it(tmp_path):
    changes = {"test": [{**KERNEL, "widths": [0.2, 0.4]}], "null__toys": 400, "null__batch": 200}
    peak = [{"events": 14, "mean": 0.8, "width": 0.02}]
    config = small(**changes, data__simulate__signals=peak, gate__stability_toys=10)
    result = goodness_of_fit(config, tmp_path / "run")
    fit = result.cross_checks["global_tail_fit"]
    assert result.global_p.is_limit
    assert fit["p"] < result.global_p.p
    assert fit["flagged"] == bool(fit["reason"])


def test_result_json_has_the_keys_of_schema_1(finished):
    result = json.loads((finished[1] / "result.json").read_text())
    assert result["schema"] == 1
    assert result["search"] == "goodness_of_fit"
    assert result["best"]["statistic"] > result["best"]["toy_interval"][1]
    assert result["trials"] == {"statistics": 2}
    assert {"local", "global", "valid", "checks", "events", "inputs", "config_sha256"} <= set(result)


def test_the_report_names_the_test_and_shows_what_drives_it(finished):
    page = (finished[1] / "report.html").read_text()
    assert "Most significant test" in page
    assert "all tests with all their settings" in page
    assert {"combination.png", "toys.png"} < {path.name for path in (finished[1] / "figures").iterdir()}
    assert {"statistics.csv", "stability.csv"} < {path.name for path in (finished[1] / "tables").iterdir()}


def test_running_again_in_two_shards_says_the_same(finished, tmp_path):
    config, folder, _ = finished
    for i in range(2):
        assert goodness_of_fit(config, tmp_path / "sharded", shard=(i, 2)) is None
    goodness_of_fit(config, tmp_path / "sharded")
    assert without_timings(tmp_path / "sharded") == without_timings(folder)


def test_toys_do_not_depend_on_the_batch(finished):
    config, _, _ = finished
    alone = fit_prepared.__wrapped__(config.analysis())
    other = small(null__batch=7).analysis()
    batched = np.concatenate([null_task(other, i)["0"] for i in range(2)])[:14]
    assert np.allclose(batched, null_task(config.analysis(), 0)["0"][:14], rtol=1e-9)
    assert len(alone.reference) == 4000


def test_no_toys_give_no_p_and_fail_the_gate(tmp_path):
    result = goodness_of_fit(small(null__toys=0), tmp_path / "run")
    assert result.best.toy_median is None
    assert result.global_p is None
    assert [check.name for check in result.checks if not check.passed] == ["enough toys"]


SOURCES = {
    "simulator": {},
    "redrawn": {"null__reference": "redrawn"},
    "pool": {"reference": "file", "null__source": "independent"},
    "splits": {"reference": "file", "null__source": "splits", "null__share": 0.8},
    "permutation": {"reference": "file", "expected": "data"},
}


@pytest.mark.parametrize("source", SOURCES)
def test_p_is_uniform_where_data_are_like_the_reference(source, tmp_path):
    """Each experiment has data and toys of its own, from one stream of events."""
    p_values = []
    for i in range(25):
        rng = rng_for(i, "uniform", 0)
        changes = {"test": ["kolmogorov_smirnov"], "null__toys": 39, "null__batch": 39, **SOURCES[source]}
        if changes.get("reference") == "file":
            changes["reference"] = {"path": table(tmp_path / f"r{i}.csv", x=rng.exponential(1 / 8, 6000))}
        n = rng.poisson(100)
        data = table(tmp_path / f"d{i}.csv", x=rng.exponential(1 / 8, n))
        changes = {"expected": 100, **changes, "data": {"path": data}, "seed": i}
        if "simulate" in SMALL["reference"] and "reference" not in changes:
            changes["reference"] = {"simulate": {"kind": "exponential", "background": 1000, "seed": 100 + i}}
        json_config = small(**changes).analysis()
        observed, toys = observed_task(json_config, 0)["statistics"][0], null_task(json_config, 0)["0"][:, 0]
        p_values.append((1 + np.sum(toys >= observed)) / 40)
    p_values = np.array(p_values)
    assert abs(p_values.mean() - 0.5) < 4 * np.sqrt(1 / 12 / 25)
    assert 0.12 < p_values.std() < 0.42


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data__simulate__background": 5, "data__simulate__signals": []}, "data: Got 5 events"),
        ({"test": [{**KERNEL, "centres": 9000}]}, "test.0: Got 4000 events to draw 9000 centres"),
        ({"null__source": "splits", "expected": 500}, "null.toys: Got 60, but expected at most"),
        ({"null__source": "splits", "expected": 5000}, "null.source: "),
        ({"features": {"x": "x", "one": "x - x"}}, "features.one"),
        ({"reference": {"split": 0.5}, "data": {"simulate": {"kind": "drift_tubes", "events": 500}}}, "features.x"),
    ],
)
def test_bad_input_is_named_with_its_key(changes, message, tmp_path):
    with pytest.raises(InputError, match=message):
        goodness_of_fit(small(**changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_event_file_is_refused_under_the_section_that_names_it(tmp_path):
    bad = table(tmp_path / "bad.csv", x=[0.1, np.nan] * 10, w=[1.0, -1.0] * 10)
    cancels = table(tmp_path / "cancels.csv", x=[0.1, 0.2] * 10, w=[1.0, -1.0] * 10)
    for changes, message in (
        ({"data": {"path": bad}}, "^data: .*Got non-finite"),
        ({"data": {"path": cancels, "weight": "w"}}, r"^data\.weight: "),
        ({"data": {"path": bad, "where": "y > 9"}}, r"^data\.where: "),
        ({"reference": {"path": bad}}, "^reference: .*Got non-finite"),
        ({"reference": {"path": cancels, "weight": "w"}}, r"^reference\.weight: "),
    ):
        with pytest.raises(InputError, match=message):
            goodness_of_fit(small(**changes), tmp_path / "run")


def test_a_split_of_data_without_truth_is_refused(tmp_path):
    changes = {
        "data": {"simulate": {"kind": "drift_tubes", "events": 500}},
        "features": ["t1"],
        "reference": {"split": 0.5},
    }
    with pytest.raises(InputError, match=r"reference\.split: Got data without truth"):
        goodness_of_fit(small(**changes), tmp_path / "run")


@pytest.fixture
def events(tmp_path):
    """A file of events with weights and numbers."""
    rng = rng_for(1, "events")
    n = 3000
    x, y, w = rng.exponential(1 / 8, n), rng.normal(size=n), rng.choice([0.5, 1.5], n)
    return table(tmp_path / "events.csv", x=x, y=y, Event=np.arange(n), w=w, growing=np.exp(2 * x))


def test_events_that_stand_in_both_samples_are_refused(events, tmp_path):
    data = {"path": events, "where": "Event < 1500"}
    with pytest.raises(InputError, match=r"reference\.where: Got 500 events that are in the data too"):
        goodness_of_fit(small(data=data, reference={"path": events, "where": "Event >= 1000"}), tmp_path / "run")


def test_one_event_that_stands_twice_hides_no_shared_ones(events, tmp_path):
    header, *rows = Path(events).read_text().splitlines()
    (tmp_path / "reference.csv").write_text("\n".join([header, *rows[1000:], rows[-1]]) + "\n")
    data, reference = {"path": events, "where": "Event < 1500"}, {"path": str(tmp_path / "reference.csv")}
    with pytest.raises(InputError, match=r"reference\.path: Got 500 events that are in the data too"):
        fit_prepared(small(data=data, reference=reference, features=["x", "y"]).analysis())


def test_coarse_features_may_agree(tmp_path):
    for name, seed in (("data", 1), ("reference", 2)):
        x = rng_for(seed, "coarse").exponential(1 / 8, 2000)
        table(tmp_path / f"{name}.csv", x=np.round(x, 2))
    paths = {name: {"path": str(tmp_path / f"{name}.csv")} for name in ("data", "reference")}
    assert len(fit_prepared(small(**paths, null__toys=1).analysis()).data) == 2000


def test_a_reference_drawn_with_replacement_is_refused(tmp_path):
    """Of five copies each, one true null of seven has p < 0.05 by permutations."""
    rng = rng_for(3, "copies")
    x = rng.exponential(1 / 8, 3000)
    copies = table(tmp_path / "reference.csv", x=rng.choice(x, 3000))
    with pytest.raises(InputError, match=r"reference: Got 3000 events of which 1\d\d\d differ, but expected no copies"):
        fit_prepared(small(reference={"path": copies}).analysis())


def test_toys_of_a_fixed_number_need_data_of_that_number():
    data = {"simulate": {"kind": "exponential", "background": 430}}
    with pytest.raises(InputError, match=r"null\.counts: Got fixed, with 400 events expected and 430 in the data"):
        fit_prepared(small(data=data, null__counts="fixed").analysis())
    assert fit_prepared(small(data=data, null__counts="fixed", expected=430).analysis()).source.counts == "fixed"


@pytest.mark.parametrize(("weight", "known"), [("w / 5", False), ("w / 20", True)])
def test_a_yield_that_the_reference_hardly_knows_fails_the_gate(events, weight, known):
    reference = {"path": events, "where": "Event % 15 > 0", "weight": weight}
    changes = {"data": {"path": events, "where": "Event % 15 == 0"}, "reference": reference, "expected": "weights"}
    p = fit_prepared(small(**changes, null__toys=1, null__share=0.8).analysis())
    assert [check.passed for check in weight_checks(p)] == [known]
    assert weight_checks(p)[0].value == pytest.approx(1.25 * (0.2 if "/ 5" in weight else 0.05), rel=0.05)


@pytest.mark.parametrize(("weight", "blind"), [("w", True), ("growing", False)])
def test_permuted_weights_that_know_a_feature_fail_the_gate(events, weight, blind):
    reference = {"path": events, "where": "Event % 3 > 0", "weight": weight}
    changes = {"data": {"path": events, "where": "Event % 3 == 0"}, "reference": reference, "expected": "data"}
    p = fit_prepared(small(**changes, test=["anderson_darling"]).analysis())
    assert [check.passed for check in weight_checks(p)] == [blind]
    unweighted = small(**{**changes, "reference": {**reference, "weight": None}}, test=["anderson_darling"])
    assert weight_checks(fit_prepared(unweighted.analysis())) == ()


def test_weighted_data_need_permutations(events, tmp_path):
    changes = {
        "data": {"path": events, "where": "Event % 3 == 0", "weight": "w"},
        "reference": {"path": events, "where": "Event % 3 > 0"},
        "test": ["kolmogorov_smirnov"],
    }
    with pytest.raises(InputError, match=r"null\.source: Got weighted data"):
        goodness_of_fit(small(**changes), tmp_path / "run")
    permuted = fit_prepared(small(**changes, expected="data").analysis())
    assert permuted.expected == pytest.approx(permuted.data.w.sum())


def test_weights_predict_the_number_of_events(events):
    reference = {"path": events, "where": "Event % 3 > 0", "weight": "w / 10"}
    changes = {"data": {"path": events, "where": "Event % 30 == 0"}, "reference": reference, "expected": "weights"}
    p = fit_prepared(small(**changes, null__toys=1).analysis())
    assert p.expected == pytest.approx(200, rel=0.05)
    assert p.reference.total < p.expected  # the rest was kept for toys


def test_other_settings_of_a_kernel_are_tried_and_those_of_other_tests_are_not():
    found = all_variants(fit_prepared(small().analysis()))
    assert {one.number for one in found} == {0}
    assert [one.name for one in found] == ["M ÷ 2", "M × 2", "σ ÷ 2", "σ × 2", "λ ÷ 10", "λ × 10"]
    assert [one.tests[0].centres for one in found[:2]] == [20, 80]


def test_z_that_hangs_on_a_setting_fails_the_gate(finished):
    p = fit_prepared(finished[0].analysis())
    toys = rng_for(1, "toys").chisquare(5, (60, 2))
    calibrations = [calibrate(10.0, column) for column in toys.T]
    moved = shift("nplm", "σ × 2", (40.0, toys[:, 0]), (6.0, toys[:, 1]), 1)
    kept = shift("nplm", "M × 2", (40.0, toys[:, 0]), (41.0, toys[:, 0]), 1)
    by_name = {check.name: check for check in check_fit(p, toys, calibrations, 0, [moved, kept])}
    assert not by_name["stable in M, σ, λ"].passed
    assert "σ × 2" in by_name["stable in M, σ, λ"].detail
    assert {check.passed for check in check_fit(p, toys, calibrations, 0, [kept])} == {True}


def test_toys_that_change_with_their_order_fail_the_gate(finished):
    p = fit_prepared(finished[0].analysis())
    toys = rng_for(1, "toys").chisquare(5, (100, 1))
    toys[50:] += 4
    failed = [c.name for c in check_fit(p, toys, [calibrate(10.0, toys[:, 0])], 0, []) if not c.passed]
    assert "null p-values uniform" in failed


def test_a_small_pool_fails_the_gate(events):
    reference = {"path": events, "where": "Event % 3 > 0"}
    changes = {"data": {"path": events, "where": "Event % 3 == 0"}, "reference": reference, "expected": 900}
    p = fit_prepared(small(**changes, test=["kolmogorov_smirnov"]).analysis())
    toys = rng_for(1, "toys").chisquare(5, (60, 1))
    failed = [check.name for check in check_fit(p, toys, [calibrate(10.0, toys[:, 0])], 0, []) if not check.passed]
    assert failed == ["toys independent"]


@pytest.mark.parametrize(("events", "large"), [(600, False), (4500, True)])
def test_small_samples_of_a_nuisance_fail_the_gate(events, large):
    nuisances = [{"name": "yield", "kind": "normalisation", "sigma": 0.1}]
    p = fit_prepared(small(nuisances=nuisances, test=[KERNEL]).analysis())
    assert variations_large(p).passed
    rng = rng_for(1, "variations")
    up, down = (Sample(rng.exponential(mean / 8, (events, 1)), np.full(events, 4000 / events)) for mean in (1.1, 0.9))
    learned = LearnedShape.fit("slope", p.reference, up, down)
    check = variations_large(replace(p, nuisances=(learned,)))
    assert (check.passed, check.value) == (large, pytest.approx(400 / events))


def test_rough_z_is_that_of_a_chi_squared():
    toys = rng_for(2, "toys").chisquare(6, (1, 4000))
    assert gaussian_z(22.46, toys)[0] == pytest.approx(3.09, abs=0.15)  # p = 0.001


def test_a_shifted_yield_is_no_discrepancy_where_it_is_a_nuisance(tmp_path):
    changes = {
        "data__simulate": {"kind": "exponential", "background": 520},
        "test": [KERNEL],
        "null__toys": 30,
        "gate": {"min_toys": 30, "stability_toys": 15},
    }
    without = small(**changes, null__batch=30).analysis()
    surprised = calibrate(float(observed_task(without, 0)["statistics"][0]), null_task(without, 0)["0"][:, 0])
    nuisances = [{"name": "yield", "kind": "normalisation", "sigma": 0.3}]
    result = goodness_of_fit(small(**changes, nuisances=nuisances), tmp_path / "with")
    assert surprised.chi2_p.z > 3
    assert result.global_p.z < 2
    asked = {check.name for check in result.checks}
    assert {"nuisance closure", "null independent of nuisances"} <= asked
