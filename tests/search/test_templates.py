"""Background templates, simulation and the density null, through whole small searches."""

from dataclasses import replace

import numpy as np
import pytest

from serendip.config import make_config
from serendip.errors import ConfigError, InputError
from serendip.run.nulls import DensitySampler
from serendip.score.weak import Cathode
from serendip.search import resonance
from serendip.search.evaluate import evaluate
from serendip.search.gate import features_know_the_mass, sculpting_in_toys, templates_describe_background
from serendip.search.gate_null import toys_look_like_data
from serendip.search.prepare import prepared
from serendip.search.scan import Scan, anomalies, draw_toy, observed
from serendip.search.template_quality import TemplateQuality, control_quality, control_window, true_quality
from tests.search.conftest import small

TREES = {"name": "trees", "members": 2, "iterations": 8}
CURTAINS = {"name": "curtains", "folds": 2, "density": {"name": "quantiles"}, "classifier": TREES}
CATHODE = {"name": "cathode", "folds": 2, "density": {"name": "gaussian"}, "classifier": TREES}
SHIFTED = {"background": 16_000, "signal": 0, "mass_correlation": 0.1, "seed": 3}


def check(result, name):
    return next(one for one in result.checks if one.name == name)


@pytest.fixture(scope="module")
def shifted(tmp_path_factory):
    """A search of features that move with the mass, by a method and with toys that model it."""
    config = small(
        method=CATHODE | {"name": "cwola_decorrelated", "density": {"name": "quantiles"}},
        data__simulate=SHIFTED,
        null={"generator": "density", "density": {"epochs": 4}, "toys": 4},
    )
    return resonance(config, tmp_path_factory.mktemp("shifted") / "run")


def test_a_template_that_ignores_the_mass_is_caught(tmp_path):
    config = small(
        method=CATHODE | {"density": {"name": "gaussian", "degree": 0}}, data__simulate=SHIFTED, null__toys=0
    )
    found = check(resonance(config, tmp_path / "run"), "background template")
    assert not found.passed
    assert found.value > 0.55


def test_features_that_move_are_no_fault_where_methods_and_toys_follow(shifted):
    found = check(shifted, "features know the mass")
    assert found.value > 0.53
    assert found.passed
    assert check(shifted, "background template").passed


def test_toys_of_a_density_are_held_against_the_data(shifted):
    found = check(shifted, "null density")
    assert 0.48 < found.value < 0.56


def test_toys_unlike_the_data_are_caught():
    config = small(null={"generator": "density", "density": {"name": "gaussian"}, "toys": 3})
    p = prepared(config.analysis())
    assert not toys_look_like_data(p, scan_of(p, 0.0)).passed  # the features are no normal distribution


class BlindDensity:
    """Features of the data, whatever the mass."""

    def __init__(self, x):
        self.x = x

    def sample(self, m, seed):
        return self.x[np.random.default_rng(seed).integers(len(self.x), size=len(m))]


def test_toys_that_are_right_on_the_whole_and_wrong_at_a_mass_are_caught():
    config = small(data__simulate=SHIFTED, null={"generator": "density", "density": {"name": "gaussian"}, "toys": 3})
    p = prepared(config.analysis())
    blind = replace(p, events=p.events)
    blind.__dict__["null"] = DensitySampler(p.events, p.edges, p.uncut_fit.expected, BlindDensity(p.events.x()))
    found = toys_look_like_data(blind, scan_of(p, 0.0))
    assert found.value > 0.6
    assert not found.passed


def scan_of(p, z):
    """A scan with this Z everywhere."""
    values = np.full((len(p.config.method), len(p.windows), len(p.config.cuts)), z)
    return Scan(values, *([values] * 5), converged=np.ones(values.shape, dtype=bool))


def test_a_deficit_in_toys_is_as_grave_as_an_excess():
    p = prepared(small().analysis())
    for mean, passes in ((-2.0, False), (0.0, True), (2.0, False)):
        noise = np.random.default_rng(1).normal(mean, 1, 50)
        assert sculpting_in_toys(p, scan_of(p, 0.0), [scan_of(p, z) for z in noise]).passed is passes


def quality(auc, error=0.005):
    return TemplateQuality(auc, error, np.zeros((2, 4)), 1.0)


def test_the_control_beside_the_best_window_counts_by_itself():
    p = prepared(small(method=CATHODE).analysis())
    data = scan_of(p, 0.0)
    data.z[0, 1, 0] = 5.0
    fine, bad = quality(0.505), quality(0.60)
    count = len(p.windows)
    assert templates_describe_background(p, data, [fine] * count)[0].passed
    assert not templates_describe_background(p, data, [bad if i == 1 else fine for i in range(count)])[0].passed
    # A signal in the best window spoils the control of its neighbour, which is that window: not the template's fault.
    touched = [i for i, window in enumerate(p.windows) if control_window(p, window) == p.windows[1]]
    assert touched
    spoiled = [bad if i in touched else fine for i in range(count)]
    assert templates_describe_background(p, data, spoiled)[0].passed
    assert not templates_describe_background(p, data, [bad] * count)[0].passed
    assert templates_describe_background(p, data, [quality(0.53, 0.02)] * count)[0].passed


