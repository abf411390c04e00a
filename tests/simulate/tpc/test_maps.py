"""Maps: analytic ones keep their mean, XENON's files load, and other geometries are refused."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from serendip.errors import InputError
from serendip.seeds import rng_for
from serendip.simulate.tpc import DARWIN
from serendip.simulate.tpc.light import LightCollection
from serendip.simulate.tpc.maps import read_map, tabulate_map, uniform_map
from serendip.simulate.tpc.steps import make_steps

XENON1T = replace(DARWIN, name="xenon1t", radius=47.9, height=97.0, pmts=127, drift_field=82.0)
DATA = Path(os.environ.get("SERENDIP_DATA") or Path(__file__).parents[4] / "shared" / "data") / "xenon"
S1_MAP = DATA / "XENON1T_s1_xyz_ly_kr83m_SR1_pax-6101_fdc-3d_v1.1.json"
S2_MAP = DATA / "XENON1T_s2_xy_ly_SR1_v2.2.json"
needs_data = pytest.mark.skipif(not S1_MAP.exists(), reason="needs SERENDIP_DATA")


def places(detector, n: int = 20_000):
    rng = rng_for(1, "places")
    r, angle = detector.radius * np.sqrt(rng.random(n)), 2 * np.pi * rng.random(n)
    return r * np.cos(angle), r * np.sin(angle), -detector.height * rng.random(n)


def write(path: Path, **content) -> Path:
    path.write_text(json.dumps(content), "utf-8")
    return path


def test_light_collection_averages_to_g1_and_rises_with_depth():
    relative = LightCollection.of(DARWIN).relative
    assert relative(*places(DARWIN)).mean() == pytest.approx(1.0, abs=3e-3)
    zero = np.zeros(3)
    top, middle, bottom = relative(zero, zero, np.array([-1.0, -130.0, -259.0]))
    assert top < middle < bottom
    assert bottom / top == pytest.approx(1.25 / 0.85, rel=0.01)


def test_values_between_nodes_are_linear_and_beyond_the_edge_those_of_the_edge():
    plane = tabulate_map(lambda x, y, z: 2 + 0.001 * x - 0.002 * y + 0.003 * z, DARWIN)
    x, y, z = places(DARWIN)
    expected = 2 + 0.001 * x - 0.002 * y + 0.003 * z
    ratio = plane(x, y, z) / expected
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-12)
    edge = np.array([0.0])
    np.testing.assert_array_equal(plane(edge + 200, edge, edge), plane(edge + 130, edge, edge))
    assert np.all(uniform_map(DARWIN)(x, y, z) == 1)


@needs_data
@pytest.mark.parametrize(
    ("path", "name", "mean"), [(S1_MAP, None, 0.991), (S1_MAP, "map_nn_tf", 0.991), (S2_MAP, None, 0.937)]
)
def test_xenon1t_maps_load_as_user_maps(path, name, mean):
    content = json.loads(path.read_text("utf-8"))
    values = np.asarray(content[name or ("map" if "map" in content else "map_nn")], float).ravel()
    points = np.asarray(content["coordinate_system"], float)
    read = read_map(path, XENON1T, name)
    x, y = points[:, 0], points[:, 1]
    z = points[:, 2] if points.shape[1] == 3 else np.full(len(x), -10.0)
    inside = (np.hypot(x, y) < 40) & (z < -5) & (z > -90)
    ratio = read(x, y, z)[inside] / values[inside]
    assert np.std(ratio) < 0.02
    assert 1 / ratio.mean() == pytest.approx(mean, abs=0.06)
    assert read(*places(XENON1T)).mean() == pytest.approx(1.0, abs=3e-3)


@needs_data
def test_a_map_of_another_detector_is_refused_with_both_extents():
    with pytest.raises(
        InputError, match=r"47\.5\d+ cm from the axis and z from -96\.25 to -1\.75 cm, but expected 130 cm"
    ):
        read_map(S1_MAP, DARWIN)
    with pytest.raises(InputError, match="z from -120 to 0 cm as detector 'xenon1t'"):
        read_map(S1_MAP, replace(XENON1T, height=120.0))
    with pytest.raises(InputError, match=r"47.421 cm from the axis, but expected 130 cm as"):
        read_map(S2_MAP, DARWIN)


def test_regular_maps_are_linear_between_their_axes(tmp_path):
    axes = [["x", [-130, 130, 14]], ["y", [-130, 130, 14]], ["z", [-260, 0, 5]]]
    x, _y, z = np.meshgrid(*(np.linspace(low, high, n) for _, (low, high, n) in axes), indexing="ij")
    path = write(tmp_path / "map.json", coordinate_system=axes, map=(3 + x / 130 + z / 260).ravel().tolist())
    read, at = read_map(path, DARWIN), places(DARWIN, 500)
    ratio = read(*at) / (3 + at[0] / 130 + at[2] / 260)
    np.testing.assert_allclose(ratio, ratio.mean(), rtol=2e-3)  # two grids, each linear


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"map": [1.0]}, "without `coordinate_system`"),
        ({"coordinate_system": [[0, 0]], "name": "x"}, "expected one that begins with `map`"),
        ({"coordinate_system": [[130, 0, 0], [0, 0, -260]], "map": [1.0]}, "Got 1 values for 2 places"),
        ({"coordinate_system": [[130, 0, 0], [0, 0, -260]], "map": [1.0, float("nan")]}, "not finite"),
        ({"coordinate_system": [[130, 0, 0], [0, 0, -260]], "map": [1.0, -2.0]}, "not above 0"),
        ({"coordinate_system": [[1, 2, 3, 4]], "map": [1.0]}, "cannot be read"),
        ({"coordinate_system": [["x", [0, 1]]], "map": [1.0]}, "cannot be read"),
        ({"coordinate_system": [], "map": []}, "cannot be read"),
    ],
)
def test_maps_that_cannot_be_are_refused(tmp_path, content, said):
    with pytest.raises(InputError, match=said):
        read_map(write(tmp_path / "map.json", **content), DARWIN)


def test_names_the_maps_of_a_file_where_another_is_asked_for(tmp_path):
    path = write(tmp_path / "map.json", coordinate_system=[[130, 0, -130]], map_top=[1.0], map_bottom=[1.0])
    with pytest.raises(InputError, match=r"Got map 'map_tp'.* Did you mean 'map_top'"):
        read_map(path, DARWIN, "map_tp")
    with pytest.raises(InputError, match="no readable file"):
        read_map(tmp_path / "none.json", DARWIN)
    (tmp_path / "text.json").write_text("x y z", "utf-8")
    with pytest.raises(InputError, match="Got no JSON"):
        read_map(tmp_path / "text.json", DARWIN)


@needs_data
def test_a_detector_that_names_its_maps_is_simulated_with_them():
    pytest.importorskip("nestpy")
    named, given = (
        make_steps(replace(XENON1T, s1_map=str(S1_MAP), s2_map=str(S2_MAP))),
        make_steps(XENON1T, S1_MAP, S2_MAP),
    )
    np.testing.assert_array_equal(named.light.relative.values, given.light.relative.values)
    np.testing.assert_array_equal(named.gas.relative.values, given.gas.relative.values)
    assert not np.array_equal(named.light.relative.values, make_steps(XENON1T).light.relative.values)
