"""What README and docs show is what works: Python runs, configs are configs, links lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from serendip.config import load_config

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)


def pages_with(language: str) -> list:
    return [pytest.param(page, id=page.name) for page in PAGES if blocks(page, language)]


def is_of_xenon(page: Path) -> bool:
    """Whether `test_xenon_pages` runs it: two workers share the pages file by file."""
    return page.name.startswith("xenon")


def run_as_shown(page: Path, folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks(page, "python"))],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize("page", [one for one in pages_with("python") if not is_of_xenon(one.values[0])])
def test_python_runs_as_shown(page, tmp_path):
    run_as_shown(page, tmp_path)


@pytest.mark.parametrize("page", pages_with("yaml"))
def test_configs_are_accepted(page, tmp_path):
    for text in blocks(page, "yaml"):
        (tmp_path / "config.yaml").write_text(text, "utf-8")
        assert load_config(tmp_path / "config.yaml").search


@pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in PAGES])
def test_links_lead_to_files(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        assert "://" in target or (page.parent / target).exists(), target


def test_every_check_of_the_gate_is_explained():
    gate, null, fit, recoil = (
        list(
            dict.fromkeys(re.findall(r'Check\(\s*"([^"]+)"', (ROOT / "src/serendip/search" / file).read_text("utf-8")))
        )
        for file in ("gate.py", "gate_null.py", "fit_gate.py", "recoil_gate.py")
    )
    at = gate.index("p-values uniform")  # the null's checks come before it
    names = gate[:at] + null + gate[at:] + fit + recoil
    explained = re.findall(r"^\*\*(.+)\*\*\n: ", (ROOT / "docs/gate.md").read_text("utf-8"), flags=re.MULTILINE)
    assert names == explained


def test_readme_shows_a_python_snippet():
    assert blocks(ROOT / "README.md", "python")