def test_a_control_needs_events_on_both_sides():
    config = small(mass__range=[2900, 4500], windows=[[3300, 4000]], method=CATHODE)
    p = prepared(config.analysis())
    assert control_window(p, p.windows[0]) is None
    nothing = control_quality(p, config.method[0], p.windows[0], 0)
    assert np.isnan(nothing.auc)
    found = templates_describe_background(p, scan_of(p, 0.0), [nothing])[0]
    assert not found.passed
    assert "widen mass.range" in found.detail


@pytest.fixture
def file_of_background(tmp_path):
    """Simulated dijet events in a file."""
    events = prepared(small(data__simulate={"background": 20_000, "seed": 8}).analysis()).events
    path = tmp_path / "background.csv"
    table = np.column_stack([events.m, events.x()])
    np.savetxt(path, table, delimiter=",", header="mjj," + ",".join(events.columns), comments="", fmt="%.17g")
    return path


def test_toys_share_no_event_with_the_simulation(file_of_background):
    config = small(
        method={"name": "salad", "classifier": TREES},
        reference={"path": str(file_of_background)},
        simulation={"path": str(file_of_background), "features": {"mj_light": "1.05 * mj_light"}},
        null={"generator": "reference", "toys": 3},
    )
    p = prepared(config.analysis())
    assert not np.isin(p.simulation.m, p.null_reference.m).any()
    assert len(p.simulation) == pytest.approx(len(p.null_reference), rel=0.1)


def test_a_simulation_that_holds_the_data_is_refused(file_of_background):
    config = small(
        data={"path": str(file_of_background)},
        method={"name": "salad", "classifier": TREES},
        simulation={"path": str(file_of_background), "features": {"mj_light": "1.05 * mj_light"}},
    )
    with pytest.raises(InputError, match=r"simulation\.path: Got \d+ events that are in the data too"):
        prepared(config.analysis())


def test_moving_features_are_a_fault_for_toys_that_shuffle_the_mass():
    config = small(method=CATHODE, data__simulate=SHIFTED)
    assert not features_know_the_mass(prepared(config.analysis()), np.array([0.6, 0.6, 0.6])).passed


def test_the_control_window_lies_beside_and_keeps_a_sideband():
    p = prepared(small().analysis())
    first, last = p.windows[0], p.windows[-1]
    assert control_window(p, first).low == first.high
    assert control_window(p, last).high == last.low


def test_a_toy_of_a_density_is_new_in_features_and_mass():
    config = small(null={"generator": "density", "density": {"name": "gaussian"}, "toys": 3})
    p = prepared(config.analysis())
    first, second = draw_toy(p, 0), draw_toy(p, 1)
    assert not np.isin(first.sample.x()[:, 0], p.events.x()[:, 0]).any()
    assert not np.isin(second.sample.x()[:, 0], first.sample.x()[:, 0]).any()
    assert first.truth is not None
    assert not first.truth.is_signal.any()
    again = draw_toy(p, 0)
    assert np.array_equal(again.sample.x(), first.sample.x())


def test_features_of_a_toy_are_forgotten_when_the_next_one_comes():
    config = small(null={"generator": "density", "density": {"name": "gaussian"}, "toys": 3})
    p = prepared(config.analysis())
    method = p.config.method[0].make(1)
    for index in range(3):
        p.features(draw_toy(p, index).sample, method)
        p.features(p.events, method)
    assert len(p._features) <= 2


def test_shared_folds_learn_one_density(monkeypatch):
    learned = []
    learn = Cathode.learn
    monkeypatch.setattr(Cathode, "learn", lambda *a, **k: learned.append(len(a[2])) or learn(*a, **k))
    for share, expected in ((True, 1), (False, 2)):
        learned.clear()
        config = small(method=CATHODE | {"share": share})
        p = prepared(config.analysis())
        anomalies(p, observed(p), config.method[0], p.windows[1], "data", 0)
        assert len(learned) == expected
    assert learned[0] < len(p.events)


def test_a_search_refuses_folds_that_share_a_density(tmp_path):
    with pytest.raises(ConfigError, match=r"method\.share: Got true for cathode, but expected false in a search"):
        resonance(small(method=CATHODE | {"share": True}), tmp_path / "run")


def test_sharing_is_refused_where_nothing_is_learned():
    with pytest.raises(ConfigError, match=r"share: Got true, but cwola learns no density"):
        small(method={"name": "cwola", "share": True})


def test_a_simulation_is_set_aside_and_distorted():
    config = small(
        data__simulate={"background": 16_000, "seed": 3},
        windows=[[2900, 3300], [3300, 3700]],
        method={"name": "salad", "folds": 2, "classifier": TREES},
        simulation={"split": 0.3, "features": {"mj_light": "2 * mj_light"}},
    )
    p = prepared(config.analysis())
    assert p.simulation is not None
    assert len(p.simulation) / (len(p.events) + len(p.simulation)) == pytest.approx(0.3, abs=0.03)
    plain = prepared(small(data__simulate={"background": 16_000, "seed": 3}).analysis()).events
    assert np.isin(p.simulation.columns["dmj"], plain.columns["dmj"]).all()
    assert np.isin(p.simulation.columns["mj_light"] / 2, plain.columns["mj_light"]).all()
    assert not np.isin(p.simulation.columns["dmj"], p.events.columns["dmj"]).any()
    assert np.isfinite(anomalies(p, observed(p), config.method[0], p.windows[1], "data", 0)).all()


