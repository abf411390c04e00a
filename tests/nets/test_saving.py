import json
import subprocess
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from serendip.errors import InputError
from serendip.nets import saving
from serendip.nets.mlp import Mlp
from serendip.nets.saving import load, save, saved_settings

SETTINGS = {"widths": [3, 4, 1]}
IN_ANOTHER_PROCESS = """
import sys, jax, numpy as np
from serendip.nets.mlp import Mlp
from serendip.nets.saving import load
model = load(sys.argv[1], lambda s: Mlp(tuple(s["widths"]), jax.random.key(7)), "mlp")
np.save(sys.argv[2], np.asarray(model(np.ones((5, 3), np.float32))))
"""


def build(settings, seed=0):
    return Mlp(tuple(settings["widths"]), jax.random.key(seed))


@pytest.fixture
def path(tmp_path):
    save(tmp_path / "model.npz", build(SETTINGS), SETTINGS, "mlp")
    return tmp_path / "model.npz"


def test_loads_bit_for_bit_in_another_process(path, tmp_path):
    out = tmp_path / "out.npy"
    subprocess.run([sys.executable, "-c", IN_ANOTHER_PROCESS, path, out], check=True)
    assert np.array_equal(np.load(out), build(SETTINGS)(np.ones((5, 3), np.float32)))


def test_replaces_every_array_of_what_is_built(path):
    assert eqx.tree_equal(load(path, lambda s: build(s, seed=3)), build(SETTINGS))
    assert saved_settings(path, "mlp") == SETTINGS


def test_keeps_types(tmp_path):
    tree = {"scale": np.array([1 / 3]), "mask": jnp.array([True, False]), "order": jnp.arange(3), "name": "x"}
    save(tmp_path / "tree.npz", tree, {}, "tree")
    empty = {"scale": np.zeros(1), "mask": jnp.zeros(2, bool), "order": jnp.zeros(3, int), "name": "x"}
    loaded = load(tmp_path / "tree.npz", lambda _: empty)
    assert isinstance(loaded["scale"], np.ndarray)
    assert loaded["scale"].dtype == np.float64
    assert loaded["scale"][0] == 1 / 3
    assert loaded["mask"].tolist() == [True, False]
    assert loaded["name"] == "x"


def test_holds_no_objects(path):
    with np.load(path, allow_pickle=False) as file:
        assert all(not file[name].dtype.hasobject for name in file.files)


def test_names_a_file_of_another_version(path, monkeypatch):
    monkeypatch.setattr(saving, "FORMAT", 2)
    with pytest.raises(InputError, match="format 1, but this version reads format 2"):
        load(path, build)


def test_names_a_model_of_another_kind(path):
    with pytest.raises(InputError, match="kind 'mlp', but expected 'flow'"):
        load(path, build, "flow")


def test_names_arrays_that_do_not_fit(path):
    with pytest.raises(InputError, match="do not fit the model"):
        load(path, lambda _: build({"widths": [3, 5, 1]}))
    with pytest.raises(InputError, match="do not fit the model"):
        load(path, lambda _: build({"widths": [3, 4, 4, 1]}))


def test_names_a_file_that_is_missing_or_broken(path, tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load(tmp_path / "none.npz", build)
    whole = path.read_bytes()
    for content in (b"", b"not a model", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(InputError, match="cannot be read as a model"):
            load(path, build)
    np.savez(path, x=np.ones(3))
    with pytest.raises(InputError, match="cannot be read as a model"):
        load(path, build)
    np.savez(path, header=np.array(json.dumps([1])))
    with pytest.raises(InputError, match="cannot be read as a model"):
        load(path, build)


def test_a_failed_write_leaves_the_old_file(path):
    before = path.read_bytes()
    with pytest.raises(TypeError):
        save(path, build(SETTINGS), {"function": build}, "mlp")
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["model.npz"]
