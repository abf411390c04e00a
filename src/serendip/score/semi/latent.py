"""What the latent space of a recoil model knows, and whether what the model draws looks like data.

Truth enters here, for evaluation only. Source: arXiv:2410.00755 (energy in the latent space of a model of electron
recoils alone, for both kinds of event).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import spearmanr
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.manifold import TSNE
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from serendip.data.recordings import Recordings
from serendip.errors import InputError, require_events, unknown_name
from serendip.score.classifiers import MIN_EVENTS
from serendip.score.semi.recoil_vae import RecoilVae

DEGREE, PENALTY = 3, 1.0  # of the polynomial that reads the energy off, and of its ridge
PLANES = ("pca", "tsne")

Latent = Float[np.ndarray, "n latent"]
PerEvent = Float[np.ndarray, " n"]
Drawn = Float[np.ndarray, " drawn"]


@dataclass(frozen=True)
class EnergyScore:
    """How well the latent numbers tell the energy of one kind of event, on events that no fit saw.

    Attributes:
        r2: part of the variance of ln E that a fit to events of the same kind explains.
        rank: Spearman's correlation of E with what a fit to electron recoils predicts.
        spread: half the distance between the 16 and 84 % quantiles of ln(predicted / true), same kind.
    """

    r2: float
    rank: float
    spread: float


def latent_energy_score(latent: Latent, energy: PerEvent, is_nr: Bool[np.ndarray, " n"]) -> dict[str, EnergyScore]:
    """Fit ln E by a polynomial of the latent numbers on every second event, and judge it on the others.

    Args:
        latent: means of the posteriors.
        energy: true recoil energies, keV.
        is_nr: which are nuclear recoils.

    Returns:
        The scores under "er" and "nr".

    Raises:
        TooFewEventsError: fewer than 100 events of a kind.
        InputError: an energy is not above 0.
    """
    if not np.all(energy > 0):
        raise InputError("Got energies of 0 or less, but expected keV above 0.")
    kinds = {"er": ~is_nr, "nr": is_nr}
    require_events(MIN_EVENTS, electron_recoils=latent[~is_nr], nuclear_recoils=latent[is_nr])
    fits = {kind: _reader().fit(latent[of][::2], np.log(energy[of][::2])) for kind, of in kinds.items()}
    return {
        kind: _judged(fits[kind], fits["er"], latent[of][1::2], np.log(energy[of][1::2])) for kind, of in kinds.items()
    }


def _reader() -> Pipeline:
    return make_pipeline(StandardScaler(), PolynomialFeatures(DEGREE), StandardScaler(), Ridge(PENALTY))


def _judged(own: Pipeline, of_er: Pipeline, latent: Latent, log_energy: PerEvent) -> EnergyScore:
    low, high = np.quantile(own.predict(latent) - log_energy, (0.16, 0.84))
    rank = float(spearmanr(of_er.predict(latent), log_energy).statistic)
    return EnergyScore(float(own.score(latent, log_energy)), rank, float(high - low) / 2)


def latent_plane(latent: Latent, method: str = "pca", seed: int = 0) -> Float[np.ndarray, "n 2"]:
    """Events in a plane: the two leading principal components, or t-SNE (van der Maaten and Hinton 2008).

    Trap: t-SNE needs seconds for a thousand events, and distances between its clusters mean nothing.

    Raises:
        InputError: the method is unknown, or there are fewer than two latent numbers.
    """
    if method not in PLANES:
        raise InputError("plane: " + unknown_name("plane", method, PLANES))
    if latent.shape[1] < 2:
        raise InputError(f"Got {latent.shape[1]} latent number, but expected at least 2 for a plane.")
    scaled = StandardScaler().fit_transform(latent)
    if method == "pca":
        return PCA(2).fit_transform(scaled)
    perplexity = min(30.0, (len(latent) - 1) / 3)
    plane = TSNE(2, perplexity=perplexity, init="pca", random_state=seed % 2**32).fit_transform(scaled)
    return plane.astype(float)


def energy_plane(latent: Latent, energy: PerEvent, is_nr: Bool[np.ndarray, " n"]) -> Float[np.ndarray, "n 2"]:
    """Events in a plane: the direction that follows ln E of electron recoils most closely, and the widest across it.

    Raises:
        TooFewEventsError: fewer than 100 electron recoils.
        InputError: there are fewer than two latent numbers.
    """
    if latent.shape[1] < 2:
        raise InputError(f"Got {latent.shape[1]} latent number, but expected at least 2 for a plane.")
    require_events(MIN_EVENTS, electron_recoils=latent[~is_nr])
    direction = Ridge(PENALTY).fit(latent[~is_nr], np.log(energy[~is_nr])).coef_
    direction /= np.linalg.norm(direction)
    along = latent @ direction
    return np.column_stack([along, PCA(1).fit_transform(latent - np.outer(along, direction))])


def predictive_quantities(vae: RecoilVae, recordings: Recordings, seed: int = 0) -> dict[str, tuple[PerEvent, Drawn]]:
    """Each summary of every second event, and of events that the model drew from the posteriors of the others.

    Trap: drawn from the same events they would be near copies, which a two-sample test tells apart by memory.

    Args:
        vae: fitted.
        recordings: electron recoils that no fit saw.
        seed: of the draws.

    Returns:
        Data and drawn values, one an event, under each summary's name and in its unit.
    """
    data, drawn = vae.summaries_.values(recordings[::2]), vae.simulate(recordings[1::2], seed)
    return {name: (data[:, i], drawn[:, i]) for i, name in enumerate(vae.summaries_.names)}
