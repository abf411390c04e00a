"""Run benchmarks one after the other, each in a process of its own, under the facts of the machine.

python -m benchmarks              # all of them
python -m benchmarks fits trees   # some
"""

import argparse
import os
import platform
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import psutil

from serendip.run.provenance import versions

HERE = Path(__file__).parent
NAMES = (
    "fits", "bump_hunter", "trees", "flows", "networks", "nplm", "nplm_large", "monitor", "reading", "toys",
    "xenon_simulation", "xenon_sensitivity",
)  # fmt: skip
PEERS = ("pyBumpHunter", "pytest-benchmark", "torch", "nflows")


def cpu_model() -> str:
    """As the kernel names it, or else the architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def facts() -> str:
    """What a time depends on besides the code; the load tells whether the machine was idle."""
    known = versions()
    for package in PEERS:
        try:
            known[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return "\n".join(
        (
            f"CPU: {cpu_model()}; {os.cpu_count()} cores; {psutil.virtual_memory().total / 2**30:.0f} GiB; "
            f"{platform.system()} {platform.machine()}; load of the last minute {psutil.getloadavg()[0]:.2f}",
            "Versions: " + ", ".join(f"{package} {version}" for package, version in known.items()),
        )
    )


def main() -> int:
    """Run what is named; 1 where one of them failed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(NAMES))
    names = parser.parse_args().names or NAMES
    if unknown := set(names) - set(NAMES):
        parser.error(f"Got {', '.join(sorted(unknown))}, but expected some of {', '.join(NAMES)}.")
    print(facts(), flush=True)
    return max(run(name) for name in names)


def run(name: str) -> int:
    """One benchmark; whether it failed."""
    print(f"\n## {name}\n", flush=True)
    begin = time.perf_counter()
    code = subprocess.run([sys.executable, "-m", f"benchmarks.bench_{name}"], cwd=HERE.parent).returncode
    print(f"({name}: {time.perf_counter() - begin:.0f} s{', failed' if code else ''})", flush=True)
    return int(code != 0)


if __name__ == "__main__":
    sys.exit(main())
