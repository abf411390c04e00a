"""Reads and selects 1 and 10 million rows of Parquet and ROOT: rows a second, and peak memory.

Memory is to be bounded by the chunk: at the same chunk the peak must not grow with the file.

Run: python -m benchmarks.bench_reading [--rows 10000000] [--chunk 500000]
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import uproot

from serendip.data import Recipe, read_recipe

COLUMNS = ("px1", "py1", "pz1", "m1", "px2", "py2", "pz2", "m2", "tau1", "tau2")
RECIPE = Recipe(
    {"m_light": "min(m1, m2)", "dm": "abs(m1 - m2)", "tau21": "ratio_or(tau2, tau1, 0)"},
    mass="pair_mass(px1, py1, pz1, m1, px2, py2, pz2, m2)",
    mass_name="mjj",
    where="3300 <= mjj < 3700 and m_light > 30",
)
ROWS_PER_WRITE = 500_000


def main() -> None:
    """Write the files, read each in a process of its own, print the table."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--rows", type=int, default=10_000_000)
    asked.add_argument("--chunk", type=int, default=500_000)
    asked.add_argument("--read", type=Path, help="read this file and print one line of JSON")
    asked.add_argument("--write", type=Path, help="write this file")
    options = asked.parse_args()
    if options.read:
        print(json.dumps(measured(options.read, options.chunk)))
        return
    if options.write:
        WRITERS[options.write.suffix](options.write, options.rows)
        return
    with tempfile.TemporaryDirectory() as folder:
        print(f"| file | rows | size MB | selected | s | rows/s | peak MB (chunk {options.chunk:,}) |")
        print("|---|---|---|---|---|---|---|")
        for suffix in WRITERS:
            for rows in (options.rows // 10, options.rows):
                print(line(Path(folder) / f"events_{rows}{suffix}", rows, options.chunk), flush=True)


def line(path: Path, rows: int, chunk: int) -> str:
    """One row of the table; the file is deleted again."""
    own("--write", path, "--rows", rows)
    found = json.loads(own("--read", path, "--chunk", chunk))
    size = path.stat().st_size / 1e6
    path.unlink()
    return (
        f"| {path.suffix[1:]} | {rows:,} | {size:.0f} | {found['selected']:,} | {found['seconds']:.1f} "
        f"| {rows / found['seconds']:,.0f} | {found['peak_mb']:.0f} ({found['idle_mb']:.0f} before) |"
    )


def own(*arguments: object) -> str:
    """This script as a new process, which starts with the peak of its parent: so this one stays small."""
    command = [sys.executable, __file__, *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def measured(path: Path, chunk: int) -> dict[str, float]:
    """Time and peak resident memory of one `read`."""
    idle = peak_mb()
    started = time.perf_counter()
    reading = read_recipe(path, RECIPE, rows_per_chunk=chunk)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "selected": len(reading.events), "peak_mb": peak_mb(), "idle_mb": idle}


def peak_mb() -> float:
    """Peak resident memory so far; Linux counts it in KiB, macOS in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def write_parquet(path: Path, rows: int) -> None:
    """As pyarrow writes by default: row groups of a million rows."""
    with pq.ParquetWriter(path, pa.schema([(name, pa.float32()) for name in COLUMNS])) as writer:
        for part in parts(rows):
            writer.write_table(pa.table(part))


def write_root(path: Path, rows: int) -> None:
    """A TTree with float branches."""
    with uproot.recreate(path) as file:
        tree = file.mktree("events", dict.fromkeys(COLUMNS, np.float32))
        for part in parts(rows):
            tree.extend(part)


def parts(rows: int) -> Iterator[dict[str, np.ndarray]]:
    """Two jets an event, nearly back to back."""
    rng = np.random.default_rng(1)
    for start in range(0, rows, ROWS_PER_WRITE):
        n = min(ROWS_PER_WRITE, rows - start)
        yield {name: values.astype(np.float32) for name, values in jets(rng, n).items()}


def jets(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    """Momenta and masses in GeV."""
    pt, phi = 1000 + rng.exponential(300.0, n), rng.uniform(-np.pi, np.pi, n)
    return {
        "px1": pt * np.cos(phi),
        "py1": pt * np.sin(phi),
        "pz1": rng.normal(0, 800.0, n),
        "m1": rng.exponential(100.0, n),
        "px2": -pt * np.cos(phi),
        "py2": -pt * np.sin(phi),
        "pz2": rng.normal(0, 800.0, n),
        "m2": rng.exponential(100.0, n),
        "tau1": rng.uniform(0, 1, n),
        "tau2": rng.uniform(0, 0.7, n),
    }


WRITERS = {".parquet": write_parquet, ".root": write_root}


if __name__ == "__main__":
    main()
