"""The comparisons that pytest-benchmark repeats: `python -m pytest benchmarks --benchmark-only`.

Each group is one task, done by Serendip and by its peers; the bench_*.py scripts measure the same at full size.
"""

import pytest

from benchmarks import bench_bump_hunter, bench_fits, bench_trees
from serendip.stats.spectrum import Spectrum

pytestmark = pytest.mark.filterwarnings("default")  # peers may warn

SPECTRA = 1000
EVENTS = 1000.0
PACKAGES = {"serendip": "serendip", "scikit-learn": "sklearn", "lightgbm": "lightgbm"}


@pytest.fixture(scope="module")
def counts():
    return bench_fits.spectra(EVENTS, SPECTRA)


@pytest.fixture(scope="module")
def histogram():
    return bench_bump_hunter.histogram(40)


@pytest.fixture(scope="module")
def task():
    try:
        return bench_trees.idealised_task(0)
    except FileNotFoundError:
        pytest.skip("no LHCO sample; set SERENDIP_DATA")


@pytest.fixture(scope="module")
def pool():
    with bench_trees.processes() as pool:
        yield pool


@pytest.mark.benchmark(group="fits")
def test_fits_in_batch(benchmark, counts):
    found = benchmark.pedantic(bench_fits.in_batch, (counts,), rounds=5, warmup_rounds=1)
    assert found.converged.mean() > 0.99


@pytest.mark.benchmark(group="fits")
def test_fits_by_iminuit(benchmark, counts):
    singles = [Spectrum.from_counts(n, bench_fits.EDGES) for n in counts]
    assert len(benchmark.pedantic(bench_fits.one_by_one, (singles,), rounds=3)) == SPECTRA


@pytest.mark.benchmark(group="bump hunter")
def test_bump_hunter_of_serendip(benchmark, histogram):
    found = benchmark.pedantic(bench_bump_hunter.ours, histogram, rounds=5, warmup_rounds=1)
    assert found.global_p.p < 0.5


@pytest.mark.benchmark(group="bump hunter")
@pytest.mark.parametrize("workers", bench_bump_hunter.WORKERS)
def test_bump_hunter_of_pybumphunter(benchmark, histogram, workers):
    pytest.importorskip("pyBumpHunter")
    found = benchmark.pedantic(bench_bump_hunter.theirs, (*histogram, workers), rounds=3)
    assert found.global_Pval < 0.5


@pytest.mark.benchmark(group="trees")
@pytest.mark.parametrize("library", bench_trees.LIBRARIES)
def test_trees(benchmark, task, pool, library):
    pytest.importorskip(PACKAGES[library])
    ensemble = bench_trees.LIBRARIES[library]
    x, y, test, truth = task
    bench_trees.warm_up(ensemble, pool, x, y, test)
    score = benchmark.pedantic(ensemble, (pool, x, y, test), rounds=5)
    assert bench_trees.max_sic(score, truth) > 1
