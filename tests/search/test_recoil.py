import copy
import json
import sys
from unittest.mock import Mock

import numpy as np
import pytest

from serendip.config import make_config
from serendip.errors import InputError
from serendip.search import recoil
from serendip.search.recoil_events import _accidental_data, places, pool_task
from serendip.search.recoil_findings import RecoilFindings
from serendip.search.recoil_gate import count_p, simulation_like_data
from serendip.search.recoil_models import Models
from serendip.search.recoil_prepare import recoil_prepared
from serendip.search.recoil_scores import Scores
from serendip.search.recoil_statistics import background_p_values, choose_task, test_task
from serendip.search.recoil_training import classifier_scores
from serendip.seeds import rng_for

pytest.importorskip("nestpy")
test_task.__test__ = False  # a task, not a test

SMALL = {
    "search": "recoil",
    "exposure": 2,
    "backgrounds": ["pp", "xenon136", "cevns_atmospheric"],
    "data": {"simulate": {"signal": {"mass": 50, "cross_section": 3e-46}, "seed": 7}},
    "training": {"electron_recoils": 900, "nuclear_recoils": 500, "autoencoder_energy": [1, 100]},
    "classifier": {"members": 1, "epochs": 4, "hidden": [16]},
    "vae": {"epochs": 3, "hidden": [32], "draws": 1, "prior_epochs": 0},
    "pool": {"electron_recoils": 3000, "nuclear_recoils": 2500, "signals": 2500, "batch": 3000},
    "anomaly": {
        "standard": 1000,
        "ratios": [0.1, 10],
        "keeps": [1],
        "masses": [50],
        "cross_section": 1e-46,
        "experiments": 20,
    },
    "test": {"toys": 1000},
    "sensitivity": {"masses": [50], "cross_sections": [1e-47, 5e-47, 3e-46], "experiments": 40},
    "gate": {"repeated": 10, "min_accuracy": 0.55, "max_unsettled": 0.99},
}


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
    """A finished small search with a strong signal: (config, run folder, result)."""
    folder = tmp_path_factory.mktemp("run") / "small"
    config = small()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("serendip.report.html.render", lambda figure, kind: b"drawn")  # tests/report looks at pixels
        return config, folder, recoil(config, folder)


def task(folder, stage, index=0):
    from serendip.run.folder import RunFolder
    from serendip.run.task import load_result

    return load_result(RunFolder.at(folder), stage, index)


def models(finished):
    """The models that the finished search trained."""
    config, folder, _ = finished
    classifier, vae = (task(folder, "train", i)["model"].tobytes() for i in range(2))
    return Models(config.analysis(), classifier, vae, task(folder, "judge")["standard"].tobytes())


def test_finds_the_hidden_signal(finished):
    _, _, result = finished
    assert result.local_p.is_limit
    assert result.global_p == result.local_p
    assert result.best.statistic > 3 * result.best.toy_interval[1]


def test_result_json_says_what_was_fixed_before_the_data(finished):
    result = json.loads((finished[1] / "result.json").read_text())
    assert result["search"] == "recoil"
    fixed = result["cross_checks"]["fixed before the data"]
    assert fixed["ratio"] in (0.1, 10)
    assert fixed["statistic"] == "excess"
    assert {row["test"] for row in result["cross_checks"]["sensitivity"]} == {
        "anomaly function",
        "2-D template, cells",
        "2-D template, −ln f0 as score",
        "signal-aware likelihood",
    }


def test_the_report_shows_pulses_bands_latent_space_and_sensitivity(finished):
    figures = {path.stem for path in (finished[1] / "figures").glob("*.png")}
    power = {"choice_of_ratio", "sensitivity_50_GeV"}
    assert figures == power | {"anomaly_score", "toys", "pulses", "bands", "latent", "predictive"}
    tables = {path.stem for path in (finished[1] / "tables").iterdir()}
    assert {"sensitivity", "backgrounds", "classifier", "choice", "statistics", "cut_flow", "checks"} == tables
    page = (finished[1] / "report.html").read_text()
    assert "Fixed before the data" in page
    assert "arXiv:1309.7024" in page


