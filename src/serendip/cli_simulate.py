"""`serendip simulate KIND`: events whose truth is known, written to a file."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from serendip.cli_common import INTERRUPTED, console, errors, explained
from serendip.errors import InputError, TooFewEventsError

if TYPE_CHECKING:  # commands import what they need, so that help and errors come at once
    from serendip.data import Events, Truth
    from serendip.run.progress import Progress
    from serendip.simulate.tpc.detector import Detector
    from serendip.simulate.tpc.sources import Source

TPC_TYPES = {"er": "flat_er", "nr": "flat_nr"}


@click.group()
def simulate() -> None:
    """Write events whose truth is known to a file."""


seed_option = click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
file_option = click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help=".h5, .parquet, .csv or .npz"
)


def _write(output: Path, events: "Events", truth: "Truth | None" = None) -> None:
    from serendip.data.write import write_events

    write_events(output, events, truth)
    console.print(f"Wrote {len(events):,} events to {output}", soft_wrap=True)


@simulate.command("dijet")
@click.option("--background", type=click.IntRange(0), default=100_000, show_default=True, help="Number of events.")
@click.option("--signal", type=click.IntRange(0), default=0, show_default=True, help="Number of events.")
@click.option("--signal-mass", type=float, default=3500.0, show_default=True, help="GeV.")
@click.option("--signal-width", type=float, default=100.0, show_default=True, help="GeV.")
@seed_option
@file_option
@explained
def simulate_dijet(
    background: int, signal: int, signal_mass: float, signal_width: float, seed: int, output: Path
) -> None:
    """A falling dijet spectrum, with a resonance if asked for."""
    from serendip.simulate import simulate_dijet as draw

    _write(output, *draw(background, signal, signal_mass=signal_mass, signal_width=signal_width, seed=seed))


@simulate.command("exponential")
@click.option("--background", type=click.IntRange(1), default=2000, show_default=True, help="Number of events.")
@click.option("--rate", type=float, default=8.0, show_default=True, help="Of the exponential.")
@click.option("--signal", "signals", multiple=True, help="tail_peak, bulk_excess or bulk_peak of arXiv:1806.02350.")
@seed_option
@file_option
@explained
def simulate_exponential(background: int, rate: float, signals: tuple[str, ...], seed: int, output: Path) -> None:
    """A falling exponential, with signals if asked for: the benchmark of learned tests."""
    from serendip.simulate import simulate_exponential as draw
    from serendip.simulate.exponential import published_signal

    _write(output, *draw(background, [published_signal(name) for name in signals], rate=rate, seed=seed))


@simulate.command("drift_tubes")
@click.option("--events", type=click.IntRange(1), default=10_000, show_default=True, help="How many muons.")
@click.option("--cathode", type=float, default=1.0, show_default=True, help="Cathode voltage over nominal.")
@click.option("--threshold", type=float, default=1.0, show_default=True, help="Front-end threshold over nominal.")
@seed_option
@file_option
@explained
def simulate_drift_tubes(events: int, cathode: float, threshold: float, seed: int, output: Path) -> None:
    """Muons in a drift chamber, healthy or with voltage or thresholds lowered."""
    from serendip.simulate import simulate_drift_tubes as draw

    _write(output, draw(events, cathode=cathode, threshold=threshold, seed=seed))


@simulate.command("tpc")
@click.option("--type", "kind", required=True, help="er, nr (flat), wimp, or a source such as pp or cevns_b8.")
@click.option("--mass", type=float, help="Of the WIMP, GeV.")
@click.option("--sigma", type=float, default=1e-47, show_default=True, help="WIMP-nucleon cross section, cm².")
@click.option("-n", "--events", type=click.IntRange(1), default=10_000, show_default=True, help="Energy deposits.")
@click.option("--energy", type=float, nargs=2, help="Lowest and highest, keV.  [default: all of the spectrum]")
@click.option("--quick", is_flag=True, help="Areas and positions alone, without waveforms and patterns.")
@click.option("--detector", default="darwin", show_default=True, help="Preset to start from.")
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a number of the detector, or give s1_map or s2_map, a file.",
)
@click.option("--fiducial", type=float, help="Mass to fill, t; 0 for all.  [default: 31.5, or all of a smaller liquid]")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Threads.")
@seed_option
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="A file that ends in .h5.")
@explained
def simulate_tpc(
    kind: str,
    mass: float | None,
    sigma: float,
    events: int,
    energy: tuple[float, float] | None,
    quick: bool,
    detector: str,
    changes: tuple[str, ...],
    fiducial: float | None,
    workers: int,
    seed: int,
    output: Path,
) -> int:
    """Events of a dual-phase xenon TPC, from energy deposits to waveforms."""
    source, chosen = _source(kind, mass, sigma, energy), _detector(detector, changes)
    begun = time.perf_counter()
    try:
        mass_filled = _mass_filled(fiducial, chosen)
        triggered = _simulate_to(output, source, chosen, events, not quick, seed, workers, mass_filled)
    except KeyboardInterrupt:
        errors.print("Stopped. Nothing was written.")
        return INTERRUPTED
    rate = events / (time.perf_counter() - begun)
    counts = f"{events:,} deposits of {source.summary}, {triggered:,} triggered, {rate:,.0f} a second"
    console.print(f"Wrote {output}: {counts}", soft_wrap=True, markup=False)
    return 0


def _simulate_to(
    output: Path,
    source: "Source",
    detector: "Detector",
    events: int,
    pulses: bool,
    seed: int,
    threads: int,
    fiducial: float | None,
) -> int:
    from serendip.data.recordings_file import RecordingsWriter
    from serendip.simulate.tpc.chunks import ROWS, simulate_chunks

    chunks = simulate_chunks(source, events, detector, pulses=pulses, seed=seed, threads=threads, fiducial=fiducial)
    with RecordingsWriter(output, asdict(detector)) as file, _stage(-(-events // ROWS)) as progress:
        for recordings in chunks:
            if recordings is not None:
                file.append(recordings)
            progress.advance()
        if not file.events:
            raise TooFewEventsError(
                f"Got no event of {events:,} that triggers, but expected some. Give more, or more energy."
            )
    return file.events


@contextmanager
def _stage(chunks: int) -> "Iterator[Progress]":
    from serendip.run.progress import progress_on

    progress, how = progress_on(), "stopped"
    progress.begin("simulate tpc", chunks, 0)
    try:
        yield progress
        how = "done"
    finally:
        progress.end(how)


def _mass_filled(asked: float | None, detector: "Detector") -> float | None:
    """Tonnes; None for the whole liquid."""
    from serendip.simulate.tpc.sources import FIDUCIAL_MASS, fiducial_volume

    if asked is not None:
        return asked or None
    return FIDUCIAL_MASS if fiducial_volume(detector, None).mass(detector.density) > FIDUCIAL_MASS else None


def _source(kind: str, mass: float | None, sigma: float, energy: tuple[float, float] | None) -> "Source":
    from serendip.simulate.tpc.sources import find_source, wimp_source
    from serendip.simulate.tpc.spectra import flat_spectrum

    if kind == "wimp":
        if mass is None:
            raise InputError("--mass: Got none, but expected the mass of the WIMP in GeV, such as --mass 50.")
        source = wimp_source(mass, sigma)
    elif mass is not None:
        raise InputError(f"--mass: Got {mass:g}, but expected none for --type {kind}; only --type wimp has one.")
    else:
        source = find_source(TPC_TYPES.get(kind, kind))
    if energy is None:
        return source
    if source.paired:
        raise InputError(f"--energy: Got {energy[0]:g} to {energy[1]:g}, but expected none for --type {kind}.")
    if source.name.startswith("flat"):
        return replace(source, spectrum=flat_spectrum(*energy))
    return source.within(*energy)


def _detector(preset: str, changes: tuple[str, ...]) -> "Detector":
    """The preset with the values that `KEY=VALUE` changes."""
    from serendip.simulate.tpc.detector import TEXTS, make_detector

    numbers: dict[str, str | float] = {"preset": preset}
    for change in changes:
        key, _, value = change.partition("=")
        if key in TEXTS and value:
            numbers[key] = value
            continue
        try:
            numbers[key] = int(value) if value.lstrip("-").isdigit() else float(value)
        except ValueError:
            raise InputError(f"--set: Got {change!r}, but expected KEY=NUMBER, such as drift_field=100.") from None
    return make_detector(numbers)
