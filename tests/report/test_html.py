"""The page holds everything, asks the network for nothing, and prints text as text."""

import csv
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from serendip.report import ScanPanel, SpectrumPanel, TablePanel, write_report
from serendip.report.html import file_names, without_dollars

EVIL = "<script>alert(1)</script>"


class Page(HTMLParser):
    """Collects tags and their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory, panels) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture
def page(folder, panels, result, config) -> str:
    if not (folder / "report.html").exists():
        write_report(folder, result, panels, config=config, notes=["Truth was read for ROC and SIC only."])
    return (folder / "report.html").read_text()


def test_every_figure_stands_beside_the_page_as_png_pdf_and_numbers(page, folder, panels):
    names = {panel.name for panel in panels if not isinstance(panel, TablePanel)}
    for kind in ("png", "pdf", "csv"):
        assert {path.name.removesuffix(f".{kind}") for path in (folder / "figures").glob(f"*.{kind}")} == names
    assert {path.stem for path in (folder / "tables").glob("*.csv")} == {"windows", "checks"}


def test_the_numbers_of_a_figure_read_back_exactly(page, folder, panels):
    spectrum = next(panel for panel in panels if isinstance(panel, SpectrumPanel))
    with (folder / "figures" / f"{spectrum.name}.csv").open() as file:
        rows = list(csv.DictReader(file))
    np.testing.assert_array_equal([float(row["expected"]) for row in rows], spectrum.expected)


def test_the_page_asks_nothing_of_the_network(page):
    tags = Page(page).tags
    assert all(attrs["src"].startswith("data:image/png;base64,") for _, attrs in tags if "src" in attrs)
    assert all(attrs["href"].startswith("#") for _, attrs in tags if "href" in attrs)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in tags}
    assert not re.search(r"https?://|@import|url\(", page)


def test_every_figure_has_its_caption_as_alternative_text(page, panels):
    figures = [panel for panel in panels if not isinstance(panel, TablePanel)]
    alternatives = [attrs["alt"] for tag, attrs in Page(page).tags if tag == "img"]
    assert len(alternatives) == len(figures)
    assert "Local p of every window." in alternatives


def test_the_links_of_the_contents_have_targets(page):
    tags = Page(page).tags
    targets = {attrs["id"] for _, attrs in tags if "id" in attrs}
    assert {attrs["href"][1:] for _, attrs in tags if "href" in attrs} <= targets


def test_the_reason_of_a_failed_check_stands_above_the_p_values(page):
    assert page.index("NOT VALID") < page.index("A classifier tells sidebands") < page.index("p &lt; 0.0057")
    assert page.index("Z &gt; 2.53") < page.index("<h2>Checks</h2>")


def test_provenance_names_inputs_config_versions_and_memory(page, result):
    for text in (
        result["inputs"][0]["sha256"],
        result["config_sha256"],
        "mj_light: min(mj1, mj2)",
        "2.4.6",
        "912 MB",
    ):
        assert text in page


def test_a_valid_result_says_so(tmp_path, result, config):
    result |= {"valid": True, "checks": [c for c in result["checks"] if c["passed"] is not False]}
    page = write_report(tmp_path, result, (), config=config).read_text()
    assert "<strong>VALID</strong>" in page
    assert "2 of 3 checks passed, 1 not run" in page
    assert "NOT VALID" not in page


def test_whatever_is_given_is_printed_as_text(tmp_path, result, config, panels):
    result |= {"search": EVIL, "method": EVIL, "versions": {EVIL: EVIL}, "seed": EVIL}
    result["checks"][0] |= {"name": EVIL, "detail": EVIL, "value": EVIL}
    result["checks"][1] |= {"name": EVIL, "detail": EVIL}
    result["inputs"][0]["name"] = EVIL
    scan = next(panel for panel in panels if isinstance(panel, ScanPanel))
    evil = [
        replace(scan, name=EVIL, title=EVIL, caption=f'" onerror="{EVIL}', mass_name=EVIL),
        TablePanel(EVIL, EVIL, (EVIL,), ((EVIL,),), EVIL),
    ]
    page = write_report(tmp_path, result, evil, config=config | {EVIL: EVIL}, notes=[EVIL]).read_text()
    tags = Page(page).tags
    assert "script" not in {tag for tag, _ in tags}
    assert not any("onerror" in attrs for _, attrs in tags)
    assert page.count("&lt;script&gt;") > 15


def test_a_result_that_says_little_is_reported(tmp_path):
    bare = {"search": "s", "method": "m", "checks": [{"name": "sculpting", "passed": False}]}
    page = write_report(tmp_path, bare, (), config={}).read_text()
    assert "<b>sculpting</b>: value –, limit –" in page


def test_a_result_without_global_p_or_best_window_is_reported(tmp_path, result, config):
    result |= {"global": None, "best": None, "inputs": [], "checks": []}
    page = write_report(tmp_path, result, (), config=config).read_text()
    assert "not computed" in page
    assert "No check was made." in page


def test_names_become_file_names_that_differ():
    assert file_names(["a/b", "a b", "../..", "A_B", "checks"]) == [
        "a_b",
        "a_b-2",
        "panel",
        "A_B-3",
        "checks-2",
    ]


def test_captions_lose_their_mathematics_marks():
    assert without_dollars("in $m_{jj}$ for 3 $ more") == "in m_jj for 3 $ more"
