import math
import time

import numpy as np
import pytest

from serendip.data.expressions import column, parse
from serendip.errors import InputError

COLUMNS = {
    "a": np.array([0.0, 1.0, 2.0, 3.0]),
    "b": np.array([2, -1, 0, 4]),
    "flag": np.array([True, False, True, True]),
    "tau21": np.ones(4),
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a + 2 * b", [4, -1, 2, 11]),
        ("-a ** 2", [0, -1, -4, -9]),
        ("2 ** -a", [1, 0.5, 0.25, 0.125]),
        ("(a + 1) % 2", [1, 0, 1, 0]),
        ("min(a, b, 1)", [0, -1, 0, 1]),
        ("max(a, 1.5)", [1.5, 1.5, 2, 3]),
        ("clip(a, 1, 2)", [1, 1, 2, 2]),
        ("where(a > b, a, b)", [2, 1, 2, 4]),
        ("where(flag, a, -1)", [0, -1, 2, 3]),
        ("ratio_or(a, b, 9)", [0, -1, 9, 0.75]),
        ("abs(b) + sqrt(a * a)", [2, 2, 2, 7]),
        ("hypot(3 * a, 4 * a)", [0, 5, 10, 15]),
        ("10 * (a > 1)", [0, 0, 10, 10]),
        ("a\n  +\n b", [2, 0, 2, 7]),
    ],
)
def test_arithmetic_follows_pythons_rules(text: str, expected: list) -> None:
    np.testing.assert_allclose(parse(text).evaluate(COLUMNS), expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a > 1", [False, False, True, True]),
        ("0 < a <= 2", [False, True, True, False]),
        ("(a > 0) & (b > 0)", [False, False, False, True]),
        ("a > 0 and not b > 0", [False, True, True, False]),
        ("~flag | (a == 3)", [False, True, False, True]),
        ("a != 1 or flag", [True, False, True, True]),
        ("isfinite(a / b)", [True, True, False, True]),
    ],
)
def test_conditions_are_logical(text: str, expected: list) -> None:
    expression = parse(text)
    assert expression.is_logical
    np.testing.assert_array_equal(expression.evaluate(COLUMNS), expected)


@pytest.mark.parametrize("name", ["sqrt", "log", "log10", "exp", "sin", "cos", "tan", "sinh", "cosh"])
def test_functions_agree_with_math(name: str) -> None:
    assert parse(f"{name}(a)").evaluate({"a": np.array([0.7])})[0] == pytest.approx(getattr(math, name)(0.7))


def test_pair_mass_is_that_of_two_back_to_back_jets() -> None:
    text = "pair_mass(px, 0, 0, m, -px, 0, 0, m)"
    mass = parse(text).evaluate({"px": np.array([30.0]), "m": np.array([40.0])})
    assert mass[0] == pytest.approx(100.0)


def test_names_are_the_columns_and_not_the_functions() -> None:
    assert parse("sqrt(b / a) + min(a, tau21)").names == ("b", "a", "tau21")


def test_division_by_zero_gives_inf_without_a_warning() -> None:
    assert np.isinf(parse("1 / a").evaluate(COLUMNS)[0])


def test_integer_columns_do_not_overflow() -> None:
    huge = {"n": np.array([2**62])}
    assert parse("n * 4").evaluate(huge)[0] == 2.0**64


def test_the_same_expression_has_the_same_normal_form() -> None:
    assert parse("(a+b) / 2").normal_form == parse("((a + b)/2)").normal_form


def test_a_column_may_have_any_name() -> None:
    assert column("jet 1/pt").evaluate({"jet 1/pt": np.array([3.0])}) == 3.0


def test_an_unknown_column_is_pointed_at_with_the_nearest() -> None:
    with pytest.raises(InputError) as caught:
        parse("sqrt(tau31 / a)").evaluate(COLUMNS)
    message, text, carets = str(caught.value).splitlines()
    assert message.endswith("Did you mean 'tau21'?")
    assert text[carets.index("^") : carets.rindex("^") + 1] == "tau31"


def test_carets_count_characters_and_not_bytes() -> None:
    with pytest.raises(InputError) as caught:
        parse("τ21 + sqr(a)")
    _, text, carets = str(caught.value).splitlines()
    assert text[carets.index("^") : carets.rindex("^") + 1] == "sqr"


def test_an_unknown_function_suggests_the_nearest() -> None:
    with pytest.raises(InputError, match="Did you mean 'sqrt'"):
        parse("sqr(a)")


@pytest.mark.parametrize("text", ["a > 1 & b < 2", "flag & a > 1", "~1 + a", "(a + b) | flag"])
def test_loose_ampersands_are_refused_because_they_bind_first(text: str) -> None:
    with pytest.raises(InputError, match=r"write \(a > 1\) & \(b < 2\)"):
        parse(text)


HOSTILE = {
    "attribute": "a.__class__",
    "import": "__import__('os').system('true')",
    "lambda": "(lambda: a)()",
    "text": "'x' * a",
    "format": "f'{a}'",
    "index": "a[0]",
    "comprehension": "[a for a in b]",
    "walrus": "(a := 3)",
    "conditional": "a if b else a",
    "tuple": "a, b",
    "star": "min(*a)",
    "keyword": "sqrt(x=a)",
    "module": "np.sqrt(a)",
    "statement": "a; b",
    "shift": "a << 9999999999",
    "floor division": "a // b",
    "membership": "a in b",
    "complex": "1j * a",
    "none": "None + a",
    "dots": "...",
    "huge float": "1e999 * a",
    "huge int": "1" + "0" * 400 + " * a",
    "digits": "9" * 3900 + " * a",
    "too long": "a+" * 2000 + "a",
    "parentheses": "(" * 500 + "a" + ")" * 500,
    "signs": "-" * 3000 + "a",
    "long sum": "+".join(["a"] * 1000),
    "null byte": "a\x00",
    "comment": "a # b",
    "empty": "   ",
    "no column": "9 ** 9 ** 9",
    "half": "a +",
    "arguments": "sqrt(a, b)",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_is_refused_quickly_and_shortly(text: str) -> None:
    started = time.perf_counter()
    with pytest.raises(InputError) as caught:
        parse(text)
    assert time.perf_counter() - started < 0.5
    assert len(str(caught.value)) < 600


def test_towers_of_powers_cost_nothing() -> None:
    assert np.isinf(parse("9 ** 9 ** 9 ** 9 * tau21").evaluate(COLUMNS)).all()
