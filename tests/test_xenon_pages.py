import pytest

from tests.test_readme import is_of_xenon, pages_with, run_as_shown

pytest.importorskip("nestpy")


@pytest.mark.parametrize("page", [one for one in pages_with("python") if is_of_xenon(one.values[0])])
def test_python_runs_as_shown(page, tmp_path):
    run_as_shown(page, tmp_path)