def test_a_killed_run_goes_on_with_the_same_bits(finished, monkeypatch):
    config, folder, _ = finished
    (folder / "tasks/pools/00001.npz").unlink()
    (folder / "tasks/test/00000.npz").write_bytes(b"half a file")
    before = without_timings(folder)
    monkeypatch.setattr(sys.modules["serendip.search.recoil"], "recoil_panels", lambda found: ([], []))
    recoil(config, folder)
    assert without_timings(folder) == before


def test_shards_stop_where_they_need_each_other_and_end_alike(finished, tmp_path):
    config, folder, _ = finished
    other = tmp_path / "sharded"
    assert recoil(config, other, shard=(1, 2)) is None  # the autoencoder alone
    assert not (other / "tasks/judge").exists()
    for name in ("train", "judge"):
        for path in (folder / "tasks" / name).glob("*.npz"):
            (other / "tasks" / name).mkdir(exist_ok=True)
            (other / "tasks" / name / path.name).write_bytes(path.read_bytes())
    assert recoil(config, other, shard=(0, 2)) is None
    done = sorted(path.stem for path in (other / "tasks/pools").glob("*.npz"))
    assert done == ["00000", "00002"]
    assert (other / "tasks/pools/00000.npz").read_bytes() == (folder / "tasks/pools/00000.npz").read_bytes()


def test_pools_do_not_depend_on_who_scores_them(finished):
    trained = models(finished)
    again = pool_task(trained, 1)
    stored = task(finished[1], "pools", 1)
    assert np.array_equal(again["h_b"], stored["h_b"])
    assert again["simulated"] == stored["simulated"]


def test_expected_numbers_follow_exposure_and_cut(finished):
    config, folder, _ = finished
    p = recoil_prepared(config.analysis())
    twice = recoil_prepared.__wrapped__(small(exposure=4).analysis())
    kind = p.kinds[0]
    assert twice.deposits(kind.sources) == pytest.approx(2 * p.deposits(kind.sources))
    table = (folder / "tables/backgrounds.csv").read_text().splitlines()
    pp = float(next(line for line in table if line.startswith("pp")).split(",")[2])
    assert pp == pytest.approx(2 * 8 * 3.0 * 0.98, rel=0.07)  # t y, keV, /(t y keV), a shape that falls a little


def test_accidental_pairs_are_a_kind_of_their_own():
    p = recoil_prepared.__wrapped__(small(backgrounds={"pp": {}, "accidentals": {"scale": 2}}).analysis())
    assert [kind.name for kind in p.searched] == ["electron recoils", "accidental pairs"]
    once = recoil_prepared.__wrapped__(small(backgrounds=["pp", "accidentals"]).analysis())
    assert p.deposits(p.searched[1].sources) == pytest.approx(2 * once.deposits(once.searched[1].sources))
    assert p.searched[1].uncertainty == 0.2


def test_accidental_data_of_a_small_exposure_are_poisson_numbers():
    p = recoil_prepared.__wrapped__(small(exposure=0.05, backgrounds=["pp", "accidentals"]).analysis())
    numbers = [len(_accidental_data(p, seed)) for seed in range(8)]
    assert 0 in numbers  # 0.1 are expected
    assert sum(numbers) < 8


def test_too_few_data_to_compare_fail_the_gate_and_not_the_run():
    found = Mock(spec=RecoilFindings)
    found.p, found.scores = Mock(), Mock()
    found.p.config.gate.max_mismatch_auc = 0.55
    found.scores.columns.return_value = {"elbo": np.zeros(49)}
    check = simulation_like_data(found)
    assert not check.passed
    assert check.value == 49


def test_the_signal_has_the_number_of_events_that_wimprates_gives(finished):
    """172 of 50 GeV at 6.5e-48 cm² in 200 t y, 2–10 keV; here after the simulated detector's cuts."""
    strengths, events = (task(finished[1], "sensitivity")[key] for key in ("strengths", "events"))
    assert events[-1] * (6.5e-48 / strengths[-1]) * (200 / 2) == pytest.approx(172, rel=0.05)