def test_a_simulation_without_a_feature_is_named(tmp_path):
    rng = np.random.default_rng(1)
    path = tmp_path / "simulated.csv"
    np.savetxt(path, rng.uniform(2600, 6000, (50, 2)), delimiter=",", header="mjj,mj_light", comments="")
    config = small(method={"name": "salad", "classifier": TREES}, simulation={"path": str(path)})
    with pytest.raises(InputError, match=r"simulation: .*(dmj|tau21_1)"):
        prepared(config.analysis())


def test_a_method_that_needs_simulation_says_so():
    with pytest.raises(ConfigError, match="simulation: Got none, but salad needs simulated background"):
        small(method={"name": "salad"})


def test_an_override_of_no_feature_is_refused():
    config = small(
        method={"name": "salad", "classifier": TREES}, simulation={"split": 0.3, "features": {"mj_ligth": "mj_light"}}
    )
    with pytest.raises(ConfigError, match=r"simulation.features: .*mj_ligth.*Did you mean 'mj_light'"):
        prepared(config.analysis())


def test_settings_that_a_method_has_not_are_refused():
    for method, message in (
        ({"name": "cathode", "oversmaple": 3}, "Did you mean 'oversample'"),
        ({"name": "kde", "classifier": {"name": "trees"}}, "classifier: Got trees, but kde has none"),
        ({"name": "cwola", "density": {"name": "maf"}}, "density: Got maf, but cwola has none"),
        ({"name": "cathode", "density": {"bloks": 3}}, "Did you mean 'blocks'"),
        ({"name": "cwola_decorrelated", "share": True, "halves": True}, "has seen both halves"),
    ):
        with pytest.raises(ConfigError, match=message):
            small(method=method)


def test_settings_of_the_null_density_are_checked_at_once():
    with pytest.raises(ConfigError, match="Did you mean 'epochs'"):
        small(null={"generator": "density", "density": {"epoch": 4}, "toys": 3})


def test_features_of_groups_are_named():
    config = small(method={"name": "tag_n_train", "groups": [["mj_light", "tau21_1"], ["dmj"]]})
    assert config.method[0].make(1, list(config.features)).groups == [[0, 2], [1]]


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """Methods of three families on labelled events."""
    folder = tmp_path_factory.mktemp("evaluate") / "run"
    config = make_config(
        small().resolved()
        | {
            "windows": [[3300, 3700]],
            "method": [CURTAINS, {"name": "kde", "folds": 2}, {"name": "cwola", "folds": 2, "classifier": TREES}],
            "evaluate": {"min_background": 10, "coordinates": True},
        }
    )
    return config, folder, evaluate(config, folder)


def test_evaluate_says_how_good_templates_are(evaluated):
    _, folder, metrics = evaluated
    template = metrics["methods"]["curtains"]["template"]
    assert 0.45 < template["truth"]["auc"] < 0.6
    assert set(template["control"]["pulls"]) == {"mj_light", "dmj", "tau21_1", "tau21_2"}
    assert metrics["methods"]["kde"]["template"] is None
    assert (folder / "tables" / "templates.csv").exists()
    assert "Background templates" in (folder / "report.html").read_text()


def test_evaluate_warns_of_what_outlier_scores_cannot_do(evaluated):
    _, folder, metrics = evaluated
    outlier = metrics["methods"]["kde"]["outlier"]
    assert metrics["methods"]["curtains"]["outlier"] is None
    assert outlier["dimension_ratio"] == pytest.approx(1, abs=0.5)
    assert min(outlier["coordinates"].values()) < 0.95
    assert any("coordinates" in warning for warning in outlier["warnings"])
    assert "What the outlier scores see" in (folder / "report.html").read_text()


def test_a_latent_scan_is_drawn_where_it_is_asked_for(tmp_path):
    network = {"name": "autoencoder", "folds": 2, "hidden": [8], "epochs": 2}
    config = make_config(
        small().resolved()
        | {"windows": [[3300, 3700]], "method": [network], "evaluate": {"min_background": 10, "latent_sizes": [1, 3]}}
    )
    latent = evaluate(config, tmp_path / "run")["methods"]["autoencoder"]["outlier"]["latent"]
    assert latent["sizes"] == [1, 3]
    assert len(set(latent["loss"])) == 2
    assert all(0 <= auc <= 1 for auc in latent["auc"])
    assert (tmp_path / "run" / "figures" / "latent_0.png").exists()


def test_a_template_is_judged_by_background_alone(evaluated):
    config, _, _ = evaluated
    p = prepared(config.analysis())
    quality = true_quality(p, config.method[0], p.windows[0])
    assert quality.pulls.shape == (2, 4)
    assert 0.45 < quality.auc < 0.6
