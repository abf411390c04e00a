"""Spectra, scans and the result as a HEPData submission: YAML tables and the archive to upload."""

import gzip
import io
import shutil
import tarfile
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import yaml

from serendip.errors import MissingExtraError
from serendip.report.canvas import poisson_errors
from serendip.report.html import file_names
from serendip.report.panels import Panel, ScanPanel, ScanSeries, SpectrumPanel
from serendip.run.folder import write_atomically

DIGITS = 10  # hepdata_lib rounds to 5 significant digits, which would change counts above 99,999


def write_hepdata(folder: Path, result: Mapping[str, Any], panels: Sequence[Panel], *, comment: str = "") -> Path:
    """Write `exports/hepdata/*.yaml` and `exports/hepdata/submission.tar.gz`.

    Args:
        folder: the run folder.
        result: a `result.json` of schema 1; p-values become a table, an invalid result is marked so.
        panels: spectra and scans among them become tables; others are passed over.
        comment: the abstract of the submission.

    Returns:
        Where the archive is.

    Raises:
        MissingExtraError: hepdata_lib is not installed.
        RunFolderError: the folder cannot be written.
    """
    library = _hepdata_lib()
    with tempfile.TemporaryDirectory() as scratch:
        _write_submission(Path(scratch), library, list(_tables(library, result, panels)), comment or _comment(result))
        files = {path.name: path.read_bytes() for path in sorted(Path(scratch).glob("*.yaml"))}
    target = folder / "exports" / "hepdata"
    shutil.rmtree(target, ignore_errors=True)  # tables of an earlier report would otherwise stand beside these
    for name, content in files.items():
        write_atomically(target / name, content)
    return write_atomically(target / "submission.tar.gz", _archive(files))


def _hepdata_lib() -> ModuleType:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # its own, about jsonschema
            import hepdata_lib
    except ImportError as error:
        raise MissingExtraError("hepdata_lib", "hepdata") from error
    return hepdata_lib


def _write_submission(folder: Path, library: ModuleType, tables: list[Any], comment: str) -> None:
    """As `Submission.create_files` does, which leaves its archive in the working directory."""
    head = {"data_license": library.Submission.get_license(), "comment": comment}
    (folder / "submission.yaml").write_text(yaml.safe_dump(head, explicit_start=True, allow_unicode=True), "utf-8")
    for table in tables:
        table.write_yaml(str(folder))


def _archive(files: Mapping[str, bytes]) -> bytes:
    """A tar.gz without dates, so that the same tables give the same bytes."""
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _comment(result: Mapping[str, Any]) -> str:
    verdict = "" if result.get("valid") else " The validity checks of this result did not all pass."
    return f"Model-independent search ({result['search']}) with {result['method']}.{verdict}"


def _tables(library: ModuleType, result: Mapping[str, Any], panels: Sequence[Panel]) -> Iterator[Any]:
    wanted = [panel for panel in panels if isinstance(panel, SpectrumPanel | ScanPanel)]
    yield _table(library, "result", "Global and local p-values.", _result_variables(library, result))
    for name, panel in zip(file_names(["result", *(panel.name for panel in wanted)])[1:], wanted):
        yield _table(library, name, panel.caption or panel.title, _variables(library, panel))


def _variables(library: ModuleType, panel: SpectrumPanel | ScanPanel) -> list[Any]:
    if isinstance(panel, SpectrumPanel):
        return _spectrum_variables(library, panel)
    return _scan_variables(library, panel)


def _table(library: ModuleType, name: str, description: str, variables: list[Any]) -> Any:
    table = library.Table(name)
    table.description, table.location = description, "Serendip report"
    for variable in variables:
        table.add_variable(variable)
    return table


def _variable(
    library: ModuleType, name: str, values: Any, *, axis: bool = False, binned: bool = False, unit: str = ""
) -> Any:
    variable = library.Variable(name, is_independent=axis, is_binned=binned, units=unit)
    variable.values, variable.digits = values, DIGITS
    variable.zero_uncertainties_warning = False
    return variable


def _add_error(library: ModuleType, variable: Any, label: str, values: Any, *, symmetric: bool = True) -> None:
    uncertainty = library.Uncertainty(label, is_symmetric=symmetric)
    uncertainty.values = values
    variable.add_uncertainty(uncertainty)


def _result_variables(library: ModuleType, result: Mapping[str, Any]) -> list[Any]:
    given = [(name, result[name]) for name in ("global", "local") if result.get(name)]
    low_high = [p.get("p_interval") or (p["p"], p["p"]) for _, p in given]
    columns = {
        "p": [p["p"] for _, p in given],
        "p, lower end of the 68.3 % interval": [low for low, _ in low_high],
        "p, upper end of the 68.3 % interval": [high for _, high in low_high],
        "Z": [p["z"] for _, p in given],
        "toys": [p.get("n_toys", 0) for _, p in given],
    }
    kind = _variable(library, "p-value", [name for name, _ in given], axis=True)
    return [kind, *(_variable(library, name, values) for name, values in columns.items())]


def _spectrum_variables(library: ModuleType, panel: SpectrumPanel) -> list[Any]:
    bins = list(zip(panel.edges[:-1].tolist(), panel.edges[1:].tolist()))
    mass = _variable(library, panel.mass_name, bins, axis=True, binned=True, unit=panel.unit)
    data = _variable(library, "Data", panel.counts.tolist(), unit="events")
    root = np.sqrt(panel.variances)
    down, up = poisson_errors(panel.counts) if panel.is_poisson else (root, root)
    _add_error(library, data, "stat", list(zip((-down).tolist(), up.tolist())), symmetric=False)
    fit = _variable(library, "Background fit", panel.expected.tolist(), unit="events")
    _add_error(library, fit, "fit", panel.expected_error.tolist())
    return [mass, data, fit]


def _scan_variables(library: ModuleType, panel: ScanPanel) -> list[Any]:
    mass = np.unique(np.concatenate([series.mass for series in panel.series]))
    axis = _variable(library, f"{panel.mass_name}, window centre", mass.tolist(), axis=True, unit=panel.unit)
    return [axis, *(_variable(library, f"Local p, {s.label}", _at(s, mass)) for s in panel.series)]


def _at(series: ScanSeries, mass: np.ndarray) -> list[float | str]:
    """p at each mass; `-` where this series has no such window, `<p` for an upper limit."""
    known = {
        m: f"<{p:.4g}" if limit else p
        for m, p, limit in zip(series.mass.tolist(), series.p.tolist(), series.limits.tolist())
    }
    return [known.get(m, "-") for m in mass.tolist()]
