"""The HEPData submission passes HEPData's own validator, and keeps every digit."""

import sys
import tarfile
import warnings
from dataclasses import replace

import numpy as np
import pytest
import yaml

from serendip.errors import MissingExtraError
from serendip.report import ScanPanel, ScanSeries, SpectrumPanel, write_hepdata


@pytest.fixture
def archive(tmp_path, result, panels):
    return write_hepdata(tmp_path, result, panels)


def test_the_archive_passes_the_validator_of_hepdata(archive):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from hepdata_validator.full_submission_validator import FullSubmissionValidator

        validator = FullSubmissionValidator()
        assert validator.validate(archive=str(archive)), validator.get_messages()


def test_the_archive_holds_the_files_beside_it_and_nothing_else_is_written(archive, tmp_path):
    beside = {path.name for path in archive.parent.glob("*.yaml")}
    with tarfile.open(archive) as tar:
        assert set(tar.getnames()) == beside
    assert beside == {
        "submission.yaml", "result.yaml", "scan.yaml", "spectrum_uncut.yaml", "spectrum_cut_0.002.yaml",
    }  # fmt: skip
    assert {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*")} == {"exports"}


def test_counts_keep_all_their_digits(tmp_path, result, panels):
    spectrum = next(panel for panel in panels if isinstance(panel, SpectrumPanel))
    counts = spectrum.counts + 12_345_678
    large = replace(spectrum, counts=counts, variances=counts)
    written = write_hepdata(tmp_path, result, (large,)).with_name("spectrum_uncut.yaml")
    data = yaml.safe_load(written.read_text())["dependent_variables"][0]
    assert [value["value"] for value in data["values"]] == counts.tolist()


def test_a_window_that_a_series_lacks_is_left_blank_and_a_limit_is_marked(tmp_path, result):
    one = ScanSeries("a", np.array([1.0, 2.0]), np.array([0.5, 0.1]))
    two = ScanSeries("b", np.array([2.0]), np.array([0.005]), np.array([True]))
    archive = write_hepdata(tmp_path, result, (ScanPanel("scan", "Scan", (one, two)),))
    columns = yaml.safe_load(archive.with_name("scan.yaml").read_text())["dependent_variables"]
    assert [value["value"] for value in columns[1]["values"]] == ["-", "<0.005"]


def test_the_same_tables_give_the_same_bytes(tmp_path, result, panels):
    first = write_hepdata(tmp_path, result, panels).read_bytes()
    assert write_hepdata(tmp_path, result, panels).read_bytes() == first


def test_an_invalid_result_is_marked_in_the_comment(archive):
    head = next(yaml.safe_load_all(archive.with_name("submission.yaml").read_text()))
    assert "did not all pass" in head["comment"]


def test_a_missing_library_is_named_with_its_install_line(tmp_path, result, monkeypatch):
    monkeypatch.setitem(sys.modules, "hepdata_lib", None)
    with pytest.raises(MissingExtraError, match=r"serendip\[hepdata\]"):
        write_hepdata(tmp_path, result, ())
