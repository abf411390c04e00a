"""Public data sets by name: a local copy where there is one, else a download whose hash is then pinned."""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pooch

from serendip.errors import InputError, unknown_name

DATA_FOLDER = "SERENDIP_DATA"
HASHES = "hashes.json"
SECONDS_TO_ANSWER = 30


@dataclass(frozen=True)
class PublicSet:
    """A data set that anybody can get.

    Attributes:
        description: what it holds.
        file: what the file is called.
        page: the record that describes it.
        licence: under which it may be used.
        url: where the file itself is; None where it can only be got from the page by hand.
        local: where a copy or a subset of it may stand below the data folder, the best first.
    """

    description: str
    file: str
    page: str
    licence: str
    url: str | None = None
    local: tuple[str, ...] = ()


ZENODO = "https://zenodo.org/record"
CERN = "https://opendata.cern.ch/record"
CMS_545 = f"{CERN}/545"

CATALOGUE: Mapping[str, PublicSet] = {
    "lhco_rnd": PublicSet(
        "LHC Olympics 2020 R&D set: QCD dijets and W'(3.5 TeV) → XY → qqqq, two jets each; 1,100,000 events",
        "events_anomalydetection_v2.features.h5",
        f"{ZENODO}/4536377",
        "CC-BY 4.0",
        f"{ZENODO}/4536377/files/events_anomalydetection_v2.features.h5",
        ("lhco/events_anomalydetection_v2.features.h5", "lhco/lhco_rnd_100k.features.h5"),
    ),
    "lhco_extra_qcd": PublicSet(
        "More QCD dijets like those of lhco_rnd, 3.3–3.7 TeV only: a background sample for the signal region",
        "events_anomalydetection_qcd_extra_inneronly_features.h5",
        f"{ZENODO}/5759087",
        "CC-BY 4.0",
        f"{ZENODO}/5759087/files/events_anomalydetection_qcd_extra_inneronly_features.h5",
        ("lhco/events_anomalydetection_qcd_extra_inneronly_features.h5",),
    ),
    "cms_dimuon": PublicSet(
        "CMS events with two muons, 2–110 GeV, with four-vectors and mass; 100,000 events",
        "Dimuon_DoubleMu.csv",
        CMS_545,
        "CC-BY 4.0",
        f"{CMS_545}/files/Dimuon_DoubleMu.csv",
        ("cms_opendata/Dimuon_DoubleMu.csv", "cms_opendata/Dimuon_DoubleMu.csv.gz"),
    ),
    "cms_zmumu": PublicSet(
        "CMS events with two muons, 60–120 GeV: the Z boson; 10,851 events",
        "Zmumu_Run2011A_masses.csv.gz",
        CMS_545,
        "CC-BY 4.0",
        local=("cms_opendata/Zmumu_Run2011A_masses.csv.gz",),
    ),
    "cms_upsilon": PublicSet(
        "CMS events with two muons, 9.0–9.7 GeV: the Υ(1S) on a continuum; 19,519 events",
        "peakdata3.csv.gz",
        CMS_545,
        "CC-BY 4.0",
        local=("cms_opendata/peakdata3.csv.gz",),
    ),
    "cms_rho_omega": PublicSet(
        "CMS events with two muons, 0.65–0.90 GeV: the ρ and ω; 8,270 events",
        "peakdata5.csv.gz",
        CMS_545,
        "CC-BY 4.0",
        local=("cms_opendata/peakdata5.csv.gz",),
    ),
    "cms_zee": PublicSet(
        "CMS events with two electrons; 18,885 events",
        "Zee_Run2011A.csv.gz",
        CMS_545,
        "CC-BY 4.0",
        local=("cms_opendata/Zee_Run2011A.csv.gz",),
    ),
}


def names() -> list[str]:
    """The names that `fetch` knows."""
    return sorted(CATALOGUE)


def describe(name: str) -> PublicSet:
    """What is known about a set.

    Raises:
        InputError: there is none of this name; the message names the nearest.
    """
    if name not in CATALOGUE:
        raise InputError(unknown_name("data set", name, CATALOGUE))
    return CATALOGUE[name]


def fetch(name: str, folder: str | os.PathLike | None = None) -> Path:
    """The file of a set: a copy below $SERENDIP_DATA, which may be a subset, else a download in the folder.

    The SHA-256 of a file in the folder is written to `hashes.json` beside it on first use, and checked on
    every later one.

    Args:
        name: one of `names()`.
        folder: where downloads are kept; by default the user's cache.

    Raises:
        InputError: the name is unknown, the download fails, or the file is not the one that was pinned.
    """
    known = describe(name)
    copy = _local_copy(known)
    if copy is not None:
        return copy
    folder = Path(folder) if folder is not None else Path(pooch.os_cache("serendip"))
    path = folder / known.file
    if not path.exists():
        _download(known, path)
    _check_pinned(path)
    return path


def _local_copy(known: PublicSet) -> Path | None:
    data = os.environ.get(DATA_FOLDER)
    candidates = [Path(data) / place for place in known.local] if data else []
    return next((path for path in candidates if path.is_file()), None)


def _download(known: PublicSet, path: Path) -> None:
    """To a name of its own first, so that a broken download never passes for the file."""
    by_hand = f"Get it by hand from {known.url or known.page} and put it at {path}."
    if known.url is None:
        raise InputError(f"Got no local copy of {known.file}, and it has no address of its own. {by_hand}")
    part = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
        os.close(handle)
        pooch.HTTPDownloader(timeout=SECONDS_TO_ANSWER)(known.url, part, None)
        os.replace(part, path)
    except OSError as error:  # every error of the network is one, and so is a full disk
        raise InputError(f"Got no file from {known.url} ({error}), but expected a download. {by_hand}") from error
    finally:
        if part is not None:
            Path(part).unlink(missing_ok=True)


def _check_pinned(path: Path) -> None:
    hashes = path.parent / HASHES
    pinned = json.loads(hashes.read_text()) if hashes.exists() else {}
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    expected = pinned.get(path.name)
    if expected is None:
        _write_atomically(hashes, json.dumps(pinned | {path.name: found}, indent=1, sort_keys=True))
    elif found != expected:
        raise InputError(
            f"{path}: Got SHA-256 {found}, but expected {expected} as on first use. Delete the file to fetch "
            f"it again; if the public file was changed on purpose, delete its line in {hashes} too."
        )


def _write_atomically(path: Path, text: str) -> None:
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    with os.fdopen(handle, "w") as file:
        file.write(text)
    os.replace(part, path)