def scores(seed=1, background=40_000, shift=2.0):
    """Scored events that nobody trained for: a Gaussian background, a shifted signal, no data."""
    config = small(exposure=20, seed=seed, anomaly__ratios=[0.0, 1.0], anomaly__cross_section=1e-47, test__toys=2000)
    p = recoil_prepared.__wrapped__(config.analysis())
    rng, parts = rng_for(seed, "scores"), []
    for kind, _ in places(p):
        n = background if kind.name == "electron recoils" else 4000
        nuclear = kind.name != "electron recoils"
        h_b = rng.normal(size=n) + shift * nuclear
        columns = {"elbo": rng.normal(size=n), "h_b": h_b, "cs1": rng.uniform(10, 60, n)}
        columns |= {"cs2": np.exp(8 - 0.3 * h_b), "energy": rng.uniform(2, 10, n)}
        parts.append({"kind": kind.name, "simulated": 2 * n, "flow": {}, **columns})
    return Scores.of(config.analysis(), parts, [])


def test_the_choice_takes_the_term_that_knows_the_signal():
    chosen = choose_task(scores(), 0)
    assert chosen["ratio"] == 1.0  # the other term is noise, and 0 is that alone
    assert chosen["z"][0, 1, 0, 1] > chosen["z"][0, 0, 0, 1] + 0.5


@pytest.mark.slow
def test_p_of_background_alone_is_uniform():
    p = np.concatenate([background_p_values(scores(seed).with_choice(1.0, 1.0).open) for seed in (1, 2)])
    assert abs(np.mean(p) - 0.5) < 4 * np.sqrt(1 / 12 / len(p))
    assert abs(np.mean(p < 0.1) - 0.1) < 4 * np.sqrt(0.09 / len(p))


def test_no_event_of_the_density_is_in_a_toy():
    opened = scores().with_choice(1.0, 1.0).open
    density, toys = (opened.backgrounds(part)[0].column("elbo") for part in ("density", "toys"))
    assert not np.intersect1d(density, toys).size
    assert len(density) + len(toys) == 40_000


def test_without_data_the_sensitivity_is_all_there_is():
    found = test_task(scores().with_choice(1.0, 1.0), 0)
    assert not [key for key in found if "observed" in key]


def test_calibration_events_take_the_place_of_simulated_ones(finished):
    """Their weights give them the energies of the background."""
    config = small(calibration={"simulate": 3000})
    rng = rng_for(1, "calibration")
    parts = [task(finished[1], "pools", i) for i in range(len(places(recoil_prepared(SMALL_JSON))))]
    n = 3000
    sample = {name: rng.normal(size=n) for name in ("elbo", "h_b")} | {"cs1": np.full(n, 9.0), "cs2": np.full(n, 99.0)}
    sample["energy"] = 2 + 8 * rng.random(n) ** 1.3
    opened = Scores.of(config.analysis(), parts, [{"sample": "calibration", **sample}]).open
    kind = opened.p.kinds[0]
    pool = opened.pool(kind)
    assert len(pool) == n
    assert pool.expected == pytest.approx(opened.expected(kind))
    assert pool.share @ pool.column("energy") == pytest.approx(opened.columns(kind.name)["energy"].mean(), abs=0.05)


def test_counts_are_judged_with_their_uncertainty():
    assert count_p(130, 100, 0.0) < 0.01
    assert count_p(130, 100, 0.2) > 0.1
    assert count_p(100, 100, 0.0) == 1.0


def test_classifier_scores_are_those_of_a_small_example():
    log_odds, is_nr = np.array([2.0, 1.0, -1.0, -2.0, 3.0]), np.array([True, True, True, False, False])
    found = classifier_scores(log_odds, is_nr)
    assert found["accuracy"] == 0.6
    assert found["recall"] == pytest.approx(2 / 3)
    assert found["precision"] == pytest.approx(2 / 3)
    assert found["leakage"] == 0.5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"backgrounds": ["cevns_b8"]}, "backgrounds: Got none that reaches selection.energy"),
        ({"data": {"path": "nowhere.h5"}}, "data.path: Got nowhere.h5, but expected a file of recordings"),
        ({"calibration": {"path": "nowhere.h5"}}, "calibration.path: Got nowhere.h5"),
        ({"detector": {"drift_field": 9000}}, "detector.drift_field: Got 9000 V/cm, but expected"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_anything_is_written(changes, message, tmp_path):
    with pytest.raises(InputError, match=message):
        recoil(small(**changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


SMALL_JSON = small().analysis()
