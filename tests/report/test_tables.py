"""The words of a result."""

import io

import pytest
from rich.console import Console

from serendip.report.tables import (
    check_state,
    format_how,
    format_number,
    format_p,
    format_z,
    is_valid,
    result_table,
)


def printed(result: dict) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(result_table(result))
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"), (0, "0"), (0.0, "0"), (61, "61"), (91441, "91,441"), (0.00213, "0.00213"),
        (1.2e-7, "1.20 × 10⁻⁷"), (2.5e8, "2.50 × 10⁸"), (-3.5, "-3.5"), (123456.7, "123,457"),
        (True, "yes"), ("trees", "trees"), ([3300, 3700.5], "3,300, 3,700"), (float("nan"), "nan"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_a_person_would(value, text):
    assert format_number(value) == text


def test_an_interval_that_touches_zero_is_printed_as_an_upper_limit():
    p = {"p": 0.00498, "p_interval": [0.0, 0.0057], "z": 2.58, "how": "toys", "n_toys": 200}
    assert format_p(p) == "p < 0.0057 (68 % CL)"
    assert format_z(p) == "Z > 2.53"
    assert format_how(p) == "200 toys"


def test_an_interval_is_printed_in_p_and_in_z():
    p = {"p": 0.002, "p_interval": [0.001, 0.003], "z": 2.88, "how": "tail fit", "n_toys": 500}
    assert format_p(p) == "p = 0.002 [0.001, 0.003]"
    assert format_z(p) == "Z = 2.88 [2.75, 3.09]"
    assert format_how(p) == "tail fit, 500 toys"


def test_a_formula_has_no_interval_and_no_toys():
    p = {"p": 1e-7, "p_interval": [1e-7, 1e-7], "z": 5.2, "how": "profile likelihood", "n_toys": 0}
    assert format_p(p) == "p = 1.0 × 10⁻⁷"
    assert format_z(p) == "Z = 5.20"
    assert format_how(p) == "profile likelihood"


def test_a_check_that_was_not_made_has_not_passed():
    assert [check_state({"passed": passed}) for passed in (True, False, None)] == [
        "passed",
        "failed",
        "not run",
    ]


def test_a_failed_check_outweighs_a_result_that_calls_itself_valid(result):
    result["valid"] = True
    assert not is_valid(result)
    assert "NOT VALID" in printed(result)


def test_the_terminal_table_names_every_check_that_did_not_pass(result):
    text = printed(result)
    assert "p < 0.0057 (68 % CL)" in text
    assert "Z = 5.18" in text
    assert "mass leak (failed): A classifier tells" in text
    assert "spurious signal (not run)" in text
    assert "sculpting" not in text


def test_markup_in_names_is_printed_as_it_is(result):
    result["method"] = "[red]cwola[/red]"
    result["checks"][1]["detail"] = "[bold]x"
    text = printed(result)
    assert "[red]cwola[/red]" in text
    assert "[bold]x" in text


def test_a_result_with_little_in_it_still_prints():
    assert "NOT VALID" in printed({"search": "s", "method": "m", "local": None, "checks": [], "valid": False})
