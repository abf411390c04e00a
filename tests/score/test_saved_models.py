"""What is learned survives a file, another process, a crash in training, and a loss that diverges."""

import subprocess
import sys

import jax
import numpy as np
import pytest

from serendip.errors import InputError
from serendip.nets import DivergedError, Trees, saving
from serendip.score.flow_density import FlowDensity
from serendip.score.matching_density import MatchingDensity
from serendip.score.networks import Network
from serendip.score.outlier import Autoencoder, NormalisedAutoencoder, Vae

COMPILED: list[str] = []
jax.monitoring.register_event_duration_secs_listener(lambda name, *_, **__: COMPILED.append(name))

SMALL = {"hidden": (8,), "epochs": 2, "batch": 128}
FLOW = {"blocks": 1, "hidden": 8, "layers": 1, "batch": 64}
NETWORK = {"members": 2, "hidden": (8,), "epochs": 4, "best": 2, "batch": 128}
CONDITIONAL = (FlowDensity, MatchingDensity)
LEARNERS = {
    "maf that stopped early": FlowDensity(**FLOW, epochs=30, patience=1, learning_rate=0.1, schedule="constant"),
    "flow matching": MatchingDensity(**SMALL, steps=4),
    "network": Network(**NETWORK, activation="silu"),
    "trees": Trees(members=2, iterations=4),
    "autoencoder": Autoencoder(**SMALL, latent=1),
    "vae": Vae(**SMALL, latent=1, flow=1),
    "normalised autoencoder": NormalisedAutoencoder(**SMALL, latent=1, pretraining=1),
}
IN_ANOTHER_PROCESS = """
import sys
import numpy as np
from pathlib import Path
import serendip.nets, serendip.score.flow_density, serendip.score.matching_density, serendip.score.networks
from serendip.score import outlier
score = serendip.score
kinds = {kind.__name__: kind for kind in (
    serendip.nets.Trees, score.networks.Network, score.flow_density.FlowDensity, score.matching_density.MatchingDensity,
    outlier.Autoencoder, outlier.Vae, outlier.NormalisedAutoencoder)}
folder = Path(sys.argv[1])
x, m = np.load(folder / "x.npy"), np.load(folder / "m.npy")
for path in sorted(folder.glob("*.npz")):
    learner = kinds[path.stem.split()[0]].load(path)
    if hasattr(learner, "log_prob"):
        found = learner.log_prob(x, m)
    else:
        found = getattr(learner, "anomaly_score", getattr(learner, "score", None))(x)
    np.save(path.with_suffix(".npy"), found)
"""


def sample(n=1200, seed=0):
    rng = np.random.default_rng(seed)
    m = rng.exponential(1.0, n)
    return np.column_stack([rng.normal(size=n) + m, np.exp(0.5 * rng.normal(size=n)), rng.normal(size=n)]), m


def learn(learner):
    x, m = sample()
    if isinstance(learner, CONDITIONAL):
        return learner.fit(x, m)
    return learner.fit(x, x[:, 0] > m) if isinstance(learner, (Network, Trees)) else learner.fit(x)


def scores(learner, x, m):
    if isinstance(learner, CONDITIONAL):
        return learner.log_prob(x, m)
    return learner.score(x) if isinstance(learner, (Network, Trees)) else learner.anomaly_score(x)


@pytest.fixture(scope="module")
def learned():
    return {name: learn(learner) for name, learner in LEARNERS.items()}


def test_load_bit_for_bit_in_another_process(learned, tmp_path):
    x, m = sample(300, seed=5)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "m.npy", m)
    files = {name: tmp_path / f"{type(learner).__name__} {name}.npz" for name, learner in learned.items()}
    for name, file in files.items():
        learned[name].save(file)
    subprocess.run([sys.executable, "-c", IN_ANOTHER_PROCESS, tmp_path], check=True)
    for name, file in files.items():
        assert np.array_equal(np.load(file.with_suffix(".npy")), scores(learned[name], x, m)), name


def test_a_file_of_another_kind_or_version_is_named(learned, tmp_path, monkeypatch):
    for name, learner in learned.items():
        path, other = tmp_path / f"{name}.npz", Network if name == "trees" else Trees
        learner.save(path)
        with pytest.raises(InputError, match=r"Got a model of kind .*, but expected"):
            other.load(path)
    monkeypatch.setattr(saving, "FORMAT", 2)
    for name, learner in learned.items():
        with pytest.raises(InputError, match="format 1, but this version reads format 2"):
            type(learner).load(tmp_path / f"{name}.npz")


def test_settings_of_another_version_are_named(learned, tmp_path, monkeypatch):
    monkeypatch.setattr(Network, "get_params", lambda self: NETWORK | {"residual": True})
    learned["network"].save(tmp_path / "network.npz")
    with pytest.raises(InputError, match=r"does not know .*residual"):
        Network.load(tmp_path / "network.npz")


def test_a_killed_training_goes_on_from_its_folder(tmp_path):
    x, m = sample()
    y, folder = x[:, 0] > m, str(tmp_path / "unfinished")

    def stop_after_two(epoch, *_):
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Network(**NETWORK, checkpoint=folder).fit(x, y, progress=stop_after_two)
    epochs = []
    resumed = Network(**NETWORK, checkpoint=folder).fit(x, y, progress=lambda epoch, *_: epochs.append(epoch))
    assert epochs == [3, 4]
    assert np.array_equal(resumed.score(x), Network(**NETWORK).fit(x, y).score(x))
    # Any other training has a file of its own, be it other only in what is no array.
    other = Network(**NETWORK, dropout=0.5, checkpoint=folder).fit(x, y)
    assert np.array_equal(other.score(x), Network(**NETWORK, dropout=0.5).fit(x, y).score(x))
    Autoencoder(**SMALL, latent=1, checkpoint=folder).fit(x)
    assert len(list((tmp_path / "unfinished").iterdir())) == 3


@pytest.mark.parametrize(
    "learner",
    [Network(**NETWORK, learning_rate=1e30), Autoencoder(**SMALL, latent=1, learning_rate=1e30)],
)
def test_a_training_that_diverges_leaves_the_last_good_state(learner):
    x, m = sample()
    with pytest.raises(DivergedError, match="in epoch 1"):
        learn(learner)
    assert np.isfinite(scores(learner, x, m)).all()


def test_toys_of_other_size_do_not_compile_a_density_anew():
    density = FlowDensity(**FLOW | {"batch": 512}, epochs=1)
    density.fit(*sample(1500)).log_prob(*sample(1500))
    COMPILED.clear()
    density.fit(*sample(1900)).log_prob(*sample(1100))
    assert not any("compile" in name for name in COMPILED)
